"""The lessons of `examples/lessons`: each runs, prints what its docstring says, and its numbers are the closed forms.

A lesson that trains promises no digits, only what they show; the others print the same digits everywhere, up to the
rounding of the last.
"""

import math
import re
from pathlib import Path

import matplotlib.image as mpimg
import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


def numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def line_with(printed, words):
    """The one line that contains the words."""
    (line,) = [line for line in printed.splitlines() if words in line]
    return line


def promised_output(lesson):
    """The indented block of the lesson's docstring."""
    block = lesson.__doc__.partition("rints:\n\n")[2].partition("\nTry this:")[0]
    return "".join(line.removeprefix("    ") + "\n" for line in block.splitlines())


@pytest.fixture
def run_lesson(load_example, capsys):
    """Run a lesson; what it printed, after comparing that with its docstring."""

    def run(name, *arguments, digits=True):
        lesson = load_example(f"lessons/{name}")
        lesson.run(*arguments)
        printed, promised = capsys.readouterr().out, promised_output(lesson)
        assert len(printed.splitlines()) == len(promised.splitlines()) > 3
        if digits:
            assert NUMBER.sub("#", printed) == NUMBER.sub("#", promised)
            # One unit of the last digit that is printed, or one in a thousand of larger numbers.
            assert numbers(printed) == pytest.approx(numbers(promised), rel=1e-3, abs=0.0101)
        return printed

    return run


@pytest.mark.lecture("S5-01", "S5-76")
def test_tensor_basics(run_lesson):
    printed = run_lesson("01_tensors")
    # As printed on the slides.
    assert "[1, 2, 1, 2, 3, 4, 3, 4]" in line_with(printed, "as one row")
    assert "[[[1, 2], [1, 2]], [[3, 4], [3, 4]]]" in line_with(printed, "two heads")
    assert "[[1, 3], [2, 4], [1, 3], [2, 4]]" in line_with(printed, "permute")
    e = math.e
    assert numbers(line_with(printed, "masked_fill"))[-3:] == pytest.approx([1 / (1 + e), e / (1 + e), 0], abs=0.005)
    assert line_with(printed, "one linear layer").endswith("True")


SLIDE = {
    "Budi": [0.35, 0.11, 0.06, 0.11, 0.20, 0.11, 0.06],
    "buku": [0.09, 0.09, 0.48, 0.05, 0.05, 0.09, 0.15],
    "ia": [0.18, 0.10, 0.10, 0.10, 0.32, 0.10, 0.10],
    "nya": [0.10, 0.10, 0.30, 0.05, 0.10, 0.05, 0.30],
}


@pytest.mark.lecture("S5-03", "S5-06", "S5-08", "S3-01")
def test_attention_is_a_weighted_average(run_lesson):
    printed = run_lesson("02_attention")
    lengths = [0, 1, 2, 5, 50]
    assert numbers(line_with(printed, "how long")) == lengths
    matching = [math.exp(length / math.sqrt(3)) for length in lengths]
    found = [(10 + 20 + 60 * match) / (2 + match) for match in matching]
    assert numbers(line_with(printed, "what it finds")) == pytest.approx(found, abs=0.05)
    assert line_with(printed, "112 and 96").endswith("0.8808 and 0.1192")
    for word, row in SLIDE.items():
        # The slide rounds, and cuts 0.489 to 0.48.
        assert numbers(line_with(printed, f" {word}    0.")) == pytest.approx(row, abs=0.01)
    assert line_with(printed, "NumPy").endswith("True")


@pytest.mark.lecture("S5-07")
def test_scaling_keeps_the_variance_and_the_gradient(run_lesson):
    printed = run_lesson("03_scaling")
    rows = [numbers(line) for line in printed.splitlines()[1:5]]
    for size, deviation, variance, expected, scaled in rows:
        assert expected == size * deviation**4
        # 20,000 draws: the variance of a variance estimate is about 2/20,000, three deviations are 3 %.
        assert variance == pytest.approx(expected, rel=0.04)
        assert scaled == pytest.approx(deviation**4, rel=0.04)
    (_, small_peak, _, small, _), _, (_, large_peak, scaled_peak, large, scaled) = [
        numbers(line) for line in printed.splitlines()[7:10]
    ]
    assert large_peak > 0.9 > small_peak > scaled_peak
    assert large < small / 4 and scaled == pytest.approx(small, rel=0.2)


@pytest.mark.lecture("S5-10", "S5-19", "S5-70")
def test_masks(run_lesson):
    printed = run_lesson("04_masks")
    assert line_with(printed, "all three").endswith("True")
    scores = [[0.11, 0, 0.81, 0.79], [0.19, 0.5, 0.3, 0.48], [0.53, 0.98, 0.95, 0.14], [0.81, 0.86, 0.38, 0.9]]
    visible = np.tril(np.exp(scores))
    expected = visible / visible.sum(1, keepdims=True)
    for word, row in zip("robot must obey orders".split(), expected, strict=True):
        assert numbers(line_with(printed, f"{word}   ")) == pytest.approx(row, abs=0.0051)
    # The slide prints 0.48 0.52, which is no softmax of its 0.19 0.50.
    assert "0.42  0.58" in printed and "0.48" not in printed
    hidden = line_with(printed, "all keys hidden")
    assert "0.33 0.33 0.33" in hidden and "nan nan nan" in hidden and hidden.endswith("here: 0.00 0.00 0.00")
    assert line_with(printed, "pads only").endswith("True")


@pytest.mark.lecture("S5-02")
def test_heads(run_lesson):
    printed = run_lesson("05_heads")
    assert line_with(printed, "block-diagonal").endswith("True")
    assert set(re.findall(r"1,\d\d\d,\d\d\d", printed)) == {"1,050,624"}  # the book's
    assert line_with(printed, "what each head adds").endswith("True")
    assert line_with(printed, "swapped").endswith("notices: False; two heads, one on each, notice: True")


@pytest.mark.lecture("S5-12")
def test_cost(run_lesson):
    printed = run_lesson("06_cost", digits=False)
    for length, size, recurrent, steps, attention, one in (numbers(line) for line in printed.splitlines()[2:5]):
        assert (recurrent, steps) == (2 * length * size**2, length)
        assert (attention, one) == (4 * length**2 * size, 1)
    assert "twice the tokens: recurrent x 2, attention x 4" in printed
    # The operations prove it; what the seconds are depends on what else the machine does.
    assert "seconds grow with L to the power" in line_with(printed, "measured")


@pytest.mark.lecture("S1-08", "S3-15", "S5-13", "S5-14")
def test_positions(run_lesson, tmp_path):
    printed = run_lesson("07_positions", "--output_dir", tmp_path / "new")
    robot = [[0, 1, 0, 1], [0.84, 0.54, 0.10, 1.0], [0.91, -0.42, 0.20, 0.98], [0.14, -0.99, 0.30, 0.96]]
    for line, row in zip(printed.splitlines()[1:5], robot, strict=True):
        assert numbers(line) == pytest.approx(row, abs=0.0051)
    assert numbers(line_with(printed, "notebook"))[-4:] == pytest.approx([0.8415, 0.5403, 0.01, 1.0], abs=6e-4)
    # Neighbours: bits change one to seven at a time; waves turn by the same angles everywhere.
    assert numbers(line_with(printed, "bits"))[:2] == pytest.approx([1, math.sqrt(7)], abs=0.0051)
    wave = math.sqrt(sum(2 - 2 * math.cos(10_000 ** (-i / 4)) for i in range(4)))
    assert numbers(line_with(printed, "waves"))[1:3] == pytest.approx([wave, wave], abs=0.0051)
    assert numbers(line_with(printed, "fractions, 4"))[1] == pytest.approx(1 / 3, abs=0.0051)
    assert line_with(printed, "without positions").endswith("True") and printed.count("True") == 3
    assert (tmp_path / "new" / "positions.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.lecture("S5-16")
def test_residual_connections_and_norms(run_lesson):
    printed = run_lesson("08_residual_and_norm", digits=False)
    losses = [numbers(line)[0] for line in printed.splitlines()[1:5]]
    both, *others = losses
    assert both < 0.5 and min(others) > 2 > math.log(12) / 2
    assert printed.rstrip().endswith("True")
    # Norms hold the spread at 1, sums without them grow.
    spreads = [numbers(line)[2] for line in printed.splitlines()[1:5]]
    assert spreads[0] == spreads[2] == 1.0 and spreads[1] > 10


@pytest.mark.lecture("S5-17", "S5-32")
def test_the_encoder(run_lesson):
    printed = run_lesson("09_encoder")
    assert line_with(printed, "TransformerEncoderLayer").endswith("True")
    beside = line_with(printed, "bisa")
    assert "in the table: True" in beside and numbers(beside)[-1] < 0.99
    assert line_with(printed, "last word changed").endswith("True")
    # bert-base-uncased, the book, the Keras lecture.
    assert [int(numbers(line)[-1]) for line in printed.splitlines()[-3:]] == [109_482_240, 24_034_304, 1_578_881]


@pytest.mark.slow
@pytest.mark.lecture("S2-21", "S2-22", "S5-32")
def test_masked_language_modeling(run_lesson):
    printed = run_lesson("10_masked_lm", digits=False)
    # Three deviations of 100,000 and of 15,000 draws.
    _, chosen, *kinds = numbers(line_with(printed, "100,000 tokens"))
    assert chosen == pytest.approx(15, abs=0.5) and kinds == pytest.approx([80, 10, 10], abs=1.5)
    first, _, chance, last = numbers(line_with(printed, "first step"))
    assert first == pytest.approx(chance, abs=0.5) and chance == round(math.log(27), 2) and last < 1
    for text, word in (("saya makan nasi", "warung"), ("kucing [MASK]", "bermain"), ("[MASK] ular", "bisa")):
        assert f"  {word} " in line_with(printed, text)[30:]
    venom, can, across = numbers(printed.splitlines()[-1])
    assert across < min(venom, can) - 0.02 < 0.99


@pytest.mark.slow
@pytest.mark.lecture("S2-24", "S5-43")
def test_next_sentence_prediction(run_lesson):
    printed = run_lesson("11_next_sentence", digits=False)
    pairs, share, new = numbers(printed.splitlines()[0])
    assert pairs > 400 and share == pytest.approx(50, abs=6)
    known, unknown, chance = numbers(printed.splitlines()[-1])
    # Pairs that overlap are not independent; 10 points above chance would be 3.3 deviations if they were.
    assert known > 80 and unknown > 65 and chance == 50 and new > 200


@pytest.mark.lecture("S3-20", "S5-44", "S5-46")
def test_gpt(run_lesson, repository):
    printed = run_lesson("12_gpt", digits=False)
    assert line_with(printed, "scores before it").endswith("by 0.0")
    loss, by_hand = numbers(line_with(printed, "loss 0"))
    assert loss == pytest.approx(by_hand, abs=0.0011)  # three digits are printed
    assert by_hand < 0.31  # less than a table of word pairs
    stanza = (repository / "examples/data/poem/train.txt").read_text(encoding="utf-8").split("\n\n")[0].split()
    assert f"'{' '.join(stanza[:2])}' → '{' '.join(stanza[2:8])} …'" in printed
    assert printed.count("True") == 2


@pytest.mark.slow
@pytest.mark.lecture("S3-14", "S5-20", "S5-28")
def test_encoder_and_decoder(run_lesson):
    printed = run_lesson("13_encoder_decoder", digits=False)
    # As on the slides: what is read is what is to be written, one place later.
    assert line_with(printed, "decoder reads").endswith("[SOS] you come with a car")
    assert line_with(printed, "to write").endswith("you come with a car [EOS]")
    assert "(1, 4, 6, 6)" in line_with(printed, "cross-attention")
    assert "'kamu datang dengan mobil' → 'you come with a car'" in printed
    assert numbers(line_with(printed, "word for word")) == [9, 9, 1]


@pytest.mark.lecture("S5-50", "S5-52", "S5-55", "S5-56", "S5-57")
def test_decoding(run_lesson):
    printed = run_lesson("14_decoding")
    for search, text in (
        ("greedy", "The nice woman  0.20"),
        ("2 beams", "The dog has     0.36"),
        ("all 9", "The dog has     0.36"),
    ):
        assert text in line_with(printed, search)
    # The slide's table.
    for temperature, row in (
        ("0.1 ", [3.35344532e-04, 9.99647960e-01, 1.66958211e-05]),
        ("0.5 ", [0.15380252, 0.76178887, 0.08440861]),
        ("0.9 ", [0.24102444, 0.58627399, 0.17270156]),
        ("1.0 ", [0.25212039, 0.56110424, 0.18677538]),
    ):
        assert numbers(line_with(printed, f"temperature {temperature}"))[1:] == pytest.approx(row, abs=5.1e-7)
    kept = torch.tensor([1.3, 2.1]).double().softmax(0).tolist()
    assert numbers(line_with(printed, "top-k"))[1:] == pytest.approx([*kept, 0], abs=5.1e-7)
    # 2,000 draws: a deviation of 0.011.
    assert numbers(line_with(printed, "2,000 drawn"))[1] == pytest.approx(0.36, abs=0.033)


@pytest.mark.slow
@pytest.mark.lecture("S3-49")
def test_three_scores(run_lesson, tmp_path):
    printed = run_lesson("15_additive_and_multiplicative", "--output_dir", tmp_path, digits=False)
    assert line_with(printed, "additive scores equal to loops").endswith("True")
    assert line_with(printed, "multiplicative scores equal to loops").endswith("True")
    assert line_with(printed, "1/√D").endswith("True")
    without, additive, multiplicative = (numbers(line) for line in printed.splitlines()[-3:])
    assert 10 < without[0] < 80 < min(additive[0], multiplicative[0])
    assert additive[1] == multiplicative[1] == 12  # the last letter of the source is the first of the output
    for kind in ("additive", "multiplicative"):
        assert (tmp_path / f"{kind}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.lecture("S3-49")
def test_the_additive_score_is_that_of_bahdanau(load_example):
    lesson = load_example("lessons/15_additive_and_multiplicative")
    generator = np.random.default_rng(0)
    query, keys, w, u, v = (generator.normal(size=shape) for shape in ((1, 3, 5), (1, 4, 5), (5, 5), (5, 5), 5))
    expected = [[v @ np.tanh(w @ s + u @ h) for h in keys[0]] for s in query[0]]
    found = lesson.additive_scores(*map(torch.tensor, (query, keys, w, u, v)))
    assert found[0].numpy() == pytest.approx(np.array(expected), abs=1e-12)
    expected = [[s @ w @ h for h in keys[0]] for s in query[0]]
    found = lesson.multiplicative_scores(*map(torch.tensor, (query, keys, w)))
    assert found[0].numpy() == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.slow
@pytest.mark.lecture("S3-50")
def test_jumps_looks_at_fox_and_over(run_lesson, tmp_path):
    printed = run_lesson("16_which_words", "--output_dir", tmp_path, digits=False)
    assert " jumps " in line_with(printed, "[MASK] over") and " runs " in line_with(printed, "[MASK] under")
    words = line_with(printed, "'jumps' looks at").split()[3:]
    heads = [dict(zip(words, numbers(line)[2:], strict=True)) for line in printed.splitlines()[-2:]]
    assert words == "the quick brown fox jumps over the lazy dog".split()
    assert all(head["fox"] + head["over"] > 0.8 for head in heads)
    assert max(head["fox"] for head in heads) > 0.8
    assert (tmp_path / "which_words.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.pretrained
@pytest.mark.lecture("S3-50")
def test_the_heads_of_a_checkpoint_look_where_stock_bert_says(load_example, pretrained_dir, capsys):
    load_example("lessons/16_which_words").run("--model_name_or_path", pretrained_dir)
    printed = capsys.readouterr().out.splitlines()
    tokenizer, model = AutoTokenizer.from_pretrained(pretrained_dir), AutoModel.from_pretrained(pretrained_dir)
    model.set_attn_implementation("eager")
    ids = tokenizer("the quick brown fox jumps over the lazy dog", return_tensors="pt")
    words = tokenizer.convert_ids_to_tokens(ids["input_ids"][0])
    layers = torch.cat(model.eval()(**ids, output_attentions=True).attentions)[:, :, words.index("jumps")]
    assert len(printed) == layers.shape[0] * layers.shape[1]
    for line, row in zip(printed, layers.flatten(0, 1), strict=True):
        (weight, place) = row.max(0)
        assert line.split("  ")[-1].startswith(f"{words[place]} {weight:.2f}"), line
    assert any("  fox " in line for line in printed) and any("  over " in line for line in printed)


LESSONS = sorted(path.stem for path in (Path(__file__).resolve().parents[2] / "examples/lessons").glob("[0-9]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_draws_a_picture_and_names_something_to_try(name, load_example, tmp_path, capsys):
    lesson = load_example(f"lessons/{name}")
    *_, last = lesson.__doc__.strip().split("\n\n")
    assert last.startswith("Try this: ") and last.endswith(".")
    assert f"python examples/lessons/{name}.py --output_dir out/lessons\n" in lesson.__doc__
    lesson.run("--output_dir", tmp_path / "new" / "folder")
    pictures = list((tmp_path / "new" / "folder").iterdir())
    assert pictures and all(path.suffix == ".png" for path in pictures)
    for path in pictures:
        pixels = mpimg.imread(path)
        assert pixels.shape[0] > 200 and pixels.shape[1] > 200 and pixels[..., :3].std() > 0.05, path.name

"""The benchmarks run through, and compare what can be compared: the same sequences, tokens and ids on both sides."""

import importlib
import json
import re
import sys

import pytest
import torch

TINY = "--preset tiny --vocab_size 300 --batch_size 2 --rounds 1".split()


@pytest.fixture
def benchmark(repository, monkeypatch):
    """Import a script; what it sets for the whole process is undone."""
    monkeypatch.syspath_prepend(str(repository / "examples/benchmarks"))
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    threads, matmul = torch.get_num_threads(), torch.backends.mkldnn.matmul
    precision = matmul.fp32_precision
    yield importlib.import_module
    torch.set_num_threads(threads)
    matmul.fp32_precision = precision


def run(script, monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", [script.__file__, *arguments])
    script.main()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pretraining", "finetuning", "causal_lm"])
def test_training_runs_through_and_writes_a_row_for_every_variant(benchmark, monkeypatch, capsys, tmp_path, name):
    script, steps = benchmark(name), benchmark("training_steps")
    asked = []

    def peak_memory(arguments):
        asked.append(arguments[-2:])
        return 7.0

    monkeypatch.setattr(steps, "peak_memory", peak_memory)
    run(script, monkeypatch, [*TINY, "--output_file", str(tmp_path / "numbers.json")])
    assert asked == [["--memory_of", variant] for variant in script.VARIANTS]
    written = json.loads((tmp_path / "numbers.json").read_text())
    assert list(written["variants"]) == list(script.VARIANTS)
    for numbers in written["variants"].values():
        assert numbers["per_second"] > 0 and numbers["peak_memory_mib"] == 7
    printed = capsys.readouterr().out
    assert all(variant in printed for variant in script.VARIANTS) and f"{script.TASK.unit}/s" in printed


def sequences(batch):
    """The sequences of a batch with their labels, whatever it looks like; in any order."""
    per_token = [batch[name] for name in ("input_ids", "labels") if name in batch and batch[name].ndim == 2]
    per_row = [batch[name] for name in ("labels", "next_sentence_label") if name in batch and batch[name].ndim == 1]
    if "attention_mask" in batch:
        rows = [[column[row][kept.bool()] for column in per_token] for row, kept in enumerate(batch["attention_mask"])]
    else:
        ends = batch["cu_seq_lens_q"].tolist()
        rows = [[column[0, i:j] for column in per_token] for i, j in zip(ends, ends[1:], strict=False)]
    return [
        tuple(tuple(column.tolist()) for column in row) + tuple(int(column[index]) for column in per_row)
        for index, row in enumerate(rows)
    ]


@pytest.mark.parametrize("name", ["pretraining", "finetuning", "causal_lm"])
@pytest.mark.parametrize("fixed_length", [None, 24])
def test_stock_and_ours_are_given_the_same_sequences(benchmark, name, fixed_length):
    script, steps = benchmark(name), benchmark("training_steps")
    args = steps.StepArguments(vocab_size=300, batch_size=4, fixed_length=fixed_length)
    given, units = {}, {}
    for variant, (_, batching, *_) in script.VARIANTS.items():
        batches = steps.make_batches(script.TASK, batching, args)
        given[variant] = sorted(sequence for batch, _ in batches for sequence in sequences(batch))
        units[variant] = sum(count for _, count in batches)
        if batching == "padded to 512":
            assert {batch["input_ids"].shape for batch, _ in batches} == {(4, fixed_length or 512)}
    first = next(iter(given.values()))
    assert len(first) == 12 and all(rows == first for rows in given.values())
    tokens = sum(len(ids) for ids, *_ in first)
    assert set(units.values()) == {12 if name == "finetuning" else tokens}


@pytest.mark.parametrize("name", ["pretraining", "finetuning", "causal_lm"])
def test_stock_and_ours_take_the_same_step(benchmark, monkeypatch, name):
    script, steps = benchmark(name), benchmark("training_steps")
    args = steps.StepArguments(preset="tiny", vocab_size=300, batch_size=2, fixed_length=24)
    stepped = []

    class AdamW(torch.optim.AdamW):
        def step(self):
            gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
            stepped.append(torch.nn.utils.get_total_norm(gradients).item())

    monkeypatch.setattr(torch.optim, "AdamW", AdamW)
    for ours, batching in ((False, "alike lengths"), (True, "packed")):
        steps.build_step(script.TASK, steps.Variant(ours, batching, dropout=0.0), args)()
    stock, ours = stepped
    assert ours == pytest.approx(stock, rel=1e-4) and stock > 0.1  # float32, another order of summation


def test_generation_stops_at_other_tokens(benchmark, monkeypatch, capsys, tmp_path):
    script = benchmark("generation")
    small = ["--preset", "tiny", "--vocab_size", "300", "--batch_sizes", "1", "3", "--new_tokens", "5", "4"]
    run(script, monkeypatch, [*small, "--rounds", "1", "--output_file", str(tmp_path / "numbers.json")])
    one, three = json.loads((tmp_path / "numbers.json").read_text())
    assert "5 new tokens for 1 at once; same tokens" in one["benchmark"] and "for 3 at once" in three["benchmark"]
    assert one["variants"]["stock"]["ratio"] == 1 and three["variants"]["ours"]["per_second"] > 0
    assert one["benchmark"] in capsys.readouterr().out

    build = script.build_models

    def other_weights(args):
        models = build(args)
        models["ours"].minigpt.final_norm.weight.data[0] *= -40
        return models

    monkeypatch.setattr(script, "build_models", other_weights)
    with pytest.raises(AssertionError, match=r"\d+ of 21 tokens differ"):
        run(script, monkeypatch, small)


def test_with_one_length_variants_that_differ_in_padding_only_are_left_out(benchmark):
    pretraining, steps = benchmark("pretraining"), benchmark("training_steps")
    left = steps.without_repetitions(pretraining.VARIANTS)
    assert set(pretraining.VARIANTS) - set(left) == {"stock, alike lengths"}


def test_lengths_are_those_of_documents(benchmark):
    steps = benchmark("training_steps")
    lengths = steps.draw_lengths(20_000, None, torch.Generator().manual_seed(0))
    assert min(lengths) >= 16 and max(lengths) == 512
    assert 210 < sum(lengths) / len(lengths) < 230  # the cut at 512 costs a few tokens of the mean


@pytest.mark.slow
def test_the_peak_memory_is_that_of_a_process_of_its_own(benchmark):
    script, interleaved = benchmark("finetuning"), benchmark("interleaved")
    used = interleaved.peak_memory([script.__file__, *TINY, "--memory_of", "ours, float32"])
    assert 1 < used < 500


def test_encoding_compares_the_ids_and_writes_its_numbers(benchmark, monkeypatch, capsys, tmp_path):
    script = benchmark("encoding")
    arguments = ["--max_texts", "60", "--vocab_size", "250", "--rounds", "1"]
    run(script, monkeypatch, [*arguments, "--output_file", str(tmp_path / "numbers.json")])
    written = json.loads((tmp_path / "numbers.json").read_text())
    assert list(written["variants"]) == ["encode_batch", "word cache, cold", "word cache, warm"]
    assert re.search(r"encoding 60 texts \(stories\) with WordPiece, 250 pieces; same ids", capsys.readouterr().out)


def test_encoding_stops_at_other_ids(benchmark, monkeypatch):
    script = benchmark("encoding")
    texts = script.load_texts(script.EncodingArguments())[:5]
    tokenizer = script.load_tokenizer(script.EncodingArguments(vocab_size=200), texts)
    script.check_ids(tokenizer, texts)
    monkeypatch.setattr(script.WordCache, "encode_batch", lambda cache, block: [[0]] * len(block))
    with pytest.raises(AssertionError, match="other ids from the cold word cache: "):
        script.check_ids(tokenizer, texts)


@pytest.mark.slow
def test_every_token_mixer_is_compared_on_the_same_windows(benchmark, monkeypatch, capsys, tmp_path):
    script = benchmark("token_mixers")
    asked = []
    monkeypatch.setattr(script, "peak_memory", lambda arguments: asked.append(arguments[-1]) or 7.0)
    options = ["--lengths", "64", "70", "--steps", "3", "--tokens_per_step", "140"]
    run(script, monkeypatch, [*options, "--output_file", str(tmp_path / "numbers.json")])
    assert asked == [f"{mixer}:{length}" for length in (64, 70) for mixer in script.MIXERS]
    written = json.loads((tmp_path / "numbers.json").read_text())["lengths"]
    for rows in written.values():
        assert list(rows) == list(script.MIXERS)
        for numbers in rows.values():
            assert 1 < numbers["loss"] < 5 and numbers["training_memory_mib"] == 7
            assert numbers["tokens_per_second"] > 0 and numbers["ms_per_new_token"] > 0
    printed = capsys.readouterr().out
    assert all(printed.count(f"  {mixer} ") == 2 for mixer in script.MIXERS)
    assert all(f"\n{row['tokens_per_second']:,.0f}" not in printed for row in written["64"].values())
    with pytest.raises(ValueError, match=r"lengths \[48, 141\] are not between 49.*and 140"):
        run(script, monkeypatch, ["--lengths", "48", "141", "--tokens_per_step", "140"])


@pytest.mark.slow
def test_question_answering_gives_the_same_answers_in_batches(benchmark, monkeypatch, capsys, tmp_path):
    script, numbers = benchmark("question_answering"), tmp_path / "numbers.json"
    arguments = f"--contexts 5 --batch_sizes 2 4 --rounds 1 --output_file {numbers}".split()
    run(script, monkeypatch, arguments)
    assert list(json.loads(numbers.read_text())["variants"]) == ["one by one", "batches of 2", "batches of 4"]
    assert capsys.readouterr().out.count("5 of 5 answers word for word") == 2
    answers = {"alone": lambda: [{"score": 0.5, "answer": "a"}], "batch": lambda: [{"score": 0.4, "answer": "a"}]}
    with pytest.raises(AssertionError, match="question 0.*alone, but.*in batch"):
        script.check_answers(answers)

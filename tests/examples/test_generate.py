"""`examples/generate.py` and `examples/decoding_lab.py` end to end, on a tiny random GPT-2 with a tiny tokenizer."""

import json
import sys

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from modeling_minibert.decoding import STRATEGIES

WORDS = ["[PAD]", "[EOS]", "[UNK]", *"Once upon a time there was one cat that sat and saw the sun".split()]


@pytest.fixture
def checkpoint(tmp_path):
    words = list(dict.fromkeys(WORDS))
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = GPT2Config(
        vocab_size=len(words), n_embd=12, n_layer=1, n_head=3, n_positions=48, eos_token_id=1, pad_token_id=0,
        bos_token_id=None, initializer_range=0.4,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]"
    ).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def run(load_example, monkeypatch, tmp_path, repository):
    """Call a script as the command line does, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(repository / "examples")
    monkeypatch.delitem(sys.modules, "generate", raising=False)

    def call(name, *arguments):
        load_example(name).run(*arguments)

    return call


def test_one_text_is_streamed_and_equals_generate(run, checkpoint, capsys, monkeypatch):
    streamed = []
    monkeypatch.setattr(
        "transformers.TextStreamer.on_finalized_text", lambda self, text, stream_end=False: streamed.append(text)
    )
    arguments = ("--model_name_or_path", checkpoint, "--max_new_tokens", 12, "--prompt", "Once upon a time")
    run("generate", *arguments, "--strategy", "greedy")
    tokenizer, model = AutoTokenizer.from_pretrained(checkpoint), AutoModelForCausalLM.from_pretrained(checkpoint)
    expected = model.generate(**tokenizer("Once upon a time", return_tensors="pt"), do_sample=False, max_new_tokens=12)
    assert "".join(streamed).split() == tokenizer.decode(expected[0], skip_special_tokens=True).split()
    assert len(streamed) > 2  # in pieces
    assert capsys.readouterr().out == ""


def test_several_prompts_from_a_file_and_a_seed(run, checkpoint, capsys, tmp_path):
    (tmp_path / "prompts.txt").write_text("one cat\nthere was one cat that\n", encoding="utf-8")
    arguments = ("--model_name_or_path", checkpoint, "--prompt", "the sun", "--prompt_file", tmp_path / "prompts.txt")
    options = ("--options", "temperature=1.5,num_return_sequences=2", "--max_new_tokens", 6)
    run("generate", *arguments, *options)
    first = capsys.readouterr().out
    lines = first.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("prompt 1, text 1: the sun") and lines[5].startswith("prompt 3, text 2: there was one")
    run("generate", *arguments, *options)
    assert capsys.readouterr().out == first
    run("generate", *arguments, *options, "--seed", 1)
    assert capsys.readouterr().out != first


@pytest.mark.parametrize("strategy", ["beam", "contrastive", "diverse_beam"])
def test_searches_print_their_text_at_the_end(strategy, run, checkpoint, capsys):
    run("generate", "--model_name_or_path", checkpoint, "--strategy", strategy, "--max_new_tokens", 5,
        "--prompt", "Once upon a time")  # fmt: skip
    assert capsys.readouterr().out.startswith("Once upon a time")


def test_without_a_model_it_says_where_one_comes_from(run):
    for script in ("generate", "decoding_lab"):
        with pytest.raises(ValueError, match=r"no model in out/minigpt yet: run python examples/pretrain_minigpt.py"):
            run(script)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "best"], "unknown strategy 'best'"),
        (["--prompt", ""], "prompt 0 is empty"),
        (["--prompt", "cat " * 50], "prompt 0 has 50 tokens, and the model reads 48"),
        (["--max_new_tokens", "46"], "ask for at most 44"),
        (["--options", "top_p=1.5"], r"top_p \(1.5\)"),
        (["--strategy", "greedy", "--options", "temperature=0.5"], "greedy does not use temperature"),
    ],
)
def test_bad_input_is_refused(arguments, message, run, checkpoint):
    with pytest.raises(ValueError, match=message):
        run("generate", "--model_name_or_path", checkpoint, "--prompt", "Once upon a time", *arguments)


def test_the_lab_refuses_to_draw_nothing(run, checkpoint):
    with pytest.raises(ValueError, match=r"num_samples \(0\) must be at least 1"):
        run("decoding_lab", "--model_name_or_path", checkpoint, "--prompt", "Once upon a time", "--num_samples", 0)


@pytest.mark.lecture("S5-53", "S5-58")
def test_the_lab_compares_all_strategies(run, checkpoint, capsys, tmp_path):
    run(
        "decoding_lab", "--model_name_or_path", checkpoint, "--prompt", "Once upon a time", "--human_text",
        " there was one cat that saw the sun and sat", "--num_samples", 2, "--output_dir", "lab",
    )  # fmt: skip
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "lab" / "decoding_lab.json").read_text(encoding="utf-8"))["strategies"]
    assert list(report) == ["human", *STRATEGIES]
    for name, result in report.items():
        assert name in printed and 0 <= result["rep_4"] <= 1 and 0 < result["distinct_2"] <= 1
        assert result["perplexity"] >= 1 and (name == "human") == ("ms_per_token" not in result)
        log_probs = torch.tensor(result["token_probabilities"]).log()
        if len(result["texts"]) == 1:
            assert result["perplexity"] == pytest.approx(float((-log_probs.mean()).exp()), rel=1e-4)
    assert len(report["human"]["token_probabilities"]) == 10
    assert len(report["top_p"]["texts"]) == 2 and len(report["beam"]["texts"]) == 1
    # Only where several texts are drawn is there something to compare; and what is drawn at random differs most.
    drawn = {name: result["self_bleu"] for name, result in report.items() if "self_bleu" in result}
    assert {name for name, result in report.items() if len(result["texts"]) == 2} == set(drawn)
    assert all(0 <= value <= 1 for value in drawn.values())
    # Holtzman's table: beam 16, pure sampling, t 0.9, k 640, k 40 with t 0.7, p 0.95.
    settings = {name: result["settings"] for name, result in report.items() if name != "human"}
    assert settings["beam"]["num_beams"] == 16 and settings["top_k_temperature"]["top_k"] == 40
    drawn_by = {name: [settings[name][key] for key in ("temperature", "top_k", "top_p")] for name in drawn}
    assert drawn_by == {
        "sampling": [1, 0, 1], "temperature": [0.9, 0, 1], "top_k": [1, 640, 1], "top_k_temperature": [0.7, 40, 1],
        "top_p": [1, 0, 0.95],
    }  # fmt: skip
    # What the strategies are for: the model finds what beams find likelier than what is drawn.
    assert report["beam"]["perplexity"] < report["sampling"]["perplexity"]
    assert report["no_repeat_ngram"]["rep_4"] == 0
    tree = (tmp_path / "lab" / "beam_tree.txt").read_text(encoding="utf-8")
    assert tree.startswith("Once upon a time\n") and tree.count("★") == 1 and tree in printed
    assert (tmp_path / "lab" / "token_probabilities.png").stat().st_size > 5000


@pytest.mark.lecture("S5-78")
def test_the_lab_shows_temperature_0_6_beside_1(run, checkpoint, capsys, tmp_path):
    run("decoding_lab", "--model_name_or_path", checkpoint, "--prompt", "Once upon a time", "--num_samples", 2,
        "--max_new_tokens", 9, "--output_dir", "lab")  # fmt: skip
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "lab" / "decoding_lab.json").read_text(encoding="utf-8"))
    low, high = report["temperatures"].values()
    assert list(report["temperatures"]) == ["0.6", "1.0"]
    assert [result["settings"]["temperature"] for result in (low, high)] == [0.6, 1.0]
    assert 0 < low["entropy"] < high["entropy"] < 6
    for name, result in report["temperatures"].items():
        assert f"temperature {name}: entropy of the next token {result['entropy']:.2f} nats" in printed
        assert len(result["texts"]) == 2
    # Without truncation, temperature 1 is pure sampling.
    assert high["texts"] == report["strategies"]["sampling"]["texts"]


def test_the_lab_takes_a_story_of_its_own(run, checkpoint, capsys):
    run("decoding_lab", "--model_name_or_path", checkpoint, "--num_samples", 1, "--max_new_tokens", 2)
    assert "prompt: Today is Leo's birthday, and he is nine years old." in capsys.readouterr().out

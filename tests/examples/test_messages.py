"""Mistakes of a command line are answered in one line, before any work is lost."""

import argparse
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from huggingface_hub import get_session
from transformers import AutoConfig, AutoTokenizer, GPT2Config, GPT2ForSequenceClassification, TrainerState

import modeling_minibert.conversion.__main__ as conversion
import modeling_minibert.explain.__main__ as explain
from modeling_minibert import (
    MiniBertConfig,
    MiniBertForSequenceClassification,
    MiniGPTConfig,
    MiniGPTForSequenceClassification,
    MiniSeq2SeqConfig,
    MiniSeq2SeqForConditionalGeneration,
)
from modeling_minibert import __main__ as command
from modeling_minibert.evaluation import seeds
from modeling_minibert.training import check_output_folder, training_curves
from modeling_minibert.training.script_arguments import run_script
from tokenization.console import check_local_folder, run_command

TRAINING = ("finetune_classifier", "finetune_qa", "train_seq2seq", "pretrain_minibert", "pretrain_minigpt")
CHECKPOINT, OUTPUT = ("--model_nmae_or_path", "--model_name_or_path"), ("--outptu_dir", "--output_dir")
OTHERS = {
    "generate": CHECKPOINT,
    "by_hand": ("--questoin", "--question"),
    "decoding_lab": OUTPUT,
    "count_parameters": CHECKPOINT,
    "compare_with_bert": CHECKPOINT,
    "numpy_from_scratch": ("--stpes", "--steps"),
    "warmup_ablation": OUTPUT,
    "recurrent_baseline": OUTPUT,
}
SWEEPS = {"sweep": (), "compare_checkpoints": ("--checkpoints", "x"), "learning_curve": (), "auxiliary_loss": ()}


@pytest.fixture
def fail(monkeypatch, capsys):
    """Run a main as its script does; the line on stderr, and the exit status."""

    def fail(main, *arguments, run=run_script):
        monkeypatch.setattr(sys, "argv", ["script.py", *map(str, arguments)])
        capsys.readouterr()  # the progress bars of what a test has saved before
        with pytest.raises(SystemExit) as stop:
            run(main)
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "Traceback" not in error
        return error, stop.value.code

    return fail


@pytest.fixture
def script(load_example, repository, monkeypatch):
    """Import a script, whose neighbours may be imported too."""
    monkeypatch.syspath_prepend(str(repository / "examples"))
    return load_example


@pytest.mark.parametrize("name", [*TRAINING, *OTHERS])
def test_a_mistyped_flag_names_the_nearest(name, script, fail):
    flag, nearest = OTHERS.get(name, OUTPUT)
    error, status = fail(script(name).main, f"{flag}=7")
    assert status == 2 and error.startswith(f"error: unknown argument {flag}, did you mean {nearest}; --help")


WRITERS = ("decoding_lab", "warmup_ablation", "numpy_from_scratch", "recurrent_baseline")


@pytest.mark.parametrize("name", [*TRAINING, *WRITERS])
def test_a_file_is_no_output_folder(name, script, fail, tmp_path):
    (tmp_path / "file").write_text("kept")
    error, status = fail(script(name).main, "--output_dir", tmp_path / "file")
    assert (error, status) == (f"error: --output_dir {tmp_path / 'file'} is a file; name a folder\n", 2)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", SWEEPS)
def test_commands_of_many_runs(name, script, fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    error, status = fail(script(name).main, *SWEEPS[name], "--output_dir", tmp_path / "file")
    assert (error, status) == (f"error: --output_dir {tmp_path / 'file'} is a file; name a folder\n", 2)


def load_tokenizer(name):
    AutoTokenizer.from_pretrained(name)


@pytest.mark.parametrize("load", [AutoConfig.from_pretrained, load_tokenizer])
@pytest.mark.parametrize("name", ["out/nothing", "nothing", "/no/such/folder", "a/b/c", "./out"])
def test_a_missing_checkpoint_is_named(load, name, fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error, status = fail(lambda: load(name))
    assert status == 2 and error.startswith(f"error: there is no folder {name}, and no model of that name on the Hub ")


LOCAL = ["out/nothing", "./nothing", "../nothing", "~/no/folder", "/no/such/folder", "a/b/c", "here/nothing"]


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("script_name", ["generate", "finetune_classifier", "pretrain_minigpt", "count_parameters"])
def test_the_hub_is_not_asked_for_a_local_path(script_name, name, script, fail, tmp_path, monkeypatch):
    def ask(*args, **kwargs):
        raise AssertionError("the Hub was asked")

    (tmp_path / "inside" / "here" / "other").mkdir(parents=True)
    (tmp_path / "inside" / "here" / "other" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "inside")  # whose parent holds nothing else
    monkeypatch.setattr(type(get_session()), "send", ask)  # of httpx or its successor
    error, status = fail(script(script_name).main, "--model_name_or_path", name)
    there = "; here has other" if name.startswith("here") else ""
    assert (error, status) == (f"error: there is no folder {name}{there}; give a folder with a saved model\n", 2)


@pytest.mark.parametrize("name", ["gpt2", "google/t5-small", "examples/model"])
def test_other_names_may_be_those_of_the_hub(name, tmp_path, monkeypatch):
    (tmp_path / "examples" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    check_local_folder(name)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("lines\nof text"), "error: lines of text"),
        (
            FileNotFoundError(2, "No such file or directory", "a.csv"),
            "error: cannot open a.csv: No such file or directory",
        ),
        (PermissionError("no"), "error: no"),
        (KeyError("x"), "error: KeyError: 'x'; --traceback shows where it happened"),
        (ValueError(""), "error: ValueError: ; --traceback shows where it happened"),
        (argparse.ArgumentTypeError("z"), "error: ArgumentTypeError: z; --traceback shows where it happened"),
    ],
)
def test_an_error_is_one_line_and_traceback_raises_it(error, line, fail, monkeypatch):
    def main():
        raise error

    assert fail(main, run=run_command) == (line + "\n", 2)
    monkeypatch.setattr(sys, "argv", ["script.py", "--traceback", "--seed", "1"])
    with pytest.raises(type(error)):
        run_command(main)
    assert sys.argv == ["script.py", "--seed", "1"]  # no parser sees the flag


def save_checkpoint(folder):
    folder.mkdir(parents=True)
    TrainerState(global_step=int(folder.name.partition("-")[2])).save_to_json(folder / "trainer_state.json")


COMMANDS = [place.partition(":")[0] for name, (place, _) in command.COMMANDS.items() if name.startswith("train ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_control_c_says_how_to_resume(name, fail, tmp_path, monkeypatch):
    module, out = import_module(name, package="modeling_minibert"), tmp_path / "out"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "set_seed", interrupted)
    again = f"stopped before the end; {out} has no checkpoint yet, so the same command starts again\n"
    assert fail(module.main, "--output_dir", out) == (again, 130)
    for step in (9, 10):
        save_checkpoint(out / f"checkpoint-{step}")
    error, status = fail(module.main, "--output_dir", out)
    assert status == 130 and f"{out / 'checkpoint-10'}" in error and "--resume_from_checkpoint true" in error


def test_control_c_in_other_commands(fail):
    def main():
        raise KeyboardInterrupt

    assert fail(main) == ("stopped before the end\n", 130)
    skips = "stopped before the end; the same command skips the finished runs"
    assert fail(main, run=lambda main: run_script(main, stopped=skips)) == (skips + "\n", 130)


SIZES = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "vocab_size": 31}
WRONG_HEADS = {
    "MiniBertForSequenceClassification": lambda: MiniBertForSequenceClassification(MiniBertConfig(**SIZES)),
    "MiniGPTForSequenceClassification": lambda: MiniGPTForSequenceClassification(MiniGPTConfig(**SIZES)),
    "MiniSeq2SeqForConditionalGeneration": lambda: MiniSeq2SeqForConditionalGeneration(MiniSeq2SeqConfig(**SIZES)),
    "GPT2ForSequenceClassification": lambda: GPT2ForSequenceClassification(
        GPT2Config(n_embd=12, n_layer=1, n_head=3, vocab_size=31)
    ),
}


@pytest.mark.parametrize("name", WRONG_HEADS)
def test_a_model_without_language_model_head_does_not_write(name, script, fail, tmp_path):
    WRONG_HEADS[name]().save_pretrained(tmp_path)
    error, status = fail(script("generate").main, "--model_name_or_path", tmp_path)
    assert status == 2 and error.startswith(
        f"error: {tmp_path} is {name}, which does not continue texts; give a causal"
    )


def test_a_finished_model_is_kept_unless_the_flag_is_given(tmp_path):
    torch.manual_seed(0)
    model = MiniBertForSequenceClassification(MiniBertConfig(**SIZES))
    model.save_pretrained(tmp_path / "out" / "checkpoint-3")
    check_output_folder(tmp_path / "out", model.config, overwrite=False)  # checkpoints alone are no finished model
    model.save_pretrained(tmp_path / "out", max_shard_size="5KB")
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    check_output_folder(tmp_path / "out", model.config, overwrite=True)
    with pytest.raises(ValueError, match="holds a finished model; choose another .*--overwrite_output_dir true"):
        check_output_folder(tmp_path / "out", model.config, overwrite=False)


def test_training_twice_into_a_folder(script, fail, tmp_path, capsys):
    main = script("pretrain_minigpt").main
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("satu dua tiga\n\nempat lima enam tujuh\n\n" * 30, encoding="utf-8")
    flags = ["--train_file", corpus, "--output_dir", tmp_path / "out", "--max_steps", 2, "--report_to", "none",
             "--max_seq_length", 16, "--prompt", "satu", "--save_steps", 1]  # fmt: skip
    run = script("pretrain_minigpt").run
    run(*flags)
    weights = tmp_path / "out" / "model.safetensors"
    before = weights.read_bytes()
    capsys.readouterr()
    error, status = fail(main, *flags, "--seed", 7)
    assert status == 2 and "already holds a finished model" in error and weights.read_bytes() == before
    run(*flags, "--resume_from_checkpoint", "true")
    assert weights.read_bytes() == before
    run(*flags, "--seed", 7, "--overwrite_output_dir", "true")
    assert weights.read_bytes() != before


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        (conversion, ["nothing", "out", "--ouy"], "unknown argument --ouy"),
        (explain, ["nothing", "text"], "nothing to do: give --out page.html"),
        (explain, ["nothing", "text", "--ot", "a"], "unknown argument --ot, did you mean --out"),
        (seeds, ["nothing.json"], "cannot open nothing.json: No such file or directory"),
        (training_curves, ["nothing.json"], "nothing.json"),
    ],
)
def test_the_commands_of_the_package(command, arguments, expected, fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error, status = fail(command.main, *arguments, run=run_command)
    assert status == 2 and error.startswith("error: ") and expected in error


def test_a_script_in_a_process(repository, tmp_path):
    command = [sys.executable, repository / "examples" / "generate.py", "--prompt_file", "no.txt"]
    command += ["--model_name_or_path", "nothing"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.endswith("error: cannot open no.txt: No such file or directory\n")

"""The help of the training commands: one screen, every argument somewhere, and the flags of transformers' scripts."""

import dataclasses
import os
import re
import shlex
import sys
from importlib import import_module

import pytest
from transformers import Seq2SeqTrainingArguments, TrainingArguments

from modeling_minibert import __main__ as command
from modeling_minibert.training.help_text import predict_command

TRAINING = [name for name in command.COMMANDS if name.startswith("train ")]


def show(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["minibert", *words])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", TRAINING)
def test_help_is_one_screen_and_help_all_has_everything(name, monkeypatch, capsys):
    short = show([*name.split(), "--help"], monkeypatch, capsys)
    assert short.count("\n") <= 50 and max(map(len, short.splitlines())) <= 120
    assert short.startswith(f"usage: minibert {name} ") and "--help_all" in short and "--recipe" in short
    whole = show([*name.split(), "--help_all"], monkeypatch, capsys)
    assert show([*name.split(), "--help-all"], monkeypatch, capsys) == whole
    flags = flags_of(whole)
    assert {f"--{field.name}" for field in dataclasses.fields(TrainingArguments)} <= flags
    stock = {f"--{field.name}" for field in dataclasses.fields(Seq2SeqTrainingArguments)}
    # What the first screen leaves out are flags of transformers, and the negations of switches.
    left_out = {flag for flag in flags - flags_of(short) if not flag.startswith("--no_")}
    assert left_out <= stock | {"--help"}


def flags_of(text):
    """The flags of a help text, without their second spelling with hyphens."""
    return {flag for flag in re.findall(r"(?<![\w-])--[\w-]+", text) if "-" not in flag[2:]}


KNOWN = (
    "model_name_or_path model_revision token trust_remote_code output_dir overwrite_output_dir resume_from_checkpoint"
)
PREDICTING = ("classifier", "translator", "qa", "tagger", "choices")


@pytest.mark.parametrize("name", TRAINING)
def test_the_flags_of_transformers_scripts_are_taken(name, monkeypatch, capsys):
    flags, model = flags_of(show([*name.split(), "--help"], monkeypatch, capsys)), name.removeprefix("train ")
    assert {f"--{flag}" for flag in KNOWN.split()} <= flags
    assert ("--do_predict" in flags) == (model in PREDICTING)
    samples = {"--max_train_samples", "--max_eval_samples"}
    assert samples <= flags if model not in ("ranker", "encoder") else not samples & flags


@pytest.mark.parametrize("name", TRAINING)
def test_the_module_of_a_command_says_what_it_does(name):
    module = import_module(command.COMMANDS[name][0].partition(":")[0], package="modeling_minibert")
    assert module.__doc__.startswith(("Train a", "Pretrain a"))


@pytest.mark.parametrize("text", ["satu dua", 'kata "enak"', "it's", "a$b", "plain", ""])
def test_the_printed_command_can_be_pasted(text, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    words = shlex.split(predict_command("out/my model", text))
    assert words == ["python", "-m", "modeling_minibert", "predict", "out/my model", text]
    monkeypatch.setattr("shutil.which", lambda name: "/bin/minibert")
    assert shlex.split(predict_command("out/x")) == ["minibert", "predict", "out/x"]


def test_a_token_is_that_of_the_whole_process(monkeypatch, tmp_path):
    from modeling_minibert.training import classifier

    monkeypatch.setenv("HF_TOKEN", "before")
    classifier.parse_arguments(["--output_dir", str(tmp_path)])
    assert os.environ["HF_TOKEN"] == "before"
    model_args, *_ = classifier.parse_arguments(["--output_dir", str(tmp_path), "--token", "hf_secret"])
    import huggingface_hub

    assert huggingface_hub.get_token() == "hf_secret" and model_args.hub == {}

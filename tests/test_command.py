"""The command `minibert`: every name leads to a function, and a mistyped one to the nearest."""

import ast
import sys
from importlib import import_module
from pathlib import Path

import pytest

from modeling_minibert import __main__ as command
from modeling_minibert.training import classifier


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_leads_to_a_function(name):
    module, _, function = command.COMMANDS[name][0].partition(":")
    assert callable(getattr(import_module(module, package="modeling_minibert"), function))


def test_the_entry_point_of_the_package_is_this_command(repository):
    assert "minibert = modeling_minibert.__main__:main" in (repository / "setup.cfg").read_text("utf-8")


def test_the_script_takes_the_steps_of_the_command(repository):
    mains = [
        next(node for node in ast.parse(path.read_text("utf-8")).body if getattr(node, "name", "") == "main")
        for path in (repository / "examples/finetune_classifier.py", Path(classifier.__file__))
    ]
    assert ast.dump(mains[0]) == ast.dump(mains[1])


def test_without_arguments_the_commands_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["minibert"])
    command.main()
    shown = capsys.readouterr().out
    assert all(f"minibert {name} " in shown for name in command.COMMANDS)


def test_the_rest_of_the_line_is_read_by_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["minibert", "train", "tagger", "--help"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 0 and capsys.readouterr().out.startswith("usage: minibert train tagger ")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("train taggr", "did you mean train tagger"),
        ("serach x", "did you mean search"),
        ("train", "train needs a model: minibert train classifier|"),
        ("tokenizer trian", "invalid choice: 'trian'"),
        ("search ask --no_such_flag 1", "unknown argument --no_such_flag"),
    ],
)
def test_mistakes_are_one_line(words, answer, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["minibert", *words.split()])
    with pytest.raises(SystemExit) as stop:
        command.main()
    shown = capsys.readouterr().err
    assert stop.value.code == 2 and shown.count("\n") == 1 and answer in shown

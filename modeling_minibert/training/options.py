"""The command line: `--config_overrides hidden_size=64,hidden_act=relu`, and flags from a file after `--recipe`."""

import argparse
import json
from pathlib import Path


def parse_options(text: str | None) -> dict:
    """'a=1,b=x' → {'a': 1, 'b': 'x'}; numbers, true, false and null are recognised."""
    options = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} is not of the form name=value")
        try:
            options[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[name.strip()] = value
    return options


def expand_recipe(arguments: list[str] | None = None) -> list[str]:
    """Read the flags of the file after --recipe; they come first, so that flags given besides win.

    Args:
        arguments: a command line without the name of the program; none: that of this process.

    Raises:
        FileNotFoundError: there is no such file.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", type=Path)
    known, rest = parser.parse_known_args(arguments)
    return known.recipe.read_text(encoding="utf-8").split() + rest if known.recipe else rest

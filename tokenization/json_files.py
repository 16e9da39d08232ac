"""Read json files: an object per line, a list of objects, or a whole file; errors name file, line and row."""

import json
from collections.abc import Iterator
from pathlib import Path

from .text_files import read_lines

EXTENSIONS = (".json", ".jsonl")


def read_json(path: str | Path, encoding: str | None = None) -> Iterator[tuple[str, dict]]:
    """Yield the rows of a json file: an object per line, or a list of objects.

    Raises:
        ValueError: a line that is not json, a row that is not an object, a key given twice.
    """
    first = next((line for line in read_lines(path, encoding, newline="\n") if line.strip()), None)
    if first is None:
        raise ValueError(f"{path} cannot be read: it has nothing but blank lines")
    if first.lstrip().startswith("[") or not _is_json(first):
        whole = _load_unless_lines(path, encoding, first)
        for row, value in enumerate(whole or []):
            yield f"{path}, row {row}", _as_row(value, f"{path} cannot be read: row {row}")
        if whole is not None:
            return
    row = 0
    for number, line in enumerate(read_lines(path, encoding, newline="\n"), start=1):
        if line.strip():
            place = f"line {number} (row {row})"
            try:
                value = json.loads(line.strip(), object_pairs_hook=_without_repetition)
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"{path} cannot be read: {place} is not json: {error.msg} at character {error.colno}"
                ) from error
            except ValueError as error:
                raise ValueError(f"{path} cannot be read: {place}: {error}") from error
            yield f"{path}, {place}", _as_row(value, f"{path} cannot be read: {place}")
            row += 1


def load_json(path: str | Path, encoding: str | None = None):
    """Load a whole json file.

    Raises:
        ValueError: not json (names line and column), a key given twice.
    """
    text = "".join(read_lines(path, encoding, newline="\n"))
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _load_unless_lines(path: str | Path, encoding: str | None, first: str) -> list | None:
    """The rows of a json file that is a list or one object of several lines; None if it has a value per line."""
    try:
        whole = load_json(path, encoding)
    except ValueError as error:
        by_line = _is_json(first) or first.strip() != "{" and not first.lstrip().startswith("[")
        if isinstance(error.__cause__, json.JSONDecodeError) and by_line:
            return None  # the error of the line says more
        raise
    return whole if isinstance(whole, list) else [whole]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _without_repetition(pairs: list[tuple[str, object]]) -> dict:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return row


def _as_row(value, place: str) -> dict:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is {value!r:.60}, not an object with the columns as keys")
    return value

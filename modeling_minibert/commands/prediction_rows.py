"""Rows to predict, from arguments, files or a pipe; and their answers, as json lines, csv or lines to read."""

import csv
import io
import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from tokenization.table_files import TableFormat
from tokenization.text_files import read_lines

from ..data.files import READERS, check_files, read_table

TEXT = (".txt", ".text")


def read_texts(options: Namespace, second: str | None) -> Iterator[tuple[str, dict]]:
    """Yield where a row stands, for messages, and the row: {"text": …} and, if it is given, the second text.

    Args:
        options: `texts`, `file`, `column`, `pair`, `pair_column` and the layout of files.
        second: the name of the second text in a row.
    """
    rows: Iterator[tuple[str, dict]]
    if options.texts:
        rows = ((f"text {number}", {"text": text}) for number, text in enumerate(options.texts, 1))
    elif options.file:
        rows = _of_files(options, second)
    else:
        if options.encoding and isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding=options.encoding)
        lines = (line.rstrip("\r\n") for line in sys.stdin)
        rows = ((f"line {number}", {"text": line}) for number, line in enumerate(lines, 1))
    for place, row in rows:
        yield place, row | ({second: options.pair} if second and options.pair is not None else {})


def _of_files(options: Namespace, second: str | None) -> Iterator[tuple[str, dict]]:
    """Yield the rows of text files (a text per line) and tables."""
    for path in options.file:
        if Path(path).suffix.lower() in TEXT:
            for number, line in enumerate(read_lines(path, options.encoding), 1):
                yield f"{path}, line {number}", {"text": line.rstrip("\r\n")}
            continue
        table = read_table(path, path, layout=TableFormat(options.delimiter, options.encoding, options.quotes))
        names = {"text": options.column} | ({second: options.pair_column} if second and options.pair_column else {})
        for name in names.values():
            if name not in table.column_names:
                shown = ", ".join(table.column_names)
                raise ValueError(f"{path} has no column {name!r}; its columns are {shown}; name one with --column")
        for number, cells in enumerate(table.select_columns(list(names.values()))):
            yield f"{path}, row {number}", {name: cells[column] for name, column in names.items()}


def check_paths(paths: Iterable[str]) -> None:
    """Raise an error if a file to read is missing, empty or of an unknown kind."""
    check_files(list(paths), [*TEXT, *READERS])


def check_row(row: dict, empty: bool) -> None:
    """Raise a ValueError if a text of the row is missing, no text, or empty where it may not be."""
    for name, text in row.items():
        if not isinstance(text, str):
            raise ValueError(f"{name} is {text!r:.40}, not a text")
        if not text.strip() and not empty:
            raise ValueError(f"{name} is empty")


class Writer:
    """Writes rows with their answers, to a file or to the console, and flushes after each chunk.

    Args:
        path: a .jsonl, .json or .csv file; None: the console, as lines to read in a terminal, else as json lines.
        inputs: files that are read, which must not be written over.

    Raises:
        ValueError: an unknown extension, a missing folder, or a file that is read.
    """

    def __init__(self, path: str | None, inputs: Iterable[str] = ()):
        self.path, self.columns = path, list[str]()
        self.waiting: list[dict] = []  # rows of csv without an answer, before the first answer says what columns it has
        kind = Path(path).suffix.lower() if path else ".jsonl"
        if kind not in (".jsonl", ".json", ".csv"):
            raise ValueError(f"--output_file {path} ends in {kind!r}; choose .jsonl or .csv")
        if path and not Path(path).parent.is_dir():
            raise ValueError(f"there is no folder {Path(path).parent} for {path}; create it first")
        if path and Path(path).exists() and any(Path(path).samefile(other) for other in inputs if Path(other).exists()):
            raise ValueError(f"--output_file {path} is the file that is read; choose another name")
        self.is_csv, self.is_terminal = kind == ".csv", path is None and sys.stdout.isatty()
        self.stream: TextIO | None = None if path else sys.stdout

    def write(self, answered: Iterable[dict]) -> None:
        """Write rows with their answers; the first ones open the file."""
        if self.stream is None:
            self.stream = open(str(self.path), "w", encoding="utf-8", newline="")
        for row in answered:
            if self.is_csv:
                self.waiting.append(row)
                if self.columns or "error" not in row:
                    self._write_cells()
            elif self.is_terminal:
                print(describe(row), file=self.stream)
            else:
                self.stream.write(_as_json(row) + "\n")
        self.stream.flush()

    def _write_cells(self) -> None:
        """Write the waiting rows of csv; lists and dicts as json, and why there is no answer in the last column."""
        table = csv.writer(self.stream or sys.stdout, lineterminator="\n")
        if not self.columns:
            self.columns = [*(name for name in self.waiting[-1] if name != "error"), "error"]
            table.writerow(self.columns)
        for row in self.waiting:
            cells = (row.get(name, "") for name in self.columns)
            table.writerow([cell if isinstance(cell, str | float) else _as_json(cell) for cell in cells])
        self.waiting = []

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self.waiting:
            self._write_cells()
        if self.path and self.stream is not None:
            self.stream.close()


def describe(row: dict) -> str:
    """Write a row and its answer as a line to read: `positive  98%   Filmnya bagus`."""
    text = row["text"]
    if "error" in row:
        return f"no answer: {row['error']}   {text}"
    if "label" in row:
        return f"{row['label']} {row['score']:4.0%}   {text}"
    if "labels" in row:
        return f"{', '.join(row['labels']) or 'none'}   {text}"
    if "value" in row:
        return f"{row['value']:.4g}   {text}"
    if "entities" in row:
        marked, done = "", 0
        for entity in row["entities"]:
            marked += f"{text[done : entity['start']]}[{text[entity['start'] : entity['end']]} {entity['label']}]"
            done = entity["end"]
        return marked + text[done:]
    if "answer" in row:
        return f"{row['answer'] or '(no answer)'} {row['score']:4.0%}   {text}"
    if "words" in row:
        places = row["words"] if row["words"] and isinstance(row["words"][0], list) else [row["words"]]
        shown = (", ".join(f"{guess['word']} {guess['score']:.0%}" for guess in place) for place in places)
        return f"{text}   {' | '.join(shown)}"
    if "generated_text" in row:
        return (
            row["generated_text"] if row["generated_text"].startswith(text) else f"{text}\n  → {row['generated_text']}"
        )
    if "score" in row:
        return f"{row['score']:.3f}   {row.get('document', text)}"
    return _as_json(row)


def _as_json(value) -> str:
    return json.dumps(value, ensure_ascii=False)

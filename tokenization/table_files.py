"""Read csv, tsv and json files row by row: exactly the cells of the file, or an error that names file, row and column.

Cells of csv and tsv are text, never guessed numbers or missing values. Values of json keep their types. Rows are
counted from 0, as in a data set, and lines from 1, as in an editor.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .json_files import EXTENSIONS as JSON
from .json_files import read_json
from .text_files import read_lines

DELIMITED = {".csv": ",", ".tsv": "\t"}
_SEPARATORS = {";": "';'", "\t": "tab", ",": "','", "|": "'|'"}  # as they are written after --delimiter
_SAMPLE = 10_000  # rows that tell what the columns hold
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class TableFormat:
    """How the text files of a table are written.

    Args:
        delimiter: one character, or "tab"; None: a tab in .tsv, a comma in .csv.
        encoding: None: by the byte-order mark, or UTF-8.
        quotes: whether cells may stand in quotation marks; False: a quotation mark is a character like any other.

    Raises:
        ValueError: a delimiter that is not one character.
    """

    delimiter: str | None = None
    encoding: str | None = None
    quotes: bool = True

    def __post_init__(self):
        if self.delimiter is None:
            return
        delimiter = "\t" if self.delimiter in ("tab", "\\t") else self.delimiter
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(
                f"delimiter is {self.delimiter!r}; give one character other than a quotation mark or a line end, or tab"
            )
        object.__setattr__(self, "delimiter", delimiter)


def read_rows(path: str | Path, layout: TableFormat | None = None) -> Iterator[tuple[str, dict]]:
    """Yield the rows of a csv, tsv or json file: where the row stands, for error messages, and column → value.

    A csv or tsv file without rows yields nothing; see `read_delimited` and `read_json` for what is refused.
    """
    layout = layout or TableFormat()
    if Path(path).suffix.lower() in JSON:
        yield from read_json(path, layout.encoding)
        return
    rows = read_delimited(path, layout)
    _, columns = next(rows)
    for place, cells in rows:
        yield place, dict(zip(columns, cells, strict=True))


def read_delimited(path: str | Path, layout: TableFormat | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of the columns, then the cells of each row, both with their place in the file.

    Blank lines are skipped where a row has several cells. A column without a name is called "Unnamed: 0" by its
    number, as in pandas.

    Raises:
        ValueError: no header, two columns of one name, a row with more or fewer cells than the header, a quotation
            mark that is not closed or that swallows rows, unequal line ends, bytes in another encoding; a header that
            looks separated by another character (names it).
    """
    layout = layout or TableFormat()
    records = _Records(path, layout)
    header = next(records, None)
    if header is None:
        raise ValueError(f"{path} cannot be read: it has no header, the line with the names of the columns")
    columns = _column_names(path, header, layout)
    yield f"{path}, {records.place}", columns
    records.row, swallowed = 0, None
    for cells in records:
        if len(cells) <= 1 and not "".join(records.lines).strip(" \t\r\n"):
            if len(columns) > 1:
                continue
            cells = cells or [""]
        if len(cells) != len(columns):
            raise ValueError(f"{path} cannot be read: {records.place} {_other_width(cells, columns, records)}")
        if len(records.lines) > 1 and layout.quotes and len(columns) > 1:
            swallowed = swallowed or _SwallowedRows(path, layout, len(columns))
            if swallowed.are_likely(records.lines):
                raise ValueError(
                    f"{path} cannot be read: {records.place} goes on to line {records.last_line} inside quotation "
                    f"marks, but each of these lines looks like a row ({records.lines[0]!r:.60}); remove or double a "
                    f"quotation mark that belongs to the text, say that cells are not quoted (--quotes false), or "
                    f"save the table as json lines if the text has these lines"
                )
        yield f"{path}, {records.place}", cells
        records.row += 1


class _Records:
    """Iterate over the records of a csv file in strict mode; all must end as the header does.

    Attributes:
        row: the number of the record, for error messages; None: it is the header.
        lines: the lines of the record as they stand in the file.
        delimiter: the character between cells.
    """

    def __init__(self, path: str | Path, layout: TableFormat):
        csv.field_size_limit(_LONGEST_CELL)
        self.path, self.layout = path, layout
        self.delimiter = layout.delimiter or DELIMITED.get(Path(path).suffix.lower(), ",")
        self.row: int | None = None
        self.lines: list[str] = []
        self.last_line, self._end = 0, ""
        self._reader = csv.reader(self._count_lines(), **_dialect(self.delimiter, layout.quotes))

    def _count_lines(self) -> Iterator[str]:
        for line in read_lines(self.path, self.layout.encoding):
            self.last_line += 1
            self.lines.append(line)
            yield line

    @property
    def place(self) -> str:
        """Where the record begins: "line 5 (row 3)"."""
        return f"line {self.last_line - len(self.lines) + 1} ({'header' if self.row is None else f'row {self.row}'})"

    def __iter__(self) -> "_Records":
        return self

    def __next__(self) -> list[str]:
        cells: list[str] = []
        while not cells:
            self.lines.clear()
            try:
                cells = next(self._reader)
            except csv.Error as error:
                raise ValueError(f"{self.path} cannot be read: {self.place} {self._explain(error)}") from error
            self._check_end()
            if self.row is not None:
                break  # blank lines do not count before the header
        return cells

    def _check_end(self) -> None:
        r"""Raise if the record ends in another way than the header; \n is allowed after \r\n, but not the reverse.

        Some writers do not quote a cell that ends with \r: it cannot be told from a line that ends with \r\n.
        """
        end = self.lines[-1][len(self.lines[-1].rstrip("\r\n")) :]
        self._end = self._end or end
        if end and end != self._end and (self._end, end) != ("\r\n", "\n"):
            raise ValueError(
                f"{self.path} cannot be read: {self.place} ends with {end!r}, the header with {self._end!r}; end all "
                f"lines alike, and put a cell that has a line end into quotation marks"
            )

    def _explain(self, error: csv.Error) -> str:
        """Explain an error of the csv module."""
        advice = "double a quotation mark inside quoted text, or say that cells are not quoted (--quotes false)"
        start = f"({self.lines[0]!r:.60})"
        if "unexpected end" in str(error):
            return f"{start} opens a quotation mark that is not closed before the end of the file; {advice}"
        if "expected after" in str(error):
            until = f" that line {self.last_line} closes" if len(self.lines) > 1 else ""
            return f"{start} opens a quotation mark{until}, with text right after the closing one; {advice}"
        return f"{start}: {error}"


def _dialect(delimiter: str, quotes: bool) -> dict:
    return {"delimiter": delimiter, "strict": True, "quoting": csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE}


def _column_names(path: str | Path, header: list[str], layout: TableFormat) -> list[str]:
    """Return the names of the columns; raise if they are not what a header has."""
    names = [name or f"Unnamed: {number}" for number, name in enumerate(header)]
    seen = _separators_in(header[0]) if len(header) == 1 and layout.delimiter is None else []
    if header[0].startswith("sep=") and len("".join(header)) <= 5:
        raise ValueError(
            f"{path} cannot be read: its first line, {header[0]!r}, is a note of a spreadsheet; remove that line, and "
            f"give the separator (--delimiter)"
        )
    if seen:
        raise ValueError(
            f"{path} cannot be read: its header {header[0]!r:.80} is one column, but it has the character {seen[0]}; "
            f"if that separates the columns, give --delimiter {seen[0]}, otherwise give the delimiter that does"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} cannot be read: its header names the column {twice[0]!r} twice; rename one of them")
    return names


def _separators_in(text: str) -> list[str]:
    return [name for character, name in _SEPARATORS.items() if character in text]


def _other_width(cells: list[str], columns: list[str], records: _Records) -> str:
    """Describe a row that does not have as many cells as the header."""
    own = _SEPARATORS.get(records.delimiter, repr(records.delimiter))
    text = f"has {len(cells)} cells, the header has {len(columns)} ({', '.join(map(repr, columns)):.80})"
    text += f"; put a cell that holds the separator {own} into quotation marks, or give the row all its cells"
    others = [name for name in _separators_in(" ".join(columns)) if name != own]
    return f"{text}; if {others[0]} is the separator, give --delimiter {others[0]}" if others else text


class _SwallowedRows:
    """Tells a text of several lines from rows that a stray quotation mark has joined.

    Args:
        path, layout: the file.
        width: number of columns.
    """

    def __init__(self, path: str | Path, layout: TableFormat, width: int):
        self.width = width
        self.delimiter = layout.delimiter or DELIMITED.get(Path(path).suffix.lower(), ",")
        self.known = [Column() for _ in range(width)]
        try:
            records = _Records(path, layout)
            next(records)
            records.row = 0
            for number, cells in enumerate(records):
                if number >= _SAMPLE:
                    break
                if len(cells) == width and not (len(records.lines) > 1 and self._as_rows(records.lines)):
                    for column, cell in zip(self.known, cells, strict=True):
                        column.add(cell)
        except ValueError:  # refused when the reading comes to it
            pass

    def _as_rows(self, lines: list[str]) -> list[list[str]]:
        """The lines as rows without quoting; none if one of them has another number of cells."""
        rows = list(csv.reader([line.rstrip("\r\n") for line in lines], **_dialect(self.delimiter, quotes=False)))
        return rows if all(len(row) == self.width for row in rows) else []

    def are_likely(self, lines: list[str]) -> bool:
        """Whether each line would be a row, with cells like those of the other rows.

        A column of few values, or of numbers, decides. Without such a column four whole rows are too many for chance.
        """
        rows = self._as_rows(lines)
        if not rows:
            return False
        telling = [number for number, column in enumerate(self.known) if column.repeats or column.is_numeric]
        if not telling:
            return len(rows) >= 4
        return any(all(self.known[number].has(row[number]) for row in rows) for number in telling)


class Column:
    """What the cells of a column have in common: few values, or numbers."""

    def __init__(self):
        self.count, self.values, self.is_numeric = 0, set(), False

    def add(self, cell: str) -> None:
        """Count one cell."""
        self.is_numeric = is_number(cell) and (self.is_numeric or self.count == 0)
        self.count += 1
        self.values.add(cell)

    @property
    def repeats(self) -> bool:
        """Whether the cells have few values, as labels do."""
        return self.count >= 4 and 2 * len(self.values) <= self.count

    def has(self, cell: str) -> bool:
        """Whether a cell, with or without quotation marks, fits into the column."""
        cell = cell.strip('"')
        return (self.repeats and cell in self.values) or (self.is_numeric and is_number(cell))


def is_number(cell: str) -> bool:
    """Whether a cell is a number, without spaces around it."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell == cell.strip()

"""Read texts from files, lists, iterators, and columns of a `datasets` data set as one stream.

`open_texts` returns an iterable `Texts` with its length, if known. Reading is lazy, so a corpus may be larger than
memory. In a list, a `str` is a text and a `Path` is a file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from .table_files import DELIMITED, JSON, TableFormat, read_delimited, read_rows
from .text_files import read_lines as read_raw_lines


class Texts:
    """A stream of texts with a name for error messages.

    Args:
        texts: any iterable of texts.
        name: for error messages ("corpus.txt", "texts").
        length: number of texts, or None if unknown.
    """

    def __init__(self, texts: Iterable, name: str, length: int | None = None):
        self.texts, self.name, self.length = texts, name, length
        self.seen = 0  # number of texts with a visible character so far

    def __iter__(self) -> Iterator[str]:
        self.seen = 0
        for position, text in enumerate(self.texts):
            if text is None:  # an empty cell of a table
                continue
            if not isinstance(text, str):
                raise TypeError(f"{self.name}: item {position} is a {type(text).__name__}, not a str: {text!r:.60}")
            self.seen += bool(text.strip())
            yield text

    def readable_again(self) -> "Texts":
        """Return texts that can be iterated repeatedly; the texts of an iterator are stored in memory."""
        return Texts(list(self), self.name) if isinstance(self.texts, Iterator) else self


def open_texts(
    source,
    text_column: str = "text",
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> Texts:
    """Open any source of text as a stream of strings.

    Args:
        source: a `Path` or a list of them (one text per line; tables are .parquet, .csv, .tsv, .json, .jsonl); a
            list or iterator of strings; a `datasets` Dataset or IterableDataset.
        text_column: the column with the text, for data sets and tables.
        delimiter, encoding, quotes: how the files are written, see `TableFormat`.

    Returns:
        The texts. Missing cells (None) are skipped, empty lines are kept.

    Raises:
        ValueError: a bare string, a missing column, several splits; on iteration an empty or unreadable file (names
            file, row or byte).
        FileNotFoundError: a missing file.
    """
    layout = TableFormat(delimiter, encoding, quotes)
    if isinstance(source, Texts):
        return source
    if isinstance(source, str):
        raise ValueError(
            f"texts is one string of {len(source)} characters ({source!r:.40}); "
            f"pass a list of strings, or pathlib.Path(...) for a file"
        )
    if isinstance(source, Path):
        source = [source]
    is_file_list = isinstance(source, list | tuple) and source and all(isinstance(item, Path) for item in source)
    if layout != TableFormat() and not is_file_list:
        raise ValueError(
            "delimiter, encoding and quotes are for files; leave them out for a data set or texts in memory"
        )
    if isinstance(source, dict):
        raise ValueError(f"got several splits {sorted(source)}; choose one, for example dataset[{sorted(source)[0]!r}]")
    if hasattr(source, "column_names") and hasattr(source, "select_columns"):
        return _open_dataset(source, text_column)
    if is_file_list:
        for path in source:
            if not path.is_file():
                raise FileNotFoundError(f"{path} is not a file")
        return Texts(_Files(source, text_column, layout), ", ".join(map(str, source)))
    return Texts(source, "texts", len(source) if hasattr(source, "__len__") else None)


class _Files:
    """The texts of several files, iterable more than once."""

    def __init__(self, paths: Iterable[Path], text_column: str, layout: TableFormat):
        self.paths, self.text_column, self.layout = list(paths), text_column, layout

    def __iter__(self) -> Iterator[str]:
        for path in self.paths:
            texts = self._open(path)
            yield from texts
            if not texts.seen:
                raise ValueError(f"{path} holds no text: {path.stat().st_size} bytes, none of them visible characters")

    def _open(self, path: Path) -> Texts:
        kind = path.suffix.lower()
        if path.stat().st_size == 0:
            return Texts([], str(path))
        if kind == ".parquet":
            return _open_parquet(path, self.text_column)
        if kind in DELIMITED or kind in JSON:
            return Texts(_cells(path, self.text_column, self.layout), f"column {self.text_column!r} of {path}")
        return Texts(read_lines(path, self.layout.encoding), str(path))


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield the lines of a text file without line ends and byte-order mark.

    Raises:
        ValueError: bytes that are not in this encoding (names the file and the byte).
    """
    for line in read_raw_lines(path, encoding, newline="\n"):
        yield line.rstrip("\r\n")


def _cells(path: Path, text_column: str, layout: TableFormat) -> Iterator[str | None]:
    """Yield the cells of one column of a csv, tsv or json file."""
    if path.suffix.lower() in DELIMITED:
        columns = next(read_delimited(path, layout))[1]
        _check_column(text_column, columns, str(path))
    seen: dict[str, None] = {}
    for _, row in read_rows(path, layout):
        seen.update(dict.fromkeys(row))
        yield row.get(text_column)
    if seen:
        _check_column(text_column, list(seen), str(path))


def _check_column(name: str, columns: Iterable[str], source: str) -> None:
    if name not in columns:
        raise ValueError(f"no column {name!r} in {source}; it has {sorted(columns)}")


def _open_parquet(path: Path, text_column: str) -> Texts:
    """Read a parquet file through `datasets`."""
    from datasets import load_dataset

    with open(path, "rb") as file:
        if file.read(4) != b"PAR1":
            raise ValueError(f"{path} cannot be read: it does not begin as a parquet file; save the table again")
    return _open_dataset(load_dataset("parquet", data_files=str(path), split="train"), text_column)


def _open_dataset(dataset, text_column: str) -> Texts:
    """Open one column of a data set."""
    # A streaming data set may not know its columns before its first row.
    columns = dataset.column_names or list(next(iter(dataset), {}))
    _check_column(text_column, columns, "this data set")
    return Texts(
        _Column(dataset, text_column), f"column {text_column!r}", len(dataset) if hasattr(dataset, "__len__") else None
    )


class _Column:
    """One column of a data set, iterable more than once; read in batches, much faster than by row."""

    def __init__(self, dataset, text_column: str):
        self.dataset, self.text_column = dataset.select_columns(text_column), text_column

    def __iter__(self) -> Iterator[str]:
        for batch in self.dataset.iter(batch_size=1000):
            yield from batch[self.text_column]

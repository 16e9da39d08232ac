"""Read texts from files, lists, iterators, and columns of a `datasets` data set as one stream.

`open_texts` returns an iterable `Texts` with its length, if known. Reading is lazy, so a corpus may be larger than
memory. In a list, a `str` is a text and a `Path` is a file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

_TABLE_READERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json"}


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


def open_texts(source, text_column: str = "text") -> Texts:
    """Open any source of text as a stream of strings.

    Args:
        source: a `Path` or a list of them (utf-8, one text per line; tables are .parquet, .csv, .tsv, .json, .jsonl); a
            list or iterator of strings; a `datasets` Dataset or IterableDataset.
        text_column: the column with the text, for data sets and tables.

    Returns:
        The texts. Missing cells (None) are skipped, empty lines are kept.

    Raises:
        ValueError: a bare string, a missing column, an unreadable or empty file, or several splits.
        FileNotFoundError: a missing file.
    """
    if isinstance(source, Texts):
        return source
    if isinstance(source, str):
        raise ValueError(
            f"texts is one string of {len(source)} characters ({source!r:.40}); "
            f"pass a list of strings, or pathlib.Path(...) for a file"
        )
    if isinstance(source, Path):
        source = [source]
    if isinstance(source, dict):
        raise ValueError(f"got several splits {sorted(source)}; choose one, for example dataset[{sorted(source)[0]!r}]")
    if hasattr(source, "column_names") and hasattr(source, "select_columns"):
        return _open_dataset(source, text_column)
    if isinstance(source, list | tuple) and source and all(isinstance(item, Path) for item in source):
        for path in source:
            if not path.is_file():
                raise FileNotFoundError(f"{path} is not a file")
        return Texts(_Files(source, text_column), ", ".join(map(str, source)))
    return Texts(source, "texts", len(source) if hasattr(source, "__len__") else None)


class _Files:
    """The texts of several files, iterable more than once."""

    def __init__(self, paths: Iterable[Path], text_column: str):
        self.paths, self.text_column = list(paths), text_column

    def __iter__(self) -> Iterator[str]:
        for path in self.paths:
            is_table = path.suffix.lower() in _TABLE_READERS
            texts = _open_table(path, self.text_column) if is_table else Texts(read_lines(path), str(path))
            yield from texts
            if not texts.seen:
                raise ValueError(f"{path} holds no text: {path.stat().st_size} bytes, none of them visible characters")


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a utf-8 file without line ends and byte-order mark.

    Raises:
        ValueError: bytes that are not utf-8 (names the file and the byte).
    """
    offset = 0  # bytes before this line, for the error message
    with open(path, "rb") as file:
        for line in file:
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path} is not utf-8: byte 0x{line[error.start]:02x} at offset {offset + error.start} "
                    f"({error.reason}); convert it, for example iconv -f latin1 -t utf-8"
                ) from error
            yield (text.removeprefix("\ufeff") if offset == 0 else text).rstrip("\r\n")
            offset += len(line)


def _open_table(path: Path, text_column: str) -> Texts:
    """Read a parquet, csv, tsv or json file through `datasets`."""
    from datasets import load_dataset

    reader = _TABLE_READERS[path.suffix.lower()]
    # By default pandas reads the words "None" and "NA" as missing cells, too.
    options: dict = {"keep_default_na": False} if reader == "csv" else {}
    if path.suffix.lower() == ".tsv":
        options["sep"] = "\t"
    return _open_dataset(load_dataset(reader, data_files=str(path), split="train", **options), text_column)


def _open_dataset(dataset, text_column: str) -> Texts:
    """Open one column of a data set."""
    # A streaming data set may not know its columns before its first row.
    columns = dataset.column_names or list(next(iter(dataset), {}))
    if text_column not in columns:
        raise ValueError(f"no column {text_column!r} in this data set; it has {sorted(columns)}")
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

"""Read tables (csv, tsv, json lines, parquet) through `datasets`, with errors that say what to do."""

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset, IterableDataset, load_dataset
from datasets.exceptions import DatasetGenerationError

READERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


def as_paths(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """Return one path or several as a list."""
    return [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def check_files(paths: list[str], extensions: list[str]) -> None:
    """Check names and sizes of files before any is read.

    Args:
        paths: one or more files.
        extensions: the allowed ones, e.g. [".csv", ".txt"].

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an unknown extension, or an empty file.
    """
    for path in paths:
        if Path(path).suffix.lower() not in extensions:
            raise ValueError(f"{path}: unknown extension {Path(path).suffix!r}; choose one of {sorted(extensions)}")
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file")
        if Path(path).stat().st_size == 0:
            raise ValueError(f"{path}: the file is empty")


def read_table(paths: str | list[str], split: str, streaming: bool = False) -> Dataset | IterableDataset:
    """Read one split; the file extension selects the reader.

    Args:
        paths: a file, or several of the same kind.
        split: the name of the split, for errors.
        streaming: read lazily, for tables larger than memory and disk.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an unknown extension, an empty or unreadable file (names file and byte), no rows.
    """
    paths = as_paths(paths)
    names = ", ".join(paths)
    check_files(paths, list(READERS))
    reader = READERS[Path(paths[0]).suffix.lower()]
    if reader != "parquet":
        for path in paths:
            check_utf8(path)
    # By default pandas reads the words "None", "null" and "NA" as missing cells, too.
    options: dict = {"keep_default_na": False} if reader == "csv" else {}
    if Path(paths[0]).suffix.lower() == ".tsv":
        options["sep"] = "\t"
    try:
        return load_dataset(reader, data_files=paths, split="train", streaming=streaming, **options)
    except DatasetGenerationError as error:
        raise ValueError(f"{names} cannot be read: {str(error.__cause__ or error).strip()}") from error
    except ValueError as error:
        if "corresponds to no data" not in str(error):
            raise
        raise ValueError(f"the {split} split has no rows: {names} has nothing but its header") from error


def check_utf8(path: str) -> None:
    """Check that a file is UTF-8.

    Raises:
        ValueError: it is not (names the file and the byte).
    """
    position = 0
    with open(path, "rb") as file:
        for line in file:
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}: byte {position + error.start} (0x{line[error.start]:02x}) is not UTF-8; "
                    f"save the file as UTF-8"
                ) from error
            position += len(line)

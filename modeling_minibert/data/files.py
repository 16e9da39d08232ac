"""Read tables (csv, tsv, json lines, parquet) as data sets, with errors that say what to do.

Text files are read by `tokenization.table_files`, the reader of all commands: every cell of csv and tsv is text.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import datasets
import pyarrow as pa
from datasets import Dataset, Features, IterableDataset, Value, load_dataset
from datasets.exceptions import DatasetGenerationError

from tokenization.json_files import EXTENSIONS as JSON
from tokenization.json_files import read_json
from tokenization.table_files import DELIMITED, TableFormat, read_delimited

from .json_types import find_features

READERS = (*DELIMITED, *JSON, ".parquet")
ROWS_AT_ONCE = 1000
READER_VERSION = 1  # part of the name of a file in the cache; another reader makes other files


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


def read_table(
    paths: str | list[str], split: str, streaming: bool = False, layout: TableFormat | None = None
) -> Dataset | IterableDataset:
    """Read one split; the file extension selects the reader.

    Every cell of csv and tsv is text. A column of a json file has one type in all rows. Parquet keeps its types.

    Args:
        paths: a file, or several of the same kind and with the same columns.
        split: the name of the split, for errors.
        streaming: read lazily, for tables larger than memory and disk; the files are read once before, to check them.
        layout: how csv, tsv and json files are written.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an unknown extension, an empty file, no rows, or a file that cannot be read (names file, row or byte
            and what to do).
    """
    paths, layout = as_paths(paths), layout or TableFormat()
    check_files(paths, list(READERS))
    kinds = sorted({Path(path).suffix.lower() for path in paths})
    if len(kinds) > 1:
        raise ValueError(f"the {split} split has files of the kinds {kinds}; all of a split must be of one kind")
    if kinds == [".parquet"]:
        return _read_parquet(paths, split, streaming)
    features = _find_columns(paths, layout)
    if not features or next(_rows(paths, layout, features), None) is None:
        header = f" but its header, {', '.join(features)}; the first line names the columns" if features else ""
        raise ValueError(f"the {split} split has no rows: {', '.join(paths)} has nothing{header}")
    arguments = {"paths": paths, "layout": layout, "features": features}
    if not streaming:
        return Dataset.from_file(str(_cached(**arguments)))
    for _ in _rows(**arguments) if kinds[0] in DELIMITED else ():  # the rows of json were checked with their types
        pass
    return IterableDataset.from_generator(_rows, features=features, gen_kwargs=arguments)


def _find_columns(paths: list[str], layout: TableFormat) -> Features:
    """Return the names and types of the columns, which all files share; those of json follow from all rows."""
    if Path(paths[0]).suffix.lower() in JSON:
        return find_features(chain.from_iterable(read_json(path, layout.encoding) for path in paths))
    headers = [next(read_delimited(path, layout))[1] for path in paths]
    for path, header in zip(paths, headers, strict=True):
        if header != headers[0]:
            raise ValueError(f"{path} has the columns {header}, {paths[0]} has {headers[0]}; give all files the same")
    return Features({name: Value("string") for name in headers[0]})


def _rows(paths: list[str], layout: TableFormat, features: Features) -> Iterator[dict]:
    """Yield the rows of several files, with all columns."""
    for path in paths:
        if Path(path).suffix.lower() in DELIMITED:
            rows = read_delimited(path, layout)
            next(rows)
            for _, cells in rows:
                yield dict(zip(features, cells, strict=True))
        else:
            for _, row in read_json(path, layout.encoding):
                yield {name: row.get(name) for name in features}


def _cached(paths: list[str], layout: TableFormat, features: Features) -> Path:
    """Write the rows as an Arrow file into the cache of `datasets`, and return its path.

    The name holds size and time of the files, so that a changed file is read again.
    """
    state = [(str(Path(path).resolve()), Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in paths]
    name = hashlib.sha256(repr((READER_VERSION, state, layout)).encode()).hexdigest()[:32]
    target = Path(datasets.config.HF_DATASETS_CACHE) / "tables" / f"{name}.arrow"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    schema, rows = features.arrow_schema, _rows(paths, layout, features)
    handle, unfinished = tempfile.mkstemp(dir=target.parent, suffix=".unfinished")
    try:
        with os.fdopen(handle, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            while chunk := list(islice(rows, ROWS_AT_ONCE)):
                writer.write_table(pa.Table.from_pylist(chunk, schema))
        os.replace(unfinished, target)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return target


def _read_parquet(paths: list[str], split: str, streaming: bool) -> Dataset | IterableDataset:
    names = ", ".join(paths)
    for path in paths:
        with open(path, "rb") as file:
            if file.read(4) != b"PAR1":
                raise ValueError(f"{path} cannot be read: it does not begin as a parquet file; save the table again")
    try:
        return load_dataset("parquet", data_files=paths, split="train", streaming=streaming)
    except DatasetGenerationError as error:
        raise ValueError(f"{names} cannot be read: {str(error.__cause__ or error).strip()}") from error
    except ValueError as error:
        if "corresponds to no data" not in str(error):
            raise
        raise ValueError(f"the {split} split has no rows: {names} has none") from error

"""The splits of a data set: load them, check their columns, drop rows that another split repeats."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from datasets import Dataset, IterableDataset, load_dataset

from tokenization.table_files import TableFormat, is_number
from tokenization.table_folders import find_table_files

from .files import read_table

SPLITS = ("train", "validation", "test")


def load_splits(
    dataset_name: str | None,
    dataset_config_name: str | None,
    data_files: Mapping[str, str | list[str]] | None,
    read: Callable = read_table,
    streaming: bool = False,
    layout: TableFormat | None = None,
) -> dict[str, Dataset | IterableDataset]:
    """Load every split of a data set, either through `datasets.load_dataset` or from files.

    The csv, tsv and json files of a local folder are read as files, too: `datasets` guesses their types and columns.

    Args:
        dataset_name, dataset_config_name: a name on the Hub or a local folder, and its configuration; or
        data_files: split name → a file, or several.
        read: called as `read(files, split, layout=layout)`.
        streaming: of `load_dataset`.
        layout: how text files are written.

    Raises:
        ValueError: both a name and files, or neither; a layout for a data set that has no text files.
    """
    if (dataset_name is None) == (data_files is None):
        raise ValueError("give either dataset_name or data_files, and not both")
    layout = layout or TableFormat()
    if dataset_name and Path(dataset_name).is_dir():
        data_files, layout = find_table_files(dataset_name, dataset_config_name, layout)
    if data_files is not None:
        return {split: read(files, split, layout=layout) for split, files in data_files.items()}
    if layout != TableFormat():
        raise ValueError(
            f"delimiter, encoding and quotes are for csv, tsv, json and text files; {dataset_name} has none"
        )
    return load_dataset(dataset_name, dataset_config_name, streaming=streaming)


def check_train(splits: dict) -> None:
    """Raise a ValueError (names the splits) if there is no train split."""
    if "train" not in splits:
        raise ValueError(f"there is no train split; the splits are {sorted(splits)}")


def check_columns(dataset: Dataset | IterableDataset, names: Iterable[str], split: str) -> None:
    """Raise a ValueError if a split has no rows, or lacks a column (names the columns)."""
    # A streamed data set may not know its columns before its first row.
    columns = dataset.column_names or list(next(iter(dataset), {}))
    if not columns or isinstance(dataset, Dataset) and len(dataset) == 0:
        raise ValueError(f"the {split} split has no rows")
    for name in names:
        if name not in columns:
            near = [column for column in columns if column.strip().lower() == name.strip().lower()]
            meant = f"; do you mean {near[0]!r}?" if near else ""
            raise ValueError(f"the {split} split has no column {name!r}; its columns are {columns}{meant}")


def check_text(dataset: Dataset | IterableDataset, name: str, split: str) -> None:
    """Raise if a column does not hold text, and warn if every text of it is a number (not in a stream)."""
    if not holds_text(dataset, name):
        raise ValueError(
            f"the column {name!r} of the {split} split holds {dataset.features[name]}, not text; name the column of "
            f"the text, or save these values as text"
        )
    if isinstance(dataset, IterableDataset):
        return
    first = next((value for value in dataset[name] if value), None)
    if first is not None and all(is_number(value) for value in dataset[name] if value):
        warnings.warn(
            f"every text in the column {name!r} of the {split} split is a number ({first}); if that is not the "
            f"text, name another column",
            stacklevel=2,
        )


def holds_text(dataset: Dataset | IterableDataset, name: str) -> bool:
    """Whether the type of a column is text."""
    return getattr(dataset.features[name], "dtype", None) in ("string", "large_string")


def without_texts_of(
    dataset: Dataset | IterableDataset,
    other: Dataset | IterableDataset,
    columns: tuple[str, ...] = ("text", "text_pair"),
) -> Dataset | IterableDataset:
    """Drop the rows of `dataset` whose texts are also in `other`; scores on texts seen in training are too high.

    Args:
        dataset: rows to filter; of a stream, only the column `text` is compared.
        other: held in memory.
        columns: those that the data set has are compared together.
    """
    if isinstance(dataset, IterableDataset):
        return dataset.filter(partial(_is_new, {row["text"] for row in other}))
    columns = tuple(name for name in columns if name in dataset.column_names)

    def rows(split):
        return zip(*(split[column] for column in columns), strict=True)

    seen = set(rows(other))
    return dataset.select([index for index, row in enumerate(rows(dataset)) if row not in seen])


def _is_new(seen: set[str], row: dict) -> bool:
    return row["text"] not in seen

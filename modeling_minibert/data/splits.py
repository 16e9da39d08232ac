"""The splits of a data set: load them, check their columns, drop rows that another split repeats."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from datasets import Dataset, IterableDataset, load_dataset

from .files import read_table

SPLITS = ("train", "validation", "test")


def load_splits(
    dataset_name: str | None,
    dataset_config_name: str | None,
    data_files: Mapping[str, str | list[str]] | None,
    read: Callable = read_table,
    streaming: bool = False,
) -> dict[str, Dataset | IterableDataset]:
    """Load every split of a data set, either through `datasets.load_dataset` or from files.

    Args:
        dataset_name, dataset_config_name: a name on the Hub or a local folder, and its configuration; or
        data_files: split name → a file, or several.
        read: called as `read(files, split)`.
        streaming: of `load_dataset`.

    Raises:
        ValueError: both a name and files, or neither.
    """
    if (dataset_name is None) == (data_files is None):
        raise ValueError("give either dataset_name or data_files, and not both")
    if dataset_name:
        return load_dataset(dataset_name, dataset_config_name, streaming=streaming)
    return {split: read(files, split) for split, files in (data_files or {}).items()}


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
            raise ValueError(f"the {split} split has no column {name!r}; its columns are {columns}")


def check_text(dataset: Dataset, name: str, split: str) -> None:
    """Raise a ValueError if a column does not hold strings."""
    kind = dataset.features[name]
    if getattr(kind, "dtype", None) not in ("string", "large_string"):
        raise ValueError(f"the column {name!r} of the {split} split holds {kind}, not text")


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

"""Texts that stand in two splits: a model that has read them in training would look better than it is."""

from functools import partial

from datasets import Dataset, IterableDataset

TEXT_COLUMNS = ("text", "text_pair")


def without_texts_of(dataset: Dataset | IterableDataset, other: Dataset | IterableDataset) -> Dataset | IterableDataset:
    """The rows whose text (or pair of texts) does not also stand in `other`, whose texts are held in memory."""
    if isinstance(dataset, IterableDataset):
        return dataset.filter(partial(_is_new, {row["text"] for row in other}))
    columns = [name for name in TEXT_COLUMNS if name in dataset.column_names]

    def rows(split):
        return zip(*(split[column] for column in columns), strict=True)

    seen = set(rows(other))
    return dataset.select([index for index, row in enumerate(rows(dataset)) if row not in seen])


def _is_new(known: set[str], row: dict) -> bool:
    return row["text"] not in known

"""Texts that stand in two splits: a model that has read them in training would look better than it is."""

from datasets import Dataset

TEXT_COLUMNS = ("text", "text_pair")


def without_texts_of(dataset: Dataset, other: Dataset) -> Dataset:
    """The rows whose text (or pair of texts) does not also stand in `other`."""
    columns = [name for name in TEXT_COLUMNS if name in dataset.column_names]

    def rows(split):
        return zip(*(split[column] for column in columns), strict=True)

    seen = set(rows(other))
    return dataset.select([index for index, row in enumerate(rows(dataset)) if row not in seen])

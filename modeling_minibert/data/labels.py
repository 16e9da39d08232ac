"""Labels of three tasks: one class of a text, several labels of a text, or a number.

`encode_labels` turns the labels of all splits into numbers. Classes are matched by name, as another file may number
them differently; their names come from train.
"""

import math
import re
from typing import Any

from datasets import ClassLabel, Dataset, List, Value

# Task → `problem_type` of the configuration.
TASKS = {
    "classification": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"([+-]?\d+)(\.0*)?")
_TRUTH = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


def encode_labels(
    splits: dict[str, Dataset], columns: list[str], task: str = "classification", separator: str | None = None
) -> tuple[dict[str, list], Any, list[str]]:
    """Turn the labels of all splits into numbers.

    Args:
        splits: with a train split.
        columns: of the labels; several for "multi_label" only, each of 0 and 1.
        task: one of `TASKS`.
        separator: of the names in a cell, for "multi_label".

    Returns:
        Split name → a label per row, the type of a label for `datasets`, and the names. A label is a class id for
        "classification", a list of 0.0 and 1.0, one per name, for "multi_label", and a number for "regression".

    Raises:
        ValueError: a missing or unknown label, labels of another task (says which), fewer than two classes.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; choose one of {list(TASKS)}")
    if len(columns) > 1 and task != "multi_label":
        raise ValueError(f"{len(columns)} label columns {columns} are for the task multi_label; {task} takes one")
    if separator is not None and (task != "multi_label" or len(columns) > 1):
        raise ValueError("label_separator is for the task multi_label, with one column that holds several names")
    for split, dataset in splits.items():
        _check_labels(dataset, columns, split)
    if task == "multi_label":
        return _encode_sets(splits, columns, separator)
    column = columns[0]
    if task == "regression":
        numbers = {split: _numbers(dataset, column, split) for split, dataset in splits.items()}
        return numbers, Value("float64"), [column]
    for split, dataset in splits.items():
        _check_classes(dataset, column, split)
    names = class_names(splits["train"], column)
    ids = {split: _class_ids(dataset, column, names, split) for split, dataset in splits.items()}
    return ids, ClassLabel(names=names), names


def _check_labels(dataset: Dataset, columns: list[str], split: str) -> None:
    """Raise if a row has no label."""
    for column in columns:
        values = dataset[column]
        missing = [row for row, value in enumerate(values) if value is None or value == "" or value != value]
        if missing:
            raise ValueError(
                f"the {split} split has {len(missing)} rows without {column!r}, the first is row {missing[0]}; give "
                f"them a label, or leave them out"
            )


# One class


def _check_classes(dataset: Dataset, column: str, split: str) -> None:
    """Raise if a label is not a single value."""
    feature = dataset.features[column]
    if not isinstance(feature, Value | ClassLabel):
        raise ValueError(
            f"the column {column!r} of the {split} split holds {dataset[0][column]!r:.60} in row 0, not one label; for "
            f"several labels of a text use --task multi_label with a list of names, or with a column per label"
        )


def class_names(train: Dataset, column: str) -> list[str]:
    """Return the class names: those of the data set if it has them, otherwise the sorted labels of train.

    Labels that are all numbers are sorted as numbers.

    Raises:
        ValueError: fewer than two classes occur in train, or the labels are fractions or -1.
    """
    feature, labels = train.features[column], set(train[column])
    if isinstance(feature, ClassLabel):
        _check_labelled(train, column, "train")
        names, present = feature.names, [feature.names[label] for label in labels]
    else:
        _check_whole(labels)
        present = sorted({_as_name(label) for label in labels})
        if all(_WHOLE.fullmatch(name) for name in present):
            present = sorted({_strip_zeros(name) for name in present}, key=lambda name: (int(name), name))
        names = present
    if len(present) < 2:
        raise ValueError(
            f"all {len(train)} train rows have the label {present[0]!r}; a classifier needs at least 2 classes "
            f"(a data set sorted by class must be shuffled before a part of it is taken)"
        )
    return names


def _check_whole(labels: set) -> None:
    """Raise if all labels are numbers and one is a fraction."""
    if not all(isinstance(label, int | float) or _NUMBER.fullmatch(str(label)) for label in labels):
        return
    fractions = sorted((float(label), label) for label in labels if not float(label).is_integer())
    if fractions:
        raise ValueError(
            f"labels are fractions (such as {fractions[0][1]}); class labels are names or whole numbers; to predict a "
            f"number use --task regression"
        )


def _check_labelled(dataset: Dataset, column: str, split: str) -> None:
    """Raise if a row has the label -1, which data sets on the Hub give to rows with secret labels."""
    unlabelled = [row for row, label in enumerate(dataset[column]) if label < 0]
    if unlabelled:
        raise ValueError(
            f"the {split} split has {len(unlabelled)} rows with the label -1, which means that they are not labelled, "
            f"the first is row {unlabelled[0]}; leave them out, or use another split"
        )


def _as_name(label) -> str:
    return str(int(label)) if isinstance(label, float) else str(label)


def _strip_zeros(name: str) -> str:
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def _class_ids(dataset: Dataset, column: str, names: list[str], split: str) -> list[int]:
    """Return the class id of each row."""
    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        _check_labelled(dataset, column, split)
        labels = [feature.names[label] for label in dataset[column]]
    else:
        labels = [str(label) if _is_fraction(label) else _as_name(label) for label in dataset[column]]
    ids = {name: index for index, name in enumerate(names)}
    encoded = [ids.get(label, ids.get(_strip_zeros(label), -1)) for label in labels]
    if -1 in encoded:
        row = encoded.index(-1)
        raise ValueError(
            f"the {split} split has the label {labels[row]!r}, which train does not have; it has {names} (row {row})"
        )
    return encoded


def _is_fraction(label) -> bool:
    return isinstance(label, float) and not label.is_integer()


# Several labels


def _encode_sets(splits: dict[str, Dataset], columns: list[str], separator: str | None):
    """Turn names, or columns of 0 and 1, into lists of 0.0 and 1.0."""
    if len(columns) > 1:
        names = columns
        labels = {split: _truths(dataset, columns, split) for split, dataset in splits.items()}
    else:
        sets = {split: _name_sets(dataset, columns[0], separator, split) for split, dataset in splits.items()}
        feature = getattr(splits["train"].features[columns[0]], "feature", None)
        names = feature.names if isinstance(feature, ClassLabel) else sorted(set().union(*sets["train"]))
        labels = {split: _truths_of_sets(rows, names, split) for split, rows in sets.items()}
    if len(names) < 2:
        raise ValueError(f"the train split has the labels {names}; the task multi_label needs at least two")
    return labels, List(Value("float32"), length=len(names)), names


def _truths(dataset: Dataset, columns: list[str], split: str) -> list[list[float]]:
    """The rows of columns that hold 0 or 1."""
    found = []
    for column in columns:
        truths = [_TRUTH.get(str(value).lower(), math.nan) for value in dataset[column]]
        if not all(map(math.isfinite, truths)):
            row = list(map(math.isfinite, truths)).index(False)
            raise ValueError(
                f"row {row} of the {split} split has {dataset[row][column]!r:.60} in the column {column!r}; a column "
                f"of the task multi_label holds 0 or 1"
            )
        found.append(truths)
    return [list(row) for row in zip(*found, strict=True)]


def _name_sets(dataset: Dataset, column: str, separator: str | None, split: str) -> list[set[str]]:
    """The names of each row: from a list, or from a text split at `separator`."""
    feature, values = dataset.features[column], list(dataset[column])
    if isinstance(feature, Value) and feature.dtype in ("string", "large_string") and separator:
        return [{name.strip() for name in value.split(separator)} - {""} for value in values]
    inner = getattr(feature, "feature", None)
    if isinstance(inner, ClassLabel):
        return [{inner.names[label] for label in row} for row in values]
    dtype = getattr(inner, "dtype", None)
    if dtype in ("string", "large_string") and all(name for row in values for name in row):
        return [set(row) for row in values]
    raise ValueError(
        f"the column {column!r} of the {split} split holds {values[0]!r:.60} in row 0; for the task multi_label give "
        f"lists of names, a column of 0 and 1 per label (--label_column_name a,b,c), or names in one cell and what "
        f"separates them (--label_separator)"
    )


def _truths_of_sets(rows: list[set[str]], names: list[str], split: str) -> list[list[float]]:
    known = set(names)
    for row, found in enumerate(rows):
        if found - known:
            raise ValueError(
                f"the {split} split has the label {min(found - known)!r}, which train does not have; it has {names} "
                f"(row {row})"
            )
    return [[float(name in found) for name in names] for found in rows]


# Numbers


def _numbers(dataset: Dataset, column: str, split: str) -> list[float]:
    """Return the labels as numbers; raise if one is not a finite number."""
    feature = dataset.features[column]
    if not isinstance(feature, Value) or feature.dtype == "bool":
        raise ValueError(
            f"the column {column!r} of the {split} split holds {feature}; the task regression needs numbers"
        )
    numbers = []
    for row, value in enumerate(dataset[column]):
        is_text = isinstance(value, str)
        number = float(value) if not is_text or _NUMBER.fullmatch(value) else math.nan
        if not math.isfinite(number):
            comma = is_text and _NUMBER.fullmatch(value.replace(",", "."))
            advice = "write decimals with a point" if comma else "the task regression needs numbers; name their column"
            raise ValueError(f"row {row} of the {split} split has {value!r:.60} in the column {column!r}; {advice}")
        numbers.append(number)
    return numbers

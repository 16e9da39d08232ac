"""Reading labelled text: from the Hub, a folder or files, to checked train, validation and test splits.

`load_text_classification` is the whole story; the functions below it are its steps, in order. Nothing is dropped or
renamed silently: what it does to the data, it prints.
"""

import math
import warnings
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict, load_dataset

from .files import read_table
from .overlap import without_texts_of

SPLITS = ("train", "validation", "test")


def load_text_classification(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: dict[str, str] | None = None,
    text_column: str = "text",
    text_pair_column: str | None = None,
    label_column: str = "label",
    validation_share: float = 0.1,
    seed: int = 0,
    max_train_samples: int | None = None,
) -> tuple[DatasetDict, list[str]]:
    """Load labelled text, check it, and make sure that there is a validation split apart from the test split.

    A validation split that is not given is carved from train, stratified by class. Train rows whose text also
    stands in the test split are left out.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → csv, tsv, json (lines) or parquet file; `train` is needed.
        text_column, text_pair_column, label_column: names of the columns.
        validation_share: how much of train becomes validation where none is given, above 0 and below 1.
        seed: of the carving, and of the drawing.
        max_train_samples: go on with so many rows of train, drawn at random, each class in proportion; a validation
            split that is carved is part of them.

    Returns:
        The splits with columns `text`, `text_pair` (where there is one) and `label` (class ids), and the class names.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: no rows, a missing column (names those there are), an unreadable file (names file and byte), one
            class only, a missing label, a label that train does not have; a share or a number that leaves nothing.

    Warns:
        UserWarning: validation or test has one class only.
    """
    if (dataset_name is None) == (data_files is None):
        raise ValueError("give either dataset_name or data_files, and not both")
    if not 0 < validation_share < 1:
        raise ValueError(
            f"the share of train that becomes validation is {validation_share}; it must lie between 0 and 1"
        )
    if dataset_name:
        raw = load_dataset(dataset_name, dataset_config_name)
    else:
        raw = DatasetDict({split: read_table(path, split) for split, path in (data_files or {}).items()})
    if "train" not in raw:
        raise ValueError(f"there is no train split; the splits are {sorted(raw)}")
    columns = {"text": text_column, "text_pair": text_pair_column, "label": label_column}
    splits = {name: _select_columns(raw[name], columns, name) for name in SPLITS if name in raw}
    if "test" in splits and set(splits["test"]["label"]) == {-1}:
        print("the test split is not labelled (-1), as many on the Hub; left out, so that validation is scored instead")
        del splits["test"]
    names = label_names(splits["train"])
    splits = DatasetDict({name: _encode_labels(split, names, name) for name, split in splits.items()})
    if "test" in splits:
        splits["train"] = _leave_out_test_texts(splits["train"], splits["test"])
    splits["train"] = _draw(splits["train"], names, max_train_samples, seed)
    if "validation" not in splits:
        splits["train"], splits["validation"] = _carve_validation(splits["train"], names, validation_share, seed)
    for name, split in splits.items():
        if len(set(split["label"])) < 2:
            warnings.warn(
                f"all {len(split)} rows of the {name} split have the label {names[split['label'][0]]!r}; its scores "
                f"will say little (a data set sorted by class must be shuffled before a part of it is taken)",
                stacklevel=2,
            )
    return DatasetDict({name: splits[name] for name in SPLITS if name in splits}), names


def _select_columns(dataset: Dataset, columns: dict[str, str | None], split: str) -> Dataset:
    """Keep the named columns under our names, and refuse rows that lack a text or a label."""
    if len(dataset) == 0:
        raise ValueError(f"the {split} split has no rows")
    wanted = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    for theirs in wanted.values():
        if theirs not in dataset.column_names:
            raise ValueError(f"the {split} split has no column {theirs!r}; its columns are {dataset.column_names}")
    dataset = dataset.select_columns(list(wanted.values())).rename_columns(
        {theirs: ours for ours, theirs in wanted.items() if ours != theirs}
    )
    for ours, theirs in wanted.items():
        kind = dataset.features[ours]
        if ours != "label" and getattr(kind, "dtype", None) not in ("string", "large_string"):
            raise ValueError(f"the column {theirs!r} of the {split} split holds {kind}, not text")
        empty = [row for row, value in enumerate(dataset[ours]) if value is None or value == ""]
        if empty:
            raise ValueError(f"the {split} split has {len(empty)} rows without {theirs!r}, the first is row {empty[0]}")
    return dataset


def label_names(train: Dataset) -> list[str]:
    """The names of the classes: those of the data set where it has them, the sorted labels of train otherwise.

    Raises:
        ValueError: fewer than two classes occur in train, or the labels are fractions or -1.
    """
    feature = train.features["label"]
    present = sorted(set(train["label"]))
    if any(isinstance(label, float) and not label.is_integer() for label in present):
        raise ValueError(f"labels are fractions (such as {present[0]}); class labels are names or whole numbers")
    if isinstance(feature, ClassLabel):
        _refuse_unlabelled(train, "train")
        names = feature.names
        present = [names[label] for label in present]
    else:
        names = present = [_as_name(label) for label in present]
    if len(present) < 2:
        raise ValueError(
            f"all {len(train)} train rows have the label {present[0]!r}; a classifier needs at least 2 classes "
            f"(a data set sorted by class must be shuffled before a part of it is taken)"
        )
    return names


def _refuse_unlabelled(dataset: Dataset, split: str) -> None:
    """Data sets on the Hub mark rows whose label is kept secret by -1."""
    unlabelled = [row for row, label in enumerate(dataset["label"]) if label < 0]
    if unlabelled:
        raise ValueError(
            f"the {split} split has {len(unlabelled)} rows with the label -1, which means that they are not labelled, "
            f"the first is row {unlabelled[0]}; leave them out, or use another split"
        )


def _as_name(label) -> str:
    return str(int(label)) if isinstance(label, float) else str(label)


def _encode_labels(dataset: Dataset, names: list[str], split: str) -> Dataset:
    """Give every label its class id. Labels are matched by name: another file may number the classes otherwise."""
    feature = dataset.features["label"]
    if isinstance(feature, ClassLabel):
        _refuse_unlabelled(dataset, split)
        if feature.names == names:
            return dataset
        labels = [feature.names[label] for label in dataset["label"]]
    else:
        labels = [_as_name(label) for label in dataset["label"]]
    ids = {name: index for index, name in enumerate(names)}
    unknown = sorted(set(labels) - set(ids))
    if unknown:
        raise ValueError(f"the {split} split has the label {unknown[0]!r}, which train does not have; it has {names}")
    dataset = dataset.remove_columns("label").add_column("label", [ids[label] for label in labels])
    return dataset.cast_column("label", ClassLabel(names=names))


def _leave_out_test_texts(train: Dataset, test: Dataset) -> Dataset:
    """Leave out train rows that are also test rows, and say how many."""
    before = len(train)
    train = without_texts_of(train, test)
    if len(train) < before:
        print(f"left out {before - len(train)} train rows whose text is also in the test split")
    if len(set(train["label"])) < 2:
        raise ValueError(
            f"of the train rows, {len(train)} are not also in the test split, and they have fewer than 2 classes; "
            f"train and test need different texts"
        )
    return train


def _draw(train: Dataset, names: list[str], size: int | None, seed: int) -> Dataset:
    """Take so many rows, each class in proportion; the first ones could be of one class."""
    if size is None or size >= len(train):
        return train
    if size < len(names):
        raise ValueError(
            f"max_train_samples ({size}) is less than the {len(names)} classes; give at least one for each"
        )
    return train.train_test_split(train_size=size, stratify_by_column="label", seed=seed)["train"]


def _carve_validation(train: Dataset, names: list[str], share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Set a share of the rows apart, each class in proportion."""
    counts = Counter(train["label"])
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < 2:
        raise ValueError(
            f"only one train row has the label {names[rarest]!r}; with none left over for validation, give a "
            f"validation split or more rows"
        )
    size = max(math.ceil(len(train) * share), len(counts))
    carved = train.train_test_split(size, stratify_by_column="label", seed=seed)
    print(f"validation: {size} of the train rows, set apart by class")
    return carved["train"], carved["test"]

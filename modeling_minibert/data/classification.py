"""Labelled text for classification: load it, check it, split it; encode long texts as windows.

Read `load_text_classification` first; the functions below it are its steps, in order. Every row that is dropped or
moved is reported on the screen.
"""

import math
import warnings
from collections import Counter
from collections.abc import Mapping

from datasets import ClassLabel, Dataset, DatasetDict

from .splits import SPLITS, check_columns, check_text, check_train, load_splits, without_texts_of


def load_text_classification(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str] | None = None,
    text_column: str = "text",
    text_pair_column: str | None = None,
    label_column: str = "label",
    validation_share: float = 0.1,
    seed: int = 0,
    max_train_samples: int | None = None,
) -> tuple[DatasetDict, list[str]]:
    """Load labelled text and check it; split a validation set from train if none is given.

    The split is stratified by class. Train rows whose text is also in the test split are dropped.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → csv, tsv, json (lines) or parquet file; `train` is needed.
        text_column, text_pair_column, label_column: names of the columns.
        validation_share: share of train for validation if no such split is given, above 0 and below 1.
        seed: for splitting and sampling.
        max_train_samples: use this many rows of train, sampled in proportion to the classes; the validation set is
            split from them.

    Returns:
        The splits with columns `text`, `text_pair` (if there is one) and `label` (class ids), and the class names.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no rows, a missing column (names the columns), an unreadable file (names file and byte), a single
            class, a missing label, a label that train lacks; a share or a number out of range.

    Warns:
        UserWarning: validation or test has a single class.
    """
    if not 0 < validation_share < 1:
        raise ValueError(
            f"the share of train that becomes validation is {validation_share}; it must lie between 0 and 1"
        )
    raw = load_splits(dataset_name, dataset_config_name, data_files)
    check_train(raw)
    columns = {"text": text_column, "text_pair": text_pair_column, "label": label_column}
    splits = {name: _select_columns(raw[name], columns, name) for name in SPLITS if name in raw}
    if "test" in splits and set(splits["test"]["label"]) == {-1}:
        print("the test split is not labelled (-1), as many on the Hub; left out, so that validation is scored instead")
        del splits["test"]
    names = label_names(splits["train"])
    splits = {name: _encode_labels(split, names, name) for name, split in splits.items()}
    if "test" in splits:
        splits["train"] = _drop_test_texts(splits["train"], splits["test"])
    splits["train"] = _sample(splits["train"], names, max_train_samples, seed)
    if "validation" not in splits:
        splits["train"], splits["validation"] = _split_validation(splits["train"], names, validation_share, seed)
    for name, split in splits.items():
        if len(set(split["label"])) < 2:
            warnings.warn(
                f"all {len(split)} rows of the {name} split have the label {names[split['label'][0]]!r}; its scores "
                f"will say little (a data set sorted by class must be shuffled before a part of it is taken)",
                stacklevel=2,
            )
    return DatasetDict({name: splits[name] for name in SPLITS if name in splits}), names


def _select_columns(dataset: Dataset, columns: dict[str, str | None], split: str) -> Dataset:
    """Select columns and rename them to ours; raise if a row lacks a text or a label."""
    wanted = {ours: theirs for ours, theirs in columns.items() if theirs is not None}
    check_columns(dataset, wanted.values(), split)
    for ours, theirs in wanted.items():
        if ours != "label":
            check_text(dataset, theirs, split)
        empty = [row for row, value in enumerate(dataset[theirs]) if value is None or value == ""]
        if empty:
            raise ValueError(f"the {split} split has {len(empty)} rows without {theirs!r}, the first is row {empty[0]}")
    dataset = dataset.select_columns(list(wanted.values()))
    return dataset.rename_columns({theirs: ours for ours, theirs in wanted.items() if ours != theirs})


def label_names(train: Dataset) -> list[str]:
    """Return the class names: those of the data set if it has them, otherwise the sorted labels of train.

    Raises:
        ValueError: fewer than two classes occur in train, or the labels are fractions or -1.
    """
    feature = train.features["label"]
    present = sorted(set(train["label"]))
    if any(isinstance(label, float) and not label.is_integer() for label in present):
        raise ValueError(f"labels are fractions (such as {present[0]}); class labels are names or whole numbers")
    if isinstance(feature, ClassLabel):
        _check_labelled(train, "train")
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


def _check_labelled(dataset: Dataset, split: str) -> None:
    """Raise if a row has the label -1, which data sets on the Hub give to rows with secret labels."""
    unlabelled = [row for row, label in enumerate(dataset["label"]) if label < 0]
    if unlabelled:
        raise ValueError(
            f"the {split} split has {len(unlabelled)} rows with the label -1, which means that they are not labelled, "
            f"the first is row {unlabelled[0]}; leave them out, or use another split"
        )


def _as_name(label) -> str:
    return str(int(label)) if isinstance(label, float) else str(label)


def _encode_labels(dataset: Dataset, names: list[str], split: str) -> Dataset:
    """Replace labels by class ids. Labels are matched by name, as another file may number the classes differently."""
    feature = dataset.features["label"]
    if isinstance(feature, ClassLabel):
        _check_labelled(dataset, split)
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


def _drop_test_texts(train: Dataset, test: Dataset) -> Dataset:
    """Drop the train rows whose text is also in the test split, and print how many."""
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


def _sample(train: Dataset, names: list[str], size: int | None, seed: int) -> Dataset:
    """Sample `size` rows, stratified by class."""
    if size is None or size >= len(train):
        return train
    if size < len(names):
        raise ValueError(
            f"max_train_samples ({size}) is less than the {len(names)} classes; give at least one for each"
        )
    return train.train_test_split(train_size=size, stratify_by_column="label", seed=seed)["train"]


def _split_validation(train: Dataset, names: list[str], share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split train into (train, validation), stratified by class."""
    counts = Counter(train["label"])
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < 2:
        raise ValueError(
            f"only one train row has the label {names[rarest]!r}; with none left over for validation, give a "
            f"validation split or more rows"
        )
    size = max(math.ceil(len(train) * share), len(counts))
    parts = train.train_test_split(size, stratify_by_column="label", seed=seed)
    print(f"validation: {size} of the train rows, set apart by class")
    return parts["train"], parts["test"]


def tokenize_windows(tokenizer, texts: list[str], max_length: int, stride: int | None = None) -> tuple[dict, list[int]]:
    """Encode texts as overlapping windows of at most `max_length` tokens, special tokens included.

    A classifier built for 200 tokens so reads all of a long review. The predictions of a text's windows are averaged
    by `evaluation.average_by_text`.

    Args:
        tokenizer: a fast tokenizer; one with `truncation_side="left"` gives a text's last window first.
        texts: one or more texts.
        max_length: tokens in a window.
        stride: number of tokens that two neighbouring windows share; None: half a window, as in the pipeline.

    Returns:
        The encoding (lists, one entry per window), and for each window the index of its text. Every text has at
        least one window.

    Raises:
        ValueError: the stride leaves no room for new tokens in a window.
    """
    room = max_length - tokenizer.num_special_tokens_to_add()
    stride = room // 2 if stride is None else stride
    if not 0 <= stride < room:
        raise ValueError(f"stride ({stride}) must be at least 0 and below {room}, the text tokens of a window")
    encoding = tokenizer(texts, truncation=True, max_length=max_length, stride=stride, return_overflowing_tokens=True)
    return encoding, encoding.pop("overflow_to_sample_mapping")

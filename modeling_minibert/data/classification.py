"""Labelled text: load it, check it, split it; encode long texts as windows.

Read `load_text_classification` first; the functions below it are its steps, in order. Every row that is dropped or
moved is reported on the screen.
"""

import math
import warnings
from collections import Counter
from collections.abc import Mapping

import numpy as np
from datasets import Dataset, DatasetDict

from tokenization.table_files import TableFormat, is_number

from .labels import encode_labels
from .splits import SPLITS, check_columns, check_text, check_train, holds_text, load_splits, without_texts_of


def load_text_classification(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str] | None = None,
    text_column: str = "text",
    text_pair_column: str | None = None,
    label_column: str | list[str] = "label",
    validation_share: float = 0.1,
    seed: int = 0,
    max_train_samples: int | None = None,
    task: str = "classification",
    label_separator: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> tuple[DatasetDict, list[str]]:
    """Load labelled text and check it; split a validation set from train if none is given.

    The split is stratified by class. Train rows whose text is also in the test split are dropped.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → csv, tsv, json (lines) or parquet file; `train` is needed.
        text_column, text_pair_column, label_column: names of the columns; a list of label columns for "multi_label".
        validation_share: share of train for validation if no such split is given, above 0 and below 1.
        seed: for splitting and sampling.
        max_train_samples: use this many rows of train, sampled in proportion to the classes; the validation set is
            split from them.
        task: "classification" (one class), "multi_label" (a list of names, or several columns of 0 and 1) or
            "regression" (a number).
        label_separator: between the names in a cell, for "multi_label".
        delimiter, encoding, quotes: how csv, tsv and json files are written, see `TableFormat`.

    Returns:
        The splits with columns `text`, `text_pair` (if there is one) and `label` (see `encode_labels`), and the names
        of the classes or labels.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no rows, a missing column (names the columns), an unreadable file (names file, row or byte), a
            single class, a missing label, a label that train lacks; swapped columns; a share or a number out of range.

    Warns:
        UserWarning: validation or test has a single class, or all texts are numbers.
    """
    if not 0 < validation_share < 1:
        raise ValueError(
            f"the share of train that becomes validation is {validation_share}; it must lie between 0 and 1"
        )
    raw = load_splits(dataset_name, dataset_config_name, data_files, layout=TableFormat(delimiter, encoding, quotes))
    check_train(raw)
    label_columns = [label_column] if isinstance(label_column, str) else list(label_column)
    texts = {"text": text_column} | ({"text_pair": text_pair_column} if text_pair_column else {})
    raw = {name: raw[name] for name in SPLITS if name in raw}
    for name, split in raw.items():
        check_columns(split, [*texts.values(), *label_columns], name)
    _check_roles(raw["train"], text_column, label_columns, task)
    for name, split in raw.items():
        for column in texts.values():
            _check_texts(split, column, name)
    if "test" in raw and len(label_columns) == 1 and set(map(str, raw["test"][label_columns[0]])) == {"-1"}:
        print("the test split is not labelled (-1), as many on the Hub; left out, so that validation is scored instead")
        del raw["test"]
    labels, feature, names = encode_labels(raw, label_columns, task, label_separator)
    splits = {name: _join(split, texts, labels[name], feature) for name, split in raw.items()}
    classes = names if task == "classification" else None
    if "test" in splits:
        splits["train"] = _drop_test_texts(splits["train"], splits["test"], classes)
    all_rows = len(splits["train"])
    splits["train"] = _sample(splits["train"], classes, max_train_samples, seed)
    if "validation" not in splits:
        sampled = f" of the {len(splits['train'])} rows of max_train_samples" if len(splits["train"]) < all_rows else ""
        parts = _split_validation(splits["train"], classes, validation_share, seed, sampled)
        splits["train"], splits["validation"] = parts
    for name, split in splits.items():
        if classes and len(set(split["label"])) < 2:
            warnings.warn(
                f"all {len(split)} rows of the {name} split have the label {names[split['label'][0]]!r}; its scores "
                f"will say little (a data set sorted by class must be shuffled before a part of it is taken)",
                stacklevel=2,
            )
    return DatasetDict({name: splits[name] for name in SPLITS if name in splits}), names


def _check_roles(train: Dataset, text_column: str, label_columns: list[str], task: str) -> None:
    """Raise if text and labels are one column, or look swapped: texts that repeat, and labels that do not."""
    if text_column in label_columns:
        raise ValueError(f"text and label are the same column {text_column!r}; name two columns")
    label_column = label_columns[0]
    if len(label_columns) > 1 or not holds_text(train, label_column):
        return
    texts, labels = (list(map(str, train[column])) for column in (text_column, label_column))
    few, many = len(set(texts)), len(set(labels))
    longer = sum(map(len, labels)) > sum(map(len, texts))
    swapped = longer and many > len(labels) / 2 and few <= many / 2
    if task == "regression" or not holds_text(train, text_column):
        swapped = all(map(is_number, texts)) and not any(map(is_number, labels))
    if swapped:
        raise ValueError(
            f"the columns look swapped: {label_column!r} has {many} different values in {len(labels)} rows (first "
            f"{labels[0]!r:.40}), {text_column!r} has {few} (first {texts[0]!r:.40}); name the column of the text "
            f"(--text_column_name {label_column}) and that of the label (--label_column_name {text_column})"
        )


def _check_texts(dataset: Dataset, column: str, split: str) -> None:
    """Raise if a row has no text."""
    check_text(dataset, column, split)
    empty = [row for row, value in enumerate(dataset[column]) if value is None or value == ""]
    if empty:
        raise ValueError(f"the {split} split has {len(empty)} rows without {column!r}, the first is row {empty[0]}")


def _join(dataset: Dataset, texts: dict[str, str], labels: list, feature) -> Dataset:
    """Select the text columns under our names, and add the labels."""
    dataset = dataset.select_columns(list(texts.values()))
    dataset = dataset.rename_columns({theirs: ours for ours, theirs in texts.items() if ours != theirs})
    return dataset.add_column("label", labels, feature=feature)


def _drop_test_texts(train: Dataset, test: Dataset, classes: list[str] | None) -> Dataset:
    """Drop the train rows whose text is also in the test split, and print how many."""
    before = len(train)
    train = without_texts_of(train, test)
    if len(train) < before:
        print(f"left out {before - len(train)} train rows whose text is also in the test split")
    if len(train) == 0 or classes and len(set(train["label"])) < 2:
        too_few = ", and they have fewer than 2 classes" if classes else ""
        raise ValueError(
            f"of the train rows, {len(train)} are not also in the test split{too_few}; train and test need different "
            f"texts"
        )
    return train


def _sample(train: Dataset, classes: list[str] | None, size: int | None, seed: int) -> Dataset:
    """Sample `size` rows, stratified by class (None: no classes)."""
    if size is None or size >= len(train):
        return train
    if size < len(classes or [0]):
        least = f"is less than the {len(classes)} classes; give at least one for each" if classes else "is less than 1"
        raise ValueError(f"max_train_samples ({size}) {least}")
    if classes is None:
        return train.shuffle(seed=seed).select(range(size))
    counts = Counter(train["label"])
    if min(counts.values()) > 1 and size >= len(counts) and len(train) - size >= len(counts):
        return train.train_test_split(train_size=size, stratify_by_column="label", seed=seed)["train"]
    return train.select(
        _draw_by_class(train["label"], size, seed)
    )  # scikit-learn needs rows of each class to leave out


def _draw_by_class(labels: list[int], size: int, seed: int) -> list[int]:
    """Draw `size` rows, of each class its share to the nearest row, and at least one."""
    random = np.random.default_rng(seed)
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    share = size * counts / len(labels)
    take = np.maximum(np.floor(share).astype(int), 1)
    while (missing := size - take.sum()) != 0:
        if missing > 0:
            take[np.argmax(np.where(take < counts, share - take, -np.inf))] += 1
        else:
            take[np.argmax(np.where(take > 1, take - share, -np.inf))] -= 1
    places = [np.flatnonzero(inverse == number) for number in range(len(classes))]
    drawn = [random.permutation(rows)[:count] for rows, count in zip(places, take, strict=True)]
    return random.permutation(np.concatenate(drawn)).tolist()


def _split_validation(
    train: Dataset, classes: list[str] | None, share: float, seed: int, sampled: str
) -> tuple[Dataset, Dataset]:
    """Split train into (train, validation), stratified by class (None: no classes)."""
    if classes is None:
        if len(train) < 2:
            raise ValueError(f"there is one train row{sampled}; give a validation split or more rows")
        size = min(math.ceil(len(train) * share), len(train) - 1)
        parts = train.train_test_split(size, seed=seed)
        print(f"validation: {size} of the train rows, set apart")
        return parts["train"], parts["test"]
    counts = Counter(train["label"])
    rarest = min(counts, key=lambda label: counts[label])
    if counts[rarest] < 2:
        raise ValueError(
            f"only one train row{sampled} has the label {classes[rarest]!r}; with none left over for validation, give "
            f"a validation split or more rows"
        )
    size = min(max(math.ceil(len(train) * share), len(counts)), len(train) - len(counts))
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

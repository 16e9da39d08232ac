"""Multiple choice: load contexts with their choices, check them, encode them, and pad them to a batch (B, R, L).

    {"context": "Ani forgot her umbrella. It rained.", "choices": ["She got wet.", "She ate rice."], "label": 0}

Every choice is read with its context, as a pair of texts. All rows have the same number of choices R.

Source: Zellers et al. 2018 (SWAG), as in the documents' table of tasks; Radford et al. 2018, section 3.3, for decoders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from tokenization.table_files import TableFormat

from .splits import SPLITS, check_columns, check_text, check_train, load_splits, without_texts_of


def load_multiple_choice(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str] | None = None,
    context_column: str = "context",
    choices_column: str | Sequence[str] = "choices",
    label_column: str = "label",
    question_column: str | None = None,
    validation_share: float = 0.1,
    seed: int = 0,
    max_train_samples: int | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> DatasetDict:
    """Load questions with choices and check them; split a validation set from train if none is given.

    Train rows whose context and choices are also in the test split are dropped.

    Args:
        dataset_name, dataset_config_name: a name on the Hub or a local folder; or
        data_files: split name → csv, tsv, json lines or parquet file.
        context_column: the text that every choice is read with.
        choices_column: a column with a list of texts, or one column for each choice.
        label_column: the number of the right choice, from 0.
        question_column: a text put in front of every choice, as the beginning of the sentence in SWAG.
        validation_share: share of train for validation, above 0 and below 1.
        seed: for splitting and sampling.
        max_train_samples: use this many train rows; the validation set is split from them.
        delimiter, encoding, quotes: how text files are written, see `TableFormat`.

    Returns:
        The splits with columns `context`, `choices` (R texts) and `label`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no rows, a missing column, an empty text, a row with another number of choices than the first, or a
            label that is no number of a choice (names split, row and both values).
    """
    if not 0 < validation_share < 1:
        raise ValueError(
            f"the share of train that becomes validation is {validation_share}; it must lie between 0 and 1"
        )
    raw = load_splits(dataset_name, dataset_config_name, data_files, layout=TableFormat(delimiter, encoding, quotes))
    check_train(raw)
    columns = [choices_column] if isinstance(choices_column, str) else list(choices_column)
    splits: dict[str, Dataset] = {}
    for name in (name for name in SPLITS if name in raw):
        texts = [context_column, *([question_column] if question_column else [])]
        check_columns(raw[name], [*texts, *columns, label_column], name)
        for column in (*texts, *(columns if len(columns) > 1 else ())):
            check_text(raw[name], column, name)
        splits[name] = _as_rows(raw[name], context_column, columns, label_column, question_column, name)
    counts = {name: len(split[0]["choices"]) for name, split in splits.items()}
    for name, count in counts.items():
        if count != counts["train"]:
            raise ValueError(
                f"the {name} split has {count} choices in a row, train has {counts['train']}; give all the same"
            )
    if "test" in splits:
        splits["train"] = _without_test_rows(splits["train"], splits["test"])
    if max_train_samples is not None and max_train_samples < len(splits["train"]):
        if max_train_samples < 1:
            raise ValueError(f"max_train_samples ({max_train_samples}) is less than 1")
        splits["train"] = splits["train"].shuffle(seed=seed).select(range(max_train_samples))
    if "validation" not in splits:
        if len(splits["train"]) < 2:
            raise ValueError("there is one train row; give a validation split or more rows")
        size = min(max(1, round(len(splits["train"]) * validation_share)), len(splits["train"]) - 1)
        parts = splits["train"].train_test_split(size, seed=seed)
        splits["train"], splits["validation"] = parts["train"], parts["test"]
        print(f"validation: {size} of the train rows, set apart")
    return DatasetDict({name: splits[name] for name in SPLITS if name in splits})


def _as_rows(
    dataset: Dataset, context: str, choices: list[str], label: str, question: str | None, split: str
) -> Dataset:
    """Check the rows of a split, and bring them to our columns."""
    contexts, labels = list(dataset[context]), list(dataset[label])
    beginnings = list(dataset[question]) if question else [None] * len(contexts)
    if len(choices) == 1:
        lists = list(dataset[choices[0]])
    else:
        lists = [list(row) for row in zip(*(dataset[column] for column in choices), strict=True)]
    rows: dict[str, list] = {"context": [], "choices": [], "label": []}
    for row, (text, options, right, beginning) in enumerate(zip(contexts, lists, labels, beginnings, strict=True)):
        place = f"row {row} of the {split} split"
        if isinstance(options, str) or options is None:
            raise ValueError(
                f"{place} has the choices {options!r:.40}; give a list of texts, or one column for each choice"
            )
        if len(options) < 2 or len(options) != len(lists[0]):
            raise ValueError(
                f"{place} has {len(options)} choices, row 0 has {len(lists[0])}; all rows need the same number, at "
                f"least 2"
            )
        if not text or any(not isinstance(option, str) or not option.strip() for option in options):
            raise ValueError(f"{place} has an empty context or choice; fill it or remove the row")
        rows["context"].append(text)
        rows["choices"].append([f"{beginning} {option}" if beginning else option for option in options])
        rows["label"].append(_choice_number(right, len(options), place))
    return Dataset.from_dict(rows)


def _choice_number(label, count: int, place: str) -> int:
    """The label as a number from 0 to count - 1."""
    try:
        number = int(label)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < count or isinstance(label, float) and label != number:
        raise ValueError(f"{place} has the label {label!r}; it must be the number of a choice, from 0 to {count - 1}")
    return number


def _without_test_rows(train: Dataset, test: Dataset) -> Dataset:
    """Drop the train rows that are also in the test split, and print how many."""
    before = len(train)
    joined = []
    for rows in (train, test):
        pairs = zip(rows["context"], rows["choices"], strict=True)
        joined.append(rows.add_column("all", ["\n".join([text, *sorted(options)]) for text, options in pairs]))
    train = without_texts_of(joined[0], joined[1], columns=("all",)).remove_columns("all")
    if len(train) < before:
        print(f"left out {before - len(train)} train rows that are also in the test split")
    if len(train) == 0:
        raise ValueError("all train rows are also in the test split; train and test need different rows")
    return train


def encode_choices(rows: Dataset, tokenizer, max_length: int) -> Dataset:
    """Encode every choice with its context; where both are too long the context is cut first.

    Args:
        rows: with `context`, `choices` and, if known, `label`.
        tokenizer: of the model; for a decoder after `add_task_tokens`.
        max_length: tokens of a pair.

    Returns:
        The inputs of the model, a list of R lists per row, and `label`.
    """
    contexts = [text for text, options in zip(rows["context"], rows["choices"], strict=True) for _ in options]
    choices = [option for options in rows["choices"] for option in options]
    longest = max(len(ids) for ids in tokenizer(choices, add_special_tokens=False)["input_ids"])
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    how = "only_first" if longest < room else True
    encoding = tokenizer(contexts, choices, truncation=how, max_length=max_length)
    ends, columns = [], {}
    for options in rows["choices"]:
        ends.append((ends[-1] if ends else 0) + len(options))
    for name, values in encoding.items():
        columns[name] = [values[end - len(options) : end] for end, options in zip(ends, rows["choices"], strict=True)]
    if "label" in rows.column_names:
        columns["label"] = list(rows["label"])
    return Dataset.from_dict(columns)


@dataclass
class DataCollatorForChoices:
    """Pad rows with several choices to one batch.

    `DataCollatorForMultipleChoice` of transformers takes the number of choices from the first row and mixes up rows
    with more or fewer.

    Args:
        tokenizer: pads the sequences.
        pad_to_multiple_of: round L up to a multiple of this.
    """

    tokenizer: PreTrainedTokenizerBase
    pad_to_multiple_of: int | None = None

    def __call__(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Collate rows of `encode_choices`.

        Returns:
            `input_ids`, `attention_mask` and so on (B, R, L), and `labels` (B,) if the rows have a label.

        Raises:
            ValueError: a row has another number of choices than the first (names row and both numbers).
        """
        label_name = next((name for name in ("label", "labels") if name in features[0]), None)
        rows = [{name: value for name, value in row.items() if name != label_name} for row in features]
        count = len(rows[0]["input_ids"])
        for number, row in enumerate(rows):
            if len(row["input_ids"]) != count:
                raise ValueError(
                    f"row {number} of the batch has {len(row['input_ids'])} choices, row 0 has {count}; all rows need "
                    f"the same number"
                )
        flat = [{name: values[choice] for name, values in row.items()} for row in rows for choice in range(count)]
        padded = self.tokenizer.pad(flat, pad_to_multiple_of=self.pad_to_multiple_of, return_tensors="pt")
        batch = {name: values.view(len(rows), count, -1) for name, values in padded.items()}
        if label_name is not None:
            batch["labels"] = torch.tensor([row[label_name] for row in features])
        return batch

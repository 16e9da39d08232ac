"""Text pairs for translation and summarization: load and check them, encode them, and collate them.

    splits = load_text_pairs(data_files={"train": "train.csv"}, source_column="id", target_column="en")
    rows = encode_pairs(splits["train"], source_tokenizer, target_tokenizer, max_length=128, start_token_id=1)
    TokenBudgetBatches(rows, max_tokens=4096, columns=("input_ids", "labels"))

Read the functions in that order; `PairCollator` then makes the batches.
"""

from collections.abc import Mapping

from datasets import Dataset, DatasetDict
from transformers import DataCollatorForSeq2Seq

from tokenization.table_files import TableFormat

from .flat_batches import single_rows
from .splits import SPLITS, check_columns, check_text, check_train, load_splits, without_texts_of

VALIDATION_SHARE = 0.05


def load_text_pairs(
    dataset_name: str | None = None,
    data_files: Mapping[str, str] | None = None,
    source_column: str = "source",
    target_column: str = "target",
    seed: int = 0,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> DatasetDict:
    """Load text pairs and check them; split a validation set from train if none is given.

    The splits get the columns `source` and `target`. The given columns may be keys of a column `translation`, as in
    translation data on the Hub. Train rows that are also test rows are dropped, and their number is printed.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → csv, tsv, json (lines) or parquet file; `train` is needed.
        source_column, target_column: names of the two columns.
        seed: for splitting.
        delimiter, encoding, quotes: how csv, tsv and json files are written, see `TableFormat`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no train split, no rows, a missing column (names the columns), a column that is not text, an empty
            text (names the first), or an unreadable file (names file, row or byte).
    """
    raw = load_splits(dataset_name, None, data_files, layout=TableFormat(delimiter, encoding, quotes))
    check_train(raw)
    splits = DatasetDict(
        {name: _select_texts(raw[name], source_column, target_column, name) for name in SPLITS if name in raw}
    )
    if "test" in splits:
        splits["train"] = _drop_test_pairs(splits["train"], splits["test"])
    if "validation" not in splits:
        if len(splits["train"]) < 2:
            raise ValueError("there is one train pair, and none left over for validation; give a validation split")
        size = max(1, round(VALIDATION_SHARE * len(splits["train"])))
        parts = splits["train"].train_test_split(size, seed=seed)
        splits["train"], splits["validation"] = parts["train"], parts["test"]
        print(f"validation: {size:,} of the train pairs, set apart")
    return splits


def _select_texts(dataset: Dataset, source_column: str, target_column: str, split: str) -> Dataset:
    if "translation" in dataset.column_names and isinstance(dataset.features["translation"], dict):
        dataset = dataset.select_columns("translation").flatten()
        dataset = dataset.rename_columns({name: name.partition(".")[2] for name in dataset.column_names})
    if source_column == target_column:
        raise ValueError(f"source and target are the same column {source_column!r}; name two columns")
    wanted = {"source": source_column, "target": target_column}
    check_columns(dataset, wanted.values(), split)
    dataset = dataset.select_columns(list(wanted.values()))
    for ours, theirs in wanted.items():
        check_text(dataset, theirs, split)
        empty = [row for row, text in enumerate(dataset[theirs]) if text is None or not text.strip()]
        if empty:
            raise ValueError(f"the {split} split has {len(empty)} rows without {theirs!r}, the first is row {empty[0]}")
        if ours != theirs:
            dataset = dataset.rename_column(theirs, ours)
    return dataset


def _drop_test_pairs(train: Dataset, test: Dataset) -> Dataset:
    kept = without_texts_of(train, test, ("source", "target"))
    if len(kept) == 0:
        raise ValueError("all train pairs stand in the test split too; train and test need different texts")
    if len(kept) < len(train):
        print(f"left out {len(train) - len(kept):,} train pairs that are also test pairs")
    return kept


def encode_pairs(
    pairs: Dataset, tokenizer, target_tokenizer, max_length: int, start_token_id: int, prefix: str = ""
) -> Dataset:
    """Encode text pairs: `input_ids` of the source, `labels` of the target.

    The model itself puts `start_token_id` before the labels. If the target tokenizer adds it too, it is removed. Longer
    texts are truncated, and their number is printed.

    Args:
        pairs: rows with `source` and `target`.
        tokenizer, target_tokenizer: of the two sides; the same one for a shared vocabulary.
        max_length: largest number of tokens of a text on either side.
        start_token_id: the configuration's `decoder_start_token_id`.
        prefix: put before every source, e.g. T5's "translate English to German: ".
    """

    extra = int(target_tokenizer(text_target="a")["input_ids"][0] == start_token_id)

    def encode(batch: dict[str, list]) -> dict[str, list]:
        options = {"truncation": True, "return_attention_mask": False, "return_token_type_ids": False}
        sources = [prefix + text for text in batch["source"]]
        labels = target_tokenizer(text_target=batch["target"], max_length=max_length + extra, **options)["input_ids"]
        return {
            "input_ids": tokenizer(sources, max_length=max_length, **options)["input_ids"],
            "labels": [ids[extra:] for ids in labels],
        }

    rows = pairs.map(encode, batched=True, remove_columns=pairs.column_names, desc="Encoding pairs")
    for name, side in (("input_ids", "sources"), ("labels", "targets")):
        full = sum(len(ids) >= max_length for ids in rows[name])
        if full:
            print(f"{full:,} of {len(rows):,} {side} are cut to {max_length} tokens, or just as long")
    return rows


class PairCollator:
    """Pad the rows of `encode_pairs`, or lists of them from `TokenBudgetBatches`.

    Args:
        tokenizer: of the source, for its pad token and padding side; labels are padded with -100.
        model: makes `decoder_input_ids` from the labels. `Trainer` needs them with `label_smoothing_factor`, as it then
            does not pass labels to the model. None: no such column.
    """

    def __init__(self, tokenizer, model=None):
        self.pad = DataCollatorForSeq2Seq(tokenizer, model=model)

    def __call__(self, features: list) -> dict:
        """Return `input_ids`, `attention_mask` (B, S), `labels` (B, L), and with a model `decoder_input_ids` (B, L)."""
        return self.pad([{name: row[name] for name in ("input_ids", "labels")} for row in single_rows(features)])

"""Pairs of texts to translate, or to summarize: read, checked, and encoded for an encoder–decoder.

    splits = load_text_pairs(data_files={"train": "train.csv"}, source_column="id", target_column="en")
    rows = encode_pairs(splits["train"], source_tokenizer, target_tokenizer, max_length=128, start_token_id=1)
    TokenBudgetBatches(rows, max_tokens=4096, columns=("input_ids", "labels"))

Read the functions in that order; `PairCollator` then makes the batches.
"""

from itertools import chain

from datasets import Dataset, DatasetDict, load_dataset
from transformers import DataCollatorForSeq2Seq

from .files import read_table

SPLITS = ("train", "validation", "test")
VALIDATION_SHARE = 0.05


def load_text_pairs(
    dataset_name: str | None = None,
    data_files: dict[str, str] | None = None,
    source_column: str = "source",
    target_column: str = "target",
    seed: int = 0,
) -> DatasetDict:
    """Load pairs of texts, check them, and make sure that there is a validation split.

    Columns may stand in a column `translation` of dictionaries, as in the data sets for translation on the Hub. Train
    rows that also stand in the test split are left out, and a validation split that is not given is carved from train;
    both is printed.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → csv, tsv, json (lines) or parquet file; `train` is needed.
        source_column, target_column: names of the two columns.
        seed: of the carving.

    Returns:
        The splits with the columns `source` and `target`.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: no train split, no rows, a missing column (names those there), or an empty text (names the first).
    """
    if (dataset_name is None) == (data_files is None):
        raise ValueError("give either dataset_name or data_files, and not both")
    if dataset_name:
        raw = load_dataset(dataset_name)
    else:
        raw = DatasetDict({split: read_table(path, split) for split, path in (data_files or {}).items()})
    if "train" not in raw:
        raise ValueError(f"there is no train split; the splits are {sorted(raw)}")
    splits = DatasetDict(
        {name: _select_texts(raw[name], source_column, target_column, name) for name in SPLITS if name in raw}
    )
    if "test" in splits:
        splits["train"] = _without_pairs_of(splits["train"], splits["test"])
    if "validation" not in splits:
        size = max(1, round(VALIDATION_SHARE * len(splits["train"])))
        carved = splits["train"].train_test_split(size, seed=seed)
        splits["train"], splits["validation"] = carved["train"], carved["test"]
        print(f"validation: {size:,} of the train pairs, set apart")
    return splits


def _select_texts(dataset: Dataset, source_column: str, target_column: str, split: str) -> Dataset:
    if "translation" in dataset.column_names and isinstance(dataset.features["translation"], dict):
        dataset = dataset.select_columns("translation").flatten()
        dataset = dataset.rename_columns({name: name.partition(".")[2] for name in dataset.column_names})
    if len(dataset) == 0:
        raise ValueError(f"the {split} split has no rows")
    wanted = {"source": source_column, "target": target_column}
    if source_column == target_column:
        raise ValueError(f"source and target are the same column {source_column!r}; name two columns")
    for ours, theirs in wanted.items():
        if theirs not in dataset.column_names:
            raise ValueError(
                f"the {split} split has no column {theirs!r} for the {ours}; its columns are {dataset.column_names}"
            )
    dataset = dataset.select_columns(list(wanted.values()))
    for ours, theirs in wanted.items():
        empty = [row for row, text in enumerate(dataset[theirs]) if not isinstance(text, str) or not text.strip()]
        if empty:
            raise ValueError(f"the {split} split has {len(empty)} rows without {theirs!r}, the first is row {empty[0]}")
        if ours != theirs:
            dataset = dataset.rename_column(theirs, ours)
    return dataset


def _without_pairs_of(train: Dataset, test: Dataset) -> Dataset:
    seen = set(zip(test["source"], test["target"], strict=True))
    pairs = zip(train["source"], train["target"], strict=True)
    kept = [row for row, pair in enumerate(pairs) if pair not in seen]
    if not kept:
        raise ValueError("all train pairs stand in the test split too; train and test need different texts")
    if len(kept) < len(train):
        print(f"left out {len(train) - len(kept):,} train pairs that are also test pairs")
    return train.select(kept)


def encode_pairs(
    pairs: Dataset, tokenizer, target_tokenizer, max_length: int, start_token_id: int, prefix: str = ""
) -> Dataset:
    """Turn both texts into ids: `input_ids` of the source, `labels` of the target.

    The decoder begins with `start_token_id` by itself; labels that begin with it, as those of a tokenizer that wraps
    texts in start and end tokens, lose it. Longer texts are cut, and it is printed how many.

    Args:
        pairs: rows with `source` and `target`.
        tokenizer, target_tokenizer: of the two sides; one and the same where they share a vocabulary.
        max_length: tokens of a text on either side.
        start_token_id: the configuration's `decoder_start_token_id`.
        prefix: stands before every source, such as T5's "translate English to German: ".
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
    """Pad the rows of `encode_pairs`, or lists of them as `TokenBudgetBatches` gives them.

    Args:
        tokenizer: of the source, which knows its pad token and padding side; labels are padded with -100.
        model: makes `decoder_input_ids` of the labels, which `Trainer` needs with `label_smoothing_factor`, as it then
            keeps the labels from the model; left out where None.
    """

    def __init__(self, tokenizer, model=None):
        self.pad = DataCollatorForSeq2Seq(tokenizer, model=model)

    def __call__(self, features: list) -> dict:
        """`input_ids`, `attention_mask` (B, S), `labels` (B, L), and with a model `decoder_input_ids` (B, L)."""
        rows = chain.from_iterable([row] if hasattr(row, "keys") else row for row in features)
        return self.pad([{"input_ids": row["input_ids"], "labels": row["labels"]} for row in rows])

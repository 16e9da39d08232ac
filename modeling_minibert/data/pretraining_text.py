"""Documents for a pretraining run: a training set and a validation set, from files or the Hub.

Both pretraining scripts use it. documents.py reads the files.
"""

from pathlib import Path

from datasets import Dataset, IterableDataset, concatenate_datasets

from .documents import load_documents
from .splits import without_texts_of

STREAM_HELD_OUT = 1_000  # documents at the start of a stream that become validation


def load_pretraining_text(
    dataset_name: str | None = None,
    files: dict[str, str | list[str] | None] | None = None,
    text_column: str = "text",
    train_split: str = "train",
    leave_out: str | None = None,
    streaming: bool = False,
    seed: int = 0,
) -> dict[str, Dataset | IterableDataset]:
    """Load documents as "train" and "validation"; only "train" can be a stream.

    Without a validation split, a hundredth of train is used, at most 1,000 documents.

    Args:
        dataset_name: a Hub name or a local folder; or
        files: paths of "train" and optionally "validation"; None: no such file.
        text_column: the column of the text.
        train_split: of the data set; several as "train+unsupervised".
        leave_out: a split or a file whose texts are removed from train.
        streaming: read lazily, for text larger than memory.
        seed: for splitting.

    Raises:
        ValueError: a missing split (names the splits), or as `load_documents`.
    """
    files = {split: path for split, path in (files or {}).items() if path}
    unwanted = leave_out
    if leave_out and Path(leave_out).is_file():
        files, unwanted = files | {"leave_out": leave_out}, "leave_out"
    splits = load_documents(dataset_name, None, files or None, text_column, streaming)
    names = train_split.split("+") if dataset_name else ["train"]
    missing = sorted({*names, *filter(None, [unwanted])} - set(splits))
    if missing:
        raise ValueError(f"there is no split {missing}; the splits are {sorted(splits)}")
    train = concatenate_datasets([splits[name] for name in names])
    if unwanted:
        before, train = train, without_texts_of(train, splits[unwanted])
        print(f"left out {'' if streaming else f'{len(before) - len(train)} '}documents that also stand in {leave_out}")
    if "validation" in splits and "validation" not in names:
        held_out = splits["validation"]
        return {"train": train, "validation": Dataset.from_list(list(held_out)) if streaming else held_out}
    if streaming:
        # train.skip would skip again in each process's share of the stream.
        held_out = Dataset.from_list(list(train.take(STREAM_HELD_OUT)))
        return {"train": without_texts_of(train, held_out), "validation": held_out}
    parts = train.train_test_split(min(max(len(train) // 100, 1), 1000), seed=seed)
    return {"train": parts["train"], "validation": parts["test"]}

"""The text of a pretraining run: documents to train on, and some set apart to score, from files or the Hub.

Used by both pretraining scripts. Read `load_pretraining_text`; the readers stand in `documents.py`.
"""

from pathlib import Path

from datasets import Dataset, IterableDataset, concatenate_datasets

from .documents import load_documents
from .overlap import without_texts_of

STREAM_HELD_OUT = 1_000  # documents set apart from the start of a stream


def load_pretraining_text(
    dataset_name: str | None = None,
    files: dict[str, str | list[str] | None] | None = None,
    text_column: str = "text",
    train_split: str = "train",
    leave_out: str | None = None,
    streaming: bool = False,
    seed: int = 0,
) -> dict[str, Dataset | IterableDataset]:
    """Documents under the names "train" and "validation"; only the former may be a stream.

    Args:
        dataset_name: a Hub name or a local folder; or
        files: paths of "train" and, if there are any, of "validation"; None: no such file.
        text_column: the column of the text.
        train_split: of the data set; several as "train+unsupervised".
        leave_out: a split or a file whose texts are left out of training.
        streaming: never hold the corpus in memory.
        seed: of the documents that are set apart where no validation split is given: a hundredth, 1,000 at most.

    Raises:
        ValueError: a split that is not there (names those that are), or what `load_documents` refuses.
    """
    given: dict[str, str | list[str]] = {split: path for split, path in (files or {}).items() if path}
    unwanted = leave_out
    if leave_out and Path(leave_out).is_file():
        given, unwanted = given | {"leave_out": leave_out}, "leave_out"
    splits = load_documents(dataset_name, None, given or None, text_column, streaming)
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
        # Not train.skip: what is skipped would be counted anew in each share of a stream.
        held_out = Dataset.from_list(list(train.take(STREAM_HELD_OUT)))
        return {"train": without_texts_of(train, held_out), "validation": held_out}
    parts = train.train_test_split(min(max(len(train) // 100, 1), 1000), seed=seed)
    return {"train": parts["train"], "validation": parts["test"]}

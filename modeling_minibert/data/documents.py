"""Unlabelled text: load documents from files, folders or the Hub, and split a document into sentences.

    documents = load_documents(data_files={"train": "corpus.txt"})     # one row per document, column `text`
    documents["train"][0]["text"]
    split_sentences("Dr. Sari datang. Kami senang!")                   # ["Dr. Sari datang.", "Kami senang!"]

Corpora larger than memory are streamed (`streaming=True`); streaming.py shares them among processes.
Text files may have the layout of Google's BERT: one sentence per line, a blank line between documents.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict, concatenate_datasets

from tokenization.table_files import TableFormat
from tokenization.text_files import read_lines

from .files import READERS, as_paths, check_files, read_table
from .splits import check_columns, check_text, check_train, load_splits, without_texts_of

STREAM_HELD_OUT = 1_000  # documents at the start of a stream that become validation

# Abbreviations in lower case, without the full stop.
ABBREVIATIONS = frozenset(
    "dr drs dra ir prof mr mrs ms st jr sr hj kh no nos jl jln gg rt rw kec kab prov tgl hlm vol ed cf vs fig eq "
    "e.g i.e a.m p.m u.s u.k a.n d.a dll dsb dst dkk tsb yth sdr bpk al approx dept est inc ltd co corp gen col lt "
    "sgt capt rev hon mt ft jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
_LINE_END = re.compile(r"<br\s*/?>|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", re.IGNORECASE)
# Final punctuation with closing quotes and brackets. Chinese and Japanese marks need no space after them.
_SENTENCE_END = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s)|[。！？]+["'”’»)\]」』]*""")
_LAST_WORD = re.compile(r"[\w.]*\w(?=\.$)")


def load_documents(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str | list[str]] | None = None,
    text_column: str = "text",
    streaming: bool = False,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> DatasetDict | IterableDatasetDict:
    """Load text, one document per row.

    In a text file (.txt), blank lines separate documents; in a file without them, every line is a document. In a table,
    every row is one. Empty documents are dropped, and counted unless streamed.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → a file, or a list of files of one kind: txt, csv, tsv, json (lines) or parquet;
            `train` is needed.
        text_column: the column that holds the text; ignored for txt files.
        streaming: read lazily, for text larger than memory.
        delimiter, encoding, quotes: how text files are written, see `TableFormat`.

    Returns:
        All splits, each with one column `text`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no train split, no text, a missing column (names the columns), or an unreadable file (names file
            and row or byte).
    """
    read = partial(_read_files, text_column=text_column, streaming=streaming)
    layout = TableFormat(delimiter, encoding, quotes)
    raw = load_splits(dataset_name, dataset_config_name, data_files, read, streaming, layout)
    check_train(raw)
    splits = {split: _select_text(dataset, text_column, split) for split, dataset in raw.items()}
    return IterableDatasetDict(splits) if streaming else DatasetDict(splits)


def load_pretraining_text(
    dataset_name: str | None = None,
    files: dict[str, str | list[str] | None] | None = None,
    text_column: str = "text",
    train_split: str = "train",
    leave_out: str | None = None,
    streaming: bool = False,
    seed: int = 0,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
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
        delimiter, encoding, quotes: how text files are written, see `TableFormat`.

    Raises:
        ValueError: a missing split (names the splits), a single document, or as `load_documents`.
    """
    paths: dict[str, str | list[str]] = {split: path for split, path in (files or {}).items() if path}
    unwanted = leave_out
    if leave_out and Path(leave_out).is_file():
        paths, unwanted = paths | {"leave_out": leave_out}, "leave_out"
    splits = load_documents(dataset_name, None, paths or None, text_column, streaming, delimiter, encoding, quotes)
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
    if len(train) < 2:
        raise ValueError(
            "there is one document, and none left over for validation; give a validation file, or separate documents "
            "by blank lines"
        )
    parts = train.train_test_split(min(max(len(train) // 100, 1), 1000), seed=seed)
    return {"train": parts["train"], "validation": parts["test"]}


def split_sentences(text: str) -> list[str]:
    """Split a document into non-empty, stripped sentences: at line ends, `<br />`, and sentence-final . ! ? …

    A full stop is not final inside a number (3.5), after an abbreviation (Dr., dll.), an initial (J. K.) or a list
    number at the start of a line (1.); dots before a small letter (well... maybe) are not either. Only whitespace and
    `<br />` are lost.
    """
    sentences = []
    for line in _LINE_END.split(text):
        start = 0
        for end in _SENTENCE_END.finditer(line):
            if _ends_sentence(line, start, end):
                sentences.append(line[start : end.end()].strip())
                start = end.end()
        sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(line: str, start: int, end: re.Match) -> bool:
    """Return whether the punctuation matched by `end` is the end of the sentence that begins at `start`."""
    mark = end.group()
    if mark in ("...", "…"):
        return not line[end.end() :].lstrip()[:1].islower()
    if mark != ".":
        return True
    before = line[start : end.end()].lstrip()
    word = _LAST_WORD.search(before)
    if word is None:
        return True
    is_initial = len(word[0]) == 1 and word[0].isupper()
    is_list_number = word[0].isdigit() and before == f"{word[0]}."
    return not (is_initial or is_list_number or word[0].lower() in ABBREVIATIONS)


def _read_files(paths: str | list[str], split: str, text_column: str, streaming: bool, layout: TableFormat):
    """Read the files of one split, tables or text files."""
    paths = as_paths(paths)
    check_files(paths, [*READERS, ".txt"])
    kinds = sorted({Path(path).suffix.lower() for path in paths})
    if len(kinds) > 1:
        raise ValueError(f"the {split} split has files of the kinds {kinds}; all of a split must be of one kind")
    if kinds != [".txt"]:
        return read_table(paths, split, streaming, layout)
    for path in paths:
        for _ in read_lines(path, layout.encoding):  # raises for bytes of another encoding
            pass
    # Size and time are unused arguments that enter the cache key, so that a changed file is read again.
    state = [(path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in paths]
    arguments = {"files": state, "column": text_column, "encoding": layout.encoding}
    if streaming:
        return IterableDataset.from_generator(_documents_of_text_files, gen_kwargs=arguments)
    return Dataset.from_generator(_documents_of_text_files, gen_kwargs=arguments)


def _documents_of_text_files(
    files: list[tuple[str, int, int]], column: str, encoding: str | None
) -> Iterator[dict[str, str]]:
    for path, *_ in files:
        if _has_inner_blank_line(path, encoding):
            for is_text, lines in groupby(read_lines(path, encoding), key=lambda line: bool(line.strip())):
                if is_text:
                    yield {column: "\n".join(line.strip() for line in lines)}
        else:
            for line in read_lines(path, encoding):
                yield {column: line.strip()}


def _has_inner_blank_line(path: str, encoding: str | None) -> bool:
    """Return whether a file has a blank line between two lines of text."""
    seen_text = seen_blank = False
    for line in read_lines(path, encoding):
        if not line.strip():
            seen_blank = seen_text
        elif seen_blank:
            return True
        else:
            seen_text = True
    return False


def _select_text(dataset, text_column: str, split: str):
    """Select the text as column `text`, and drop empty documents."""
    check_columns(dataset, [text_column], split)
    is_streamed = isinstance(dataset, IterableDataset)
    if dataset.features is not None:
        check_text(dataset, text_column, split)
    dataset = dataset.select_columns([text_column])
    if text_column != "text":
        dataset = dataset.rename_column(text_column, "text")
    if is_streamed:
        return dataset.filter(_is_not_empty)
    kept = dataset.filter(_is_not_empty, desc=f"Checking {split}")
    if len(kept) == 0:
        raise ValueError(f"the {split} split has {len(dataset)} rows, and no text in any of them")
    if len(kept) < len(dataset):
        print(f"{split}: left out {len(dataset) - len(kept)} empty documents of {len(dataset)}")
    return kept


def _is_not_empty(row: dict) -> bool:
    return bool(row["text"] and row["text"].strip())

"""Questions with contexts and answers: load them from the Hub, a folder or files, check them, split them by article.

Read `load_question_answering` first; the functions below it are its steps, in order. Every row becomes

    id, title, context, question, answers: {"text": [...], "answer_start": [...]}

as in SQuAD on the Hub; a question without an answer (SQuAD v2) has two empty lists. Dropped rows are reported.

Sources: Rajpurkar et al. 2016 and 2018 (SQuAD v1.1 and v2).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict, Features, List, Value

from tokenization.json_files import load_json
from tokenization.table_files import TableFormat

from .files import as_paths, check_files, read_table
from .json_types import find_features
from .splits import SPLITS, check_columns, check_train, load_splits

FEATURES = Features(
    {
        **{name: Value("string") for name in ("id", "title", "context", "question")},
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int64"))},
    }
)


def load_question_answering(
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    data_files: Mapping[str, str] | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    skip_bad_rows: bool = False,
    seed: int = 0,
    delimiter: str | None = None,
    encoding: str | None = None,
    quotes: bool = True,
) -> DatasetDict:
    """Load questions and check them; split test and validation sets by article if they are not given.

    A single split, of any name, is split into train and test. A missing validation set is split from train. Both get
    whole articles (all rows with one title, or with one context if there are no titles), so that no two splits have
    questions about the same text.

    Args:
        dataset_name: a name on the Hub or a local folder, for `datasets.load_dataset`; or
        data_files: split name → json (official, nested), json lines or parquet file.
        validation_fraction: share of train articles for validation, from 0 (no validation split) to below 1.
        test_fraction: share of articles for test if there is a single split, above 0 and below 1.
        skip_bad_rows: drop bad rows instead of raising, and print their number: rows without question, context or
            answers, with an answer that is not in its context or contradicts `is_impossible`, and train (validation)
            rows whose context is also in another split (in test).
        seed: for splitting.
        delimiter, encoding, quotes: how text files are written, see `TableFormat`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: several splits without train, missing columns, two rows with one id, bad rows (names their number
            and the first three), contexts in two splits, or a single article to split.
    """
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}; it must be at least 0 and below 1")
    layout = TableFormat(delimiter, encoding, quotes)
    raw = load_splits(dataset_name, dataset_config_name, data_files, read_questions, layout=layout)
    splits = {split: _check_rows(*_select_columns(rows, split), split, skip_bad_rows) for split, rows in raw.items()}
    if len(splits) == 1:
        ((only, rows),) = splits.items()
        train, test = split_by_article(rows, test_fraction, seed, f"test, of the {only} split")
        splits = {"train": train, "test": test}
    check_train(splits)
    splits = {split: splits[split] for split in SPLITS if split in splits}
    for name, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if name in splits and other in splits:
            splits[name] = _check_overlap(splits[name], splits[other], name, other, skip_bad_rows)
    if "validation" not in splits and validation_fraction > 0:
        train, validation = split_by_article(splits["train"], validation_fraction, seed, "validation, of train")
        splits |= {"train": train, "validation": validation}
    return DatasetDict({split: splits[split] for split in SPLITS if split in splits})


def read_questions(paths: str | list[str], split: str, layout: TableFormat | None = None) -> Dataset:
    """Read the files of one split: SQuAD's official json (questions in paragraphs in articles) or tables.

    Raises as `files.read_table`, and for an article without its parts (names file and article).
    """
    paths, layout = as_paths(paths), layout or TableFormat()
    if all(Path(path).suffix.lower() == ".json" for path in paths):
        check_files(paths, [".json"])
        contents = {path: articles for path in paths if (articles := _articles(path, layout)) is not None}
        if len(contents) == len(paths):
            rows = [row for path, articles in contents.items() for row in _flatten(articles, path)]
            if not rows:
                raise ValueError(f"the {split} split has no rows: {', '.join(paths)} has no questions")
            features = find_features(rows)
            return Dataset.from_list([{name: row.get(name) for name in features} for _, row in rows], features=features)
    return read_table(paths, split, layout=layout)


def _articles(path: str, layout: TableFormat) -> list | None:
    """The articles of a file of SQuAD; None for json lines, or for broken json, for which `read_table` raises."""
    try:
        content = load_json(path, layout.encoding)
    except ValueError:
        return None
    return content["data"] if isinstance(content, dict) and isinstance(content.get("data"), list) else None


def _flatten(articles: list, path: str) -> Iterator[tuple[str, dict]]:
    """Yield the place and the row of each question of SQuAD's articles; flat rows are passed through."""
    for number, article in enumerate(articles):
        place = f"{path}, article {number}"
        if isinstance(article, dict) and "question" in article and "paragraphs" not in article:
            yield f"{path}, row {number}", article
            continue
        for index, paragraph in enumerate(_part(article, "paragraphs", place)):
            for which, question in enumerate(_part(paragraph, "qas", f"{place}, paragraph {index}")):
                where = f"{place}, paragraph {index}, question {which}"
                if not isinstance(question, dict):
                    raise ValueError(f"{where} is {question!r:.60}, not an object")
                yield (
                    where,
                    {
                        "id": question.get("id"),
                        "title": article.get("title"),
                        "context": paragraph.get("context"),
                        "question": question.get("question"),
                        "answers": question.get("answers"),
                        "is_impossible": question.get("is_impossible"),
                    },
                )


def _part(value, key: str, place: str) -> list:
    """The list under a key of an object."""
    part = value.get(key) if isinstance(value, dict) else None
    if not isinstance(part, list):
        raise ValueError(f"{place} has no list {key!r}; the file looks incomplete, write it again or remove that part")
    return part


def _as_lists(answers, row: str) -> dict[str, list]:
    """Convert the answers of a file, [{"text": …, "answer_start": …}, …], to {"text": […], "answer_start": […]}."""
    keys = ("text", "answer_start")
    if isinstance(answers, dict) and all(isinstance(answers.get(key), list) for key in keys):
        return {key: answers[key] for key in keys}
    if isinstance(answers, list) and all(isinstance(answer, dict) and set(keys) <= set(answer) for answer in answers):
        return {key: [answer[key] for answer in answers] for key in keys}
    raise ValueError(
        f"{row} has the answers {answers!r:.80}; they must be {{'text': [...], 'answer_start': [...]}} or a list of "
        f"{{'text': ..., 'answer_start': ...}}; empty lists where there is no answer"
    )


def _select_columns(rows: Dataset, split: str) -> tuple[Dataset, dict[int, str]]:
    """Convert rows to `FEATURES`; a missing id becomes the number of the row, a missing title an empty string.

    Returns:
        The rows, and row → fault for rows whose answers are missing or contradict `is_impossible`.
    """
    check_columns(rows, ("question", "context", "answers"), split)
    for name in ("question", "context"):
        if getattr(rows.features[name], "dtype", None) not in ("string", "large_string", "null"):
            raise ValueError(f"the column {name!r} of the {split} split holds {rows.features[name]}, not text")
    selected, faults = [], {}
    for number, row in enumerate(rows):
        place, given = f"row {number} of the {split} split", row["answers"]
        is_missing = given is None or isinstance(given, dict) and all(value is None for value in given.values())
        answers = {"text": [], "answer_start": []} if is_missing else _as_lists(given, place)
        if is_missing and row.get("is_impossible") is not True:
            faults[number] = "it has no answers; a question without an answer has empty lists"
        elif row.get("is_impossible") not in (None, True, False):
            faults[number] = f"its is_impossible is {row['is_impossible']!r:.40}, not true or false"
        elif row.get("is_impossible") is not None and bool(row["is_impossible"]) == bool(answers["text"]):
            count = len(answers["text"])
            faults[number] = f"its is_impossible is {row['is_impossible']}, but it has {count or 'no'} answers"
        selected.append(
            {
                "id": _as_text(row.get("id"), f"{split}-{number}"),
                "title": _as_text(row.get("title"), ""),
                "context": row["context"] or "",
                "question": row["question"] or "",
                "answers": answers,
            }
        )
    seen = {}
    for number, row in enumerate(selected):
        first = seen.setdefault(row["id"], number)
        if first != number:
            raise ValueError(f"rows {first} and {number} of the {split} split have the same id {row['id']!r}")
    return Dataset.from_list(selected, features=FEATURES), faults


def _as_text(value, default: str) -> str:
    """An id or a title as text; numbers are allowed, and `default` stands for a missing one."""
    return default if value is None or value != value else str(value)


def _check_rows(rows: Dataset, known: dict[int, str], split: str, skip: bool) -> Dataset:
    """Raise if rows are faulty, or drop them with `skip`; `known` are faults that were found before."""
    faults = {number: fault for number, row in enumerate(rows) if (fault := known.get(number) or find_fault(row))}
    if not faults:
        return rows
    named = "; ".join(f"row {number} (id {rows[number]['id']}): {fault}" for number, fault in list(faults.items())[:3])
    message = f"{len(faults)} of the {len(rows)} rows of the {split} split cannot be used: {named}"
    message += "; …" if len(faults) > 3 else ""
    if not skip or len(faults) == len(rows):
        raise ValueError(f"{message}. Correct them, or skip them (skip_bad_rows)")
    print(f"skipped {message}")
    return rows.select([number for number in range(len(rows)) if number not in faults])


def find_fault(row: dict) -> str | None:
    """Describe what is wrong with a row of `FEATURES`; None if it is valid."""
    context, answers = row["context"], row["answers"]
    for name in ("question", "context"):
        if not row[name].strip():
            return f"it has no {name}"
    texts, starts = answers["text"], [start for start in answers["answer_start"] if start is not None]
    if len(texts) != len(starts):
        return f"its answers have {len(texts)} texts at {len(starts)} places"
    for text, start in zip(texts, starts, strict=True):
        if not (text or "").strip():
            return "it has an empty answer; a question without an answer has empty lists"
        if start < 0 or context[start : start + len(text)] != text:
            found = context[max(start, 0) : max(start, 0) + len(text)]
            if text not in context and text in row["question"]:
                return f"the answer {text!r:.60} is in its question, not in its context; are the two columns swapped?"
            return f"the answer {text!r:.60} is not in its context at character {start}, which reads {found!r:.60}"
    return None


def _check_overlap(rows: Dataset, others: Dataset, name: str, other: str, skip: bool) -> Dataset:
    """Raise if the splits `name` and `other` share contexts, or drop those rows of `name` with `skip`."""
    known = set(others["context"])
    contexts = rows["context"]
    shared = [number for number, context in enumerate(contexts) if context in known]
    if not shared:
        return rows
    count = len({contexts[number] for number in shared})
    message = f"{len(shared)} of {len(rows)} {name} rows, whose {count} contexts also stand in the {other} split"
    if not skip or len(shared) == len(rows):
        raise ValueError(
            f"the splits overlap: there are {message}; the first context is {contexts[shared[0]]!r:.80}. Split the "
            f"data by article, or leave those {name} rows out (skip_bad_rows)"
        )
    print(f"skipped {message}")
    left_out = set(shared)
    return rows.select([number for number in range(len(rows)) if number not in left_out])


def split_by_article(rows: Dataset, fraction: float, seed: int, name: str = "") -> tuple[Dataset, Dataset]:
    """Split rows by article into (the rest, the held-out share).

    Args:
        rows: with columns `title` and `context`.
        fraction: share of the articles to hold out, above 0 and below 1; each part gets at least one article.
        seed: for the random choice of articles.
        name: of the held-out share, for the printed line.

    Raises:
        ValueError: a fraction out of range, or fewer than two articles.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction of articles to set apart is {fraction}; it must be above 0 and below 1")
    kind = "title" if all(title.strip() for title in rows["title"]) else "context"
    articles = sorted(set(rows[kind]))
    if len(articles) < 2:
        raise ValueError(f"all {len(rows)} rows have the {kind} {articles[0]!r:.60}; two are needed to split by {kind}")
    count = min(max(round(fraction * len(articles)), 1), len(articles) - 1)
    drawn = {articles[place] for place in np.random.default_rng(seed).permutation(len(articles))[:count]}
    held_out = np.array([article in drawn for article in rows[kind]])
    print(f"{name}: {held_out.sum():,} rows of {count} {kind}s out of {len(articles)}, set apart by {kind}")
    return rows.select(np.flatnonzero(~held_out)), rows.select(np.flatnonzero(held_out))

"""Load the data of the three training objectives, as rows to train on and tasks to score the encoder by.

    dpr       questions and the passages that answer them; BM25's other results are hard negatives
    pairs     two texts of a row, or texts of one group, belong together; or pairs with a similarity
    simcse    text alone: a text and itself under another dropout belong together

A row holds `query`, `positives` (one is drawn for each batch), `negatives` (some are drawn) and perhaps `score`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokenization.table_files import TableFormat

from ..data import load_pretraining_text, load_text_classification, load_text_pairs
from .bm25 import BM25
from .collections import bundled_collection, load_collection
from .encoder_scores import Retrieval, Similarities, halves, partners, same_group
from .ranker_data import Questions, fold, hold_out, questions_of, search_all

OBJECTIVES = ("pairs", "dpr", "simcse")
HALVES = 1000  # texts of which halves are compared

Row = dict[str, Any]


@dataclass
class EncoderTask:
    """Rows to train on, and tasks for validation and test.

    Attributes:
        rows: with `query`, `positives`, `negatives` and perhaps `score`.
        texts: of the train split, to train a tokenizer.
        validation, test: `Retrieval` or `Similarities`; test is None where there is no such split.
        relevant: text → texts that must not be its negatives.
        description: the data in one line.
    """

    rows: list[Row]
    texts: list[str]
    validation: Retrieval | Similarities
    test: Retrieval | Similarities | None
    relevant: dict[str, set[str]] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self):
        if not self.relevant:
            for row in self.rows:
                self.relevant.setdefault(row["query"], set()).update(row["positives"])

    @property
    def is_scored(self) -> bool:
        """Whether the rows have similarities."""
        return "score" in self.rows[0]


def load_task(args, seed: int) -> EncoderTask:
    """Load the data of `args.objective`; `args` is an `EncoderDataArguments`."""
    if args.objective not in OBJECTIVES:
        raise ValueError(f"objective is {args.objective!r}; choose one of {', '.join(OBJECTIVES)}")
    if args.objective == "dpr":
        return load_dpr(args, seed)
    if args.objective == "simcse":
        task = load_simcse(args, seed)
    elif args.group_column_name:
        task = load_groups(args, seed)
    else:
        task = load_scored(args, seed) if args.score_column_name else load_pairs(args, seed)
    if args.collection:
        collection = load_collection(args.collection, layout=TableFormat(**args.layout))
        questions = questions_of(collection, args.test_split)
        documents = dict(zip(collection.ids, collection.documents(), strict=True))
        task.test = Retrieval(questions.texts, documents, questions.qrels)
        task.description += f"; tested on {collection.name}: {collection.describe()}"
    return task


def load_dpr(args, seed: int) -> EncoderTask:
    """Load a collection; the passages that answer a question are its positives, BM25's other results its negatives.

    Without a validation split a share of the train questions becomes one. With `folds`, the questions of the train
    split are divided, and fold number `fold` is the test split.

    Raises:
        ValueError: as `load_collection`; or a question of the test split is also in another split.
    """
    collection = load_collection(args.collection or bundled_collection(), layout=TableFormat(**args.layout))
    train, validation, test = _questions(collection, args, seed)
    documents = dict(zip(collection.ids, collection.documents(), strict=True))
    found = search_all(BM25(list(documents.values()), collection.ids), train, args.negatives_depth)
    rows: list[Row] = []
    relevant: dict[str, set[str]] = {}
    for query, text in train.texts.items():
        answers = {name for name, grade in train.qrels[query].items() if grade > 0}
        others = [documents[name] for name, _ in found[query] if name not in answers]
        relevant.setdefault(text, set()).update(documents[name] for name in answers)
        rows.append({"query": text, "positives": sorted(documents[name] for name in answers), "negatives": others})
    return EncoderTask(
        rows,
        [*documents.values(), *train.texts.values()],
        Retrieval(validation.texts, documents, validation.qrels),
        Retrieval(test.texts, documents, test.qrels),
        relevant,
        f"{collection.name}: {collection.describe()}; {len(train)} questions to train on, {len(validation)} "
        f"validation, {len(test)} test",
    )


def _questions(collection, args, seed: int) -> tuple[Questions, Questions, Questions]:
    """Divide the questions into train, validation and test."""
    train = questions_of(collection, args.train_split)
    if args.folds:
        train, test = fold(train, args.folds, args.fold, seed)
    else:
        test = questions_of(collection, args.test_split)
    name = args.validation_split or ("validation" if "validation" in collection.qrels and not args.folds else None)
    if name:
        validation = questions_of(collection, name)
    else:
        train, validation = hold_out(train, args.validation_fraction, seed)
    shared = sorted((set(train.texts) | set(validation.texts)) & set(test.texts))
    if shared:
        raise ValueError(f"{len(shared)} questions of the test split are also in train or validation, the first is "
                         f"{shared[0]!r}; give each split other questions, or use --folds")  # fmt: skip
    return train, validation, test


def load_pairs(args, seed: int) -> EncoderTask:
    """Load text pairs that belong together."""
    columns = args.text_column_name, args.text_pair_column_name
    splits = load_text_pairs(args.dataset_name, args.files({}) or None, *columns, seed, **args.layout)
    train = [{"query": row["source"], "positives": [row["target"]], "negatives": []} for row in splits["train"]]
    held = {name: partners(splits[name]["source"], splits[name]["target"]) for name in splits if name != "train"}
    texts = [text for row in train for text in (row["query"], *row["positives"])]
    return EncoderTask(train, texts, held["validation"], held.get("test"), description=_sizes("pairs", splits))


def load_groups(args, seed: int) -> EncoderTask:
    """Load texts with a column of groups; texts of one group belong together, in train and held-out texts alike."""
    splits, names = _labelled(args, None, args.group_column_name, "classification", seed)
    texts, groups = list(splits["train"]["text"]), list(splits["train"]["label"])
    members: dict[int, set[str]] = {}
    for text, group in zip(texts, groups, strict=True):
        members.setdefault(group, set()).add(text)
    rows: list[Row] = []
    relevant: dict[str, set[str]] = {}
    for text, group in zip(texts, groups, strict=True):
        relevant[text] = members[group] - {text}
        if relevant[text]:
            rows.append({"query": text, "positives": sorted(relevant[text]), "negatives": []})
    if not rows:
        raise ValueError(f"no two train texts have the same {args.group_column_name!r}; name a column of groups")
    held = {
        name: same_group(list(splits[name]["text"]), list(splits[name]["label"]), texts, groups)
        for name in splits
        if name != "train"
    }
    description = f"{_sizes('texts', splits)} of {len(names)} groups"
    return EncoderTask(rows, texts, held["validation"], held.get("test"), relevant, description)


def load_scored(args, seed: int) -> EncoderTask:
    """Load text pairs with a similarity, divided by `args.score_scale`.

    Raises:
        ValueError: a similarity outside -1 to 1 after the division.
    """
    splits, _ = _labelled(args, args.text_pair_column_name, args.score_column_name, "regression", seed)
    held: dict = {}
    rows: list[Row] = []
    for name, split in splits.items():
        scores = np.array(split["label"], dtype=float) / args.score_scale
        if np.abs(scores).max() > 1:
            row = int(np.abs(scores).argmax())
            raise ValueError(
                f"the {name} split has the similarity {split['label'][row]} in row {row}; similarities are from -1 to "
                f"1 after division by score_scale ({args.score_scale:g}): set it to the largest one"
            )
        if name != "train":
            held[name] = Similarities(list(split["text"]), list(split["text_pair"]), scores.tolist())
        else:
            triples = zip(split["text"], split["text_pair"], scores.tolist(), strict=True)
            rows = [
                {"query": first, "positives": [second], "negatives": [], "score": score}
                for first, second, score in triples
            ]
    texts = [*splits["train"]["text"], *splits["train"]["text_pair"]]
    return EncoderTask(rows, texts, held["validation"], held.get("test"), description=_sizes("pairs", splits))


def load_simcse(args, seed: int) -> EncoderTask:
    """Load text alone; it is scored by whether the first half of a held-out text finds its second half.

    Without a file or data set, the documents of `args.collection` are the text, a tenth of them held out.
    """
    files = args.files({})
    if not files and not args.dataset_name:
        collection = load_collection(args.collection, layout=TableFormat(**args.layout))
        texts = [text for text in dict.fromkeys(collection.documents()) if text.strip()]
        texts = [texts[place] for place in np.random.default_rng(seed).permutation(len(texts))]
        held_out, texts = texts[: len(texts) // 10], texts[len(texts) // 10 :]
    else:
        source = args.dataset_name, files or None, args.text_column_name
        splits = load_pretraining_text(*source, seed=seed, **args.layout)
        texts, held_out = list(dict.fromkeys(splits["train"]["text"])), list(splits["validation"]["text"])
    rows: list[Row] = [{"query": text, "positives": [text], "negatives": []} for text in texts]
    held = halves(held_out[:HALVES])
    description = f"{len(rows):,} texts without labels; halves of {len(held.queries):,} validation texts"
    return EncoderTask(rows, texts, held, None, description=description)


def _labelled(args, pair_column: str | None, label_column: str, task: str, seed: int):
    source = args.dataset_name, None, args.files({}) or None
    columns = args.text_column_name, pair_column, label_column
    return load_text_classification(*source, *columns, args.validation_fraction, seed, task=task, **args.layout)


def _sizes(kind: str, splits) -> str:
    return ", ".join(f"{len(split):,} {name}" for name, split in splits.items()) + f" {kind}"

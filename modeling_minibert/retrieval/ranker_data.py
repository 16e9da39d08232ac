"""Pairs of question and document to train and choose a ranker, and splits of the questions.

Letters: K candidates of a question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from ..pipelines.text_ranking import encode_pairs
from .bm25 import BM25
from .collections import Collection, Qrels
from .measures import score_run
from .ranking import Ranking, Run, interpolate

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))  # shares of the cross-encoder that are tried


@dataclass
class Questions:
    """Questions with their judgements: id → text, and id → document → grade."""

    texts: dict[str, str]
    qrels: Qrels

    def select(self, names: Sequence[str]) -> "Questions":
        """Select some of the questions."""
        return Questions({name: self.texts[name] for name in names}, {name: self.qrels[name] for name in names})

    def __len__(self) -> int:
        return len(self.texts)


def questions_of(collection: Collection, split: str | None) -> Questions:
    """Return the questions of a split of a collection that have a relevant document."""
    return Questions(*collection.split(split))


def hold_out(questions: Questions, share: float, seed: int) -> tuple[Questions, Questions]:
    """Set a share of the questions apart, drawn at random; at least one stays on either side.

    Raises:
        ValueError: fewer than two questions.
    """
    if len(questions) < 2:
        raise ValueError(f"there are {len(questions)} questions, and none left over for validation; give at least 2")
    names = np.random.default_rng(seed).permutation(sorted(questions.texts)).tolist()
    count = min(max(1, round(share * len(names))), len(names) - 1)
    return questions.select(names[count:]), questions.select(names[:count])


def fold(questions: Questions, folds: int, number: int, seed: int) -> tuple[Questions, Questions]:
    """Return the questions outside and inside of one of several folds of equal size, drawn at random.

    Raises:
        ValueError: fewer than two folds, or more folds than questions.
    """
    if not 2 <= folds <= len(questions):
        raise ValueError(f"folds ({folds}) must be from 2 to the number of questions ({len(questions)})")
    names = np.random.default_rng(seed).permutation(sorted(questions.texts)).tolist()
    inside = set(names[number::folds])
    return questions.select([name for name in names if name not in inside]), questions.select(names[number::folds])


def search_all(index: BM25, questions: Questions, k: int) -> Run:
    """Search every question: id → its k best documents, filled up with others where fewer share a word with it."""
    return {name: index.search(text, k, fill=True) for name, text in questions.texts.items()}


def training_pairs(
    questions: Questions, run: Mapping[str, Ranking], negatives: int, seed: int
) -> list[tuple[str, str, int]]:
    """Draw training pairs: every relevant document of a question, and for each some negatives among its search results.

    A result without a grade above 0 counts as a negative; it is hard because BM25 found it. If there are too few, fewer
    are drawn.

    Args:
        questions: with their judgements.
        run: question id → search results.
        negatives: for each relevant document.
        seed: for the draw.

    Returns:
        (question id, document id, 1 or 0), the questions in order.

    Raises:
        ValueError: negatives below 1.
    """
    if negatives < 1:
        raise ValueError(
            f"negatives ({negatives}) is the number of irrelevant documents for each relevant one; give at least 1"
        )
    random = np.random.default_rng(seed)
    pairs = []
    for question, grades in questions.qrels.items():
        relevant = [name for name, grade in grades.items() if grade > 0]
        others = [name for name, _ in run.get(question, []) if name not in set(relevant)]
        drawn = random.permutation(others)[: negatives * len(relevant)].tolist()
        pairs += [(question, name, 1) for name in relevant] + [(question, name, 0) for name in drawn]
    return pairs


def candidate_pairs(run: Mapping[str, Ranking]) -> list[tuple[str, str, int]]:
    """Pair every question with all its search results; the label is 0 and means nothing."""
    return [(question, name, 0) for question, ranking in run.items() for name, _ in ranking]


def encode(
    pairs: Sequence[tuple[str, str, int]],
    questions: Questions,
    documents: Mapping[str, str],
    tokenizer,
    max_length: int,
    labels: int,
) -> Dataset:
    """Encode pairs for the model, with labels: class ids, or for one logit numbers of a column.

    Args:
        pairs: (question id, document id, label).
        questions, documents: their texts.
        max_length: tokens of question and document.
        labels: number of classes of the model, 2 or 1.

    Raises:
        ValueError: a question that leaves no room for a document.
    """
    columns: dict[str, list] = {}
    start = 0
    while start < len(pairs):
        stop = start
        while stop < len(pairs) and pairs[stop][0] == pairs[start][0]:
            stop += 1
        texts = [documents[name] for _, name, _ in pairs[start:stop]]
        for name, values in encode_pairs(tokenizer, questions.texts[pairs[start][0]], texts, max_length).items():
            columns.setdefault(name, []).extend(values)
        start = stop
    columns["label"] = [label if labels == 2 else [float(label)] for _, _, label in pairs]
    return Dataset.from_dict(columns)


def rerank_with(run: Mapping[str, Ranking], scores: np.ndarray) -> Run:
    """Re-rank a run by one score per pair of `candidate_pairs`; ties keep their order."""
    result, place = {}, 0
    for question, ranking in run.items():
        part = scores[place : place + len(ranking)]
        place += len(ranking)
        pairs = [(name, float(score)) for (name, _), score in zip(ranking, part, strict=True)]
        result[question] = sorted(pairs, key=lambda pair: -pair[1])
    return result


def mix(first: Mapping[str, Ranking], second: Mapping[str, Ranking], weight: float) -> Run:
    """Interpolate the rankings of every question; see `interpolate`."""
    return {question: interpolate(ranking, second[question], weight) for question, ranking in first.items()}


def choose_weight(first: Mapping[str, Ranking], second: Mapping[str, Ranking], qrels: Qrels) -> float:
    """Choose the weight of `second` that gives the highest nDCG@10; of equal ones that in the middle."""
    means = []
    for weight in WEIGHTS:
        values = score_run(mix(first, second, weight), qrels, ("nDCG@10",))["nDCG@10"]
        means.append(float(np.mean(list(values.values()))))
    best = [weight for weight, mean in zip(WEIGHTS, means, strict=True) if mean >= max(means) - 1e-9]
    return best[len(best) // 2]

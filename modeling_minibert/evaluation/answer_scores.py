"""Exact match and F1 of answers, equal to the official SQuAD scripts, as an `evaluate` metric.

Answers are compared without case, punctuation, the articles a, an and the, and extra spaces. Exact match is 1 for equal
words. F1 combines precision, the share of the prediction's words that are in the gold answer, and recall, the share of
the gold answer's words that are in the prediction. With several gold answers the best score counts.

In v1.1 every question has an answer. In v2 some have none: the right prediction is then an empty text, and scores are
given for all questions, for those with an answer (HasAns) and for those without (NoAns).

`evaluate.load("squad")` needs the network; `evaluate.load` on this file works offline.

Sources: Rajpurkar et al. 2016, section 6.1, and 2018; evaluate-v1.1.py and evaluate-v2.0.py.
"""

import re
import string
from collections import Counter

import datasets
import evaluate
import numpy as np

from .bootstrap import bootstrap_interval

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lowercase a text, remove ASCII punctuation and English articles, and collapse spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(prediction: str, gold: str) -> float:
    """Return 1 if the normalised answers are equal, otherwise 0."""
    return float(normalize_answer(prediction) == normalize_answer(gold))


def f1(prediction: str, gold: str) -> float:
    """Return the harmonic mean of precision and recall of the normalised words; 0 if none is shared."""
    predicted, expected = normalize_answer(prediction).split(), normalize_answer(gold).split()
    shared = (Counter(predicted) & Counter(expected)).total()
    return 2 * shared / (len(predicted) + len(expected)) if shared else 0.0


def score_question(prediction: str, golds: list[str], version_2: bool = False) -> tuple[float, float]:
    """Return exact match and F1 of one prediction, 0 to 1, each for the best of the gold answers.

    Args:
        prediction: empty for "no answer".
        golds: one or more in v1.1; empty in v2 for a question without an answer.
        version_2: two empty texts have F1 1, and gold answers without words are ignored.

    Raises:
        ValueError: no gold answer in v1.1.
    """
    if version_2:
        golds = [gold for gold in golds if normalize_answer(gold)] or [""]
    elif not golds:
        raise ValueError("a question has no gold answer; set version_2=True for data with such questions")
    exact = max(exact_match(prediction, gold) for gold in golds)
    if version_2 and not normalize_answer(prediction):
        return exact, exact
    return exact, max(f1(prediction, gold) for gold in golds)


class QuestionAnsweringMetrics(evaluate.Metric):
    """Exact match and F1 in percent: `QuestionAnsweringMetrics().compute(predictions=…, references=…)`.

    Predictions are {"id", "prediction_text"}, references {"id", "answers": {"text": [...], "answer_start": [...]}}.

    Args of `compute`:
        version_2: score as evaluate-v2.0.py.
        no_answer_probabilities: in v2, id → probability that the question has no answer, or any score for it.
        no_answer_threshold: in v2, a higher probability replaces the predicted text by "no answer".
        interval: add the 95 % bootstrap intervals (low, high) over the questions: `exact_match_interval` (in v2
            `exact_interval`) and `f1_interval`.

    Returns:
        v1.1: `exact_match`, `f1`. v2: `exact`, `f1`, `total`, the same for subsets as `HasAns_…` and `NoAns_…`, and
        with probabilities the best scores of any threshold and these thresholds: `best_exact`, `best_exact_thresh`,
        `best_f1` and `best_f1_thresh`.

    Raises:
        ValueError: the ids of predictions and references differ.
    """

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        answers = {"text": datasets.List(text), "answer_start": datasets.List(datasets.Value("int64"))}
        predictions = {"id": text, "prediction_text": text}
        return evaluate.MetricInfo(
            description="Exact match and F1 of answers, as in SQuAD v1.1 and v2, with bootstrap intervals.",
            citation="",
            inputs_description="predictions: id and text; references: id and gold answers.",
            features=datasets.Features({"predictions": predictions, "references": {"id": text, "answers": answers}}),
        )

    def _compute(
        self,
        predictions,
        references,
        version_2: bool = False,
        no_answer_probabilities: dict[str, float] | None = None,
        no_answer_threshold: float = 1.0,
        interval: bool = False,
    ) -> dict:
        texts = {prediction["id"]: prediction["prediction_text"] for prediction in predictions}
        golds = {reference["id"]: reference["answers"]["text"] for reference in references}
        _check_same_ids([prediction["id"] for prediction in predictions], golds, "references")
        raw = np.array([score_question(texts[name], golds[name], version_2) for name in golds])
        if not version_2:
            results = dict(zip(("exact_match", "f1"), (100 * raw.mean(axis=0)).tolist(), strict=True))
            return results | (_intervals(raw, "exact_match") if interval else {})
        # As in the official script, a gold answer without words counts here.
        has_answer = np.array([bool(gold) for gold in golds.values()])
        scores, best = raw, {}
        if no_answer_probabilities is not None:
            _check_same_ids(list(no_answer_probabilities), golds, "no_answer_probabilities")
            probabilities = np.array([no_answer_probabilities[name] for name in golds])
            scores = np.where(probabilities[:, None] > no_answer_threshold, ~has_answer[:, None], raw)
            best = _best_thresholds(raw, probabilities, has_answer, [bool(texts[name]) for name in golds])
        return _subset_means(scores, has_answer) | best | (_intervals(scores, "exact") if interval else {})


def _check_same_ids(ids: list[str], golds: dict, name: str) -> None:
    """Raise unless both have the same ids, each once."""
    differing = sorted(set(ids) ^ golds.keys())
    if differing or len(ids) != len(golds):
        raise ValueError(
            f"predictions and {name} need the same ids, each once; got {len(ids)} and {len(golds)}, of which "
            f"{len(differing)} are in one only" + (f", such as {differing[0]!r}" if differing else "")
        )


def _intervals(scores: np.ndarray, exact: str) -> dict[str, tuple[float, float]]:
    """Return 95 % bootstrap intervals of the mean exact match (named `exact`) and F1, in percent; scores (N, 2)."""
    unused = np.zeros(len(scores))  # bootstrap_interval wants references
    return {
        f"{name}_interval": bootstrap_interval(_mean_of_first, 100 * column, unused)
        for name, column in zip((exact, "f1"), scores.T, strict=True)
    }


def _mean_of_first(values: np.ndarray, _, sample_weight: np.ndarray | None = None) -> float:
    return float(np.average(values, weights=sample_weight))


def _subset_means(scores: np.ndarray, has_answer: np.ndarray) -> dict:
    """Return the means over all questions, HasAns and NoAns, in percent; scores (N, 2), has_answer (N,)."""
    results: dict[str, float] = {}
    for prefix, chosen in (("", has_answer | True), ("HasAns_", has_answer), ("NoAns_", ~has_answer)):
        if chosen.any():
            exact, overlap = 100 * scores[chosen].mean(axis=0)
            results |= {f"{prefix}exact": float(exact), f"{prefix}f1": float(overlap)}
            results[f"{prefix}total"] = int(chosen.sum())
    return results


def _best_thresholds(
    raw: np.ndarray, probabilities: np.ndarray, has_answer: np.ndarray, answered: list[bool]
) -> dict[str, float]:
    """Return the best scores over all thresholds of `probabilities` (N,), and the lowest such thresholds.

    At the lowest threshold every prediction is "no answer", right for all questions without one. Raising it past one
    question after the other replaces that question's score for "no answer" by the score of its text.
    """
    order = np.argsort(probabilities, kind="stable")
    results = {}
    for name, column in zip(("exact", "f1"), raw.T, strict=True):
        gains = np.where(has_answer, column, np.where(answered, -1.0, 0.0))[order]
        totals = np.cumsum(np.concatenate([[(~has_answer).sum()], gains]))
        best = int(totals.argmax())
        results[f"best_{name}"] = float(100 * totals[best] / len(raw))
        results[f"best_{name}_thresh"] = float(probabilities[order[best - 1]]) if best else 0.0
    return results

"""Scores of tagged sentences: entity precision, recall and F1 by seqeval, or accuracy and macro-F1 of plain tags.

An entity counts as found if its first word, last word and type are right. Faulty tags are read as CoNLL's script reads
them: an I- without a beginning begins an entity. `strict_f1` does not accept those. `evaluate.load("seqeval")` needs
the network; `evaluate.load` on this file works offline.

Sources: Tjong Kim Sang and De Meulder 2003 (micro F1 of entities); seqeval; Wilie et al. 2020 (IndoNLU: the mean of the
F1 of all types, here `macro_f1`, for parts of speech too, whose tags begin with B-).
"""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from seqeval.metrics import f1_score as entity_f1
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.scheme import IOB2, IOBES
from sklearn.metrics import precision_recall_fscore_support as precision_recall_by_class

from .bootstrap import bootstrap_interval

STRICT = {"IOB2": IOB2, "BIOES": IOBES}  # of IOB1 the strict reading is the usual one


class TaggingMetrics(evaluate.Metric):
    """Scores of tags: `TaggingMetrics().compute(predictions=…, references=…)`, both a list of tag names per sentence.

    Args of `compute`:
        scheme: "IOB2", "IOB1" or "BIOES" for entities, "plain" for one class per word.
        interval: add 95 % bootstrap intervals (low, high) over the sentences, as `f1_interval` and so on.

    Returns:
        Entities: `precision`, `recall`, `f1` over all (micro), `macro_f1` (mean over the types that occur or are
        predicted), `strict_f1` (IOB2 and BIOES), `accuracy` of the tags, and `per_type`: type → precision, recall, f1,
        support. Plain tags: `accuracy`, `macro_f1` and `per_type`.

    Raises:
        ValueError: another number of sentences or words in predictions and references (names sentence and numbers), or
            nothing to score.
    """

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="Entity precision, recall and F1, or accuracy and macro-F1 of tags, with bootstrap intervals.",
            citation="",
            inputs_description="predictions and references: a list of tag names per sentence.",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def compute(self, *, predictions=None, references=None, **kwargs) -> dict:
        """Check the lengths, which `evaluate` reports as a wrong format, and compute."""
        if predictions is not None and references is not None:
            check_lengths(predictions, references)
        return super().compute(predictions=predictions, references=references, **kwargs)

    def _compute(self, predictions, references, scheme: str = "IOB2", interval: bool = False) -> dict:
        check_lengths(predictions, references)
        predictions, references = ([list(map(str, tags)) for tags in rows] for rows in (predictions, references))
        if scheme == "plain":
            results, intervals = _plain_scores(predictions, references), {"macro_f1": (_tags_of, _macro_f1)}
        else:
            results = _entity_scores(predictions, references, scheme)
            intervals = {"f1": (get_entities, _micro_f1), "macro_f1": (get_entities, _macro_f1)}
        if interval:
            intervals["accuracy"] = (_tags_of, _micro_f1)  # with as many predicted tags as references
            for name, (items, score) in intervals.items():
                results[f"{name}_interval"] = _interval(_count(predictions, references, items), score)
        return results


def check_lengths(predictions: Sequence, references: Sequence) -> None:
    """Raise unless both have the same sentences with the same number of words."""
    if len(predictions) != len(references) or len(references) == 0:
        raise ValueError(
            f"got {len(predictions)} predicted sentences for {len(references)}; give the same number, at least 1"
        )
    for row, (predicted, expected) in enumerate(zip(predictions, references, strict=True)):
        if len(predicted) != len(expected):
            raise ValueError(
                f"sentence {row} has {len(predicted)} predicted tags and {len(expected)} references; give one for each "
                f"word"
            )


def _entity_scores(predictions: list[list[str]], references: list[list[str]], scheme: str) -> dict:
    """The scores of seqeval."""
    names = ("precision", "recall", "f1")
    micro = precision_recall_fscore_support(references, predictions, average="micro", zero_division=0)
    by_type = precision_recall_fscore_support(references, predictions, average=None, zero_division=0)
    types = sorted({kind for row in (*references, *predictions) for kind, *_ in get_entities(row)})
    results: dict = dict(zip(names, map(float, micro), strict=False))
    results["macro_f1"] = float(np.mean(by_type[2])) if types else 0.0
    if scheme in STRICT:
        strict = entity_f1(references, predictions, mode="strict", scheme=STRICT[scheme], zero_division=0)
        results["strict_f1"] = float(strict)
    results["accuracy"] = _accuracy(predictions, references)
    results["per_type"] = {
        kind: {**dict(zip(names, map(float, scores), strict=False)), "support": int(scores[3])}
        for kind, *scores in zip(types, *by_type, strict=True)
    }
    return results


def _plain_scores(predictions: list[list[str]], references: list[list[str]]) -> dict:
    """The scores of scikit-learn."""
    expected, found = ([tag for row in rows for tag in row] for rows in (references, predictions))
    types = sorted({*expected, *found})
    scores = zip(types, *precision_recall_by_class(expected, found, labels=types, zero_division=0.0), strict=True)
    per_type = {
        kind: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for kind, precision, recall, f1, support in scores
    }
    macro = float(np.mean([values["f1"] for values in per_type.values()]))
    return {"accuracy": _accuracy(predictions, references), "macro_f1": macro, "per_type": per_type}


def _accuracy(predictions: list[list[str]], references: list[list[str]]) -> float:
    right = [
        tag == other
        for row, others in zip(predictions, references, strict=True)
        for tag, other in zip(row, others, strict=True)
    ]
    return float(np.mean(right)) if right else 0.0


def _tags_of(tags: list[str]) -> list[tuple[str, int]]:
    """Every word as an item of its tag."""
    return [(tag, place) for place, tag in enumerate(tags)]


def _count(predictions: list[list[str]], references: list[list[str]], items) -> np.ndarray:
    """Count the items of every sentence and type: (N, T, 3) with those found, predicted, and expected."""
    rows = [[set(items(tags)) for tags in pair] for pair in zip(predictions, references, strict=True)]
    types = {
        kind: number for number, kind in enumerate(sorted({item[0] for pair in rows for row in pair for item in row}))
    }
    counts = np.zeros((len(rows), len(types), 3))
    for row, (predicted, expected) in enumerate(rows):
        for place, found in enumerate((predicted & expected, predicted, expected)):
            for item in found:
                counts[row, types[item[0]], place] += 1
    return counts


def _micro_f1(totals: np.ndarray) -> float:
    found, predicted, expected = totals.sum(axis=0)
    return float(2 * found / max(predicted + expected, 1))


def _macro_f1(totals: np.ndarray) -> float:
    """The mean over the types that occur; totals (T, 3)."""
    occurs = totals[:, 1:].sum(axis=1) > 0
    found, predicted, expected = totals[occurs].T
    return float(np.mean(2 * found / (predicted + expected))) if occurs.any() else 0.0


def _interval(counts: np.ndarray, score) -> tuple[float, float]:
    """The bootstrap interval of a score of totals (T, 3), over the sentences; counts (N, T, 3)."""

    def weighted(rows, _, sample_weight) -> float:
        return score(np.tensordot(sample_weight, counts[rows], axes=1))

    places = np.arange(len(counts))
    return bootstrap_interval(weighted, places, places)


def describe_tag_scores(results: dict) -> list[str]:
    """Format scores as lines: the main ones with their intervals, then a table of the types."""
    lines = []
    for name, title in (("f1", "entity F1"), ("macro_f1", "macro-F1"), ("accuracy", "accuracy")):
        if name in results:
            low, high = results.get(f"{name}_interval", (np.nan, np.nan))
            more = f" (95 % interval {100 * low:.1f} to {100 * high:.1f})" if f"{name}_interval" in results else ""
            lines.append(f"{title:>10} {100 * results[name]:5.1f}{more}")
    if "strict_f1" in results and round(results["strict_f1"], 4) != round(results["f1"], 4):
        lines.append(f" strict F1 {100 * results['strict_f1']:5.1f}")
    wide = max([len(kind) for kind in results["per_type"]] + [4])
    lines.append(f"{'':{wide}}  precision  recall     F1  number")
    for kind, row in results["per_type"].items():
        precision, recall, f1 = (100 * row[name] for name in ("precision", "recall", "f1"))
        lines.append(f"{kind:{wide}}  {precision:9.1f}  {recall:6.1f}  {f1:5.1f}  {row['support']:6,}")
    return lines

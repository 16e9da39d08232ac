"""Accuracy and macro-F1 of a classifier with bootstrap intervals, as an `evaluate` metric over scikit-learn.

`evaluate.load("accuracy")` needs the network; `evaluate.load` on this file works offline.
"""

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from .bootstrap import bootstrap_interval


def macro_f1(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the unweighted mean of the F1 scores of all classes that occur."""
    return float(f1_score(references, predictions, average="macro", sample_weight=sample_weight))


def accuracy(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the share of correct predictions."""
    return float(accuracy_score(references, predictions, sample_weight=sample_weight))


class ClassificationMetrics(evaluate.Metric):
    """Accuracy and macro-F1: `ClassificationMetrics().compute(predictions=…, references=…)`.

    With `interval=True` it adds `accuracy_interval` and `macro_f1_interval`, 95 % bootstrap intervals (low, high).
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy and macro-F1 of class predictions, with bootstrap intervals.",
            citation="",
            inputs_description="predictions and references: class ids, one per text.",
            features=datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}),
        )

    def _compute(self, predictions, references, interval: bool = False) -> dict:
        predictions, references = np.asarray(predictions), np.asarray(references)
        scores: dict = {}
        for name, score in (("accuracy", accuracy), ("macro_f1", macro_f1)):
            scores[name] = score(predictions, references)
            if interval:
                scores[f"{name}_interval"] = bootstrap_interval(score, predictions, references)
        return scores


def average_by_text(logits: np.ndarray, window_to_text: list[int]) -> np.ndarray:
    """Average the class probabilities of each text's windows.

    Args:
        logits: (windows, C).
        window_to_text: for each window the index of its text, from 0; every text has at least one window.

    Returns:
        (texts, C) probabilities.
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    totals = np.zeros((max(window_to_text) + 1, logits.shape[-1]))
    np.add.at(totals, window_to_text, probabilities)
    return totals / np.bincount(window_to_text)[:, None]


def describe_scores(results: dict) -> dict[str, str]:
    """Format the scores of a test: 'accuracy, single pass' → '87.2% (95 % interval 86.8% to 87.6%)' and so on.

    Args:
        results: "single_pass", "window_average" or both → what `ClassificationMetrics` computed, with intervals.
    """
    text = {}
    for way in ("single_pass", "window_average"):
        for name in ("accuracy", "macro_f1") if way in results else ():
            low, high = results[way][f"{name}_interval"]
            shown = f"{results[way][name]:.1%} (95 % interval {low:.1%} to {high:.1%})"
            text[f"{name}, {way.replace('_', ' ')}"] = shown
    return text

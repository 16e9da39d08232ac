"""Scores of classes and of several labels per text, with bootstrap intervals: `evaluate` metrics over scikit-learn.

`evaluate.load("accuracy")` needs the network; `evaluate.load` on this file works offline.
"""

import datasets
import evaluate
import numpy as np
from scipy.special import expit, softmax
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from .bootstrap import bootstrap_interval


def macro_f1(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the unweighted mean of the F1 scores of all classes that occur."""
    return float(f1_score(references, predictions, average="macro", sample_weight=sample_weight))


def accuracy(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the share of correct predictions."""
    return float(accuracy_score(references, predictions, sample_weight=sample_weight))


def macro_auc(scores: np.ndarray, occurs: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the mean area under the ROC curve over the classes, each against all others (Fawcett 2006).

    Args:
        scores: (N, C); a larger number means that the class is more likely.
        occurs: (N, C), one 1 per row, at its class.
        sample_weight: (N,).

    Returns:
        The mean over the classes that some rows have and some do not; 0.5, the value of a guess, if there is none.
    """
    defined = np.flatnonzero(occurs.any(axis=0) & ~occurs.all(axis=0))
    areas = [roc_auc_score(occurs[:, c], scores[:, c], sample_weight=sample_weight) for c in defined]
    return float(np.mean(areas)) if areas else 0.5


class ClassificationMetrics(evaluate.Metric):
    """Accuracy and macro-F1: `ClassificationMetrics().compute(predictions=…, references=…)`.

    `probabilities=…` (N, C) adds `auc`, the area under the ROC curve: of class 1 if there are two classes, otherwise
    the mean over the classes, each against all others. With `interval=True` it adds 95 % bootstrap intervals (low,
    high), as `<name>_interval`.

    Raises:
        ValueError: the probabilities have another number of rows, fewer columns than classes, or a number that is not
            finite.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy and macro-F1 of class predictions, with bootstrap intervals.",
            citation="",
            inputs_description="predictions and references: class ids, one per text.",
            features=datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}),
        )

    def _compute(self, predictions, references, interval: bool = False, probabilities=None) -> dict:
        scores, references = {"accuracy": accuracy, "macro_f1": macro_f1}, np.asarray(references)
        results = with_intervals(scores, np.asarray(predictions), references, interval)
        if probabilities is None:
            return results
        return results | with_intervals({"auc": macro_auc}, *one_against_all(probabilities, references), interval)


def one_against_all(probabilities, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check probabilities (N, C) and classes (N,); return the columns to rank by, and 1 where a row has the class."""
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or len(probabilities) != len(references) or references.max() >= probabilities.shape[1]:
        raise ValueError(
            f"probabilities of shape {probabilities.shape} do not fit {len(references)} references up to class "
            f"{references.max()}; give a row per reference and a column per class"
        )
    if not np.isfinite(probabilities).all():
        row = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
        raise ValueError(f"row {row} of the probabilities, {probabilities[row].tolist()}, is not finite")
    occurs = np.eye(probabilities.shape[1])[references]
    if probabilities.shape[1] == 2:
        return probabilities[:, 1:], occurs[:, 1:]
    return probabilities, occurs


class MultiLabelMetrics(evaluate.Metric):
    """Scores of label sets, rows of 0 and 1: `MultiLabelMetrics().compute(predictions=…, references=…)`.

    `macro_f1` is the mean of the F1 scores of all labels, 0 for a label that never occurs and is never predicted;
    `micro_f1` counts all decisions together; `accuracy` is the share of texts whose labels are all right.
    With `interval=True` it adds 95 % bootstrap intervals.
    """

    def _info(self) -> evaluate.MetricInfo:
        rows = datasets.List(datasets.Value("int32"))
        return evaluate.MetricInfo(
            description="Accuracy, macro-F1 and micro-F1 of sets of labels, with bootstrap intervals.",
            citation="",
            inputs_description="predictions and references: a row of 0 and 1 per text.",
            features=datasets.Features({"predictions": rows, "references": rows}),
        )

    def _compute(self, predictions, references, interval: bool = False) -> dict:
        scores = {"accuracy": accuracy, "macro_f1": _f1_of("macro"), "micro_f1": _f1_of("micro")}
        return with_intervals(scores, np.asarray(predictions), np.asarray(references), interval)


def _f1_of(average: str):
    """A score of label sets, (N, C) of 0 and 1."""

    def score(predictions, references, sample_weight=None) -> float:
        return float(f1_score(references, predictions, average=average, sample_weight=sample_weight, zero_division=0.0))

    return score


def with_intervals(scores: dict, predictions: np.ndarray, references: np.ndarray, interval: bool) -> dict:
    """Compute scores, name → function, and with `interval` their bootstrap intervals as `<name>_interval`."""
    results: dict = {}
    for name, score in scores.items():
        results[name] = score(predictions, references)
        if interval:
            results[f"{name}_interval"] = bootstrap_interval(score, predictions, references)
    return results


def average_by_text(
    logits: np.ndarray, window_to_text: list[int], problem_type: str = "single_label_classification"
) -> np.ndarray:
    """Average the probabilities, or for regression the predicted numbers, of each text's windows.

    Args:
        logits: (windows, C).
        window_to_text: for each window the index of its text, from 0; every text has at least one window.
        problem_type: of the model's configuration; it selects softmax, sigmoid or nothing.

    Returns:
        (texts, C) probabilities or numbers.
    """
    values = logits
    if problem_type == "multi_label_classification":
        values = expit(logits)
    elif problem_type != "regression":
        values = softmax(logits, axis=-1)
    totals = np.zeros((max(window_to_text) + 1, logits.shape[-1]))
    np.add.at(totals, window_to_text, values)
    return totals / np.bincount(window_to_text)[:, None]


def describe_scores(results: dict) -> dict[str, str]:
    """Format the scores of a test: 'accuracy, single pass' → '87.2% (95 % interval 86.8% to 87.6%)' and so on.

    Args:
        results: "single_pass", "window_average" or both → what a metric computed, with intervals. Scores of numbers
            (`RegressionMetrics`) are not written as percentages.
    """
    text = {}
    for way in ("single_pass", "window_average"):
        scores = results.get(way, {})
        for name in (name for name in scores if f"{name}_interval" in scores):
            form = ".1%" if name in ("accuracy", "macro_f1", "micro_f1", "auc") else ".4g"
            low, high = scores[f"{name}_interval"]
            shown = f"{scores[name]:{form}} (95 % interval {low:{form}} to {high:{form}})"
            text[f"{name}, {way.replace('_', ' ')}"] = shown
    return text

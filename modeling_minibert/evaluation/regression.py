"""Scores of predicted numbers with bootstrap intervals: an `evaluate` metric over scipy and scikit-learn."""

import datasets
import evaluate
import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_squared_error

from .classification import with_intervals


def mse(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the mean squared error."""
    return float(mean_squared_error(references, predictions, sample_weight=sample_weight))


def pearson(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return Pearson's correlation; 0 where one side is constant, so that it is not defined."""
    return _correlation(pearsonr, predictions, references, sample_weight)


def spearman(predictions: np.ndarray, references: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return Spearman's correlation, that of the ranks; 0 where one side is constant, so that it is not defined."""
    return _correlation(spearmanr, predictions, references, sample_weight)


def _correlation(function, predictions, references, sample_weight) -> float:
    if sample_weight is not None:  # the number of times each row was drawn
        predictions, references = (np.repeat(values, sample_weight) for values in (predictions, references))
    if np.ptp(predictions) == 0 or np.ptp(references) == 0:
        return 0.0
    return float(function(predictions, references).statistic)


class RegressionMetrics(evaluate.Metric):
    """Mean squared error and correlations: `RegressionMetrics().compute(predictions=…, references=…)`.

    With `interval=True` it adds `mse_interval`, `pearson_interval` and `spearman_interval`, 95 % bootstrap intervals.
    """

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description="Mean squared error, Pearson's and Spearman's correlation, with bootstrap intervals.",
            citation="",
            inputs_description="predictions and references: a number per text.",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions, references, interval: bool = False) -> dict:
        scores = {"mse": mse, "pearson": pearson, "spearman": spearman}
        return with_intervals(scores, np.asarray(predictions), np.asarray(references), interval)

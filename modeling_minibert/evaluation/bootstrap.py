"""Bootstrap confidence interval of a score: resample the test set with replacement, and score each sample.

Source: Efron and Tibshirani 1993, chapter 13 (percentile interval).
"""

from collections.abc import Callable

import numpy as np


def bootstrap_interval(
    score: Callable[..., float],
    predictions: np.ndarray,
    references: np.ndarray,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval (low, high) of the middle `confidence` share of the scores of resampled test sets.

    It estimates the variation between test sets of this size, not between training runs; use several seeds for that.

    Args:
        score: takes predictions, references and, like scikit-learn's scores, `sample_weight`: the number of times each
            row was drawn.
        predictions, references: (N,), or (N, C) for sets of labels, in the same order.
        draws: number of resampled test sets.
        confidence: 0 to 1.
        seed: for the draws.

    Raises:
        ValueError: different lengths, or nothing to score.
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    if len(predictions) != len(references) or len(references) == 0:
        raise ValueError(
            f"got {len(predictions)} predictions for {len(references)} references; give the same number, at least 1"
        )
    # Equal rows are interchangeable, and a classifier has few distinct ones: drawing their counts is faster.
    rows, counts = np.unique(np.stack([predictions, references], axis=1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=draws)
    rows = rows.swapaxes(0, 1)
    scores = [score(*rows[:, weights > 0], sample_weight=weights[weights > 0]) for weights in drawn]
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(scores, [tail, 100 - tail])
    return float(low), float(high)

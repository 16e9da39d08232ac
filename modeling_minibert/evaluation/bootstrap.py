"""How sure is a score? The bootstrap interval: draw the test set anew, with replacement, and score each draw.

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
    """The interval that holds the middle `confidence` share of the scores of `draws` resampled test sets.

    It answers "how would another test set of this size score?"; that another training run would score differently
    it does not know: train with several seeds for that.

    Args:
        score: takes predictions, references and, as scikit-learn's scores do, `sample_weight`: how often each row
            was drawn.
        predictions, references: (N,), row i of one belongs to row i of the other.
        draws: number of resampled test sets.
        confidence: 0 to 1.
        seed: of the draws.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: different lengths, or nothing to score.
    """
    predictions, references = np.asarray(predictions), np.asarray(references)
    if len(predictions) != len(references) or len(references) == 0:
        raise ValueError(
            f"got {len(predictions)} predictions for {len(references)} references; both need the same, not 0"
        )
    # Equal rows are interchangeable: a draw is how often each kind of row came up. A classifier has few kinds.
    rows, counts = np.unique(np.stack([predictions, references], axis=1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=draws)
    scores = [score(*rows[weights > 0].T, sample_weight=weights[weights > 0]) for weights in drawn]
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(scores, [tail, 100 - tail])
    return float(low), float(high)

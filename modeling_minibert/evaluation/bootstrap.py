"""How sure is a score? The bootstrap interval: draw the test set anew, with replacement, and score each draw.

Source: Efron and Tibshirani 1993, chapter 13 (percentile interval).
"""

from collections.abc import Callable

import numpy as np


def bootstrap_interval(
    score: Callable[[np.ndarray, np.ndarray], float],
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
        score: takes predictions and references (N,) and returns a number.
        predictions, references: (N,) or (N, …), row i of one belongs to row i of the other.
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
    generator = np.random.default_rng(seed)
    scores = []
    for _ in range(draws):
        rows = generator.integers(len(references), size=len(references))
        scores.append(score(predictions[rows], references[rows]))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(scores, [tail, 100 - tail])
    return float(low), float(high)

"""The best answer spans of one window of text, from the start and end scores of its tokens.

A question-answering model scores every token twice: as the first and as the last token of the answer. Taking the two
largest scores apart from each other, as one often sees it, gives answers that end before they start or that lie in the
question. `best_answer_spans` takes the pairs of largest sum among those that can be an answer (Devlin et al. 2018,
section 4.2: "the maximum scoring span where j >= i is used as a prediction"). It is used after fine-tuning
(`evaluation/question_answering.py`) and in the pipeline, and travels with saved models; it needs NumPy alone.
"""

from typing import NamedTuple

import numpy as np


class AnswerSpan(NamedTuple):
    """An answer from token `start` to token `end`, both included; `score` is the sum of the two tokens' scores."""

    start: int
    end: int
    score: float


def best_answer_spans(
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    allowed: np.ndarray,
    top_k: int = 1,
    max_answer_length: int = 30,
) -> list[AnswerSpan]:
    """The `top_k` spans of largest sum, best first; of equal sums the one that starts, then ends, earlier is first.

    Args:
        start_logits: (L,) the score of each token as first of the answer; logits or log-probabilities.
        end_logits: (L,) the score of each token as last of the answer.
        allowed: (L,) true at the tokens that an answer may start and end at: those of the context.
        top_k: how many spans to return, at least 1.
        max_answer_length: how many tokens an answer may have, at least 1.

    Returns:
        At most `top_k` spans with start ≤ end; fewer where fewer are possible, none where no token is allowed. A span
        whose sum is −inf is not possible.

    Raises:
        ValueError: the three arrays are not of one length in one dimension, a score is NaN or +inf, or `top_k` or
            `max_answer_length` is below 1.
    """
    start_logits, end_logits = np.asarray(start_logits, np.float64), np.asarray(end_logits, np.float64)
    allowed = np.asarray(allowed, bool)
    _check(start_logits, end_logits, allowed, top_k, max_answer_length)
    first, last = np.where(allowed, start_logits, -np.inf), np.where(allowed, end_logits, -np.inf)
    width = min(max_answer_length, len(last))
    if width == 0:
        return []
    # sums[i, k] is the span of k + 1 tokens from token i: L · width sums instead of the L² of all pairs.
    last = np.concatenate([last, np.full(width - 1, -np.inf)])
    sums = (first[:, None] + np.lib.stride_tricks.sliding_window_view(last, width)).ravel()
    top_k = min(top_k, int(np.count_nonzero(sums > -np.inf)))
    if top_k == 0:
        return []
    worst = np.partition(sums, len(sums) - top_k)[len(sums) - top_k]
    candidates = np.flatnonzero(sums >= worst)  # more than top_k where several spans have the worst sum
    order = candidates[np.argsort(-sums[candidates], kind="stable")[:top_k]]
    return [AnswerSpan(int(at // width), int(at // width + at % width), float(sums[at])) for at in order]


def _check(start_logits, end_logits, allowed, top_k, max_answer_length) -> None:
    """Validate the scores, and the two limits."""
    shapes = [array.shape for array in (start_logits, end_logits, allowed)]
    if start_logits.ndim != 1 or len(set(shapes)) > 1:
        raise ValueError(
            f"start_logits, end_logits and allowed have the shapes {shapes[0]}, {shapes[1]} and {shapes[2]}; all three "
            f"must be (L,), of one window at a time"
        )
    for name, value in (("top_k", top_k), ("max_answer_length", max_answer_length)):
        if value < 1:
            raise ValueError(f"{name} is {value}, must be at least 1")
    for name, scores in (("start_logits", start_logits), ("end_logits", end_logits)):
        wrong = np.isnan(scores) | (scores == np.inf)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"{name} is {scores[at]} at token {at}; a score is a finite number, or -inf to forbid it")

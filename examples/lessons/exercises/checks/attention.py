"""Check exercise 1 against torch's attention."""

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from .common import WrongAnswerError, compare_with


def _random(*shapes, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.normal(size=shape) for shape in shapes]


def _attend(student, *arrays):
    """Call the student's function and check that it returns a pair; overflow is left to its check."""
    with np.errstate(all="ignore"):
        found = student.attention(*arrays)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise WrongAnswerError("return two arrays: return output, weights")
    return found


def _softmax(scores):
    return torch.tensor(scores).softmax(dim=-1).numpy()


def _right_attention(query, key, value, mask=None):
    """Compute output and weights with torch; the weights are the output for the identity as values."""
    query, key, value = map(torch.tensor, (query, key, value))
    mask = None if mask is None else torch.tensor(mask)
    one = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-2], -1, -1)
    return [scaled_dot_product_attention(query, key, values, mask).numpy() for values in (value, one)]


def _check_sums(weights):
    """Raise a `WrongAnswerError` if the softmax does not run over the keys; the hint says over what it runs."""
    rows, columns = weights.sum(axis=-1), weights.sum(axis=-2)
    if np.allclose(rows, 1.0):
        return
    if np.allclose(columns, 1.0):
        raise WrongAnswerError("weights: the softmax runs over the queries; it has to run over the keys (axis=-1)")
    if np.allclose(weights.sum(), 1.0):
        raise WrongAnswerError("weights: the softmax runs over the whole matrix; use axis=-1 and keepdims=True")
    raise WrongAnswerError(f"weights: the rows sum to {rows.round(2)}; is there a softmax? Each has to sum to 1")


def check_weights(student):
    """The weights are softmax(query · keyᵀ / √D), over the keys"""
    query, key, value = _random((3, 4), (5, 4), (5, 6))
    weights, scores = _attend(student, query, key, value)[1], query @ key.T
    _check_sums(weights)
    mistakes = {
        "the scores are not scaled; divide them by √D, where D is the size of a key": _softmax(scores),
        "divide the scores by √D, not by D": _softmax(scores / 4),
        "√D is taken of the wrong axis: D is the last axis of the key, 4 here, not its 5 rows": _softmax(
            scores / np.sqrt(5)
        ),
    }
    compare_with("weights", weights, _right_attention(query, key, value)[1], mistakes)


def check_output(student):
    """The output is weights · value"""
    query, key, value = _random((3, 4), (5, 4), (5, 6))
    compare_with("output", _attend(student, query, key, value)[0], _right_attention(query, key, value)[0], {})


def check_batches(student):
    """It works with a batch and heads in front"""
    arrays = _random((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7))
    hint = "; key.T turns all axes round, np.swapaxes(key, -2, -1) the last two. Softmax: axis=-1"
    try:
        output, weights = _attend(student, *arrays)
        for what, found, right in zip(("output", "weights"), (output, weights), _right_attention(*arrays), strict=True):
            compare_with(f"{what} for arrays with four axes", found, right, {})
    except (WrongAnswerError, ValueError) as error:
        raise WrongAnswerError(f"{error}{hint}") from error


def check_mask(student):
    """Keys that are masked get no weight"""
    query, key, value = _random((4, 3), (4, 3), (4, 2))
    mask = np.tril(np.ones((4, 4), dtype=bool))
    scores = query @ key.T / np.sqrt(3)
    compare_with("weights with a mask", _attend(student, query, key, value, mask)[1],
                 _right_attention(query, key, value, mask)[1], {
        "the mask is not used": _softmax(scores),
        "the weights are set to 0 after the softmax, so that the rows no longer sum to 1; mask the scores before it":
            _softmax(scores) * mask,
        "the scores are set to 0, which still is a weight of exp(0); set them to a very negative number":
            _softmax(np.where(mask, scores, 0.0)),
    })  # fmt: skip


def check_large_scores(student):
    """Large scores do not overflow"""
    query, key, value = (100 * array for array in _random((3, 4), (5, 4), (5, 6)))
    weights = _attend(student, query, key, value)[1]
    if not np.isfinite(weights).all():
        raise WrongAnswerError(
            "exp of a large score is inf, and inf / inf is nan; subtract the largest score of each row first"
        )
    compare_with("weights for large scores", weights, _right_attention(query, key, value)[1], {})

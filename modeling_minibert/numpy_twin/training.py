"""Training in NumPy: the loss, one step of SGD and one of AdamW.

`loss_and_gradients` is a forward and a backward pass; `sgd_step` and `adamw_step` give new parameters and leave the old
ones as they were. Every parameter that has a gradient is changed: the three share their names.

Sources: Robbins and Monro 1951 (SGD), Loshchilov and Hutter 2019 (AdamW); both as in `torch.optim`.
"""

import math

import numpy as np

from .encoder import model_backward, model_forward

IGNORE_INDEX = -100  # the label of a position where no prediction is asked


def cross_entropy_forward(logits, labels):
    """Mean of -log softmax(logits)[label] over the positions that have a label.

    Args:
        logits: (…, C).
        labels: (…), class ids; -100 is left out.

    Returns:
        The loss, 0 where no position has a label, and the cache.

    Raises:
        ValueError: a label outside 0 … C - 1.
    """
    classes = logits.shape[-1]
    rows, labels = logits.reshape(-1, classes), labels.reshape(-1)
    asked = np.flatnonzero(labels != IGNORE_INDEX)
    wrong = [label for label in labels[asked] if not 0 <= label < classes]
    if wrong:
        raise ValueError(f"label {wrong[0]} is out of range: there are {classes} classes (0 to {classes - 1})")
    # log softmax from the logits: the softmax of an unlikely class may be 0, and its logarithm -inf.
    shifted = rows - rows.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    count = max(len(asked), 1)
    loss = -log_probabilities[asked, labels[asked]].sum() / count
    return loss, (log_probabilities, asked, labels, count, logits.shape)


def cross_entropy_backward(dloss, cache):
    """dlogits (…, C): (softmax - one-hot) / number of labels, 0 where there is no label.

    -log softmax(x)[y] = log Σ exp(x) - x[y]; the first term has the gradient softmax(x), the second the one-hot of y.
    """
    log_probabilities, asked, labels, count, shape = cache
    dlogits = np.zeros_like(log_probabilities)
    dlogits[asked] = np.exp(log_probabilities[asked])
    dlogits[asked, labels[asked]] -= 1.0
    return (dloss * dlogits / count).reshape(shape)


def loss_and_gradients(params, config, batch, labels, rng=None):
    """Forward, loss and backward, as `loss.backward()` does.

    Args:
        params, config, rng: as for `model_forward`.
        batch: "input_ids" (B, L), and "attention_mask", "token_type_ids" where there are any.
        labels: by head: "classifier" (B,), "mlm_head" (B, L), "nsp_head" (B,). The loss is the sum over them.

    Returns:
        The loss, and {name: gradient} of every parameter that it reaches.
    """
    logits, cache = model_forward(params, config, **batch, rng=rng)
    total, dlogits = 0.0, {}
    for head, wanted in labels.items():
        loss, loss_cache = cross_entropy_forward(logits[head], wanted)
        total, dlogits[head] = total + loss, cross_entropy_backward(1.0, loss_cache)
    return total, model_backward(dlogits, cache)


def sgd_step(params, grads, learning_rate):
    """parameter - learning_rate · gradient; what has no gradient stays. Gives the new parameters."""
    return {name: value - learning_rate * grads[name] if name in grads else value for name, value in params.items()}


def adamw_step(params, grads, state, learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """One step of AdamW: the running mean of the gradient over the root of that of its square.

    Args:
        state: {} before the first step, then what the last step gave back.
        betas: how much of the two running means each step keeps.
        weight_decay: the share of each parameter taken away, times the learning rate.

    Returns:
        The new parameters and the new state.
    """
    updated, new_state = dict(params), dict(state)
    for name, grad in grads.items():
        step, mean, square = state.get(name, (0, 0.0, 0.0))
        step, mean, square = (
            step + 1,
            betas[0] * mean + (1 - betas[0]) * grad,
            betas[1] * square + (1 - betas[1]) * grad**2,
        )
        new_state[name] = (step, mean, square)
        # Both means began at 0 and are still too small; the corrections undo that.
        mean_correction, square_correction = 1 - betas[0] ** step, 1 - betas[1] ** step
        update = mean / mean_correction / (np.sqrt(square) / math.sqrt(square_correction) + eps)
        updated[name] = params[name] * (1 - learning_rate * weight_decay) - learning_rate * update
    return updated, new_state

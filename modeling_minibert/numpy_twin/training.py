"""Training in NumPy: cross-entropy, gradients, and one step of SGD or AdamW.

`loss_and_gradients` runs a forward and a backward pass. `sgd_step` and `adamw_step` return new parameters and keep the
old ones unchanged. Parameters, gradients and optimizer state share their names.

Sources: Robbins and Monro 1951 (SGD), Loshchilov and Hutter 2019 (AdamW); both as in `torch.optim`.
"""

import math

import numpy as np

from .encoder import model_backward, model_forward

IGNORE_INDEX = -100  # the label of positions without a prediction


def cross_entropy_forward(logits, labels):
    """Mean of -log softmax(logits)[label] over the positions that have a label.

    Args:
        logits: (…, C).
        labels: (…), class ids; -100 is ignored.

    Returns:
        The loss (0 without labels) and the cache.

    Raises:
        ValueError: a label is out of range.
    """
    classes = logits.shape[-1]
    rows, labels = logits.reshape(-1, classes), labels.reshape(-1)
    labelled = np.flatnonzero(labels != IGNORE_INDEX)
    wrong = [label for label in labels[labelled] if not 0 <= label < classes]
    if wrong:
        raise ValueError(f"label {wrong[0]} is out of range: there are {classes} classes (0 to {classes - 1})")
    # Computed from the logits, because the softmax of an unlikely class may underflow to 0.
    shifted = rows - rows.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    count = max(len(labelled), 1)
    loss = -log_probabilities[labelled, labels[labelled]].sum() / count
    return loss, (log_probabilities, labelled, labels, count, logits.shape)


def cross_entropy_backward(dloss, cache):
    """dlogits (…, C): (softmax - one-hot) / number of labels, 0 for ignored positions.

    -log softmax(x)[y] = log Σ exp(x) - x[y]: the first term has the gradient softmax(x), the second minus one-hot(y).
    """
    log_probabilities, labelled, labels, count, shape = cache
    dlogits = np.zeros_like(log_probabilities)
    dlogits[labelled] = np.exp(log_probabilities[labelled])
    dlogits[labelled, labels[labelled]] -= 1.0
    return (dloss * dlogits / count).reshape(shape)


def loss_and_gradients(params, config, batch, labels, rng=None):
    """Run the forward pass, sum the losses of the heads, and run the backward pass.

    Args:
        params, config, rng: as in `model_forward`.
        batch: "input_ids" (B, L), and optionally "attention_mask" and "token_type_ids".
        labels: {head: labels}, "classifier" (B,), "mlm_head" (B, L), "nsp_head" (B,).

    Returns:
        The loss, and {name: gradient} of every parameter with a gradient.
    """
    logits, cache = model_forward(params, config, **batch, rng=rng)
    total, dlogits = 0.0, {}
    for head, wanted in labels.items():
        loss, loss_cache = cross_entropy_forward(logits[head], wanted)
        total, dlogits[head] = total + loss, cross_entropy_backward(1.0, loss_cache)
    return total, model_backward(dlogits, cache)


def sgd_step(params, grads, learning_rate):
    """Return parameter - learning_rate · gradient for all parameters with a gradient, the others unchanged."""
    return {name: value - learning_rate * grads[name] if name in grads else value for name, value in params.items()}


def adamw_step(params, grads, state, learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Take one step of AdamW: the running mean of the gradient, divided by the root of that of its square.

    Args:
        state: {} before the first step, then the state that the last step returned.
        betas: decay rates of the two running means.
        weight_decay: factor of the parameter in the update, as in `torch.optim.AdamW`.

    Returns:
        The new parameters and the new state.
    """
    updated, new_state = dict(params), dict(state)
    for name, grad in grads.items():
        step, mean, square = state.get(name, (0, 0.0, 0.0))
        mean = betas[0] * mean + (1 - betas[0]) * grad
        square = betas[1] * square + (1 - betas[1]) * grad**2
        step += 1
        new_state[name] = (step, mean, square)
        # Both means start at 0, so they are too small at first; this corrects them.
        mean_correction, square_correction = 1 - betas[0] ** step, 1 - betas[1] ** step
        update = mean / mean_correction / (np.sqrt(square) / math.sqrt(square_correction) + eps)
        updated[name] = params[name] * (1 - learning_rate * weight_decay) - learning_rate * update
    return updated, new_state

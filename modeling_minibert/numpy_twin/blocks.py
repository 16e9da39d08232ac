"""The operations of a Transformer in NumPy, forward and backward, with gradients derived by hand.

Every operation is a pair of functions. `<name>_forward` returns its output and a `cache` for the backward pass.
`<name>_backward(dout, cache)` takes the gradient of the loss with respect to the output, and returns the gradients of
the inputs, in their order. Names of gradients begin with d. There is no other state, and inputs are not modified.

Read `linear`, `layer_norm`, `softmax`, then `scaled_dot_product_attention`, which is made of the first and the third.

Letters: B batch, L query length, S key length, H heads, D head size, E features in, M features out.

Sources: Vaswani et al. 2017 (attention), Ba et al. 2016 (layer norm), Zhang and Sennrich 2019 (RMS norm), Hendrycks and
Gimpel 2016 (GELU), Srivastava et al. 2014 (dropout).
"""

import math

import numpy as np


def linear_forward(x, weight, bias=None):
    """x · weightᵀ + bias: x (…, E), weight (M, E) as torch stores it, bias (M,) or None; gives (…, M)."""
    out = x @ weight.T
    return out if bias is None else out + bias, (x, weight, bias is not None)


def linear_backward(dout, cache):
    """dx (…, E), dweight (M, E), dbias (M,) or None.

    All rows of the batch share the weight and the bias, so their gradients are sums over the rows.
    """
    x, weight, has_bias = cache
    rows, drows = x.reshape(-1, x.shape[-1]), dout.reshape(-1, dout.shape[-1])
    return dout @ weight, drows.T @ rows, drows.sum(axis=0) if has_bias else None


def embedding_forward(ids, weight):
    """Look up the rows ids (…) of the table weight (V, E): gives (…, E).

    Raises:
        ValueError: an id is not a row of the table.
    """
    if ids.size and (ids.min() < 0 or ids.max() >= len(weight)):
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise ValueError(f"id {wrong} is out of range: this table has the rows 0 to {len(weight) - 1}")
    return weight[ids], (ids, weight)


def embedding_backward(dout, cache):
    """dweight (V, E): the gradient of each row, summed over the occurrences of its id.

    `dweight[ids] += dout` would count a repeated id once.
    """
    ids, weight = cache
    dweight = np.zeros_like(weight)
    np.add.at(dweight, ids, dout)
    return dweight


def layer_norm_forward(x, weight, bias, eps):
    """(x - mean) / √(variance + eps) · weight + bias, for each token; x (…, E), weight and bias (E,)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    # As in torch: the biased variance (divided by E), and eps inside the root.
    inverse_std = 1.0 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)  # (…, 1)
    normed = centred * inverse_std
    return normed * weight + bias, (normed, inverse_std, weight)


def layer_norm_backward(dout, cache):
    """dx (…, E), dweight (E,), dbias (E,).

    With n the normed vector, ∂nᵢ/∂xⱼ = (δᵢⱼ - 1/E - nᵢnⱼ/E) / std: 1/E because xⱼ moves the mean, nᵢnⱼ/E because it
    moves the standard deviation. So dx sums to 0 over the features, and so does dx · n (but for eps).
    """
    normed, inverse_std, weight = cache
    dnormed = dout * weight
    along_ones = dnormed.mean(axis=-1, keepdims=True)
    along_normed = normed * (dnormed * normed).mean(axis=-1, keepdims=True)
    dx = inverse_std * (dnormed - along_ones - along_normed)
    return dx, _sum_of_rows(dout * normed), _sum_of_rows(dout)


def rms_norm_forward(x, weight, eps):
    """x / √(mean(x²) + eps) · weight: a layer norm without mean and bias; x (…, E), weight (E,)."""
    inverse_rms = 1.0 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)
    normed = x * inverse_rms
    return normed * weight, (normed, inverse_rms, weight)


def rms_norm_backward(dout, cache):
    """dx (…, E), dweight (E,): as in `layer_norm_backward`, without the term of the mean."""
    normed, inverse_rms, weight = cache
    dnormed = dout * weight
    dx = inverse_rms * (dnormed - normed * (dnormed * normed).mean(axis=-1, keepdims=True))
    return dx, _sum_of_rows(dout * normed)


def _sum_of_rows(x):
    return x.reshape(-1, x.shape[-1]).sum(axis=0)


def softmax_forward(x):
    """exp(x) / sum of exp(x), along the last axis; x (…, S).

    The largest entry is subtracted first, so that exp cannot overflow; the ratio stays the same.
    """
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    weights = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return weights, weights


def softmax_backward(dweights, weights):
    """dx (…, S).

    The Jacobian is ∂wᵢ/∂xⱼ = wᵢ(δᵢⱼ - wⱼ). Its product with dw is wⱼ(dwⱼ - Σᵢ dwᵢwᵢ), which needs no S × S matrix.
    """
    return weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))


def dropout_forward(x, probability, rng):
    """Set entries to 0 with this probability, and scale the others to keep the mean; x of any shape.

    Args:
        rng: a `np.random.Generator` in training; None in evaluation, without dropout.
    """
    if rng is None or probability == 0.0:
        return x, None
    keep = ((rng.random(x.shape) >= probability) / (1.0 - probability)).astype(x.dtype)
    return x * keep, keep


def dropout_backward(dout, keep):
    """dx, 0 for dropped entries."""
    return dout if keep is None else dout * keep


_erf = np.vectorize(math.erf, otypes=[float])  # NumPy has none


def gelu_forward(x):
    """x · Φ(x), with Φ the normal distribution function; BERT's activation."""
    probability = (0.5 * (1.0 + _erf(x / math.sqrt(2.0)))).astype(x.dtype)
    return x * probability, (x, probability)


def gelu_backward(dout, cache):
    """dx by the product rule, Φ(x) + x · φ(x), with the normal density φ = Φ'."""
    x, probability = cache
    return dout * (probability + x * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi))


def gelu_tanh_forward(x):
    """½x(1 + tanh u) with u = √(2/π)(x + 0.044715x³): GPT-2's approximation of GELU, with an error up to 4.7e-4."""
    tanh = np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * (1.0 + tanh), (x, tanh)


def gelu_tanh_backward(dout, cache):
    """dx: ½(1 + tanh u) + ½x(1 - tanh² u) · du/dx."""
    x, tanh = cache
    du = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * x**2)
    return dout * 0.5 * (1.0 + tanh + x * (1.0 - tanh**2) * du)


def relu_forward(x):
    """max(x, 0)."""
    return np.maximum(x, 0.0), x > 0.0


def relu_backward(dout, positive):
    """dx: dout if x was positive, else 0."""
    return dout * positive


def silu_forward(x):
    """x · sigmoid(x)."""
    sigmoid = 0.5 * (1.0 + np.tanh(0.5 * x))  # cannot overflow, unlike 1 / (1 + exp(-x))
    return x * sigmoid, (x, sigmoid)


def silu_backward(dout, cache):
    """dx by the product rule, with sigmoid' = sigmoid(1 - sigmoid)."""
    x, sigmoid = cache
    return dout * sigmoid * (1.0 + x * (1.0 - sigmoid))


def tanh_forward(x):
    """tanh(x)."""
    tanh = np.tanh(x)
    return tanh, tanh


def tanh_backward(dout, tanh):
    """dx: 1 - tanh²."""
    return dout * (1.0 - tanh**2)


# The choices of `config.hidden_act`.
ACTIVATIONS = {
    "gelu": (gelu_forward, gelu_backward),
    "gelu_new": (gelu_tanh_forward, gelu_tanh_backward),
    "gelu_pytorch_tanh": (gelu_tanh_forward, gelu_tanh_backward),
    "relu": (relu_forward, relu_backward),
    "silu": (silu_forward, silu_backward),
    "tanh": (tanh_forward, tanh_backward),
}


def scaled_dot_product_attention_forward(query, key, value, mask=None, dropout=0.0, rng=None, scaling=None):
    """softmax(query · keyᵀ / √D) · value, Vaswani et al. 2017, eq. 1.

    Args:
        query: (…, L, D).
        key, value: (…, S, D); the D of the values may differ.
        mask: bool, broadcastable to (…, L, S); True where attention is allowed.
        dropout, rng: of the weights, see `dropout_forward`.
        scaling: factor of the scores; 1 / √D by default.

    Returns:
        The mixed values (…, L, D), and the cache, whose first entry has the weights (…, L, S) before dropout.
    """
    scaling = 1.0 / math.sqrt(query.shape[-1]) if scaling is None else scaling
    scores = query @ key.swapaxes(-2, -1) * scaling  # (…, L, S)
    if mask is not None:
        scores = np.where(mask, scores, np.finfo(scores.dtype).min)
    weights, _ = softmax_forward(scores)
    if mask is not None:
        weights = np.where(mask, weights, 0.0)  # zeros in rows without an allowed key
    kept, keep = dropout_forward(weights, dropout, rng)
    return kept @ value, (weights, kept, keep, query, key, value, scaling)


def scaled_dot_product_attention_backward(dout, cache):
    """dquery (…, L, D), dkey and dvalue (…, S, D). Masked places have weight 0, and so gradient 0."""
    weights, kept, keep, query, key, value, scaling = cache
    # out = kept · value
    dkept, dvalue = dout @ value.swapaxes(-2, -1), kept.swapaxes(-2, -1) @ dout
    dscores = softmax_backward(dropout_backward(dkept, keep), weights)
    # scores = query · keyᵀ · scaling
    return dscores @ key * scaling, dscores.swapaxes(-2, -1) @ query * scaling, dvalue


def mean_pooling_forward(x, real):
    """The mean over the real tokens: x (B, L, E) and real (B, L), 1 or 0, give (B, E); zeros without real tokens."""
    real = real.astype(x.dtype)[:, :, None]
    shares = real / np.maximum(real.sum(axis=1, keepdims=True), 1.0)  # (B, L, 1)
    return (x * shares).sum(axis=1), shares


def mean_pooling_backward(dout, shares):
    """dx (B, L, E)."""
    return dout[:, None] * shares


def max_pooling_forward(x, real):
    """The maximum of each feature over the real tokens: (B, L, E) and (B, L) give (B, E); zeros without any."""
    real = real.astype(bool)[:, :, None]
    largest = np.where(real, x, np.finfo(x.dtype).min).max(axis=1)
    is_largest = (x == largest[:, None]) & real  # (B, L, E)
    return np.where(real.any(axis=1), largest, 0.0), is_largest


def max_pooling_backward(dout, is_largest):
    """dx (B, L, E): the gradient goes to the largest token, divided equally among ties, as in torch."""
    equals = np.maximum(is_largest.sum(axis=1, keepdims=True), 1).astype(dout.dtype)
    return dout[:, None] * is_largest / equals


def attention_pooling_forward(x, real, query):
    """The mean over the real tokens, weighted by the softmax of x · query: (B, L, E), (B, L) and (E,) give (B, E)."""
    out, cache = scaled_dot_product_attention_forward(query[None, None], x, x, real.astype(bool)[:, None], scaling=1.0)
    return out[:, 0], cache


def attention_pooling_backward(dout, cache):
    """dx (B, L, E), summed over keys and values, and dquery (E,), summed over texts."""
    dquery, dkey, dvalue = scaled_dot_product_attention_backward(dout[:, None], cache)
    return dkey + dvalue, dquery.sum(axis=(0, 1))

"""The embeddings and the encoder layer in NumPy: attention, feed-forward, norms and residuals.

Each function takes `params`, its part of a torch `state_dict`, and returns gradients under the same names. Read
`layer_forward` first. Each `…_backward` follows its forward in reverse, line by line.

Letters: B batch, L length, E hidden size, H heads, D head size, M feed-forward width.

Source: Vaswani et al. 2017, section 3.
"""

import math

import numpy as np

from .blocks import (
    ACTIVATIONS,
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
    rms_norm_backward,
    rms_norm_forward,
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)


def part(params, module):
    """Select the entries of a module, without its prefix: `part(params, "layers.0")["attention.query.weight"]`."""
    return {name.removeprefix(f"{module}."): array for name, array in params.items() if name.startswith(f"{module}.")}


def join(parts):
    """Merge {module: {name: gradient}} or {module: (dweight, dbias)} into one prefixed dict; inverse of `part`."""
    grads = {}
    for module, own in parts.items():
        if not isinstance(own, dict):
            own = {name: grad for name, grad in zip(("weight", "bias"), own, strict=False) if grad is not None}
        grads |= {f"{module}.{name}": grad for name, grad in own.items()}
    return grads


def module_weights(params, module):
    """Return the weight and the bias of a module; None without a bias."""
    return params[f"{module}.weight"], params.get(f"{module}.bias")


def norm_forward(params, module, config, x):
    """Apply layer norm or RMS norm, by `config.norm_type`."""
    weight, bias = module_weights(params, module)
    if config.norm_type == "rmsnorm":
        return rms_norm_forward(x, weight, config.layer_norm_eps)
    return layer_norm_forward(x, weight, bias, config.layer_norm_eps)


def norm_backward(dout, config, cache):
    """dx, and the gradients (dweight, dbias) or (dweight,)."""
    backward = rms_norm_backward if config.norm_type == "rmsnorm" else layer_norm_backward
    dx, *grads = backward(dout, cache)
    return dx, grads


def sinusoidal_positions(num_positions, size):
    """Table of positions: [p, 2i] = sin(p / 10000^(2i / E)), [p, 2i + 1] = cos of the same (section 3.5).

    (num_positions, size), rounded to float32 like MiniBert's table; an odd size ends with a sine.
    """
    features = np.arange(size)
    angles = np.arange(num_positions)[:, None] / 10000.0 ** (2 * (features // 2) / size)
    return np.where(features % 2 == 0, np.sin(angles), np.cos(angles)).astype(np.float32)


def embeddings_forward(params, config, input_ids, token_type_ids=None, rng=None):
    """word + position + segment → norm → dropout: ids (B, L) give (B, L, E).

    Raises:
        ValueError: an id is out of range, there are more tokens than positions, or the positions are rotary.
    """
    length, positions = input_ids.shape[1], config.position_embedding_type
    if positions == "rotary":
        raise ValueError("position_embedding_type is 'rotary'; the NumPy twin has learned, sinusoidal and no positions")
    if positions != "none" and length > config.max_position_embeddings:
        raise ValueError(f"input is {length} tokens long but the model has {config.max_position_embeddings} positions")
    if rng is not None and config.word_dropout_prob:
        input_ids = np.where(rng.random(input_ids.shape) < config.word_dropout_prob, config.mask_token_id, input_ids)
    out, word_cache = embedding_forward(input_ids, params["word_embeddings.weight"])
    if config.scale_embedding:
        out = out * math.sqrt(config.hidden_size)
    position_cache = segment_cache = norm_cache = None
    if positions == "learned":
        vectors, position_cache = embedding_forward(np.arange(length), params["position_embeddings.weight"])
        out = out + vectors
    elif positions == "sinusoidal":
        out = out + sinusoidal_positions(length, config.hidden_size).astype(out.dtype)
    if config.type_vocab_size:
        segments = np.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        vectors, segment_cache = embedding_forward(segments, params["token_type_embeddings.weight"])
        out = out + vectors
    if config.embedding_norm:
        out, norm_cache = norm_forward(params, "norm", config, out)
    probability = config.embedding_dropout_prob
    out, keep = dropout_forward(out, config.hidden_dropout_prob if probability is None else probability, rng)
    return out, (config, word_cache, position_cache, segment_cache, norm_cache, keep)


def embeddings_backward(dout, cache):
    """The gradients of the tables and of the norm."""
    config, word_cache, position_cache, segment_cache, norm_cache, keep = cache
    parts = {}
    dout = dropout_backward(dout, keep)
    if norm_cache is not None:
        dout, parts["norm"] = norm_backward(dout, config, norm_cache)
    # Each term of a sum gets the same gradient.
    if segment_cache is not None:
        parts["token_type_embeddings"] = (embedding_backward(dout, segment_cache),)
    if position_cache is not None:
        parts["position_embeddings"] = (embedding_backward(dout.sum(axis=0), position_cache),)  # shared by all texts
    dwords = dout * math.sqrt(config.hidden_size) if config.scale_embedding else dout
    dtable = embedding_backward(dwords, word_cache)
    if config.pad_token_id is not None:
        dtable[config.pad_token_id] = 0.0  # as padding_idx in torch
    parts["word_embeddings"] = (dtable,)
    return join(parts)


def _split_heads(x, num_heads):
    return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)  # (B, L, H·D) → (B, H, L, D)


def _merge_heads(x):
    x = x.swapaxes(1, 2)
    return x.reshape(*x.shape[:2], -1)  # (B, H, L, D) → (B, L, H·D)


def attention_forward(params, config, x, mask=None, rng=None):
    """Multi-head attention (section 3.2.2): (B, L, E) → (B, L, E); mask (B, 1, 1, L) bool or None."""
    query, query_cache = linear_forward(x, *module_weights(params, "query"))
    key, key_cache = linear_forward(x, *module_weights(params, "key"))
    value, value_cache = linear_forward(x, *module_weights(params, "value"))
    heads = [_split_heads(projected, config.num_attention_heads) for projected in (query, key, value)]
    mixed, mixed_cache = scaled_dot_product_attention_forward(*heads, mask, config.attention_probs_dropout_prob, rng)
    out, output_cache = linear_forward(_merge_heads(mixed), *module_weights(params, "output"))
    out, keep = dropout_forward(out, config.hidden_dropout_prob, rng)
    return out, (config, query_cache, key_cache, value_cache, mixed_cache, output_cache, keep)


def attention_backward(dout, cache):
    """dx (B, L, E) and the gradients."""
    config, query_cache, key_cache, value_cache, mixed_cache, output_cache, keep = cache
    dmerged, *output = linear_backward(dropout_backward(dout, keep), output_cache)
    dheads = _split_heads(dmerged, config.num_attention_heads)
    dquery, dkey, dvalue = map(_merge_heads, scaled_dot_product_attention_backward(dheads, mixed_cache))
    dx_value, *value = linear_backward(dvalue, value_cache)
    dx_key, *key = linear_backward(dkey, key_cache)
    dx_query, *query = linear_backward(dquery, query_cache)
    # x has three uses, so its gradient is the sum of theirs.
    return dx_query + dx_key + dx_value, join({"query": query, "key": key, "value": value, "output": output})


def feed_forward_forward(params, config, x, rng=None):
    """down(activation(up(x))), for each token: (B, L, E) → (B, L, M) → (B, L, E)."""
    wide, up_cache = linear_forward(x, *module_weights(params, "up"))
    active, active_cache = ACTIVATIONS[config.hidden_act][0](wide)
    out, down_cache = linear_forward(active, *module_weights(params, "down"))
    out, keep = dropout_forward(out, config.hidden_dropout_prob, rng)
    return out, (config, up_cache, active_cache, down_cache, keep)


def feed_forward_backward(dout, cache):
    """dx (B, L, E) and the gradients."""
    config, up_cache, active_cache, down_cache, keep = cache
    dactive, *down = linear_backward(dropout_backward(dout, keep), down_cache)
    dwide = ACTIVATIONS[config.hidden_act][1](dactive, active_cache)
    dx, *up = linear_backward(dwide, up_cache)
    return dx, join({"up": up, "down": down})


def layer_forward(params, config, x, mask=None, rng=None):
    """Attention, then feed-forward, each with a residual sum and a norm: (B, L, E) → (B, L, E)."""
    attention, feed_forward = part(params, "attention"), part(params, "feed_forward")
    if config.norm_position == "pre":
        normed, norm1_cache = norm_forward(params, "attention_norm", config, x)
        mixed, attention_cache = attention_forward(attention, config, normed, mask, rng)
        x = x + mixed
        normed, norm2_cache = norm_forward(params, "feed_forward_norm", config, x)
        fed, feed_forward_cache = feed_forward_forward(feed_forward, config, normed, rng)
        return x + fed, (config, attention_cache, norm1_cache, feed_forward_cache, norm2_cache)
    mixed, attention_cache = attention_forward(attention, config, x, mask, rng)
    x, norm1_cache = norm_forward(params, "attention_norm", config, x + mixed)
    fed, feed_forward_cache = feed_forward_forward(feed_forward, config, x, rng)
    out, norm2_cache = norm_forward(params, "feed_forward_norm", config, x + fed)
    return out, (config, attention_cache, norm1_cache, feed_forward_cache, norm2_cache)


def layer_backward(dout, cache):
    """dx (B, L, E) and the gradients. Both terms of a residual sum get its gradient, so two paths add up in dx."""
    config, attention_cache, norm1_cache, feed_forward_cache, norm2_cache = cache
    if config.norm_position == "pre":
        dnormed, feed_forward = feed_forward_backward(dout, feed_forward_cache)
        dthrough, feed_forward_norm = norm_backward(dnormed, config, norm2_cache)
        dx = dout + dthrough  # not in place, because the caller may use dout
        dnormed, attention = attention_backward(dx, attention_cache)
        dthrough, attention_norm = norm_backward(dnormed, config, norm1_cache)
        dx = dx + dthrough
    else:
        dsum, feed_forward_norm = norm_backward(dout, config, norm2_cache)
        dthrough, feed_forward = feed_forward_backward(dsum, feed_forward_cache)
        dsum, attention_norm = norm_backward(dsum + dthrough, config, norm1_cache)
        dthrough, attention = attention_backward(dsum, attention_cache)
        dx = dsum + dthrough
    norms = {"attention_norm": attention_norm, "feed_forward_norm": feed_forward_norm}
    return dx, join({"attention": attention, "feed_forward": feed_forward, **norms})

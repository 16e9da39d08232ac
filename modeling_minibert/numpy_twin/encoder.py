"""The encoder and its heads in NumPy, forward and backward.

Outputs equal those of `modeling_minibert.py` up to rounding. `params` is a dict of arrays under the names of the torch
`state_dict`; gradients are returned under the same names. `config` is a `MiniBertConfig`, or an object with its fields.

Read `model_forward`, then `model_backward`. The lectures' five modules are

| lecture         | here                                                                                        |
|-----------------|---------------------------------------------------------------------------------------------|
| basic functions | `blocks.py`: `linear_forward`, `softmax_forward`, `layer_norm_forward`, …                   |
| embedding       | `layers.py`: `embeddings_forward`, `sinusoidal_positions`                                   |
| self-attention  | `layers.py`: `attention_forward`; the formula is `scaled_dot_product_attention_forward`     |
| feed-forward    | `layers.py`: `feed_forward_forward`                                                         |
| encoder layer   | `layers.py`: `layer_forward`; `encoder_forward` here stacks them                            |

A generator `rng` switches dropout on, as in training.

Letters: B batch, L length, E hidden size, V vocabulary, C classes.

Sources: Devlin et al. 2019 (BERT); rows S1-20, S2-12 and S2-13 of the lectures.
"""

import numpy as np

from .blocks import (
    ACTIVATIONS,
    attention_pooling_backward,
    attention_pooling_forward,
    dropout_backward,
    dropout_forward,
    linear_backward,
    linear_forward,
    max_pooling_backward,
    max_pooling_forward,
    mean_pooling_backward,
    mean_pooling_forward,
    tanh_backward,
    tanh_forward,
)
from .layers import (
    embeddings_backward,
    embeddings_forward,
    join,
    layer_backward,
    layer_forward,
    module_weights,
    norm_backward,
    norm_forward,
    part,
)

HEADS = ("classifier", "mlm_head", "nsp_head")
# Where `config.tie_word_embeddings` is set, these two are one matrix.
WORDS, DECODER = "minibert.embeddings.word_embeddings.weight", "mlm_head.decoder.weight"


def encoder_forward(params, config, input_ids, attention_mask=None, token_type_ids=None, rng=None):
    """Compute the token vectors, as `MiniBertModel` without its pooler.

    Args:
        params: those of a `MiniBertModel`.
        input_ids: (B, L).
        attention_mask: (B, L), 1 for real tokens, 0 for padding; all 1 by default.
        token_type_ids: (B, L), the segment of each token; all 0 by default.
        rng: a `np.random.Generator` for dropout, in training.

    Returns:
        The token vectors (B, L, E), and the cache.
    """
    mask = None if attention_mask is None else attention_mask.astype(bool)[:, None, None, :]
    x, embeddings_cache = embeddings_forward(part(params, "embeddings"), config, input_ids, token_type_ids, rng)
    layer_caches, norm_cache = [], None
    for index in range(config.num_hidden_layers):
        x, cache = layer_forward(part(params, f"layers.{index}"), config, x, mask, rng)
        layer_caches.append(cache)
    if config.norm_position == "pre":  # the last residual sum is not normalised yet
        x, norm_cache = norm_forward(params, "final_norm", config, x)
    return x, (config, embeddings_cache, layer_caches, norm_cache)


def encoder_backward(dout, cache):
    """The gradients of the encoder's parameters."""
    config, embeddings_cache, layer_caches, norm_cache = cache
    parts = {}
    if norm_cache is not None:
        dout, parts["final_norm"] = norm_backward(dout, config, norm_cache)
    for index, layer_cache in reversed(list(enumerate(layer_caches))):
        dout, parts[f"layers.{index}"] = layer_backward(dout, layer_cache)
    parts["embeddings"] = embeddings_backward(dout, embeddings_cache)
    return join(parts)


def pooler_forward(params, config, x, attention_mask=None):
    """Pool the token vectors by `config.classifier_pooling`: (B, L, E) → (B, E)."""
    if config.classifier_pooling == "cls":
        out, dense_cache = linear_forward(x[:, 0], *module_weights(params, "dense"))
        out, tanh_cache = tanh_forward(out)
        return out, (config, x.shape, dense_cache, tanh_cache)
    real = np.ones(x.shape[:2]) if attention_mask is None else attention_mask
    if config.classifier_pooling == "attention":
        out, pooling_cache = attention_pooling_forward(x, real, params["query"])
    else:
        pool = mean_pooling_forward if config.classifier_pooling == "mean" else max_pooling_forward
        out, pooling_cache = pool(x, real)
    return out, (config, x.shape, pooling_cache, None)


def pooler_backward(dout, cache):
    """dx (B, L, E) and the gradients; mean and max have no parameters."""
    config, shape, pooling_cache, tanh_cache = cache
    if config.classifier_pooling == "attention":
        dx, dquery = attention_pooling_backward(dout, pooling_cache)
        return dx, {"query": dquery}
    if config.classifier_pooling == "mean":
        return mean_pooling_backward(dout, pooling_cache), {}
    if config.classifier_pooling == "max":
        return max_pooling_backward(dout, pooling_cache), {}
    dfirst, *dense = linear_backward(tanh_backward(dout, tanh_cache), pooling_cache)
    dx = np.zeros(shape, dout.dtype)
    dx[:, 0] = dfirst
    return dx, join({"dense": dense})


def classifier_forward(params, config, x, rng=None):
    """dropout → [dense → activation → dropout →] linear: (B, E) → (B, C)."""
    probability = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
    x, keep = dropout_forward(x, probability, rng)
    hidden_caches = None
    if config.classifier_hidden_size:
        x, dense_cache = linear_forward(x, *module_weights(params, "dense"))
        x, active_cache = ACTIVATIONS[config.hidden_act][0](x)
        x, keep_hidden = dropout_forward(x, probability, rng)
        hidden_caches = (dense_cache, active_cache, keep_hidden)
    logits, output_cache = linear_forward(x, *module_weights(params, "output"))
    return logits, (config, keep, hidden_caches, output_cache)


def classifier_backward(dlogits, cache):
    """dx (B, E) and the gradients."""
    config, keep, hidden_caches, output_cache = cache
    parts = {}
    dx, *parts["output"] = linear_backward(dlogits, output_cache)
    if hidden_caches is not None:
        dense_cache, active_cache, keep_hidden = hidden_caches
        dx = ACTIVATIONS[config.hidden_act][1](dropout_backward(dx, keep_hidden), active_cache)
        dx, *parts["dense"] = linear_backward(dx, dense_cache)
    return dropout_backward(dx, keep), join(parts)


def mlm_head_forward(params, config, x):
    """dense → activation → norm → decoder: (B, L, E) → (B, L, V)."""
    x, dense_cache = linear_forward(x, *module_weights(params, "dense"))
    x, active_cache = ACTIVATIONS[config.hidden_act][0](x)
    x, norm_cache = norm_forward(params, "norm", config, x)
    logits, decoder_cache = linear_forward(x, *module_weights(params, "decoder"))
    return logits, (config, dense_cache, active_cache, norm_cache, decoder_cache)


def mlm_head_backward(dlogits, cache):
    """dx (B, L, E) and the gradients."""
    config, dense_cache, active_cache, norm_cache, decoder_cache = cache
    dx, *decoder = linear_backward(dlogits, decoder_cache)
    dx, norm = norm_backward(dx, config, norm_cache)
    dx, *dense = linear_backward(ACTIVATIONS[config.hidden_act][1](dx, active_cache), dense_cache)
    return dx, join({"dense": dense, "norm": norm, "decoder": decoder})


def model_forward(params, config, input_ids, attention_mask=None, token_type_ids=None, rng=None):
    """Run the encoder and every head in `params`.

    Args:
        params: those of a `MiniBertForSequenceClassification`, `…ForMaskedLM`, `…ForNextSentencePrediction` or
            `…ForPreTraining`.
        input_ids, attention_mask, token_type_ids, rng: as in `encoder_forward`.

    Returns:
        {head: logits}, "classifier" (B, C), "mlm_head" (B, L, V), "nsp_head" (B, 2); and the cache.

    Raises:
        ValueError: `params` has no head.
    """
    heads = {name.partition(".")[0] for name in params} & set(HEADS)
    if not heads:
        raise ValueError(f"params has none of the heads {HEADS}; for the bare encoder call encoder_forward")
    encoder = part(params, "minibert")
    x, encoder_cache = encoder_forward(encoder, config, input_ids, attention_mask, token_type_ids, rng)
    logits, caches = {}, {"encoder": encoder_cache}
    if heads != {"mlm_head"}:
        pooled, caches["pooler"] = pooler_forward(part(encoder, "pooler"), config, x, attention_mask)
    if "mlm_head" in heads:
        logits["mlm_head"], caches["mlm_head"] = mlm_head_forward(part(params, "mlm_head"), config, x)
    if "nsp_head" in heads:
        logits["nsp_head"], caches["nsp_head"] = linear_forward(pooled, *module_weights(params, "nsp_head"))
    if "classifier" in heads:
        logits["classifier"], caches["classifier"] = classifier_forward(part(params, "classifier"), config, pooled, rng)
    return logits, (config, caches)


def model_backward(dlogits, cache):
    """The gradients of all parameters that the loss reaches.

    Args:
        dlogits: {head: gradient of its logits}; heads without a loss are left out.
    """
    config, caches = cache
    parts, dx, dpooled = {}, 0.0, []
    if "mlm_head" in dlogits:
        dx, parts["mlm_head"] = mlm_head_backward(dlogits["mlm_head"], caches["mlm_head"])
    if "nsp_head" in dlogits:
        dnsp, *parts["nsp_head"] = linear_backward(dlogits["nsp_head"], caches["nsp_head"])
        dpooled.append(dnsp)
    if "classifier" in dlogits:
        dclassifier, parts["classifier"] = classifier_backward(dlogits["classifier"], caches["classifier"])
        dpooled.append(dclassifier)
    pooler = {}
    if dpooled:
        dtokens, pooler = pooler_backward(sum(dpooled), caches["pooler"])
        dx = dx + dtokens
    grads = join({**parts, "minibert": {**encoder_backward(dx, caches["encoder"]), **join({"pooler": pooler})}})
    if "mlm_head" in dlogits and config.tie_word_embeddings:
        # One matrix with two uses: both names get the sum of the gradients.
        grads[DECODER] = grads[WORDS] = grads[DECODER] + grads[WORDS]
    return grads

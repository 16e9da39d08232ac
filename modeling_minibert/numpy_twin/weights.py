"""Initialise, load and save the parameters of a NumPy MiniBert, under the names of `MiniBertFor….state_dict()`."""

from pathlib import Path

import numpy as np

from .encoder import DECODER, WORDS
from .layers import join


def _parameter_shapes(config, heads):
    """Return {name: shape} of every parameter, in the order of the torch `state_dict`."""
    size, width = config.hidden_size, config.intermediate_size
    # From the stored fields, so that a config without torch (parsed from config.json) is enough.
    attended = config.num_attention_heads * (config.head_dim or size // config.num_attention_heads)

    def linear(features_in, features_out, bias=True):
        return {"weight": (features_out, features_in), **({"bias": (features_out,)} if bias else {})}

    norm = {"weight": (size,)} if config.norm_type == "rmsnorm" else {"weight": (size,), "bias": (size,)}
    projections = {name: linear(size, attended, config.attention_bias) for name in ("query", "key", "value")}
    layer = join(
        {
            "attention": join({**projections, "output": linear(attended, size, config.attention_bias)}),
            "attention_norm": norm,
            "feed_forward": join({"up": linear(size, width), "down": linear(width, size)}),
            "feed_forward_norm": norm,
        }
    )
    embeddings = {"word_embeddings": {"weight": (config.vocab_size, size)}}
    if config.position_embedding_type == "learned":
        embeddings["position_embeddings"] = {"weight": (config.max_position_embeddings, size)}
    if config.type_vocab_size:
        embeddings["token_type_embeddings"] = {"weight": (config.type_vocab_size, size)}
    if config.embedding_norm:
        embeddings["norm"] = norm
    encoder = {"embeddings": join(embeddings), **{f"layers.{i}": layer for i in range(config.num_hidden_layers)}}
    if config.norm_position == "pre":
        encoder["final_norm"] = norm
    poolers = {"cls": join({"dense": linear(size, size)}), "attention": {"query": (size,)}}
    if config.classifier_pooling in poolers and set(heads) != {"mlm_head"}:
        encoder["pooler"] = poolers[config.classifier_pooling]
    hidden = config.classifier_hidden_size
    classifier = {"dense": linear(size, hidden)} if hidden else {}
    all_heads = {
        "mlm_head": join({"dense": linear(size, size), "norm": norm, "decoder": linear(size, config.vocab_size)}),
        "nsp_head": linear(size, 2),
        "classifier": join({**classifier, "output": linear(hidden or size, config.num_labels)}),
    }
    return join({"minibert": join(encoder), **{head: own for head, own in all_heads.items() if head in heads}})


def initial_weights(config, rng, heads=("classifier",), dtype=np.float64):
    """Draw matrices and tables from N(0, `config.initializer_range`²); set biases to 0 and norms to 1.

    Args:
        rng: a `np.random.Generator`; the same seed gives the same weights.
        heads: ("classifier",), ("mlm_head",), ("nsp_head",) or ("mlm_head", "nsp_head").
        dtype: np.float64 or np.float32.
    """
    params = {}
    for name, shape in _parameter_shapes(config, heads).items():
        if len(shape) == 2:
            params[name] = rng.normal(0.0, config.initializer_range, shape).astype(dtype)
        else:
            params[name] = (np.ones if name.endswith("norm.weight") else np.zeros)(shape, dtype)
    if config.pad_token_id is not None:
        params[WORDS][config.pad_token_id] = 0.0
    if DECODER in params and config.tie_word_embeddings:
        params[DECODER] = params[WORDS]
    return params


def load_weights(folder, dtype=None):
    """Load the parameters from the model.safetensors of a folder.

    Args:
        dtype: np.float64 or np.float32; that of the file by default.
    """
    from safetensors.numpy import load_file

    params = load_file(Path(folder) / "model.safetensors")
    if "mlm_head.decoder.bias" in params:
        params.setdefault(DECODER, params[WORDS])  # a tied matrix is stored once
    return {name: array if dtype is None else array.astype(dtype) for name, array in params.items()}


def save_weights(params, config, folder):
    """Write model.safetensors as `save_pretrained` does; `config.save_pretrained(folder)` writes the rest."""
    from safetensors.numpy import save_file

    if config.tie_word_embeddings:
        params = {name: array for name, array in params.items() if name != DECODER}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_file(params, Path(folder) / "model.safetensors", metadata={"format": "pt"})

"""The mapping between MiniSeq2Seq and the stock encoder–decoders Marian (post-norm) and T5 (pre-norm).

The tables and the `Twins` of `stock_families.py`, for two stacks of layers.
"""

import torch
from transformers import PreTrainedModel

from .stock_families import Twins

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh")  # of ours, see `feed_forward.py`
ATTENTION_PARTS = ("query", "key", "value", "output")


def _attention(ours: str, theirs: str, parts: tuple[str, ...]) -> dict[str, str]:
    """The four projections of one attention."""
    return {f"{ours}.{mine}": f"{theirs}.{part}" for mine, part in zip(ATTENTION_PARTS, parts, strict=True)}


def _allowed(config, **needs: tuple) -> dict[str, tuple]:
    """The values that both twins need, merged with others."""
    return {"head_dim": (config.hidden_size / config.num_attention_heads, None), **needs}


# --- Marian: norms after the sub-layers, waves for positions, biases everywhere

MARIAN_PARTS = ("q_proj", "k_proj", "v_proj", "out_proj")


def _marian_stack(stack: str) -> dict[str, str]:
    layer = f"{stack}.layers.*"
    names = {
        f"{stack}.embeddings.word_embeddings": f"{stack}.embed_tokens",
        f"{layer}.attention_norm": f"{layer}.self_attn_layer_norm",
        f"{layer}.feed_forward.up": f"{layer}.fc1",
        f"{layer}.feed_forward.down": f"{layer}.fc2",
        f"{layer}.feed_forward_norm": f"{layer}.final_layer_norm",
        **_attention(f"{layer}.attention", f"{layer}.self_attn", MARIAN_PARTS),
    }
    if stack == "decoder":
        names |= _attention(f"{layer}.cross_attention", f"{layer}.encoder_attn", MARIAN_PARTS)
        names[f"{layer}.cross_attention_norm"] = f"{layer}.encoder_attn_layer_norm"
    return names


MARIAN_STACKS = _marian_stack("encoder") | _marian_stack("decoder")
MARIAN_FIELDS = {
    "hidden_size": ("d_model",),
    "num_encoder_layers": ("encoder_layers",),
    "num_decoder_layers": ("decoder_layers",),
    "num_attention_heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "intermediate_size": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "hidden_act": ("activation_function",),
    "hidden_dropout_prob": ("dropout",),
    "attention_probs_dropout_prob": ("attention_dropout",),
    "activation_dropout_prob": ("activation_dropout",),
}


def _marian_fields(ours: dict) -> dict:
    theirs = {name: ours[field] for field, names in MARIAN_FIELDS.items() for name in names}
    kept = {field: value for field, value in ours.items() if field not in MARIAN_FIELDS}
    theirs["share_encoder_decoder_embeddings"] = ours["decoder_vocab_size"] is None
    theirs["forced_eos_token_id"] = None  # Marian's default, token 0, is a word of ours, or padding
    return kept | theirs


def _fields_of_marian(theirs: dict) -> dict:
    ours = {field: theirs[names[0]] for field, names in MARIAN_FIELDS.items()}
    ours["hidden_act"] = ours["hidden_act"].replace("swish", "silu")
    if theirs["share_encoder_decoder_embeddings"]:
        ours["decoder_vocab_size"] = None
    return theirs | ours


def _marian_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The values that a MiniSeq2Seq needs to become a Marian, by field."""
    config = model.config
    return _allowed(
        config,
        norm_position=("post",),
        norm_type=("layernorm",),
        layer_norm_eps=(1e-5,),
        position_embedding_type=("sinusoidal",),
        scale_attention=(True,),
        scale_output=(False,),
        attention_bias=(True,),
        feed_forward_bias=(True,),
        # One vocabulary without tying would be three tables here, and two there.
        tie_word_embeddings=(True,) if config.decoder_vocab_size is None else (True, False),
    )


def _needs_of_marian(model: PreTrainedModel) -> dict[str, tuple]:
    config = model.config
    return {
        "decoder_attention_heads": (config.encoder_attention_heads,),
        "decoder_ffn_dim": (config.encoder_ffn_dim,),
        "is_decoder": (False, None),
        "activation_function": (*ACTIVATIONS, "swish"),
        "tie_word_embeddings": (True,) if config.share_encoder_decoder_embeddings else (True, False),
    }


def _add_what_marian_keeps(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add the weights that Marian always saves: position tables, shared embeddings, a bias of the output layer."""
    weights, prefix = dict(weights), "model." if model.get_output_embeddings() is not None else ""
    embeddings = weights[f"{prefix}encoder.embed_tokens.weight"]
    waves = model.get_encoder().embeddings.position_embeddings.table.to(embeddings.dtype)
    for stack in ("encoder", "decoder"):
        weights[f"{prefix}{stack}.embed_positions.weight"] = waves
    if model.config.decoder_vocab_size is None:
        weights[f"{prefix}shared.weight"] = embeddings
    if prefix:
        bias = weights.pop("lm_head.bias", embeddings.new_zeros(model.config.target_vocab_size))
        weights["final_logits_bias"] = bias[None]
    return weights


def _leave_out_what_marian_keeps(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    left_out = ("embed_positions.weight", "shared.weight", "final_logits_bias")
    kept = {name: tensor for name, tensor in weights.items() if not name.endswith(left_out)}
    bias = weights.get("final_logits_bias")
    return kept if bias is None or not bias.any() else {**kept, "lm_head.bias": bias[0]}


def _told_by_marian(model: PreTrainedModel) -> dict:
    bias = getattr(model, "final_logits_bias", None)
    return {"output_bias": bias is not None and bool(bias.any())}


MARIAN = Twins(
    ours="miniseq2seq",
    stock="marian",
    classes={"MiniSeq2SeqModel": "MarianModel", "MiniSeq2SeqForConditionalGeneration": "MarianMTModel"},
    weights=MARIAN_STACKS
    | {f"miniseq2seq.{mine}": f"model.{theirs}" for mine, theirs in MARIAN_STACKS.items()}
    | {"lm_head": "lm_head"},
    stock_needs=_marian_needs,
    ours_needs=_needs_of_marian,
    stock_fields=_marian_fields,
    our_fields=_fields_of_marian,
    add_to_stock=_add_what_marian_keeps,
    take_from_stock=_leave_out_what_marian_keeps,
    told_by_weights=_told_by_marian,
    fixed={"position_embedding_type": "sinusoidal"},
)

# --- T5: norms before the sub-layers, scores for distances, no biases

T5_PARTS = ("q", "k", "v", "o")


def _t5_stack(stack: str) -> dict[str, str]:
    ours, theirs = f"miniseq2seq.{stack}", f"{stack}.block.*.layer"
    last = 2 if stack == "decoder" else 1
    names = {
        f"{ours}.embeddings.word_embeddings": f"{stack}.embed_tokens",
        f"{ours}.relative_positions.scores": f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias",
        f"{ours}.layers.*.attention_norm": f"{theirs}.0.layer_norm",
        f"{ours}.layers.*.feed_forward_norm": f"{theirs}.{last}.layer_norm",
        f"{ours}.layers.*.feed_forward.up": f"{theirs}.{last}.DenseReluDense.wi",
        f"{ours}.layers.*.feed_forward.down": f"{theirs}.{last}.DenseReluDense.wo",
        f"{ours}.final_norm": f"{stack}.final_layer_norm",
        **_attention(f"{ours}.layers.*.attention", f"{theirs}.0.SelfAttention", T5_PARTS),
    }
    if stack == "decoder":
        names |= _attention(f"{ours}.layers.*.cross_attention", f"{theirs}.1.EncDecAttention", T5_PARTS)
        names[f"{ours}.layers.*.cross_attention_norm"] = f"{theirs}.1.layer_norm"
    return names


T5_FIELDS = {
    "hidden_size": "d_model",
    "head_dim": "d_kv",
    "intermediate_size": "d_ff",
    "num_encoder_layers": "num_layers",
    "num_decoder_layers": "num_decoder_layers",
    "num_attention_heads": "num_heads",
    "relative_buckets": "relative_attention_num_buckets",
    "relative_max_distance": "relative_attention_max_distance",
    "hidden_dropout_prob": "dropout_rate",
    "layer_norm_eps": "layer_norm_epsilon",
    "hidden_act": "feed_forward_proj",
}
# What T5's configuration works out from the others.
T5_DERIVED = ("dense_act_fn", "is_gated_act", "scale_decoder_outputs")
# What T5 always is.
T5_CHOICES = {
    "norm_position": "pre",
    "norm_type": "rmsnorm",
    "position_embedding_type": "relative",
    "scale_embedding": False,
    "scale_attention": False,
    "attention_bias": False,
    "feed_forward_bias": False,
    "output_bias": False,
    "decoder_vocab_size": None,
    "tie_word_embeddings": True,
}


def _t5_fields(ours: dict) -> dict:
    head_dim = ours["head_dim"] or ours["hidden_size"] // ours["num_attention_heads"]
    theirs = {name: ours[field] for field, name in T5_FIELDS.items()} | {"d_kv": head_dim}
    kept = {field: value for field, value in ours.items() if field not in T5_FIELDS}
    return kept | theirs | {"scale_decoder_outputs": ours["scale_output"]}


def _fields_of_t5(theirs: dict) -> dict:
    ours = {field: theirs[name] for field, name in T5_FIELDS.items()}
    dropout = theirs["dropout_rate"]
    for where in ("attention_probs_dropout_prob", "activation_dropout_prob", "final_dropout_prob"):
        ours[where] = dropout
    ours["scale_output"] = theirs["scale_decoder_outputs"]
    start = theirs.get("decoder_start_token_id")
    ours["decoder_start_token_id"] = theirs["pad_token_id"] if start is None else start
    ours["bos_token_id"] = None
    kept = {name: value for name, value in theirs.items() if name not in (*T5_FIELDS.values(), *T5_DERIVED)}
    return kept | ours | T5_CHOICES


def _needs_of_t5(model: PreTrainedModel) -> dict[str, tuple]:
    return {"feed_forward_proj": ACTIVATIONS}  # a gated one has a weight more


T5 = Twins(
    ours="miniseq2seq",
    stock="t5",
    classes={"MiniSeq2SeqForConditionalGeneration": "T5ForConditionalGeneration"},
    weights=_t5_stack("encoder") | _t5_stack("decoder") | {"lm_head": "lm_head"},
    stock_needs=lambda model: {field: (value,) for field, value in T5_CHOICES.items()},
    ours_needs=_needs_of_t5,
    stock_fields=_t5_fields,
    our_fields=_fields_of_t5,
    repeated={"shared.weight": "encoder.embed_tokens.weight"},
    fixed={"position_embedding_type": "relative"},
)

FAMILIES = (MARIAN, T5)

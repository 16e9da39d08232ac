"""Every intermediate of one forward pass, taken from the model itself while it computes.

Read `AttentionTrace`, `LayerTrace`, `StackTrace` and `Trace` for what there is and in which shape; then `trace`, which
runs the model once with hooks on its modules; then `_read_layer`, which sorts what the hooks have seen. Nothing of the
forward pass is written a second time: queries, keys and values are the arguments with which the model calls the
attention formula, sums are what goes into its norms. Computed here are the scores alone, as in that formula.

A stock BERT or GPT of transformers is first converted by `from_stock` (same weights, same outputs), so that one trace
serves all.

Letters: L length, S number of keys, H heads, D head size, E hidden size, M feed-forward width, C classes, V vocabulary.

Source: Vaswani et al. 2017, section 3, for the names of the parts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase

from ..attention import MultiHeadAttention, eager_attention_forward
from ..stock import from_stock
from ..stock_families import FAMILIES
from .predictions import Prediction, read_predictions
from .text import describe, describe_prediction

# Which stack of layers each family has.
STACKS = {"minibert": "encoder", "minigpt": "decoder"}


@dataclass(frozen=True)
class AttentionTrace:
    """One attention of one layer, all heads."""

    kind: str  # "self", "causal" (self, but no token sees a later one) or "cross"
    query: Tensor  # (H, L, D); turned already where positions are rotary
    key: Tensor  # (H, S, D)
    value: Tensor  # (H, S, D)
    visible: Tensor  # (L, S) bool, the keys each query may attend to
    scores: Tensor  # (H, L, S), query · key / √D, also where not visible
    weights: Tensor  # (H, L, S), softmax of the scores over the visible keys
    head_outputs: Tensor  # (H, L, D), weights · value
    output: Tensor  # (L, E), the head outputs side by side, through the output projection


@dataclass(frozen=True)
class LayerTrace:
    """One layer. Norms stand after the sums (post-norm: BERT, the first GPT) or before the sub-layers (GPT-2)."""

    pre_norm: bool
    input: Tensor  # (L, E)
    attention: AttentionTrace
    attention_residual: Tensor  # (L, E), input + attention.output
    attention_norm: Tensor  # (L, E); of the residual, or with pre_norm of the input
    feed_forward_up: Tensor  # (L, M), before the activation
    feed_forward_activation: Tensor  # (L, M), after it
    feed_forward_output: Tensor  # (L, E)
    feed_forward_residual: Tensor  # (L, E)
    feed_forward_norm: Tensor  # (L, E); of the residual, or with pre_norm of attention_residual
    output: Tensor  # (L, E): feed_forward_norm, or with pre_norm feed_forward_residual
    cross_attention: AttentionTrace | None = None  # of a decoder that attends to an encoder


@dataclass(frozen=True)
class EmbeddingTrace:
    """The parts of the embeddings, each (L, E); None where the model does not have the part."""

    word: Tensor  # times √E where the model scales its word vectors
    position: Tensor | None
    token_type: Tensor | None
    sum: Tensor
    norm: Tensor  # the sum itself where the model has no norm here


@dataclass(frozen=True)
class StackTrace:
    """An encoder or a decoder with its tokens."""

    tokens: list[str]
    input_ids: list[int]
    embeddings: EmbeddingTrace
    layers: list[LayerTrace]
    output: Tensor  # (L, E); with pre_norm after the final norm, otherwise the last layer's output


@dataclass(frozen=True)
class Trace:
    """One text through one model. `encoder` is None in a decoder-only model, `decoder` in an encoder-only one."""

    model_class: str
    text: str
    text_pair: str | None
    inputs: dict[str, Tensor]  # what the model was called with, (1, L) each
    encoder: StackTrace | None
    decoder: StackTrace | None
    pooler: Tensor | None  # (E,)
    logits: dict[str, Tensor]  # by the names of the model's outputs, without the batch: (C,), (L, V), …
    predictions: list[Prediction]

    @property
    def stacks(self) -> dict[str, StackTrace]:
        """The stacks there are, by name."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {name: stack for name, stack in both.items() if stack is not None}

    def describe(self, layer: int | None = None, head: int | None = None, token: int | None = None) -> str:
        """The trace as text, token by token; see `text.describe`."""
        return describe(self, layer, head, token)

    def describe_prediction(self, label: str | None = None) -> str:
        """Text, logits, probabilities, and the loss against a label; see `text.describe_prediction`."""
        return describe_prediction(self, label)


def trace(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, text_pair: str | None = None) -> Trace:
    """Run the model once, without dropout, and keep every intermediate.

    Attention is computed by the eager formula, whatever implementation the model is set to: the logits equal those of
    `model(**trace.inputs, output_attentions=True)` to the last bit, and those of a fused kernel up to rounding.

    Args:
        model: a MiniBert or a MiniGPT with any head, or a stock BERT, GPT-2 or first GPT.
        tokenizer: that of the model.
        text: what the model reads.
        text_pair: the second text of a pair.

    Raises:
        ValueError: an empty text, one longer than the model's positions, a family that is none of these, or a MiniGPT
            that mixes its tokens by something else than attention.
    """
    check_text(text, text_pair)
    check_model_type(model.config.model_type)
    if model.config.model_type not in STACKS:
        model = from_stock(model)
    mixer = getattr(model.config, "token_mixer", "attention")
    if mixer != "attention":
        raise ValueError(f"token_mixer={mixer!r} has no queries and keys to trace; take a model with 'attention'")
    inputs = _encode(model, tokenizer, text, text_pair)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), _recording(model) as recorded:
            outputs = model(**inputs, output_attentions=True, **_without_cache(model))
    finally:
        model.train(was_training)
    input_ids = inputs["input_ids"].flatten()
    base = model.base_model
    stack = StackTrace(
        tokens=tokenizer.convert_ids_to_tokens(input_ids.tolist()),
        input_ids=input_ids.tolist(),
        embeddings=_read_embeddings(base.embeddings, recorded),
        layers=[_read_layer(layer, recorded) for layer in base.layers],
        output=recorded[base.final_norm].output,
    )
    name, pooler = STACKS[model.config.model_type], getattr(base, "pooler", None)
    logits = {key: _one_text(value) for key, value in outputs.items() if key.endswith("logits")}
    return Trace(
        model_class=type(model).__name__,
        text=text,
        text_pair=text_pair,
        inputs=inputs,
        encoder=stack if name == "encoder" else None,
        decoder=stack if name == "decoder" else None,
        pooler=None if pooler is None else recorded[pooler].output,
        logits=logits,
        predictions=read_predictions(model, tokenizer, logits, input_ids),
    )


def check_text(text: str, text_pair: str | None) -> None:
    """Raise a ValueError for a text without a word."""
    for name, value in {"text": text, "text_pair": text_pair}.items():
        if value is not None and not value.strip():
            raise ValueError(f"{name} is empty ({value!r}); give at least one word")


def check_model_type(model_type: str | None) -> None:
    """Raise a ValueError for a family that cannot be traced."""
    known = [*STACKS, *(twins.stock for twins in FAMILIES)]
    if model_type not in known:
        raise ValueError(f"no trace for model_type {model_type!r}; choose one of {known}")


def _encode(model, tokenizer, text: str, text_pair: str | None) -> dict[str, Tensor]:
    """The model's arguments for one text, on its device; lengths are checked before any work."""
    inputs = dict(tokenizer(text, text_pair, return_tensors="pt"))
    length = inputs["input_ids"].shape[1]
    if length == 0:
        raise ValueError(f"the tokenizer makes no tokens of {text!r}; give another text")
    embeddings = model.base_model.embeddings
    embeddings.check_length(length)
    if embeddings.token_type_embeddings is not None and "token_type_ids" not in inputs:
        # What the model assumes without them, so that the part shows.
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    if type(model).__name__.endswith("MultipleChoice"):
        inputs = {name: tensor[:, None] for name, tensor in inputs.items()}  # a single choice
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}


def _without_cache(model) -> dict[str, bool]:
    return {"use_cache": False} if hasattr(model.config, "use_cache") else {}


# --- What the hooks see


@dataclass
class Call:
    """One call of one module, without the batch: its first argument and what it returned."""

    input: Tensor
    output: Tensor
    attention: dict[str, Tensor] | None = None  # of a MultiHeadAttention: the arguments and results of the formula


def _one_text(tensor: Tensor) -> Tensor:
    return tensor.detach()[0].cpu()


ATTENTION_OF_A_TRACE = "trace"


def _keep_attention(module, query, key, value, attention_mask, kept: dict, **kwargs):
    """The eager formula, called in its place with the same arguments; `kept` receives them and the results."""
    mixed, weights = eager_attention_forward(module, query, key, value, attention_mask, **kwargs)
    shape = weights.shape[-2:]
    mask = weights.new_ones(shape, dtype=torch.bool) if attention_mask is None else attention_mask[0, 0].expand(shape)
    kept |= {
        "query": _one_text(query),
        "key": _one_text(key),
        "value": _one_text(value),
        "visible": mask.cpu(),
        "scores": _one_text(query @ key.transpose(-2, -1) * module.scaling),
        "weights": _one_text(weights),
        "head_outputs": _one_text(mixed.transpose(1, 2)),
    }
    return mixed, weights


AttentionInterface.register(ATTENTION_OF_A_TRACE, _keep_attention)


@contextmanager
def _recording(model: nn.Module) -> Iterator[dict[nn.Module, Call]]:
    """While this is open, every call of every module of the model is kept."""
    recorded, attentions = {}, {}

    def before_attention(module, args, kwargs):
        attentions[module] = {}
        return args, kwargs | {"implementation": ATTENTION_OF_A_TRACE, "kept": attentions[module]}

    def after(module, args, output):
        output = output[0] if isinstance(output, tuple) else output
        if args and torch.is_tensor(args[0]) and torch.is_tensor(output):
            recorded[module] = Call(_one_text(args[0]), _one_text(output), attentions.get(module))

    handles = [module.register_forward_hook(after) for module in model.modules()]
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            handles.append(module.register_forward_pre_hook(before_attention, with_kwargs=True))
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()


def _read_embeddings(embeddings: nn.Module, recorded: dict[nn.Module, Call]) -> EmbeddingTrace:
    def output(module):
        return None if module is None else recorded[module].output

    return EmbeddingTrace(
        word=output(embeddings.word_embeddings) * embeddings.scale,
        position=output(embeddings.position_embeddings),
        token_type=output(embeddings.token_type_embeddings),
        sum=recorded[embeddings.norm].input,
        norm=recorded[embeddings.norm].output,
    )


def _read_layer(layer: nn.Module, recorded: dict[nn.Module, Call]) -> LayerTrace:
    attention_norm, feed_forward_norm = recorded[layer.attention_norm], recorded[layer.feed_forward_norm]
    # What a norm reads is a sum: with norms before the sub-layers, that of the sub-layer before.
    residuals = (attention_norm.input, feed_forward_norm.input)
    if layer.pre_norm:
        residuals = (feed_forward_norm.input, recorded[layer].output)
    attention = recorded[layer.attention]
    return LayerTrace(
        pre_norm=layer.pre_norm,
        input=recorded[layer].input,
        attention=AttentionTrace(
            kind="causal" if layer.attention.is_causal else "self", output=attention.output, **attention.attention
        ),
        attention_residual=residuals[0],
        attention_norm=attention_norm.output,
        feed_forward_up=recorded[layer.feed_forward.up].output,
        feed_forward_activation=recorded[layer.feed_forward.down].input,
        feed_forward_output=recorded[layer.feed_forward].output,
        feed_forward_residual=residuals[1],
        feed_forward_norm=feed_forward_norm.output,
        output=recorded[layer].output,
    )

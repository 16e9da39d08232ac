"""Record every intermediate result of one forward pass.

Read `AttentionTrace`, `LayerTrace`, `StackTrace` and `Trace` for the contents and their shapes; then `trace`, which
runs the model once with hooks (`recording.py`); then `_read_layer`, which sorts the recorded tensors. Stock models are
converted by `from_stock` first (same weights, same outputs).

Letters: L length, S number of keys, H heads, D head size, E hidden size, M feed-forward width, C classes, V vocabulary.

Source: Vaswani et al. 2017, section 3, for the names of the parts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..stock import from_stock
from ..stock_families import FAMILIES
from .predictions import Prediction, read_predictions
from .recording import Call, one_text, recording
from .text import describe, describe_prediction

# The stacks of layers of each family.
STACKS = {"minibert": ("encoder",), "minigpt": ("decoder",), "miniseq2seq": ("encoder", "decoder")}
MAX_GENERATED_TOKENS = 50  # of a target that is not given


@dataclass(frozen=True)
class AttentionTrace:
    """One attention of one layer, all heads."""

    kind: str  # "self", "causal" (self-attention without later tokens) or "cross"
    input: Tensor  # (L, E), projected to queries, and except for cross-attention to keys and values
    query: Tensor  # (H, L, D), after rotary positions
    key: Tensor  # (H, S, D)
    value: Tensor  # (H, S, D)
    visible: Tensor  # (L, S) bool, the keys each query may attend to
    scores: Tensor  # (H, L, S), query · key / √D before masking; for T5 undivided, plus the relative position bias
    weights: Tensor  # (H, L, S), softmax of the scores over the visible keys
    head_outputs: Tensor  # (H, L, D), weights · value
    output: Tensor  # (L, E), the head outputs side by side, through the output projection


@dataclass(frozen=True)
class LayerTrace:
    """One layer: attention, cross-attention in some decoders, feed-forward.

    With `pre_norm` (GPT-2, T5) each norm reads the input of its sub-layer, otherwise (BERT, the first GPT) the residual
    sum after it.
    """

    pre_norm: bool
    input: Tensor  # (L, E)
    attention: AttentionTrace
    attention_residual: Tensor  # (L, E), input + attention.output
    attention_norm: Tensor  # (L, E)
    cross_attention: AttentionTrace | None
    cross_attention_residual: Tensor | None
    cross_attention_norm: Tensor | None
    feed_forward_up: Tensor  # (L, M), before the activation
    feed_forward_activation: Tensor  # (L, M), after it
    feed_forward_output: Tensor  # (L, E)
    feed_forward_residual: Tensor  # (L, E)
    feed_forward_norm: Tensor  # (L, E)
    output: Tensor  # (L, E): feed_forward_norm, or with pre_norm feed_forward_residual


@dataclass(frozen=True)
class EmbeddingTrace:
    """The parts of the embeddings, each (L, E); None if the model lacks the part."""

    word: Tensor  # times √E if the model scales its word vectors
    position: Tensor | None
    token_type: Tensor | None
    sum: Tensor
    norm: Tensor  # the sum itself if the model has no norm here


@dataclass(frozen=True)
class StackTrace:
    """The trace of an encoder or a decoder, with its tokens."""

    tokens: list[str]
    input_ids: list[int]
    embeddings: EmbeddingTrace
    layers: list[LayerTrace]
    output: Tensor  # (L, E); with pre_norm after the final norm, otherwise the last layer's output


@dataclass(frozen=True)
class Trace:
    """The trace of one text. `encoder` is None in a decoder-only model, `decoder` in an encoder-only one."""

    model_class: str
    text: str
    text_pair: str | None
    inputs: dict[str, Tensor]  # arguments of the model, (1, L) each; (1, 1, L) for multiple choice
    encoder: StackTrace | None
    decoder: StackTrace | None
    pooler: Tensor | None  # (E,)
    logits: dict[str, Tensor]  # {name of the output: logits without the batch}, (C,), (L, V), …
    predictions: list[Prediction]

    @property
    def stacks(self) -> dict[str, StackTrace]:
        """Encoder and decoder by name, without missing ones."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {name: stack for name, stack in both.items() if stack is not None}

    def describe(self, layer: int | None = None, head: int | None = None, token: int | None = None) -> str:
        """Format the trace as text; see `text.describe`."""
        return describe(self, layer, head, token)

    def describe_prediction(self, label: str | None = None) -> str:
        """Format logits, probabilities, and the loss for a label; see `text.describe_prediction`."""
        return describe_prediction(self, label)


def trace(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, text_pair: str | None = None) -> Trace:
    """Run the model once, without dropout, and record every intermediate result.

    The attention implementation of the model is replaced by the eager one: the logits are bit-equal to those of
    `model(**trace.inputs, output_attentions=True)`, and equal up to rounding to those of a fused kernel.

    Args:
        model: a MiniBert, MiniGPT or MiniSeq2Seq with any head, or a stock model with a twin of ours.
        tokenizer: its tokenizer.
        text: the text to read.
        text_pair: the second text of a pair; for an encoder–decoder the target, generated if not given.

    Raises:
        ValueError: a text is empty or too long, or the model has an unknown family, another token mixer than attention,
            two vocabularies, or no layers.
    """
    check_text(text, text_pair)
    model = _traceable(model)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            inputs = _tokenize(model, tokenizer, text, text_pair)
            with recording(model) as recorded:
                outputs = model(**inputs, output_attentions=True, **_without_cache(model))
    finally:
        model.train(was_training)
    stacks = {}
    for name, module in _stack_modules(model).items():
        input_ids = inputs["decoder_input_ids" if stacks else "input_ids"].flatten().tolist()
        stacks[name] = _read_stack(module, recorded, input_ids, tokenizer.convert_ids_to_tokens(input_ids))
    pooler = getattr(model.base_model, "pooler", None)
    logits = {key: one_text(value) for key, value in outputs.items() if key.endswith("logits")}
    return Trace(
        model_class=type(model).__name__,
        text=text,
        text_pair=text_pair,
        inputs=inputs,
        encoder=stacks.get("encoder"),
        decoder=stacks.get("decoder"),
        pooler=None if pooler is None else recorded[pooler].output,
        logits=logits,
        predictions=read_predictions(model, tokenizer, logits, inputs["input_ids"].flatten()),
    )


def check_text(text: str, text_pair: str | None) -> None:
    """Raise a ValueError for an empty text."""
    for name, value in {"text": text, "text_pair": text_pair}.items():
        if value is not None and not value.strip():
            raise ValueError(f"{name} is empty ({value!r}); give at least one word")


def check_model_type(model_type: str | None) -> None:
    """Raise a ValueError for a model family that cannot be traced."""
    known = [*STACKS, *(twins.stock for twins in FAMILIES)]
    if model_type not in known:
        raise ValueError(f"no trace for model_type {model_type!r}; choose one of {known}")


def _traceable(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model, converted by `from_stock` if needed; raise a ValueError if it cannot be traced."""
    check_model_type(model.config.model_type)
    if model.config.model_type not in STACKS:
        model = from_stock(model)
    config = model.config
    if getattr(config, "decoder_vocab_size", None) is not None:
        raise ValueError(
            f"the model has two vocabularies, of {config.vocab_size} and {config.decoder_vocab_size} tokens; give a "
            f"model whose source and target share one"
        )
    mixer = getattr(config, "token_mixer", "attention")
    if mixer != "attention":
        raise ValueError(f"token_mixer={mixer!r} has no queries and keys to trace; give a model with 'attention'")
    for name, stack in _stack_modules(model).items():
        if not len(stack.layers):
            raise ValueError(f"the {name} has no layers, and so no attention to trace; give a model with at least one")
    return model


def _stack_modules(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The stacks by name; a single stack is the base model itself."""
    base, names = model.base_model, STACKS[model.config.model_type]
    return {name: getattr(base, name) for name in names} if len(names) > 1 else {names[0]: base}


def _tokenize(model, tokenizer, text: str, text_pair: str | None) -> dict[str, Tensor]:
    """Make the model's arguments for one text, on its device, and check their lengths."""
    first, *more = _stack_modules(model).values()
    inputs = dict(tokenizer(text, None if more else text_pair, return_tensors="pt"))
    length = inputs["input_ids"].shape[1]
    if length == 0:
        raise ValueError(f"the text {text!r} has no tokens; give another text")
    first.embeddings.check_length(length)
    if first.embeddings.token_type_embeddings is None:
        inputs.pop("token_type_ids", None)
    elif "token_type_ids" not in inputs:
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])  # as the model assumes
    if type(model).__name__.endswith("MultipleChoice"):
        inputs = {name: tensor[:, None] for name, tensor in inputs.items()}  # one choice
    inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    if more:
        inputs["decoder_input_ids"] = _decoder_inputs(model, tokenizer, inputs, text_pair)
    return inputs


def _decoder_inputs(model, tokenizer, inputs: dict[str, Tensor], target: str | None) -> Tensor:
    """The decoder input (1, L): the start token, then the target (generated if None) without its last token."""
    if target is None:
        most = min(MAX_GENERATED_TOKENS, model.config.max_position_embeddings)
        return model.generate(**inputs, num_beams=1, do_sample=False, max_length=most)[:, :-1]
    target_ids = tokenizer(text_target=target, return_tensors="pt")["input_ids"].to(model.device)
    model.base_model.decoder.embeddings.check_length(target_ids.shape[1])
    return torch.cat([torch.full_like(target_ids[:, :1], model.config.decoder_start_token_id), target_ids[:, :-1]], 1)


def _without_cache(model) -> dict[str, bool]:
    return {"use_cache": False} if hasattr(model.config, "use_cache") else {}


# --- From recorded calls to traces


def _read_stack(stack: nn.Module, recorded: dict[nn.Module, Call], input_ids: list[int], tokens: list[str]):
    return StackTrace(
        tokens=tokens,
        input_ids=input_ids,
        embeddings=_read_embeddings(stack.embeddings, recorded),
        layers=[_read_layer(layer, recorded) for layer in stack.layers],
        output=recorded[stack.final_norm].output,
    )


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
    has_cross = hasattr(layer, "cross_attention")
    names = ["attention", "cross_attention", "feed_forward"] if has_cross else ["attention", "feed_forward"]
    norms = [recorded[getattr(layer, f"{name}_norm")] for name in names]
    # The input of a norm is a residual sum: with pre_norm that of the sub-layer before.
    sums = [norm.input for norm in norms[1:]] + [recorded[layer].output] if layer.pre_norm else [n.input for n in norms]
    residuals, normed = dict(zip(names, sums, strict=True)), dict(zip(names, norms, strict=True))
    return LayerTrace(
        pre_norm=layer.pre_norm,
        input=recorded[layer].input,
        attention=_read_attention(layer.attention, recorded, "causal" if layer.attention.is_causal else "self"),
        attention_residual=residuals["attention"],
        attention_norm=normed["attention"].output,
        cross_attention=_read_attention(layer.cross_attention, recorded, "cross") if has_cross else None,
        cross_attention_residual=residuals.get("cross_attention"),
        cross_attention_norm=normed["cross_attention"].output if has_cross else None,
        feed_forward_up=recorded[layer.feed_forward.up].output,
        feed_forward_activation=recorded[layer.feed_forward.down].input,
        feed_forward_output=recorded[layer.feed_forward].output,
        feed_forward_residual=residuals["feed_forward"],
        feed_forward_norm=normed["feed_forward"].output,
        output=recorded[layer].output,
    )


def _read_attention(attention: nn.Module, recorded: dict[nn.Module, Call], kind: str) -> AttentionTrace:
    call = recorded[attention]
    return AttentionTrace(kind=kind, input=call.input, output=call.output, **call.attention)

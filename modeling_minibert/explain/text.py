"""Format a trace as text, token by token, in the order of the computation.

print(trace.describe(layer=0, head=1, token=2))     # one query of one head
print(trace.describe())                             # everything
print(trace.describe_prediction(label="positive"))  # logits, probabilities and the loss
"""

import math
from collections.abc import Iterator

from torch import Tensor

KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}
MAX_VALUES = 8  # printed of a vector


def describe(trace, layer: int | None = None, head: int | None = None, token: int | None = None) -> str:
    """Format embeddings, then each layer: Q, K, V, scores and softmax per head, residual sums, feed-forward.

    Args:
        trace: a `Trace`.
        layer: this layer alone; None for all, with embeddings and predictions.
        head: this head alone; None for all, with the rest of the layer.
        token: this query alone; None for all.

    Raises:
        ValueError: the layer, head or token is out of range.
    """
    stacks = trace.stacks.values()
    _check_index("layer", layer, max(len(stack.layers) for stack in stacks))
    _check_index("head", head, max(len(one.attention.query) for stack in stacks for one in stack.layers))
    _check_index("token", token, max(len(stack.tokens) for stack in stacks))
    lines = [f"{trace.model_class}: {trace.text}" + (f" | {trace.text_pair}" if trace.text_pair else "")]
    for name, stack in trace.stacks.items():
        lines += ["", f"{name.capitalize()} with {stack.output.shape[1]} features, layers: {len(stack.layers)}"]
        lines += [f"Tokens: {' '.join(stack.tokens)}", f"Ids   : {stack.input_ids}"]
        tokens = _indices(token, len(stack.tokens))
        if layer is None:
            lines += ["", "Embeddings", *_embedding_lines(stack, tokens)]
        for index in _indices(layer, len(stack.layers)):
            one = stack.layers[index]
            kinds = [(one.attention, stack.tokens)]
            if one.cross_attention is not None:
                kinds.append((one.cross_attention, trace.encoder.tokens))
            for attention, keys in kinds:
                for h in _indices(head, len(attention.query)):
                    lines += ["", f"Layer {index}, {KINDS[attention.kind]}, head {h}"]
                    lines += _head_lines(stack, attention, keys, h, tokens)
            if head is None:
                lines += ["", f"Layer {index}, all heads together", *_layer_lines(stack, one, tokens)]
    if layer is None and head is None:
        lines += ["", describe_prediction(trace)]
    return "\n".join(lines)


def describe_prediction(trace, label: str | None = None) -> str:
    """Format the text, logits and predictions; with a label also the cross-entropy, −log of its probability.

    Args:
        trace: a `Trace`.
        label: name of the true class.

    Raises:
        ValueError: the model is no text classifier, or the label is unknown.
    """
    lines = [f"Text          : {trace.text}" + (f" | {trace.text_pair}" if trace.text_pair else "")]
    if trace.pooler is not None:
        lines.append(f"Pooler        : {_format_vector(trace.pooler)}")
    lines += [f"Logits        : {_format_vector(scores)}" for scores in trace.logits.values() if scores.dim() == 1]
    for prediction in trace.predictions:
        place = ""
        if prediction.token is not None:
            place = f" {prediction.token} ({(trace.decoder or trace.encoder).tokens[prediction.token]})"
        candidates = " · ".join(f"{name} {number:.4f}" for name, number in prediction.candidates[:5])
        lines.append(f"{prediction.question.capitalize() + place:<14}: {candidates}")
    if label is not None:
        probabilities = _class_probabilities(trace)
        if label not in probabilities:
            raise ValueError(f"unknown label {label!r}; choose one of {sorted(probabilities)}")
        loss = -math.log(probabilities[label]) if probabilities[label] else math.inf
        lines += [f"True label    : {label}", f"Loss (CE)     : {loss:.4f}"]
    return "\n".join(lines)


def _class_probabilities(trace) -> dict[str, float]:
    for prediction in trace.predictions:
        if prediction.question == "class" and prediction.token is None and prediction.is_probability:
            return dict(prediction.candidates)
    raise ValueError(f"{trace.model_class} gives a text no classes; leave the label out")


def _check_index(name: str, index: int | None, count: int) -> None:
    if index is not None and not 0 <= index < count:
        raise ValueError(f"there is no {name} {index}; choose 0 to {count - 1}")


def _indices(index: int | None, count: int) -> range:
    """All indices, or the given one; empty if this stack is too short for it."""
    return range(count) if index is None else range(index, min(index + 1, count))


def _format_vector(values: Tensor) -> str:
    shown = " ".join(f"{value:7.4f}" for value in values[:MAX_VALUES].tolist())
    return f"[{shown}]" if len(values) <= MAX_VALUES else f"[{shown} …] ({len(values)} values)"


def _token_line(stack, t: int) -> str:
    return f"  Token {t:2d} | {stack.tokens[t]:<10} | id {stack.input_ids[t]}"


def _embedding_lines(stack, tokens) -> Iterator[str]:
    parts = stack.embeddings
    for t in tokens:
        yield _token_line(stack, t)
        for name in ("word", "position", "token_type", "sum", "norm"):
            if getattr(parts, name) is not None:
                yield f"    {name.replace('_', ' ').capitalize():<11}: {_format_vector(getattr(parts, name)[t])}"


def _head_lines(stack, attention, keys: list[str], head: int, tokens) -> Iterator[str]:
    for t in tokens:
        yield _token_line(stack, t)
        yield f"    Input : {_format_vector(attention.input[t])}"
        for name, vectors in (("Q", attention.query), ("K", attention.key), ("V", attention.value)):
            if name == "Q" or attention.kind != "cross":  # keys and values belong to other tokens there
                yield f"    {name} (D={vectors.shape[-1]}): {_format_vector(vectors[head, t])}"
        yield "    Attention to:"
        for s in attention.visible[t].nonzero().flatten().tolist():
            score, weight = attention.scores[head, t, s], attention.weights[head, t, s]
            yield f"      ↳ Token {s:2d} [{keys[s]:<10}] | Score: {score:8.4f} | Softmax: {weight:7.4f}"
        yield f"    Head output: {_format_vector(attention.head_outputs[head, t])}"


def _layer_lines(stack, layer, tokens) -> Iterator[str]:
    parts = []  # in the order of the computation
    for name in ("attention", "cross_attention"):
        attention = getattr(layer, name)
        if attention is not None:
            added = [
                ("Heads side by side", attention.head_outputs.transpose(0, 1).flatten(1)),
                ("Output projection", attention.output),
                ("Residual sum", getattr(layer, f"{name}_residual")),
            ]
            parts += _add_norm(added, getattr(layer, f"{name}_norm"), layer.pre_norm)
    added = [
        ("Feed-forward up", layer.feed_forward_up),
        ("Activation", layer.feed_forward_activation),
        ("Feed-forward down", layer.feed_forward_output),
        ("Residual sum", layer.feed_forward_residual),
    ]
    parts += _add_norm(added, layer.feed_forward_norm, layer.pre_norm)
    for t in tokens:
        yield _token_line(stack, t)
        for name, vectors in parts:
            yield f"    {name:<18}: {_format_vector(vectors[t])}"


def _add_norm(parts: list[tuple[str, Tensor]], norm: Tensor, pre_norm: bool) -> list[tuple[str, Tensor]]:
    return [("Norm", norm), *parts] if pre_norm else [*parts, ("Norm", norm)]

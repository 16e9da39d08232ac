"""A trace as text, token by token, as one would write it down by hand.

    print(trace.describe(layer=0, head=1, token=2))     # one query of one head
    print(trace.describe())                             # everything
    print(trace.describe_prediction(label="positive"))  # logits, probabilities and the loss

`describe` goes through the model in the order of its computation; each part is one function below it.
"""

import math
from collections.abc import Iterator

from torch import Tensor

KINDS = {"self": "self-attention", "causal": "causal self-attention", "cross": "cross-attention"}
VALUES = 8  # longer vectors are cut off behind so many


def describe(trace, layer: int | None = None, head: int | None = None, token: int | None = None) -> str:
    """Embeddings, then each layer: Q, K, V, scores and softmax of each head, the sums, the feed-forward network.

    Args:
        trace: a `Trace`.
        layer: this layer alone; where None all, and the embeddings and predictions around them.
        head: this head alone; where None all, and what the layer makes of them together.
        token: this token alone, as query; where None each.

    Raises:
        ValueError: a layer, head or token that is not there; says which are.
    """
    stacks = trace.stacks.values()
    _check("layer", layer, max(len(stack.layers) for stack in stacks))
    _check("head", head, max(len(one.attention.query) for stack in stacks for one in stack.layers))
    _check("token", token, max(len(stack.tokens) for stack in stacks))
    lines = [f"{trace.model_class}: {trace.text}" + (f" | {trace.text_pair}" if trace.text_pair else "")]
    for name, stack in trace.stacks.items():
        lines += ["", f"{name.capitalize()} with {stack.output.shape[1]} features, layers: {len(stack.layers)}"]
        lines += [f"Tokens: {' '.join(stack.tokens)}", f"Ids   : {stack.input_ids}"]
        tokens = _chosen(token, len(stack.tokens))
        if layer is None:
            lines += ["", "Embeddings", *_embeddings(stack, tokens)]
        for index in _chosen(layer, len(stack.layers)):
            one = stack.layers[index]
            kinds = [(one.attention, stack.tokens)]
            if one.cross_attention is not None:
                kinds.append((one.cross_attention, trace.encoder.tokens))
            for attention, keys in kinds:
                for h in _chosen(head, len(attention.query)):
                    lines += ["", f"Layer {index}, {KINDS[attention.kind]}, head {h}"]
                    lines += _head(stack, attention, keys, h, tokens)
            if head is None:
                lines += ["", f"Layer {index}, all heads together", *_layer(stack, one, tokens)]
    if layer is None and head is None:
        lines += ["", describe_prediction(trace)]
    return "\n".join(lines)


def describe_prediction(trace, label: str | None = None) -> str:
    """The text, what the model scores, and what it says; with a label also the cross-entropy, −log of its probability.

    Args:
        trace: a `Trace`.
        label: the true class of a classified text, by its name.

    Raises:
        ValueError: a label for a model that does not classify texts, or one that it does not know.
    """
    lines = [f"Text          : {trace.text}" + (f" | {trace.text_pair}" if trace.text_pair else "")]
    if trace.pooler is not None:
        lines.append(f"Pooler        : {_vector(trace.pooler)}")
    lines += [f"Logits        : {_vector(scores)}" for scores in trace.logits.values() if scores.dim() == 1]
    for prediction in trace.predictions:
        place = ""
        if prediction.token is not None:
            asked = trace.decoder or trace.encoder
            place = f" {prediction.token} ({asked.tokens[prediction.token]})"
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


def _check(name: str, index: int | None, count: int) -> None:
    if index is not None and not 0 <= index < count:
        raise ValueError(f"there is no {name} {index}; choose 0 to {count - 1}")


def _chosen(index: int | None, count: int) -> range:
    """All, or the one; none where one of two stacks is shorter."""
    return range(count) if index is None else range(index, min(index + 1, count))


def _vector(values: Tensor) -> str:
    shown = " ".join(f"{value:7.4f}" for value in values[:VALUES].tolist())
    return f"[{shown}]" if len(values) <= VALUES else f"[{shown} …] ({len(values)} values)"


def _token(stack, t: int) -> str:
    return f"  Token {t:2d} | {stack.tokens[t]:<10} | id {stack.input_ids[t]}"


def _embeddings(stack, tokens) -> Iterator[str]:
    parts = stack.embeddings
    for t in tokens:
        yield _token(stack, t)
        for name in ("word", "position", "token_type", "sum", "norm"):
            if getattr(parts, name) is not None:
                yield f"    {name.replace('_', ' ').capitalize():<11}: {_vector(getattr(parts, name)[t])}"


def _head(stack, attention, keys: list[str], head: int, tokens) -> Iterator[str]:
    for t in tokens:
        yield _token(stack, t)
        yield f"    Input : {_vector(attention.input[t])}"
        for name, vectors in (("Q", attention.query), ("K", attention.key), ("V", attention.value)):
            if name == "Q" or attention.kind != "cross":  # the keys and values of the encoder are of other tokens
                yield f"    {name} (D={vectors.shape[-1]}): {_vector(vectors[head, t])}"
        yield "    Attention to:"
        for s in attention.visible[t].nonzero().flatten().tolist():
            score, weight = attention.scores[head, t, s], attention.weights[head, t, s]
            yield f"      ↳ Token {s:2d} [{keys[s]:<10}] | Score: {score:8.4f} | Softmax: {weight:7.4f}"
        yield f"    Head output: {_vector(attention.head_outputs[head, t])}"


def _layer(stack, layer, tokens) -> Iterator[str]:
    parts = []  # in the order of the computation
    for name in ("attention", "cross_attention"):
        attention = getattr(layer, name)
        if attention is not None:
            added = [
                ("Heads side by side", attention.head_outputs.transpose(0, 1).flatten(1)),
                ("Output projection", attention.output),
                ("Residual sum", getattr(layer, f"{name}_residual")),
            ]
            parts += _with_norm(added, getattr(layer, f"{name}_norm"), layer.pre_norm)
    added = [
        ("Feed-forward up", layer.feed_forward_up),
        ("Activation", layer.feed_forward_activation),
        ("Feed-forward down", layer.feed_forward_output),
        ("Residual sum", layer.feed_forward_residual),
    ]
    parts += _with_norm(added, layer.feed_forward_norm, layer.pre_norm)
    for t in tokens:
        yield _token(stack, t)
        for name, vectors in parts:
            yield f"    {name:<18}: {_vector(vectors[t])}"


def _with_norm(parts: list[tuple[str, Tensor]], norm: Tensor, pre_norm: bool) -> list[tuple[str, Tensor]]:
    return [("Norm", norm), *parts] if pre_norm else [*parts, ("Norm", norm)]

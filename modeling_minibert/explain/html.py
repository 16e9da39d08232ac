"""Write a trace as a self-contained web page: plain JavaScript over inline data, no network, no build.

`page_data` selects the numbers; `write_html` puts them, as JSON with four significant digits (an error of at most
0.05 %), into `page.html` together with `page.css` and `page.js`. The fragment of the address selects the view, so a
link can point at one head: `page.html#layer=1&head=2&token=3`.

The head view (lines between two columns of tokens) is that of Vig 2019, A Multiscale Visualization of Attention in the
Transformer Model (arXiv 1906.05714).
"""

import html
import json
import math
import re
from importlib import resources
from pathlib import Path

from torch import Tensor

from .attribution import Attribution
from .trace import AttentionTrace, StackTrace, Trace

SIGNIFICANT_DIGITS = 4
MOST_NUMBERS = 4_000_000  # weights and scores of all heads, about seven bytes each in the page
CANDIDATES = 5


def write_html(trace: Trace, path: str | Path, attribution: Attribution | None = None) -> Path:
    """Write the page and return its path.

    Args:
        trace: what the page shows.
        path: of the page.
        attribution: integrated gradients of the same text; its words stand under the answer.

    Raises:
        ValueError: the page would have more than `MOST_NUMBERS` weights and scores.
    """
    data = json.dumps(page_data(trace, attribution), ensure_ascii=False, separators=(",", ":"))
    pieces = {
        "title": html.escape(f"{trace.model_class}: {trace.text}"),
        "style": _read_resource("page.css"),
        "script": _read_resource("page.js"),
        "data": data.replace("<", "\\u003c"),  # so that no text can end the script element
    }
    page = re.sub(r"{{(\w+)}}", lambda place: pieces[place[1]], _read_resource("page.html"))
    Path(path).write_text(page, encoding="utf-8")
    return Path(path)


def page_data(trace: Trace, attribution: Attribution | None = None) -> dict:
    """Select the data of the page, ready for JSON.

    Returns:
        `model`, `text`, `text_pair`; `attentions`, one entry for each `kind` in each `stack`, with the tokens of
        `queries` and `keys` and `layers[layer][head]`: `weights` (L, S) and `scores` (L, S), null if not visible;
        `stacks`, with the Euclidean norm of each token's vector after each part; `predictions`; `attribution`, or
        null, with the words and their scores.
    """
    attentions = [entry for name, stack in trace.stacks.items() for entry in _attentions(name, stack, trace)]
    _check_size(attentions)
    return {
        "model": trace.model_class,
        "text": trace.text,
        "text_pair": trace.text_pair,
        "attentions": [
            {**entry, "layers": [_head_data(attention) for attention in entry["layers"]]} for entry in attentions
        ],
        "stacks": [
            {"name": name, "tokens": stack.tokens, "norms": _vector_norms(stack)}
            for name, stack in trace.stacks.items()
        ],
        "predictions": [
            vars(one) | {"candidates": [[label, _round(value)] for label, value in one.candidates[:CANDIDATES]]}
            for one in trace.predictions
        ],
        "attribution": None if attribution is None else _attribution_data(attribution),
    }


def _attribution_data(attribution: Attribution) -> dict:
    return {
        "target": attribution.target,
        "baseline": {"mask": "[MASK]", "zero": "zeros"}.get(attribution.baseline or "", "[PAD]"),
        "words": list(zip(attribution.words, _round(attribution.word_scores.tolist()), strict=True)),
        "difference": _round(float(attribution.scores.sum())),
    }


def _attentions(name: str, stack: StackTrace, trace: Trace) -> list[dict]:
    """Self-attention of a stack in all layers, and cross-attention if it has any."""
    own = [layer.attention for layer in stack.layers]
    cross = [layer.cross_attention for layer in stack.layers if layer.cross_attention is not None]
    kinds = [(own, stack.tokens)] + ([(cross, trace.encoder.tokens)] if cross else [])
    return [
        {"stack": name, "kind": layers[0].kind, "queries": stack.tokens, "keys": keys, "layers": layers}
        for layers, keys in kinds
    ]


def _check_size(attentions: list[dict]) -> None:
    heads = sum(len(layer.weights) for entry in attentions for layer in entry["layers"])
    numbers = 2 * sum(layer.weights.numel() for entry in attentions for layer in entry["layers"])
    if numbers > MOST_NUMBERS:
        fit = math.isqrt(MOST_NUMBERS // (2 * heads))
        raise ValueError(
            f"the page would hold {numbers:,} attention weights and scores, {MOST_NUMBERS:,} at most; give a text of "
            f"at most {fit} tokens"
        )


def _head_data(attention: AttentionTrace) -> list[dict]:
    return [
        {
            "weights": _round(weights),
            "scores": [
                [score if seen else None for score, seen in zip(*row, strict=True)]
                for row in zip(_round(scores), attention.visible.tolist(), strict=True)
            ],
        }
        for weights, scores in zip(attention.weights, attention.scores, strict=True)
    ]


def _vector_norms(stack: StackTrace) -> list[dict]:
    """Rows of the table of norms: the output of each sub-layer, and the residual stream after each layer."""
    parts = stack.embeddings
    rows = [
        ("word embedding", parts.word),
        ("position embedding", parts.position),
        ("token type embedding", parts.token_type),
        ("embeddings", parts.norm),
    ]
    for index, layer in enumerate(stack.layers):
        rows.append((f"layer {index}: attention adds", layer.attention.output))
        if layer.cross_attention is not None:
            rows.append((f"layer {index}: cross-attention adds", layer.cross_attention.output))
        rows.append((f"layer {index}: feed-forward adds", layer.feed_forward_output))
        rows.append((f"layer {index}: output", layer.output))
    return [{"name": name, "values": _round(vectors.norm(dim=-1))} for name, vectors in rows if vectors is not None]


def _round(values):
    """Round a number, a list or a tensor to `SIGNIFICANT_DIGITS`."""
    if isinstance(values, Tensor):
        values = values.tolist()
    if isinstance(values, list):
        return [_round(value) for value in values]
    return float(f"{values:.{SIGNIFICANT_DIGITS}g}")


def _read_resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

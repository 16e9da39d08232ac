"""Measure where each attention head looks, averaged over texts, and name its role.

    print(head_roles(model, tokenizer, texts))

prints a line per head: the shares of its attention on the previous token, the next one, the token itself, the first one
([CLS] in BERT) and the separators, and how widely it is spread. The last line is the baseline, uniform attention: only
a large difference from it means something. A role says where a head looks, not what it is for.

Read `attention_shares` for the formulas. Letters: H heads, L tokens, N layers.

Sources: Clark et al. 2019, "What does BERT look at?", sections 3.1 to 3.3 (the shares, the entropy, and half of the
attention as a threshold); Voita et al. 2019 (positional heads); the lectures' head roles (rows S3-10, S5-21).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAIN_SHARE = 0.5  # share of attention on one kind of token that gives a head its role
BROAD_SPREAD = 0.9  # share of the highest possible entropy from which a head is "broad"


@torch.no_grad()
def attention_weights(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str
) -> tuple[list[str], np.ndarray]:
    """Compute the tokens of a text, with special ones, and the attention weights of every layer.

    Stock models return weights only with eager attention, so it is set for this call; afterwards attention and training
    mode are restored.

    Returns:
        L tokens, and (N, H, L, L) in float64.

    Raises:
        ValueError: the text has no tokens, or the model has no attention weights.
    """
    inputs = tokenizer(text, return_tensors="pt").to(model.device)
    ids = inputs["input_ids"][0]
    if len(ids) == 0:
        raise ValueError(f"the text {text!r} has no tokens; give a text with at least one word")
    implementation, was_training = model.config._attn_implementation, model.training
    model.eval().set_attn_implementation("eager")
    try:
        layers = model(**inputs, output_attentions=True).attentions
    finally:
        model.train(was_training).set_attn_implementation(implementation)
    if not layers or any(layer is None for layer in layers):
        raise ValueError(
            f"{type(model).__name__} gives no attention weights; give one with softmax attention in all layers"
        )
    return list(tokenizer.convert_ids_to_tokens(ids.tolist())), torch.cat(layers).cpu().double().numpy()


def attention_shares(weights: np.ndarray, separators: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Compute the share of attention that each query gives to each kind of key, for one text.

    Args:
        weights: (H, L, L) without padding; rows sum to 1.
        separators: (L,) bool, True for separators; none by default.

    Returns:
        {measure: (H, L), one value per query}: `previous`, `next`, `same` and `first`, the weight of that key;
        `separator`, the sum over the separators; `entropy`, -Σ w ln w in nats; `spread`, the entropy divided by its
        largest value, ln(number of visible keys). NaN if the query has no such key, and in all measures if it sees a
        single key (the first query of a decoder).
    """
    weights = np.asarray(weights, dtype=float)
    heads, length, _ = weights.shape
    causal = length > 1 and not np.triu(weights, k=1).any()
    visible = np.arange(1, length + 1) if causal else np.full(length, length)  # number per query
    separators = np.zeros(length, dtype=bool) if separators is None else np.asarray(separators, dtype=bool)
    nowhere = np.full((heads, 1), np.nan)
    following = np.full((heads, length - 1), np.nan) if causal else np.diagonal(weights, 1, 1, 2)
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=2)
    shares = {
        "previous": np.hstack([nowhere, np.diagonal(weights, -1, 1, 2)]),
        "next": np.hstack([following, nowhere]),
        "same": np.diagonal(weights, 0, 1, 2),
        "first": weights[:, :, 0],
        "separator": weights[:, :, separators].sum(axis=2),
        "entropy": entropy,
        "spread": entropy / np.log(np.maximum(visible, 2)),
    }
    return {name: np.where(visible > 1, values, np.nan) for name, values in shares.items()}


@dataclass
class HeadRoles:
    """The averages of `attention_shares` over all queries of all texts; `str()` gives a table.

    A measure that no query has (`next` in a decoder) is NaN.
    """

    shares: dict[str, np.ndarray]  # {measure: (N, H)}
    alike: dict[str, float]  # {measure: its value for uniform attention}

    def role(self, layer: int, head: int) -> str:
        """Role of a head (indices from 0): "broad", "previous", "next", "same", "first", "separator", or ""."""
        own = {name: values[layer, head] for name, values in self.shares.items()}
        if own["spread"] >= BROAD_SPREAD:
            return "broad"
        kinds = [name for name in ("previous", "next", "same", "first", "separator") if own[name] >= MAIN_SHARE]
        return max(kinds, key=lambda kind: own[kind], default="")

    def __str__(self) -> str:
        names = list(self.shares)
        lines = ["layer  head  " + "  ".join(f"{name:>9}" for name in names) + "   role"]
        for layer, head in np.ndindex(self.shares["same"].shape):
            own = [self.shares[name][layer, head] for name in names]
            lines.append(f"{layer + 1:5d}  {head + 1:4d}  {_format_row(names, own)}   {self.role(layer, head)}")
        lines.append(f"uniform      {_format_row(names, self.alike.values())}")
        return "\n".join(line.rstrip() for line in lines)


def _format_row(names: Sequence[str], values) -> str:
    """Format shares as percentages, the entropy in nats, and NaN as a dash."""
    cells = []
    for name, value in zip(names, values, strict=True):
        number = f"{value:.2f}" if name == "entropy" else f"{value:.0%}"
        cells.append(f"{'–' if np.isnan(value) else number:>9}")
    return "  ".join(cells)


def head_roles(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> HeadRoles:
    """Measure every head of a model on some texts, one by one, so that there is no padding.

    Args:
        model: any model with `attentions` in its output.
        tokenizer: its tokenizer.
        texts: a few dozen, weighted by their number of tokens.

    Raises:
        ValueError: no text has two tokens.
    """
    found: dict[str, list[np.ndarray]] = {}
    for text in texts:
        tokens, weights = attention_weights(model, tokenizer, text)
        shape = weights.shape[:2]
        visible = np.ones(weights.shape[2:])
        if not np.triu(weights, k=1).any():  # a decoder
            visible = np.tril(visible)
        uniform = visible / visible.sum(axis=1, keepdims=True)
        heads = np.concatenate([weights.reshape(-1, *uniform.shape), uniform[None]])
        separators = np.array([token == tokenizer.sep_token for token in tokens])
        for name, values in attention_shares(heads, separators).items():
            found.setdefault(name, []).append(values)
    pooled = {name: np.concatenate(values, axis=1) for name, values in found.items()}
    if not pooled or np.isnan(pooled["same"]).all():
        raise ValueError(f"{len(texts)} texts were given, none with two tokens; give at least one short sentence")
    counts = {name: (~np.isnan(values)).sum(axis=1) for name, values in pooled.items()}
    means = {name: np.nansum(pooled[name], axis=1) / np.where(counts[name], counts[name], np.nan) for name in pooled}
    return HeadRoles({name: mean[:-1].reshape(shape) for name, mean in means.items()},
                     {name: float(mean[-1]) for name, mean in means.items()})  # fmt: skip

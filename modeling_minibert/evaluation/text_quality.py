"""Diversity and likelihood of generated texts.

    repeated_ngrams   rep-n: the share of repeated n-grams in a text; near 0 in human text for n = 4
    distinct_ngrams   distinct-n: the share of different n-grams over several texts
    self_bleu         similarity of several texts: 1 if all are equal
    token_log_probs   log-probability of each token of a continuation under a model
    mean_entropy      uncertainty about the next token, at a temperature
    perplexity        exp of the mean of -ln p: the number of equally likely tokens with the same uncertainty

Sources: rep-n, Welleck et al. 2019 and Su et al. 2022; distinct-n, Li et al. 2016; self-BLEU, Zhu et al. 2018;
perplexity and the plot of probabilities, Holtzman et al. 2020 (figure 2).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import torch
from matplotlib.figure import Figure
from sacrebleu.metrics import BLEU


def _ngrams(ids: Sequence[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]


def repeated_ngrams(ids: Sequence[int], n: int = 4) -> float:
    """Return rep-n of one text, 1 - different n-grams / all n-grams; 0 for a text of fewer than n tokens."""
    ngrams = _ngrams(ids, n)
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def distinct_ngrams(texts: Sequence[Sequence[int]], n: int = 2) -> float:
    """Return distinct-n of several texts, different n-grams / all n-grams; n-grams do not span texts."""
    ngrams = [ngram for ids in texts for ngram in _ngrams(ids, n)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def self_bleu(texts: Sequence[Sequence[int]]) -> float:
    """Return the mean BLEU-4 of each text against the others, from 0 (nothing in common) to 1 (all equal).

    Args:
        texts: at least two, each a list of ids.

    Raises:
        ValueError: fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"self_bleu compares texts with each other; got {len(texts)}, give at least 2")
    bleu = BLEU(tokenize="none", smooth_method="none")
    lines = [" ".join(map(str, ids)) for ids in texts]
    return mean(
        bleu.sentence_score(line, lines[:number] + lines[number + 1 :]).score for number, line in enumerate(lines)
    ) / 100  # fmt: skip


@torch.no_grad()
def token_log_probs(model, prompt: Sequence[int], continuation: Sequence[int]) -> torch.Tensor:
    """Return ln p of every token of a continuation given all tokens before it: (T,), float64, on the CPU.

    Args:
        model: a causal language model of transformers, in eval mode.
        prompt: at least one id, as the first token of a text cannot be predicted.
        continuation: T ids.

    Raises:
        ValueError: the prompt is empty.
    """
    log_probs = _next_logits(model, prompt, continuation).log_softmax(-1)
    return log_probs.gather(-1, torch.tensor(continuation, dtype=torch.long)[:, None]).squeeze(-1)


def _next_logits(model, prompt: Sequence[int], continuation: Sequence[int]) -> torch.Tensor:
    """The logits from which each token of the continuation is predicted: (T, V), float64, on the CPU."""
    if len(prompt) == 0:
        raise ValueError("the prompt is empty; give at least one token, from which the next one is predicted")
    ids = torch.tensor([[*prompt, *continuation]], device=model.device)
    return model(input_ids=ids).logits[0, len(prompt) - 1 : -1].cpu().double()


@torch.no_grad()
def mean_entropy(model, prompt: Sequence[int], continuation: Sequence[int], temperature: float = 1.0) -> float:
    """Return the mean of -Σ p ln p over the places of a continuation, in nats, with p = softmax(logits / temperature).

    Args:
        model: a causal language model of transformers, in eval mode.
        prompt: at least one id.
        continuation: at least one id.
        temperature: above 0.

    Raises:
        ValueError: the prompt or the continuation is empty, or the temperature is not above 0.
    """
    if len(continuation) == 0:
        raise ValueError("the continuation is empty; give at least one token")
    if not temperature > 0:
        raise ValueError(f"temperature ({temperature}) must be above 0")
    logits = _next_logits(model, prompt, continuation)
    below_largest = logits - logits.amax(dim=-1, keepdim=True)  # so that no small temperature overflows
    return float(torch.special.entr((below_largest / temperature).softmax(-1)).sum(-1).mean())


def perplexity(log_probs: torch.Tensor) -> float:
    """Return exp(-mean) of the log-probabilities (T,) of a text."""
    return float(log_probs.mean().neg().exp())


def plot_token_probabilities(log_probs: Mapping[str, torch.Tensor], path: str | Path) -> Path:
    """Plot the token probabilities of several continuations, one below the other, and return the path.

    Text decoded by beam search has probabilities near 1 throughout; those of human text vary.

    Args:
        log_probs: name of a continuation → (T,), from `token_log_probs`.
        path: file of the image.
    """
    # pyplot would change the figures open in the caller's notebook or windows.
    figure = Figure(figsize=(9, 1 + 1.6 * len(log_probs)), layout="constrained")
    rows = figure.subplots(len(log_probs), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, log_probs.items(), strict=True):
        axes.plot(range(1, len(values) + 1), values.exp().tolist(), marker=".", linewidth=0.8)
        axes.set(ylim=(-0.05, 1.05), ylabel="probability", title=name)
    rows[-1].set_xlabel("token of the continuation")
    figure.savefig(path, dpi=120)
    return Path(path)

"""Does a generated text repeat itself, and does the model that wrote it find it likely?

    repeated_ngrams   rep-n: the share of n-grams that were there before; human text is near 0 for n = 4
    distinct_ngrams   distinct-n: how many different n-grams several texts have, of all
    self_bleu         how much several texts resemble each other: 1 where all are the same
    token_log_probs   how likely the model finds each token of a continuation
    perplexity        exp of the mean of -ln p: as if choosing between so many tokens each time

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
    """rep-n of one text: 1 - different n-grams / all n-grams, from 0 to 1; 0 for a text of less than n tokens."""
    ngrams = _ngrams(ids, n)
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def distinct_ngrams(texts: Sequence[Sequence[int]], n: int = 2) -> float:
    """distinct-n of several texts together: different n-grams / all n-grams, from 0 to 1; no n-gram spans two texts."""
    ngrams = [ngram for ids in texts for ngram in _ngrams(ids, n)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def self_bleu(texts: Sequence[Sequence[int]]) -> float:
    """BLEU-4 of each text against all the others, the mean, from 0 (nothing in common) to 1 (all the same).

    Args:
        texts: at least two, each a list of ids.

    Raises:
        ValueError: fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"self_bleu compares texts with each other: at least 2 are needed, not {len(texts)}")
    bleu = BLEU(tokenize="none", smooth_method="none")
    lines = [" ".join(map(str, ids)) for ids in texts]
    return mean(
        bleu.sentence_score(line, lines[:number] + lines[number + 1 :]).score for number, line in enumerate(lines)
    ) / 100  # fmt: skip


@torch.no_grad()
def token_log_probs(model, prompt: Sequence[int], continuation: Sequence[int]) -> torch.Tensor:
    """ln p of every token of a continuation, given the prompt and the tokens before, (T,) in float64 on the CPU.

    Args:
        model: a causal language model of transformers, in eval mode.
        prompt: at least one id; the first token of a text has nothing to be predicted from.
        continuation: T ids.

    Raises:
        ValueError: the prompt is empty.
    """
    if len(prompt) == 0:
        raise ValueError("the prompt is empty: the first token of a text has no probability without one")
    ids = torch.tensor([[*prompt, *continuation]], device=model.device)
    log_probs = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1, torch.float64)  # (T, V)
    return log_probs.gather(-1, ids[0, len(prompt) :, None]).squeeze(-1).cpu()


def perplexity(log_probs: torch.Tensor) -> float:
    """exp(-mean) of the log-probabilities (T,) of a text."""
    return float(log_probs.mean().neg().exp())


def plot_token_probabilities(log_probs: Mapping[str, torch.Tensor], path: str | Path) -> Path:
    """Draw the probability of each token of some continuations, one below the other.

    Text decoded by beam search runs along the top, where nothing surprises the model; human text goes up and down.

    Args:
        log_probs: name of a continuation → (T,), from `token_log_probs`.
        path: where the picture goes.

    Returns:
        The path.
    """
    # Not through pyplot, which would meddle with the windows or the notebook of the caller.
    figure = Figure(figsize=(9, 1 + 1.6 * len(log_probs)), layout="constrained")
    rows = figure.subplots(len(log_probs), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(rows, log_probs.items(), strict=True):
        axes.plot(range(1, len(values) + 1), values.exp().tolist(), marker=".", linewidth=0.8)
        axes.set(ylim=(-0.05, 1.05), ylabel="probability", title=name)
    rows[-1].set_xlabel("token of the continuation")
    figure.savefig(path, dpi=120)
    return Path(path)

"""Decoding by sampling: functions that change the next-token distribution, and a loop that samples from it.

    apply_temperature   sharpen (t < 1) or flatten (t > 1) it:      softmax(logits / t)
    keep_top_k          keep the k likeliest tokens
    keep_top_p          keep the smallest set of likeliest tokens with a total probability of at least p ("nucleus")

Each takes logits (…, V) and returns logits whose softmax is the new distribution; tokens with -inf are never drawn.
Log-probabilities are logits too.
Sources: S5, "Random Sampling" to "Top-p"; temperature, Ackley et al. 1985; top-k, Fan et al. 2018; top-p, Holtzman
et al. 2020.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .next_token import NextLogProbs
from .search import Hypothesis


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide logits by the temperature, without overflow at any temperature.

    The largest logit is subtracted first, which does not change the softmax. (The lecture's exp(x / t) is inf and its
    result nan if x / t > 709, for example for a logit of 2.1 at t = 0.0029.)

    Raises:
        ValueError: the temperature is not above 0. Its limit 0 is greedy search.
    """
    if not temperature > 0:
        raise ValueError(f"temperature ({temperature}) must be above 0; for the limit, use greedy search")
    # In float64, because a temperature of 1e-300 is 0 in float32; on the CPU, as Apple's GPUs have no float64.
    below_largest = (logits - logits.amax(dim=-1, keepdim=True)).cpu().double()
    return (below_largest / temperature).to(logits.dtype).to(logits.device)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep exactly `top_k` of the largest logits, and set the rest to -inf.

    Raises:
        ValueError: top_k is below 1.
    """
    if top_k < 1:
        raise ValueError(f"top_k ({top_k}) must be at least 1")
    largest = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, -torch.inf).scatter(-1, largest.indices, largest.values)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of largest logits whose probabilities sum to at least `top_p`; set the rest to -inf.

    Raises:
        ValueError: top_p is not above 0 and at most 1.
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p ({top_p}) must be above 0 and at most 1")
    if top_p == 1:
        return logits  # rounding could remove the least likely token
    ordered = logits.sort(dim=-1, descending=True)
    probabilities = ordered.values.softmax(dim=-1)
    # A token is kept if the likelier ones alone do not reach p.
    likelier = probabilities.cumsum(dim=-1) - probabilities
    kept = ordered.values.masked_fill(likelier >= top_p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, ordered.indices, kept)


def sample(
    next_log_probs: NextLogProbs,
    prompt: Sequence[int],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    num_samples: int = 1,
    eos_token_id: int | None = None,
    generator: torch.Generator | None = None,
) -> list[Hypothesis]:
    """Sample `num_samples` continuations, with temperature, then top-k, then top-p, as in `generate`.

    The generator is on the device of the log-probabilities: for `causal_lm` the CPU.

    Returns:
        The samples; `log_prob` is the model's, before temperature, top-k and top-p.
    """
    ids = torch.tensor([list(prompt)] * num_samples)  # (N, L)
    drawn_log_probs = []
    for _ in range(max_new_tokens):
        log_probs = next_log_probs(ids)
        logits = apply_temperature(log_probs, temperature)
        logits = logits if top_k is None else keep_top_k(logits, top_k)
        logits = logits if top_p is None else keep_top_p(logits, top_p)
        tokens = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)  # (N, 1)
        drawn_log_probs.append(log_probs.gather(-1, tokens))
        ids = torch.cat([ids, tokens.to(ids)], dim=-1)
        if eos_token_id is not None and (ids[:, len(prompt) :] == eos_token_id).any(dim=-1).all():
            break
    samples = []
    for row, row_log_probs in zip(ids.tolist(), torch.cat(drawn_log_probs, dim=-1).tolist(), strict=True):
        new = row[len(prompt) :]
        end = new.index(eos_token_id) + 1 if eos_token_id in new else len(new)  # cut what was drawn after the end
        log_prob = sum(row_log_probs[:end])
        samples.append(Hypothesis((*prompt, *new[:end]), log_prob, log_prob))
    return samples

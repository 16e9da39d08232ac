"""Decoding by drawing: pure functions that shape the distribution of the next token, and a loop that draws from it.

    apply_temperature   sharpen (t < 1) or flatten (t > 1) it:      softmax(logits / t)
    keep_top_k          only the k likeliest tokens
    keep_top_p          only the smallest set of likeliest tokens that holds a share p of the probability ("nucleus")

Each takes logits (…, V) and returns logits whose softmax is the new distribution; -inf marks a token that can no longer
be drawn, and the softmax shares its probability out among the rest. Log-probabilities are logits too.
Sources: S5, "Random Sampling" to "Top-p"; temperature, Ackley et al. 1985; top-k, Fan et al. 2018; top-p, Holtzman
et al. 2020.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .next_token import NextLogProbs
from .search import Hypothesis


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits whose softmax is softmax(logits / temperature), without overflow however small the temperature is.

    The softmax does not change when a constant is subtracted, so the largest logit goes to 0 first and nothing is above
    it. (The lecture's exp(x / t) is inf and its result nan where x / t > 709: for a logit of 2.1 at t = 0.0029.)

    Raises:
        ValueError: the temperature is not above 0. At 0 the limit is the likeliest token: greedy search.
    """
    if not temperature > 0:
        raise ValueError(f"temperature ({temperature}) must be above 0; for the limit, use greedy search")
    # In float64, where also a temperature of 1e-300 is not 0.
    below_largest = (logits - logits.amax(dim=-1, keepdim=True)).double()
    return (below_largest / temperature).to(logits.dtype)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep the `top_k` largest logits, the rest becomes -inf. Of equal ones just as many as there is room for.

    Raises:
        ValueError: top_k is below 1.
    """
    if top_k < 1:
        raise ValueError(f"top_k ({top_k}) must be at least 1")
    largest = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, -torch.inf).scatter(-1, largest.indices, largest.values)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the fewest largest logits whose probabilities sum up to `top_p` or more, the rest becomes -inf.

    Raises:
        ValueError: top_p is not above 0 and at most 1.
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p ({top_p}) must be above 0 and at most 1")
    if top_p == 1:
        return logits  # rounding must not cost the least likely token its place
    ordered = logits.sort(dim=-1, descending=True)
    probabilities = ordered.values.softmax(dim=-1)
    # A token is needed as long as the likelier ones alone do not reach p.
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
    """Draw `num_samples` continuations, token by token; temperature first, then top-k, then top-p, as in `generate`.

    Returns:
        The samples in the order drawn; `log_prob` is that of the model itself, before temperature, top-k and top-p.
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
        end = new.index(eos_token_id) + 1 if eos_token_id in new else len(new)  # all rows were drawn to the longest
        log_prob = sum(row_log_probs[:end])
        samples.append(Hypothesis((*prompt, *new[:end]), log_prob, log_prob))
    return samples

"""Decoding as a search for the likeliest continuation, from scratch, over any next-token function (next_token.py).

The probability of a continuation w₁ … w_T is the product of its next-token probabilities,

    P(w₁ … w_T | prompt) = Π P(w_t | prompt, w₁ … w_{t-1}),

and there are V^T continuations, too many to try all. Read in this order:

    greedy_search         take the likeliest token at each step
    exhaustive_search     score every continuation; for small examples, as a reference
    beam_search           keep the best prefixes at each step (with `Beams`)
    diverse_beam_search   beam search in groups that avoid each other's tokens
    contrastive_search    likely tokens that differ from the text so far

Scores are natural logarithms, at most 0, larger is better. (The lecture's code sums -ln p instead: smaller is better.)
All functions take a prompt as a list of ids, stop after `max_new_tokens` or at the end-of-sequence token, and return
hypotheses whose ids begin with the prompt.
Sources: S5, "Language Model Decoding"; the papers named below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .next_token import NextLogProbs

MAX_CONTINUATIONS = 1_000_000  # of an exhaustive search


@dataclass(frozen=True)
class Hypothesis:
    """A prefix or a finished text."""

    ids: tuple[int, ...]  # including those of the prompt
    log_prob: float = 0.0  # of the new tokens
    score: float = 0.0  # log_prob / length ** length_penalty, to compare finished texts


def greedy_search(
    next_log_probs: NextLogProbs, prompt: Sequence[int], max_new_tokens: int, eos_token_id: int | None = None
) -> Hypothesis:
    """Take the likeliest next token at each step. The result need not be the likeliest text."""
    ids, log_prob = list(prompt), 0.0
    for _ in range(max_new_tokens):
        log_probs = next_log_probs(torch.tensor([ids]))[0]
        token = int(log_probs.argmax())
        ids.append(token)
        log_prob += float(log_probs[token])
        if token == eos_token_id:
            break
    return Hypothesis(tuple(ids), log_prob, log_prob)


def exhaustive_search(
    next_log_probs: NextLogProbs,
    prompt: Sequence[int],
    max_new_tokens: int,
    eos_token_id: int | None = None,
    length_penalty: float = 1.0,
) -> list[Hypothesis]:
    """Score every continuation with a probability above 0, and return them best first.

    Raises:
        ValueError: there are more than a million.
    """
    running, finished = [Hypothesis(tuple(prompt))], []
    for length in range(1, max_new_tokens + 1):
        log_probs = next_log_probs(torch.tensor([hypothesis.ids for hypothesis in running]))
        if log_probs.numel() > MAX_CONTINUATIONS:
            raise ValueError(
                f"{log_probs.numel():,} continuations of {length} tokens are too many to try (at most "
                f"{MAX_CONTINUATIONS:,}); ask for fewer new tokens, or use beam_search"
            )
        extended = [
            Hypothesis((*parent.ids, token), total := parent.log_prob + log_prob, total / length**length_penalty)
            for parent, row in zip(running, log_probs.tolist(), strict=True)
            for token, log_prob in enumerate(row)
            if log_prob > -torch.inf
        ]
        ends = [length == max_new_tokens or hypothesis.ids[-1] == eos_token_id for hypothesis in extended]
        finished += [hypothesis for hypothesis, end in zip(extended, ends, strict=True) if end]
        running = [hypothesis for hypothesis, end in zip(extended, ends, strict=True) if not end]
        if not running:
            break
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)


def stable_topk(totals: Tensor, count: int) -> list[tuple[float, int]]:
    """Return up to `count` largest values with their indices; among equal ones the first, unlike `topk`."""
    smallest_kept = totals.topk(min(count, totals.numel())).values[-1]
    indices = (totals >= smallest_kept).nonzero().squeeze(1)
    best = totals[indices].sort(descending=True, stable=True)
    return list(zip(best.values.tolist(), indices[best.indices].tolist(), strict=True))[:count]


class Beams:
    """The state of a beam search: `running` prefixes and `finished` texts, at most `width` of each, best first.

        beams = Beams(prompt, max_new_tokens=20, width=4)
        while not beams.done():
            beams.advance(next_log_probs(beams.prefixes()))

    A text is finished if it ends with the end-of-sequence token or has `max_new_tokens`. Texts of different lengths are
    compared by log-probability / length ** length_penalty, where the length counts new tokens. With 0 short texts win,
    because every token lowers the probability; 1 compares the average per token.

    Args:
        prompt: token ids.
        max_new_tokens: the longest continuation.
        width: number of prefixes to keep.
        eos_token_id: one id, several, or None.
        length_penalty: the exponent of the length.
        early_stopping: when to stop once `width` texts are finished. True: at once. False: when the best prefix, at its
            present length, scores no better than the worst finished text. "never": when no prefix can score better at
            any length.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        max_new_tokens: int,
        width: int,
        eos_token_id: int | Sequence[int] | None = None,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
    ):
        self.max_new_tokens, self.width = max_new_tokens, width
        self.eos_token_ids = {eos_token_id} if isinstance(eos_token_id, int) else set(eos_token_id or ())
        self.length_penalty, self.early_stopping = length_penalty, early_stopping
        self.new_tokens = 0
        self.running, self.finished = [Hypothesis(tuple(prompt))], []
        self.just_taken = []  # tokens of the last step, of running and finished texts

    def prefixes(self) -> Tensor:
        """The ids of the running hypotheses, (N, L)."""
        return torch.tensor([hypothesis.ids for hypothesis in self.running])

    def advance(self, log_probs: Tensor) -> list[int]:
        """Extend the running hypotheses by one token.

        Args:
            log_probs: (N, V), one row per running hypothesis.

        Returns:
            For each running hypothesis, the row of the one it extends.
        """
        self.new_tokens += 1
        before = log_probs.new_tensor([hypothesis.log_prob for hypothesis in self.running])
        totals = (log_probs + before[:, None]).flatten()
        # Each hypothesis can end with any end token. So many candidates leave at least `width` that do not end.
        wanted = (1 + max(1, len(self.eos_token_ids))) * self.width
        running, ended, parents = [], [], []
        for rank, (total, index) in enumerate(stable_topk(totals, wanted)):
            if total == -torch.inf:
                break  # the rest is impossible too
            parent, token = divmod(index, log_probs.shape[-1])
            score = total / self.new_tokens**self.length_penalty
            hypothesis = Hypothesis((*self.running[parent].ids, token), total, score)
            if token not in self.eos_token_ids and self.new_tokens < self.max_new_tokens:
                if len(running) < self.width:
                    running.append(hypothesis)
                    parents.append(parent)
            elif rank < self.width:
                ended.append(hypothesis)
        self.running, self.just_taken = running, [hypothesis.ids[-1] for hypothesis in running + ended]
        self.finished = sorted(self.finished + ended, key=lambda hypothesis: -hypothesis.score)[: self.width]
        return parents

    def done(self) -> bool:
        """Whether no extension can change the result."""
        if not self.running:
            return True
        if len(self.finished) < self.width:
            return False
        if self.early_stopping is True:
            return True
        # With a positive length_penalty the score of a text can rise with its length.
        rewarded = self.early_stopping == "never" and self.length_penalty > 0
        length = self.max_new_tokens if rewarded else self.new_tokens
        return self.running[0].log_prob / length**self.length_penalty <= self.finished[-1].score


def beam_search(
    next_log_probs: NextLogProbs,
    prompt: Sequence[int],
    max_new_tokens: int,
    num_beams: int,
    eos_token_id: int | Sequence[int] | None = None,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
) -> list[Hypothesis]:
    """Keep the `num_beams` likeliest prefixes at every step; return as many texts, best first. See `Beams`.

    One beam is greedy search, V^(T-1) beams are exhaustive search. In between it usually finds likelier texts than
    greedy search, but the greedy path can also drop out of the beams.
    """
    beams = Beams(prompt, max_new_tokens, num_beams, eos_token_id, length_penalty, early_stopping)
    while not beams.done():
        beams.advance(next_log_probs(beams.prefixes()))
    return beams.finished


def diverse_beam_search(
    next_log_probs: NextLogProbs,
    prompt: Sequence[int],
    max_new_tokens: int,
    num_beams: int,
    num_beam_groups: int,
    diversity_penalty: float,
    eos_token_id: int | Sequence[int] | None = None,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
) -> list[Hypothesis]:
    """Beam search in groups, each penalised for tokens that the groups before it took in the same step.

    `diversity_penalty` is subtracted from the log-probability of a token for every beam of an earlier group that took
    it (Hamming diversity). The penalties stay in `log_prob` and `score`, by which the texts of all groups are sorted,
    as in the paper and in transformers 4.
    Source: Vijayakumar et al. 2016, algorithm 1.
    """
    width = num_beams // num_beam_groups
    groups = [
        Beams(prompt, max_new_tokens, width, eos_token_id, length_penalty, early_stopping)
        for _ in range(num_beam_groups)
    ]
    while running := [group for group in groups if not group.done()]:
        log_probs = next_log_probs(torch.cat([group.prefixes() for group in running]))
        advance_groups(running, log_probs, diversity_penalty)
    return sorted((text for group in groups for text in group.finished), key=lambda hypothesis: -hypothesis.score)


def advance_groups(groups: list[Beams], log_probs: Tensor, diversity_penalty: float) -> list[int]:
    """Extend the hypotheses of all groups by one token.

    Args:
        groups: the groups that are not done.
        log_probs: (N, V), one row per running hypothesis, group after group.

    Returns:
        For each running hypothesis, group after group, the row of the one it extends.
    """
    times_taken = torch.zeros_like(log_probs[0])  # (V,)
    parents, start = [], 0
    for group in groups:
        rows = range(start, start + len(group.running))
        own_parents = group.advance(log_probs[rows.start : rows.stop] - diversity_penalty * times_taken)
        for token in group.just_taken:
            times_taken[token] += 1
        if not group.done():
            parents += [rows[parent] for parent in own_parents]
        start = rows.stop
    return parents


def contrastive_search(
    next_log_probs: NextLogProbs,
    hidden_states: Callable[[Tensor], Tensor],
    prompt: Sequence[int],
    max_new_tokens: int,
    penalty_alpha: float,
    top_k: int,
    eos_token_id: int | None = None,
) -> Hypothesis:
    """Choose among the `top_k` likeliest tokens by probability and dissimilarity to the text:

        (1 - α) · P(token)  -  α · (largest cosine similarity of its hidden state to that of any token before)

    A repetition leads to hidden states close to earlier ones; the second term penalises it.

    Args:
        hidden_states: function (N, L) ids → (N, L, E), the states of the last layer.
        penalty_alpha: α from 0 (greedy search) to 1.

    Source: Su et al. 2022, equation 5.
    """
    ids, log_prob = list(prompt), 0.0
    for _ in range(max_new_tokens):
        likeliest = next_log_probs(torch.tensor([ids]))[0].topk(top_k)
        extended = torch.tensor([[*ids, token] for token in likeliest.indices.tolist()])  # (K, L+1)
        states = F.normalize(hidden_states(extended), dim=-1)
        similarity = (states[:, :-1] @ states[:, -1, :, None]).squeeze(-1).amax(dim=-1)  # (K,)
        similarity = similarity.to(likeliest.values.device)
        choice = int(((1 - penalty_alpha) * likeliest.values.exp() - penalty_alpha * similarity).argmax())
        ids.append(int(likeliest.indices[choice]))
        log_prob += float(likeliest.values[choice])
        if ids[-1] == eos_token_id:
            break
    return Hypothesis(tuple(ids), log_prob, log_prob)

"""Contrastive losses: a text's vector is pulled to that of its partner, and pushed from those of the other texts.

    in_batch_loss(queries, passages, temperature=0.05)              # over the batch, hard negatives at the end
    in_batch_loss(encode(texts), encode(texts))                     # SimCSE: two dropouts of one text are partners
    similarity_loss(first, second, scores)                          # pairs with a similarity from 0 to 1

A passage that answers a query is no negative of it, wherever it stands in the batch: `false_negatives` finds the pairs
to leave out.

Sources: van den Oord et al. 2018 (arXiv 1807.03748); Henderson et al. 2017 (arXiv 1705.00652, in-batch
negatives); Karpukhin et al. 2020 (arXiv 2004.04906, hard negatives); Gao, Yao and Chen 2021 (arXiv 2104.08821, SimCSE).
"""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch.nn import functional


def in_batch_loss(
    queries: torch.Tensor,
    passages: torch.Tensor,
    temperature: float = 0.05,
    not_negative: torch.Tensor | None = None,
    symmetric: bool = False,
) -> torch.Tensor:
    """Compute the mean over queries of -log softmax(query · passages / temperature) at the query's own passage.

    Args:
        queries: (B, E); of unit length for cosine similarities.
        passages: (P, E), P ≥ B: passage i is the positive of query i for i < B, the others are hard negatives. All
            but its own are negatives of a query.
        temperature: above 0; DPR has 1 with dot products, SimCSE 0.05 with cosines.
        not_negative: (B, P), True where a passage must not count as a negative, see `false_negatives`.
        symmetric: average it with the loss of finding the query of each of the B positives among all queries.

    Raises:
        ValueError: shapes that do not fit, a temperature of 0 or below, or a batch without a negative.
    """
    count = len(queries)
    if queries.dim() != 2 or passages.dim() != 2 or len(passages) < count or queries.shape[1] != passages.shape[1]:
        raise ValueError(f"queries are {tuple(queries.shape)}, passages {tuple(passages.shape)}; give (B, E) and at "
                         "least as many (P, E)")  # fmt: skip
    if not temperature > 0:
        raise ValueError(f"temperature ({temperature}) must be above 0")
    own = torch.eye(count, len(passages), dtype=torch.bool, device=queries.device)
    left_out = torch.zeros_like(own) if not_negative is None else not_negative.to(own.device) & ~own
    if not (~own & ~left_out).any():
        raise ValueError(f"a batch of {count} queries and {len(passages)} passages has no negatives; use larger "
                         "batches of different texts, or hard negatives")  # fmt: skip
    scores = queries @ passages.T / temperature
    scores = scores.masked_fill(left_out, torch.finfo(scores.dtype).min)
    labels = torch.arange(count, device=scores.device)
    loss = functional.cross_entropy(scores, labels)
    return (loss + functional.cross_entropy(scores[:, :count].T, labels)) / 2 if symmetric else loss


def similarity_loss(first: torch.Tensor, second: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Compute the mean squared difference of cosine similarity and given similarity, as Sentence-BERT's regression.

    Args:
        first, second: (B, E).
        scores: (B,), from -1 to 1.
    """
    cosines = functional.cosine_similarity(first, second)
    return functional.mse_loss(cosines, scores.to(cosines))


def false_negatives(
    queries: Sequence[Hashable],
    passages: Sequence[Hashable],
    relevant: Mapping | None = None,
) -> torch.Tensor:
    """Find the pairs of a batch whose passage answers the query without being its positive: (B, P), True for such.

    A passage answers a query that has the same id as the query it is the positive of, or the same positive; and where
    `relevant` says so.

    Args:
        queries: B ids or texts.
        passages: P ids or texts; the first B are the positives.
        relevant: query → all passages that answer it, where they are known.

    Example:
        >>> false_negatives(["q", "r"], ["p", "p", "s"]).tolist()
        [[False, True, False], [True, False, False]]
    """
    answers: dict = {query: set(relevant.get(query, ())) if relevant else set() for query in queries}
    for query, passage in zip(queries, passages, strict=False):
        answers[query].add(passage)
    found = torch.tensor([[passage in answers[query] for passage in passages] for query in queries], dtype=torch.bool)
    return found.reshape(len(queries), len(passages)).fill_diagonal_(False)

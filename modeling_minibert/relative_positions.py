"""Relative positions: a learned bias of the attention scores for each distance between query and key.

Near distances have a bucket each, far ones share: of `num_buckets` scores of one direction, half are for the
distances 0, 1, 2, …; the others take ranges that grow geometrically up to `max_distance`, and the last one all beyond.

Source: Raffel et al. 2020, section 2.1 (T5); Shaw et al. 2018, for the idea.
"""

import math

import torch
from torch import nn


def distance_buckets(distances: torch.Tensor, is_causal: bool, num_buckets: int, max_distance: int) -> torch.Tensor:
    """Map distances to buckets.

    Args:
        distances: place of the key minus place of the query, integers of any shape.
        is_causal: whether keys are never ahead of the query; otherwise the first half of the scores is for keys behind
            the query, and the second for keys ahead of it.
        num_buckets: number of scores.
        max_distance: from here on all distances share the last score of their direction.

    Returns:
        The numbers of the scores, 0 to num_buckets - 1, in the shape of `distances`.
    """
    ahead = torch.zeros_like(distances)
    if is_causal:
        steps = -distances.clamp(max=0)
    else:
        num_buckets //= 2
        ahead = (distances > 0) * num_buckets
        steps = distances.abs()
    single = num_buckets // 2
    shared = num_buckets - single
    # Which of the geometrically growing ranges: 0 at `single`, all of them used up at `max_distance`.
    growth = torch.log(steps.clamp(min=1).float() / single) / math.log(max_distance / single) * shared
    far = (single + growth.long()).clamp(max=num_buckets - 1)
    return ahead + torch.where(steps < single, steps, far)


class RelativePositions(nn.Module):
    """The biases of all buckets for each head, shared by all layers of a stack."""

    def __init__(self, config, is_causal: bool):
        super().__init__()
        self.scores = nn.Embedding(config.relative_buckets, config.num_attention_heads)
        self.is_causal = is_causal
        self.num_buckets = config.relative_buckets
        self.max_distance = config.relative_max_distance

    def forward(
        self, num_queries: int, num_keys: int, past: int | torch.Tensor = 0, device: torch.device | None = None
    ) -> torch.Tensor:
        """The bias of the attention scores: (1, H, L, S).

        Args:
            num_queries, num_keys: L and S.
            past: place of the first query among the keys.
            device: where the hidden states are.
        """
        queries = torch.arange(num_queries, device=device) + past
        distances = torch.arange(num_keys, device=device) - queries[:, None]
        buckets = distance_buckets(distances, self.is_causal, self.num_buckets, self.max_distance)
        return self.scores(buckets).permute(2, 0, 1)[None]

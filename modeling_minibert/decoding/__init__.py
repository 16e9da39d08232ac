"""Decoding: from the probabilities of the next token to a text.

To read: `next_token.py`, `search.py`, `sampling.py`, the algorithms from scratch over any next-token function.
"""

from .next_token import TableLanguageModel, causal_lm, no_repeated_ngrams
from .sampling import apply_temperature, keep_top_k, keep_top_p, sample
from .search import (
    Beams,
    Hypothesis,
    beam_search,
    contrastive_search,
    diverse_beam_search,
    exhaustive_search,
    greedy_search,
)

__all__ = [
    "Beams",
    "Hypothesis",
    "TableLanguageModel",
    "apply_temperature",
    "beam_search",
    "causal_lm",
    "contrastive_search",
    "diverse_beam_search",
    "exhaustive_search",
    "greedy_search",
    "keep_top_k",
    "keep_top_p",
    "no_repeated_ngrams",
    "sample",
]

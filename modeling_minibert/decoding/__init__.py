"""Generate text from next-token probabilities: search and sampling.

To read: next_token.py, search.py, sampling.py, the algorithms from scratch over any next-token function.
To use: `prepare_generation` and `model.generate`. `contrastive_search` and `diverse_beam_search` of this package are
values of its argument `custom_generate`; search.py has readable versions under the same names.
"""

from .beam_tree import draw_beam_tree
from .custom_generate import contrastive_search, diverse_beam_search
from .next_token import TableLanguageModel, causal_lm, no_repeated_ngrams
from .sampling import apply_temperature, keep_top_k, keep_top_p, sample
from .search import Beams, Hypothesis, beam_search, exhaustive_search, greedy_search
from .strategies import STRATEGIES, encode_prompts, prepare_generation

__all__ = [
    "STRATEGIES",
    "Beams",
    "Hypothesis",
    "TableLanguageModel",
    "apply_temperature",
    "beam_search",
    "causal_lm",
    "contrastive_search",
    "diverse_beam_search",
    "draw_beam_tree",
    "encode_prompts",
    "exhaustive_search",
    "greedy_search",
    "keep_top_k",
    "keep_top_p",
    "no_repeated_ngrams",
    "prepare_generation",
    "sample",
]

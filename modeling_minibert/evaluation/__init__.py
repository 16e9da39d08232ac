"""Offline metrics and their uncertainty."""

from .answers import FoundAnswer, find_answers
from .bootstrap import bootstrap_interval
from .classification import ClassificationMetrics, average_by_text
from .decoding import (
    distinct_ngrams,
    perplexity,
    plot_token_probabilities,
    repeated_ngrams,
    self_bleu,
    token_log_probs,
)
from .generation import GenerationMetrics
from .language_modeling import count_next, language_modeling_scores
from .pretraining import count_right, pretraining_scores
from .question_answering import QuestionAnsweringMetrics

__all__ = [
    "ClassificationMetrics",
    "FoundAnswer",
    "QuestionAnsweringMetrics",
    "GenerationMetrics",
    "average_by_text",
    "bootstrap_interval",
    "count_next",
    "count_right",
    "distinct_ngrams",
    "find_answers",
    "language_modeling_scores",
    "perplexity",
    "plot_token_probabilities",
    "pretraining_scores",
    "repeated_ngrams",
    "self_bleu",
    "token_log_probs",
]

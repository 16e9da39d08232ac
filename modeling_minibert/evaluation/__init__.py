"""Offline metrics and their uncertainty."""

from .answer_extraction import FoundAnswer, find_answers
from .answer_scores import QuestionAnsweringMetrics
from .bootstrap import bootstrap_interval
from .classification import ClassificationMetrics, average_by_text, describe_scores
from .generation import GenerationMetrics
from .language_modeling import count_next, count_right, language_modeling_scores, pretraining_scores
from .text_quality import (
    distinct_ngrams,
    perplexity,
    plot_token_probabilities,
    repeated_ngrams,
    self_bleu,
    token_log_probs,
)

__all__ = [
    "ClassificationMetrics",
    "FoundAnswer",
    "QuestionAnsweringMetrics",
    "GenerationMetrics",
    "average_by_text",
    "bootstrap_interval",
    "count_next",
    "count_right",
    "describe_scores",
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

"""Offline metrics and their uncertainty."""

from .answer_extraction import FoundAnswer, find_answers
from .answer_scores import QuestionAnsweringMetrics
from .bootstrap import bootstrap_interval
from .classification import ClassificationMetrics, MultiLabelMetrics, average_by_text, describe_scores
from .classifier_tasks import guess_without_reading, score_outputs
from .generation import GenerationMetrics
from .language_modeling import count_next, count_right, language_modeling_scores, pretraining_scores
from .neighbour_counts import NeighbourCounts
from .regression import RegressionMetrics
from .tag_baselines import linear_tagger, most_frequent_tags
from .tag_scores import TaggingMetrics, describe_tag_scores
from .text_baseline import linear_text_classifier
from .text_quality import (
    distinct_ngrams,
    mean_entropy,
    perplexity,
    plot_token_probabilities,
    repeated_ngrams,
    self_bleu,
    token_log_probs,
)

__all__ = [
    "ClassificationMetrics",
    "FoundAnswer",
    "GenerationMetrics",
    "MultiLabelMetrics",
    "NeighbourCounts",
    "QuestionAnsweringMetrics",
    "RegressionMetrics",
    "TaggingMetrics",
    "average_by_text",
    "bootstrap_interval",
    "count_next",
    "count_right",
    "describe_scores",
    "describe_tag_scores",
    "distinct_ngrams",
    "find_answers",
    "guess_without_reading",
    "language_modeling_scores",
    "linear_text_classifier",
    "linear_tagger",
    "mean_entropy",
    "most_frequent_tags",
    "perplexity",
    "plot_token_probabilities",
    "pretraining_scores",
    "repeated_ngrams",
    "score_outputs",
    "self_bleu",
    "token_log_probs",
]

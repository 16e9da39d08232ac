"""Offline metrics and their uncertainty."""

from .bootstrap import bootstrap_interval
from .classification import ClassificationMetrics, average_by_text
from .pretraining import count_right, pretraining_scores

__all__ = ["ClassificationMetrics", "average_by_text", "bootstrap_interval", "count_right", "pretraining_scores"]

"""Register our pipelines with transformers; classify long texts in windows and rank documents, with any model."""

from .registration import register_pipelines
from .text_ranking import TextRankingPipeline
from .windowed_classification import WindowedTextClassificationPipeline

__all__ = ["TextRankingPipeline", "WindowedTextClassificationPipeline", "register_pipelines"]

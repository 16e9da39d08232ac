"""Register our pipelines with transformers, and classify long texts in windows, with any model."""

from .registration import register_pipelines
from .windowed_classification import WindowedTextClassificationPipeline

__all__ = ["WindowedTextClassificationPipeline", "register_pipelines"]

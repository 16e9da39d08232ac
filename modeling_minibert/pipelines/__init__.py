"""Registration of pipelines with transformers, and pipelines that belong to no model of ours."""

from .registration import register_pipelines
from .windowed_classification import WindowedTextClassificationPipeline

__all__ = ["WindowedTextClassificationPipeline", "register_pipelines"]

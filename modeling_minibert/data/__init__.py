"""How text becomes batches: reading labelled text, cutting long texts into windows."""

from .classification import load_text_classification
from .windows import tokenize_windows

__all__ = ["load_text_classification", "tokenize_windows"]

"""Checkpoints of other code: nanoGPT's files, and folders of stock transformers models."""

from .nanogpt import from_nanogpt
from .stock_folders import convert_folder

__all__ = ["convert_folder", "from_nanogpt"]

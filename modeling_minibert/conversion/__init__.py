"""Convert checkpoints of nanoGPT and of stock transformers models to ours, and ours to stock."""

from .nanogpt import from_nanogpt
from .stock_folders import convert_folder

__all__ = ["convert_folder", "from_nanogpt"]

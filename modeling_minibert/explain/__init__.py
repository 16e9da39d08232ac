"""Models that explain themselves: every intermediate of one forward pass, as numbers, as text and as a web page.

python -m modeling_minibert.explain DIR "text" --out page.html
"""

from .html import write_html
from .trace import AttentionTrace, EmbeddingTrace, LayerTrace, StackTrace, Trace, trace

__all__ = ["AttentionTrace", "EmbeddingTrace", "LayerTrace", "StackTrace", "Trace", "trace", "write_html"]

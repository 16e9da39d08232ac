"""Models that explain themselves: what one forward pass computed, what heads look at, what a decision rests on.

    python -m modeling_minibert.explain DIR "text" --out page.html            trace.py, text.py, html.py

Pictures of attention and positions are in plots.py, the roles of heads in head_roles.py, attribution of an output to
words in attribution.py.
"""

from .attribution import Attribution, attention_rollout, gradient_times_input, integrated_gradients
from .head_roles import HeadRoles, head_roles
from .html import write_html
from .plots import attention_heat_map, head_grid, position_curves, position_heat_map, query_bars
from .trace import AttentionTrace, EmbeddingTrace, LayerTrace, StackTrace, Trace, trace

__all__ = [
    "Attribution",
    "AttentionTrace",
    "EmbeddingTrace",
    "HeadRoles",
    "LayerTrace",
    "StackTrace",
    "Trace",
    "attention_heat_map",
    "attention_rollout",
    "gradient_times_input",
    "head_grid",
    "head_roles",
    "integrated_gradients",
    "position_curves",
    "position_heat_map",
    "query_bars",
    "trace",
    "write_html",
]

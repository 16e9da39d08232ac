"""Explain a model's output: traces of a forward pass, attention plots, roles of heads, attribution to words.

    python -m modeling_minibert.explain DIR "text" --out page.html

trace.py records a forward pass (with recording.py and predictions.py), text.py and html.py show it. plots.py draws
attention and positions, head_roles.py measures heads, attribution.py attributes an output to words.
"""

from .attribution import Attribution, attention_rollout, gradient_times_input, integrated_gradients
from .head_roles import HeadRoles, head_roles
from .html import write_html
from .plots import attention_heat_map, head_grid, heat_map, line_chart, position_curves, position_heat_map, query_bars
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
    "heat_map",
    "integrated_gradients",
    "line_chart",
    "position_curves",
    "position_heat_map",
    "query_bars",
    "trace",
    "write_html",
]

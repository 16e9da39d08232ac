"""Open a checkpoint as our class, with packed attention, or as the stock class of transformers.

Both have bit-equal weights, including those of a new head, so that two trainings differ in their code alone.
"""

from typing import Any

from transformers import AutoConfig, PreTrainedModel

from ..stock import from_stock, to_stock
from ..stock_families import FAMILIES

IMPLEMENTATIONS = ("mini", "stock")
OURS = {twins.ours for twins in FAMILIES}


def load_checkpoint(
    auto_class: type,
    name: str,
    implementation: str | None = None,
    overrides: dict | None = None,
    hub: Any = None,
    **fields,
) -> PreTrainedModel:
    """Open a checkpoint for a task; missing weights and those of another shape are initialised at random, and logged.

    Args:
        auto_class: `AutoModelForSequenceClassification`, for example.
        name: a folder or a name on the Hub.
        implementation: "mini" for our class with packed attention, "stock" for that of transformers, None for the
            class it was saved from.
        overrides: configuration fields to change, by their names in the resulting configuration.
        hub: a dictionary of arguments of `from_pretrained`: revision, trust_remote_code.
        fields: configuration fields of the task that every model has, like `id2label`.

    Raises:
        ValueError: the implementation is unknown, the checkpoint has no twin, or a field is not in the configuration.
    """
    if implementation not in (None, *IMPLEMENTATIONS):
        raise ValueError(f"implementation is {implementation!r}; choose mini or stock, or leave it out")
    overrides, hub = dict(overrides or {}), dict(hub or {})
    attention = {name: overrides.pop(name) for name in ("attn_implementation",) if name in overrides}
    config = AutoConfig.from_pretrained(name, **hub, **fields)
    vars(config).pop("custom_pipelines", None)  # those files stay in the old folder
    is_ours = config.model_type in OURS
    if implementation is None or is_ours == (implementation == "mini"):
        _override(config, overrides)
        attention = ({"attn_implementation": "packed"} if is_ours else {}) | attention
        return auto_class.from_pretrained(name, config=config, ignore_mismatched_sizes=True, **attention, **hub)
    model = auto_class.from_pretrained(name, config=config, ignore_mismatched_sizes=True, **hub)
    twin = to_stock(model) if is_ours else from_stock(model)
    _override(twin.config, overrides)
    attention = ({} if is_ours else {"attn_implementation": "packed"}) | attention
    # Built again, because the overrides may need weights that the twin lacks.
    return type(twin).from_pretrained(
        None, config=twin.config, state_dict=twin.state_dict(), ignore_mismatched_sizes=True, **attention
    )


def _override(config, values: dict) -> None:
    """Set configuration fields; raise a ValueError for unknown names, which transformers ignores."""
    unknown = sorted(name for name in values if not hasattr(config, name))
    if unknown:
        raise ValueError(f"a {type(config).__name__} has no {', '.join(unknown)}; see its config.json for the names")
    for name, value in values.items():
        setattr(config, name, value)

"""One and the same checkpoint as a model of ours, which computes packed, or as the stock class of transformers.

Both have the same weights bit for bit, those of a new head included, so that two trainings differ in their code alone.
"""

from transformers import AutoConfig, PreTrainedModel

from ..stock import from_stock, to_stock
from ..stock_families import FAMILIES

IMPLEMENTATIONS = ("mini", "stock")
OURS = {twins.ours for twins in FAMILIES}


def load_checkpoint(
    auto_class: type, name: str, implementation: str | None = None, overrides: dict | None = None, **fields
) -> PreTrainedModel:
    """Open a checkpoint for a task; weights that it lacks or that have another shape are random, and logged.

    Args:
        auto_class: what to open it as, such as `AutoModelForSequenceClassification`.
        name: a folder or a name on the Hub.
        implementation: "mini", our class with packed attention; "stock", that of transformers; none: as it was saved.
        overrides: fields of the configuration to change, by the names that the result has for them.
        fields: the same, of the task, that every configuration has: `id2label` and the like.

    Raises:
        ValueError: another implementation; a checkpoint that has no twin on the other side; a field that the
            configuration does not have.
    """
    if implementation not in (None, *IMPLEMENTATIONS):
        raise ValueError(f"implementation is {implementation!r}; choose mini or stock, or leave it out")
    overrides = dict(overrides or {})
    attention = {name: overrides.pop(name) for name in ("attn_implementation",) if name in overrides}
    config = AutoConfig.from_pretrained(name, **fields)
    vars(config).pop("custom_pipelines", None)  # what lies in that folder, not in the one that will be saved
    is_ours = config.model_type in OURS
    if implementation is None or is_ours == (implementation == "mini"):
        _override(config, overrides)
        attention = ({"attn_implementation": "packed"} if is_ours else {}) | attention
        return auto_class.from_pretrained(name, config=config, ignore_mismatched_sizes=True, **attention)
    model = auto_class.from_pretrained(name, config=config, ignore_mismatched_sizes=True)
    twin = to_stock(model) if is_ours else from_stock(model)
    _override(twin.config, overrides)
    attention = ({} if is_ours else {"attn_implementation": "packed"}) | attention
    # Once more, as the changed configuration may ask for weights that the twin does not have.
    return type(twin).from_pretrained(
        None, config=twin.config, state_dict=twin.state_dict(), ignore_mismatched_sizes=True, **attention
    )


def _override(config, values: dict) -> None:
    """Set fields; transformers would pass over a misspelt one."""
    unknown = sorted(name for name in values if not hasattr(config, name))
    if unknown:
        raise ValueError(f"a {type(config).__name__} has no {', '.join(unknown)}; see its config.json for the names")
    for name, value in values.items():
        setattr(config, name, value)

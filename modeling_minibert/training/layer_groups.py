"""Group the weights of a model by layer, from the head down to the embeddings, for any model of transformers."""

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel


@dataclass
class LayerGroup:
    """One layer, the head or the embeddings: its modules and their weights."""

    name: str
    modules: list[nn.Module] = field(default_factory=list)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.parameters.values())


def layer_groups(model: PreTrainedModel) -> list[LayerGroup]:
    """Group every weight of a model: the head, the layers from last to first, the embeddings.

    The pooler belongs to the head, because a checkpoint without one gets a random one. A norm after the last layer
    belongs to that layer. A weight shared with the head belongs to the encoder. If the layers share their weights
    (ALBERT), the whole encoder is one group.

    Args:
        model: an encoder or decoder with a head.

    Returns:
        N + 2 groups for N layers.

    Raises:
        ValueError: the model has no head.
    """
    base = model.base_model
    depth = getattr(model.config, "num_hidden_layers", None)
    lists = (module for module in base.modules() if isinstance(module, nn.ModuleList) and len(module) == depth)
    layers = next(lists, nn.ModuleList())
    groups = [LayerGroup("head"), *(LayerGroup(f"layer {number}") for number in range(len(layers), 0, -1))]
    groups.append(LayerGroup("embeddings" if len(layers) else "encoder"))

    inside = {module: len(layers) - number for number, layer in enumerate(layers) for module in layer.modules()}
    inside |= dict.fromkeys((getattr(base, "pooler", None) or nn.ModuleList()).modules(), 0)
    place = len(layers) + 1  # modules before the first layer
    for module in base.modules():
        place = 1 if module is layers else place
        groups[inside.get(module, place)].modules.append(module)
    of_base = set(base.modules())
    groups[0].modules += [module for module in model.modules() if module not in of_base]
    _assign_parameters(model, groups)
    if not groups[0].parameters:
        raise ValueError(
            f"{type(model).__name__} has no weights on top of its encoder, so there is no head to train; open the "
            f"checkpoint as a model for a task, for example with AutoModelForSequenceClassification"
        )
    return groups


def _assign_parameters(model: PreTrainedModel, groups: list[LayerGroup]) -> None:
    """Give each group the weights of its modules; the head comes last, so that the encoder keeps shared ones."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group in reversed(groups):
        for module in group.modules:
            for parameter in module.parameters(recurse=False):
                if parameter in names:
                    group.parameters[names.pop(parameter)] = parameter

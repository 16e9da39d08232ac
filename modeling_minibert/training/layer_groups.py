"""The layers of a model as groups of weights, from the head down to the embeddings: what is trained together.

Works on any model of transformers that has one list of layers, stock or ours.
"""

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel


@dataclass
class LayerGroup:
    """Some modules of a model, without those inside them that are of another group, and their own weights."""

    name: str
    modules: list[nn.Module] = field(default_factory=list)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.parameters.values())


def layer_groups(model: PreTrainedModel) -> list[LayerGroup]:
    """Sort every weight of a model into groups: the head, the layers from the last to the first, the embeddings.

    The pooler is part of the head: a checkpoint without one gets a random one, which must not stay as it is. A norm
    after the last layer is part of that layer. A weight that two modules share is where the encoder has it. A model
    whose layers share their weights (ALBERT) has no list of layers; its whole encoder is one group.

    Args:
        model: an encoder or decoder with something on top of it.

    Returns:
        N + 2 groups for N layers.

    Raises:
        ValueError: nothing stands on top of the encoder.
    """
    base = model.base_model
    depth = getattr(model.config, "num_hidden_layers", None)
    lists = (module for module in base.modules() if isinstance(module, nn.ModuleList) and len(module) == depth)
    layers = next(lists, nn.ModuleList())
    groups = [LayerGroup("head"), *(LayerGroup(f"layer {number}") for number in range(len(layers), 0, -1))]
    groups.append(LayerGroup("embeddings" if len(layers) else "encoder"))

    inside = {module: len(layers) - number for number, layer in enumerate(layers) for module in layer.modules()}
    inside |= dict.fromkeys((getattr(base, "pooler", None) or nn.ModuleList()).modules(), 0)
    place = len(layers) + 1  # of a module before the first layer
    for module in base.modules():
        place = 1 if module is layers else place
        groups[inside.get(module, place)].modules.append(module)
    of_base = set(base.modules())
    groups[0].modules += [module for module in model.modules() if module not in of_base]
    _sort_parameters(model, groups)
    if not groups[0].parameters:
        raise ValueError(
            f"{type(model).__name__} has no weights on top of its encoder, so there is no head to train first; open "
            f"the checkpoint as a model for a task, such as AutoModelForSequenceClassification"
        )
    return groups


def _sort_parameters(model: PreTrainedModel, groups: list[LayerGroup]) -> None:
    """Give each group the weights of its modules; the head comes last, so that shared ones stay in the encoder."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for group in reversed(groups):
        for module in group.modules:
            for parameter in module.parameters(recurse=False):
                if parameter in names:
                    group.parameters[names.pop(parameter)] = parameter

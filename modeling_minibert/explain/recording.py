"""Record the inputs and outputs of all modules during a forward pass, with hooks.

No part of the forward pass is reimplemented: queries, keys and values are the arguments of the attention formula, a
residual sum is the input of its norm. The scores alone are computed here, because the formula does not return them.

Letters: L length, S number of keys, H heads, D head size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from ..attention import MultiHeadAttention, eager_attention_forward


@dataclass
class Call:
    """One call of one module, without the batch: its first argument and its output."""

    input: Tensor
    output: Tensor
    attention: dict[str, Tensor] | None = None  # MultiHeadAttention: arguments and results of the formula


def one_text(tensor: Tensor) -> Tensor:
    """Remove the batch dimension of size one, and move the tensor to the CPU."""
    return tensor.detach()[0].cpu()


RECORDING_ATTENTION = "trace"


def _record_attention(module, query, key, value, attention_mask, kept: dict, **kwargs):
    """Compute eager attention, and put its arguments and results into `kept`."""
    mixed, weights = eager_attention_forward(module, query, key, value, attention_mask, **kwargs)
    scores = query @ key.transpose(-2, -1) * module.scaling
    if kwargs.get("position_bias") is not None:
        scores = scores + kwargs["position_bias"]
    shape = weights.shape[-2:]
    mask = weights.new_ones(shape, dtype=torch.bool) if attention_mask is None else attention_mask[0, 0].expand(shape)
    kept |= {
        "query": one_text(query),
        "key": one_text(key),
        "value": one_text(value),
        "visible": mask.cpu(),
        "scores": one_text(scores),
        "weights": one_text(weights),
        "head_outputs": one_text(mixed.transpose(1, 2)),
    }
    return mixed, weights


AttentionInterface.register(RECORDING_ATTENTION, _record_attention)


@contextmanager
def recording(model: nn.Module) -> Iterator[dict[nn.Module, Call]]:
    """Record every module call within this context."""
    recorded, attentions = {}, {}

    def before_attention(module, args, kwargs):
        attentions[module] = {}
        return args, kwargs | {"implementation": RECORDING_ATTENTION, "kept": attentions[module]}

    def after(module, args, output):
        output = output[0] if isinstance(output, tuple) else output
        if args and torch.is_tensor(args[0]) and torch.is_tensor(output):
            recorded[module] = Call(one_text(args[0]), one_text(output), attentions.get(module))

    handles = [module.register_forward_hook(after) for module in model.modules()]
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            handles.append(module.register_forward_pre_hook(before_attention, with_kwargs=True))
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()

"""Hooks that keep what goes into the modules of a model and what comes out, while it computes.

Nothing of the forward pass is written a second time: the queries, keys and values are the arguments with which the
model calls the attention formula, a residual sum is what its norm reads. Computed here are the scores alone, by the
product in that formula.

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
    """One call of one module, without the batch: its first argument and what it returned."""

    input: Tensor
    output: Tensor
    attention: dict[str, Tensor] | None = None  # of a MultiHeadAttention: the arguments and results of the formula


def one_text(tensor: Tensor) -> Tensor:
    """A tensor without its batch of one, on the CPU."""
    return tensor.detach()[0].cpu()


ATTENTION_OF_A_TRACE = "trace"


def _keep_attention(module, query, key, value, attention_mask, kept: dict, **kwargs):
    """The eager formula, called in its place with the same arguments; `kept` receives them and the results."""
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


AttentionInterface.register(ATTENTION_OF_A_TRACE, _keep_attention)


@contextmanager
def recording(model: nn.Module) -> Iterator[dict[nn.Module, Call]]:
    """While this is open, every call of every module of the model is kept."""
    recorded, attentions = {}, {}

    def before_attention(module, args, kwargs):
        attentions[module] = {}
        return args, kwargs | {"implementation": ATTENTION_OF_A_TRACE, "kept": attentions[module]}

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

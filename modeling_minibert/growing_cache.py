"""A cache of keys and values with room to grow: a new token is written beside the others, and they stay in place.

transformers' DynamicCache puts old and new together anew for every token, which copies all that it holds: for sixteen
texts of 100 tokens that is more memory traffic than reading the weights of a small model. Here a layer keeps a larger
tensor than it needs, as lists of numbers do in most languages, and shows the part that is filled.
"""

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 64  # tokens, or half as many again as there are, whichever is more


class GrowingLayer(DynamicLayer):
    """The keys and values of one layer, each (B, H, S, D)."""

    key_room = value_room = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Add keys and values (B, H, L, D) of new tokens; returns all of them."""
        if torch.is_grad_enabled():  # the backward pass needs the tensors that it has seen unchanged
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.key_room = _append(self.keys, key_states, self.key_room)
        self.values, self.value_room = _append(self.values, value_states, self.value_room)
        return self.keys, self.values


def _append(held: torch.Tensor, new: torch.Tensor, room: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Write `new` behind `held`; returns the filled part and the room that it is part of."""
    filled = held.shape[-2] if held.numel() else 0
    total = filled + new.shape[-2]
    # Beams that were reordered or rows that were selected are tensors of their own, and no longer part of the room.
    is_part = room is not None and held.data_ptr() == room.data_ptr() and len(held) == len(room)
    if not is_part or total > room.shape[-2] or room.is_inference() != torch.is_inference_mode_enabled():
        batch_size, heads, _, head_dim = new.shape
        room = new.new_empty(batch_size, heads, total + max(ROOM, total // 2), head_dim)
        if filled:
            room[:, :, :filled] = held
    room[:, :, filled:total] = new
    return room[:, :, :total], room


def growing_cache(config) -> DynamicCache:
    """An empty cache for the decoder that `config` describes; layers with a running state are as they were."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache

"""A cache of keys and values with room to grow: a new token is written beside the others, and they stay in place.

transformers' DynamicCache puts old and new together anew for every token, which copies all that it holds: for sixteen
texts of 100 tokens that is more memory traffic than reading the weights of a small model. Here a layer keeps a larger
tensor than it needs, as lists of numbers do in most languages, and shows the part that is filled.
"""

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer

from .transformers_internals import register_cache_layer

ROOM = 64  # tokens, or half as many again as there are, whichever is more


class GrowingLayer(DynamicLayer):
    """The keys and values of one layer, each (B, H, S, D)."""

    key_room = value_room = None
    spare_key_room = spare_value_room = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Add keys and values (B, H, L, D) of new tokens; returns all of them."""
        if torch.is_grad_enabled():  # the backward pass needs the tensors that it has seen unchanged
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.key_room = _append(self.keys, key_states, self.key_room)
        self.values, self.value_room = _append(self.values, value_states, self.value_room)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Take over the rows that beam search goes on with; nothing is moved where each goes on with itself."""
        if not self.get_seq_length() or torch.equal(beam_idx, torch.arange(len(self.keys), device=beam_idx.device)):
            return
        self.keys, self.key_room, self.spare_key_room = _select_rows(
            self.keys, self.key_room, self.spare_key_room, beam_idx
        )
        self.values, self.value_room, self.spare_value_room = _select_rows(
            self.values, self.value_room, self.spare_value_room, beam_idx
        )


class SourceLayer(DynamicLayer):
    """The keys and values of a source, for cross-attention: computed once, and once for all beams of a sentence.

    `generate` repeats every source for each of its beams. Here the beams share one (`share_source`); since a beam
    never moves to another sentence, reordering the beams changes nothing.

    Args:
        beams: how many rows of the batch share each source.
    """

    def __init__(self, beams: int):
        super().__init__()
        self.beams = beams

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Nothing to do."""


def share_source(cache: EncoderDecoderCache | None, *tensors: torch.Tensor | None) -> tuple:
    """One row for all beams that share a source: (B · beams, …) → (B, …), for each tensor that is given."""
    layers = () if cache is None else cache.cross_attention_cache.layers
    beams = max((getattr(layer, "beams", 1) for layer in layers), default=1)
    return tuple(tensor if tensor is None or beams == 1 else tensor[::beams] for tensor in tensors)


def _is_part(held: torch.Tensor, room: torch.Tensor | None) -> bool:
    """Whether `held` is the beginning of `room`; rows that someone else selected are a tensor of their own."""
    return room is not None and held.data_ptr() == room.data_ptr() and len(held) == len(room)


def _select_rows(held, room, spare, rows) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Copy `rows` of `held` into another room; returns them, that room, and the old one, which is free now."""
    fits = _is_part(held, room) and len(rows) == len(room)  # contrastive search takes more rows, then fewer
    if not fits or room.is_inference() != torch.is_inference_mode_enabled():
        return held.index_select(0, rows), None, None
    if spare is None or spare.shape != room.shape:
        spare = torch.empty_like(room)
    selected = spare[:, :, : held.shape[-2]]
    torch.index_select(held, 0, rows, out=selected)
    return selected, spare, room


def _append(held: torch.Tensor, new: torch.Tensor, room: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Write `new` behind `held`; returns the filled part and the room that it is part of."""
    filled = held.shape[-2] if held.numel() else 0
    total = filled + new.shape[-2]
    if not _is_part(held, room) or total > room.shape[-2] or room.is_inference() != torch.is_inference_mode_enabled():
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


def recomputes(layers) -> bool:
    """Whether the backward pass runs these layers again (gradient checkpointing), which would fill a cache twice."""
    return torch.is_grad_enabled() and any(layer.training and layer.gradient_checkpointing for layer in layers)


def encoder_decoder_cache(config, beams: int = 1) -> EncoderDecoderCache:
    """An empty cache for a decoder with cross-attention; `beams` rows of the batch share each source."""
    sources = DynamicCache(config=config)
    sources.layers = [SourceLayer(beams) for _ in sources.layers]
    return EncoderDecoderCache(growing_cache(config), sources)


RUNNING_STATE = "minigpt_running_state"  # the name in config.layer_types


class RunningStateLayer(DynamicLayer):
    """A layer of a cache whose size does not grow: two tensors, both replaced by every call.

    The name registers it: `DynamicCache(config=…)`, which `generate` makes, looks the layers up by `layer_types`.
    Searches reorder, repeat and select its rows as those of any other.
    """

    _layer_type = RUNNING_STATE
    is_croppable = False
    is_running_state = True  # asked for in place of the class: remote code brings one of its own

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cumulative_length = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, tokens: int):
        """Replace the two tensors by those that count `tokens` more tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states, value_states
        self.cumulative_length += tokens
        return key_states, value_states

    def get_seq_length(self) -> int:
        return self.cumulative_length

    def crop(self, tokens_to_remove: int) -> None:
        raise ValueError(
            f"cannot take {abs(tokens_to_remove)} tokens out of a running state; decode without an assistant model"
        )

    def offload(self) -> None:
        """It stays where it is: it is small."""


register_cache_layer(RUNNING_STATE, RunningStateLayer)  # also for static caches: its size is constant

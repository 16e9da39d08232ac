"""Caches of keys and values: preallocated, shared by the beams of a source, or a state of constant size.

transformers' DynamicCache concatenates old and new for every token, which copies everything it holds: for sixteen
texts of 100 tokens that is more memory traffic than reading the weights of a small model. `GrowingLayer` preallocates
a larger tensor and returns a view of the filled part. `SourceLayer` keeps one copy of a source for all of its beams.
`RunningStateLayer` is for token mixers whose state does not grow.
"""

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer

from .transformers_internals import is_shared, register_cache_layer

ROOM = 64  # tokens, or half as many again as there are, whichever is more


class GrowingLayer(DynamicLayer):
    """The keys and values of one layer, each (B, H, S, D), in a preallocated tensor.

    A copy of the layer, and one that was made shorter, get tensors of their own before the next token is written.
    """

    key_room = value_room = None
    spare_key_room = spare_value_room = None
    filled = 0  # tokens written to the rooms

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Add keys and values (B, H, L, D) of new tokens; returns all of them."""
        if torch.is_grad_enabled():  # the backward pass needs the tensors that it has seen unchanged
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.get_seq_length() != self.filled:  # shortened: another cache may hold what stands behind
            self._leave_rooms()
        self.keys, self.key_room = _append(self.keys, key_states, self.key_room)
        self.values, self.value_room = _append(self.values, value_states, self.value_room)
        self.filled = self.keys.shape[-2]
        return self.keys, self.values

    def _leave_rooms(self) -> None:
        """Write to new tensors from now on: others may read the old ones."""
        self.key_room = self.value_room = self.spare_key_room = self.spare_value_room = None

    def crop(self, *args, **kwargs) -> None:
        """Remove the newest tokens; see `DynamicLayer.crop`."""
        super().crop(*args, **kwargs)
        if self.get_seq_length() != self.filled:
            self._leave_rooms()

    def __copy__(self) -> "GrowingLayer":
        """A second layer with the same tokens; neither writes where the other reads."""
        self._leave_rooms()
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Select the rows that beam search continues; nothing is copied where the order stays the same."""
        if not self.get_seq_length() or torch.equal(beam_idx, torch.arange(len(self.keys), device=beam_idx.device)):
            return
        self.keys, self.key_room, self.spare_key_room = _select_rows(
            self.keys, self.key_room, self.spare_key_room, beam_idx
        )
        self.values, self.value_room, self.spare_value_room = _select_rows(
            self.values, self.value_room, self.spare_value_room, beam_idx
        )


class SourceLayer(DynamicLayer):
    """The keys and values of a source for cross-attention, shared by all beams of a sentence.

    `generate` repeats every source for each of its beams. Here the beams share one (`share_source`); since a beam
    never moves to another sentence, reordering the beams changes nothing.

    Args:
        beams: how many rows of the batch share each source.
    """

    def __init__(self, beams: int):
        super().__init__()
        self.beams = beams

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Follow the rows; beams that stay in their sentence leave the shared source as it is."""
        sentences = beam_idx // self.beams
        stays = torch.arange(len(beam_idx), device=beam_idx.device) // self.beams
        if not (len(beam_idx) == len(self.keys) * self.beams and torch.equal(sentences, stays)):
            self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Select rows of the batch; each has a source for itself afterwards."""
        indices = torch.as_tensor(indices)
        if indices.dtype == torch.bool:
            indices = indices.nonzero()[:, 0]
        if self.get_seq_length():
            self.keys, self.values = self.keys[indices // self.beams], self.values[indices // self.beams]
        self.beams = 1

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row: more rows share the same source."""
        self.beams *= repeats


def share_source(cache: EncoderDecoderCache | None, *tensors: torch.Tensor | None) -> tuple:
    """Keep one row per source: (B · beams, …) → (B, …), for each tensor given."""
    layers = [] if cache is None else cache.cross_attention_cache.layers
    beams = getattr(layers[0], "beams", 1) if len(layers) else 1
    return tuple(tensor if tensor is None or beams == 1 else tensor[::beams] for tensor in tensors)


def _is_part(held: torch.Tensor, room: torch.Tensor | None) -> bool:
    """Whether `held` is a view of the beginning of `room`."""
    return room is not None and held.data_ptr() == room.data_ptr() and len(held) == len(room)


def _select_rows(held, room, spare, rows) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Copy `rows` of `held` into a second buffer; returns the copy, that buffer, and the old one as the next spare."""
    fits = _is_part(held, room) and len(rows) == len(room)  # contrastive search takes more rows, then fewer
    if not fits or room.is_inference() != torch.is_inference_mode_enabled():
        return held.index_select(0, rows), None, None
    if spare is None or spare.shape != room.shape or is_shared(spare):
        spare = torch.empty_like(room)
    selected = spare[:, :, : held.shape[-2]]
    torch.index_select(held, 0, rows, out=selected)
    return selected, spare, room


def _append(held: torch.Tensor, new: torch.Tensor, room: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Write `new` behind `held`; returns the filled part and the buffer it is a view of."""
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
    """An empty cache for a decoder: preallocated layers, or those with a running state."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def encoder_decoder_cache(config, beams: int = 1) -> EncoderDecoderCache:
    """An empty cache for a decoder with cross-attention; `beams` rows of the batch share each source."""
    sources = DynamicCache(config=config)
    sources.layers = [SourceLayer(beams) for _ in sources.layers]
    return EncoderDecoderCache(growing_cache(config), sources)


RUNNING_STATE = "minigpt_running_state"  # the name in config.layer_types


class RunningStateLayer(DynamicLayer):
    """A cache layer of constant size: two tensors, both replaced by every call.

    The name registers it: `DynamicCache(config=…)`, which `generate` makes, looks the layers up by `layer_types`.
    Searches reorder, repeat and select its rows as those of any other.
    """

    _layer_type = RUNNING_STATE
    is_croppable = False
    is_running_state = True  # read instead of the class: remote code has its own copy of the class

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cumulative_length = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, tokens: int):
        """Replace both tensors; the new ones include `tokens` more tokens."""
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
        """Keep the state on its device: it is small."""


register_cache_layer(RUNNING_STATE, RunningStateLayer)  # also for static caches: its size is constant

"""A cache layer that does not grow: for token mixers that keep a state in place of all past keys and values.

Source: the layers of `transformers.cache_utils`.
"""

import torch
from transformers.cache_utils import STATIC_LAYER_TYPE_MAPPING, DynamicLayer

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


STATIC_LAYER_TYPE_MAPPING[RUNNING_STATE] = RunningStateLayer  # its size is constant anyway

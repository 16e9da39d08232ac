"""Attention: softmax(query · keyᵀ / √D) · value, then many heads of it.

Read in this order: `scaled_dot_product_attention` is the formula; `MultiHeadAttention` projects the tokens, splits
them into heads and calls the formula, or a fused kernel that computes the same (`config._attn_implementation`: eager,
sdpa, flash_attention_2, flex_attention, packed, …). `masks.py` gives each of them the mask it expects.

Letters: B batch, L query length, S key length, H heads, D head size, E hidden size.

Source: Vaswani et al. 2017, section 3.2.
"""

import math

import torch
from torch import nn
from transformers import Cache, EncoderDecoderCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .dropout import Dropout
from .embeddings import rotate
from .transformers_internals import update_paged_cache


def scaled_dot_product_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average the values, weighting each by how well its key matches the query.

        softmax(query · keyᵀ / √D) · value          Vaswani et al. 2017, eq. 1

    Args:
        query: (B, H, L, D).
        key, value: (B, H, S, D).
        mask: bool, broadcastable to (B, H, L, S); True where attention is allowed.
        dropout: the share of weights set to zero, 0 to 1.
        scaling: what the scores are multiplied by; 1 / √D where not given.
        bias: added to the scores, broadcastable to (B, H, L, S); see `relative_positions.py`.

    Returns:
        The mixed values (B, H, L, D) and the weights (B, H, L, S), before dropout. Each row of the weights sums to
        1, or is all zeros where the mask allows nothing.
    """
    scaling = 1.0 / math.sqrt(query.shape[-1]) if scaling is None else scaling
    scores = query @ key.transpose(-2, -1) * scaling  # (B, H, L, S)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        # finfo.min, not -inf: a row with nothing to attend to stays finite instead of NaN; and -1e9 is -inf in fp16.
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    return nn.functional.dropout(weights, dropout) @ value, weights


def eager_attention_forward(
    module, query, key, value, attention_mask, dropout=0.0, scaling=None, position_bias=None, **kwargs
):
    """`scaled_dot_product_attention` with the signature that Hugging Face's attention functions share.

    Returns:
        The mixed values with the heads last, (B, L, H, D), and the weights (B, H, L, S).
    """
    mixed, weights = scaled_dot_product_attention(query, key, value, attention_mask, dropout, scaling, position_bias)
    return mixed.transpose(1, 2), weights


class MultiHeadAttention(nn.Module):
    """H attentions in parallel, each over D features of the projected tokens (section 3.2.2).

    Attends from `hidden_states` to itself, or, given `key_value_states`, from one sequence to another. D is
    `config.attention_head_size`.

    Args:
        config: sizes and dropout.
        is_causal: whether tokens see only themselves and what came before; True in a decoder.
        layer_index: the place of this layer's keys and values in a cache.
    """

    # Read by the fused attention functions: every query head has its own key head.
    num_key_value_groups = 1

    def __init__(self, config, is_causal: bool = False, layer_index: int | None = None):
        super().__init__()
        self.config = config
        self.is_causal = is_causal  # read by the fused attention functions
        self.layer_idx = layer_index  # read by continuous batching
        self.head_dim = config.attention_head_size
        width = config.num_attention_heads * self.head_dim
        self.query = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.key = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.value = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.output = nn.Linear(width, config.hidden_size, bias=config.attention_bias)
        self.scaling = 1.0 / math.sqrt(self.head_dim) if getattr(config, "scale_attention", True) else 1.0
        self.weight_dropout = config.attention_probs_dropout_prob
        self.dropout = Dropout(config.hidden_dropout_prob)

    def _split_heads(self, projected: torch.Tensor) -> torch.Tensor:
        # (B, L, H·D) → (B, H, L, D); under the legacy ONNX exporter `unflatten` would fix the length.
        return projected.reshape(*projected.shape[:-1], -1, self.head_dim).transpose(1, 2)

    def _keys_of_source(self, source: torch.Tensor, cache: EncoderDecoderCache) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of a source: computed for the first target token, kept for all others."""
        if cache.is_updated.get(self.layer_idx):
            layer = cache.cross_attention_cache.layers[self.layer_idx]
            return layer.keys, layer.values
        cache.is_updated[self.layer_idx] = True
        key, value = self._split_heads(self.key(source)), self._split_heads(self.value(source))
        return cache.cross_attention_cache.update(key, value, self.layer_idx)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        key_value_states: torch.Tensor | None = None,
        implementation: str | None = None,
        past_key_values: Cache | None = None,
        rotary: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mix each token with the tokens it attends to.

        Args:
            hidden_states: (B, L, E), where the queries come from.
            attention_mask: from `masks.py`, for the same implementation.
            key_value_states: (B, S, E), where keys and values come from; `hidden_states` where not given.
            implementation: name of the attention function; the config's where not given.
            past_key_values: keys and values of the tokens before these, to which theirs are added. With
                `key_value_states`, an `EncoderDecoderCache`: theirs are computed once and kept.
            rotary: the angles from `rotary_angles` by which queries and keys are turned.

        Returns:
            (B, L, E), and the weights (B, H, L, S), which only the eager implementation computes (None otherwise).
        """
        query = self._split_heads(self.query(hidden_states))
        if isinstance(past_key_values, EncoderDecoderCache):
            key, value = self._keys_of_source(key_value_states, past_key_values)
        else:
            source = hidden_states if key_value_states is None else key_value_states
            key, value = self._split_heads(self.key(source)), self._split_heads(self.value(source))
            if rotary is not None:
                query, key = rotate(query, *rotary), rotate(key, *rotary)
            if past_key_values is not None:
                key, value = past_key_values.update(key, value, self.layer_idx)
            key, value = update_paged_cache(key, value, self.layer_idx, kwargs)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            implementation or self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.weight_dropout if self.training else 0.0
        mixed, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.dropout(self.output(mixed.flatten(start_dim=-2))), weights  # heads side by side again

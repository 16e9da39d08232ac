"""Attention: softmax(query · keyᵀ / √D) · value, then many heads of it.

Read in this order: `scaled_dot_product_attention` is the formula; `MultiHeadAttention` projects the tokens, splits
them into heads and calls the formula, or one of the fused kernels that compute the same (`config._attn_implementation`:
eager, sdpa, flash_attention_2, flex_attention, …); `prepare_attention_mask` gives each of them the mask it expects,
`prepare_causal_mask` where no token may see what comes after it.

Letters: B batch, L query length, S key length, H heads, D head size, E hidden size.

Source: Vaswani et al. 2017, section 3.2.
"""

import math

import torch
from torch import nn
from transformers import Cache, EncoderDecoderCache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .dropout import Dropout
from .embeddings import rotate
from .packing import Packing


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


def prepare_attention_mask(
    config,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
    packing: Packing | None = None,
) -> torch.Tensor | None:
    """Turn a padding mask into what the attention function `implementation` expects.

    The eager path takes bools that broadcast; the fused kernels get whatever transformers prepares for them (bools
    for sdpa, the 2-D mask or None for flash, a block mask for flex).

    Args:
        config: the model's configuration.
        hidden_states: (B, L, E), for its shape, dtype and device.
        attention_mask: (B, S), 1 or True for real tokens; or (B, L, S), a row of keys for each query; or
            (B or 1, H or 1, L, S); or None.
        implementation: name of the attention function.
        packing: of a packed batch; the tokens of a sequence then see each other and no others.

    Raises:
        ValueError: a packed batch for flex attention; a mask of any other number of dimensions, or a float mask with
            more than two.
    """
    if packing is not None:
        if implementation == "flex_attention":
            raise ValueError("packed batches are not for flex_attention; use packed, sdpa, eager or flash attention")
        return packing.block_diagonal_mask(hidden_states.shape[1]) if implementation in ("eager", "sdpa") else None
    if attention_mask is None:
        return create_bidirectional_mask(config, hidden_states, None) if implementation == "flex_attention" else None
    if attention_mask.dim() not in (2, 3, 4):
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; give (batch, keys), (batch, queries, keys) "
            f"or (batch, heads, queries, keys)"
        )
    if attention_mask.dim() > 2:
        _refuse_additive(attention_mask)
    if attention_mask.dim() == 3:
        attention_mask = attention_mask[:, None]
    if attention_mask.dim() == 2 and implementation != "eager":
        return create_bidirectional_mask(config, hidden_states, attention_mask)
    if attention_mask.dim() == 2:
        attention_mask = attention_mask[:, None, None, :]
    return attention_mask.bool()


def prepare_cross_mask(
    config,
    hidden_states: torch.Tensor,
    key_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
) -> torch.Tensor | None:
    """The same for queries of one sequence and keys of another.

    Args:
        config, implementation: as in `prepare_attention_mask`.
        hidden_states: (B, L, E), where the queries come from.
        key_states: (B, S, E), where the keys come from.
        attention_mask: (B, S), 1 for real tokens, or None.
    """
    if implementation not in ("eager", "sdpa"):
        return create_bidirectional_mask(config, hidden_states, attention_mask, encoder_hidden_states=key_states)
    if attention_mask is None:
        return None
    return attention_mask[:, None, None, :].bool()


def _refuse_additive(attention_mask: torch.Tensor) -> None:
    if attention_mask.is_floating_point():
        raise ValueError(
            f"an attention_mask with {attention_mask.dim()} dimensions must be bool or integer (True: attend), got "
            f"{attention_mask.dtype}; an additive mask of 0 and -inf becomes one by `mask == 0`"
        )


def prepare_causal_mask(
    config,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
    packing: Packing | None = None,
    past_key_values: Cache | None = None,
) -> torch.Tensor | None:
    """The same for a decoder: no token sees a later one, nor padding.

    Args:
        config, hidden_states, attention_mask, implementation, packing: as in `prepare_attention_mask`; here
            attention_mask counts the tokens in the cache too: S = past + L.
        past_key_values: the cache, before the tokens of hidden_states are added.

    Raises:
        ValueError: a packed batch for flex attention or with a cache; a mask of any number of dimensions but 2 or 4, or
            a float mask with 4.
    """
    if packing is not None:
        if implementation == "flex_attention" or past_key_values is not None:
            raise ValueError(
                "packed batches are not for flex_attention, nor for a cache; use_cache=False leaves it out"
            )
        causal = packing.block_diagonal_mask(hidden_states.shape[1], is_causal=True)
        return causal if implementation in ("eager", "sdpa") else None
    if attention_mask is not None and attention_mask.dim() not in (2, 4):
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; give (batch, keys) with 1 for real tokens, or "
            f"(batch, heads, queries, keys)"
        )
    if attention_mask is not None and attention_mask.dim() == 4:
        _refuse_additive(attention_mask)
        return attention_mask.bool()  # the caller's own, or from `causal_mask` in the course of `generate`
    if implementation not in ("eager", "sdpa"):
        return create_causal_mask(config, hidden_states, attention_mask, past_key_values)
    length = hidden_states.shape[1]
    if implementation == "sdpa" and _kernel_knows_the_mask(length, attention_mask, past_key_values):
        return None
    return causal_mask(length, attention_mask, past_key_values, hidden_states.device)


def _kernel_knows_the_mask(length: int, attention_mask: torch.Tensor | None, past_key_values: Cache | None) -> bool:
    """Whether the fused kernel, which looks back only (`MultiHeadAttention.is_causal`), needs no mask besides.

    True for whole texts without pads, and for the one newest token of each, which sees all that the cache holds.
    On accelerators a given mask counts as one with pads: looking at its values would stall the device.
    """
    if attention_mask is not None:
        hidden = torch.compiler.is_compiling() or torch.jit.is_tracing() or attention_mask.device.type != "cpu"
        if hidden or not attention_mask.all():
            return False
    if past_key_values is None:
        return True
    past, keys = past_key_values.get_seq_length(), past_key_values.get_mask_sizes(length, 0)[0]
    # A static cache, which counts in a tensor, has free places that are not to be seen.
    return isinstance(past, int) and keys == past + length and (past == 0 or length == 1)


def check_mask_length(attention_mask: torch.Tensor | None, length: int, past_key_values: Cache | None) -> None:
    """Raise a ValueError for a padding mask that does not cover the cache and the `length` new tokens, one by one."""
    if attention_mask is None or attention_mask.dim() != 2:
        return
    past = 0 if past_key_values is None else past_key_values.get_seq_length()
    # A static cache counts in a tensor, at which a compiled step cannot look.
    if isinstance(past, int) and attention_mask.shape[1] != past + length:
        raise ValueError(
            f"attention_mask covers {attention_mask.shape[1]} tokens, but there are {length} and {past} in the cache; "
            f"give (batch, {past + length}), the mask of earlier calls with that of the new tokens behind it"
        )


def causal_mask(
    length: int, attention_mask: torch.Tensor | None, past_key_values: Cache | None, device: torch.device
) -> torch.Tensor:
    """Which keys each query sees: those up to its own place that are no padding.

    Args:
        length: number of queries (L).
        attention_mask: (B, past + L), 1 for real tokens, or None.
        past_key_values: the cache; its own length decides S, which is more than past + L for a static cache.

    Returns:
        (B or 1, 1, L, S) bool, True where a query attends.
    """
    past, keys = 0, length
    if past_key_values is not None:
        past, keys = past_key_values.get_seq_length(), past_key_values.get_mask_sizes(length, 0)[0]
    places = torch.arange(keys, device=device)
    visible = places <= (torch.arange(length, device=device) + past)[:, None]
    if attention_mask is None:
        return visible[None, None]
    real = attention_mask.bool()
    real = nn.functional.pad(real, (0, keys - real.shape[1]))  # the free places of a static cache
    return visible[None, None] & real[:, None, None, :]


def join_beams(query: torch.Tensor, beams: int) -> torch.Tensor:
    """Rows of queries that share their keys become one: (B · beams, H, L, D) → (B, H, beams · L, D)."""
    return query if beams == 1 else query.unflatten(0, (-1, beams)).transpose(1, 2).flatten(2, 3)


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each over its own D features of the projected tokens (section 3.2.2).

    Attends from `hidden_states` to itself, or, given `key_value_states`, from one sequence to another. D is
    `config.head_dim`, or E / H where that is None.

    Args:
        config: sizes and dropout.
        is_causal: whether tokens see only themselves and what came before; a decoder's choice.
        layer_index: the place of this layer's keys and values in a cache.
    """

    # Read by the fused attention functions: every query head has its own key head.
    num_key_value_groups = 1

    def __init__(self, config, is_causal: bool = False, layer_index: int | None = None):
        super().__init__()
        self.config = config
        self.is_causal = is_causal  # read by the fused attention functions
        self.layer_index = layer_index
        self.head_dim = config.head_dim or config.hidden_size // config.num_attention_heads
        width = config.num_attention_heads * self.head_dim
        self.query = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.key = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.value = nn.Linear(config.hidden_size, width, bias=config.attention_bias)
        self.output = nn.Linear(width, config.hidden_size, bias=config.attention_bias)
        self.scaling = 1.0 / math.sqrt(self.head_dim) if getattr(config, "scale_attention", True) else 1.0
        self.weight_dropout = config.attention_probs_dropout_prob
        self.dropout = Dropout(config.hidden_dropout_prob)

    def _split_heads(self, projected: torch.Tensor) -> torch.Tensor:
        return projected.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, L, H·D) → (B, H, L, D)

    def _keys_kept(self, source: torch.Tensor, cache: EncoderDecoderCache) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Keys and values of a source that stays the same while the decoder writes token after token.

        Returns:
            Each (B, H, S, D), and how many rows of queries share each of these; see `SourceLayer`.
        """
        kept = cache.cross_attention_cache
        beams = getattr(kept.layers[self.layer_index], "beams", 1) if self.layer_index < len(kept.layers) else 1
        if not cache.is_updated.get(self.layer_index):
            cache.is_updated[self.layer_index] = True
            source = source[::beams]
            key, value = self._split_heads(self.key(source)), self._split_heads(self.value(source))
            return *kept.update(key, value, self.layer_index), beams
        return kept.layers[self.layer_index].keys, kept.layers[self.layer_index].values, beams

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
            attention_mask: from `prepare_attention_mask` for the same implementation.
            key_value_states: (B, S, E), where keys and values come from; `hidden_states` where not given.
            implementation: name of the attention function; the config's where not given.
            past_key_values: keys and values of the tokens before these, to which theirs are added. With
                `key_value_states`, an `EncoderDecoderCache`: theirs are computed once and kept.
            rotary: the angles from `rotary_angles` by which queries and keys are turned.

        Returns:
            (B, L, E), and the weights (B, H, L, S), which only the eager implementation computes (None otherwise).
        """
        query, beams = self._split_heads(self.query(hidden_states)), 1
        if isinstance(past_key_values, EncoderDecoderCache):
            key, value, beams = self._keys_kept(key_value_states, past_key_values)
            query = join_beams(query, beams)
            attention_mask = attention_mask if attention_mask is None else attention_mask[::beams]
        else:
            source = hidden_states if key_value_states is None else key_value_states
            key, value = self._split_heads(self.key(source)), self._split_heads(self.value(source))
            if rotary is not None:
                query, key = rotate(query, *rotary), rotate(key, *rotary)
            if past_key_values is not None:
                key, value = past_key_values.update(key, value, self.layer_index)

        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            implementation or self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.weight_dropout if self.training else 0.0
        mixed, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        mixed = mixed.flatten(start_dim=-2)  # heads side by side again
        if beams > 1:
            mixed = mixed.unflatten(1, (beams, -1)).flatten(0, 1)
            weights = weights if weights is None else weights.unflatten(2, (beams, -1)).transpose(1, 2).flatten(0, 1)
        return self.dropout(self.output(mixed)), weights

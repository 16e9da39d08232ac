"""Attention masks in the form that each attention function expects.

`prepare_attention_mask` is for an encoder, `prepare_causal_mask` for a decoder, `prepare_cross_mask` for a decoder that
attends to a source; `causal_mask` is the plain bool mask of the second.

Letters: B batch, L query length, S key length, H heads, E hidden size.
"""

import torch
from torch import nn
from transformers import Cache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask

from .packing import Packing
from .transformers_internals import can_read


def prepare_attention_mask(
    config,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
    packing: Packing | None = None,
    past_key_values: Cache | None = None,
) -> torch.Tensor | None:
    """Convert a padding mask for the attention function `implementation`.

    The eager path takes bools that broadcast; the fused kernels get whatever transformers prepares for them (bools
    for sdpa, the 2-D mask or None for flash, a block mask for flex).

    Args:
        config: the model's configuration.
        hidden_states: (B, L, E), for its shape, dtype and device.
        attention_mask: (B, S), 1 or True for real tokens; or (B, L, S), a row of keys for each query; or
            (B or 1, H or 1, L, S); or None.
        implementation: name of the attention function.
        packing: of a packed batch; the tokens of a sequence then see each other and no others.
        past_key_values: keys in front of these tokens, which the mask covers too: S = past + L.

    Raises:
        ValueError: a packed batch for flex attention; a mask of any other number of dimensions, or a float mask with
            more than two that holds anything but 0 and the lowest number; a cache for another implementation than
            eager and sdpa.
    """
    if packing is not None:
        if implementation == "flex_attention":
            raise ValueError("packed batches are not for flex_attention; use packed, sdpa, eager or flash attention")
        return packing.block_diagonal_mask(hidden_states.shape[1]) if implementation in ("eager", "sdpa") else None
    if past_key_values is not None and implementation not in ("eager", "sdpa"):
        raise ValueError(f"an encoder takes past_key_values under eager and sdpa attention, not {implementation}")
    if attention_mask is None:
        return create_bidirectional_mask(config, hidden_states, None) if implementation == "flex_attention" else None
    if attention_mask.dim() not in (2, 3, 4):
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; give (batch, keys), (batch, queries, keys) "
            f"or (batch, heads, queries, keys)"
        )
    if attention_mask.dim() > 2:
        mask = allowed(attention_mask)
        return mask[:, None] if mask.dim() == 3 else mask
    if implementation == "eager" or past_key_values is not None:
        return attention_mask[:, None, None, :].bool()
    return create_bidirectional_mask(config, hidden_states, attention_mask)


def prepare_cross_mask(
    config,
    hidden_states: torch.Tensor,
    key_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
    packing: Packing | None = None,
) -> torch.Tensor | None:
    """Convert the padding mask of a source for cross-attention.

    Args:
        config, implementation: as in `prepare_attention_mask`.
        hidden_states: (B, L, E), where the queries come from.
        key_states: (B, S, E), where the keys come from.
        attention_mask: (B, S), 1 for real tokens, or None.
        packing: of a packed source, which needs no mask.
    """
    if packing is not None:
        return None
    if implementation not in ("eager", "sdpa"):
        return create_bidirectional_mask(config, hidden_states, attention_mask, encoder_hidden_states=key_states)
    if attention_mask is None:
        return None
    return attention_mask[:, None, None, :].bool()


def allowed(attention_mask: torch.Tensor) -> torch.Tensor:
    """Convert a mask per query to bool, True where attention is allowed: bools, integers, or floats 0 and lowest.

    Raises:
        ValueError: a float mask with other numbers, which would be added to the scores.
    """
    if not attention_mask.is_floating_point():
        return attention_mask.bool()
    lowest = torch.finfo(attention_mask.dtype).min / 2  # two masks may have been added
    keep = attention_mask == 0
    if can_read(attention_mask) and not (keep | (attention_mask <= lowest)).all():
        other = attention_mask[~keep & (attention_mask > lowest)][0].item()
        raise ValueError(
            f"a float attention_mask is added to the scores and may hold 0 (attend) and {2 * lowest:.3g} or -inf (do "
            f"not), got {other:g}; give a bool mask, True where attention is allowed"
        )
    return keep


def prepare_causal_mask(
    config,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    implementation: str,
    packing: Packing | None = None,
    past_key_values: Cache | None = None,
) -> torch.Tensor | None:
    """Convert a padding mask for a decoder, where no token sees a later one.

    Args:
        config, hidden_states, attention_mask, implementation, packing: as in `prepare_attention_mask`; here
            attention_mask counts the tokens in the cache too: S = past + L.
        past_key_values: the cache, before the tokens of hidden_states are added.

    Raises:
        ValueError: a packed batch for flex attention or with a cache; a mask of any number of dimensions but 2 or 4, or
            a float mask with 4 that holds anything but 0 and the lowest number.
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
        return allowed(attention_mask)  # the caller's own, or from `causal_mask` in the course of `generate`
    if implementation not in ("eager", "sdpa"):
        return create_causal_mask(config, hidden_states, attention_mask, past_key_values)
    length = hidden_states.shape[1]
    if implementation == "sdpa" and _kernel_knows_the_mask(length, attention_mask, past_key_values):
        return None
    return causal_mask(length, attention_mask, past_key_values, hidden_states.device)


def _kernel_knows_the_mask(length: int, attention_mask: torch.Tensor | None, past_key_values: Cache | None) -> bool:
    """Whether the causal flag of the fused kernel (`MultiHeadAttention.is_causal`) is enough, without a mask.

    True for whole texts without pads, and for the one newest token of each, which sees all that the cache holds.
    On accelerators a given mask counts as one with pads: looking at its values would stall the device.
    """
    if attention_mask is not None:
        if not can_read(attention_mask) or not attention_mask.all():
            return False
    if past_key_values is None:
        return True
    past, keys = past_key_values.get_seq_length(), past_key_values.get_mask_sizes(length, 0)[0]
    # A static cache, which counts in a tensor, has free places that are not to be seen.
    return isinstance(past, int) and keys == past + length and (past == 0 or length == 1)


def check_mask_length(attention_mask: torch.Tensor | None, length: int, past_key_values: Cache | None) -> None:
    """Raise a ValueError for a padding mask whose length differs from cache plus `length` new tokens."""
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
    """The causal mask: each query sees the real tokens up to its own position.

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

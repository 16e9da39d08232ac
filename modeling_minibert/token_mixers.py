"""Token mixers in place of attention: AFT-full, AFT-simple, gated linear attention.

Each takes the place of `MultiHeadAttention` in a MiniGPT (`config.token_mixer`) and is called like it. Read the three
formulas, `aft_simple` and `aft_full` here and `gated_linear_attention` in `linear_attention.py`; then `TokenMixer`,
what the modules share, and the modules, each little more than its projections and its cache.

    token_mixer   what it keeps of t past tokens       work for t tokens      positions
    attention     t keys and values                    t²                     added to the tokens, or rotary
    aft_full      t keys and values                    t²                     learned, one weight for each pair
    aft_simple    one key and one value                t                      added to the tokens
    linear        a D × D matrix for each head         t                      added, or rotary; old tokens fade

Letters: B batch, L length, S number of keys, H heads, D head size, W = H·D width, E hidden size.

Source: Zhai et al. 2021, An Attention Free Transformer (arXiv 2105.14103).
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Cache
from transformers.cache_utils import StaticLayer

from .attention import MultiHeadAttention
from .caches import RUNNING_STATE
from .embeddings import rotate
from .linear_attention import gated_linear_attention
from .masks import prepare_causal_mask
from .normalization import NORMS
from .packing import Packing
from .transformers_internals import can_read, records_any_length

# A larger block means fewer steps in Python and more memory: (block, block) weights are held for every feature.
AFT_BLOCK = 32


# --- The formulas of AFT


def join_averages(
    log_weight: torch.Tensor, average: torch.Tensor, later_log_weight: torch.Tensor, later_average: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge two weighted averages, each given with the logarithm of its sum of weights, without overflow."""
    share = torch.sigmoid(later_log_weight - log_weight)
    return torch.logaddexp(log_weight, later_log_weight), torch.lerp(average, later_average, share)


def aft_simple(key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each token, the average of the values so far, weighted by exp(key), per feature.

        y_t = Σ_{s ≤ t} exp(k_s) ∘ v_s / Σ_{s ≤ t} exp(k_s)          Zhai et al. 2021, section 3.2

    Neighbours are joined into pairs, the averages over the pairs are found in the same way, and from those the ones
    in between: about 2 L joins in 2 log₂ L steps. An exporter records all pairs of tokens instead.

    Args:
        key, value: (B, L, W).

    Returns:
        log Σ_{s ≤ t} exp(k_s) and y, each (B, L, W).
    """
    length = key.shape[1]
    if records_any_length(length):
        return _average_within_block(key, value, key.new_zeros(1, length, length))
    if length == 1:
        return key, value
    pairs = join_averages(key[:, : length - 1 : 2], value[:, : length - 1 : 2], key[:, 1::2], value[:, 1::2])
    odd = aft_simple(*pairs)  # the results at the places 1, 3, 5, …
    before = [result[:, : (length - 1) // 2] for result in odd]
    even = join_averages(*before, key[:, 2::2], value[:, 2::2])  # at the places 2, 4, 6, …
    results = []
    for first, evens, odds in zip((key[:, :1], value[:, :1]), even, odd, strict=True):
        odds = F.pad(odds, (0, 0, 0, length % 2))
        results.append(torch.stack([torch.cat([first, evens], dim=1), odds], dim=2).flatten(1, 2)[:, :length])
    return results[0], results[1]


def aft_full(key: torch.Tensor, value: torch.Tensor, position_bias: torch.Tensor) -> torch.Tensor:
    """AFT-simple with a learned weight for each pair of positions.

        y_t = Σ_{s ≤ t} exp(k_s + w_ts) ∘ v_s / Σ_{s ≤ t} exp(k_s + w_ts)          Zhai et al. 2021, section 3.1

    For the keys before a block of queries this is a product of two matrices, exp(w) · (exp(k) ∘ v), with the largest
    w and k taken out. Within the block, where the largest key may be one that a query must not see, it is computed
    for each pair; the two averages are then joined. An exporter records a single block.

    Args:
        key, value: (B, S, W).
        position_bias: w, (B or 1, L, S), for the last L of the S tokens as queries.

    Returns:
        y, (B, L, W).
    """
    length, past = position_bias.shape[1], key.shape[1] - position_bias.shape[1]
    one_block, blocks = records_any_length(length), []
    block = length if one_block else AFT_BLOCK
    for start in [0] if one_block else range(0, length, block):
        bias = position_bias[:, start : start + block]
        size, earlier = bias.shape[1], past + start
        own = slice(earlier, earlier + size)
        joined = _average_within_block(key[:, own], value[:, own], bias[:, :, own])
        if earlier:
            before = _average_before_block(key[:, :earlier], value[:, :earlier], bias[:, :, :earlier])
            joined = join_averages(*before, *joined)
        blocks.append(joined[1])
    return torch.cat(blocks, dim=1)


def _average_within_block(key, value, bias) -> tuple[torch.Tensor, torch.Tensor]:
    logits = bias[..., None] + key[:, None]  # (B, L, L, W)
    later = torch.ones(logits.shape[1:3], dtype=torch.bool, device=key.device).triu(1)
    logits = logits.masked_fill(later[..., None], torch.finfo(logits.dtype).min)
    return logits.logsumexp(dim=2), (logits.softmax(dim=2) * value[:, None]).sum(dim=2)


def _average_before_block(key, value, bias) -> tuple[torch.Tensor, torch.Tensor]:
    largest_key, largest_bias = key.amax(dim=1, keepdim=True), bias.amax(dim=2, keepdim=True)
    key_weights, bias_weights = (key - largest_key).exp(), (bias - largest_bias).exp()
    # At least exp(w - max w) of the largest key; 0 only where learned biases of one query differ by more than 80.
    total = (bias_weights @ key_weights).clamp(min=torch.finfo(key.dtype).tiny)  # (B, L, W)
    return largest_key + largest_bias + total.log(), bias_weights @ (key_weights * value) / total


# --- The modules


class TokenMixer(MultiHeadAttention):
    """The base of token mixers: projections, packed batches and precision. A subclass defines `mix`, and `project`
    where it projects more than query, key and value.

    Args:
        config: sizes, and the dropout of the output; there are no attention weights to drop.
        layer_index: the place of this layer in a cache.
    """

    layer_type = RUNNING_STATE  # what it needs in a cache

    def __init__(self, config, layer_index: int):
        super().__init__(config, is_causal=True, layer_index=layer_index)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        rotary: tuple[torch.Tensor, torch.Tensor] | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        max_length_q: int | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, None]:
        """Mix each token with those before it.

        Args:
            hidden_states: (B, L, E).
            attention_mask: from `prepare_mixer_mask`.
            past_key_values: the cache, to which these tokens are added.
            rotary: the angles by which queries and keys are turned.
            cu_seq_lens_q, max_length_q: of a packed batch (1, T), whose sequences do not see each other.
            kwargs: what only attention needs.

        Returns:
            (B, L, E), and None: there are no weights.
        """
        # exp, and sums over many tokens, want more than half precision, also under autocast.
        projected = [
            part.to(torch.promote_types(part.dtype, torch.float32)) for part in self.project(hidden_states, rotary)
        ]
        with torch.autocast(hidden_states.device.type, enabled=False):
            if cu_seq_lens_q is None:
                mixed = self.mix(projected, attention_mask, past_key_values)
            else:
                mixed = self._mix_packed(projected, Packing(cu_seq_lens_q, max_length_q))
        return self.dropout(self.output(mixed.to(hidden_states.dtype))), None

    def _mix_packed(self, projected: list[torch.Tensor], packing: Packing) -> torch.Tensor:
        """One row per sequence, and back into one row; behind the last sequence there may be empty tokens."""
        tokens, mask = int(packing.cu_seq_lens[-1]), packing.mask()
        rows = self.mix([packing.split(part[:, :tokens]) for part in projected], mask, None)
        return F.pad(rows[mask][None], (0, 0, 0, projected[0].shape[1] - tokens))

    def project(self, hidden_states: torch.Tensor, rotary: tuple | None) -> list[torch.Tensor]:
        """Project (B, L, E) to the parts that `mix` takes, each (B, L, W): query, key, value, …"""
        return [self.query(hidden_states), self.key(hidden_states), self.value(hidden_states)]

    def mix(
        self, projected: list[torch.Tensor], mask: torch.Tensor | None, past_key_values: Cache | None
    ) -> torch.Tensor:
        """Parts (B, L, W) and a mask (B, past + L) → (B, L, W)."""
        raise NotImplementedError

    def _state(self, past_key_values: Cache | None):
        """This layer's entry of the cache, if it holds earlier tokens."""
        if past_key_values is None or past_key_values.get_seq_length(self.layer_idx) == 0:
            return None
        return past_key_values.layers[self.layer_idx]


def hide_pads(tensor: torch.Tensor, mask: torch.Tensor | None, fill: float = 0.0) -> torch.Tensor:
    """(B, L, W) with `fill` for pads; the mask (B, past + L) also says what the tokens before were."""
    return tensor if mask is None else tensor.masked_fill(~mask[:, -tensor.shape[1] :, None], fill)


class AFTSimple(TokenMixer):
    """σ(q_t) ∘ `aft_simple`. The past is kept as one key and one value, which stand for all of its tokens."""

    def mix(self, projected, mask, past_key_values):
        query, key, value = projected
        length, state = query.shape[1], self._state(past_key_values)
        key, value = hide_pads(key, mask, torch.finfo(key.dtype).min), hide_pads(value, mask)
        if state is not None:
            key, value = torch.cat([state.keys, key], dim=1), torch.cat([state.values, value], dim=1)
        log_weight, average = aft_simple(key, value)
        if past_key_values is not None:
            last = (log_weight[:, -1:].clone(), average[:, -1:].clone())  # a part would keep all of them in memory
            past_key_values.update(*last, self.layer_idx, length)
        return query.sigmoid() * average[:, -length:]


class AFTFull(TokenMixer):
    """σ(q_t) ∘ `aft_full`. Places are counted from the first real token; keys and values are kept as for attention."""

    layer_type = "full_attention"

    def __init__(self, config, layer_index: int):
        super().__init__(config, layer_index)
        # An embedding, so that its initial weights are those of the model's other tables: row t holds w_t1, w_t2, …
        self.position_bias = nn.Embedding(config.max_position_embeddings, config.max_position_embeddings)
        self.max_positions = config.max_position_embeddings

    def mix(self, projected, mask, past_key_values):
        query, key, value = projected
        if past_key_values is not None:  # (B, 1, S, W): one head, in a cache made for several
            kept = past_key_values.update(key[:, None], value[:, None], self.layer_idx)
            key, value = (tensor[:, 0] for tensor in kept)
        bias = self._bias(query.shape[1], key.shape[1], mask, key.device).to(key.dtype)
        key, value = hide_pads(key, mask, torch.finfo(key.dtype).min), hide_pads(value, mask)
        return query.sigmoid() * aft_full(key, value, bias)

    def _bias(self, length: int, keys: int, mask: torch.Tensor | None, device: torch.device) -> torch.Tensor:
        """w for the last `length` of `keys` tokens: (B or 1, L, S)."""
        limit = self.max_positions
        # With pads behind the text, if any, all rows share one part of the table.
        if mask is None or (keys <= limit and can_read(mask) and bool((mask[:, 1:] <= mask[:, :-1]).all())):
            self._check_length(keys, limit)
            return self.position_bias(torch.arange(keys - length, keys, device=device))[None, :, :keys]
        places = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
        if can_read(places):
            self._check_length(int(places.max()) + 1, limit)
        rows = self.position_bias(places[:, -length:])  # (B, L, positions)
        return rows.gather(2, places[:, None].expand(-1, length, -1))

    def _check_length(self, tokens: int, limit: int) -> None:
        if tokens > limit:
            raise ValueError(
                f"input is {tokens} tokens long but aft_full has position biases for {limit}; truncate it, or raise "
                f"max_position_embeddings before training"
            )


class GatedLinearAttention(TokenMixer):
    """`gated_linear_attention` over H heads, each normalized before they are put side by side.

        log α_t = log σ(W₂ W₁ x_t + b) / 16          Yang et al. 2023, section 4

    with 16 features between W₁ and W₂. The paper's second gate, on the output, is left out.
    """

    def __init__(self, config, layer_index: int):
        super().__init__(config, layer_index)
        self.gate_down = nn.Linear(config.hidden_size, 16, bias=False)
        self.gate_up = nn.Linear(16, self.query.out_features)
        self.head_norm = NORMS[config.norm_type](self.head_dim, eps=config.layer_norm_eps)

    def project(self, hidden_states, rotary):
        query, key, value = super().project(hidden_states, rotary)
        if rotary is not None:
            query, key = (rotate(self._split_heads(part), *rotary).transpose(1, 2).flatten(2) for part in (query, key))
        return [query, key, value, self.gate_up(self.gate_down(hidden_states))]

    def mix(self, projected, mask, past_key_values):
        query, key, value, gate = projected
        key, log_gate = hide_pads(key, mask), hide_pads(F.logsigmoid(gate) / 16, mask)
        past = self._state(past_key_values)
        heads = map(self._split_heads, (query, key, value, log_gate))
        mixed, state = gated_linear_attention(*heads, state=None if past is None else past.keys)
        if past_key_values is not None:
            no_second = state.new_empty(state.shape[0], 0)
            past_key_values.update(state, no_second, self.layer_idx, query.shape[1])
        mixed = self.head_norm(mixed.to(self.head_norm.weight.dtype))
        return mixed.transpose(1, 2).flatten(2)


# --- What the model asks for

MIXERS = {"aft_full": AFTFull, "aft_simple": AFTSimple, "linear": GatedLinearAttention}


def build_token_mixer(config, layer_index: int) -> MultiHeadAttention:
    """Build the causal mixer that `config.token_mixer` names."""
    if config.token_mixer == "attention":
        return MultiHeadAttention(config, is_causal=True, layer_index=layer_index)
    return MIXERS[config.token_mixer](config, layer_index)


def prepare_decoder_mask(config, hidden_states: torch.Tensor, batch) -> torch.Tensor | None:
    """The mask that the layers of `config.token_mixer` expect, for a prepared `Batch`."""
    if batch.paged_arguments is not None:
        if config.token_mixer != "attention":
            raise ValueError(f"token_mixer={config.token_mixer!r} has no paged cache; use generate, not generate_batch")
        return batch.attention_mask
    if config.token_mixer != "attention":
        asks_weights = batch.weights is not None
        return prepare_mixer_mask(config.token_mixer, batch.attention_mask, batch.packing, batch.cache, asks_weights)
    return prepare_causal_mask(
        config, hidden_states, batch.attention_mask, batch.implementation, batch.packing, batch.cache
    )


def prepare_mixer_mask(
    token_mixer: str,
    attention_mask: torch.Tensor | None,
    packing: Packing | None,
    past_key_values: Cache | None,
    output_attentions: bool,
) -> torch.Tensor | None:
    """Convert a padding mask for the mixers, and refuse the options that they do not support.

    Args:
        attention_mask: (B, past + L), 1 for real tokens, or None.
        packing: of a packed batch, in which there are no pads.
        past_key_values, output_attentions: as the model was given them.

    Returns:
        (B, past + L) bool, True for real tokens; None if all of them are.

    Raises:
        ValueError: attention weights are asked for; a packed batch with a cache; a mask of another number of
            dimensions; a cache made for something else.
    """
    if output_attentions:
        raise ValueError(
            f"token_mixer={token_mixer!r} has no attention weights; leave output_attentions out, or take a model with "
            f"token_mixer='attention'"
        )
    if packing is not None and past_key_values is not None:
        raise ValueError("packed batches are not for a cache; use_cache=False leaves it out")
    if past_key_values is not None:
        _check_cache(token_mixer, past_key_values)
    if packing is not None or attention_mask is None:
        return None
    if attention_mask.dim() != 2:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; token_mixer={token_mixer!r} takes (batch, keys) "
            f"with 1 for real tokens"
        )
    mask = attention_mask.bool()
    return None if can_read(mask) and mask.all() else mask


def _check_cache(token_mixer: str, cache: Cache) -> None:
    advice = "leave past_key_values and cache_implementation out, or give DynamicCache(config=model.config)"
    if token_mixer == "aft_full":
        if any(isinstance(layer, StaticLayer) for layer in cache.layers):
            raise ValueError(f"token_mixer='aft_full' has no use for a static cache; {advice}")
    elif not cache.layers or not all(getattr(layer, "is_running_state", False) for layer in cache.layers):
        raise ValueError(f"token_mixer={token_mixer!r} keeps a state, for which {cache} has no place; {advice}")

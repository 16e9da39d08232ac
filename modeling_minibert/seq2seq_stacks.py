"""The two stacks of MiniSeq2Seq: one reads the source, the other writes the target.

Read `MiniSeq2SeqEncoderLayer`, then `MiniSeq2SeqDecoderLayer`: self-attention over what has been written, cross-
attention to the source, feed-forward. `MiniSeq2SeqEncoder.forward` and `MiniSeq2SeqDecoder.forward` are the whole
computation of each stack.

Letters: B batch, S source length, L target length, E hidden size, H heads.

Sources: Vaswani et al. 2017 (norms after each sub-layer); Raffel et al. 2020 (T5: norms before, relative positions).
"""

import torch
from torch import nn
from transformers import EncoderDecoderCache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions
from transformers.utils.generic import can_return_tuple

from .attention import (
    MultiHeadAttention,
    check_mask_length,
    prepare_attention_mask,
    prepare_causal_mask,
    prepare_cross_mask,
)
from .dropout import Dropout
from .embeddings import Embeddings
from .feed_forward import FeedForward
from .growing_cache import encoder_decoder_cache
from .normalization import build_norm
from .packed_attention import PACKED
from .packing import Packing, pack_pairs, rows_to_round_up
from .precision import autocast_dtype
from .relative_positions import RelativePositions


class MiniSeq2SeqEncoderLayer(GradientCheckpointingLayer):
    """One encoder layer: source tokens look at each other, then each thinks for itself."""

    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = build_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = build_norm(config)
        self.pre_norm = config.norm_position == "pre"

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs):
        """(B, S, E) → (B, S, E), and the attention weights (B, H, S, S) if the implementation computes them."""
        if self.pre_norm:
            mixed, weights = self.attention(self.attention_norm(hidden_states), attention_mask, **kwargs)
            hidden_states = hidden_states + mixed
            return hidden_states + self.feed_forward(self.feed_forward_norm(hidden_states)), weights
        mixed, weights = self.attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.attention_norm(hidden_states + mixed)
        return self.feed_forward_norm(hidden_states + self.feed_forward(hidden_states)), weights


class MiniSeq2SeqDecoderLayer(GradientCheckpointingLayer):
    """One decoder layer: target tokens look back at each other, then at the source, then each thinks for itself."""

    def __init__(self, config, layer_index: int):
        super().__init__()
        self.attention = MultiHeadAttention(config, is_causal=True, layer_index=layer_index)
        self.attention_norm = build_norm(config)
        self.cross_attention = MultiHeadAttention(config, layer_index=layer_index)
        self.cross_attention_norm = build_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = build_norm(config)
        self.pre_norm = config.norm_position == "pre"

    def forward(
        self,
        hidden_states: torch.Tensor,
        source: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        source_mask: torch.Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        position_bias: torch.Tensor | None = None,
        source_lengths: dict | None = None,
        **kwargs,
    ):
        """(B, L, E) and the encoder's (B, S, E) → (B, L, E), the weights (B, H, L, L) and those of the source.

        `source_lengths` are the arguments of cross-attention that tell it where packed sources begin.
        """
        looking_back = {"position_bias": position_bias, **kwargs}
        if past_key_values is not None:
            looking_back["past_key_values"] = past_key_values.self_attention_cache
        looking_at_source = {
            "key_value_states": source,
            "past_key_values": past_key_values,
            **kwargs,
            **(source_lengths or {}),
        }
        if self.pre_norm:
            mixed, weights = self.attention(self.attention_norm(hidden_states), attention_mask, **looking_back)
            hidden_states = hidden_states + mixed
            normalized = self.cross_attention_norm(hidden_states)
            mixed, source_weights = self.cross_attention(normalized, source_mask, **looking_at_source)
            hidden_states = hidden_states + mixed
            hidden_states = hidden_states + self.feed_forward(self.feed_forward_norm(hidden_states))
            return hidden_states, weights, source_weights
        mixed, weights = self.attention(hidden_states, attention_mask, **looking_back)
        hidden_states = self.attention_norm(hidden_states + mixed)
        mixed, source_weights = self.cross_attention(hidden_states, source_mask, **looking_at_source)
        hidden_states = self.cross_attention_norm(hidden_states + mixed)
        return self.feed_forward_norm(hidden_states + self.feed_forward(hidden_states)), weights, source_weights


class _Stack(nn.Module):
    """What encoder and decoder share: embeddings, relative positions, layers, the last norm."""

    def __init__(self, config, vocab_size: int, layers: list[nn.Module], is_causal: bool):
        super().__init__()
        self.config = config
        # The start token is looked up as others are, and has to learn; a padding row would not.
        padding_idx = config.pad_token_id if config.pad_token_id != config.decoder_start_token_id else None
        self.embeddings = Embeddings(config, padding_idx, vocab_size)
        is_relative = config.position_embedding_type == "relative"
        self.relative_positions = RelativePositions(config, is_causal) if is_relative else None
        self.layers = nn.ModuleList(layers)
        # With norms before each sub-layer nothing has normalized the last sum yet.
        self.final_norm = build_norm(config) if config.norm_position == "pre" else nn.Identity()
        self.final_dropout = Dropout(config.final_dropout_prob)
        self._set_initial_scales()

    def _set_initial_scales(self) -> None:
        """Where the model leaves out a scaling or adds one, the initial weights make up for it; see `_init_weights`."""
        if self.config.scale_output:
            self.embeddings.word_embeddings.initial_std = 1.0
        for module in self.modules():
            if isinstance(module, MultiHeadAttention) and not self.config.scale_attention:
                module.query.initial_gain = module.head_dim**-0.5

    def embed(self, input_ids, position_ids, inputs_embeds, packing: Packing | None) -> torch.Tensor:
        """The first hidden states: (B, length, E), or (1, T, E) with the rows that make T a round number."""
        if packing is not None:
            given = (input_ids, position_ids, inputs_embeds)
            input_ids, position_ids, inputs_embeds = map(packing.remove_pads, given)
        hidden_states = self.embeddings(input_ids, None, position_ids, inputs_embeds)
        # Under autocast half precision from here on; otherwise each linear map would convert its input anew.
        hidden_states = hidden_states.to(autocast_dtype(hidden_states.device) or hidden_states.dtype)
        return hidden_states if packing is None else round_up(hidden_states)

    def position_bias(self, num_queries: int, num_keys: int, past: int, dtype: torch.dtype) -> torch.Tensor | None:
        """What relative positions add to the attention scores, (1, H, L, S); None for other positions."""
        if self.relative_positions is None:
            return None
        return self.relative_positions(num_queries, num_keys, past).to(dtype)


def round_up(packed: torch.Tensor) -> torch.Tensor:
    """Add empty rows to (1, T, E) where few different shapes are faster; see `rows_to_round_up`."""
    return nn.functional.pad(packed, (0, 0, 0, rows_to_round_up(packed.shape[1], packed)))


def restore(packing: Packing | None, states: torch.Tensor) -> torch.Tensor:
    """The form in which the batch came, zeros for pads."""
    return states if packing is None else packing.restore(states[:, : len(packing.places)])


def _one_of(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None, names: str) -> torch.Tensor:
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError(f"give either {names}, and not both")
    inputs = input_ids if inputs_embeds is None else inputs_embeds
    if not inputs.shape[1]:
        raise ValueError(f"a text without tokens, shape {tuple(inputs.shape)}; give at least one token in {names}")
    return inputs


class MiniSeq2SeqEncoder(_Stack):
    """Reads the source: every token looks at every other."""

    def __init__(self, config):
        layers = [MiniSeq2SeqEncoderLayer(config) for _ in range(config.num_encoder_layers)]
        super().__init__(config, config.vocab_size, layers, is_causal=False)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutput:
        """Encode a batch of sources: `last_hidden_state` (B, S, E).

        Args:
            input_ids: (B, S) token ids; or
            inputs_embeds: (B, S, E) word vectors.
            attention_mask: (B, S), 1 for real tokens, 0 for padding behind them.
            output_attentions, output_hidden_states: as in `MiniSeq2SeqModel`.

        Raises:
            ValueError: no tokens, more tokens than positions, or an id out of range.
        """
        inputs = _one_of(input_ids, inputs_embeds, "input_ids or inputs_embeds")
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        _check_sources(attention_mask)
        length = inputs.shape[1]
        self.embeddings.check_length(length)
        implementation = _implementation(self.config, output_attentions)
        packing = None
        if implementation == PACKED:
            packing = Packing.of_padded(*inputs.shape[:2], attention_mask, inputs.device)
            kwargs |= packing.attention_arguments()
        position_ids = torch.arange(length, device=inputs.device)[None]
        hidden_states = self.embed(input_ids, position_ids, inputs_embeds, packing)
        mask = None
        if packing is None:
            mask = prepare_attention_mask(self.config, hidden_states, attention_mask, implementation)
        bias = self.position_bias(length, length, 0, hidden_states.dtype)
        all_hidden_states, all_weights = [], []
        for layer in self.layers:
            all_hidden_states.append(hidden_states)
            hidden_states, weights = layer(
                hidden_states, mask, implementation=implementation, position_bias=bias, **kwargs
            )
            all_weights.append(weights)
        hidden_states = restore(packing, self.final_dropout(self.final_norm(hidden_states)))
        if output_hidden_states:
            all_hidden_states = [restore(packing, states) for states in all_hidden_states]
        return BaseModelOutput(
            last_hidden_state=hidden_states,
            hidden_states=(*all_hidden_states, hidden_states) if output_hidden_states else None,
            attentions=tuple(all_weights) if output_attentions else None,
        )


def _check_sources(attention_mask: torch.Tensor | None) -> None:
    """Raise a ValueError for a source without tokens; on accelerators, a look at the values would stall the device."""
    if attention_mask is None or attention_mask.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if attention_mask.dim() != 2:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}; give (batch, tokens), 1 for real ones"
        )
    filled = attention_mask.any(dim=1)
    if not filled.all():
        raise ValueError(
            f"source {int(filled.int().argmin())} of {len(filled)} has no tokens, its attention_mask is 0 throughout; "
            f"leave it out, or give at least its end token"
        )


class MiniSeq2SeqDecoder(_Stack):
    """Writes the target: every token looks back, and at the source."""

    def __init__(self, config):
        layers = [MiniSeq2SeqDecoderLayer(config, index) for index in range(config.num_decoder_layers)]
        super().__init__(config, config.target_vocab_size, layers, is_causal=True)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Read the target so far: `last_hidden_state` (B, L, E), of which the last predicts the next token.

        Args:
            input_ids: (B, L) token ids of the target, the first of all `decoder_start_token_id`; or
            inputs_embeds: (B, L, E) word vectors.
            attention_mask: (B, past + L), 1 for real tokens; none needed for padding at the end.
            encoder_hidden_states, encoder_attention_mask: (B, S, E) and (B, S), the source as the encoder left it.
            past_key_values: what an earlier call returned.
            use_cache, output_attentions, output_hidden_states: as in `MiniSeq2SeqModel`; there is no cache while
                training with checkpoints.

        Raises:
            ValueError: no tokens, more than there are positions, or an id out of range.
        """
        inputs = _one_of(input_ids, inputs_embeds, "decoder_input_ids or decoder_inputs_embeds")
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if self.training and torch.is_grad_enabled() and any(layer.gradient_checkpointing for layer in self.layers):
            use_cache, past_key_values = False, None  # the backward pass would write each layer's keys a second time
        if use_cache and past_key_values is None:
            past_key_values = encoder_decoder_cache(self.config)
        caching = past_key_values is not None
        implementation = _implementation(self.config, output_attentions, caching)
        cache = past_key_values.self_attention_cache if caching else None
        length = inputs.shape[1]
        check_mask_length(attention_mask, length, cache)
        past = cache.get_seq_length() if caching else 0
        if isinstance(past, int):  # a static cache counts in a tensor, at which a compiled step cannot look
            self.embeddings.check_length(past + length)
        position_ids = torch.arange(length, device=inputs.device)[None] + past
        packing = source_lengths = mask = source_mask = None
        if implementation == PACKED:
            packing, sources = pack_pairs(inputs, attention_mask, encoder_hidden_states, encoder_attention_mask)
            encoder_hidden_states = round_up(sources.remove_pads(encoder_hidden_states))
            kwargs |= packing.attention_arguments()
            source_lengths = {"cu_seq_lens_k": sources.cu_seq_lens, "max_length_k": sources.max_length}
        hidden_states = self.embed(input_ids, position_ids, inputs_embeds, packing)
        if packing is None:
            mask = prepare_causal_mask(self.config, hidden_states, attention_mask, implementation, None, cache)
            source_mask = prepare_cross_mask(
                self.config, hidden_states, encoder_hidden_states, encoder_attention_mask, implementation
            )
        keys = cache.get_mask_sizes(length, 0)[0] if caching else length
        bias = self.position_bias(length, keys, past, hidden_states.dtype)
        all_hidden_states, all_weights, all_source_weights = [], [], []
        for layer in self.layers:
            all_hidden_states.append(hidden_states)
            hidden_states, weights, source_weights = layer(
                hidden_states,
                encoder_hidden_states,
                mask,
                source_mask,
                past_key_values,
                bias,
                source_lengths,
                implementation=implementation,
                **kwargs,
            )
            all_weights.append(weights)
            all_source_weights.append(source_weights)
        hidden_states = restore(packing, self.final_dropout(self.final_norm(hidden_states)))
        if output_hidden_states:
            all_hidden_states = [restore(packing, states) for states in all_hidden_states]
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states,
            past_key_values=past_key_values,
            hidden_states=(*all_hidden_states, hidden_states) if output_hidden_states else None,
            attentions=tuple(all_weights) if output_attentions else None,
            cross_attentions=tuple(all_source_weights) if output_attentions else None,
        )


def _implementation(config, output_attentions: bool, caching: bool = False) -> str:
    """The attention function for one call: not every one gives weights, or works on a cache.

    Raises:
        ValueError: flash attention, which adds nothing to the scores, with relative positions.
    """
    implementation = config._attn_implementation
    if "flash" in implementation and config.position_embedding_type == "relative":
        raise ValueError(
            f"relative positions are added to the attention scores, which {implementation} cannot do; choose "
            f"attn_implementation 'sdpa', 'packed', 'eager' or 'flex_attention'"
        )
    if output_attentions:
        return "eager"
    return "sdpa" if implementation == PACKED and caching else implementation

"""The encoder and the decoder of MiniSeq2Seq.

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
from transformers.utils.output_capturing import OutputRecorder

from .attention import MultiHeadAttention
from .batch import Batch, is_checkpointing, refuse_filled_cache
from .caches import encoder_decoder_cache, share_source
from .dropout import Dropout
from .embeddings import Embeddings
from .feed_forward import FeedForward
from .masks import prepare_attention_mask, prepare_causal_mask, prepare_cross_mask
from .normalization import build_norm
from .relative_positions import RelativePositions
from .transformers_internals import can_read


class MiniSeq2SeqEncoderLayer(GradientCheckpointingLayer):
    """One encoder layer: self-attention and feed-forward, each with a residual connection and a norm."""

    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = build_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = build_norm(config)
        self.pre_norm = config.norm_position == "pre"

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_bias: torch.Tensor | None = None,
        **kwargs,
    ):
        """(B, S, E) → (B, S, E), and the attention weights (B, H, S, S) if the implementation computes them."""
        kwargs["position_bias"] = position_bias
        if self.pre_norm:
            mixed, weights = self.attention(self.attention_norm(hidden_states), attention_mask, **kwargs)
            hidden_states = hidden_states + mixed
            return hidden_states + self.feed_forward(self.feed_forward_norm(hidden_states)), weights
        mixed, weights = self.attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.attention_norm(hidden_states + mixed)
        return self.feed_forward_norm(hidden_states + self.feed_forward(hidden_states)), weights


class CrossAttention(MultiHeadAttention):
    """Attention of the target to a source, which the beams of a sentence may share."""

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs):
        """(B · beams, L, E) and `key_value_states` (B, S, E) → (B · beams, L, E), and weights (B · beams, H, L, S)."""
        beams = hidden_states.shape[0] // kwargs["key_value_states"].shape[0]
        if beams == 1:
            return super().forward(hidden_states, attention_mask, **kwargs)
        # Cross-attention treats queries independently, so that the queries of all beams may form one row.
        joined = hidden_states.unflatten(0, (-1, beams)).flatten(1, 2)
        mixed, weights = super().forward(joined, attention_mask, **kwargs)
        if weights is not None:
            weights = weights.unflatten(2, (beams, -1)).transpose(1, 2).flatten(0, 1)
        return mixed.unflatten(1, (beams, -1)).flatten(0, 1), weights


class MiniSeq2SeqDecoderLayer(GradientCheckpointingLayer):
    """One decoder layer: causal self-attention, cross-attention to the source, feed-forward; each with residual and
    norm."""

    def __init__(self, config, layer_index: int):
        super().__init__()
        self.attention = MultiHeadAttention(config, is_causal=True, layer_index=layer_index)
        self.attention_norm = build_norm(config)
        self.cross_attention = CrossAttention(config, layer_index=layer_index)
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
    """The base of encoder and decoder: embeddings, relative positions, layers, final norm."""

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
        """Adapt initial weights to the scalings that the configuration adds or leaves out; see `_init_weights`."""
        if self.config.scale_output:
            self.embeddings.word_embeddings.initial_std = 1.0
        for module in self.modules():
            if isinstance(module, MultiHeadAttention) and not self.config.scale_attention:
                module.query.initial_gain = module.head_dim**-0.5

    def place_tokens(self, given: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Position ids by columns, behind the tokens in the cache."""
        length, past = given.shape[1], 0 if batch.cache is None else batch.cache.get_seq_length()
        if isinstance(past, int):  # a static cache counts in a tensor, at which a compiled step cannot look
            self.embeddings.check_length(past + length)
        position_ids = torch.arange(length, device=given.device)[None] + past
        return position_ids if batch.packing is None else batch.packing.remove_pads(position_ids)

    def position_bias(self, batch: Batch, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """The bias of relative positions, (1, H, L, S); None for other kinds of positions."""
        if self.relative_positions is None:
            return None
        past, keys = 0, batch.length
        if batch.cache is not None:
            past, keys = batch.cache.get_seq_length(), batch.cache.get_mask_sizes(batch.length, 0)[0]
        return self.relative_positions(batch.length, keys, past, hidden_states.device).to(hidden_states.dtype)


class MiniSeq2SeqEncoder(_Stack):
    """The encoder: every source token attends to every other."""

    _can_record_outputs = {"hidden_states": MiniSeq2SeqEncoderLayer, "attentions": MultiHeadAttention}

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
        output_hidden_states: bool | int | list[int] | None = None,
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
        _check_sources(attention_mask)
        inputs = {"input_ids": input_ids, "position_ids": None, "inputs_embeds": inputs_embeds}
        batch = Batch.of(self, inputs, attention_mask, output_attentions, output_hidden_states)
        hidden_states = batch.embed(self.embeddings)
        mask = prepare_attention_mask(self.config, hidden_states, attention_mask, batch.implementation, batch.packing)
        bias = self.position_bias(batch, hidden_states)
        kwargs |= batch.layer_arguments
        for layer in self.layers:
            hidden_states = batch.record(states=hidden_states)
            # The bias by position: reentrant checkpointing gives no gradient to arguments by name.
            hidden_states, weights = layer(hidden_states, mask, bias, **kwargs)
            batch.record(weights=weights)
        hidden_states = batch.restore(self.final_dropout(self.final_norm(hidden_states)))
        return BaseModelOutput(hidden_states, **batch.recorded(hidden_states))


def _check_sources(attention_mask: torch.Tensor | None) -> None:
    """Raise a ValueError for a source without tokens; skipped on accelerators, where reading values stalls the
    device."""
    if attention_mask is None or not can_read(attention_mask):
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
    """The decoder: every target token attends to those before it, and to the source."""

    _can_record_outputs = {
        "hidden_states": MiniSeq2SeqDecoderLayer,
        "attentions": OutputRecorder(MultiHeadAttention, index=1, layer_name=".attention"),
        "cross_attentions": OutputRecorder(CrossAttention, index=1, layer_name="cross_attention"),
    }

    def __init__(self, config):
        layers = [MiniSeq2SeqDecoderLayer(config, index) for index in range(config.num_decoder_layers)]
        super().__init__(config, config.target_vocab_size, layers, is_causal=True)

    input_prefix = "decoder_"  # how errors name the inputs

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
        output_hidden_states: bool | int | list[int] | None = None,
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
            ValueError: no source, no tokens, more than there are positions, or an id out of range.
        """
        if encoder_hidden_states is None:
            raise ValueError("the decoder attends to a source; give encoder_hidden_states, which the encoder returns")
        cache = self._cache(kwargs.pop("cache", past_key_values), use_cache)
        inputs = {"input_ids": input_ids, "position_ids": None, "inputs_embeds": inputs_embeds}
        source, source_mask = share_source(cache, encoder_hidden_states, encoder_attention_mask)
        batch = Batch.of(
            self, inputs, attention_mask, output_attentions, output_hidden_states,
            cache=None if cache is None else cache.self_attention_cache, source=source, source_mask=source_mask,
        )  # fmt: skip
        hidden_states = batch.embed(self.embeddings)
        mask = prepare_causal_mask(
            self.config, hidden_states, attention_mask, batch.implementation, batch.packing, batch.cache
        )
        source_mask = prepare_cross_mask(
            self.config, hidden_states, batch.source, source_mask, batch.implementation, batch.source_packing
        )
        bias = self.position_bias(batch, hidden_states)
        kwargs |= batch.layer_arguments
        for layer in self.layers:
            hidden_states = batch.record(states=hidden_states)
            hidden_states, weights, source_weights = layer(
                hidden_states, batch.source, mask, source_mask, cache, bias, batch.source_arguments, **kwargs
            )
            batch.record(weights=weights, source_weights=source_weights)
        hidden_states = batch.restore(self.final_dropout(self.final_norm(hidden_states)))
        return BaseModelOutputWithPastAndCrossAttentions(hidden_states, cache, **batch.recorded(hidden_states))

    def _cache(self, past_key_values: EncoderDecoderCache | None, use_cache: bool | None) -> EncoderDecoderCache | None:
        """The cache of this call, if it has one."""
        if is_checkpointing(self):
            refuse_filled_cache(past_key_values)
            return None
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            return encoder_decoder_cache(self.config)
        return past_key_values

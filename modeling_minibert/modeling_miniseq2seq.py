"""MiniSeq2Seq: the encoder–decoder of the Transformer, written out.

Read `MiniSeq2SeqEncoderLayer`, then `MiniSeq2SeqDecoderLayer`: self-attention over what has been written, cross-
attention to the source, feed-forward. Then the two stacks, and `MiniSeq2SeqForConditionalGeneration`: the decoder reads
the target one token late and predicts it. The parts live in their own files: `embeddings.py`, `attention.py`,
`relative_positions.py`, `feed_forward.py`, `normalization.py`, `heads.py`.

Letters: B batch, S source length, L target length, E hidden size, H heads, V vocabulary.

Sources: Vaswani et al. 2017 (norms after each sub-layer); Raffel et al. 2020 (T5: norms before, relative positions).
"""

import torch
from torch import nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.utils.generic import can_return_tuple

from .attention import (
    MultiHeadAttention,
    causal_mask,
    check_mask_length,
    prepare_attention_mask,
    prepare_causal_mask,
    prepare_cross_mask,
)
from .configuration_miniseq2seq import MiniSeq2SeqConfig
from .embeddings import Embeddings, SinusoidalPositions, sinusoidal_positions
from .feed_forward import FeedForward
from .growing_cache import growing_cache
from .heads import vocabulary_loss
from .losses import IGNORE_INDEX, check_labels, cross_entropy
from .normalization import build_norm
from .packed_attention import PACKED
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
        **kwargs,
    ):
        """(B, L, E) and the encoder's (B, S, E) → (B, L, E), the weights (B, H, L, L) and those of the source."""
        looking_back = {"position_bias": position_bias, **kwargs}
        if past_key_values is not None:
            looking_back["past_key_values"] = past_key_values.self_attention_cache
        looking_at_source = {"key_value_states": source, "past_key_values": past_key_values, **kwargs}
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
        self.final_dropout = nn.Dropout(config.final_dropout_prob)
        self._set_initial_scales()

    def _set_initial_scales(self) -> None:
        """Where the model leaves out a scaling or adds one, the initial weights make up for it; see `_init_weights`."""
        if self.config.scale_output:
            self.embeddings.word_embeddings.initial_std = 1.0
        for module in self.modules():
            if isinstance(module, MultiHeadAttention) and not self.config.scale_attention:
                module.query.initial_gain = module.head_dim**-0.5

    def embed(self, input_ids, position_ids, inputs_embeds) -> torch.Tensor:
        """The first hidden states; under autocast in half precision, or each linear map would convert its input."""
        hidden_states = self.embeddings(input_ids, None, position_ids, inputs_embeds)
        return hidden_states.to(autocast_dtype(hidden_states.device) or hidden_states.dtype)


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
        implementation = _implementation(self.config, output_attentions)
        hidden_states = self.embed(input_ids, None, inputs_embeds)
        mask = prepare_attention_mask(self.config, hidden_states, attention_mask, implementation)
        bias = None
        if self.relative_positions is not None:
            bias = self.relative_positions(inputs.shape[1], inputs.shape[1]).to(hidden_states.dtype)
        all_hidden_states, all_weights = [], []
        for layer in self.layers:
            all_hidden_states.append(hidden_states)
            hidden_states, weights = layer(
                hidden_states, mask, implementation=implementation, position_bias=bias, **kwargs
            )
            all_weights.append(weights)
        hidden_states = self.final_dropout(self.final_norm(hidden_states))
        return BaseModelOutput(
            last_hidden_state=hidden_states,
            hidden_states=(*all_hidden_states, hidden_states) if output_hidden_states else None,
            attentions=tuple(all_weights) if output_attentions else None,
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
            use_cache, output_attentions, output_hidden_states: as in `MiniSeq2SeqModel`.

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
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(growing_cache(self.config), DynamicCache(config=self.config))
        implementation = _implementation(self.config, output_attentions)
        cache = None if past_key_values is None else past_key_values.self_attention_cache
        check_mask_length(attention_mask, inputs.shape[1], cache)
        past = 0 if cache is None else cache.get_seq_length()
        position_ids = torch.arange(inputs.shape[1], device=inputs.device)[None] + past
        if isinstance(past, int):
            self.embeddings.check_length(past + inputs.shape[1])
        hidden_states = self.embed(input_ids, position_ids, inputs_embeds)
        mask = prepare_causal_mask(self.config, hidden_states, attention_mask, implementation, None, cache)
        source_mask = prepare_cross_mask(
            self.config, hidden_states, encoder_hidden_states, encoder_attention_mask, implementation
        )
        bias = None
        if self.relative_positions is not None:
            keys = inputs.shape[1] if cache is None else cache.get_mask_sizes(inputs.shape[1], 0)[0]
            bias = self.relative_positions(inputs.shape[1], keys, past).to(hidden_states.dtype)
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
                implementation=implementation,
                **kwargs,
            )
            all_weights.append(weights)
            all_source_weights.append(source_weights)
        hidden_states = self.final_dropout(self.final_norm(hidden_states))
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden_states,
            past_key_values=past_key_values,
            hidden_states=(*all_hidden_states, hidden_states) if output_hidden_states else None,
            attentions=tuple(all_weights) if output_attentions else None,
            cross_attentions=tuple(all_source_weights) if output_attentions else None,
        )


def _implementation(config, output_attentions: bool) -> str:
    """The attention function for one call: not every one gives weights."""
    if output_attentions:
        return "eager"
    return "sdpa" if config._attn_implementation == PACKED else config._attn_implementation


class MiniSeq2SeqPreTrainedModel(PreTrainedModel):
    """What all MiniSeq2Seq classes share: configuration, initial weights, and what they support."""

    config_class = MiniSeq2SeqConfig
    base_model_prefix = "miniseq2seq"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _no_split_modules = ["Embeddings", "MiniSeq2SeqEncoderLayer", "MiniSeq2SeqDecoderLayer"]
    _skip_keys_device_placement = "past_key_values"

    def __init__(self, config: MiniSeq2SeqConfig, *args, **kwargs):
        config.check()
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # With an initializer_range: normal, biases and the padding row zero; norms: 1 and 0.
        super()._init_weights(module)
        if isinstance(module, SinusoidalPositions):
            table = sinusoidal_positions(*module.table.shape, sines_first=module.sines_first)
            init.copy_(module.table, table)
        if self.config.initializer_range is None and isinstance(module, nn.Linear):
            # Scores that nothing scales begin small all the same: transformers visits only modules with weights of
            # their own, so the projection itself carries the flag.
            init.xavier_uniform_(module.weight, gain=getattr(module, "initial_gain", 1.0))
        if self.config.initializer_range is None and isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=getattr(module, "initial_std", self.config.hidden_size**-0.5))
            if module.padding_idx is not None and not getattr(module.weight, "_is_hf_initialized", False):
                init.zeros_(module.weight[module.padding_idx])

    def to_stock(self) -> PreTrainedModel:
        """This model as a stock Marian or T5 of transformers, same weights; see `stock.py`."""
        from .stock import to_stock

        return to_stock(self)


class MiniSeq2SeqModel(MiniSeq2SeqPreTrainedModel):
    """The bare encoder–decoder: a vector for each target token that knows the source and what came before it."""

    def __init__(self, config: MiniSeq2SeqConfig):
        super().__init__(config)
        self.encoder = MiniSeq2SeqEncoder(config)
        self.decoder = MiniSeq2SeqDecoder(config)
        if config.decoder_vocab_size is None:
            self._tied_weights_keys = {
                "decoder.embeddings.word_embeddings.weight": "encoder.embeddings.word_embeddings.weight"
            }
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.encoder.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.encoder.embeddings.word_embeddings = value
        if self.config.decoder_vocab_size is None and self.config.tie_word_embeddings:
            self.decoder.embeddings.word_embeddings = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> Seq2SeqModelOutput:
        """Read a batch of sources, and the targets so far.

        Args:
            input_ids: (B, S) token ids of the source; or
            inputs_embeds: (B, S, E) word vectors.
            attention_mask: (B, S), 1 for real tokens of the source, 0 for padding behind them.
            decoder_input_ids: (B, L) token ids of the target, the first of all `decoder_start_token_id`; or
            decoder_inputs_embeds: (B, L, E) word vectors.
            decoder_attention_mask: (B, past + L), 1 for real tokens; none needed for padding at the end.
            encoder_outputs: what the encoder gave for this source before, which is then not read again.
            past_key_values: what an earlier call returned.
            use_cache: whether to return `past_key_values`; where not given, as the configuration says, but not while
                training.
            output_attentions: return the weights of every layer: `encoder_attentions`, each (B, H, S, S),
                `decoder_attentions`, (B, H, L, past + L), and `cross_attentions`, (B, H, L, S). Under a fused attention
                implementation, which has none to give, this call computes them with the eager formula.
            output_hidden_states: return the embeddings and the output of every layer of both stacks.

        Returns:
            `last_hidden_state` (B, L, E), `encoder_last_hidden_state` (B, S, E), `past_key_values`, and what was asked.

        Raises:
            ValueError: no source or no target, more tokens than positions, or an id out of range.
        """
        asked = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids, attention_mask, inputs_embeds, **asked, return_dict=True, **kwargs
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        outputs = self.decoder(
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs.last_hidden_state,
            attention_mask,
            past_key_values,
            decoder_inputs_embeds,
            use_cache=use_cache,
            **asked,
            return_dict=True,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.hidden_states,
            decoder_attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )


def shift_right(labels: torch.Tensor, start_token_id: int, pad_token_id: int) -> torch.Tensor:
    """What the decoder reads in order to predict `labels` (B, L): each token one place later, behind the start token.

    Where a label is -100 the decoder reads padding.
    """
    shifted = nn.functional.pad(labels[:, :-1], (1, 0), value=start_token_id)
    return shifted.masked_fill(shifted == IGNORE_INDEX, pad_token_id)


class MiniSeq2SeqForConditionalGeneration(MiniSeq2SeqPreTrainedModel, GenerationMixin):
    """Write a target for a source, one token after the other: translation, summarization, `model.generate`."""

    _tied_weights_keys = {"lm_head.weight": "miniseq2seq.decoder.embeddings.word_embeddings.weight"}

    def __init__(self, config: MiniSeq2SeqConfig):
        super().__init__(config)
        self.miniseq2seq = MiniSeq2SeqModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.target_vocab_size, bias=config.output_bias)
        if config.decoder_vocab_size is None:
            words = "embeddings.word_embeddings.weight"
            copies = ("lm_head.weight", f"miniseq2seq.decoder.{words}")
            self._tied_weights_keys = {copy: f"miniseq2seq.encoder.{words}" for copy in copies}
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *args, **kwargs) -> nn.Embedding:
        """Other vocabularies are made before training; a shared one can grow at any time."""
        if self.config.decoder_vocab_size is not None and new_num_tokens is not None:
            raise ValueError(
                f"source and target have vocabularies of their own ({self.config.vocab_size} and "
                f"{self.config.decoder_vocab_size} tokens), and only a shared one can be resized to {new_num_tokens}"
            )
        return super().resize_token_embeddings(new_num_tokens, *args, **kwargs)

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """What `DataCollatorForSeq2Seq(model=…)` asks for; see `shift_right`."""
        return shift_right(labels, self.config.decoder_start_token_id, self.config.pad_token_id)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.Tensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool | None = None,
        **kwargs,
    ) -> Seq2SeqLMOutput:
        """Read source and target, and score the vocabulary for the token after each: logits (B, L, V).

        Args:
            labels: (B, L), the target with its end token and without the start token, -100 for padding. Unless given,
                `decoder_input_ids` are these, shifted by one.
            num_items_in_batch: number of labels in the whole optimizer step.
            return_logits: whether to compute the logits. Where not given: not while training with labels, when the
                loss is taken without ever holding all of them.

        The other arguments are those of `MiniSeq2SeqModel`. The loss is the cross-entropy; while training, with
        `config.label_smoothing`.
        """
        if labels is not None:
            check_labels(labels, self.config.target_vocab_size)
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        outputs = self.miniseq2seq(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            past_key_values,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache=use_cache,
            return_dict=True,
            **kwargs,
        )
        hidden_states = outputs.last_hidden_state
        if self.config.scale_output:
            hidden_states = hidden_states * self.config.hidden_size**-0.5
        if return_logits is None:
            return_logits = labels is None or not self.training
        loss = None
        smoothing = self.config.label_smoothing if self.training else 0.0
        logits = self.lm_head(hidden_states) if return_logits else None
        if labels is not None and return_logits:
            loss = cross_entropy(logits, labels, num_items_in_batch, label_smoothing=smoothing)
        elif labels is not None:
            loss = vocabulary_loss(self.lm_head, hidden_states, labels, num_items_in_batch, label_smoothing=smoothing)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            decoder_attentions=outputs.decoder_attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            encoder_attentions=outputs.encoder_attentions,
        )

    @staticmethod
    def create_masks_for_generate(config, inputs_embeds, attention_mask, past_key_values, **kwargs):
        """What `generate` gives as mask along with a static cache, so that a compiled step sees one shape."""
        return causal_mask(inputs_embeds.shape[1], attention_mask, past_key_values, inputs_embeds.device)

    def _prepare_cache_for_generation(self, generation_config, model_kwargs, *args):
        """What `generate` keeps keys and values in, unless the caller has chosen something."""
        given = model_kwargs.get("past_key_values")
        super()._prepare_cache_for_generation(generation_config, model_kwargs, *args)
        chosen = generation_config.cache_implementation not in (None, "dynamic")
        if given is None and not chosen and generation_config.use_cache is not False:
            cross_cache = DynamicCache(config=self.config)
            model_kwargs["past_key_values"] = EncoderDecoderCache(growing_cache(self.config), cross_cache)

    def _prepare_generated_length(self, generation_config, **kwargs):
        """Before any work: there must be beams, and the target must fit the positions that the model has."""
        if generation_config.num_beams < 1:
            raise ValueError(
                f"num_beams is {generation_config.num_beams}; give 1 for greedy search, or the number of beams"
            )
        generation_config = super()._prepare_generated_length(generation_config, **kwargs)
        limit = self.config.max_position_embeddings
        if self.config.has_position_limit and generation_config.max_length > limit:
            raise ValueError(
                f"generation may go on to {generation_config.max_length} tokens, but this model was built for {limit} "
                f"positions; set max_length to {limit} at most, or train with relative positions"
            )
        return generation_config

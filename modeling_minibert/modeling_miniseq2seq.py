"""MiniSeq2Seq: the encoder–decoder Transformer and its language-modeling head.

Read the layers and the two stacks in `seq2seq_stacks.py` first, then `MiniSeq2SeqModel.forward` (encoder, decoder),
then `MiniSeq2SeqForConditionalGeneration`: the decoder reads the target shifted right and predicts it. The parts:
`batch.py`, `embeddings.py`, `masks.py`, `attention.py`, `relative_positions.py`, `caches.py`, `heads.py`.

Letters: B batch, S source length, L target length, E hidden size, H heads, V vocabulary.

Sources: Vaswani et al. 2017 (norms after each sub-layer); Raffel et al. 2020 (T5: norms before, relative positions).
"""

import torch
from torch import nn
from transformers import Cache, GenerationConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput, Seq2SeqModelOutput
from transformers.utils.generic import can_return_tuple

from .caches import encoder_decoder_cache
from .configuration_miniseq2seq import MiniSeq2SeqConfig
from .embeddings import SinusoidalPositions, sinusoidal_positions
from .generation import MiniGenerationMixin
from .heads import score_vocabulary
from .losses import IGNORE_INDEX, check_labels
from .packed_attention import PACKED
from .pipeline_common import SavedWithPipelines
from .pipeline_summarization import SummarizationPipeline
from .pipeline_text2text_generation import Text2TextGenerationPipeline
from .pipeline_translation import TranslationPipeline
from .seq2seq_stacks import MiniSeq2SeqDecoder, MiniSeq2SeqEncoder
from .transformers_internals import CACHE_NAME, is_loaded, register_with_peft, resized_embeddings, resized_head


class MiniSeq2SeqPreTrainedModel(PreTrainedModel):
    """The base of all MiniSeq2Seq classes: configuration, initialization and supported features."""

    config_class = MiniSeq2SeqConfig
    base_model_prefix = "miniseq2seq"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _no_split_modules = ["MiniSeq2SeqEncoderLayer", "MiniSeq2SeqDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]

    def __init__(self, config: MiniSeq2SeqConfig, *args, **kwargs):
        config.check()
        register_with_peft()
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # With an initializer_range: normal, biases and the padding row zero; norms: 1 and 0.
        super()._init_weights(module)
        if isinstance(module, SinusoidalPositions):
            table = sinusoidal_positions(*module.table.shape, sines_first=module.sines_first)
            init.copy_(module.table, table)
        if self.config.initializer_range is None and isinstance(module, nn.Linear):
            # A smaller gain replaces the missing scale of the scores. transformers visits only modules that own
            # weights, so the projection itself carries the gain.
            init.xavier_uniform_(module.weight, gain=getattr(module, "initial_gain", 1.0))
        if self.config.initializer_range is None and isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=getattr(module, "initial_std", self.config.hidden_size**-0.5))
            if module.padding_idx is not None and not is_loaded(module.weight):
                init.zeros_(module.weight[module.padding_idx])

    def to_stock(self) -> PreTrainedModel:
        """This model as a stock Marian or T5 of transformers, same weights; see `stock.py`."""
        from .stock import to_stock

        return to_stock(self)


class MiniSeq2SeqModel(MiniSeq2SeqPreTrainedModel):
    """The encoder–decoder without a head: a vector for each target token, from the source and the tokens before it."""

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

    def get_decoder_input_embeddings(self) -> nn.Embedding:
        """The word embeddings of the target."""
        return self.decoder.embeddings.word_embeddings

    def set_decoder_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the word embeddings of the target; of a shared vocabulary both sides are replaced."""
        if self.config.decoder_vocab_size is None and self.config.tie_word_embeddings:
            self.set_input_embeddings(value)
        self.decoder.embeddings.word_embeddings = value

    def resize_decoder_token_embeddings(self, new_num_tokens: int) -> nn.Embedding:
        """Resize the vocabulary of the target; see `resize_decoder_vocabulary`."""
        return resize_decoder_vocabulary(self, self, new_num_tokens)

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
        past_key_values = kwargs.pop("cache", past_key_values)  # the name since transformers 5.24
        asked = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        kwargs |= {**asked, "return_dict": True}
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask, inputs_embeds, **kwargs)
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        source = encoder_outputs.last_hidden_state
        outputs = self.decoder(
            decoder_input_ids, decoder_attention_mask, source, attention_mask, past_key_values, decoder_inputs_embeds,
            use_cache=use_cache, **kwargs,
        )  # fmt: skip
        return Seq2SeqModelOutput(
            outputs.last_hidden_state, outputs.get(CACHE_NAME),
            outputs.hidden_states, outputs.attentions, outputs.cross_attentions,
            source, encoder_outputs.hidden_states, encoder_outputs.attentions,
        )  # fmt: skip


def resize_decoder_vocabulary(model: PreTrainedModel, base: MiniSeq2SeqModel, new_num_tokens: int) -> nn.Embedding:
    """Resize the embeddings of a separate target vocabulary, and the language-modeling head of `model` if it has one.

    Raises:
        ValueError: source and target share one vocabulary.
    """
    if model.config.decoder_vocab_size is None:
        raise ValueError(
            "source and target share one vocabulary, which has no part for the decoder; use resize_token_embeddings"
        )
    embeddings = base.get_decoder_input_embeddings()
    base.set_decoder_input_embeddings(resized_embeddings(model, embeddings, new_num_tokens))
    if model.get_output_embeddings() is not None:
        model.set_output_embeddings(resized_head(model, model.get_output_embeddings(), new_num_tokens))
    model.config.decoder_vocab_size = new_num_tokens
    model.tie_weights()
    return base.get_decoder_input_embeddings()


def shift_right(labels: torch.Tensor, start_token_id: int, pad_token_id: int) -> torch.Tensor:
    """Shift `labels` (B, L) right by one, behind the start token: the decoder's input.

    Where a label is -100 the decoder reads padding.
    """
    shifted = nn.functional.pad(labels[:, :-1], (1, 0), value=start_token_id)
    return shifted.masked_fill(shifted == IGNORE_INDEX, pad_token_id)


def mask_of_labels(labels: torch.Tensor) -> torch.Tensor:
    """The attention mask of the target: False behind the last label of each row, (B, L) bool."""
    return (labels != IGNORE_INDEX).flip(1).cummax(dim=1).values.flip(1)


class MiniSeq2SeqForConditionalGeneration(SavedWithPipelines, MiniSeq2SeqPreTrainedModel, MiniGenerationMixin):
    """Generate a target for a source: translation, summarization, `model.generate`."""

    pipeline_classes = (TranslationPipeline, SummarizationPipeline, Text2TextGenerationPipeline)
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
        """Resize a shared vocabulary; two separate ones are refused."""
        if self.config.decoder_vocab_size is not None and new_num_tokens is not None:
            raise ValueError(
                f"source and target have separate vocabularies ({self.config.vocab_size} and "
                f"{self.config.decoder_vocab_size} tokens), and only a shared one can be resized to {new_num_tokens} "
                f"here; use resize_decoder_token_embeddings, or resize_token_embeddings of the model without its head"
            )
        return super().resize_token_embeddings(new_num_tokens, *args, **kwargs)

    def resize_decoder_token_embeddings(self, new_num_tokens: int) -> nn.Embedding:
        """Resize the vocabulary of the target, with the head; see `resize_decoder_vocabulary`."""
        return resize_decoder_vocabulary(self, self.miniseq2seq, new_num_tokens)

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """The decoder's input for `labels`; `DataCollatorForSeq2Seq(model=…)` calls it. See `shift_right`."""
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
            return_logits: whether to compute the logits. Where not given: not while training with labels and
                num_items_in_batch (as `Trainer` does), when the loss is computed in chunks of tokens.

        The other arguments are those of `MiniSeq2SeqModel`. The loss is the cross-entropy; while training, with
        `config.label_smoothing`.
        """
        if labels is not None:
            check_labels(labels, self.config.target_vocab_size)
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
            if decoder_attention_mask is None and self.config._attn_implementation == PACKED:
                decoder_attention_mask = mask_of_labels(labels)
        outputs = self.miniseq2seq(
            input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, encoder_outputs, past_key_values,
            inputs_embeds, decoder_inputs_embeds, use_cache=use_cache, return_dict=True, **kwargs,
        )  # fmt: skip
        hidden_states = outputs.last_hidden_state
        if self.config.scale_output:
            hidden_states = hidden_states * self.config.hidden_size**-0.5
        smoothing = self.config.label_smoothing if self.training else 0.0
        logits, loss = score_vocabulary(
            self, self.lm_head, hidden_states, labels, num_items_in_batch, return_logits, smoothing
        )
        others = {name: value for name, value in outputs.items() if name != "last_hidden_state"}
        return Seq2SeqLMOutput(loss=loss, logits=logits, **others)

    def new_generation_cache(self, generation_config: GenerationConfig) -> Cache:
        """The cache that `generate` fills; the beams of a sentence share the keys of its source."""
        beams = max(generation_config.num_beams, generation_config.num_return_sequences)
        if self.config._attn_implementation not in ("eager", "sdpa", PACKED):
            beams = 1  # others have masks that cannot be joined
        return encoder_decoder_cache(self.config, beams)

    def check_generation_length(self, generation_config: GenerationConfig, prompt: int, total: int) -> None:
        """Refuse, before a token is written, a target that exceeds the positions of the model."""
        limit = self.config.max_position_embeddings
        if self.config.has_position_limit and generation_config.max_length > limit:
            raise ValueError(
                f"generation may go on to {generation_config.max_length} tokens, but this model was built for {limit} "
                f"positions; set max_length to {limit} at most, or train with relative positions"
            )

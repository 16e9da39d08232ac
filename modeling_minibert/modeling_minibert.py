"""MiniBert: the encoder of BERT and its heads.

Read `MiniBertLayer` (the wiring of attention and feed-forward), then `MiniBertModel.forward` (the whole computation),
then any head: each is a few lines over the encoder. The parts: `batch.py`, `embeddings.py`, `masks.py`,
`attention.py`, `feed_forward.py`, `normalization.py`, `heads.py`, `losses.py`.

Letters: B batch, L length, E hidden size, H heads, V vocabulary, C classes.

Source: Devlin et al. 2019 (BERT); the layer is that of Vaswani et al. 2017, section 3.1.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import Cache, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    NextSentencePredictorOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .attention import MultiHeadAttention
from .batch import Batch, refuse_cross_attention
from .configuration_minibert import MiniBertConfig
from .embeddings import Embeddings, SinusoidalPositions, rotary_angles, sinusoidal_positions
from .feed_forward import FeedForward
from .heads import Classifier, MaskedLanguageModelHead, Pooler, merge_sequences, score_vocabulary
from .losses import (
    IGNORE_INDEX,
    check_labels,
    cross_entropy,
    divisor,
    problem_type,
    sequence_classification_loss,
    span_loss,
)
from .masks import prepare_attention_mask
from .normalization import build_norm
from .packed_attention import PACKED
from .packing import find_packing
from .pipeline_common import SavedWithPipelines
from .pipeline_question_answering import QuestionAnsweringPipeline
from .pipeline_token_classification import WordTokenClassificationPipeline
from .transformers_internals import forget_key_mapping, register_with_peft


class MiniBertLayer(GradientCheckpointingLayer):
    """One encoder layer: self-attention and feed-forward, each with a residual connection and a norm."""

    def __init__(self, config, layer_index: int = 0):
        super().__init__()
        self.attention = MultiHeadAttention(config, layer_index=layer_index)
        self.attention_norm = build_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = build_norm(config)
        self.pre_norm = config.norm_position == "pre"

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs):
        """(B, L, E) → (B, L, E), and the attention weights (B, H, L, L) if the implementation computes them."""
        if self.pre_norm:
            mixed, weights = self.attention(self.attention_norm(hidden_states), attention_mask, **kwargs)
            hidden_states = hidden_states + mixed
            return hidden_states + self.feed_forward(self.feed_forward_norm(hidden_states)), weights
        mixed, weights = self.attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.attention_norm(hidden_states + mixed)
        return self.feed_forward_norm(hidden_states + self.feed_forward(hidden_states)), weights


class MiniBertPreTrainedModel(PreTrainedModel):
    """The base of all MiniBert classes: configuration, initialization and supported features."""

    config_class = MiniBertConfig
    base_model_prefix = "minibert"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["MiniBertLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _can_record_outputs = {"hidden_states": MiniBertLayer, "attentions": MultiHeadAttention}

    def __init__(self, config: MiniBertConfig, *args, **kwargs):
        config.check()
        register_with_peft()
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # Linear and Embedding: normal with std initializer_range, biases and the padding row zero; norms: 1 and 0.
        super()._init_weights(module)
        if isinstance(module, SinusoidalPositions):
            init.copy_(module.table, sinusoidal_positions(*module.table.shape))
        if isinstance(module, Pooler) and module.pooling == "attention":
            init.zeros_(module.query)

    def to_stock(self) -> PreTrainedModel:
        """This model as a stock BERT of transformers, same weights; see `stock.py`."""
        from .stock import to_stock

        return to_stock(self)


class MiniBertModel(MiniBertPreTrainedModel):
    """The encoder without a head: token vectors, and one pooled vector per text.

    Args:
        config: sizes and choices.
        add_pooling_layer: whether to compute `pooler_output` (see `config.classifier_pooling`).
    """

    def __init__(self, config: MiniBertConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        self.embeddings = Embeddings(config, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList([MiniBertLayer(config, index) for index in range(config.num_hidden_layers)])
        # With norms before each sub-layer nothing has normalized the last sum yet.
        self.final_norm = build_norm(config) if config.norm_position == "pre" else nn.Identity()
        self.pooler = Pooler(config) if add_pooling_layer else None
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embeddings.word_embeddings = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | list[int] | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        max_length_q: int | None = None,
        past_key_values: Cache | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Encode a batch.

        Args:
            input_ids: (B, L) token ids; or
            inputs_embeds: (B, L, E) word vectors.
            attention_mask: (B, L), 1 for real tokens, 0 for padding; (B, L, L) or (B, 1, L, L) for a mask per query.
            token_type_ids: (B, L), 0 for the first segment, 1 for the second.
            position_ids: (B, L); 0, 1, 2, … where not given.
            output_attentions: return the weights of every layer, each (B, H, L, L). Under a fused attention
                implementation, which has none to give, this call computes them with the eager formula.
            output_hidden_states: return the embeddings and the output of every layer, each (B, L, E).
            cu_seq_lens_q, max_length_q: of a packed batch: input_ids, token_type_ids and position_ids are (1, T), all
                sequences in one row; see `packing.py`. `last_hidden_state` is (1, T, E) then.
            past_key_values: keys and values for all tokens to attend to, in front of their own; attention_mask covers
                both. For prefix tuning (Li and Liang 2021); every call adds its own keys and values.
            encoder_hidden_states: not supported; cross-attention is in `MiniSeq2Seq`.

        Returns:
            `last_hidden_state` (B, L, E), `pooler_output` (B, E), `hidden_states`, `attentions`.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds; an input too long or an id out of range.
        """
        inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids,
                  "position_ids": position_ids, "inputs_embeds": inputs_embeds}  # fmt: skip
        asked = (output_attentions, output_hidden_states)
        refuse_cross_attention(self, encoder_hidden_states)
        batch = Batch.of(self, inputs, attention_mask, *asked, cu_seq_lens_q, max_length_q, past_key_values)
        hidden_states = batch.embed(self.embeddings)
        how = (batch.implementation, batch.packing, batch.cache)
        mask = prepare_attention_mask(self.config, hidden_states, attention_mask, *how)
        kwargs |= {
            **batch.layer_arguments,
            "past_key_values": batch.cache,
            "rotary": self._rotary_angles(batch, hidden_states),
        }
        for layer in self.layers:
            hidden_states = batch.record(states=hidden_states)
            hidden_states, weights = layer(hidden_states, mask, **kwargs)
            batch.record(weights=weights)
        hidden_states = batch.restore(self.final_norm(hidden_states))
        pooled = self._pool(hidden_states, batch) if self.pooler is not None else None
        return BaseModelOutputWithPooling(hidden_states, pooled, **batch.recorded(hidden_states))

    def place_tokens(self, given: torch.Tensor, batch: Batch) -> torch.Tensor | None:
        """Position ids by column, pads included, as in BERT; None where `Embeddings` counts them."""
        if batch.cache is not None and batch.cache.get_seq_length():
            past = batch.cache.get_seq_length()
            self.embeddings.check_length(past + given.shape[1])
            return torch.arange(past, past + given.shape[1], device=given.device)[None]
        if batch.packing is None:
            return None
        if not batch.packing.came_padded:
            return batch.packing.position_ids(given.shape[1])
        self.embeddings.check_length(given.shape[1])
        return batch.packing.remove_pads(torch.arange(given.shape[1], device=given.device)[None])

    def _rotary_angles(self, batch: Batch, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        if self.config.position_embedding_type != "rotary":
            return None
        position_ids = batch.inputs["position_ids"]
        if position_ids is None:
            position_ids = torch.arange(hidden_states.shape[1], device=hidden_states.device)[None]
        return rotary_angles(position_ids, self.config.attention_head_size, self.config.rotary_base)

    def _pool(self, hidden_states: torch.Tensor, batch: Batch) -> torch.Tensor:
        packing, mask = batch.packing, batch.attention_mask
        if mask is not None and mask.dim() == 2:
            mask = mask[:, -batch.length :]  # without the tokens in a cache
        if packing is not None and not packing.came_padded:
            return self.pooler(packing.split(hidden_states), packing.mask())
        if packing is not None and self.pooler.pooling == "cls" and mask is not None:
            # Nothing was computed for a pad that stands first: the first real token is meant.
            first = mask.bool().int().argmax(dim=1)
            hidden_states = hidden_states[torch.arange(first.shape[0], device=first.device), first][:, None]
        return self.pooler(hidden_states, mask)


@dataclass
class MiniBertForPreTrainingOutput(ModelOutput):
    """Output of `MiniBertForPreTraining`, with both losses also reported separately."""

    loss: torch.Tensor | None = None
    prediction_logits: torch.Tensor | None = None  # (B, L, V)
    seq_relationship_logits: torch.Tensor | None = None  # (B, 2)
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    masked_lm_loss: torch.Tensor | None = None
    next_sentence_loss: torch.Tensor | None = None


class _WithVocabularyLogits(MiniBertPreTrainedModel):
    """A model with a masked-LM head, whose decoder is tied to the word embeddings."""

    _tied_weights_keys = {"mlm_head.decoder.weight": "minibert.embeddings.word_embeddings.weight"}

    def get_output_embeddings(self) -> nn.Linear:
        return self.mlm_head.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.mlm_head.decoder = value

    def _score_vocabulary(self, hidden_states, labels, num_items_in_batch, return_logits) -> tuple:
        """Logits (B, L, V) and loss; while training, the loss alone unless the logits are asked for."""
        if labels is not None:
            check_labels(labels, self.config.vocab_size, "masked-LM label")
        return score_vocabulary(self, self.mlm_head, hidden_states, labels, num_items_in_batch, return_logits)


class MiniBertForPreTraining(_WithVocabularyLogits):
    """Both pretraining tasks of BERT: masked language modeling (MLM) and next-sentence prediction (NSP)."""

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.minibert = MiniBertModel(config)
        self.mlm_head = MaskedLanguageModelHead(config)
        self.nsp_head = nn.Linear(config.hidden_size, 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        next_sentence_label: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool | None = None,
        **kwargs,
    ) -> MiniBertForPreTrainingOutput:
        """Encode, and score tokens and pairs.

        Args:
            labels: (B, L), the token under each mask; -100 elsewhere.
            next_sentence_label: (B,), 0 where B follows A, 1 where it does not.
            num_items_in_batch: number of masked tokens in the whole optimizer step.
            return_logits: whether to compute `prediction_logits`, which are most of the work of a small model. Where
                not given: not while training with labels and num_items_in_batch (as `Trainer` does), when the loss
                needs them at the masked tokens only.

        The other arguments are those of `MiniBertModel`. The loss is the sum of those whose labels are given.
        """
        outputs = self.minibert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, return_dict=True, **kwargs
        )
        prediction_logits, masked_lm_loss = self._score_vocabulary(
            outputs.last_hidden_state, labels, num_items_in_batch, return_logits
        )
        pair_logits, next_sentence_loss = self.nsp_head(outputs.pooler_output), None
        if next_sentence_label is not None:
            next_sentence_loss = self._pair_loss(pair_logits, next_sentence_label, labels, num_items_in_batch)
        losses = [loss for loss in (masked_lm_loss, next_sentence_loss) if loss is not None]
        return MiniBertForPreTrainingOutput(
            sum(losses) if losses else None, prediction_logits, pair_logits,
            outputs.hidden_states, outputs.attentions, masked_lm_loss, next_sentence_loss,
        )  # fmt: skip

    @staticmethod
    def _pair_loss(logits, next_sentence_label, labels, num_items_in_batch) -> torch.Tensor:
        loss = cross_entropy(logits, next_sentence_label, what="next_sentence_label")
        if labels is None or num_items_in_batch is None:
            return loss
        # Trainer counts masked tokens, not pairs: this batch's share of them is its share of the pairs too.
        return loss * ((labels != IGNORE_INDEX).sum() / divisor(labels, num_items_in_batch))


class MiniBertForMaskedLM(_WithVocabularyLogits):
    """Predict masked tokens; `pipeline("fill-mask")`."""

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.minibert = MiniBertModel(config, add_pooling_layer=False)
        self.mlm_head = MaskedLanguageModelHead(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool | None = None,
        **kwargs,
    ) -> MaskedLMOutput:
        """Encode, and score the vocabulary for every token: logits (B, L, V). `labels` (B, L), -100 unmasked.

        While training with labels and num_items_in_batch there are no logits unless `return_logits` is True.
        """
        outputs = self.minibert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, return_dict=True, **kwargs
        )
        logits, loss = self._score_vocabulary(outputs.last_hidden_state, labels, num_items_in_batch, return_logits)
        return MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class _LabelledModel(MiniBertPreTrainedModel):
    """An encoder with a classification head; subclasses define `head_logits` and, where it differs, `loss`."""

    output_class: type[ModelOutput]

    def head_logits(self, outputs: BaseModelOutputWithPooling) -> torch.Tensor:
        """The logits for the outputs of the encoder."""
        raise NotImplementedError

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None
    ) -> torch.Tensor:
        """The cross-entropy of class ids; see `cross_entropy`."""
        return cross_entropy(logits, labels, num_items_in_batch)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        past_key_values: Cache | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput | NextSentencePredictorOutput | TokenClassifierOutput:
        """Encode and score: `logits` and `labels` have the shapes that the class names.

        Args:
            labels: the classes to predict; with them there is a `loss`.
            num_items_in_batch: number of labels in the whole optimizer step.

        The other arguments are those of `MiniBertModel`.
        """
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        outputs = self.minibert(*inputs, past_key_values=past_key_values, return_dict=True, **kwargs)
        logits = self.head_logits(outputs)
        loss = self.loss(logits, labels, num_items_in_batch) if labels is not None else None
        return self.output_class(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class MiniBertForNextSentencePrediction(_LabelledModel):
    """Predict whether the second segment follows the first: logits (B, 2), labels (B,), 0 if it does, 1 if not."""

    output_class = NextSentencePredictorOutput

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.minibert = MiniBertModel(config)
        self.nsp_head = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def head_logits(self, outputs: BaseModelOutputWithPooling) -> torch.Tensor:
        """(B, 2)."""
        return self.nsp_head(outputs.pooler_output)


class MiniBertForSequenceClassification(_LabelledModel):
    """Classify or score a text or a pair of texts: logits (B, C); `pipeline("sentiment-analysis")`.

    Labels are class ids (B,), or numbers (B,) or (B, C) as `config.problem_type` says: "regression",
    "single_label_classification" or "multi_label_classification". Where the config says nothing, the first labels
    decide, as in stock BERT.
    """

    output_class = SequenceClassifierOutput

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.minibert = MiniBertModel(config)
        self.classifier = Classifier(config, config.num_labels)
        self.post_init()

    def head_logits(self, outputs: BaseModelOutputWithPooling) -> torch.Tensor:
        """(B, C)."""
        return self.classifier(outputs.pooler_output)

    def loss(self, logits, labels, num_items_in_batch) -> torch.Tensor:
        """The loss of the problem type; see `sequence_classification_loss`."""
        return sequence_classification_loss(logits, labels, problem_type(self.config, labels), num_items_in_batch)


class MiniBertForTokenClassification(SavedWithPipelines, _LabelledModel):
    """Classify every token: logits (B, L, C), labels (B, L) with -100 where none is asked; `pipeline("ner")`."""

    output_class = TokenClassifierOutput
    pipeline_classes = (WordTokenClassificationPipeline,)

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.minibert = MiniBertModel(config, add_pooling_layer=False)
        self.classifier = Classifier(config, config.num_labels)
        self.post_init()

    def head_logits(self, outputs: BaseModelOutputWithPooling) -> torch.Tensor:
        """(B, L, C)."""
        return self.classifier(outputs.last_hidden_state)


def _rename_span_head(module: nn.Module, state_dict: dict, prefix: str, *args) -> None:
    """Give weights of an older state dict the name of today."""
    for leaf in ("weight", "bias"):
        if f"{prefix}span_head.{leaf}" in state_dict:
            state_dict[f"{prefix}qa_outputs.{leaf}"] = state_dict.pop(f"{prefix}span_head.{leaf}")


class MiniBertForQuestionAnswering(SavedWithPipelines, MiniBertPreTrainedModel):
    """Predict the first and the last token of an answer in a text; `pipeline("question-answering")`."""

    pipeline_classes = (QuestionAnsweringPipeline,)

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.minibert = MiniBertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)  # the name by which PEFT finds it
        self.register_load_state_dict_pre_hook(_rename_span_head)
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args, key_mapping: dict[str, str] | None = None, **kwargs):
        """Load a checkpoint, also one that was saved when the head was called `span_head`."""
        key_mapping = {"^span_head": "qa_outputs", **(key_mapping or {})}
        loaded = super().from_pretrained(*args, key_mapping=key_mapping, **kwargs)
        forget_key_mapping(loaded[0] if isinstance(loaded, tuple) else loaded)
        return loaded

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.Tensor | None = None,
        end_positions: torch.Tensor | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        max_length_q: int | None = None,
        **kwargs,
    ) -> QuestionAnsweringModelOutput:
        """Encode question and context, and score each token as first and as last of the answer: (B, L) each.

        Args:
            start_positions, end_positions: (B,), token indices; one past the end of the input is left out.
        """
        kwargs |= {"cu_seq_lens_q": cu_seq_lens_q, "max_length_q": max_length_q}
        outputs = self.minibert(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, return_dict=True, **kwargs
        )
        logits = self.qa_outputs(outputs.last_hidden_state)
        packing = find_packing(logits, attention_mask, position_ids, cu_seq_lens_q, max_length_q, pack_padded=False)
        lowest = torch.finfo(logits.dtype).min
        if packing is not None:  # it came packed: one row for each sequence again, positions count within it
            logits = packing.split(logits, lowest)
        elif self.config._attn_implementation == PACKED and attention_mask is not None and attention_mask.dim() == 2:
            # Nothing was computed for pads: they are no candidates, as in a packed batch.
            logits = logits.masked_fill(~attention_mask.bool()[:, :, None], lowest)
        start_logits, end_logits = logits.unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start_logits, end_logits, start_positions, end_positions)
        return QuestionAnsweringModelOutput(loss, start_logits, end_logits, outputs.hidden_states, outputs.attentions)


class MiniBertForMultipleChoice(MiniBertPreTrainedModel):
    """Choose one of several continuations; each is encoded with the prompt and scored separately."""

    def __init__(self, config: MiniBertConfig):
        super().__init__(config)
        self.minibert = MiniBertModel(config)
        self.classifier = Classifier(config, 1)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs,
    ) -> MultipleChoiceModelOutput:
        """Encode all choices and score them: inputs (B, choices, L), logits (B, choices), `labels` (B,)."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds, and not both")
        num_choices = (inputs_embeds if input_ids is None else input_ids).shape[1]
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        outputs = self.minibert(*map(merge_sequences, inputs), return_dict=True, **kwargs)
        logits = self.classifier(outputs.pooler_output).view(-1, num_choices)
        loss = cross_entropy(logits, labels, num_items_in_batch) if labels is not None else None
        return MultipleChoiceModelOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )

"""MiniGPT: the decoder of GPT and its heads.

Read `MiniGPTLayer` (the layer of MiniBert with causal attention), then `MiniGPTModel.forward` (the whole computation,
with a cache of keys and values for generation), then `MiniGPTForCausalLM`: each position predicts the next token. The
parts: `batch.py`, `embeddings.py`, `masks.py`, `attention.py`, `caches.py`, `feed_forward.py`, `normalization.py`,
`generation.py`, `heads.py`, `losses.py`.

Letters: B batch, L length, E hidden size, H heads, D head size, V vocabulary, C classes.

Sources: Radford et al. 2018 (GPT, norms after each sub-layer) and 2019 (GPT-2, norms before).
"""

import math

import torch
from torch import nn
from transformers import Cache, GenerationConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
    MultipleChoiceModelOutput,
    SequenceClassifierOutputWithPast,
    TokenClassifierOutput,
)
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import OutputRecorder

from .attention import MultiHeadAttention
from .batch import Batch, refuse_cross_attention
from .caches import growing_cache
from .configuration_minigpt import MiniGPTConfig
from .dropout import Dropout
from .embeddings import Embeddings, SinusoidalPositions, rotary_angles, sinusoidal_positions
from .feed_forward import FeedForward
from .generation import MiniGenerationMixin
from .heads import Classifier, last_tokens, merge_sequences, score_vocabulary
from .losses import check_labels, cross_entropy, next_token_labels, problem_type, sequence_classification_loss
from .normalization import build_norm
from .packing import find_packing
from .pipeline_common import SavedWithPipelines
from .pipeline_token_classification import WordTokenClassificationPipeline
from .token_mixers import build_token_mixer, prepare_decoder_mask
from .transformers_internals import CACHE_NAME, register_with_peft

# pipeline("text-generation") asks for 256 new tokens unless the model sets max_length. Models with at most this many
# positions set it, so that the text ends at the last position.
SHORT_CONTEXT = 512


class MiniGPTLayer(GradientCheckpointingLayer):
    """One decoder layer: causal self-attention and feed-forward, each with a residual connection and a norm."""

    def __init__(self, config, layer_index: int):
        super().__init__()
        self.attention = build_token_mixer(config, layer_index)
        self.attention_norm = build_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = build_norm(config)
        self.pre_norm = config.norm_position == "pre"
        for projection in (self.attention.output, self.feed_forward.down):
            projection.ends_residual_branch = self.pre_norm  # see `_init_weights`

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs,
    ):
        """(B, L, E) → (B, L, E), and the attention weights (B, H, L, S) if the implementation computes them."""
        kwargs["past_key_values"] = past_key_values
        if self.pre_norm:
            mixed, weights = self.attention(self.attention_norm(hidden_states), attention_mask, **kwargs)
            hidden_states = hidden_states + mixed
            return hidden_states + self.feed_forward(self.feed_forward_norm(hidden_states)), weights
        mixed, weights = self.attention(hidden_states, attention_mask, **kwargs)
        hidden_states = self.attention_norm(hidden_states + mixed)
        return self.feed_forward_norm(hidden_states + self.feed_forward(hidden_states)), weights


class MiniGPTPreTrainedModel(PreTrainedModel):
    """The base of all MiniGPT classes: configuration, initialization and supported features."""

    config_class = MiniGPTConfig
    base_model_prefix = "minigpt"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _no_split_modules = ["MiniGPTLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _can_record_outputs = {"hidden_states": MiniGPTLayer, "attentions": OutputRecorder(MultiHeadAttention, index=1)}

    def __init__(self, config: MiniGPTConfig, *args, **kwargs):
        config.check()
        register_with_peft()
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # Linear and Embedding: normal with std initializer_range, biases zero; norms: 1 and 0.
        super()._init_weights(module)
        if isinstance(module, SinusoidalPositions):
            init.copy_(module.table, sinusoidal_positions(*module.table.shape))
        # transformers visits only modules that own weights, so the projection itself carries the flag.
        if getattr(module, "ends_residual_branch", False):
            std = self.config.initializer_range / math.sqrt(2 * self.config.num_hidden_layers)
            init.normal_(module.weight, std=std)

    def to_stock(self) -> PreTrainedModel:
        """This model as a stock GPT-2 or first GPT of transformers, same weights; see `stock.py`."""
        from .stock import to_stock

        return to_stock(self)


class MiniGPTModel(MiniGPTPreTrainedModel):
    """The decoder without a head: a vector for each token that depends on the tokens before it."""

    def __init__(self, config: MiniGPTConfig):
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList([MiniGPTLayer(config, index) for index in range(config.num_hidden_layers)])
        # With norms before each sub-layer nothing has normalized the last sum yet.
        self.final_norm = build_norm(config) if config.norm_position == "pre" else nn.Identity()
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
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | list[int] | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        max_length_q: int | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPast:
        """Read a batch of texts, or the next tokens of texts whose beginning is in the cache.

        Args:
            input_ids: (B, L) token ids; or
            inputs_embeds: (B, L, E) word vectors.
            attention_mask: (B, past + L), 1 for real tokens, 0 for padding on either side.
            position_ids: (B, L); counted from the first real token of the attention mask where not given.
            past_key_values: what an earlier call returned.
            token_type_ids: (B, L), where the model has segments.
            use_cache: whether to return `past_key_values`; where not given, as the configuration says, but not while
                training, and not on packed batches.
            output_attentions: return the weights of every layer, each (B, H, L, past + L). Under a fused attention
                implementation, which has none to give, this call computes them with the eager formula.
            output_hidden_states: return the embeddings and the output of every layer, each (B, L, E).
            cu_seq_lens_q, max_length_q: of a packed batch, all sequences in one row (1, T); see `packing.py`.
            encoder_hidden_states: not supported; cross-attention is in `MiniSeq2Seq`.

        Returns:
            `last_hidden_state` (B, L, E), `past_key_values`, `hidden_states`, `attentions`.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds; an input too long, an id out of range, or an
                attention mask of another length than the texts.
        """
        paged = kwargs.get("read_index") is not None  # `generate_batch`, whose cache goes to the attention function
        if not paged:
            past_key_values = kwargs.pop("cache", past_key_values)  # the name since transformers 5.24
        inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids,
                  "position_ids": position_ids, "inputs_embeds": inputs_embeds}  # fmt: skip
        refuse_cross_attention(self, encoder_hidden_states)
        asked = (output_attentions, output_hidden_states)
        packed = (cu_seq_lens_q, max_length_q)
        batch = Batch.of(self, inputs, attention_mask, *asked, *packed, past_key_values, use_cache, paged=paged)
        hidden_states = batch.embed(self.embeddings)
        mask = prepare_decoder_mask(self.config, hidden_states, batch)
        rotary = self._rotary_angles(batch.inputs["position_ids"])
        kwargs |= {**batch.layer_arguments, "rotary": rotary}
        for layer in self.layers:
            hidden_states = batch.record(states=hidden_states)
            # The cache by position: by name, transformers would drop it from a checkpointed layer in `generate`.
            hidden_states, weights = layer(hidden_states, mask, batch.cache, **kwargs)
            batch.record(weights=weights)
        hidden_states = batch.restore(self.final_norm(hidden_states))
        return BaseModelOutputWithPast(hidden_states, batch.cache, **batch.recorded(hidden_states))

    def new_cache(self) -> Cache:
        """An empty cache for the tokens to come."""
        return growing_cache(self.config)

    def place_tokens(self, given: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Position ids, counted from the first real token of each text."""
        length = given.shape[1]
        if batch.packing is not None:
            self.embeddings.check_length(batch.packing.max_length)
            return batch.packing.position_ids(len(batch.packing.places) if batch.packing.came_padded else length)
        past = 0 if batch.cache is None else batch.cache.get_seq_length()
        if batch.attention_mask is not None and batch.attention_mask.dim() == 2:
            position_ids = (batch.attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
        else:
            position_ids = torch.arange(length, device=given.device)[None] + past
        longest = past + length
        if longest > self.embeddings.max_positions:  # pads take no positions; looking at values is for this case only
            longest = int(position_ids.max()) + 1
        self.embeddings.check_length(longest)
        return position_ids

    def _rotary_angles(self, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        if self.config.position_embedding_type != "rotary":
            return None
        return rotary_angles(position_ids, self.config.attention_head_size, self.config.rotary_base)


class MiniGPTForCausalLM(MiniGPTPreTrainedModel, MiniGenerationMixin):
    """Predict the next token: `model.generate`, `pipeline("text-generation")`."""

    _tied_weights_keys = {"lm_head.weight": "minigpt.embeddings.word_embeddings.weight"}

    def __init__(self, config: MiniGPTConfig):
        super().__init__(config)
        self.minigpt = MiniGPTModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()
        if config.has_position_limit and config.max_position_embeddings <= SHORT_CONTEXT:
            self.generation_config.max_length = config.max_position_embeddings

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Read a batch, and score the vocabulary for the token after each: logits (B, L, V).

        Args:
            labels: (B, L), the input_ids themselves, -100 for tokens that are not to be learned; position i is scored
                on label i + 1.
            shift_labels: (B, L), the label that each position predicts, in place of `labels`: for sequences that are
                divided among devices. Among `kwargs`, as in stock models: `Trainer` asks data for every named label.
            logits_to_keep: only the last so many positions, or those of these indices; 0 for all. Not with labels.
            num_items_in_batch: number of labels, first ones not counted, in the whole optimizer step.
            return_logits: whether to compute the logits. Where not given: not while training with labels and
                num_items_in_batch (as `Trainer` does), when the loss is computed in chunks of tokens.

        The other arguments are those of `MiniGPTModel`.
        """
        shift_labels = kwargs.pop("shift_labels", None)
        outputs = self.minigpt(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds,
            use_cache=use_cache, cu_seq_lens_q=cu_seq_lens_q, return_dict=True, **kwargs,
        )  # fmt: skip
        hidden_states = outputs.last_hidden_state
        if shift_labels is None and labels is not None:
            check_labels(labels, self.config.vocab_size)
            shift_labels = next_token_labels(labels, attention_mask, position_ids, cu_seq_lens_q)
        elif shift_labels is not None:
            check_labels(shift_labels, self.config.vocab_size)
        else:
            keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            hidden_states = hidden_states[:, keep]
        how = (shift_labels, num_items_in_batch, return_logits)
        logits, loss = score_vocabulary(self, self.lm_head, hidden_states, *how)
        return CausalLMOutputWithPast(loss, logits, outputs.get(CACHE_NAME), outputs.hidden_states, outputs.attentions)

    def new_generation_cache(self, generation_config: GenerationConfig) -> Cache:
        """The cache that `generate` fills, one row per beam."""
        return growing_cache(self.config)

    def check_generation_length(self, generation_config: GenerationConfig, prompt: int, total: int) -> None:
        """Refuse, before any work, a prompt and continuation that exceed the positions of the model."""
        limit = self.config.max_position_embeddings
        if not prompt:
            raise ValueError("the prompt has no tokens; give at least one, for example the id that begins a text")
        if self.config.has_position_limit and (prompt >= limit or total > limit):
            advice = f"set max_new_tokens to {limit - prompt} at most, " if prompt < limit else ""
            raise ValueError(
                f"the prompt has {prompt} tokens and generation may go on to {max(total, prompt + 1)}, but this model "
                f"was built for {limit} positions; {advice}shorten the prompt, or train with rotary positions"
            )


class MiniGPTForSequenceClassification(MiniGPTPreTrainedModel):
    """Classify or score a text by its last token (Radford et al. 2018, 3.2): `pipeline("sentiment-analysis")`."""

    def __init__(self, config: MiniGPTConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.minigpt = MiniGPTModel(config)
        self.dropout = Dropout(config.classifier_dropout or 0.0)
        self.score = nn.Linear(config.hidden_size, config.num_labels, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        cu_seq_lens_q: torch.Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutputWithPast:
        """Read, and classify the last real token of each text: logits (B, C); padding may stand on either side.

        input_ids may also be (B, R, L), R sequences per example, for example both orders of a pair of sentences: the
        vectors of their last tokens are added (Radford et al. 2018, section 3.3).

        Args:
            labels: (B,) class ids; or numbers as `config.problem_type` says, see `MiniBertForSequenceClassification`.
            num_items_in_batch: number of labels in the whole optimizer step.
        """
        sequences = 1
        if input_ids is not None and input_ids.dim() == 3:
            sequences = input_ids.shape[1]
            input_ids, attention_mask, position_ids = map(merge_sequences, (input_ids, attention_mask, position_ids))
        outputs = self.minigpt(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds,
            cu_seq_lens_q=cu_seq_lens_q, return_dict=True, **kwargs,
        )  # fmt: skip
        where = (input_ids, attention_mask, position_ids, cu_seq_lens_q)
        pooled = self._last_tokens(outputs.last_hidden_state, *where)
        logits = self.score(self.dropout(pooled.unflatten(0, (-1, sequences)).sum(dim=1)))
        loss = None
        if labels is not None:
            kind = problem_type(self.config, labels)
            loss = sequence_classification_loss(logits, labels, kind, num_items_in_batch)
        return SequenceClassifierOutputWithPast(
            loss, logits, outputs.get(CACHE_NAME), outputs.hidden_states, outputs.attentions
        )

    def _last_tokens(self, hidden_states, input_ids, attention_mask, position_ids, cu_seq_lens) -> torch.Tensor:
        """The vector of the last token of each sequence, packed or padded: (B, E)."""
        packing = find_packing(hidden_states, attention_mask, position_ids, cu_seq_lens, None, pack_padded=False)
        if packing is not None:
            return hidden_states[0, packing.cu_seq_lens[1:].long() - 1]
        return last_tokens(hidden_states, input_ids, attention_mask, self.config.pad_token_id)


class MiniGPTForTokenClassification(SavedWithPipelines, MiniGPTPreTrainedModel):
    """Classify every token by what came before it: `pipeline("ner")`."""

    pipeline_classes = (WordTokenClassificationPipeline,)

    def __init__(self, config: MiniGPTConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.minigpt = MiniGPTModel(config)
        self.classifier = Classifier(config, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs,
    ) -> TokenClassifierOutput:
        """Read, and classify each token: logits (B, L, C). `labels` (B, L), -100 where none is asked."""
        outputs = self.minigpt(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, return_dict=True, **kwargs
        )
        logits = self.classifier(outputs.last_hidden_state)
        loss = cross_entropy(logits, labels, num_items_in_batch) if labels is not None else None
        return TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class MiniGPTForMultipleChoice(MiniGPTPreTrainedModel):
    """Choose one of several continuations; each is read with the prompt and scored by its last token."""

    def __init__(self, config: MiniGPTConfig):
        super().__init__(config)
        self.minigpt = MiniGPTModel(config)
        self.dropout = Dropout(config.classifier_dropout or 0.0)
        self.score = nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs,
    ) -> MultipleChoiceModelOutput:
        """Read all choices and score them: inputs (B, choices, L), logits (B, choices), `labels` (B,)."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds, and not both")
        num_choices = (inputs_embeds if input_ids is None else input_ids).shape[1]
        inputs = (input_ids, attention_mask, inputs_embeds, position_ids, token_type_ids)
        input_ids, attention_mask, inputs_embeds, position_ids, token_type_ids = map(merge_sequences, inputs)
        outputs = self.minigpt(
            input_ids, attention_mask, position_ids,
            inputs_embeds=inputs_embeds, token_type_ids=token_type_ids, return_dict=True, **kwargs,
        )  # fmt: skip
        pooled = last_tokens(outputs.last_hidden_state, input_ids, attention_mask, self.config.pad_token_id)
        logits = self.score(self.dropout(pooled)).view(-1, num_choices)
        loss = cross_entropy(logits, labels, num_items_in_batch) if labels is not None else None
        return MultipleChoiceModelOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )

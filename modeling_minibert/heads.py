"""Heads: modules that turn token vectors into scores, and poolings that make one vector of many.

`Pooler` makes one vector of many; `Classifier` scores classes; `MaskedLanguageModelHead` scores the vocabulary;
`vocabulary_loss` is the loss of any decoder without its logits.

Source: Devlin et al. 2019, sections 3.1 and 4; mean pooling as in the lectures' Keras classifier.
"""

from collections.abc import Callable

import torch
from torch import nn

from .attention import scaled_dot_product_attention
from .dropout import Dropout
from .feed_forward import ACTIVATIONS
from .linear_cross_entropy import linear_cross_entropy
from .losses import IGNORE_INDEX, cross_entropy
from .normalization import build_norm
from .packing import rows_to_round_up
from .transformers_internals import has_hooks, is_called_plainly, transforms_active


def mean_pooling(hidden_states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average the vectors of the real tokens: (B, L, E) and (B, L) give (B, E); zeros where there are none."""
    weights = mask.to(hidden_states.dtype)[:, :, None]
    return (hidden_states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def attention_pooling(hidden_states: torch.Tensor, mask: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """The mean of the real tokens' vectors, weighted by the softmax of query · vector.

    (B, L, E), (B, L) and (E,) give (B, E); zeros where there are no real tokens. Source: Yang et al. 2016,
    Hierarchical Attention Networks, section 2.2, without its hidden layer.
    """
    query = query.to(hidden_states.dtype).expand(hidden_states.shape[0], 1, -1)
    pooled, _ = scaled_dot_product_attention(query, hidden_states, hidden_states, mask.bool()[:, None], scaling=1.0)
    return pooled[:, 0]


def max_pooling(hidden_states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The largest value of each feature over the real tokens: (B, L, E) and (B, L) give (B, E); zeros if none."""
    real = mask.bool()
    largest = hidden_states.masked_fill(~real[:, :, None], torch.finfo(hidden_states.dtype).min).amax(dim=1)
    return largest.masked_fill(~real.any(dim=1, keepdim=True), 0.0)


class Pooler(nn.Module):
    """One vector for the whole text, as `config.classifier_pooling` says: (B, L, E) → (B, E)."""

    def __init__(self, config):
        super().__init__()
        self.pooling = config.classifier_pooling
        if self.pooling == "cls":
            self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        if self.pooling == "attention":
            self.query = nn.Parameter(torch.zeros(config.hidden_size))  # zeros: begins as the mean

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        if self.pooling == "cls":
            return torch.tanh(self.dense(hidden_states[:, 0]))
        if attention_mask is None or attention_mask.dim() != 2:
            # A mask of queries × keys does not say which tokens are padding; all of them count.
            attention_mask = torch.ones(hidden_states.shape[:2], device=hidden_states.device)
        if self.pooling == "attention":
            return attention_pooling(hidden_states, attention_mask, self.query)
        pool = mean_pooling if self.pooling == "mean" else max_pooling
        return pool(hidden_states, attention_mask)


class Classifier(nn.Module):
    """Score `num_labels` classes: dropout → [dense → activation → dropout →] linear. (…, E) → (…, num_labels)."""

    weight = None  # read by PEFT, which merges IA3 adapters as if every trained head were a single layer

    def __init__(self, config, num_labels: int):
        super().__init__()
        dropout = config.classifier_dropout
        self.dropout = Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.activation = ACTIVATIONS[config.hidden_act]
        width = config.classifier_hidden_size
        self.dense = nn.Linear(config.hidden_size, width) if width else None
        self.output = nn.Linear(width or config.hidden_size, num_labels)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        self._check_adapters()
        hidden_states = self.dropout(hidden_states)
        if self.dense is not None:
            hidden_states = self.dropout(self.activation(self.dense(hidden_states)))
        return self.output(hidden_states)

    def _check_adapters(self) -> None:
        """Raise a ValueError if PEFT trains this head whole and adapters inside, which it could save but not load."""
        for layer in (self.dense, self.output):
            adapted = getattr(layer, "base_layer", None)
            if adapted is not None and adapted.weight.requires_grad:
                raise ValueError(
                    "the classifier is trained whole, and target_modules name layers inside of it: PEFT could not "
                    "load them again; give modules_to_save=['classifier'] to the adapter's configuration"
                )


class MaskedLanguageModelHead(nn.Module):
    """Score the vocabulary for each token: dense → activation → norm → decoder. (…, E) → (…, V).

    The decoder's weight is the word-embedding matrix itself where `config.tie_word_embeddings` is set.
    """

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.norm = build_norm(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def transform(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """All but the decoder: (…, E) → (…, E)."""
        return self.norm(self.activation(self.dense(hidden_states)))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.transform(hidden_states))


def score_vocabulary(
    model: nn.Module,
    head: nn.Module,
    hidden_states: torch.Tensor,
    labels: torch.Tensor | None,
    num_items_in_batch: torch.Tensor | int | None = None,
    return_logits: bool | None = None,
    label_smoothing: float = 0.0,
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Compute logits (B, L, V) and loss, or the loss without the logits.

    Args:
        model: for its mode. Where `return_logits` is None there are no logits while it trains with labels and
            `num_items_in_batch`: `Trainer`'s own loss passes that, and looks at nothing but the loss.
        head: a linear layer, or a `MaskedLanguageModelHead`.
        hidden_states: (B, L, E).
        labels: (B, L), -100 where there is none; or None.
        num_items_in_batch, label_smoothing: as in `cross_entropy`.
    """
    if return_logits is None:
        return_logits = labels is None or not model.training or num_items_in_batch is None
    # Hooks, and transforms of torch.func, want every module called with a whole batch (B, L, E).
    if not return_logits:
        return_logits = transforms_active() or any(has_hooks(module) for module in head.modules())
    logits = head(hidden_states) if return_logits else None
    if labels is None:
        return logits, None
    how = {"num_items_in_batch": num_items_in_batch, "label_smoothing": label_smoothing}
    if logits is not None:
        return logits, cross_entropy(logits, labels, **how)
    if isinstance(head, MaskedLanguageModelHead):
        return None, vocabulary_loss(head.decoder, hidden_states, labels, transform=head.transform, **how)
    return None, vocabulary_loss(head, hidden_states, labels, **how)


def vocabulary_loss(
    decoder: nn.Module,
    hidden_states: torch.Tensor,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """The cross-entropy of `decoder(transform(hidden_states))`, computed in chunks of the labelled tokens, so that the
    full logits never exist.

    Of a batch for masked words, 15 % of the tokens have a label; scoring the vocabulary for all of them is most of the
    work of a small model. Same value and gradients as `cross_entropy` of the logits.

    Args:
        decoder: from features to the vocabulary, (…, E) → (…, V).
        hidden_states: (B, L, E).
        labels: (B, L), -100 where there is none.
        num_items_in_batch: what to divide by; the number of labels here where not given.
        transform: what comes before the decoder.
        label_smoothing: the share of a label that is spread evenly over the vocabulary.
    """
    labels, hidden_states = labels.flatten(), hidden_states.flatten(0, 1)
    places = (labels != IGNORE_INDEX).nonzero()[:, 0]
    more = rows_to_round_up(len(places), hidden_states)
    # What is added is the first token again, without a label.
    features = hidden_states[nn.functional.pad(places, (0, more))]
    features = features if transform is None else transform(features)
    labels = nn.functional.pad(labels[places], (0, more), value=IGNORE_INDEX)
    if is_called_plainly(decoder):
        parameters = (decoder.weight, decoder.bias)
        return linear_cross_entropy(features, *parameters, labels, num_items_in_batch, label_smoothing)
    # The decoder is more than its weight and bias (an adapter, a parametrization, offloaded or sharded weights).
    return cross_entropy(decoder(features), labels, num_items_in_batch, label_smoothing=label_smoothing)


def last_tokens(
    hidden_states: torch.Tensor,
    input_ids: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    pad_token_id: int | None,
) -> torch.Tensor:
    """The vector of the last real token of each row: (B, L, E) → (B, E).

    Where there is no attention mask, tokens that are `pad_token_id` count as padding.
    """
    if attention_mask is None and input_ids is not None and pad_token_id is not None:
        attention_mask = input_ids != pad_token_id
    if attention_mask is None:
        return hidden_states[:, -1]
    # Sizes are read from `shape`: a tracer records those, and takes `len` for a constant.
    rows, length = hidden_states.shape[:2]
    places = torch.arange(length, device=hidden_states.device)
    last = (places * attention_mask[:, -length:].bool()).argmax(dim=1)  # without the tokens in a cache
    return hidden_states[torch.arange(rows, device=last.device), last]


def merge_sequences(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """Flatten several sequences per example into the batch dimension: (B, R, …) → (B·R, …)."""
    return None if tensor is None else tensor.flatten(0, 1)

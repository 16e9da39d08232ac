"""Embeddings: the sum of word, position and segment vectors.

Read `sinusoidal_positions` for the fixed wave table of the 2017 paper, `Embeddings` for the sum. BERT's learned
positions are an ordinary `nn.Embedding`. `rotary_angles` and `rotate` implement rotary positions, which rotate queries
and keys and add nothing.

Sources: Vaswani et al. 2017, sections 3.4 and 3.5; Devlin et al. 2019, figure 2; Su et al. 2021, RoFormer, section 3.
"""

import math

import torch
from torch import nn

from .dropout import Dropout
from .normalization import build_norm
from .transformers_internals import can_read


def sinusoidal_positions(
    num_positions: int, size: int, base: float = 10000.0, sines_first: bool = False
) -> torch.Tensor:
    """One vector per position, made of sine and cosine waves of falling frequency.

        table[p, 2i] = sin(p / base^(2i / size)),   table[p, 2i + 1] = cos(p / base^(2i / size))

    Args:
        num_positions: number of rows.
        size: features of each row (E); may be odd, the last sine then has no cosine beside it.
        base: the slowest wave takes about 2π · base positions; 10,000 in the paper.
        sines_first: whether all sines stand before all cosines, as in Marian and in the code of the paper's authors.
            The order of features makes no difference to a model that is trained with it.

    Returns:
        (num_positions, size), float32, computed in float64; every entry lies between -1 and 1.
    """
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    frequencies = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = positions * frequencies  # (num_positions, ceil(size / 2))
    if sines_first:
        return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :size].float()
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1)  # sine and cosine side by side
    return waves.flatten(start_dim=1)[:, :size].float()


class SinusoidalPositions(nn.Module):
    """The table of `sinusoidal_positions` as a module, without parameters.

    `from_pretrained` builds models on the meta device and leaves non-persistent buffers empty (transformers 5), so
    the model's `_init_weights` fills the table again.
    """

    def __init__(self, num_positions: int, size: int, sines_first: bool = False):
        super().__init__()
        self.sines_first = sines_first
        self.num_embeddings = num_positions
        table = sinusoidal_positions(num_positions, size, sines_first=sines_first)
        self.register_buffer("table", table, persistent=False)

    def forward(self, position_ids: torch.Tensor) -> torch.Tensor:
        return self.table[position_ids]


def rotary_angles(position_ids: torch.Tensor, size: int, base: float = 10000.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The cosine and sine of the angle by which each pair of features is turned at each position.

    Pair i turns by p / base^(2i / size) at position p: the waves of `sinusoidal_positions`, used as a rotation.

    Args:
        position_ids: (B, L).
        size: features of a head (D), even.

    Returns:
        Two tensors (B, L, D / 2), float32.
    """
    frequencies = base ** (-torch.arange(0, size, 2, dtype=torch.float32, device=position_ids.device) / size)
    angles = position_ids[..., None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(vectors: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotate the pairs (i, i + D / 2) of every vector by its angle, so that the product of two rotated vectors depends
    only on the distance of their positions.

    Args:
        vectors: (B, H, L, D), queries or keys.
        cosine, sine: (B, L, D / 2), from `rotary_angles`.
    """
    first, second = vectors.chunk(2, dim=-1)
    cosine, sine = (wave[:, None].to(vectors.dtype) for wave in (cosine, sine))
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def _check_range(ids: torch.Tensor, table: nn.Module, what: str, advice: str) -> None:
    """Raise a ValueError that names the id which is out of range of an embedding table, where values can be read."""
    size = getattr(table, "num_embeddings", None)  # an adapter around the table may not have it
    if size is None or not can_read(ids) or ids.numel() == 0:
        return
    low, high = ids.aminmax()
    if low < 0 or high >= size:
        wrong = int(low) if low < 0 else int(high)
        raise ValueError(f"{what} {wrong} is out of range: this model knows 0 to {size - 1} (size {size}); {advice}")


class Embeddings(nn.Module):
    """word + position + segment → norm → dropout.

    Every part but the words can be switched off by the config (`position_embedding_type="none"`,
    `type_vocab_size=0`, `embedding_norm=False`), which gives the embeddings of the 2017 paper; `scale_embedding`
    multiplies the word vectors by √E first, as that paper does. The vector of `padding_idx` begins as zero.
    `vocab_size` overrides the configuration's, for a decoder with a separate vocabulary.
    """

    def __init__(self, config, padding_idx: int | None = None, vocab_size: int | None = None):
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = nn.Embedding(vocab_size or config.vocab_size, size, padding_idx=padding_idx)
        if config.position_embedding_type == "learned":
            self.position_embeddings = nn.Embedding(config.max_position_embeddings, size)
        elif config.position_embedding_type == "sinusoidal":
            sines_first = getattr(config, "sines_first", False)
            self.position_embeddings = SinusoidalPositions(config.max_position_embeddings, size, sines_first)
        else:
            self.position_embeddings = None
        segments = config.type_vocab_size
        self.token_type_embeddings = nn.Embedding(segments, size) if segments else None
        self.norm = build_norm(config) if config.embedding_norm else nn.Identity()
        dropout = config.embedding_dropout_prob
        self.dropout = Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.word_dropout = getattr(config, "word_dropout_prob", 0.0)  # needs a [MASK], which decoders do not have
        self.mask_token_id = getattr(config, "mask_token_id", None)
        self.scale = math.sqrt(size) if config.scale_embedding else 1.0
        self.max_positions = config.max_position_embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embed token ids or given word vectors.

        Args:
            input_ids: (B, L); or
            inputs_embeds: (B, L, E), used in place of the word vectors.
            token_type_ids: (B, L), the segment of each token; all 0 where not given. Unused without segments.
            position_ids: (B, L) or (1, L); 0, 1, 2, … where not given.

        Returns:
            (B, L, E).

        Raises:
            ValueError: an id outside its table, or more tokens than positions; both numbers are named.
        """
        if inputs_embeds is None:
            _check_range(input_ids, self.word_embeddings, "input id",
                         "was the text encoded by another model's tokenizer?")  # fmt: skip
            inputs_embeds = self.word_embeddings(self._drop_words(input_ids))
        elif self._drops_words:
            mask_vector = self.word_embeddings(torch.full((1, 1), self.mask_token_id, device=inputs_embeds.device))
            inputs_embeds = torch.where(self._dropped(inputs_embeds)[:, :, None], mask_vector, inputs_embeds)
        embedded = inputs_embeds * self.scale if self.scale != 1.0 else inputs_embeds
        if self.position_embeddings is not None:
            embedded = embedded + self._positions(position_ids, embedded)
        if self.token_type_embeddings is not None:
            embedded = embedded + self._segments(token_type_ids, embedded)
        return self.dropout(self.norm(embedded))

    @property
    def _drops_words(self) -> bool:
        return self.training and self.word_dropout > 0.0

    def _dropped(self, inputs: torch.Tensor) -> torch.Tensor:
        """Draw the words to replace by [MASK]: (B, L) bool."""
        return torch.rand(inputs.shape[:2], device=inputs.device) < self.word_dropout

    def _drop_words(self, input_ids: torch.Tensor) -> torch.Tensor:
        return input_ids.masked_fill(self._dropped(input_ids), self.mask_token_id) if self._drops_words else input_ids

    def check_length(self, length: int) -> None:
        """Raise a ValueError for an input with more tokens than positions."""
        if self.position_embeddings is not None and length > self.max_positions:
            raise ValueError(
                f"input is {length} tokens long but this model was built for {self.max_positions} positions; "
                f"truncate it (tokenizer(..., truncation=True, max_length={self.max_positions}), or "
                f"pipeline(..., truncation=True)), or raise max_position_embeddings before training"
            )

    def _positions(self, position_ids: torch.Tensor | None, embedded: torch.Tensor) -> torch.Tensor:
        length = embedded.shape[1]
        if position_ids is None:
            self.check_length(length)
            position_ids = torch.arange(length, device=embedded.device)[None]
        else:
            advice = "raise max_position_embeddings, or truncate"
            _check_range(position_ids, self.position_embeddings, "position id", advice)
        # The table of waves is float32 also in a half-precision model.
        return self.position_embeddings(position_ids).to(embedded.dtype)

    def _segments(self, token_type_ids: torch.Tensor | None, embedded: torch.Tensor) -> torch.Tensor:
        if token_type_ids is None:
            token_type_ids = torch.zeros(embedded.shape[:2], dtype=torch.long, device=embedded.device)
        _check_range(token_type_ids, self.token_type_embeddings, "token type id",
                     "raise type_vocab_size before training")  # fmt: skip
        return self.token_type_embeddings(token_type_ids)

"""Packing: remove the pads of a batch before the layers, and restore them afterwards.

    padded (B, L)        a b c · ·          packed (1, T)     a b c d e f g h
                         d e · · ·          cu_seq_lens       0     3   5     8
                         f g h · ·

A packed batch follows the convention of transformers' `DataCollatorWithFlattening`: `input_ids` (1, T),
`position_ids` (1, T) that start again with every sequence, `cu_seq_lens_q` (B + 1,) int32 and `max_length_q`.
The models take packed batches, and pack padded ones themselves under `attn_implementation="packed"`.
"""

from dataclasses import dataclass

import torch


def find_packing(
    inputs: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    cu_seq_lens: torch.Tensor | None,
    max_length: int | None,
    pack_padded: bool,
) -> "Packing | None":
    """The packing to use, or None to leave the batch padded.

    Args:
        inputs: ids (B, L) or vectors (B, L, E), for the shape.
        attention_mask, position_ids: as the model was given them.
        cu_seq_lens, max_length: given with a batch that comes packed. Without them, a single row whose `position_ids`
            start again is a packed batch too.
        pack_padded: whether to pack a padded batch.

    Raises:
        ValueError: cu_seq_lens of a batch with several rows, or that do not fit the stream or max_length.
    """
    batch_size, length = inputs.shape[:2]
    if cu_seq_lens is not None:
        if batch_size != 1:
            raise ValueError(f"a packed batch is one row (1, T), got {batch_size} rows and cu_seq_lens_q")
        cu_seq_lens = cu_seq_lens.to(torch.int32)
        if not torch.compiler.is_compiling():
            _check_lengths(cu_seq_lens, max_length, length)
        return Packing(cu_seq_lens, max_length if max_length is not None else int(cu_seq_lens.diff().max()))
    if batch_size == 1 and position_ids is not None and attention_mask is None:
        if (position_ids[0, 1:] == 0).any():  # a graph break under torch.compile; none with cu_seq_lens_q
            return Packing.of_positions(position_ids)
    if pack_padded:
        return Packing.of_padded(batch_size, length, attention_mask, inputs.device)
    return None


def _check_lengths(cu_seq_lens: torch.Tensor, max_length: int | None, tokens: int) -> None:
    ends = cu_seq_lens.tolist()  # read once: on an accelerator every look at a value waits for it
    if ends[-1] != tokens:
        raise ValueError(f"cu_seq_lens_q ends at {ends[-1]}, but the packed row has {tokens} tokens")
    if ends[0] != 0 or ends != sorted(ends):
        raise ValueError(f"cu_seq_lens_q must begin with 0 and never fall, got {ends}")
    longest = max((end - start for start, end in zip(ends, ends[1:], strict=False)), default=0)
    if max_length is not None and max_length < longest:
        raise ValueError(f"max_length_q is {max_length}, but a sequence has {longest} tokens")


def rows_to_round_up(count: int, tensor: torch.Tensor) -> int:
    """How many empty rows to add to `count` tokens, so that fewer distinct shapes occur.

    On a CPU, oneDNN compiles every new shape of a half-precision product, which takes ten times as long as the product
    itself; packed batches rarely have the same number of tokens. float32 has no such cost.

    Args:
        count: rows of the products to come.
        tensor: for its device and dtype.
    """
    half = tensor.dtype in (torch.bfloat16, torch.float16)
    if torch.compiler.is_compiling() or tensor.device.type != "cpu" or not half:
        return 0
    multiple = 64 if count >= 512 else 16
    return -count % multiple


@dataclass
class Packing:
    """The boundaries of the sequences in a packed batch.

    Args:
        cu_seq_lens: (B + 1,) int32; sequence i holds the tokens from `cu_seq_lens[i]` up to `cu_seq_lens[i + 1]`.
        max_length: tokens of the longest sequence.
        places: (T,), the index of each token in the flattened padded batch (B · L); None if it came packed.
    """

    cu_seq_lens: torch.Tensor
    max_length: int
    places: torch.Tensor | None = None
    padded_shape: tuple[int, int] = (0, 0)

    @classmethod
    def of_padded(
        cls,
        batch_size: int,
        length: int,
        attention_mask: torch.Tensor | None,
        device,
        order: torch.Tensor | None = None,
    ) -> "Packing":
        """The packing of a padded batch; `attention_mask` (B, L), 1 for real tokens, or None for no pads at all.

        Sequences are put in the order of their lengths, those of equal length being computed together; or in the
        `order` (B,) that is given.
        """
        if attention_mask is None and order is not None:
            attention_mask = torch.ones(batch_size, length, dtype=torch.bool, device=device)
        if attention_mask is None:
            cu_seq_lens = torch.arange(0, (batch_size + 1) * length, length, dtype=torch.int32, device=device)
            places = torch.arange(batch_size * length, device=device)
            return cls(cu_seq_lens, length, places, (batch_size, length))
        mask = attention_mask.bool()
        lengths = mask.sum(dim=1)
        order = lengths.argsort(stable=True) if order is None else order
        rows, columns = mask[order].nonzero(as_tuple=True)
        ends = lengths[order].cumsum(0).to(torch.int32)
        cu_seq_lens = torch.nn.functional.pad(ends, (1, 0))
        return cls(cu_seq_lens, int(lengths.max()), order[rows] * length + columns, (batch_size, length))

    @classmethod
    def of_positions(cls, position_ids: torch.Tensor) -> "Packing":
        """The packing of a stream whose positions (1, T) start again at 0 with every sequence."""
        is_start = position_ids[0] == 0
        is_start[:1] = True
        starts = is_start.nonzero()[:, 0].to(torch.int32)
        cu_seq_lens = torch.nn.functional.pad(starts, (0, 1), value=position_ids.shape[1])
        return cls(cu_seq_lens, int(cu_seq_lens.diff().max()))

    @property
    def came_padded(self) -> bool:
        return self.places is not None

    def remove_pads(self, given: torch.Tensor | None) -> torch.Tensor | None:
        """Remove pads: (B, L, …), or (1, L, …) for all rows, → (1, T, …); packed input is returned unchanged."""
        if given is None or not self.came_padded:
            return given
        return given.expand(self.padded_shape[0], *given.shape[1:]).flatten(0, 1)[self.places][None]

    def restore(self, packed: torch.Tensor) -> torch.Tensor:
        """Undo `remove_pads`: (1, T, …) → (B, L, …) with zeros for pads; unchanged if the batch came packed."""
        if not self.came_padded:
            return packed
        batch_size, length = self.padded_shape
        padded = packed.new_zeros(batch_size * length, *packed.shape[2:])
        return padded.index_copy(0, self.places, packed[0]).unflatten(0, self.padded_shape)

    def sequence_ids(self, tokens: int) -> torch.Tensor:
        """The index of the sequence that each token belongs to: (T,)."""
        ends = self.cu_seq_lens[1:].contiguous()
        return torch.searchsorted(ends, torch.arange(tokens, dtype=torch.int32, device=ends.device), right=True)

    def position_ids(self, tokens: int) -> torch.Tensor:
        """The position of each token in its sequence: (1, T)."""
        starts = self.cu_seq_lens[:-1].long()
        return (torch.arange(tokens, device=starts.device) - starts[self.sequence_ids(tokens)])[None]

    def split(self, packed: torch.Tensor, fill: float = 0.0) -> torch.Tensor:
        """One row per sequence: (1, T, …) → (B, max_length, …), `fill` behind the end of the shorter ones."""
        tokens = packed.shape[1]
        rows = packed.new_full((len(self.cu_seq_lens) - 1, self.max_length, *packed.shape[2:]), fill)
        return rows.index_put((self.sequence_ids(tokens), self.position_ids(tokens)[0]), packed[0])

    def join(self, rows: torch.Tensor) -> torch.Tensor:
        """Undo `split`: (B, max_length, …) → (1, T, …)."""
        tokens = int(self.cu_seq_lens[-1])
        return rows[self.sequence_ids(tokens), self.position_ids(tokens)[0]][None]

    def mask(self) -> torch.Tensor:
        """The attention mask of the rows that `split` gives: (B, max_length) bool."""
        places = torch.arange(self.max_length, device=self.cu_seq_lens.device)
        return places < self.cu_seq_lens.diff()[:, None]

    def block_diagonal_mask(self, tokens: int, is_causal: bool = False) -> torch.Tensor:
        """The mask for attention functions without packing: (1, 1, T, T), True within a sequence."""
        sequences = self.sequence_ids(tokens)
        same = sequences[:, None] == sequences
        return (same.tril() if is_causal else same)[None, None]

    def attention_arguments(self) -> dict:
        """The lengths for packed and flash attention functions, by transformers' argument names."""
        ends, longest = self.cu_seq_lens, self.max_length
        return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


def pack_pairs(
    targets: torch.Tensor,
    target_mask: torch.Tensor | None,
    sources: torch.Tensor,
    source_mask: torch.Tensor | None,
) -> tuple[Packing, Packing]:
    """The packings of target and source, with rows in one order: by target length, then by source length.

    Args:
        targets, sources: ids or vectors, (B, L, …) and (B, S, …), for the shapes.
        target_mask, source_mask: (B, L) and (B, S), 1 for real tokens, or None for no pads at all.
    """
    (batch_size, length), source_length = targets.shape[:2], sources.shape[1]
    rank = torch.zeros(batch_size, dtype=torch.long, device=targets.device)
    if target_mask is not None:
        rank += target_mask.bool().sum(dim=1) * (source_length + 1)
    if source_mask is not None:
        rank += source_mask.bool().sum(dim=1)
    order = rank.argsort(stable=True)
    return (
        Packing.of_padded(batch_size, length, target_mask, targets.device, order),
        Packing.of_padded(batch_size, source_length, source_mask, sources.device, order),
    )

"""Packed batches: rows concatenated to one stream without pads, and batches filled up to a token budget.

    rows       a b c | d e | f g h i            a batch of 3 rows
    stream     d e a b c f g h i                (1, T), shortest first
    cu_seq_lens_q  0 2 5 9                      start of each row, and the end of the last

`TokenBudgetBatches` groups rows of similar length, `FlatRows` makes the stream. Two collators use it:
`DataCollatorWithPacking` below, for labelled text, and `DataCollatorForPretraining` in masking.py. With `Trainer`:

    Trainer(
        args=TrainingArguments(per_device_train_batch_size=1),         # one TokenBudgetBatches item is a whole batch
        train_dataset=TokenBudgetBatches(encoded, max_tokens=4096),
        data_collator=DataCollatorWithPacking(),
        ...
    )

The keys are those of transformers' `DataCollatorWithFlattening(return_flash_attn_kwargs=True)`;
modeling_minibert/packing.py reads them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from datasets import Dataset


class TokenBudgetBatches(torch.utils.data.Dataset):
    """A data set whose items are batches: lists of rows of similar length, at most `max_tokens` tokens.

    Rows are sorted by length rounded up to multiples of `bucket`, in random order among equals, and batches are filled
    in that order. The sequence of rounded lengths is the same in every epoch. So the number of batches is constant, as
    learning-rate schedules and resumed runs need, while their rows change. The sampler of the data loader shuffles the
    batches.

    Args:
        dataset: encoded rows with a column `input_ids`; a `datasets.Dataset` or a list of dictionaries.
        max_tokens: largest number of tokens in a batch, counted in rounded lengths.
        seed: for the random order.
        bucket: 1 gives the fullest batches but shuffles only rows of equal length; larger values shuffle more.
        columns: their tokens are counted; two for pairs of texts.

    Raises:
        ValueError: no rows, a bucket below 1, or a row longer than max_tokens.
    """

    def __init__(
        self, dataset, max_tokens: int, seed: int = 0, bucket: int = 8, columns: tuple[str, ...] = ("input_ids",)
    ):
        if bucket < 1:
            raise ValueError(f"bucket ({bucket}) must be at least 1")
        if len(dataset) == 0:
            raise ValueError("there are no rows to make batches of")
        lengths = np.sum([_lengths(dataset, column) for column in columns], axis=0)
        if lengths.max() > max_tokens:
            raise ValueError(
                f"row {lengths.argmax()} has {lengths.max()} tokens, more than max_tokens ({max_tokens}); raise "
                f"max_tokens, or encode with truncation"
            )
        self.dataset, self.seed = dataset, seed
        self.lengths = lengths
        self.rounded = np.minimum(-(-lengths // bucket) * bucket, max_tokens)
        self.ends = _batch_ends(np.sort(self.rounded), max_tokens)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle the rows for an epoch; in a single process `Trainer` calls this."""
        draws = np.random.default_rng([self.seed, epoch]).random(len(self.rounded))
        self.order = np.lexsort((draws, self.rounded))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> list[dict]:
        """Return the rows of a batch."""
        if not 0 <= index < len(self.ends):
            raise IndexError(f"there are {len(self.ends)} batches, and no batch {index}")
        rows = self.order[self.ends[index - 1] if index else 0 : self.ends[index]].tolist()
        if not isinstance(self.dataset, Dataset):
            return [self.dataset[row] for row in rows]
        columns = self.dataset[rows]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _lengths(dataset, column: str) -> np.ndarray:
    """Return the number of tokens of every row: (rows,)."""
    if not isinstance(dataset, Dataset):
        return np.array([len(row[column]) for row in dataset])
    # Arrow tables store the lengths, so no list of ids has to be built.
    tables = dataset.select_columns(column).with_format("arrow").iter(batch_size=10_000)
    return np.concatenate([np.asarray(table[column].combine_chunks().value_lengths()) for table in tables])


def _batch_ends(lengths: np.ndarray, max_tokens: int) -> list[int]:
    """Fill batches with rows in order, and return the index after the last row of each."""
    ends, tokens = [], 0
    for row, length in enumerate(lengths.tolist()):
        if tokens + length > max_tokens:
            ends.append(row)
            tokens = 0
        tokens += length
    return [*ends, len(lengths)]


def single_rows(features: list) -> Iterator[dict]:
    """Iterate over rows, given as rows or as the lists of rows of `TokenBudgetBatches`."""
    return chain.from_iterable([row] if hasattr(row, "keys") else row for row in features)


@dataclass
class FlatRows:
    """The columns of a batch as flat arrays, the input of both collators.

    Args:
        lengths: number of tokens of each row (B,).
        per_token: columns with a value per token (T,), row after row.
        per_row: columns with a number per row (B,).
    """

    lengths: np.ndarray
    per_token: dict[str, np.ndarray]
    per_row: dict[str, np.ndarray]

    @classmethod
    def of(cls, features: list) -> "FlatRows":
        """Convert rows, or lists of rows from `TokenBudgetBatches`.

        `label` and `label_ids` are renamed to `labels`. An `attention_mask` is checked and dropped.

        Raises:
            ValueError: rows without `input_ids`, padded rows, or a column that is neither per token nor per row.
        """
        rows = list(single_rows(features))
        if not rows or "input_ids" not in rows[0]:
            raise ValueError(f"rows need a column 'input_ids'; they have {sorted(rows[0]) if rows else 'none'}")
        flat = cls(np.array([len(row["input_ids"]) for row in rows]), {}, {})
        for name in rows[0]:
            values = [row[name] for row in rows]
            ours = "labels" if name in ("label", "label_ids") else name
            if _has_length(values[0]):
                flat.per_token[ours] = _per_token(name, values, flat.lengths)
            else:
                flat.per_row[ours] = _as_numbers(name, values)
        if not flat.per_token.pop("attention_mask", np.ones(1)).all():
            raise ValueError("some rows are padded (their attention_mask has zeros); encode without padding")
        return flat

    def flatten(self) -> dict:
        """Concatenate the rows, shortest first, so that rows of equal length are neighbours.

        The sort is stable: a sorted batch stays as it is.

        Returns:
            Columns per token (1, T), columns per row (B,), `position_ids` (1, T), `cu_seq_lens_q` and `cu_seq_lens_k`
            (B + 1,) int32, `max_length_q` and `max_length_k` int.
        """
        order = np.argsort(self.lengths, kind="stable")
        lengths = self.lengths[order]
        starts = np.cumsum(lengths) - lengths
        positions = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        old_starts = (np.cumsum(self.lengths) - self.lengths)[order]
        places = np.repeat(old_starts, lengths) + positions
        batch = {name: torch.from_numpy(values[places])[None] for name, values in self.per_token.items()}
        batch |= {name: torch.from_numpy(values[order]) for name, values in self.per_row.items()}
        batch["position_ids"] = torch.from_numpy(positions)[None]
        ends = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32)
        longest = int(lengths[-1])
        return batch | {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}

    def pad(self, fill: dict[str, int], left: bool = False, multiple_of: int | None = None) -> dict:
        """Stack the rows, padded to the longest.

        Args:
            fill: column → its pad value; 0 for other columns.
            left: pad on the left.
            multiple_of: round the length up to a multiple of this.

        Returns:
            Columns per token (B, L), columns per row (B,), and `attention_mask` (B, L).
        """
        longest = int(self.lengths.max())
        longest = -(-longest // multiple_of) * multiple_of if multiple_of else longest
        places = np.arange(longest)
        is_token = places >= longest - self.lengths[:, None] if left else places < self.lengths[:, None]
        batch = {}
        for name, values in self.per_token.items():
            padded = np.full(is_token.shape, fill.get(name, 0), dtype=values.dtype)
            padded[is_token] = values
            batch[name] = torch.from_numpy(padded)
        batch |= {name: torch.from_numpy(values) for name, values in self.per_row.items()}
        return batch | {"attention_mask": torch.from_numpy(is_token.astype(np.int64))}


class DataCollatorWithPacking:
    """Pack encoded rows into one stream, with labels per row or per token.

    The rows of a batch, their labels and so the predictions are sorted by length. A data set sorted by length, as in
    `training.predict_in_order`, keeps its order.
    """

    def __call__(self, features: list) -> dict:
        """Collate rows, or lists of rows, into the columns of `FlatRows.flatten`."""
        return FlatRows.of(features).flatten()


def _has_length(value) -> bool:
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0


def _per_token(name: str, values: list, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the values of all rows into one array (T,)."""
    for row, value in enumerate(values):
        if not _has_length(value) or len(value) != lengths[row]:
            given = f"{len(value)} values" if _has_length(value) else repr(value)
            raise ValueError(
                f"the column {name!r} has {given} in row {row} of the batch, which has {lengths[row]} tokens; a column "
                f"holds one number per token or one per row, so remove this one"
            )
    # The word ids of a tokenizer have None for special tokens.
    return _as_numbers(name, [-1 if value is None else value for row in values for value in row])


def _as_numbers(name: str, values: list) -> np.ndarray:
    column = np.array(values)
    if column.dtype.kind not in "biuf" or column.ndim != 1:
        raise ValueError(f"the column {name!r} holds {values[0]!r:.40}, which is not a number; remove the column")
    return column.astype(np.float32 if column.dtype.kind == "f" else np.int64)

"""Masking for masked language modeling: 15 % of the tokens are selected for prediction, and of these

    80 %  are replaced by [MASK]
    10 %  are replaced by a random token
    10 %  stay as they are

so the model has to represent every token, masked or not. One random number per token decides between the three; a
second draw for the second branch would give 80 / 18 / 2.

The random numbers of an example follow from (seed, epoch, its ids) alone, and not from batches, workers or processes.
So a resumed run draws the same masks as an uninterrupted one, and every epoch draws new ones.

Read `mask_tokens` first, then `DataCollatorForPretraining`.
Sources: BERT, Devlin et al. 2018; dynamic masking, RoBERTa, Liu et al. 2019; whole words, BERT's repository 2019.
"""

from hashlib import blake2b

import numpy as np
from datasets import Dataset

from ..losses import IGNORE_INDEX
from .flat_batches import FlatRows


def mask_tokens(
    input_ids: np.ndarray,
    may_mask: np.ndarray,
    numbers: np.ndarray,
    mask_token_id: int,
    replacement_ids: np.ndarray,
    probability: float = 0.15,
    word_starts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Select tokens to predict and mask them; at least one, if any may be masked.

    Args:
        input_ids: (T,), one example or several concatenated.
        may_mask: (T,) bool, False for special tokens.
        numbers: (3, T), uniform from 0 to 1: they decide on selection, treatment and random replacement.
        mask_token_id: id of [MASK].
        replacement_ids: the ids to draw random replacements from.
        probability: share of the tokens to select.
        word_starts: (T,), for whole words: the index of the first token of each token's word. All tokens of a word are
            selected and treated together.

    Returns:
        The masked ids, and the labels: the true id of a selected token, -100 elsewhere; both (T,).
    """
    selection, treatment, replacement = numbers
    if word_starts is not None:
        selection, treatment = selection[word_starts], treatment[word_starts]
    selected = may_mask & (selection < probability)
    if not selected.any() and may_mask.any():
        selected = may_mask & (selection == selection[may_mask].min())
    labels = np.where(selected, input_ids, IGNORE_INDEX)
    masked = np.where(selected & (treatment < 0.8), mask_token_id, input_ids)
    random_ids = replacement_ids[(replacement * len(replacement_ids)).astype(np.int64)]
    return np.where(selected & (treatment >= 0.8) & (treatment < 0.9), random_ids, masked), labels


class DataCollatorForPretraining:
    """Mask and collate the encoded rows of `build_examples`.

    Columns with a number per row (`next_sentence_label`) or per token (`token_type_ids`) are kept; `word_ids`,
    `special_tokens_mask` and `length`, which no model takes, are dropped. Tokens marked in `special_tokens_mask` are
    never masked, nor are the tokenizer's special tokens. A column `epoch`, as from `StreamedBatches`, overrides
    `set_epoch`.

    Args:
        tokenizer: with a mask token; with a pad token unless `flatten`.
        mlm_probability: share of the tokens to predict, above 0 and up to 1.
        whole_words: mask whole words, by the column `word_ids`; works for any tokenizer.
        dynamic: new masks in each epoch (see `set_epoch`); False: the same masks in all epochs.
        seed: for the masks.
        flatten: pack rows into one stream instead of padding them, see packing.py.
        pad_to_multiple_of: round the padded length up to a multiple of this.

    Raises:
        ValueError: a probability outside its range, or a tokenizer without a mask or pad token.
    """

    def __init__(
        self,
        tokenizer,
        mlm_probability: float = 0.15,
        whole_words: bool = False,
        dynamic: bool = True,
        seed: int = 0,
        flatten: bool = False,
        pad_to_multiple_of: int | None = None,
    ):
        if not 0 < mlm_probability <= 1:
            raise ValueError(f"mlm_probability ({mlm_probability}) must be above 0 and at most 1")
        for name in ("mask_token",) if flatten else ("mask_token", "pad_token"):
            if getattr(tokenizer, f"{name}_id") is None:
                raise ValueError(f"the tokenizer has no {name}; masked language modeling needs one")
        self.mlm_probability, self.whole_words, self.dynamic = mlm_probability, whole_words, dynamic
        self.seed, self.epoch = seed, 0
        self.flatten, self.pad_to_multiple_of = flatten, pad_to_multiple_of
        self.mask_token_id, self.pad_token_id = tokenizer.mask_token_id, tokenizer.pad_token_id
        self.pad_left = tokenizer.padding_side == "left"
        self.special_ids = np.array(sorted(tokenizer.all_special_ids))
        self.replacement_ids = np.setdiff1d(sorted(tokenizer.get_vocab().values()), self.special_ids)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that dynamic masks are drawn for. Call it at the start of every epoch."""
        self.epoch = epoch

    def __call__(self, features: list) -> dict:
        """Collate rows, or lists of rows.

        Returns:
            Padded: `input_ids`, `attention_mask`, `labels` (B, L) and the other columns. Flattened: `input_ids`,
            `labels` (1, T), those of `FlatRows.flatten`, and the other columns.

        Raises:
            ValueError: no `word_ids` for whole words, or as `FlatRows.of`.
        """
        rows = FlatRows.of(features)
        if "labels" not in rows.per_token:  # rows of `mask_once` are masked already
            self._mask(rows)
        for name in ("word_ids", "special_tokens_mask"):
            rows.per_token.pop(name, None)
        rows.per_row.pop("length", None)
        if self.flatten:
            return rows.flatten()
        fill = {"input_ids": self.pad_token_id, "labels": IGNORE_INDEX}
        return rows.pad(fill, self.pad_left, self.pad_to_multiple_of)

    def mask_once(self, dataset: Dataset) -> Dataset:
        """Mask a data set once and add a column `labels`, so that every evaluation predicts the same tokens.

        The collator does not mask rows with `labels` again.
        """

        def mask(batch: dict[str, list]) -> dict[str, list]:
            rows = FlatRows.of([dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)])
            self._mask(rows)
            ends = np.cumsum(rows.lengths)[:-1]
            return {name: np.split(rows.per_token[name], ends) for name in ("input_ids", "labels")}

        return dataset.map(mask, batched=True, desc="Masking once")

    def _mask(self, rows: FlatRows) -> None:
        """Mask tokens in place and add the labels."""
        ids = rows.per_token["input_ids"]
        may_mask = ~np.isin(ids, self.special_ids)
        if "special_tokens_mask" in rows.per_token:
            may_mask &= rows.per_token["special_tokens_mask"] == 0
        words = rows.per_token.get("word_ids")
        rows.per_token["input_ids"], rows.per_token["labels"] = mask_tokens(
            ids,
            may_mask,
            self._random_numbers(ids, rows.lengths, rows.per_row.pop("epoch", np.full(len(rows.lengths), self.epoch))),
            self.mask_token_id,
            self.replacement_ids,
            self.mlm_probability,
            self._word_starts(words, rows.lengths) if self.whole_words else None,
        )

    def _random_numbers(self, ids: np.ndarray, lengths: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        """Draw (3, T) random numbers, seeded per example by its ids, the seed and the epoch."""
        epochs = epochs if self.dynamic else np.zeros_like(epochs)
        numbers = np.empty((3, len(ids)))
        end = 0
        for length, epoch in zip(lengths.tolist(), epochs.tolist(), strict=True):
            start, end = end, end + length
            digest = blake2b(ids[start:end].tobytes(), digest_size=8).digest()
            generator = np.random.default_rng([self.seed, epoch, int.from_bytes(digest, "little")])
            numbers[:, start:end] = generator.random((3, length))
        return numbers

    def _word_starts(self, words: np.ndarray | None, lengths: np.ndarray) -> np.ndarray:
        """Return for each token the index of the first token of its word: (T,)."""
        if words is None:
            raise ValueError(
                "whole_words needs the column 'word_ids': build_examples(..., whole_words=True) makes it, or the "
                "tokenizer's word_ids(); with Trainer, set remove_unused_columns=False, or it drops the column"
            )
        is_start = np.ones(len(words), dtype=bool)
        is_start[1:] = words[1:] != words[:-1]
        is_start |= words < 0
        is_start[np.cumsum(lengths) - lengths] = True
        return np.maximum.accumulate(np.where(is_start, np.arange(len(words)), 0))

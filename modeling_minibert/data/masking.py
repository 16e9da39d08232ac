"""Masks for masked language modeling: 15 % of the tokens are to be predicted, and of these

    80 %  are replaced by [MASK]
    10 %  by another token, drawn at random
    10 %  stay as they are

so that the model must keep an idea of every token, masked or not. One number decides between the three: drawing a new
one for each branch would give 80 / 18 / 2.

Masks are drawn per example, from (seed, epoch, the example's own ids) alone. They depend on no batch, worker or
process, nor on what was drawn before: a resumed run draws what the run without a break would have drawn, and every
epoch masks anew.

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
    """Choose the tokens to predict and hide them. At least one is chosen wherever one may be.

    Args:
        input_ids: (T,), one example or several laid end to end.
        may_mask: (T,) bool, False for special tokens.
        numbers: (3, T), uniform from 0 to 1: which tokens are chosen, what becomes of them, what replaces them.
        mask_token_id: of [MASK].
        replacement_ids: the ids that a random replacement is drawn from.
        probability: share of the tokens to choose.
        word_starts: (T,), for whole words: the place where the word of each token begins. A word is chosen as a whole,
            and the same becomes of all its pieces.

    Returns:
        The ids with masks, and the labels: the true id where a token was chosen, -100 elsewhere; both (T,).
    """
    chosen_by, kind, replacement = numbers
    if word_starts is not None:
        chosen_by, kind = chosen_by[word_starts], kind[word_starts]
    chosen = may_mask & (chosen_by < probability)
    if not chosen.any() and may_mask.any():
        chosen = may_mask & (chosen_by == chosen_by[may_mask].min())  # the one that was nearest to being chosen
    labels = np.where(chosen, input_ids, IGNORE_INDEX)
    masked = np.where(chosen & (kind < 0.8), mask_token_id, input_ids)
    drawn = replacement_ids[(replacement * len(replacement_ids)).astype(np.int64)]
    return np.where(chosen & (kind >= 0.8) & (kind < 0.9), drawn, masked), labels


class DataCollatorForPretraining:
    """Make a batch for masked language modeling out of encoded rows, as `build_examples` gives them.

    Every other column is kept: numbers per row such as `next_sentence_label`, values per token such as
    `token_type_ids`. Only `word_ids`, `special_tokens_mask` and `length`, which no model takes, are left out. Rows that
    say which of their tokens are special (`special_tokens_mask`) are believed, besides the tokenizer. Rows that bring
    their own `epoch`, as those of `StreamedBatches` do, are masked for that one.

    Args:
        tokenizer: with a mask token; with a pad token unless `flatten`.
        mlm_probability: share of the tokens to predict, above 0 and up to 1.
        whole_words: choose whole words by the column `word_ids`; right for any tokenizer.
        dynamic: other masks in each epoch (see `set_epoch`); False for the same masks always.
        seed: of the masks.
        flatten: one stream without pads instead of padded rows, see packing.py.
        pad_to_multiple_of: round the padded length up.

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
        """Draw other masks from now on, if they are dynamic. Call it at the start of every epoch."""
        self.epoch = epoch

    def __call__(self, features: list) -> dict:
        """Rows, or lists of rows → a batch.

        Returns:
            Padded: `input_ids`, `attention_mask`, `labels` (B, L) and the other columns. Flattened: `input_ids`,
            `labels` (1, T), those of `FlatRows.flatten`, and the other columns.

        Raises:
            ValueError: no `word_ids` for whole words, or rows that `FlatRows` refuses.
        """
        rows = FlatRows.of(features)
        if "labels" not in rows.per_token:  # else the masks are there already, see `mask_once`
            self._mask(rows)
        for name in ("word_ids", "special_tokens_mask"):
            rows.per_token.pop(name, None)
        rows.per_row.pop("length", None)
        if self.flatten:
            return rows.flatten()
        fill = {"input_ids": self.pad_token_id, "labels": IGNORE_INDEX}
        return rows.pad(fill, self.pad_left, self.pad_to_multiple_of)

    def mask_once(self, dataset: Dataset) -> Dataset:
        """The data set with masks drawn once for all, in a column `labels`: held-out text is always asked the same.

        The collator leaves rows that have `labels` as they are.
        """

        def mask(batch: dict[str, list]) -> dict[str, list]:
            rows = FlatRows.of([dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)])
            self._mask(rows)
            ends = np.cumsum(rows.lengths)[:-1]
            return {name: np.split(rows.per_token[name], ends) for name in ("input_ids", "labels")}

        return dataset.map(mask, batched=True, desc="Masking once")

    def _mask(self, rows: FlatRows) -> None:
        """Hide tokens in place, and add the labels."""
        ids = rows.per_token["input_ids"]
        may_mask = ~np.isin(ids, self.special_ids)
        if "special_tokens_mask" in rows.per_token:
            may_mask &= rows.per_token["special_tokens_mask"] == 0
        words = rows.per_token.get("word_ids")
        rows.per_token["input_ids"], rows.per_token["labels"] = mask_tokens(
            ids,
            may_mask,
            self._numbers(ids, rows.lengths, rows.per_row.pop("epoch", np.full(len(rows.lengths), self.epoch))),
            self.mask_token_id,
            self.replacement_ids,
            self.mlm_probability,
            self._word_starts(words, rows.lengths) if self.whole_words else None,
        )

    def _numbers(self, ids: np.ndarray, lengths: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        """(3, T): random numbers of each example that follow from its ids, the seed and the epoch."""
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
        """For each token the place where its word begins: (T,)."""
        if words is None:
            raise ValueError(
                "whole_words needs the column 'word_ids': build_examples(..., whole_words=True) makes it, or the "
                "tokenizer's word_ids(); with Trainer, set remove_unused_columns=False, or it drops the column"
            )
        begins = np.ones(len(words), dtype=bool)
        begins[1:] = words[1:] != words[:-1]
        begins |= words < 0
        begins[(np.cumsum(lengths) - lengths)] = True
        return np.maximum.accumulate(np.where(begins, np.arange(len(words)), 0))

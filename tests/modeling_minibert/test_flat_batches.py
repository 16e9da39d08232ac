"""Batches without pads hold every row once within their budget, and agree with transformers' own flattening."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorWithFlattening, Trainer, TrainingArguments

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification
from modeling_minibert.data import DataCollatorWithPacking, TokenBudgetBatches

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def rows_of(lengths, **columns):
    """Row i holds the id i only, so that a batch tells which rows are in it."""
    return [
        {"input_ids": [i] * length, **{name: make(i, length) for name, make in columns.items()}}
        for i, length in enumerate(lengths)
    ]


@pytest.mark.parametrize("as_dataset", [True, False])
@settings(max_examples=60)
@given(lengths=LENGTHS, max_tokens=st.integers(40, 200), bucket=st.sampled_from([1, 4, 8, 64]), epoch=st.integers(0, 9))
def test_every_row_comes_once_an_epoch_within_the_budget(as_dataset, lengths, max_tokens, bucket, epoch):
    rows = rows_of(lengths)
    batches = TokenBudgetBatches(Dataset.from_list(rows) if as_dataset else rows, max_tokens, bucket=bucket)
    count = len(batches)
    batches.set_epoch(epoch)
    contents = [[row["input_ids"][0] for row in batches[i]] for i in range(len(batches))]
    assert len(batches) == count == len(contents)
    assert sorted(row for batch in contents for row in batch) == list(range(len(rows)))
    assert all(sum(lengths[row] for row in batch) <= max_tokens for batch in contents)
    with pytest.raises(IndexError, match=f"there are {count} batches, and no batch {count}"):
        batches[count]


def test_epochs_differ_in_composition_not_in_number_and_a_seed_gives_the_same_again():
    lengths = np.random.default_rng(0).integers(5, 200, 500)
    rows = Dataset.from_list(rows_of(lengths))
    batches, again = TokenBudgetBatches(rows, 1024), TokenBudgetBatches(rows, 1024)
    other = TokenBudgetBatches(rows, 1024, seed=1)

    def composition(data):
        return [sorted(row["input_ids"][0] for row in data[i]) for i in range(len(data))]

    first = composition(batches)
    batches.set_epoch(1)
    second = composition(batches)
    assert len(first) == len(second) == len(other) and first != second
    assert composition(other) != first == composition(again)
    batches.set_epoch(0)
    assert composition(batches) == first
    # Rows of a batch have nearly one length, and the batches are nearly full.
    assert all(np.ptp(lengths[batch]) <= 24 for batch in first)
    assert lengths.sum() / (len(first) * 1024) > 0.85


def test_batches_of_a_selection_of_a_dataset_are_batches_of_its_rows():
    rows = Dataset.from_list(rows_of(range(1, 60)))
    chosen = [50, 3, 17, 4, 22]
    batches = TokenBudgetBatches(rows.select(chosen), 60)
    assert sorted(row["input_ids"][0] for i in range(len(batches)) for row in batches[i]) == sorted(chosen)
    assert batches.lengths.tolist() == [51, 4, 18, 5, 23]


def test_what_cannot_be_batched_is_refused_with_its_numbers():
    with pytest.raises(ValueError, match=r"row 1 has 41 tokens, more than max_tokens \(40\)"):
        TokenBudgetBatches(rows_of([3, 41, 40]), 40)
    assert len(TokenBudgetBatches(rows_of([3, 39, 37]), 39)) == 3  # rounding up to 40 is no reason to refuse
    with pytest.raises(ValueError, match="no rows"):
        TokenBudgetBatches([], 40)
    with pytest.raises(ValueError, match=r"bucket \(0\)"):
        TokenBudgetBatches(rows_of([3]), 40, bucket=0)


def test_the_stream_is_that_of_transformers_own_collator():
    rows = rows_of(sorted([4, 9, 2, 4, 7]), labels=lambda i, length: list(range(length)))
    ours = DataCollatorWithPacking()(rows)
    theirs = DataCollatorWithFlattening(return_flash_attn_kwargs=True)(rows)
    theirs["labels"][theirs["labels"] == -100] = 0  # it hides first tokens, for causal models
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(ours[name], value) and ours[name].dtype == value.dtype, name
        else:
            assert ours[name] == int(value) and isinstance(ours[name], int)


def test_labels_go_with_their_rows():
    lengths = [5, 2, 9, 2]
    by_row = DataCollatorWithPacking()(rows_of(lengths, label=lambda i, length: i, attention_mask=lambda i, n: [1] * n))
    assert by_row["labels"].tolist() == [1, 3, 0, 2] and by_row["labels"].dtype == torch.int64
    assert by_row["input_ids"].tolist() == [[1, 1, 3, 3, 0, 0, 0, 0, 0, *[2] * 9]] and "attention_mask" not in by_row
    by_token = DataCollatorWithPacking()([rows_of(lengths, labels=lambda i, n: [10 * i + k for k in range(n)])])
    assert by_token["labels"].tolist() == [[10, 11, 30, 31, *range(5), *range(20, 29)]]
    scores = DataCollatorWithPacking()(rows_of([1, 1], labels=lambda i, n: i / 2))
    assert scores["labels"].tolist() == [0.0, 0.5] and scores["labels"].dtype == torch.float32
    single = DataCollatorWithPacking()(rows_of([1, 1], labels=lambda i, n: [i]))
    assert single["labels"].tolist() == [[0, 1]]  # one per token, though there is but one token


def test_columns_that_fit_nothing_are_named():
    collate = DataCollatorWithPacking()
    with pytest.raises(ValueError, match="the column 'text' holds 'teks 0', which is not a number"):
        collate(rows_of([3, 2], text=lambda i, n: f"teks {i}"))
    with pytest.raises(ValueError, match="the column 'span' has 2 values in row 0 of the batch, which has 3 tokens"):
        collate(rows_of([3, 2], span=lambda i, n: [0, 1]))
    with pytest.raises(ValueError, match="the column 'labels' holds None"):
        collate(rows_of([3], labels=lambda i, n: None))
    with pytest.raises(ValueError, match="some rows are padded"):
        collate(rows_of([3], attention_mask=lambda i, n: [1, 1, 0]))
    with pytest.raises(ValueError, match=r"need a column 'input_ids'; they have \['text'\]"):
        collate([{"text": "a"}])


@pytest.mark.slow
def test_trainer_takes_batches_of_batches_and_asks_for_new_ones_each_epoch(tmp_path):
    lengths = np.random.default_rng(0).integers(3, 30, 80)
    rows = Dataset.from_list(rows_of(lengths, labels=lambda i, n: i % 2))
    batches = TokenBudgetBatches(rows, 128)
    seen = []

    class Collator(DataCollatorWithPacking):
        def __call__(self, features):
            seen.append(tuple(sorted(row["input_ids"][0] for row in features[0])))
            return super().__call__(features)

    config = MiniBertConfig(vocab_size=80, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                            intermediate_size=8)  # fmt: skip
    args = TrainingArguments(tmp_path, per_device_train_batch_size=1, num_train_epochs=2, save_strategy="no",
                             report_to="none", use_cpu=True, disable_tqdm=True)  # fmt: skip
    model = MiniBertForSequenceClassification(config)
    result = Trainer(model, args, train_dataset=batches, data_collator=Collator()).train()
    assert result.global_step == 2 * len(batches)
    first, second = set(seen[: len(batches)]), set(seen[len(batches) :])
    assert len(first) == len(second) == len(batches) and first != second
    assert np.isfinite(result.training_loss)

"""A streamed corpus: every document once in each pass, to one process of several, in batches within the budget."""

from itertools import takewhile

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import BertTokenizer

from modeling_minibert.data import (
    DataCollatorForPretraining,
    StreamedBatches,
    build_examples,
    load_documents,
    shuffled_share,
    without_texts_of,
)

COUNT = 53
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMES = [f"dokumen{number}" for number in range(COUNT)]
TOKENIZER = BertTokenizer(vocab={word: index for index, word in enumerate([*SPECIAL, "kata", *NAMES])})


@pytest.fixture
def stream(tmp_path):
    """Documents of one sentence, each with a word of its own, in as many files as asked for."""

    def make(files):
        texts = [f"{name} " + "kata " * (number % 7) for number, name in enumerate(NAMES)]
        paths = []
        for number in range(files):
            paths.append(str(tmp_path / f"{files}-{number}.txt"))
            (tmp_path / paths[-1]).write_text("\n".join(texts[number::files]), encoding="utf-8")
        return load_documents(data_files={"train": paths}, streaming=True)["train"]

    return make


def batches_of(documents, **options):
    examples = build_examples(documents, TOKENIZER, "mlm", 16, short_sequence_probability=0.0)
    return StreamedBatches(examples, **{"max_tokens": 48, "buffer_size": 20, **options})


def names_in(batches):
    """Which documents the rows are from; the word of a document stands first."""
    return [row["input_ids"][1] - 6 for batch in batches for row in batch]


def passes(batches, count=2):
    """The batches of the first passes over a stream that has no end."""
    every = list(takewhile(lambda batch: batch[0]["epoch"] < count, batches))
    return [[batch for batch in every if batch[0]["epoch"] == epoch] for epoch in range(count)]


@pytest.mark.parametrize("files", [1, 3])
def test_every_document_comes_once_in_each_pass_within_the_budget(stream, files):
    first, second = passes(batches_of(shuffled_share(stream(files), 0, 1)))
    for batches in (first, second):
        assert sorted(names_in(batches)) == list(range(COUNT))
        assert all(sum(len(row["input_ids"]) for row in batch) <= 48 for batch in batches)
        tokens = sum(len(row["input_ids"]) for batch in batches for row in batch)
        assert tokens == sum(3 + number % 7 for number in range(COUNT))
    assert names_in(first) != sorted(names_in(first))
    # Documents are shuffled anew, not only the batches of a buffer of 20 examples.
    assert set(names_in(first)[:20]) != set(names_in(second)[:20])


def test_a_seed_gives_the_same_stream_again_and_another_one_another(stream):
    def names(seed):
        first, second = passes(batches_of(shuffled_share(stream(2), 0, 1, seed=seed), seed=seed))
        return names_in(first + second)

    assert names(0) == names(0) != names(1)


@pytest.mark.parametrize("files", [1, 2, 3])
def test_two_processes_read_different_documents_and_all_of_them(stream, files):
    shares = [passes(batches_of(shuffled_share(stream(files), rank, 2))) for rank in range(2)]
    for first, second in zip(*shares, strict=True):
        assert min(len(names_in(first)), len(names_in(second))) >= COUNT // 2 - 2
        assert sorted(names_in(first) + names_in(second)) == list(range(COUNT))


@pytest.mark.slow
def test_workers_of_a_loader_share_the_files(stream):
    """Four workers and three files: one of them has nothing to read."""
    batches = batches_of(shuffled_share(stream(3), 0, 1))
    loader = DataLoader(batches, batch_size=None, num_workers=4)
    seen = []
    for batch in loader:
        seen.extend(names_in([[row for row in batch if row["epoch"] == 0]]))
        if len(seen) == COUNT:
            break
    assert sorted(seen) == list(range(COUNT))


@pytest.mark.lecture("S5-39")
def test_masks_follow_from_the_pass_that_a_row_names(stream):
    collate = DataCollatorForPretraining(TOKENIZER, mlm_probability=0.3, flatten=True)
    rows = [row for batch in passes(batches_of(stream(1)), 1)[0] for row in batch]
    drawn = []
    for epoch in (0, 1):
        named = collate([{**row, "epoch": epoch} for row in rows])
        told = DataCollatorForPretraining(TOKENIZER, mlm_probability=0.3, flatten=True)
        told.set_epoch(epoch)
        expected = told([{name: value for name, value in row.items() if name != "epoch"} for row in rows])
        assert set(named) == set(expected) and torch.equal(named["input_ids"], expected["input_ids"])
        drawn.append(named["labels"])
    assert not torch.equal(*drawn)


def test_texts_are_left_out_of_a_stream(stream):
    documents = stream(3)
    held_out = documents.take(10)
    kept = without_texts_of(documents, held_out)
    names = names_in([batch for batch in passes(batches_of(kept), 1)[0]])
    assert len(names) == COUNT - 10
    assert set(names) == set(range(COUNT)) - set(np.arange(10) * 3)  # the first file holds every third


def test_a_stream_that_gives_nothing_is_refused(stream):
    nothing = stream(1).filter(lambda row: False)
    with pytest.raises(ValueError, match="the stream gave no example; every process needs at least one document"):
        next(iter(batches_of(nothing)))
    with pytest.raises(ValueError, match=r"tokens, more than max_tokens \(5\)"):
        next(iter(batches_of(stream(1), max_tokens=5)))

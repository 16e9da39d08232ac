"""Pretraining on a corpus beyond memory: read while training, over and over, by one process or several.

    documents = load_documents(data_files={"train": files}, streaming=True)["train"]
    documents = shuffled_share(documents, rank, world_size, seed=0)
    batches = StreamedBatches(build_examples(documents, tokenizer), max_tokens=4096)     # for a DataLoader

Nothing knows how long a stream is, so `Trainer` needs `max_steps`, and the stream begins anew when it ends. It never
ends for one process before it does for another, whose share may be larger: in distributed training they would wait
for each other for ever.

Order comes from three places: the files, and the documents within a buffer, are shuffled by `datasets`, anew in every
pass; examples are put into batches of alike lengths within a second, smaller buffer. All of it follows from the seed,
so a resumed run that skips the batches it has seen goes on with those that it has not.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from itertools import count, islice

import numpy as np
import torch
from datasets import IterableDataset

from .flat_batches import TokenBudgetBatches


def shuffled_share(
    documents: IterableDataset, rank: int, world_size: int, seed: int = 0, buffer_size: int = 10_000
) -> IterableDataset:
    """The documents that one process of several reads, in random order. No document goes to two in one pass.

    Whole files where they can be dealt out evenly. Otherwise every process reads all documents and leaves those of
    the others aside before anything is encoded.

    Args:
        documents: streamed, the same in every process.
        rank, world_size: which process this is, from 0, and how many there are.
        seed: of the order, the same in every process.
        buffer_size: how many documents are shuffled at a time.
    """
    # Not split_dataset_by_node: where files cannot be dealt out it leaves aside what comes last, encoded examples.
    if documents.num_shards % world_size == 0:
        documents = documents.shard(world_size, rank, contiguous=False)
    else:
        documents = documents.filter(partial(_is_dealt_to, rank, world_size), with_indices=True)
    return documents.shuffle(seed=seed, buffer_size=buffer_size)


def _is_dealt_to(rank: int, world_size: int, row: dict, index: int) -> bool:
    return index % world_size == rank


class StreamedBatches(torch.utils.data.IterableDataset):
    """A stream of whole batches without an end: lists of rows of similar length, `max_tokens` tokens at most.

    Every pass over the examples reads each of them once; their column `epoch` says which pass it is, so that
    `DataCollatorForPretraining` masks anew in each. The workers of a data loader each read files of their own.

    Args:
        examples: a streamed data set with a column `input_ids`, as `build_examples` gives it.
        max_tokens: tokens in a batch.
        seed: of the order of the batches.
        buffer_size: how many examples are put into batches at a time; a few tokens of the budget are lost at the end
            of each buffer.

    Raises:
        ValueError: when iterated, if there is no example at all, or one longer than max_tokens.
    """

    def __init__(self, examples: IterableDataset, max_tokens: int, seed: int = 0, buffer_size: int = 4000):
        self.examples, self.max_tokens, self.seed, self.buffer_size = examples, max_tokens, seed, buffer_size

    def __iter__(self) -> Iterator[list[dict]]:
        # A copy: the epoch of a streamed data set is shared between the workers of a loader, which are not in step.
        examples = deepcopy(self.examples)
        for epoch in count():
            examples.set_epoch(epoch)
            stream = iter(examples)
            for number in count():
                rows = [{**row, "epoch": epoch} for row in islice(stream, self.buffer_size)]
                if not rows:
                    break
                random = np.random.default_rng([self.seed, epoch, number])
                batches = TokenBudgetBatches(rows, self.max_tokens, seed=int(random.integers(2**31)))
                for place in random.permutation(len(batches)).tolist():
                    yield batches[place]
            if number == 0:
                if torch.utils.data.get_worker_info() is None:
                    raise ValueError("the stream gave no example; every process needs at least one document of its own")
                return  # more workers than files: the others have them all

"""Endless batches from a corpus larger than memory, read during training by one process or several.

    documents = load_documents(data_files={"train": files}, streaming=True)["train"]
    documents = shuffled_share(documents, rank, world_size, seed=0)
    batches = StreamedBatches(build_examples(documents, tokenizer), max_tokens=4096)     # for a DataLoader

The length of a stream is unknown, so `Trainer` needs `max_steps`, and the stream restarts at its end. If it ended
instead, processes with larger shares would wait forever for the others.

`datasets` shuffles the files, and the documents within a buffer, in every pass. Examples are batched by length within
a second, smaller buffer. All randomness follows from the seed, so a resumed run that skips the batches it has seen
continues with the others.
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
    """Select one process's share of the documents, and shuffle it. The shares of a pass are disjoint.

    A share is a number of whole files if they divide evenly. Otherwise every process reads all documents and drops
    those of the others before encoding.

    Args:
        documents: streamed, the same in every process.
        rank, world_size: number of this process, from 0, and of all processes.
        seed: for the order, the same in every process.
        buffer_size: number of documents in the shuffle buffer.
    """
    # If files do not divide evenly, split_dataset_by_node drops rows at the end of the pipeline, after encoding them.
    if documents.num_shards % world_size == 0:
        documents = documents.shard(world_size, rank, contiguous=False)
    else:
        documents = documents.filter(partial(_is_in_share, rank, world_size), with_indices=True)
    return documents.shuffle(seed=seed, buffer_size=buffer_size)


def _is_in_share(rank: int, world_size: int, row: dict, index: int) -> bool:
    return index % world_size == rank


class StreamedBatches(torch.utils.data.IterableDataset):
    """An endless stream of batches: lists of rows of similar length, at most `max_tokens` tokens.

    Every pass reads each example once. The column `epoch` holds the number of the pass, for the masks of
    `DataCollatorForPretraining`. The workers of a data loader read different files.

    Args:
        examples: a streamed data set with a column `input_ids`, from `build_examples`.
        max_tokens: largest number of tokens in a batch.
        seed: for the order of the batches.
        buffer_size: number of examples that are batched together; the last batch of each buffer is not full.

    Raises:
        ValueError: on iteration, if there is no example, or one longer than max_tokens.
    """

    def __init__(self, examples: IterableDataset, max_tokens: int, seed: int = 0, buffer_size: int = 4000):
        self.examples, self.max_tokens, self.seed, self.buffer_size = examples, max_tokens, seed, buffer_size

    def __iter__(self) -> Iterator[list[dict]]:
        # A copy, as workers share the epoch of a streamed data set but may be in different passes.
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
                return  # there are more workers than files

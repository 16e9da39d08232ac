"""`Trainer` for packed batches, and predictions in the order of the data set.

`PackedTrainer` takes batches that are items of the data set (`data.TokenBudgetBatches`, `data.StreamedBatches`), each
of another shape; both pretraining scripts use it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import Trainer

from ..data.streaming import StreamedBatches
from .arguments import BatchPerItemArguments


@dataclass
class PackedTrainingArguments(BatchPerItemArguments):
    """Arguments of a training whose batches, also those of evaluation, are items of the data set."""

    def __post_init__(self):
        self.per_device_eval_batch_size = 1
        super().__post_init__()


class PackedTrainer(Trainer):
    """Two things that `Trainer` does for batches of equal shape only.

    Args:
        count: from the logits and labels of a batch to a few sums (1, n), which `compute_metrics` gets of all batches.
    """

    def __init__(self, *args, count: Callable, **kwargs):
        self.count = count
        super().__init__(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """A stream is already this process's share; accelerate would share it out once more."""
        if not isinstance(self.train_dataset, StreamedBatches):
            return super().get_train_dataloader()
        workers, pin = self.args.dataloader_num_workers, self.args.dataloader_pin_memory
        return DataLoader(self.train_dataset, collate_fn=self.data_collator, num_workers=workers, pin_memory=pin)

    def prediction_step(self, *args, **kwargs):
        """Count before anything is gathered: the batches of two processes differ in their number of rows and tokens."""
        loss, logits, labels = super().prediction_step(*args, **kwargs)
        counts = None if logits is None or labels is None else self.count(logits, labels)
        return loss, counts, counts


def longest_first(dataset: Dataset) -> np.ndarray:
    """Places of the rows (rows,), by falling length of `input_ids`: the order in which to score them.

    Every batch leaves small results in memory, and a longer batch never fits into the holes between them: shortest
    first, the heap grew past 12 GiB over IMDB's 25,000 test reviews.
    """
    return np.argsort([-len(ids) for ids in dataset["input_ids"]], kind="stable")


def predict_in_order(trainer: Trainer, dataset: Dataset) -> np.ndarray:
    """The logits of `Trainer.predict`, row i for row i of the data set.

    With `train_sampling_strategy="group_by_length"` transformers also shuffles what it evaluates, and returns the
    predictions in that order. Here the rows are sorted by length, which saves the same padding, and put back.

    Args:
        trainer: holds the model and the batch size.
        dataset: encoded rows with a column `input_ids`.

    Returns:
        (rows, C).
    """
    order = longest_first(dataset)
    strategy, trainer.args.train_sampling_strategy = trainer.args.train_sampling_strategy, "sequential"
    try:
        predictions = trainer.predict(dataset.select(order)).predictions
    finally:
        trainer.args.train_sampling_strategy = strategy
    logits = np.empty_like(predictions)
    logits[order] = predictions
    return logits

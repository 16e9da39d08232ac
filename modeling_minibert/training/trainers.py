"""A `Trainer` for packed batches, and predictions in the order of the data set.

`PackedTrainer` takes data sets whose items are whole batches of varying shape (`data.TokenBudgetBatches`,
`data.StreamedBatches`). Both pretraining scripts use it.
"""

from collections.abc import Callable

import numpy as np
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import Trainer

from ..data.streaming import StreamedBatches


class PackedTrainer(Trainer):
    """A `Trainer` for batches of varying shape: it reads streams and gathers sums in place of logits.

    Args:
        count: maps the logits and labels of a batch to n sums (1, n); `compute_metrics` receives those of all batches.
    """

    def __init__(self, *args, count: Callable, **kwargs):
        self.count = count
        super().__init__(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """Return a plain loader for a stream, which accelerate would divide among the processes a second time."""
        if not isinstance(self.train_dataset, StreamedBatches):
            return super().get_train_dataloader()
        workers, pin = self.args.dataloader_num_workers, self.args.dataloader_pin_memory
        return DataLoader(self.train_dataset, collate_fn=self.data_collator, num_workers=workers, pin_memory=pin)

    def prediction_step(self, *args, **kwargs):
        """Apply `count` before gathering, because the batches of two processes differ in shape."""
        loss, logits, labels = super().prediction_step(*args, **kwargs)
        counts = None if logits is None or labels is None else self.count(logits, labels)
        return loss, counts, counts


def longest_first(dataset: Dataset) -> np.ndarray:
    """Row indices (rows,), sorted by decreasing length of `input_ids`.

    Shortest first fragments the heap: each batch is longer than the freed blocks of the one before. Over IMDB's 25,000
    test reviews it grew past 12 GiB.
    """
    return np.argsort([-len(ids) for ids in dataset["input_ids"]], kind="stable")


def predict_in_order(trainer: Trainer, dataset: Dataset) -> np.ndarray:
    """Predict, and return the logits in the order of the data set.

    With `train_sampling_strategy="group_by_length"` transformers shuffles the evaluation set too, and returns the
    predictions in that order. Sorting by length saves as much padding, and can be undone.

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

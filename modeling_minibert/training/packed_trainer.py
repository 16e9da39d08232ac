"""`Trainer` for batches that come ready made: packed, several rows in one, each of another shape.

Used by both pretraining scripts, with `data.TokenBudgetBatches` or `data.StreamedBatches` as data set.
"""

from collections.abc import Callable
from dataclasses import dataclass

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

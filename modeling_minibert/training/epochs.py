"""Telling data which epoch it is."""

from transformers import TrainerCallback


class SetEpoch(TrainerCallback):
    """Call `set_epoch` of data sets and collators at the start of every epoch, also of one that is resumed.

    `Trainer` tells the sampler, the data set only in a single process, and the collator never; without it,
    `DataCollatorForPretraining` draws the same masks in every epoch. Not for `dataloader_persistent_workers`, whose
    workers keep the collator of the first epoch.

    Args:
        listeners: whatever has a method `set_epoch`.
    """

    def __init__(self, *listeners):
        self.listeners = listeners

    def on_epoch_begin(self, args, state, control, **kwargs):
        # state.epoch counts on within an epoch: 2.37 when resumed there.
        epoch = int((state.epoch or 0.0) + 1e-6)
        for listener in self.listeners:
            listener.set_epoch(epoch)

"""Callbacks of `Trainer`: progress a person can read, the number of the epoch, and a check of the warm-up.

step 780/3,110   loss 0.412   8.1 steps/s   4 min left
epoch 1 of 4   validation accuracy 88.1%   macro_f1 88.1%
"""

import time
import warnings

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

NO_SHARES = ("loss", "perplexity", "bleu", "chrf", "rouge1", "rouge2", "rougeL")  # scores that are not shares of 1


class ProgressLines(TrainerCallback):
    """Prints the lines above, in place of transformers' own output, and warns of a warm-up that never ends."""

    last_evaluation = None  # the step and what was printed

    def on_train_begin(self, args, state, control, **kwargs):
        check_warmup(args, state.max_steps)
        self.started, self.first_step = time.monotonic(), state.global_step

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        rate = self.rate(state)
        parts = "".join(f"{name} {logs[name]:.3f}   " for name in ("supervised_loss", "lm_loss") if name in logs)
        print(
            f"step {state.global_step:,}/{state.max_steps:,}   loss {float(logs['loss']):.3f}   {parts}"
            f"{rate:.1f} steps/s   {time_left(state, rate)}",
            flush=True,
        )

    def rate(self, state) -> float:
        """Updates per second since this run was started or resumed."""
        return (state.global_step - self.first_step) / max(time.monotonic() - self.started, 1e-9)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if not state.is_world_process_zero or not metrics:
            return
        # Trainer adds its own loss and timing to the metrics; what is left are losses and shares of 1.
        timing = ("eval_loss", "runtime", "per_second")
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items() if not name.endswith(timing)}
        scores.pop("epoch", None)
        line = "   ".join(
            f"{name} {value:.3f}" if name.endswith(NO_SHARES) else f"{name} {value:.1%}"
            for name, value in scores.items()
            if isinstance(value, float)
        )
        epoch = f"epoch {state.epoch or 0:.0f} of {args.num_train_epochs:g}"
        place = f"step {state.global_step:,}/{state.max_steps:,}" if args.max_steps > 0 else epoch
        # A script that evaluates once more when the training has just done so says nothing new.
        if self.last_evaluation != (state.global_step, f"{place}   {line}"):
            print(f"{place}   validation {line}", flush=True)
        self.last_evaluation = (state.global_step, f"{place}   {line}")


def show_progress_lines(trainer: Trainer, lines: ProgressLines | None = None) -> None:
    """Replace the progress bar and the dictionaries that `Trainer` prints by `ProgressLines`, or a kind of it."""
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    # First, so that what it adds to a log reaches TensorBoard as well.
    trainer.callback_handler.callbacks.insert(0, lines or ProgressLines())


def time_left(state, rate: float) -> str:
    """'45 s left' or '12 min left', at `rate` updates per second."""
    seconds = (state.max_steps - state.global_step) / max(rate, 1e-9)
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


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


def check_warmup(args: TrainingArguments, total_steps: int) -> None:
    """Warn of a warm-up that is as long as the whole run: the learning rate would never reach its value.

    Args:
        args: with `warmup_steps`, a number of steps, or below 1 a share of all.
        total_steps: updates of the whole run.

    Warns:
        UserWarning: names both numbers, and the share of the learning rate that the last update has.
    """
    warmup = args.get_warmup_steps(total_steps)
    if args.lr_scheduler_type != "constant" and warmup >= total_steps > 0:
        warnings.warn(
            f"the warm-up ({warmup} steps) is not shorter than the training ({total_steps} steps): the learning rate "
            f"gets to {(total_steps - 1) / warmup:.0%} of {args.learning_rate}; set --warmup_steps to a share, as 0.1",
            stacklevel=2,
        )

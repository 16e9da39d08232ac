"""Callbacks for `Trainer`: readable progress lines, the epoch number for data sets, and a check of the warm-up.

step 780/3,110   loss 0.412   8.1 steps/s   4 min left
epoch 1 of 4   validation accuracy 88.1%   macro_f1 88.1%
kept: epoch 1, with the best validation macro_f1
"""

import time
import warnings

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

# Scores that are printed as plain numbers.
NOT_PERCENT = ("loss", "perplexity", "bleu", "chrf", "rouge1", "rouge2", "rougeL", "mse", "pearson", "spearman")


class ProgressLines(TrainerCallback):
    """Print the lines above, and warn if the warm-up is as long as the run."""

    last_evaluation = None  # its step and printed line

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

    def on_train_end(self, args, state, control, **kwargs):
        """Say which of several evaluations had the weights that the run ends with."""
        evaluated = [entry for entry in state.log_history if any(name.startswith("eval_") for name in entry)]
        best = [entry for entry in evaluated if entry["step"] == state.best_global_step]
        if not (args.load_best_model_at_end and state.is_world_process_zero and best and len(evaluated) > 1):
            return
        place = f"step {best[0]['step']:,}" if args.max_steps > 0 else f"epoch {best[0].get('epoch', 0):.0f}"
        measure = (args.metric_for_best_model or "loss").removeprefix("eval_")
        print(f"kept: {place}, with the best validation {measure}", flush=True)

    def rate(self, state) -> float:
        """Updates per second since this run was started or resumed."""
        return (state.global_step - self.first_step) / max(time.monotonic() - self.started, 1e-9)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if not state.is_world_process_zero or not metrics:
            return
        # `Trainer` adds its own loss and timings to the metrics.
        timing = ("eval_loss", "runtime", "per_second")
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items() if not name.endswith(timing)}
        scores.pop("epoch", None)
        line = "   ".join(
            f"{name} {value:.3f}" if name.endswith(NOT_PERCENT) else f"{name} {value:.1%}"
            for name, value in scores.items()
            if isinstance(value, float)
        )
        epoch = f"epoch {state.epoch or 0:.0f} of {args.num_train_epochs:g}"
        place = f"step {state.global_step:,}/{state.max_steps:,}" if args.max_steps > 0 else epoch
        # Print once if a script evaluates again after the last step.
        if self.last_evaluation != (state.global_step, f"{place}   {line}"):
            print(f"{place}   validation {line}", flush=True)
        self.last_evaluation = (state.global_step, f"{place}   {line}")


def show_progress_lines(trainer: Trainer, lines: ProgressLines | None = None) -> None:
    """Replace the progress bar and the dictionaries that `Trainer` prints by `lines`."""
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    # In first place, so that entries it adds to the log reach TensorBoard.
    trainer.callback_handler.callbacks.insert(0, lines or ProgressLines())


def time_left(state, rate: float) -> str:
    """Format the remaining time at `rate` updates per second: '45 s left' or '12 min left'."""
    seconds = (state.max_steps - state.global_step) / max(rate, 1e-9)
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


class SetEpoch(TrainerCallback):
    """Call `set_epoch` of data sets and collators at the start of every epoch, also of a resumed one.

    `Trainer` calls it for the sampler, for the data set only in a single process, and never for the collator. Without
    it, `DataCollatorForPretraining` draws the same masks in every epoch. It has no effect on the workers of
    `dataloader_persistent_workers`, which keep the collator of the first epoch.

    Args:
        listeners: objects with a method `set_epoch`.
    """

    def __init__(self, *listeners):
        self.listeners = listeners

    def on_epoch_begin(self, args, state, control, **kwargs):
        # state.epoch is fractional when a run resumes within an epoch, as in 2.37.
        epoch = int((state.epoch or 0.0) + 1e-6)
        for listener in self.listeners:
            listener.set_epoch(epoch)


def check_warmup(args: TrainingArguments, total_steps: int) -> None:
    """Warn if the warm-up is as long as the run, so that the learning rate never reaches its full value.

    Args:
        args: with `warmup_steps`, a number of steps, or a share of all if below 1.
        total_steps: updates of the whole run.

    Warns:
        UserWarning: with both numbers, and the share of the learning rate at the last update.
    """
    warmup = args.get_warmup_steps(total_steps)
    if args.lr_scheduler_type != "constant" and warmup >= total_steps > 0:
        warnings.warn(
            f"the warm-up ({warmup} steps) is not shorter than the training ({total_steps} steps): the learning rate "
            f"reaches {(total_steps - 1) / warmup:.0%} of {args.learning_rate}; set --warmup_steps to 0.1 or so",
            stacklevel=2,
        )

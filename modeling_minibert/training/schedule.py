"""The learning rate over a run: does it get where it was meant to?

With a warm-up, transformers gives the first update the rate 0: one update of a run changes nothing.
"""

import warnings

from transformers import TrainingArguments


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

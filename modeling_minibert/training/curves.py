"""The course of a training run as a picture."""

from pathlib import Path

from matplotlib.figure import Figure


def plot_training_curve(log_history: list[dict], path: str | Path, metric: str = "accuracy") -> Path:
    """Draw the training loss, and beside it the validation loss and a score, over the updates.

    Args:
        log_history: `trainer.state.log_history`, or that of a saved trainer_state.json.
        path: where the picture goes, such as loss.png.
        metric: the validation score to draw, without "eval_".

    Returns:
        The path.
    """
    # Not through pyplot, which would meddle with the windows or the notebook of the caller.
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for axes, key, label in (
        (losses, "loss", "training"),
        (losses, "eval_loss", "validation"),
        (scores, f"eval_{metric}", None),
    ):
        points = [(entry["step"], float(entry[key])) for entry in log_history if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
    losses.set(xlabel="updates", ylabel="loss")
    losses.legend()
    scores.set(xlabel="updates", ylabel=f"validation {metric}")
    figure.savefig(path, dpi=120)
    return Path(path)

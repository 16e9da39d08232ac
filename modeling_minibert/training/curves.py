"""The course of a training run as a picture, saved beside its model."""

from pathlib import Path

from ..explain.training_curves import plot_log


def plot_training_curve(log_history: list[dict], path: str | Path) -> Path:
    """Draw the losses, every validation score and the learning rate over the updates.

    Args:
        log_history: `trainer.state.log_history`, or that of a saved trainer_state.json.
        path: where the picture goes, such as loss.png.

    Returns:
        The path.
    """
    plot_log(log_history).savefig(path, dpi=120)
    return Path(path)

"""Plot training curves from the log of `Trainer`, and the gradient norm at each layer.

    python -m modeling_minibert.training.training_curves out/classifier --out curves.png

draws the losses, every validation score and the learning rate, with a line at the step whose weights were kept.
`layer_gradients` and `plot_layer_gradients` show how
much of the gradient of one batch reaches each layer.

Sources on gradients in residual networks: He et al. 2016; Vaswani et al. 2017, section 3.1; the lectures' row S5-16.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.trainer import TRAINER_STATE_NAME

from tokenization.console import OneLineParser, run_command

NOT_A_SCORE = re.compile(r"loss$|runtime$|per_second$|model_preparation_time$")  # among the keys eval_…


def read_state(path: str | Path) -> dict:
    """Read the state of a run from a trainer_state.json, its folder, or the newest checkpoint-… in a folder.

    Raises:
        ValueError: there is no such file, or the log is empty.
    """
    path = Path(path)
    checkpoints = sorted(path.glob(f"checkpoint-*/{TRAINER_STATE_NAME}"), key=lambda file: int(file.parent.name[11:]))
    candidates = [path, path / TRAINER_STATE_NAME, *reversed(checkpoints)]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise ValueError(
            f"there is no {TRAINER_STATE_NAME} in {path} or in a checkpoint of it; give the output folder of a run, "
            "and call trainer.save_state() at its end"
        )
    state = json.loads(file.read_text(encoding="utf-8"))
    if not state["log_history"]:
        raise ValueError(f"{file} is empty: the run has logged nothing; set logging_steps lower")
    return state


def read_log(path: str | Path) -> list[dict]:
    """Read the log of a run; see `read_state`."""
    return read_state(path)["log_history"]


def curves(log: list[dict]) -> dict[str, tuple[list[int], list[float]]]:
    """Collect the steps and values of each logged quantity: `steps, losses = curves(log)["eval_loss"]`."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for entry in log:
        for name, value in entry.items():
            if name not in ("step", "epoch") and isinstance(value, (int, float)):
                steps, values = found.setdefault(name, ([], []))
                steps.append(entry["step"])
                values.append(float(value))
    return found


def plot_log(log: list[dict], kept: int | None = None) -> Figure:
    """Plot the losses, the validation scores and the learning rate, one panel each.

    Scores between 0 and 1 share a panel; every other score, like a perplexity, gets one. A line marks the step `kept`.
    """
    found = curves(log)
    losses = [name for name in found if name.endswith("loss") and name != "train_loss"]  # a single mean
    scores = [name for name in found if name.startswith("eval_") and not NOT_A_SCORE.search(name)]
    shares = [name for name in scores if 0.0 <= min(found[name][1]) and max(found[name][1]) <= 1.0]
    panels = {"loss": losses, "validation score": shares}
    panels |= {name.removeprefix("eval_"): [name] for name in scores if name not in shares}
    panels |= {"learning rate": [name for name in found if name == "learning_rate"]}
    # A run shorter than its logging_steps has no loss; its plot is empty.
    panels = {label: names for label, names in panels.items() if names} or {"loss": []}
    figure = Figure(figsize=(4.5 * len(panels), 3.4), layout="constrained")
    for axes, (label, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name in names:
            axes.plot(*found[name], marker=".", label=_legend(name))
        axes.set(xlabel="updates", ylabel=label)
        if kept is not None and names:
            axes.axvline(kept, color="gray", linestyle=":", label="kept")
        if names:
            axes.legend()
    return figure


def _legend(name: str) -> str:
    """Name of a curve: loss → training; eval_loss → validation; mlm_loss → training mlm loss; eval_f1 → f1."""
    words = name.removeprefix("eval_").replace("_", " ")
    if not name.endswith("loss"):
        return words
    split = "validation" if name.startswith("eval_") else "training"
    return split if words == "loss" else f"{split} {words}"


def plot_training_curve(log_history: list[dict], path: str | Path, kept: int | None = None) -> Path:
    """Save the figure of `plot_log`, and return its path.

    Args:
        log_history: `trainer.state.log_history`, or the list that `read_log` returns.
        path: the image file; png, svg or pdf by its ending.
        kept: the step whose weights the run ended with, `trainer.state.best_global_step`; None marks nothing.
    """
    plot_log(log_history, kept).savefig(path, dpi=120)
    return Path(path)


def layer_gradients(model: PreTrainedModel, **inputs: torch.Tensor) -> list[float]:
    """Norm of the loss gradient before the first layer and after each layer, for one batch.

    Args:
        model: any model whose layers are transformers' `GradientCheckpointingLayer`s (ours, BERT, GPT-2, …).
        inputs: a batch with labels.

    Returns:
        num_hidden_layers + 1 Euclidean norms over all tokens and features.

    Raises:
        ValueError: the batch has no labels.
    """
    states = []

    def keep(layer, arguments, output):
        if not states:
            states.append(arguments[0])
        states.append(output[0] if isinstance(output, tuple) else output)

    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        loss = model(**inputs).loss
    finally:
        for hook in hooks:
            hook.remove()
    if loss is None:
        raise ValueError(f"the inputs {sorted(inputs)} give no loss; add labels")
    return [float(gradient.norm()) for gradient in torch.autograd.grad(loss, states)]


def plot_layer_gradients(norms: Mapping[str, list[float]]) -> Figure:
    """Plot the norms of `layer_gradients`, one line per model, on a logarithmic axis; layer 0 is the embeddings."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, values in norms.items():
        axes.plot(values, marker="o", label=name)
    axes.set(xlabel="layer", ylabel="norm of the gradient", yscale="log")
    axes.legend()
    return figure


def main():
    """Plot the log of a run and save the figure."""
    parser = OneLineParser(description="Plot the training curves of a Trainer run.")
    parser.add_argument("run", help="output folder of the run, or a trainer_state.json")
    parser.add_argument("--out", default="curves.png", help="image file; png, svg or pdf by its ending")
    args = parser.parse_args()
    state = read_state(args.run)
    log = state["log_history"]
    plot_training_curve(log, args.out, state.get("best_global_step"))
    print(f"{len(log)} log entries up to update {log[-1]['step']}: {args.out}")


if __name__ == "__main__":
    run_command(main)

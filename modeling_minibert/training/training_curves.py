"""Training curves from the log that `Trainer` keeps in trainer_state.json.

    python -m modeling_minibert.training.training_curves out/classifier --out curves.png

draws the losses, every validation score and the learning rate over the updates. `layer_gradients` and
`plot_layer_gradients` look at one step instead: how much of the gradient reaches each layer.

Sources: the flow of the gradient through residual connections, the lectures' row S5-16; He et al. 2016, Vaswani et al.
2017, section 3.1.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

TRAINER_STATE_NAME = "trainer_state.json"
NO_SCORES = re.compile(r"loss$|runtime$|per_second$|model_preparation_time$")  # of the keys eval_…


def read_log(path: str | Path) -> list[dict]:
    """The log of a run: from a trainer_state.json, the folder it is in, or a folder with checkpoint-… folders.

    Raises:
        ValueError: there is none, or the run has logged nothing.
    """
    path = Path(path)
    checkpoints = sorted(path.glob(f"checkpoint-*/{TRAINER_STATE_NAME}"), key=lambda file: int(file.parent.name[11:]))
    candidates = [path, path / TRAINER_STATE_NAME, *reversed(checkpoints)]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise ValueError(
            f"there is no {TRAINER_STATE_NAME} in {path} or in a checkpoint of it; name a folder that `Trainer` has "
            "saved into, and call trainer.save_state() at the end of a run"
        )
    log = json.loads(file.read_text(encoding="utf-8"))["log_history"]
    if not log:
        raise ValueError(f"{file} is empty: the run has logged nothing; set logging_steps lower")
    return log


def curves(log: list[dict]) -> dict[str, tuple[list[int], list[float]]]:
    """Each logged quantity as its updates and values, such as `curves(log)["eval_loss"]`."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for entry in log:
        for name, value in entry.items():
            if name not in ("step", "epoch") and isinstance(value, (int, float)):
                steps, values = found.setdefault(name, ([], []))
                steps.append(entry["step"])
                values.append(float(value))
    return found


def plot_log(log: list[dict]) -> Figure:
    """Draw the losses, the validation scores and the learning rate, a panel each.

    Scores between 0 and 1 share a panel; each of the others, such as a perplexity, has its own.
    """
    found = curves(log)
    losses = [name for name in found if name.endswith("loss") and name != "train_loss"]  # that one is a mean, no curve
    scores = [name for name in found if name.startswith("eval_") and not NO_SCORES.search(name)]
    shares = [name for name in scores if 0.0 <= min(found[name][1]) and max(found[name][1]) <= 1.0]
    panels = {"loss": losses, "validation score": shares}
    panels |= {name.removeprefix("eval_"): [name] for name in scores if name not in shares}
    panels |= {"learning rate": [name for name in found if name == "learning_rate"]}
    # A run that was shorter than its logging_steps has logged no loss; its picture is empty, and nothing fails.
    panels = {label: names for label, names in panels.items() if names} or {"loss": []}
    figure = Figure(figsize=(4.5 * len(panels), 3.4), layout="constrained")
    for axes, (label, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name in names:
            axes.plot(*found[name], marker=".", label=_curve_name(name))
        axes.set(xlabel="updates", ylabel=label)
        if names:
            axes.legend()
    return figure


def _curve_name(name: str) -> str:
    """loss → training; eval_loss → validation; mlm_loss → training mlm loss; eval_macro_f1 → macro f1."""
    words = name.removeprefix("eval_").replace("_", " ")
    if not name.endswith("loss"):
        return words
    split = "validation" if name.startswith("eval_") else "training"
    return split if words == "loss" else f"{split} {words}"


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


def layer_gradients(model: PreTrainedModel, **inputs: torch.Tensor) -> list[float]:
    """The size of the loss's gradient before the first layer and behind each, for one batch.

    Args:
        model: ours, BERT, GPT-2, or any model whose layers are transformers' `GradientCheckpointingLayer`s in a row.
        inputs: a batch with labels.

    Returns:
        num_hidden_layers + 1 Euclidean norms over all tokens and features.

    Raises:
        ValueError: the batch has no labels, so there is no loss.
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
    """Draw one line per model from `layer_gradients`, with a logarithmic axis; 0 stands for the embeddings."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, values in norms.items():
        axes.plot(values, marker="o", label=name)
    axes.set(xlabel="layer", ylabel="norm of the gradient", yscale="log")
    axes.legend()
    return figure


def main():
    """Read, draw, save."""
    parser = argparse.ArgumentParser(description="Draw the training curves of a run of Trainer.")
    parser.add_argument("run", help="a folder that Trainer has saved into, or a trainer_state.json")
    parser.add_argument("--out", default="curves.png", help="the picture; png, svg or pdf by its ending")
    args = parser.parse_args()
    log = read_log(args.run)
    plot_log(log).savefig(args.out, dpi=120)
    print(f"{len(log)} log entries up to update {log[-1]['step']}: {args.out}")


if __name__ == "__main__":
    main()

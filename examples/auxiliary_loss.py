"""Compare fine-tuning a decoder on few labels with and without an added next-token loss (weight λ).

    python examples/pretrain_minigpt.py --train_file corpus.txt --output_dir out/minigpt
    python examples/auxiliary_loss.py --model_name_or_path out/minigpt --train_file train.csv --test_file test.csv

Each seed draws labelled texts by class; the other train texts are used without their labels. Each seed has three runs:
λ = 0, λ = `--weight` on the labelled texts, and λ = `--weight` on the unlabelled texts. A run is one of
examples/finetune_classifier.py, which takes all other arguments (`--learning_rate` among them). The last epoch counts.
For a fair comparison, choose the learning rate for λ = 0 first.

It prints one line per run, then the test macro-F1 of each seed, the means, and the differences to λ = 0 seed by seed,
and writes auxiliary_loss.json into `--output_dir`. A second start skips the finished runs.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from classifier_runs import LAST_EPOCH, Run, check_checkpoint, check_finished, run_all, save_rows
from learning_curve import LabelledFiles, layout_flags, read_labels, stratified_order
from transformers.hf_argparser import HfArg

from modeling_minibert.training.script_arguments import ScriptParser, run_script

KINDS = ("zero", "same_texts", "unlabelled")


@dataclass
class ComparisonArguments(LabelledFiles):
    """The comparison to make."""

    model_name_or_path: str = HfArg(default="out/minigpt", help="the language model to start from")
    labels: int = HfArg(default=100, help="number of labelled texts")
    seeds: int = HfArg(default=5, help="runs of each kind")
    weight: float = HfArg(default=0.5, help="λ of the runs with the added loss")
    num_train_epochs: int = HfArg(default=30, help="passes over the labelled texts")
    output_dir: str = HfArg(default="out/auxiliary_loss", help="where everything is saved")


def plan_runs(args: ComparisonArguments, rest: list[str]) -> list[Run]:
    """Draw the labelled texts of every seed, and list all runs."""
    out, train = Path(args.output_dir), read_labels(args)
    runs = []
    for seed in range(args.seeds):
        order = stratified_order(train["label"], seed)
        labelled = save_rows(train.select(order[: args.labels]), out, f"labelled-{seed}")
        unlabelled = save_rows(train.select(order[args.labels :]).select_columns(["text"]), out, f"unlabelled-{seed}")
        # The validation split is not used, but without one a tenth of the few labels would be set apart.
        flags = [
            "--model_name_or_path", args.model_name_or_path, "--train_file", labelled, "--validation_file", labelled,
            "--test_file", args.test_file, "--seed", str(seed), "--num_train_epochs", str(args.num_train_epochs),
            *LAST_EPOCH, *layout_flags(args), *rest,
        ]  # fmt: skip
        weight = ["--auxiliary_lm_weight", str(args.weight)]
        for kind, more in zip(KINDS, ([], weight, [*weight, "--unlabelled_file", unlabelled]), strict=True):
            runs.append(Run(out / f"{kind}-{seed}", [*flags, *more]))
    return runs


def compare(folder: Path, seeds: int) -> dict[str, dict]:
    """Collect kind → the score of each seed, and its difference to λ = 0 with the same seed."""

    def macro_f1(kind: str, seed: int) -> float:
        return json.loads((folder / f"{kind}-{seed}/all_results.json").read_text())["single_pass"]["macro_f1"]

    scores = {kind: np.array([macro_f1(kind, seed) for seed in range(seeds)]) for kind in KINDS}
    return {
        kind: {"macro_f1": list(values), "difference": list(values - scores["zero"])} for kind, values in scores.items()
    }


def table(results: dict[str, dict]) -> str:
    """Format a line per kind: the score of each seed, their mean ± standard deviation, and that of the difference."""
    lines = [f"{'macro-F1':12}{'by seed':^42}{'mean':>14}   difference"]
    for kind, result in results.items():
        seeds = " ".join(f"{score:7.1%}" for score in result["macro_f1"])
        mean, difference = (_mean(result[name]) for name in ("macro_f1", "difference"))
        lines.append(f"{kind:12}{seeds:^42}{mean:>14}   {difference}")
    return "\n".join(lines)


def _mean(values: list[float]) -> str:
    deviation = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{deviation}"


def main():
    """Run everything, and print and save the table."""
    args, rest = ScriptParser(ComparisonArguments).parse_args_into_dataclasses(return_remaining_strings=True)
    check_checkpoint(args.model_name_or_path)
    runs = plan_runs(args, rest)
    check_finished(runs)
    run_all(runs, all_needed=True)
    results = compare(Path(args.output_dir), args.seeds)
    (Path(args.output_dir) / "auxiliary_loss.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command skips the finished runs")

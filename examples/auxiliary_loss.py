"""Does λ help? Fine-tune a decoder on few labels with and without the next-token loss, over several seeds.

    python examples/pretrain_minigpt.py --train_file corpus.txt --output_dir out/minigpt
    python examples/auxiliary_loss.py --model_name_or_path out/minigpt --train_file train.csv --test_file test.csv

Each seed draws its own labelled texts, by class; the other train texts are used without their labels. For each seed, λ
is 0, then `--weight` on the labelled texts themselves, then `--weight` on the texts without labels. Every run is one of
examples/finetune_classifier.py, which gets all arguments that are not listed here, such as `--learning_rate`. Nothing
is chosen by validation, the last epoch counts; choose the learning rate for λ = 0 before, or the comparison is unfair.

It prints one line per run, then the test macro-F1 of each seed, the means, and the differences to λ = 0 seed by seed,
and writes auxiliary_loss.json into `--output_dir`. Stopped, it goes on where it was.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import transformers
from classifier_runs import Run, check_checkpoint, check_finished, run_all, save_rows
from learning_curve import read_labels, stratified_order
from transformers import HfArgumentParser

HERE = Path(__file__).parent
KINDS = ("zero", "same_texts", "unlabelled")


@dataclass
class ComparisonArguments:
    """What to compare, on what."""

    model_name_or_path: str = field(default="out/minigpt", metadata={"help": "the language model to start from"})
    train_file: str = field(
        default=str(HERE / "data/opinions/train.csv"), metadata={"help": "with the columns text and label"}
    )
    test_file: str = field(default=str(HERE / "data/opinions/test.csv"), metadata={"help": "scored after each run"})
    labels: int = field(default=100, metadata={"help": "number of labelled texts"})
    seeds: int = field(default=5, metadata={"help": "runs of each kind"})
    weight: float = field(default=0.5, metadata={"help": "λ, where it is not 0"})
    num_train_epochs: int = field(default=30, metadata={"help": "passes over the labelled texts"})
    output_dir: str = field(default="out/auxiliary_loss", metadata={"help": "where everything is saved"})


def plan_runs(args: ComparisonArguments, rest: list[str]) -> list[Run]:
    """Draw the labelled texts of every seed, and write down all runs."""
    out, train = Path(args.output_dir), read_labels(args)
    runs = []
    for seed in range(args.seeds):
        order = stratified_order(train["label"], seed)
        labelled = save_rows(train.select(order[: args.labels]), out, f"labelled-{seed}")
        unlabelled = save_rows(train.select(order[args.labels :]).select_columns(["text"]), out, f"unlabelled-{seed}")
        # The validation split is never looked at; without one, a tenth of the few labels would be set apart for it.
        flags = [
            "--model_name_or_path", args.model_name_or_path, "--train_file", labelled, "--validation_file", labelled,
            "--test_file", args.test_file, "--seed", str(seed), "--num_train_epochs", str(args.num_train_epochs),
            "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false", "--report_to",
            "none", *rest,
        ]  # fmt: skip
        weight = ["--auxiliary_lm_weight", str(args.weight)]
        for kind, more in zip(KINDS, ([], weight, [*weight, "--unlabelled_file", unlabelled]), strict=True):
            runs.append(Run(out / f"{kind}-{seed}", [*flags, *more]))
    return runs


def compare(folder: Path, seeds: int) -> dict[str, dict]:
    """kind → the score of each seed, their mean, and the differences to λ = 0 of the same seed."""
    scores = {
        kind: np.array(
            [
                json.loads((folder / f"{kind}-{seed}/all_results.json").read_text())["single_pass"]["macro_f1"]
                for seed in range(seeds)
            ]
        )
        for kind in KINDS
    }
    return {
        kind: {"macro_f1": list(values), "difference": list(values - scores["zero"])} for kind, values in scores.items()
    }


def table(results: dict[str, dict]) -> str:
    """A line per kind: every seed, mean ± standard deviation, and the same of the difference to λ = 0."""
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
    """Run the steps that the module describes."""
    args, rest = HfArgumentParser(ComparisonArguments).parse_args_into_dataclasses(return_remaining_strings=True)
    check_checkpoint(args.model_name_or_path)
    runs = plan_runs(args, rest)
    check_finished(runs)
    if failed := run_all(runs):
        raise SystemExit(f"{len(failed)} runs failed; start again to repeat them")
    results = compare(Path(args.output_dir), args.seeds)
    (Path(args.output_dir) / "auxiliary_loss.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without λ prints ? instead of failing
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    main()

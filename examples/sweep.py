"""Try every combination of learning rate, batch size and epochs, and rank them by the validation split.

    python examples/sweep.py

trains small MiniBerts on the opinions of `examples/data/opinions`, offline, in two and a half minutes of CPU time:

    rank  learning_rate  batch  epochs  seeds  macro_f1                accuracy                seconds
       1          0.001     16       3      1  60.9 % (50.6 to 69.6)   60.9 % (51.1 to 69.6)       192
       2          0.001     32       3      1  57.7 % (46.4 to 67.3)   58.7 % (47.8 to 68.5)        81
       3          0.003     16       3      1  49.8 % (39.0 to 60.3)   52.2 % (41.3 to 63.0)       156
       4          0.003     32       3      1  33.3 % (28.7 to 37.4)   50.0 % (40.2 to 59.8)       111

(the seconds of a busy machine; in brackets the 95 % bootstrap interval of one seed, so wide with 92 texts that such a
ranking needs more seeds and more text). On your own data:

    python examples/sweep.py --model_name_or_path bert-base-uncased --train_file train.csv --seed 0 1 2
    python examples/sweep.py --recipe examples/recipes/imdb_tiny.args --train_file train.csv --learning_rate 3e-4 1e-3

A checkpoint gets the lectures' grid: 2e-5, 3e-5 x 8, 16 x 2, 3, 4 epochs, which is Devlin et al. 2019, appendix A.3,
without its largest learning rate and batch. All other flags go to `finetune_classifier.py`.

The runs read the train and validation splits only; train texts that are also test texts are removed first. The score of
a run is that of its best epoch. The best of many settings looks better than it is, so score the winner on the test
split, once.

The table is written to sweep.json and sweep.csv in `--output_dir`, where every run keeps its model. A second start
skips the finished runs and gives the same ranking; on one machine so does a new start.
"""

import csv
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from classifier_runs import (
    Run,
    check_checkpoint,
    check_finished,
    check_values,
    describe,
    parse_with_data,
    run_all,
    save_splits,
    score_runs,
)
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig
from modeling_minibert.training import classifier
from modeling_minibert.training.script_arguments import run_script

GRID = ("learning_rate", "per_device_train_batch_size", "num_train_epochs")
LECTURE_GRID = {"learning_rate": [2e-5, 3e-5], "per_device_train_batch_size": [8, 16], "num_train_epochs": [2, 3, 4]}
SMALL_GRID = {"learning_rate": [1e-3, 3e-3], "per_device_train_batch_size": [16, 32], "num_train_epochs": [3]}


@dataclass
class SweepArguments:
    """The grid to try."""

    learning_rate: list[float] | None = HfArg(default=None, help="one or more; none: 2e-5 3e-5, from scratch 1e-3 3e-3")
    per_device_train_batch_size: list[int] | None = HfArg(
        default=None, help="one or more; none: 8 16, from scratch 16 32"
    )
    num_train_epochs: list[float] | None = HfArg(default=None, help="one or more; none: 2 3 4, from scratch 3")
    seed: list[int] = HfArg(default_factory=lambda: [0], help="one or more")
    model_name_or_path: str | None = HfArg(default=None, help="a checkpoint; none: train from scratch")
    output_dir: str = HfArg(default="out/sweep", help="a folder for each run, and the table")


def parse_arguments(arguments: list[str] | None) -> tuple[SweepArguments, classifier.DataArguments, list[str]]:
    """Read the command line, fill in the grid, and check both; returns the flags of `finetune_classifier.py` last."""
    sweep, data_args, flags = parse_with_data(SweepArguments, arguments)
    for name, values in (LECTURE_GRID if sweep.model_name_or_path else SMALL_GRID).items():
        if getattr(sweep, name) is None:
            setattr(sweep, name, values)
        check_values(name, getattr(sweep, name))
    check_values("seed", sweep.seed, zero=True)
    if sweep.model_name_or_path:
        check_checkpoint(sweep.model_name_or_path)
        flags += ["--model_name_or_path", sweep.model_name_or_path]
    return sweep, data_args, flags


def plan(sweep: SweepArguments, flags: list[str]) -> list[tuple[dict, list[Run]]]:
    """List every combination with its runs, one per seed."""
    settings = []
    for values in itertools.product(*(getattr(sweep, name) for name in GRID)):
        setting = dict(zip(GRID, values, strict=True))
        name = "lr{:g}_batch{}_epochs{:g}".format(*values)
        ours = [word for key, value in setting.items() for word in (f"--{key}", str(value))]
        folder = Path(sweep.output_dir)
        runs = [Run(folder / f"{name}_seed{seed}", [*flags, *ours, "--seed", str(seed)]) for seed in sweep.seed]
        settings.append((setting, runs))
    return settings


def rank(settings: list[tuple[dict, list[Run]]], failed: dict[Path, str]) -> list[dict]:
    """Score the settings and sort them by mean macro-F1, best first; ties stay in the order of the grid."""
    rows = []
    for setting, runs in settings:
        ended = [run for run in runs if run.folder not in failed]
        if ended:
            rows.append(setting | score_runs(ended))
    rows.sort(key=lambda row: -row["macro_f1"]["mean"])
    return rows


def show(rows: list[dict]) -> None:
    """Print the table."""
    print(f"\nrank  learning_rate  batch  epochs  seeds  {'macro_f1':22}  {'accuracy':22}  seconds")
    for number, row in enumerate(rows, start=1):
        rate, batch, epochs = (row[name] for name in GRID)
        scores = f"{describe(row['macro_f1']):22}  {describe(row['accuracy']):22}"
        setting = f"{number:4}  {rate:13g}  {batch:5}  {epochs:6g}  {row['seeds']:5}"
        print(f"{setting}  {scores}  {row['train_seconds']:7.0f}")


def write(folder: Path, rows: list[dict], failed: dict[Path, str]) -> None:
    """Write sweep.json with everything and sweep.csv with a line per setting."""
    table = {"ranking": rows, "failed": {path.name: error for path, error in failed.items()}}
    (folder / "sweep.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    with open(folder / "sweep.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*GRID, "seeds", "macro_f1", "macro_f1_sd", "accuracy", "accuracy_sd", "train_seconds"])
        for row in rows:
            scores = [row[metric][number] for metric in ("macro_f1", "accuracy") for number in ("mean", "sd")]
            writer.writerow([*(row[name] for name in GRID), row["seeds"], *scores, row["train_seconds"]])


def main(arguments: list[str] | None = None) -> list[dict]:
    """Check the arguments, train, rank; returns the ranking."""
    # 1. Check everything before the first run
    sweep, data_args, flags = parse_arguments(arguments)
    model_args, _, args, _ = classifier.parse_arguments(flags)  # ends with an error at an unknown flag
    MiniBertConfig.from_preset(model_args.preset)
    splits, _ = classifier.load_splits(data_args, args.data_seed or 0)
    splits.pop("test", None)
    folder = Path(sweep.output_dir)
    settings = plan(sweep, flags + save_splits(splits, folder / "data", data_args))
    runs = [run for _, runs in settings for run in runs]
    check_finished(runs)

    # 2. Training
    count = len(splits["validation"])
    print(f"{len(settings)} settings, {len(sweep.seed)} seeds; ranked by macro-F1 on {count:,} validation texts")
    failed = run_all(runs)

    # 3. The ranking
    rows = rank(settings, failed)
    show(rows)
    write(folder, rows, failed)
    print(f"one validation text is {1 / count:.1%} of accuracy; written to {folder / 'sweep.json'} and sweep.csv")
    best = " ".join(f"--{name} {rows[0][name]:g}" for name in GRID)
    print(f"the best setting, for finetune_classifier.py and the test split: {best}")
    return rows


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command skips the finished runs")

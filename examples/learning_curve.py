"""What did pretraining buy? Fine-tune a checkpoint, and the same net with random weights, on more and more labels.

    python examples/pretrain_minibert.py
    python examples/learning_curve.py
    python examples/learning_curve.py --model_name_or_path out/mine --train_file train.parquet --test_file test.parquet
        --labels 100 1000 10000 25000 --learning_rates 3e-4 1e-3 --bf16 true

The first two lines, offline, compare on the opinions of `examples/data/opinions`. Every run is one of
examples/finetune_classifier.py, which gets all arguments that are not listed here, such as `--bf16`. Both sides have
the same configuration, tokenizer and labels; each seed draws its own labels, by class, and the fewer are among the
more. A tenth of the labels is set apart as there, but nothing is chosen by it: the last epoch counts. Choose the two
learning rates on validation before, each for its side, or the comparison is not fair. With `--freeze_share` the
checkpoint's head learns alone first (at `--head_learning_rate`), with `--freeze_word_embeddings true` its word vectors
stay as they are; random weights have nothing to protect.

It prints one line per run, then a table of the test scores (mean ± standard deviation over the seeds), and writes
learning_curve.json and learning_curve.png into `--output_dir`. Stopped, it goes on where it was.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from classifier_runs import Run, check_finished, run_all, save_rows
from datasets import Dataset, disable_progress_bars
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from transformers import AutoConfig, AutoModel, AutoTokenizer, HfArgumentParser, set_seed
from transformers.utils.logging import disable_progress_bar

import modeling_minibert  # noqa: F401 - registers the models
from modeling_minibert.data import without_texts_of
from modeling_minibert.data.files import read_table
from modeling_minibert.evaluation.seeds import summarize_runs

HERE = Path(__file__).parent
STARTS = ("pretrained", "scratch")


@dataclass
class CurveArguments:
    """What to compare, on what."""

    model_name_or_path: str = field(default="out/pretrained", metadata={"help": "the pretrained checkpoint"})
    train_file: str = field(
        default=str(HERE / "data/opinions/train.csv"), metadata={"help": "with the columns text and label"}
    )
    test_file: str = field(default=str(HERE / "data/opinions/test.csv"), metadata={"help": "scored after each run"})
    labels: list[int] = field(default_factory=lambda: [100, 500, 2000], metadata={"help": "numbers of labelled texts"})
    seeds: int = field(default=3, metadata={"help": "runs of each kind"})
    learning_rates: list[float] = field(
        default_factory=lambda: [3e-4, 1e-3], metadata={"help": "of the checkpoint, and of the random weights"}
    )
    freeze_share: float = field(
        default=0.0, metadata={"help": "part of the checkpoint's epochs in which its head is trained alone"}
    )
    freeze_word_embeddings: bool = field(
        default=False, metadata={"help": "leave the checkpoint's word vectors as they are"}
    )
    output_dir: str = field(default="out/learning_curve", metadata={"help": "where everything is saved"})


EPOCHS, LEAST_TEXTS = 4, 6400  # few labels are repeated until a run has seen this many texts


def read_labels(args: CurveArguments) -> Dataset:
    """The labelled texts to draw from; none is a test text."""
    train, test = (read_table(path, name) for path, name in ((args.train_file, "train"), (args.test_file, "test")))
    for path, rows in ((args.train_file, train), (args.test_file, test)):
        missing = sorted({"text", "label"} - set(rows.column_names))
        if missing:
            raise ValueError(f"{path} has no column {missing}; its columns are {sorted(rows.column_names)}")
    train = without_texts_of(train, test)
    if np.max(args.labels) > len(train):
        raise ValueError(f"--labels asks for {np.max(args.labels):,}; {args.train_file} has {len(train):,} to train on")
    return train


def stratified_order(labels: list, seed: int) -> np.ndarray:
    """An order of the rows, any beginning of which holds the classes in their shares: (N,)."""
    labels = np.array(labels)
    places = np.empty(len(labels))
    random = np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        places[rows] = (np.arange(len(rows)) + random.random()) / len(rows)
    return np.argsort(places, kind="stable")


def save_random_twin(checkpoint: str, seed: int, folder: Path) -> None:
    """The net of the checkpoint with random weights, and its tokenizer."""
    set_seed(seed)
    AutoModel.from_config(AutoConfig.from_pretrained(checkpoint)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)


def plan_runs(args: CurveArguments, train: Dataset, rest: list[str]) -> list[Run]:
    """Draw the labels and the random weights of every seed, and write down all runs."""
    out, runs = Path(args.output_dir), []
    for seed in range(args.seeds):
        order = stratified_order(train["label"], seed)
        twin = out / f"random-{seed}"
        save_random_twin(args.model_name_or_path, seed, twin)
        sides = list(zip(STARTS, (args.model_name_or_path, str(twin)), args.learning_rates, strict=True))
        for count in args.labels:
            labels = save_rows(train.select(order[:count]), out, f"labels-{count}-{seed}")
            epochs = max(EPOCHS, -(-LEAST_TEXTS // count))
            for start, model, rate in sides:
                flags = [
                    "--model_name_or_path", model, "--train_file", labels, "--test_file", args.test_file,
                    "--seed", str(seed), "--learning_rate", str(rate), "--num_train_epochs", str(epochs),
                    "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false",
                    "--report_to", "none", *rest,
                ]  # fmt: skip
                if args.freeze_share and start == "pretrained":
                    flags += ["--freeze_epochs", str(args.freeze_share * epochs)]
                if args.freeze_word_embeddings and start == "pretrained":
                    flags += ["--freeze_word_embeddings", "true"]
                runs.append(Run(out / f"{start}-{count}-{seed}", flags))
    return runs


def summarize(args: CurveArguments) -> list[dict]:
    """A row per number of labels and start, with the mean and standard deviation of both scores."""
    rows = []
    for count in args.labels:
        for start in STARTS:
            paths = [Path(args.output_dir) / f"{start}-{count}-{seed}/all_results.json" for seed in range(args.seeds)]
            numbers = summarize_runs(paths)
            way = "window_average" if "window_average.accuracy" in numbers else "single_pass"
            row = {"labels": count, "start": start, "seeds": args.seeds}
            for score in ("accuracy", "macro_f1"):
                row[score], deviation, runs = numbers[f"{way}.{score}"]
                row[f"{score}_deviation"] = deviation if runs > 1 else None
            rows.append(row)
    return rows


def mean_and_deviation(row: dict, score: str) -> str:
    """The mean, and the standard deviation where there is more than one seed."""
    deviation = row[f"{score}_deviation"]
    return f"{row[score]:.1%}" + ("" if deviation is None else f" ± {deviation:.1%}")


def table(rows: list[dict]) -> str:
    """One line per number of labels."""
    header = ("labels", "accuracy: pretrained", "scratch", "macro-F1: pretrained", "scratch")
    lines = ["{:>7}  {:>21}  {:>14}  {:>21}  {:>14}".format(*header)]
    for pretrained, scratch in zip(rows[::2], rows[1::2], strict=True):
        cells = [mean_and_deviation(row, score) for score in ("accuracy", "macro_f1") for row in (pretrained, scratch)]
        lines.append("{:>7,}  {:>21}  {:>14}  {:>21}  {:>14}".format(pretrained["labels"], *cells))
    return "\n".join(lines)


def plot(rows: list[dict], path: Path) -> None:
    """Test accuracy over the number of labels, on a logarithmic axis."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for start in STARTS:
        own = [row for row in rows if row["start"] == start]
        counts, means = [row["labels"] for row in own], [row["accuracy"] for row in own]
        spread = [row["accuracy_deviation"] or 0.0 for row in own]
        axes.errorbar(counts, means, yerr=spread, marker="o", capsize=3, label=start)
    axes.set(xscale="log", xlabel="labelled texts", ylabel="test accuracy")
    axes.set_xticks([row["labels"] for row in rows[::2]], [f"{row['labels']:,}" for row in rows[::2]])
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    """Run the steps that the module describes."""
    args, rest = HfArgumentParser(CurveArguments).parse_args_into_dataclasses(return_remaining_strings=True)
    if not (Path(args.model_name_or_path) / "config.json").is_file():
        raise ValueError(
            f"there is no checkpoint in {args.model_name_or_path}: run examples/pretrain_minibert.py, or name a folder "
            "with --model_name_or_path"
        )
    if len(args.learning_rates) != 2:
        raise ValueError(
            f"--learning_rates takes two numbers, of the checkpoint and of random weights; got {args.learning_rates}"
        )
    if not 0 <= args.freeze_share <= 1:
        raise ValueError(f"--freeze_share ({args.freeze_share}) must be from 0 to 1")
    runs = plan_runs(args, read_labels(args), rest)
    check_finished(runs)
    if failed := run_all(runs):
        raise SystemExit(f"{len(failed)} runs failed; start again to repeat them")
    rows, out = summarize(args), Path(args.output_dir)
    (out / "learning_curve.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    plot(rows, out / "learning_curve.png")
    print(table(rows))
    print(f"saved to {out}/learning_curve.json and learning_curve.png")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without ± prints ? instead of failing
    disable_progress_bars()
    disable_progress_bar()
    main()

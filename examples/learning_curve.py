"""Compare a pretrained checkpoint with the same net from random weights, over the number of labels.

    python examples/pretrain_minibert.py
    python examples/learning_curve.py
    python examples/learning_curve.py --model_name_or_path out/mine --train_file train.parquet --test_file test.parquet
        --labels 100 1000 10000 25000 --learning_rates 3e-4 1e-3 --bf16 true

The first two lines run offline, on the opinions of `examples/data/opinions`. Each run is one of
examples/finetune_classifier.py, which takes all other arguments (here `--bf16`). Both sides have the same
configuration, tokenizer and labels. Each seed draws its labels by class; a smaller set is part of the larger ones. A
tenth of the labels is set apart for validation, but the last epoch counts. For a fair comparison, choose each of the
two learning rates on validation first. Two options protect the checkpoint: `--freeze_share` trains its head alone first
(at `--head_learning_rate`), `--freeze_word_embeddings true` keeps its word vectors.

It prints one line per run and a table of the test scores (mean ± standard deviation over the seeds), and writes
learning_curve.json and learning_curve.png into `--output_dir`. A checkpoint with no update of training is called
"counted_vectors": `pretrain_minibert.py --word_vectors true --num_train_epochs 0` counts word vectors, and predicts no
masked word. A second start skips the finished runs.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from classifier_runs import LAST_EPOCH, Run, check_finished, run_all, save_rows
from datasets import Dataset
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from transformers import AutoConfig, AutoModel, AutoTokenizer, set_seed
from transformers.hf_argparser import HfArg

import modeling_minibert  # noqa: F401 - registers the models
from modeling_minibert.data import without_texts_of
from modeling_minibert.data.files import read_table
from modeling_minibert.evaluation.seeds import summarize_runs
from modeling_minibert.training.script_arguments import LayoutArguments, ScriptParser, run_script
from tokenization.table_files import TableFormat

OPINIONS = Path(__file__).parent / "data" / "opinions"
SHOWN = {"pretrained": "pretrained", "counted_vectors": "counted vectors", "scratch": "scratch"}


@dataclass
class LabelledFiles(LayoutArguments):
    """The labelled texts."""

    train_file: str = HfArg(default=str(OPINIONS / "train.csv"), help="with the columns text and label")
    test_file: str = HfArg(default=str(OPINIONS / "test.csv"), help="scored after each run")


@dataclass
class CurveArguments(LabelledFiles):
    """The comparison to make."""

    model_name_or_path: str = HfArg(default="out/pretrained", help="the pretrained checkpoint")
    labels: list[int] = HfArg(default_factory=lambda: [100, 500, 2000], help="numbers of labelled texts")
    seeds: int = HfArg(default=3, help="runs of each kind")
    learning_rates: list[float] = HfArg(
        default_factory=lambda: [3e-4, 1e-3], help="of the checkpoint, and of the random weights"
    )
    freeze_share: float = HfArg(default=0.0, help="share of the checkpoint's epochs in which only its head is trained")
    freeze_word_embeddings: bool = HfArg(default=False, help="keep the checkpoint's word vectors")
    output_dir: str = HfArg(default="out/learning_curve", help="where everything is saved")


EPOCHS, LEAST_TEXTS = 4, 6400  # few labels are repeated until a run has seen this many texts


def read_labels(args: LabelledFiles) -> Dataset:
    """Load the labelled train texts, without those that are also test texts."""
    layout = TableFormat(**args.layout)
    files = {"train": args.train_file, "test": args.test_file}
    train, test = (read_table(path, name, layout=layout) for name, path in files.items())
    for path, rows in ((args.train_file, train), (args.test_file, test)):
        missing = sorted({"text", "label"} - set(rows.column_names))
        if missing:
            raise ValueError(f"{path} has no column {missing}; its columns are {sorted(rows.column_names)}")
    train = without_texts_of(train, test)
    if np.max(args.labels) > len(train):
        raise ValueError(f"--labels asks for {np.max(args.labels):,}; {args.train_file} has {len(train):,} to train on")
    return train


def stratified_order(labels: list, seed: int) -> np.ndarray:
    """Order the rows (N,) so that any first part of them has the classes in proportion."""
    labels = np.array(labels)
    places = np.empty(len(labels))
    random = np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        places[rows] = (np.arange(len(rows)) + random.random()) / len(rows)
    return np.argsort(places, kind="stable")


def layout_flags(args: LabelledFiles) -> list[str]:
    """The flags that say how the test file is written."""
    return [
        word for name, value in args.layout.items() if value not in (None, True) for word in (f"--{name}", str(value))
    ]


def name_start(checkpoint: str) -> str:
    """Name the start of a checkpoint: "counted_vectors" after a training of no update, otherwise "pretrained"."""
    state = Path(checkpoint) / "trainer_state.json"
    updates = json.loads(state.read_text(encoding="utf-8"))["global_step"] if state.is_file() else None
    return "counted_vectors" if updates == 0 else "pretrained"


def save_random_twin(checkpoint: str, seed: int, folder: Path) -> None:
    """Save the checkpoint's net with random weights, and its tokenizer."""
    set_seed(seed)
    AutoModel.from_config(AutoConfig.from_pretrained(checkpoint)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)


def plan_runs(args: CurveArguments, train: Dataset, rest: list[str]) -> list[Run]:
    """Draw labels and random weights for every seed, and list all runs."""
    out, runs, starts = Path(args.output_dir), [], (name_start(args.model_name_or_path), "scratch")
    for seed in range(args.seeds):
        order = stratified_order(train["label"], seed)
        twin = out / f"random-{seed}"
        save_random_twin(args.model_name_or_path, seed, twin)
        sides = list(zip(starts, (args.model_name_or_path, str(twin)), args.learning_rates, strict=True))
        for count in args.labels:
            labels = save_rows(train.select(order[:count]), out, f"labels-{count}-{seed}")
            epochs = max(EPOCHS, -(-LEAST_TEXTS // count))
            for start, model, rate in sides:
                flags = [
                    "--model_name_or_path", model, "--train_file", labels, "--test_file", args.test_file,
                    "--seed", str(seed), "--learning_rate", str(rate), "--num_train_epochs", str(epochs),
                    *LAST_EPOCH, *layout_flags(args), *rest,
                ]  # fmt: skip
                if args.freeze_share and start != "scratch":
                    flags += ["--freeze_epochs", str(args.freeze_share * epochs)]
                if args.freeze_word_embeddings and start != "scratch":
                    flags += ["--freeze_word_embeddings", "true"]
                runs.append(Run(out / f"{start}-{count}-{seed}", flags))
    return runs


def summarize(args: CurveArguments) -> list[dict]:
    """Summarize the scores: a row per number of labels and start, with mean and standard deviation."""
    rows = []
    for count in args.labels:
        for start in (name_start(args.model_name_or_path), "scratch"):
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
    """Format the mean, and the standard deviation if there are several seeds."""
    deviation = row[f"{score}_deviation"]
    return f"{row[score]:.1%}" + ("" if deviation is None else f" ± {deviation:.1%}")


def table(rows: list[dict]) -> str:
    """Format the table: one line per number of labels."""
    start = SHOWN[rows[0]["start"]]
    header = ("labels", f"accuracy: {start}", "scratch", f"macro-F1: {start}", "scratch")
    lines = ["{:>7}  {:>25}  {:>14}  {:>25}  {:>14}".format(*header)]
    for checkpoint, scratch in zip(rows[::2], rows[1::2], strict=True):
        cells = [mean_and_deviation(row, score) for score in ("accuracy", "macro_f1") for row in (checkpoint, scratch)]
        lines.append("{:>7,}  {:>25}  {:>14}  {:>25}  {:>14}".format(checkpoint["labels"], *cells))
    return "\n".join(lines)


def plot(rows: list[dict], path: Path) -> None:
    """Draw test accuracy over the number of labels, on a logarithmic axis."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for start in (rows[0]["start"], "scratch"):
        own = [row for row in rows if row["start"] == start]
        counts, means = [row["labels"] for row in own], [row["accuracy"] for row in own]
        spread = [row["accuracy_deviation"] or 0.0 for row in own]
        axes.errorbar(counts, means, yerr=spread, marker="o", capsize=3, label=SHOWN[start])
    axes.set(xscale="log", xlabel="labelled texts", ylabel="test accuracy")
    axes.set_xticks([row["labels"] for row in rows[::2]], [f"{row['labels']:,}" for row in rows[::2]])
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    """Check the arguments, run everything, and print, draw and save the table."""
    args, rest = ScriptParser(CurveArguments).parse_args_into_dataclasses(return_remaining_strings=True)
    if not (Path(args.model_name_or_path) / "config.json").is_file():
        raise ValueError(
            f"there is no checkpoint in {args.model_name_or_path}: run examples/pretrain_minibert.py, or give a folder "
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
    run_all(runs, all_needed=True)
    rows, out = summarize(args), Path(args.output_dir)
    (out / "learning_curve.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    plot(rows, out / "learning_curve.png")
    print(table(rows))
    print(f"saved to {out}/learning_curve.json and learning_curve.png")


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command skips the finished runs")

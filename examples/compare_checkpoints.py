"""Fine-tune several checkpoints with the same flags and seeds, and compare their scores, sizes and speeds.

    python examples/compare_checkpoints.py

trains two small MiniBerts on the opinions of `examples/data/opinions`, offline, in three minutes of CPU time:

                            parameters      MB  seeds  macro_f1                accuracy                ms/text  texts/s
    imdb-tiny from scratch     644,546     2.6      2  64.9 ± 2.8 %            66.1 ± 1.1 %               7.76    1,424
    tiny from scratch          808,450     3.2      2  64.7 ± 3.4 %            65.5 ± 3.3 %              10.90    1,166

(speeds of a busy machine). Other checkpoints, from the Hub or from folders, on your data:

    python examples/compare_checkpoints.py --train_file train.csv --checkpoints bert-base-uncased roberta-base out/mine

`--presets` adds MiniBerts trained from scratch. All other flags go to `finetune_classifier.py`, for every model; by
default checkpoints take a learning rate of 2e-5 and 3 epochs, presets 1e-3 and 8.

The scores are those of the test split (validation if there is none), at the epoch of each run that is best on
validation. The speed of the trained models is measured from text to logits, tokenizing included, on one CPU thread, the
models in turn: one text at a time, and batches of 32. The size is that of the weights on disk.

The table is written to comparison.json and comparison.png in `--output_dir`, where every run keeps its model. A second
start skips the finished runs and measures the speed again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from benchmarks.interleaved import measure
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
from matplotlib.figure import Figure
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig
from modeling_minibert.training import classifier
from modeling_minibert.training.script_arguments import run_script

SINGLE, BATCH, ROUNDS = 16, 32, 9  # texts read one at a time, texts of a batch, timed rounds


@dataclass
class CompareArguments:
    """The models to compare."""

    checkpoints: list[str] = HfArg(default_factory=list, help="folders or names on the Hub")
    presets: list[str] = HfArg(default_factory=list, help="MiniBerts to train from scratch")
    seed: list[int] = HfArg(default_factory=lambda: [0, 1], help="one or more")
    output_dir: str = HfArg(default="out/comparison", help="a folder for each run, and the table")


def parse_arguments(
    arguments: list[str] | None,
) -> tuple[CompareArguments, classifier.DataArguments, list[str]]:
    """Read and check the command line; returns the flags of `finetune_classifier.py` last."""
    compare, data_args, flags = parse_with_data(CompareArguments, arguments)
    if not compare.checkpoints and not compare.presets:
        compare.presets = ["tiny", "imdb-tiny"]
        flags = ["--num_train_epochs", "4", *flags]  # half the default, for a first look; a flag of the user wins
    for name in ("checkpoints", "presets"):
        check_values(name, getattr(compare, name))
    check_values("seed", compare.seed, zero=True)
    for preset in compare.presets:
        MiniBertConfig.from_preset(preset)
    for checkpoint in compare.checkpoints:
        check_checkpoint(checkpoint)
    return compare, data_args, flags


def plan(compare: CompareArguments, flags: list[str]) -> dict[str, list[Run]]:
    """List the runs of each model: name → one run per seed."""
    models = {name: ["--model_name_or_path", name] for name in compare.checkpoints}
    models |= {f"{preset} from scratch": ["--preset", preset] for preset in compare.presets}
    runs = {}
    for number, (name, start) in enumerate(models.items()):
        # Two names may have the same last part, so a number comes first.
        folder = f"{number}_{Path(name).name.replace(' ', '_')}"
        runs[name] = [
            Run(Path(compare.output_dir) / f"{folder}_seed{seed}", [*start, *flags, "--seed", str(seed)])
            for seed in compare.seed
        ]
    return runs


class Classifier:
    """A saved model with its tokenizer: texts in, logits out."""

    def __init__(self, folder: Path):
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.megabytes = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6

    @torch.inference_mode()
    def __call__(self, rows: dict[str, list[str]]) -> torch.Tensor:
        """Logits (B, C) of rows with the columns text and, for pairs, text_pair."""
        pairs, options = rows.get("text_pair"), {"truncation": True, "padding": True, "return_tensors": "pt"}
        return self.model(**self.tokenizer(rows["text"], pairs, **options)).logits


def measure_speed(classifiers: dict[str, Classifier], rows: dict[str, list[str]]) -> dict[str, dict]:
    """Time all classifiers in turn on the first `BATCH` texts.

    Args:
        classifiers: name → classifier.
        rows: column → texts.

    Returns:
        Name → milliseconds of one text, and texts per second in a batch; medians.
    """
    batch = {column: texts[:BATCH] for column, texts in rows.items()}
    count = len(batch["text"])
    singles = [{column: [text[i]] for column, text in batch.items()} for i in range(min(SINGLE, count))]

    def one_at_a_time(classifier: Classifier) -> Callable[[], int]:
        return lambda: len([classifier(row) for row in singles])

    def together(classifier: Classifier) -> Callable[[], int]:
        return lambda: len(classifier(batch))

    single_rates = measure({name: one_at_a_time(classifier) for name, classifier in classifiers.items()}, ROUNDS)
    batch_rates = measure({name: together(classifier) for name, classifier in classifiers.items()}, ROUNDS)
    return {
        name: {
            "milliseconds_per_text": 1000 / median(single_rates[name]),
            "texts_per_second": median(batch_rates[name]),
        }
        for name in classifiers
    }


def compare_runs(runs: dict[str, list[Run]], rows: dict[str, list[str]]) -> list[dict]:
    """Collect score, size and speed of each model, sorted by mean macro-F1, best first."""
    torch.set_num_threads(1)
    classifiers = {name: Classifier(ended[0].folder) for name, ended in runs.items()}
    speeds = measure_speed(classifiers, rows)
    table = []
    for name, timed in classifiers.items():
        size = {"parameters": timed.model.num_parameters(), "megabytes": timed.megabytes}
        table.append({"name": name} | size | score_runs(runs[name]) | speeds[name])
    table.sort(key=lambda row: -row["macro_f1"]["mean"])
    return table


def show(table: list[dict]) -> None:
    """Print the table."""
    width = max(len(row["name"]) for row in table)
    print(f"\n{'':{width}}  parameters  {'MB':>6}  seeds  {'macro_f1':22}  {'accuracy':22}  ms/text  texts/s")
    for row in table:
        scores = f"{describe(row['macro_f1']):22}  {describe(row['accuracy']):22}"
        speed = f"{row['milliseconds_per_text']:7.2f}  {row['texts_per_second']:7,.0f}"
        size = f"{row['parameters']:10,}  {row['megabytes']:6.1f}  {row['seeds']:5}"
        print(f"{row['name']:{width}}  {size}  {scores}  {speed}")


def plot(table: list[dict], path: Path) -> None:
    """Draw score over latency; the area shows the number of parameters, the bar the deviation over seeds."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    largest = max(row["parameters"] for row in table)
    for row in table:
        x, y = row["milliseconds_per_text"], 100 * row["macro_f1"]["mean"]
        axes.errorbar(x, y, 100 * (row["macro_f1"]["sd"] or 0), color="grey", capsize=3, zorder=1)
        label = f"{row['name']}, {row['parameters']:,} parameters"
        axes.scatter(x, y, s=400 * row["parameters"] / largest, label=label, zorder=2)
    axes.set(xlabel="milliseconds per text, one thread", ylabel=f"{table[0]['split']} macro-F1 (%)")
    axes.margins(0.2)
    figure.legend(loc="outside lower center", markerscale=0.5)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> list[dict]:
    """Check the arguments, train, measure; returns the table."""
    # 1. Check everything before the first run
    compare, data_args, flags = parse_arguments(arguments)
    model_args, _, args, _ = classifier.parse_arguments(flags)  # ends with an error at an unknown flag
    if model_args.model_name_or_path:
        raise ValueError(f"name {model_args.model_name_or_path} after --checkpoints, not --model_name_or_path")
    splits, _ = classifier.load_splits(data_args, args.data_seed or 0)
    folder = Path(compare.output_dir)
    runs = plan(compare, flags + save_splits(splits, folder / "data", data_args))
    everything = [run for of_one_model in runs.values() for run in of_one_model]
    check_finished(everything)

    # 2. Training
    failed = run_all(everything)
    ended = {name: [run for run in of_one if run.folder not in failed] for name, of_one in runs.items()}
    ended = {name: of_one for name, of_one in ended.items() if of_one}

    # 3. The table
    judged = splits.get("test", splits["validation"])
    table = compare_runs(ended, {name: judged[:BATCH][name] for name in judged.column_names if name != "label"})
    show(table)
    timing = f"CPU time of one thread, medians of {ROUNDS} rounds in turn"
    print(f"{table[0]['split']} split, {len(judged):,} texts; {timing}")
    result = {"models": table, "failed": {path.name: error for path, error in failed.items()}}
    (folder / "comparison.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    plot(table, folder / "comparison.png")
    print(f"written to {folder / 'comparison.json'} and comparison.png")
    return table


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command skips the finished runs")

"""Train the first model of the README with several seeds, and score it by language and kind of opinion.

    python examples/experiments/first_model.py
    python examples/experiments/first_model.py --seeds 0 --reviews shared/data/indonlu/smsa/test.parquet

Each seed trains as `minibert train classifier` does without arguments. Beside it stands a linear model of words and
pairs of words, trained on the same sentences (`evaluation/text_baseline.py`). `--reviews` names a file of real reviews
with the columns text and label, of which the negative and positive ones are scored too. Writes
`seed*.json` into `--output_dir`; the committed runs are in examples/results/first_model.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from transformers import pipeline
from transformers.hf_argparser import HfArg

from modeling_minibert.data.bundled import bundled_files
from modeling_minibert.evaluation import linear_text_classifier
from modeling_minibert.training import classifier
from modeling_minibert.training.script_arguments import ScriptParser, run_script

LABELS = ("negative", "positive")


@dataclass
class FirstModelArguments:
    """The runs to make."""

    seeds: list[int] = HfArg(default_factory=lambda: [0, 1, 2], help="of the trainings")
    reviews: str | None = HfArg(default=None, help="parquet file with text and label")
    output_dir: str = HfArg(default="out/first_model", help="where the scores and the models go")


def load_tests(reviews: str | None) -> dict[str, dict[str, np.ndarray]]:
    """Load what is scored: the bundled test, and the negative and positive ones of the reviews."""
    rows = datasets.Dataset.from_csv(bundled_files(classifier.BUNDLED)["test"])
    found = {"blind": {name: np.array(rows[name]) for name in ("text", "label", "language", "kind")}}
    if reviews:
        table = datasets.Dataset.from_parquet(reviews)
        names = table.features["label"].names
        labels = np.array([names[number] for number in table["label"]])
        chosen = np.isin(labels, LABELS)
        found["reviews"] = {"text": np.array(table["text"])[chosen], "label": labels[chosen]}
    return found


def scores(test: dict[str, np.ndarray], answers: np.ndarray) -> dict[str, float]:
    """Compute the share of right answers in all rows, and in each language and kind."""
    right = test["label"] == answers
    found = {"accuracy": float(right.mean())}
    for column in ("language", "kind"):
        for value in np.unique(test.get(column, [])):
            found[str(value)] = float(right[test[column] == value].mean())
    return found


def linear_answers(tests: dict) -> tuple[dict[str, np.ndarray], str]:
    """Train the linear model, and answer all tests."""
    splits = {name: datasets.Dataset.from_csv(path) for name, path in bundled_files(classifier.BUNDLED).items()}
    train, validation = (([splits[name]["text"]], np.array(splits[name]["label"])) for name in ("train", "validation"))
    texts = np.concatenate([test["text"] for test in tests.values()])
    found, chosen = linear_text_classifier(train, validation, [texts])
    ends = np.cumsum([len(test["text"]) for test in tests.values()])
    return dict(zip(tests, np.split(found, ends[:-1]), strict=True)), chosen


def run_seed(seed: int, tests: dict, folder: Path) -> dict:
    """Train with a seed, and score the saved model by its pipeline."""
    started = time.process_time()
    flags = ["--seed", str(seed), "--output_dir", str(folder / f"model-{seed}"), "--overwrite_output_dir", "true"]
    classifier.main([*flags, "--baseline", "false", "--report_to", "none"])
    seconds = time.process_time() - started
    classify = pipeline("sentiment-analysis", str(folder / f"model-{seed}"))
    result = {"seed": seed, "cpu_seconds": round(seconds, 1)}
    for name, test in tests.items():
        answers = classify(test["text"].tolist(), batch_size=32, truncation=True)
        result[name] = scores(test, np.array([answer["label"] for answer in answers]))
    return result


def main(arguments: list[str] | None = None) -> list[dict]:
    """Make the runs, and print and write their scores."""
    (args,) = ScriptParser(FirstModelArguments).parse_args_into_dataclasses(arguments)
    folder, tests = Path(args.output_dir), load_tests(args.reviews)
    folder.mkdir(parents=True, exist_ok=True)
    answers, chosen = linear_answers(tests)
    linear = {"chosen": chosen, **{name: scores(test, answers[name]) for name, test in tests.items()}}
    results = []
    for seed in args.seeds:
        results.append(run_seed(seed, tests, folder) | {"linear_model": linear})
        (folder / f"seed{seed}.json").write_text(json.dumps(results[-1], indent=1), encoding="utf-8")
        for name in tests:
            ours, theirs = results[-1][name], linear[name]
            shown = "   ".join(f"{part} {ours[part]:.1%} ({theirs[part]:.1%})" for part in ours)
            print(f"seed {seed}, {name}, in brackets the linear model ({chosen}): {shown}", flush=True)
    return results


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command starts again")

"""Mean and standard deviation of scores over training runs with different seeds.

    python -m modeling_minibert.evaluation.seeds out/imdb-*/all_results.json

A bootstrap interval covers the choice of the test set; the deviation over seeds covers the randomness of training.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tokenization.console import OneLineParser, run_command


def summarize_runs(paths: Iterable[str | Path]) -> dict[str, tuple[float, float, int]]:
    """Summarize every float of several results files; nested keys are joined, as in "window_average.accuracy".

    Args:
        paths: json files of one recipe, one per seed.

    Returns:
        name → (mean, standard deviation, number of runs); the deviation of a single run is nan.

    Raises:
        ValueError: no file.
    """
    values: dict[str, list[float]] = {}
    for path in paths:
        for name, value in _flatten(json.loads(Path(path).read_text(encoding="utf-8"))):
            values.setdefault(name, []).append(value)
    if not values:
        raise ValueError("no results files given")
    return {
        name: (float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else float("nan"), len(v))
        for name, v in values.items()
    }


def _flatten(tree: dict, prefix: str = ""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield prefix + name, value


def main() -> None:
    """Print one line per score."""
    parser = OneLineParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", help="all_results.json of each run")
    for name, (mean, deviation, runs) in summarize_runs(parser.parse_args().files).items():
        print(f"{name:32} {mean:10.4f} ± {deviation:.4f}   ({runs} runs)")


if __name__ == "__main__":
    run_command(main)

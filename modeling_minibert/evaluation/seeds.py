"""One figure from several training runs: the mean over the seeds, and how far they spread.

    python -m modeling_minibert.evaluation.seeds out/imdb-*/all_results.json

A test interval says how another test set might score; the spread over seeds says how another run might.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def summarize_runs(paths: Iterable[str | Path]) -> dict[str, tuple[float, float, int]]:
    """Collect every number of several results files under its path of keys, such as "window_average.accuracy".

    Args:
        paths: json files of one recipe, one per seed.

    Returns:
        name → (mean, standard deviation over the runs, number of runs); nan as deviation of a single run.

    Raises:
        ValueError: no file.
    """
    values: dict[str, list[float]] = {}
    for path in paths:
        for name, value in _numbers(json.loads(Path(path).read_text(encoding="utf-8"))):
            values.setdefault(name, []).append(value)
    if not values:
        raise ValueError("no results files given")
    return {
        name: (float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else float("nan"), len(v))
        for name, v in values.items()
    }


def _numbers(tree: dict, prefix: str = ""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield prefix + name, value


def main() -> None:
    """Print one line per number."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", help="all_results.json of each run")
    for name, (mean, deviation, runs) in summarize_runs(parser.parse_args().files).items():
        print(f"{name:32} {mean:10.4f} ± {deviation:.4f}   ({runs} runs)")


if __name__ == "__main__":
    main()

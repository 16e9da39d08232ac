"""The table of IndoNLU: our rows, means and deviations over seeds, beside the rows of the paper.

The paper's rows are those of Table 5 of Wilie et al. 2020 (macro-F1 of the test splits, in percent).
"""

import json
from pathlib import Path

import numpy as np

from ..data.indonlu import TASKS_OF_INDONLU

PAPER = {
    "Scratch": (57.31, 67.35, 67.15, 76.28, 64.35, 86.78, 70.24, 70.36, 39.40, 5.80, 30.66, 5.00),
    "fastText-cc-id": (65.36, 76.92, 79.02, 85.32, 67.36, 94.35, 79.85, 76.12, 56.39, 37.32, 46.46, 15.29),
    "fastText-indo4b": (69.23, 82.13, 82.20, 85.88, 60.42, 94.94, 81.77, 74.43, 56.70, 38.69, 46.79, 14.65),
    "mBERT": (67.30, 84.14, 72.23, 84.63, 84.40, 91.85, 83.25, 89.51, 64.31, 75.02, 69.27, 61.29),
    "IndoBERT base": (75.48, 87.73, 93.23, 92.07, 78.55, 95.26, 87.09, 90.73, 70.36, 69.87, 75.52, 53.45),
    "IndoBERT large": (77.08, 92.72, 95.69, 93.75, 82.91, 95.71, 90.35, 91.87, 71.18, 77.60, 79.25, 62.48),
}
HALVES = {
    "classification": [name for name, task in TASKS_OF_INDONLU.items() if not task.is_tagging],
    "sequence labelling": [name for name, task in TASKS_OF_INDONLU.items() if task.is_tagging],
}


def read_rows(folder: str | Path) -> dict[str, dict[str, list[float]]]:
    """Read the results of `training.indonlu`: row → task → test scores of the seeds, 0 to 1."""
    rows: dict[str, dict[str, list[float]]] = {}
    for path in sorted(Path(folder).glob("*.json")):
        for run in json.loads(path.read_text(encoding="utf-8")):
            rows.setdefault(path.stem, {}).setdefault(run["task"], []).append(run["test"]["score"])
    return rows


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Format two Markdown tables, classification and sequence labelling; a mean needs all tasks of its half.

    Args:
        rows: row → task → test scores of the seeds.
    """
    parts = []
    for half, tasks in HALVES.items():
        lines = [["IndoNLU, " + half, *(TASKS_OF_INDONLU[task].title for task in tasks), "mean"]]
        for name, scores in rows.items():
            if any(task in scores for task in tasks):
                lines.append([name, *(_cell(scores.get(task)) for task in tasks), _mean(scores, tasks)])
        for name, values in PAPER.items():
            published = dict(zip(TASKS_OF_INDONLU, values, strict=True))
            mean = np.mean([published[task] for task in tasks])
            lines.append([f"{name} (paper)", *(f"{published[task]:.2f}" for task in tasks), f"{mean:.2f}"])
        parts.append(_markdown(lines))
    return "\n\n".join(parts)


def _cell(scores: list[float] | None) -> str:
    """Mean and standard deviation in percent: "63.02 ± 0.91"; "–" without a run."""
    if not scores:
        return "–"
    percent = 100 * np.array(scores)
    return f"{percent.mean():.2f}" + (f" ± {percent.std(ddof=1):.2f}" if len(percent) > 1 else "")


def _mean(scores: dict[str, list[float]], tasks: list[str]) -> str:
    means = [np.mean(scores[task]) for task in tasks if task in scores]
    return f"{100 * np.mean(means):.2f}" if len(means) == len(tasks) else "–"


def _markdown(lines: list[list[str]]) -> str:
    """Join cells as a Markdown table with columns of equal width, numbers to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    rows = []
    for first, *cells in (lines[0], rule, *lines[1:]):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        rows.append(f"| {' | '.join([first.ljust(widths[0]), *padded])} |")
    return "\n".join(rows)

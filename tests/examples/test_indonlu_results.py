"""The committed results on IndoNLU: complete, and the table beside them is made of them."""

import json

import numpy as np
import pytest

from modeling_minibert.data.indonlu import TASKS_OF_INDONLU
from modeling_minibert.training.indonlu_table import HALVES, PAPER, read_rows, table


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "examples" / "results" / "indonlu"


def mean_of(rows, name, half):
    return 100 * np.mean([np.mean(rows[name][task]) for task in HALVES[half]])


def test_every_row_has_all_tasks_and_seeds_in_a_row(folder):
    for path in folder.glob("*.json"):
        runs = json.loads(path.read_text(encoding="utf-8"))
        seeds: dict[str, list[int]] = {}
        for run in runs:
            seeds.setdefault(run["task"], []).append(run["seed"])
            assert set(run["validation"]) == set(run["test"]) and 0 < run["test"]["score"] <= 1
        assert set(seeds) == set(TASKS_OF_INDONLU), path.name
        assert all(sorted(found) == list(range(len(found))) for found in seeds.values())


def test_the_table_of_the_page_is_that_of_the_committed_runs(folder):
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert table(read_rows(folder)) in page


def test_what_the_page_says_is_so(folder):
    rows = read_rows(folder)
    published = {name: dict(zip(TASKS_OF_INDONLU, values, strict=True)) for name, values in PAPER.items()}
    ours = {task: 100 * np.mean(scores) for task, scores in rows["scratch"].items()}
    linear = {task: 100 * np.mean(scores) for task, scores in rows["linear"].items()}
    assert all(ours[task] > published["Scratch"][task] for task in TASKS_OF_INDONLU)
    for name in ("fastText-cc-id", "fastText-indo4b"):
        tasks = HALVES["sequence labelling"]
        assert mean_of(rows, "scratch", "sequence labelling") > np.mean([published[name][task] for task in tasks])
    assert abs(mean_of(rows, "scratch", "sequence labelling") - mean_of(rows, "linear", "sequence labelling")) < 0.5
    gap = mean_of(rows, "linear", "classification") - mean_of(rows, "scratch", "classification")
    assert f"below logistic regression (by {gap:.1f})" in (folder / "README.md").read_text(encoding="utf-8")
    assert {task for task in ours if ours[task] > linear[task]} == {"smsa", "terma", "facqa"}
    assert linear["posp"] > max(row["posp"] for row in published.values())

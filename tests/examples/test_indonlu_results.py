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


def test_every_row_has_all_tasks_and_a_network_three_seeds(folder):
    for path in folder.glob("*.json"):
        runs = json.loads(path.read_text(encoding="utf-8"))
        assert {run["task"] for run in runs} == set(TASKS_OF_INDONLU), path.name
        seeds = (0,) if path.stem.startswith("linear") else (0, 1, 2)
        assert sorted((run["task"], run["seed"]) for run in runs) == sorted(
            (task, seed) for task in TASKS_OF_INDONLU for seed in seeds
        )
        for run in runs:
            assert set(run["validation"]) == set(run["test"]) and 0 < run["test"]["score"] <= 1


def test_the_table_of_the_page_is_that_of_the_committed_runs(folder):
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert table(read_rows(folder)) in page


def test_small_new_nets_are_above_the_papers_large_new_net(folder):
    rows = read_rows(folder)
    paper = dict(zip(TASKS_OF_INDONLU, PAPER["Scratch"], strict=True))
    for half, tasks in HALVES.items():
        assert mean_of(rows, "scratch", half) > np.mean([paper[task] for task in tasks])

"""What the tests of `sweep.py` and `compare_checkpoints.py` share: a tiny task, and the scripts as modules."""

import csv
import functools
import random

import pytest

from modeling_minibert.evaluation import bootstrap_interval, classification
from modeling_minibert.training import classifier_results

JUDGEMENTS = {"negative": ["dull", "stale", "rude"], "positive": ["funny", "fresh", "kind"]}


def _write_rows(path, count, seed, columns=("text", "label")):
    """Rows with a word that gives the label away; a third column stands between text and label where asked for."""
    draw = random.Random(seed)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for index in range(count):
            label = ("negative", "positive")[index % 2]
            filling = " ".join(draw.choices("the film was so and very that day".split(), k=draw.randint(1, 9)))
            cells = [f"{filling} {draw.choice(JUDGEMENTS[label])} {seed}x{index}", label]
            writer.writerow(cells if len(columns) == 2 else [cells[0], "they said", label])
    return str(path)


@pytest.fixture
def write_rows():
    """The function, for tests whose files differ."""
    return _write_rows


@pytest.fixture
def tiny_files(tmp_path):
    """The flags that name three small files: 45 train, 14 validation, 11 test rows."""
    sizes = {"train": 45, "validation": 14, "test": 11}
    files = {
        name: _write_rows(tmp_path / f"{name}.csv", count, seed) for seed, (name, count) in enumerate(sizes.items())
    }
    return [word for name, path in files.items() for word in (f"--{name}_file", path)]


@pytest.fixture
def quiet_classifier(load_command, monkeypatch, tmp_path):
    """The training of classifiers, without what it does for show."""
    few = functools.partial(bootstrap_interval, draws=30)
    monkeypatch.setattr(classification, "bootstrap_interval", few)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    command = load_command("training.classifier")
    monkeypatch.setattr(command, "show_predictions", lambda *args, **kwargs: None)
    for name in ("plot_training_curve", "write_model_card"):
        monkeypatch.setattr(classifier_results, name, lambda *args, **kwargs: None)
    return command


@pytest.fixture
def load_runs_script(quiet_classifier, load_example, repository, monkeypatch):
    """Import a script that trains many classifiers."""
    monkeypatch.syspath_prepend(str(repository / "examples"))
    load_example("classifier_runs")
    return load_example

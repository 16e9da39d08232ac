"""The everyday opinions of the first model: reproducible, balanced, and the test in no other split."""

import csv
import importlib
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "sentiment"
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits():
    found = {}
    for split in SPLITS:
        with open(FOLDER / f"{split}.csv", encoding="utf-8", newline="") as file:
            found[split] = list(csv.DictReader(file))
    return found


def key(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def test_the_files_on_disk_are_what_the_generator_makes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in [name for name in sys.modules if (FOLDER / f"{name}.py").is_file()]:
        monkeypatch.delitem(sys.modules, name)
    importlib.import_module("make_sentiment").main(tmp_path)
    for split in ("train", "validation"):
        assert (tmp_path / f"{split}.csv").read_bytes() == (FOLDER / f"{split}.csv").read_bytes()


def test_no_opinion_stands_in_two_splits_or_has_two_labels(splits):
    keys = {split: {key(row["text"]) for row in rows} for split, rows in splits.items()}
    assert not keys["test"] & keys["train"] and not keys["test"] & keys["validation"]
    assert not keys["train"] & keys["validation"]
    assert sum(map(len, keys.values())) == sum(map(len, splits.values()))  # none twice within a split either


def test_labels_and_languages_have_about_half_of_every_split(splits):
    for split, rows in splits.items():
        for column, values in (("label", {"negative", "positive"}), ("language", {"id", "en"})):
            counts = Counter(row[column] for row in rows)
            assert set(counts) == values and max(counts.values()) < 0.55 * len(rows), (split, counts)
        assert not [row for row in rows if re.search(r"[{}\t]|  ", row["text"])]
    assert Counter(row["kind"] for row in splits["test"]) == {"plain": 420, "negated": 120, "contrast": 60}


def test_the_card_counts_the_rows_as_they_are(splits):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for split, rows in splits.items():
        drawn = Counter(row["kind"] != "written" for row in rows)[True] if split != "test" else 0
        languages = Counter(row["language"] for row in rows)
        cells = languages["id"], languages["en"], len(rows) - drawn, drawn
        assert f"| {split} | " + " | ".join(f"{cell:,}" for cell in cells) + " |" in card
    assert f"{sum(map(len, splits.values())):,} short opinions" in card

"""The bundled questions: reproducible, every answer in its place, held-out facts, and no shortcut to the answer."""

import importlib
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "questions"
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits():
    return {split: pq.read_table(FOLDER / f"{split}.parquet").to_pylist() for split in SPLITS}


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make_questions")


def test_the_files_on_disk_are_what_the_generator_makes(generator, splits):
    for split, rows in splits.items():
        assert generator.rows_of(split) == rows


def test_sizes_and_languages(splits):
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 4800, "validation": 160, "test": 400}
    for rows in splits.values():
        languages = Counter(row["id"].split()[0] for row in rows)
        assert languages["english"] == languages["indonesian"]
    assert all((FOLDER / f"{split}.parquet").stat().st_size < 100_000 for split in SPLITS)


def test_every_answer_stands_once_and_where_it_is_said_to(splits):
    for rows in splits.values():
        for row in rows:
            (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
            assert row["context"][start : start + len(text)] == text
            assert row["context"].lower().count(text.lower()) >= 1


def test_no_fact_is_in_two_splits(generator):
    """A fact is a relation, a subject and a value; both words of a held-out one are known from other facts of train."""
    for language in generator.LANGUAGES:
        for name, relation in generator.read_relations(language).items():
            parts = {
                split: {pair for number, pair in enumerate(relation["pairs"]) if number % 6 in generator.SHARES[split]}
                for split in SPLITS
            }
            assert sum(map(len, parts.values())) == len(relation["pairs"]) == len(set.union(*parts.values()))
            if not name.endswith("(in pairs)"):
                for place in (0, 1):
                    known = {pair[place] for pair in parts["train"]}
                    assert {pair[place] for pair in parts["test"]} <= known
    assert ("France", "Paris") in generator.read_relations("english")["# capital (in pairs)"]["pairs"][::6]


def test_no_text_and_no_question_with_its_text_is_in_two_splits(splits):
    contexts = [{row["context"] for row in rows} for rows in splits.values()]
    assert len(set.union(*contexts)) == sum(map(len, contexts)) == 1200 + 40 + 100


def test_every_question_has_another_fact_of_its_kind_in_the_text(splits, generator):
    """Knowing the kind of the answer is not enough: another value of the relation stands beside it."""
    for language in generator.LANGUAGES:
        values = {name: {value for _, value in relation["pairs"]}
                  for name, relation in generator.read_relations(language).items()}  # fmt: skip
        for row in splits["test"]:
            if row["id"].startswith(language):
                (answer,) = (text.lower() for text in row["answers"]["text"])
                rivals = [
                    value
                    for group in values.values()
                    if answer in {value.lower() for value in group}
                    for value in group
                    if value.lower() != answer and value.lower() in row["context"].lower()
                ]
                assert rivals, row

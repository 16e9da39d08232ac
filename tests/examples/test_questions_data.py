"""The bundled questions: reproducible, every answer in its place, held-out facts, and no shortcut to the answer."""

import importlib
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
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 4196, "validation": 140, "test": 355}
    for rows in splits.values():
        assert 0.48 < sum(row["id"].startswith("indonesian") for row in rows) / len(rows) < 0.52
    assert all((FOLDER / f"{split}.parquet").stat().st_size < 100_000 for split in SPLITS)


def test_every_answer_stands_where_it_is_said_to_and_ends_with_a_word(splits):
    for rows in splits.values():
        for row in rows:
            (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
            before, after = row["context"][:start], row["context"][start + len(text) :]
            assert row["context"] == before + text + after and text
            assert before[-1:] in ("", " ") and after[0] in " ."


def test_no_text_is_there_twice(splits):
    contexts = [{row["context"] for row in rows} for rows in splits.values()]
    assert len(set.union(*contexts)) == sum(map(len, contexts)) == 1200 + 40 + 100


def test_in_a_third_of_the_questions_the_kind_of_the_answer_is_not_enough(splits, generator):
    """Another value of the relation stands in the text, and the subject decides; as often in test as in train."""
    kinds = [set(line.removeprefix("values: ").lower().split(", "))
             for language in generator.LANGUAGES
             for line in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()
             if line.startswith("values: ")]  # fmt: skip
    shares = {}
    for split, rows in splits.items():
        answers = {}
        for row in rows:
            answers.setdefault(row["context"], []).append(row["answers"]["text"][0].lower())
        rivals = [any(answer in kind and other in kind and answer != other for kind in kinds for other in found)
                  for found in answers.values() for answer in found]  # fmt: skip
        shares[split] = sum(rivals) / len(rivals)
    assert 0.28 < shares["test"] < 0.42 and abs(shares["test"] - shares["train"]) < 0.05, shares

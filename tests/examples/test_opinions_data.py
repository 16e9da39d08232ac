"""The small opinion data set of the classifier example: reproducible, balanced, split honestly, not trivial."""

import csv
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "opinions"
SPLITS = ("train", "validation", "test")
LANGUAGES = ("en", "id")
NEGATIONS = set(
    "not never hardly no nothing nobody none without cannot neither "
    "tidak nggak gak bukan bukannya kurang belum tanpa jangan tak".split()
)


def words(text):
    return re.findall(r"[\w'-]+", text.lower())


def negations(text):
    return ["n't" if word.endswith("n't") else word for word in words(text) if word in NEGATIONS or "n't" in word]


def read(split):
    with open(FOLDER / f"{split}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def splits():
    return {split: read(split) for split in SPLITS}


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make_opinions")


def test_the_files_on_disk_are_what_the_generator_makes(generator, tmp_path):
    generator.main(tmp_path)
    for split in SPLITS:
        assert (tmp_path / f"{split}.csv").read_bytes() == (FOLDER / f"{split}.csv").read_bytes()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_both_labels_are_equally_frequent(splits, split, language):
    labels = Counter(row["label"] for row in splits[split] if row["language"] == language)
    assert set(labels) == {"negative", "positive"}
    assert labels["negative"] == labels["positive"]


def test_both_languages_have_about_half_of_every_split(splits):
    for rows in splits.values():
        assert 0.45 < sum(row["language"] == "id" for row in rows) / len(rows) < 0.55


def test_train_is_large_and_the_other_splits_keep_their_size(splits):
    assert 2000 <= len(splits["train"]) <= 2600
    assert (len(splits["validation"]), len(splits["test"])) == (92, 190)


def test_no_sentence_occurs_twice(splits):
    texts = Counter(row["text"].lower() for rows in splits.values() for row in rows)
    assert [text for text, count in texts.items() if count > 1] == []


def test_every_sentence_has_four_to_twenty_five_words(splits):
    for rows in splits.values():
        assert [row["text"] for row in rows if not 4 <= len(words(row["text"])) <= 25] == []


@pytest.mark.parametrize(("split", "limit"), [("train", 16), ("validation", 8), ("test", 8)])
def test_no_template_makes_too_many_sentences(splits, split, limit):
    sources = Counter(row["source"] for row in splits[split] if row["source"] != "written")
    assert max(sources.values()) <= limit


def test_no_template_is_in_two_splits(generator):
    frames = [
        frame for module in generator.LANGUAGES.values() for split in SPLITS for frame, *_ in module.TEMPLATES[split]
    ]
    assert len(frames) == len(set(frames))


def test_held_out_topics_are_in_test_only(splits, generator):
    for language, module in generator.LANGUAGES.items():
        topics = set(module.HELD_OUT_TOPICS.split())
        used = {split: {word for row in splits[split] for word in words(row["text"])} for split in SPLITS}
        assert topics <= used["test"], language
        assert not topics & (used["train"] | used["validation"]), language


def test_most_judging_words_of_the_test_templates_are_known_from_train(splits, generator):
    known = {word for row in splits["train"] for word in words(row["text"])}
    judging = {
        word
        for module in generator.LANGUAGES.values()
        for _, *classes in module.TEMPLATES["test"]
        for fillings in classes
        for slots in generator.parse_fillings(fillings)
        for word in words(" ".join(slots[1:]))
    }
    assert len(judging & known) / len(judging) > 0.9, judging - known


@pytest.mark.parametrize(("left", "right"), [("train", "test"), ("validation", "test"), ("train", "validation")])
def test_no_two_splits_share_a_near_duplicate(splits, left, right):
    left_sets, right_sets = ([set(words(row["text"])) for row in splits[split]] for split in (left, right))
    assert max(len(a & b) / len(a | b) for a in left_sets for b in right_sets) < 0.8


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_about_as_many_positive_as_negative_sentences_hold_a_negation(splits, split, language):
    shares = {}
    for label in ("negative", "positive"):
        rows = [row for row in splits[split] if (row["language"], row["label"]) == (language, label)]
        shares[label] = sum(bool(negations(row["text"])) for row in rows) / len(rows)
    assert 0.35 < shares["negative"] < 0.65
    assert abs(shares["negative"] - shares["positive"]) < 0.05


def test_no_frequent_negation_word_gives_the_label_away(splits):
    counts = {"negative": Counter(), "positive": Counter()}
    for row in splits["train"]:
        counts[row["label"]].update(negations(row["text"]))
    for word in NEGATIONS | {"n't"}:
        negative, positive = counts["negative"][word], counts["positive"][word]
        if negative + positive >= 10:
            assert 0.35 <= positive / (negative + positive) <= 0.65, word


def test_a_bag_of_words_beats_chance_but_stays_below_88_percent(splits):
    """Words carry much of the label, but not all of it: who reads the negation can score higher."""
    texts, labels = ({split: [row[key] for row in splits[split]] for split in SPLITS} for key in ("text", "label"))
    vectorizer = TfidfVectorizer()
    model = LogisticRegression(max_iter=1000)
    model.fit(vectorizer.fit_transform(texts["train"]), labels["train"])
    assert 0.65 < model.score(vectorizer.transform(texts["test"]), labels["test"]) < 0.88

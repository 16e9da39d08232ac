"""The small story corpus of the pretraining demo: reproducible, laid out as its card says, not too repetitive."""

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "stories"
SPLITS = ("train", "validation")
INDONESIAN = set("di ke dan itu dari yang dengan untuk ada ini hari saya".split())
ENGLISH = set("the a an and to of in is was i at".split())


def words(text):
    return re.findall(r"\w+", text.lower())


def number(text):
    return int(text.replace(",", ""))


@pytest.fixture(scope="module")
def stories():
    read = {split: (FOLDER / f"{split}.txt").read_text(encoding="utf-8") for split in SPLITS}
    return {split: [tuple(story.split("\n")) for story in text.strip().split("\n\n")] for split, text in read.items()}


@pytest.fixture(scope="module")
def card():
    return (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make_stories")


def language(story):
    found = set(words(" ".join(story)))
    return "id" if len(found & INDONESIAN) > len(found & ENGLISH) else "en"


def test_the_files_on_disk_are_what_the_generator_makes(generator, tmp_path):
    generator.main(tmp_path)
    for split in SPLITS:
        assert (tmp_path / f"{split}.txt").read_bytes() == (FOLDER / f"{split}.txt").read_bytes()


@pytest.mark.parametrize("split", SPLITS)
def test_one_sentence_per_line_and_one_blank_line_between_stories(split):
    text = (FOLDER / f"{split}.txt").read_bytes().decode("utf-8")
    assert text.endswith(".\n") and not text.startswith("\n")
    assert "\n\n\n" not in text and "\r" not in text
    for line in filter(None, text.split("\n")):
        assert re.fullmatch(r'("?[A-Z]).*[.]', line) and "  " not in line, line
        assert not re.search(r"[\[\]{}|/*_]", line), line


def test_every_story_has_five_to_eight_sentences_of_four_to_twenty_words(stories):
    for story in stories["train"] + stories["validation"]:
        assert 5 <= len(story) <= 8
        assert [sentence for sentence in story if not 4 <= len(words(sentence)) <= 20] == []


@pytest.mark.parametrize("split", SPLITS)
def test_the_card_states_the_sizes(stories, card, split):
    row = re.search(rf"^\| `{split}.txt` \|(.*)\|$", card, re.MULTILINE)[1]
    languages = Counter(map(language, stories[split]))
    sentences = [sentence for story in stories[split] for sentence in story]
    assert [number(cell) for cell in row.split("|")] == [
        languages["id"],
        languages["en"],
        len(stories[split]),
        len(sentences),
        sum(len(words(sentence)) for sentence in sentences),
    ]


def test_the_card_states_the_number_of_words_and_of_repetitions(stories, card):
    sentences = [sentence for split in SPLITS for story in stories[split] for sentence in story]
    vocabulary = {word for sentence in sentences for word in words(sentence)}
    text = " ".join(card.split())
    assert number(re.search(r"There are ([\d,]+) different words", text)[1]) == len(vocabulary)
    stated = re.search(r"of ([\d,]+) sentences ([\d,]+) are different", text)
    assert [number(group) for group in stated.groups()] == [len(sentences), len(set(sentences))]


def test_no_story_occurs_twice(stories):
    together = [story for split in SPLITS for story in stories[split]]
    assert len(set(together)) == len(together)


def test_no_sentence_occurs_twice_in_a_story(stories):
    assert [story for split in SPLITS for story in stories[split] if len(set(story)) < len(story)] == []


def test_few_sentences_are_repeated(stories):
    counts = Counter(sentence for split in SPLITS for story in stories[split] for sentence in story)
    assert sum(count for count in counts.values() if count > 1) / sum(counts.values()) < 0.35


def test_no_validation_story_is_nearly_a_training_story(stories):
    train = [set(story) for story in stories["train"]]
    for story in stories["validation"]:
        assert max(len(told.intersection(story)) for told in train) < len(story) * 2 / 3, story


def test_a_quarter_of_the_validation_sentences_occur_in_train(stories):
    train = {sentence for story in stories["train"] for sentence in story}
    validation = [sentence for story in stories["validation"] for sentence in story]
    assert 0.2 < sum(sentence in train for sentence in validation) / len(validation) < 0.3


def test_nearly_every_wording_of_the_grammar_is_used(stories, generator):
    text = "\n".join(sentence for split in SPLITS for story in stories[split] for sentence in story)
    scenarios = [tales for name in generator.LANGUAGES for tales in generator.read_grammar(FOLDER / f"{name}.txt")]
    all_wordings = {wording for _, sentences in scenarios for _, wordings in sentences for wording in wordings}
    unused = set()
    for wording in all_wordings:
        parts = re.split(r"\[.*?\]|\{.*?\}", wording)
        if not re.search(f"^{'.+?'.join(map(re.escape, parts))}$", text, re.MULTILINE | re.IGNORECASE):
            unused.add(wording)
    assert len(unused) < 0.01 * len(all_wordings), unused


def test_the_question_of_the_demo_is_no_sentence_of_the_corpus(stories):
    sentences = [sentence.lower() for split in SPLITS for story in stories[split] for sentence in story]
    assert [sentence for sentence in sentences if re.fullmatch(r"kucing \w+ di taman\.", sentence)] == []
    assert sum("kucing" in sentence and " di taman" in sentence for sentence in sentences) >= 40

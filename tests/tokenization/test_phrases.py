"""Phrases: which runs of words become tokens, and that the tokenizer with them is an ordinary one."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from transformers import AutoTokenizer

from modeling_minibert.data import WordCache
from tokenization import add_phrases, find_phrases, save_tokenizer, train_tokenizer

# The words of a phrase stand together in a third of the texts, the others as they fall.
PHRASES = ["tidak bagus", "buang buang waktu", "bener-bener jelek"]
FILLING = "film ini sangat panjang dan lagu itu juga agak lama sekali tetapi kami menonton besok".split()


def make_texts(count=300, seed=0):
    draw, texts = random.Random(seed), []
    for _ in range(count):
        words = draw.choices(FILLING, k=draw.randint(3, 11))
        if draw.random() < 0.34:
            words.insert(
                draw.randint(0, len(words)), draw.choice(["tidak bagus", "buang buang waktu", "bener-bener jelek"])
            )
        if draw.random() < 0.3:
            words[draw.randrange(len(words))] += draw.choice([".", ", ", "!", " 3 "])
        texts.append(" ".join(words).capitalize())
    return texts


def slow_phrases(texts, min_frequency, lift):
    """The definition, word by word: every run of two or three letters-only words between anything else."""
    runs = []
    for text in texts:
        for clause in (
            "".join(c if c.isalpha() or c in "- " else "|" for c in text.lower()).replace("  ", "|").split("|")
        ):
            words = clause.split()
            if words:
                runs.append(words)
    singles = Counter(word for run in runs for word in run if len(run) > 1)
    pairs = Counter(pair for run in runs for pair in pairwise(run))
    threes = Counter(three for run in runs for three in zip(run, run[1:], run[2:], strict=False))
    total, found = singles.total(), {}
    for phrase, n in (pairs | threes).items():
        cuts = [(phrase[:1], phrase[1:]), (phrase[:-1], phrase[-1:])]
        count = [(singles[part[0]] if len(part) == 1 else pairs[part]) for cut in cuts for part in cut]
        expected = max(count[0] * count[1], count[2] * count[3]) / total
        if n >= min_frequency and n > lift * expected:
            found[" ".join(phrase)] = n
    return sorted(found, key=lambda phrase: (-found[phrase], phrase))


@pytest.mark.parametrize("min_frequency, lift", [(3, 1.5), (9, 4.0), (20, 2.0)])
def test_phrases_are_the_runs_that_the_definition_names(min_frequency, lift):
    texts = make_texts()
    expected = slow_phrases(texts, min_frequency, lift)
    assert len(expected) > 2
    assert find_phrases(texts, 1000, min_frequency=min_frequency, lift=lift) == expected
    for source in (Again(texts), iter(texts)):
        assert find_phrases(source, 2, min_frequency=min_frequency, lift=lift) == expected[:2]


class Again:
    """Texts without a length, readable more than once."""

    def __init__(self, texts):
        self.texts = texts

    def __iter__(self):
        yield from self.texts


def test_the_three_readings_are_shown(capsys):
    find_phrases(make_texts(), 3, show_progress=True)
    shown = capsys.readouterr().err
    assert [what in shown for what in ("Counting words", "pairs of words", "three words", "300/300")] == [True] * 4


def test_marks_numbers_and_two_spaces_end_a_run():
    texts = ["tidak bagus"] * 5 + ["sama. sekali", "sama  sekali", "sama 3 sekali", "sama\nsekali", "sama/sekali"] * 9
    assert find_phrases(texts, 9, min_frequency=2, lift=0.1) == ["tidak bagus"]
    assert find_phrases(["Don't waste"] * 3 + ["a_b c"] * 9, 9, min_frequency=2, lift=0.1) == ["don't waste"]


@pytest.fixture(params=["wordpiece", "wordlevel"])
def tokenizer(request):
    texts = make_texts(count=900)
    with pytest.warns(UserWarning, match="no further ones that are frequent enough"):
        return train_tokenizer(
            texts, kind=request.param, vocab_size=170, phrases=500, min_frequency=1, show_progress=False
        )


def test_phrases_are_taken_whole_wherever_they_stand(tokenizer):
    assert tokenizer.tokenize("Film ini TIDAK bagus!")[-2:] == ["tidak bagus", "!"]
    assert tokenizer.tokenize("buang buang waktu")[:1] == ["buang buang waktu"]  # the longest
    assert "tidak bagus" not in tokenizer.tokenize("tidak. bagus") + tokenizer.tokenize("tidak bagusnya")
    found = tokenizer("Lagu itu tidak bagus, dan lama", return_offsets_mapping=True)
    place = tokenizer.convert_ids_to_tokens(found["input_ids"]).index("tidak bagus")
    assert found["offset_mapping"][place] == (9, 20)
    assert tokenizer.decode(found["input_ids"], skip_special_tokens=True).startswith("lagu itu tidak bagus")


def test_the_ids_are_dense_and_survive_saving_and_the_word_cache(tokenizer, tmp_path):
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert "tidak bagus" in tokenizer.get_added_vocab() and "tidak bagus" not in tokenizer.all_special_tokens
    texts = make_texts(seed=1)
    expected = tokenizer(texts, add_special_tokens=False)["input_ids"]
    save_tokenizer(tokenizer, tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)(texts, add_special_tokens=False)["input_ids"] == expected
    assert WordCache(tokenizer).encode_batch(texts) == expected


def test_the_pieces_are_those_of_a_tokenizer_without_phrases():
    texts = make_texts()
    plain, more = (
        train_tokenizer(texts, vocab_size=170, phrases=phrases, min_frequency=1, show_progress=False)
        for phrases in (0, 3)
    )
    assert len(more) == len(plain) + 3
    assert {token: id_ for token, id_ in more.get_vocab().items() if id_ < len(plain)} == plain.get_vocab()
    assert add_phrases(plain, list(more.get_added_vocab())[-3:]) == 3 and plain.get_vocab() == more.get_vocab()


def test_a_text_that_is_read_once_gives_phrases_too():
    texts = make_texts()
    options = {"vocab_size": 200, "phrases": 3, "min_frequency": 1, "show_progress": False}
    for kind in ("wordpiece", "wordlevel"):
        with pytest.warns(UserWarning):
            once, again = (
                train_tokenizer(source, kind, **{**options, "vocab_size": 200}) for source in (iter(texts), texts)
            )
        assert once.get_vocab() == again.get_vocab()


def test_what_cannot_have_phrases_is_refused():
    for kind in ("bpe", "unigram", "character"):
        with pytest.raises(ValueError, match=f"phrases are for .*'wordpiece', 'wordlevel'.*; kind is '{kind}'"):
            train_tokenizer(["kata"], kind=kind, phrases=5)
    with pytest.raises(ValueError, match=r"phrases \(-1\) must be 0 or more"):
        train_tokenizer(["kata"], phrases=-1)

"""Words and pieces: as in the stock recipe, every word scored once, in windows too, for every tokenizer kind."""

import warnings

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from modeling_minibert.data.tag_alignment import IGNORED, align_tags, continued_tags
from tokenization import KINDS, add_phrases, train_tokenizer

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SENTENCES = [
    ["Budi", "Santoso", ",", "direktur", "Maju-Jaya", ",", "ke", "Bandung", "."],
    ["Hujan", "!"],
    ["Anna's", "café", "di", "Banda", "Aceh", "buka", "pukul", "7.30"],
]
TAGS = [[1, 2, 0, 0, 0, 0, 0, 3, 0], [0, 0], [1, 0, 0, 3, 4, 0, 0, 0]]
ROWS = Dataset.from_dict({"tokens": SENTENCES, "tags": TAGS})


def tokenizer_of(kind, **options):
    texts = [" ".join(tokens) for tokens in SENTENCES] * 3
    size = {"vocab_size": 240, "min_frequency": 1, "lowercase": False, "show_progress": False} | options
    with warnings.catch_warnings(action="ignore"):  # so few words fill no vocabulary
        return train_tokenizer(texts, kind, **size)


@pytest.fixture(params=KINDS, scope="module")
def tokenizer(request):
    return tokenizer_of(request.param)


def stock_labels(tokenizer, tokens, tags, all_pieces):
    """What transformers' own script does, in our words: label the pieces that `word_ids` gives to a word."""
    words = tokenizer(tokens, is_split_into_words=True).word_ids()
    continued, labels = continued_tags(LABELS), []
    for place, word in enumerate(words):
        if word is None:
            labels.append(IGNORED)
        elif place == 0 or words[place - 1] != word:
            labels.append(tags[word])
        else:
            labels.append(continued[tags[word]] if all_pieces else IGNORED)
    return labels


@pytest.mark.parametrize("all_pieces", [False, True])
def test_labels_are_those_of_the_stock_recipe(tokenizer, all_pieces):
    windows, places = align_tags(ROWS, tokenizer, LABELS, 100, label_all_pieces=all_pieces)
    assert len(windows) == len(SENTENCES) and places.lost == 0
    spaces = set(tokenizer.convert_tokens_to_ids([" "])) - {tokenizer.unk_token_id}
    for row, tokens in enumerate(SENTENCES):
        labels, ids = windows[row]["labels"], windows[row]["input_ids"]
        # A vocabulary of characters reads the spaces, which the stock recipe leaves out; they have no label.
        assert all(label == IGNORED for label, token in zip(labels, ids, strict=True) if token in spaces)
        kept = [pair for pair in zip(ids, labels, strict=True) if pair[0] not in spaces]
        assert [label for _, label in kept] == stock_labels(tokenizer, tokens, TAGS[row], all_pieces)
        assert [token for token, _ in kept] == tokenizer(tokens, is_split_into_words=True)["input_ids"]


@pytest.mark.parametrize("last_piece", [False, True])
def test_right_pieces_give_every_word_its_tag_back_in_windows_of_any_size(tokenizer, last_piece):
    for length, stride in ((100, None), (9, None), (9, 0), (7, 3), (5, 1)):
        windows, places = align_tags(ROWS, tokenizer, LABELS, length, stride, last_piece=last_piece)
        assert max(map(len, windows["input_ids"])) <= length
        scored = sorted(zip(places.rows.tolist(), places.words.tolist(), strict=True))
        assert scored == [(row, word) for row, tokens in enumerate(SENTENCES) for word in range(len(tokens))]
        labels = windows["labels"]
        assert sum(label != IGNORED for row in labels for label in row) == len(scored)  # each word once
        predictions = np.full((len(windows), length), 4)
        for window, row in enumerate(labels):
            for piece, label in enumerate(row):
                predictions[window, piece] = label if label != IGNORED else 4
        assert places.choose(predictions, 0, continued_tags(LABELS)) == TAGS


def test_a_sentence_that_fits_has_one_window_whatever_the_stride(tokenizer):
    one, _ = align_tags(ROWS, tokenizer, LABELS, 100, 0)
    other, _ = align_tags(ROWS, tokenizer, LABELS, 100, 40)
    assert one.to_list() == other.to_list() and len(one) == len(SENTENCES)


def test_a_word_is_scored_where_it_has_most_context():
    tokenizer = word_tokenizer([f"w{number}" for number in range(20)])
    tokens = [f"w{number}" for number in range(20)]
    rows = Dataset.from_dict({"tokens": [tokens], "tags": [[0] * 20]})
    windows, places = align_tags(rows, tokenizer, LABELS, 8, 4)  # no special tokens: windows begin at 0, 4, 8, 12
    starts = [tokens.index(tokenizer.convert_ids_to_tokens(ids[0])) for ids in windows["input_ids"]]
    assert starts == [0, 4, 8, 12]
    for word, window, piece in zip(places.words, places.windows, places.pieces, strict=True):
        assert starts[window] + piece == word
        context = [min(word - start, start + 7 - word) for start in starts if start <= word < start + 8]
        assert min(piece, 7 - piece) == max(context)


def word_tokenizer(words):
    """A tokenizer of whole words without special tokens around a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, **{w: 2 + i for i, w in enumerate(words)}}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


def test_words_without_pieces_keep_a_tag_and_are_counted():
    tokenizer = tokenizer_of("wordpiece")
    rows = Dataset.from_dict({"tokens": [["Budi", "\x01", "ke", "", "Bandung"]], "tags": [[1, 2, 0, 0, 3]]})
    windows, places = align_tags(rows, tokenizer, LABELS, 50, label_all_pieces=True)
    assert places.lost == 2 and places.windows.tolist()[1::2] == [-1, -1]
    predictions = np.array([[label if label >= 0 else 4 for label in windows[0]["labels"]]])
    assert places.choose(predictions, 0, continued_tags(LABELS)) == [[1, 0, 0, 0, 3]]


def test_a_phrase_gives_its_second_word_the_same_entity():
    tokenizer = tokenizer_of("wordpiece")
    add_phrases(tokenizer, ["Banda Aceh"])
    windows, places = align_tags(ROWS, tokenizer, LABELS, 100)
    assert places.shared.sum() == 1 and places.lost == 0
    predictions = np.full((3, 100), 0)
    for window, row in enumerate(windows["labels"]):
        predictions[window, : len(row)] = [max(label, 0) for label in row]
    assert places.choose(predictions, 0, continued_tags(LABELS)) == TAGS


WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs", "Cc", "Mn"]), max_size=6)


@settings(max_examples=40)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=7), min_size=1, max_size=3), st.integers(4, 12))
def test_no_word_is_lost_or_scored_twice_for_any_text(sentences, length):
    tokenizer = BYTES
    tags = [[index % 5 for index in range(len(tokens))] for tokens in sentences]
    rows = Dataset.from_dict({"tokens": sentences, "tags": tags})
    windows, places = align_tags(rows, tokenizer, LABELS, length, 1)
    assert len(places.words) == sum(map(len, sentences)) == sum(places.lengths)
    own = ~places.shared & (places.windows >= 0)
    spots = list(zip(places.windows[own].tolist(), places.pieces[own].tolist(), strict=True))
    assert len(set(spots)) == len(spots)
    found = [windows[window]["labels"][piece] for window, piece in spots]
    assert found == [tags[row][word] for row, word in zip(places.rows[own], places.words[own], strict=True)]


BYTES = tokenizer_of("bpe", vocab_size=420, byte_fallback=True)


def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(ValueError, match=r"doc_stride \(6\) must be at least 0 and below 6"):
        align_tags(ROWS, tokenizer_of("character"), LABELS, 8, 6)

    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="Slow does not say where its pieces stand; use a fast tokenizer"):
        align_tags(ROWS, Slow(), LABELS, 8)
    assert continued_tags(["O", "B", "I", "B-X", "S-X", "E-X", "NOUN"]) == [0, 2, 2, 3, 4, 5, 6]

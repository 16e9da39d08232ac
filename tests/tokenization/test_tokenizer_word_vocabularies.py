"""The lectures' word vocabularies, with their mistakes made impossible.

The lectures number words in a loop and lose ids (a repeated word leaves a hole), disagree between two maps, send
unknown words to padding, and keep an empty word after a trailing space. Here each of these is a test.
"""

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoTokenizer

from modeling_minibert import MiniBertConfig, MiniBertModel

REVIEWS = [
    "aku suka banget sama film ini",
    "filmnya bener-bener membosankan",
    "aktingnya luar biasa",
    "ngantuk banget pas nonton",
]
LECTURE = {"pad_token": "[PAD]", "cls_token": "[CLS]", "unk_token": "[UNK]"}
TRANSLATION = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}


@pytest.fixture(scope="module")
def words(train):
    options = {"min_frequency": 1, "punctuation": "attached", "model_max_length": 10}
    return train(REVIEWS, "wordlevel", special_tokens=LECTURE, **options)


@pytest.mark.lecture("S1-04", "S1-25", "S1-26", "S1-28")
def test_a_repeated_word_has_one_id_and_no_id_is_skipped(words):
    vocab = words.get_vocab()
    distinct = {word for review in REVIEWS for word in review.split()}
    assert sum(review.split().count("banget") for review in REVIEWS) == 2
    assert set(vocab) == distinct | {"[PAD]", "[CLS]", "[UNK]"}
    assert sorted(vocab.values()) == list(range(len(words))) == list(range(len(distinct) + 3))
    assert (vocab["[PAD]"], vocab["[CLS]"]) == (0, 1), "the lecture's two, and [UNK] after them"
    assert vocab["banget"] == 3, "the most frequent word comes first"


@pytest.mark.lecture("S1-04", "S1-26")
def test_words_survive_the_round_trip(words):
    for review in REVIEWS:
        assert words.decode(words(review).input_ids, skip_special_tokens=True) == review
    assert all(words.convert_ids_to_tokens(words.convert_tokens_to_ids(w)) == w for w in words.get_vocab())


@pytest.mark.lecture("S1-05")
def test_ten_places_hold_cls_the_words_and_padding(words):
    batch = words(REVIEWS + ["aku " * 30], padding="max_length", truncation=True).input_ids
    assert {len(ids) for ids in batch} == {10}
    tokens = words.convert_ids_to_tokens(batch[0])
    assert tokens == ["[CLS]", "aku", "suka", "banget", "sama", "film", "ini", "[PAD]", "[PAD]", "[PAD]"]
    assert words.convert_ids_to_tokens(batch[-1]) == ["[CLS]"] + ["aku"] * 9


@pytest.mark.lecture("S1-06", "S1-27")
def test_an_unseen_word_is_unknown_and_attended_to(words):
    encoding = words("aku suka durian", padding="max_length")
    assert words.convert_ids_to_tokens(encoding.input_ids)[:5] == ["[CLS]", "aku", "suka", "[UNK]", "[PAD]"]
    assert encoding.attention_mask == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.lecture("S5-24")
def test_translation_vocabularies_start_with_pad_sos_eos_then_words_by_frequency(train):
    texts = ["saya pergi ke depok", "saya pergi dengan motor", "kamu pergi", "saya datang"]
    tokenizer = train(texts, "wordlevel", special_tokens=TRANSLATION, min_frequency=1)
    vocab = tokenizer.get_vocab()
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(4)] == ["[PAD]", "[SOS]", "[EOS]", "[UNK]"]
    counts = [" ".join(texts).split().count(tokenizer.convert_ids_to_tokens(i)) for i in range(4, len(vocab))]
    assert counts == sorted(counts, reverse=True) and counts[0] == 3
    encoding = tokenizer("saya pergi")
    assert tokenizer.convert_ids_to_tokens(encoding.input_ids) == ["[SOS]", "saya", "pergi", "[EOS]"]
    assert "token_type_ids" not in encoding, "decoders know no token types"


@pytest.mark.lecture("S5-67")
def test_trailing_and_double_spaces_make_no_empty_word_and_unseen_words_no_error(train):
    tokenizer = train(["i go to depok ", "you  go "], "wordlevel", special_tokens=TRANSLATION, min_frequency=1)
    assert "" not in tokenizer.get_vocab() and len(tokenizer) == 4 + 5
    assert tokenizer("i go ").input_ids == tokenizer("i go").input_ids
    assert tokenizer.unk_token_id in tokenizer("i flew home").input_ids


def test_a_word_limit_keeps_the_most_frequent_words(train):
    texts = ["a " * 9 + "b " * 8 + "c " * 7 + "d " * 6]
    tokenizer = train(texts, "wordlevel", vocab_size=8)
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(5, 8)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"vocab_size is 5 with 5 special tokens"):
        train(texts, "wordlevel", vocab_size=5)


@pytest.mark.parametrize(
    ("punctuation", "expected"),
    [
        ("isolate", ["bener", "-", "bener", "bagus", "!", ",", "kan", "?"]),
        ("remove", ["bener", "bener", "bagus", "!", "kan", "?"]),
        ("attached", ["bener-bener", "bagus!,", "kan?"]),
    ],
)
def test_punctuation_modes_split_words_as_they_say(train, punctuation, expected):
    text = "Bener-bener bagus!, kan?"
    tokenizer = train([text], "wordlevel", punctuation=punctuation, min_frequency=1)
    assert tokenizer.tokenize(text) == expected


@pytest.mark.lecture("S2-42")
def test_cat_eating_fish_has_the_notebooks_ids_and_a_vector_per_word(train, tmp_path):
    """[11, 25, 38]: the notebook's table {1: 11, 2: 25, 3: 38} has no words; this vocabulary puts them at those ids."""
    places = {11: "cat", 25: "eating", 38: "fish"}
    words = [places.get(number, f"word{number}") for number in range(5, 45)]  # five special tokens come first
    corpus = [" ".join([word] * (len(words) - rank)) for rank, word in enumerate(words)]  # the commonest comes first
    trained = train(corpus, "wordlevel", min_frequency=1, vocab_size=45)
    trained.save_pretrained(tmp_path)
    for tokenizer in (trained, AutoTokenizer.from_pretrained(tmp_path)):
        ids = tokenizer("cat eating fish", add_special_tokens=False).input_ids
        assert ids == [11, 25, 38] and tokenizer.decode(ids) == "cat eating fish"
    embeddings = MiniBertModel(MiniBertConfig(vocab_size=45, hidden_size=128, num_attention_heads=2)).eval().embeddings
    vectors = embeddings(torch.tensor([ids]))
    assert vectors.shape == (1, 3, 128)  # a vector per word
    place, segment = embeddings.position_embeddings, embeddings.token_type_embeddings
    tables = embeddings.word_embeddings.weight[ids] + place.weight[:3] + segment.weight[0]
    assert_close(vectors[0], embeddings.norm(tables))

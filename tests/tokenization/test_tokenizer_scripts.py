"""Lower case strips accents of Latin, Greek and Cyrillic letters, and no vowel of any other script."""

import sys
import unicodedata
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from tokenization import KINDS, find_phrases, inspect_text, save_tokenizer, wordpiece_from_vocab
from tokenization.inspection import removed_marks
from tokenization.text_rules import build_normalizer

# Two words of each script that differ in one mark: vowels, vowel points, and the voicing of Japanese.
WORDS = {
    "Hindi": ("की", "को"), "Thai": ("มี", "มู"), "Tamil": ("கா", "கி"), "Bengali": ("কি", "কা"), "Javanese": ("ꦥꦺ", "ꦥꦶ"),
    "Sundanese": ("ᮊᮤ", "ᮊᮥ"), "Balinese": ("ᬓᬶ", "ᬓᬸ"), "Burmese": ("ကိ", "ကု"), "Khmer": ("កិ", "កុ"), "Lao": ("ກີ", "ກຸ"),
    "Tibetan": ("ཀི", "ཀུ"), "Telugu": ("కి", "కు"), "Malayalam": ("കി", "കു"), "Sinhala": ("කි", "කු"),
    "Gujarati": ("કિ", "કુ"),
    "Hebrew": ("שָׁ", "שִׁ"), "Arabic": ("كَ", "كُ"), "Syriac": ("ܡܠܟ̈", "ܡܠܟ"), "Japanese": ("が", "か"),
    "Korean": ("가", "거"),
}  # fmt: skip
RULES = {kind: build_normalizer(kind, True, None, False, "isolate") for kind in KINDS}
BERT = build_normalizer("wordpiece", True, None, False, "isolate", bert=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", WORDS)
def test_words_that_differ_in_a_vowel_keep_different_ids(train, kind, language, tmp_path):
    one, other = WORDS[language]
    tokenizer = train([f"{one} {other}"] * 5, kind, min_frequency=1)
    assert tokenizer(one)["input_ids"] != tokenizer(other)["input_ids"]
    for word in (one, other):
        ids = tokenizer(word)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        # "wordpiece" keeps BERT's class where it loses nothing, and that decomposes Korean.
        assert unicodedata.normalize("NFC", tokenizer.decode(ids, skip_special_tokens=True)) == word
        assert not removed_marks(word, tokenizer)
    loaded = AutoTokenizer.from_pretrained(save_tokenizer(tokenizer, tmp_path))
    assert loaded(f"{one} {other}")["input_ids"] == tokenizer(f"{one} {other}")["input_ids"]


@cache
def letters():
    """The capital and small letters of Latin, Greek and Cyrillic, by Python's tables."""
    scripts = ("LATIN", "GREEK", "CYRILLIC")
    cased = (c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Lu", "Ll"))
    return [c for c in cased if unicodedata.name(c, "").startswith(scripts)]


@pytest.mark.parametrize("kind", KINDS)
def test_accents_of_latin_greek_and_cyrillic_letters_go(kind):
    for letter in letters():
        base = "".join(c for c in unicodedata.normalize("NFD", letter) if unicodedata.category(c) != "Mn")
        assert RULES[kind].normalize_str(letter) == RULES[kind].normalize_str(base), letter
        assert RULES[kind].normalize_str(f"{letter}\u0301\u0323") == RULES[kind].normalize_str(base), letter


@pytest.mark.parametrize("kind", KINDS)
def test_no_mark_of_another_script_goes(kind):
    normalize = RULES[kind].normalize_str
    for mark in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(mark) in ("Mn", "Mc", "Me") and not "\ufe00" <= mark <= "\ufe0f":
            for letter in "กकشד":
                text = letter + mark
                assert normalize(text).replace(" ", "") == unicodedata.normalize("NFC", text), f"{ord(mark):x}"


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.one_of(st.sampled_from("aÉéŞİı ё-.,!\t❤\ufe0f👍\u0301\u0308"), st.sampled_from(letters())), max_size=30)
)
def test_texts_in_latin_greek_and_cyrillic_are_normalised_as_by_bert(text):
    assert RULES["wordpiece"].normalize_str(text) == unicodedata.normalize("NFC", BERT.normalize_str(text))


def test_plain_wordpiece_stays_berts_own_class_where_that_loses_nothing(train, sentences, tmp_path):
    texts = [*sentences, "Kafé ё ά ❤️ ( ͡° ͜ʖ ͡°) 서울 東京 cafe\u0301 हम"]
    plain = train(texts * 3)
    assert type(plain) is BertTokenizer
    stock = wordpiece_from_vocab(plain.get_vocab())
    assert stock(texts)["input_ids"] == plain(texts)["input_ids"]
    kept = train([*texts, "मैं"] * 3)
    assert type(kept) is PreTrainedTokenizerFast
    loaded = AutoTokenizer.from_pretrained(save_tokenizer(kept, tmp_path))
    assert loaded(texts)["input_ids"] == kept(texts)["input_ids"]
    assert type(train([*texts, "मैं"] * 3, strip_accents=False)) is BertTokenizer


def test_a_loaded_bert_vocabulary_strips_every_mark_as_it_was_made(train):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ม", "kafe"]
    tokenizer = wordpiece_from_vocab(pieces)
    assert tokenizer("มี มู Kafé")["input_ids"] == [2, 5, 5, 6, 3]
    assert removed_marks("มี Kafé", tokenizer) == {"ี": 1, "\u0301": 1}
    assert [piece.piece for piece in inspect_text("Kafé", tokenizer)] == ["[CLS]", "kafe", "[SEP]"]


def test_phrases_are_whole_words_in_scripts_with_vowel_signs(train):
    words = ["की", "को", "में", "से", "किताब", "चाय", "नई", "मीठी"]
    texts = [f"{one} {other} अच्छी नहीं {one}" for one in words for other in words]
    assert find_phrases(texts, 9) == ["अच्छी नहीं"]
    tokenizer = train(texts, "wordlevel", phrases=1)
    assert tokenizer.tokenize("मीठी चाय अच्छी नहीं") == ["मीठी", "चाय", "अच्छी नहीं"]

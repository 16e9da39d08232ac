"""The word cache gives the ids and the word numbers of the tokenizer, for every kind, and says when it cannot."""

import pickle
import warnings
from functools import cache

import pyarrow.parquet
import pytest
from datasets.fingerprint import Hasher
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from modeling_minibert.data import WordCache
from tokenization import train_tokenizer, wordpiece_from_vocab

SENTENCES = [
    "Aku suka banget film ini, ceritanya bikin terharu!",
    "Filmnya bener-bener membosankan; aku ngantuk pas nonton.",
    "The unbelievable story kept me awake, and the lowest price was lower than expected.",
    "Does a lower price make the worst film believable? 50.000 rupiah (kafé kecil).",
]
KINDS = ("wordpiece", "bpe", "unigram", "wordlevel")
VARIANTS = {
    "plain": {},
    "html": {"strip_html": True},
    "remove": {"punctuation": "remove", "strip_html": True},
    "attached": {"punctuation": "attached"},
    "cased": {"lowercase": False},
}
# Spaces of every sort, the characters that Python and BERT disagree on, pieces of tags and special tokens, and marks.
PARTS = [*"aeknsAEÉ é-.,!?'<>/0▁\t\n", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"]
PARTS += ["\u200b", "\u0301", "好", "  ", "film", "lower", "<br />", "<b", "</i>", "[MASK]", "[SEP]", "[", "Σ", "İ"]
TEXT = st.lists(st.one_of(st.sampled_from(PARTS), st.characters(exclude_categories=["Cs"])), max_size=30).map("".join)


@cache
def trained(kind, variant="plain"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return train_tokenizer(SENTENCES * 3, kind, vocab_size=400, show_progress=False, **VARIANTS[variant])


@cache
def warm_cache(kind, variant="plain"):
    return WordCache(trained(kind, variant))


def assert_same(tokenizer, cached, text):
    expected = tokenizer(text, add_special_tokens=False)
    for _ in range(2):  # cold, then warm
        assert cached.encode(text) == expected.input_ids
        assert cached.encode_words(text) == (expected.input_ids, expected.word_ids())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_word_numbers_are_those_of_the_tokenizer_for_any_text(kind, variant):
    tokenizer, cached = trained(kind, variant), warm_cache(kind, variant)
    assert cached.exact_by_words

    @settings(max_examples=150)
    @given(text=TEXT)
    def search(text):
        assert_same(tokenizer, cached, text)

    search()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    ["", " ", "a\x0bb c\x1cd", "a\x85 b", "<br /><br />film", "<a <b> c> d", "<b [MASK] > film", "film[MASK]film ▁ a"],
)
def test_the_known_traps(kind, text):
    for variant in ("plain", "html"):
        assert_same(trained(kind, variant), WordCache(trained(kind, variant)), text)


def test_a_batch_is_its_texts_and_the_tokenizers_truncation_plays_no_part():
    tokenizer = trained("wordpiece")
    expected = tokenizer(SENTENCES, add_special_tokens=False).input_ids
    cached = WordCache(tokenizer)
    tokenizer(SENTENCES, truncation=True, max_length=4, padding="max_length")
    assert cached.encode_batch(SENTENCES) == WordCache(tokenizer).encode_batch(SENTENCES) == expected


def wrapped(model, pre_tokenizer, normalizer=None, added=()):
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.add_tokens(list(added))
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


VOCAB = {"[UNK]": 0, "a": 1, "b": 2, "ab": 3, "a b": 4}
WORDS = models.WordLevel(VOCAB, unk_token="[UNK]")
SPACES = pre_tokenizers.WhitespaceSplit()


@pytest.mark.parametrize(
    ("why", "tokenizer"),
    [
        ("a piece that holds a space", wrapped(WORDS, pre_tokenizers.Punctuation())),
        ("a space is deleted", wrapped(WORDS, SPACES, normalizers.Replace(" ", ""))),
        ("a match crosses words", wrapped(WORDS, SPACES, normalizers.Replace(Regex(r"a\s+b"), "ab"))),
        ("a class with a space is deleted", wrapped(WORDS, SPACES, normalizers.Replace(Regex(r"[\s,]"), ""))),
        ("the first word is another", wrapped(WORDS, SPACES, normalizers.Prepend("a"))),
        ("an added token with a space", wrapped(WORDS, SPACES, added=["b a"])),
        ("an added token takes spaces", wrapped(WORDS, SPACES, added=[AddedToken("<m>", lstrip=True)])),
        ("bytes", wrapped(models.BPE(VOCAB, [], unk_token="[UNK]"), pre_tokenizers.ByteLevel())),
        ("spaces are kept", wrapped(WORDS, pre_tokenizers.Metaspace())),
        ("chance", wrapped(models.BPE(VOCAB, [("a", "b")], unk_token="[UNK]", dropout=0.5), SPACES)),
        ("words may vanish", wrapped(models.BPE(VOCAB, [("a", "b")]), SPACES)),
    ],
)
def test_tokenizers_whose_words_are_not_alone_get_the_whole_text(why, tokenizer):
    cached = WordCache(tokenizer)
    assert not cached.exact_by_words, why
    if why != "chance":
        for text in ("a b", "b  a,ab ", "<m> a b a", "a, b"):
            assert_same(tokenizer, cached, text)
        assert cached.encode_batch(["a b", "b"]) == tokenizer(["a b", "b"], add_special_tokens=False).input_ids


def test_local_steps_are_found_exact():
    steps = [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("``", '"')]
    steps += [normalizers.Replace(Regex("[;,]"), ""), normalizers.Replace(Regex(r"[\p{P}&&[^!]]"), " ")]
    cutters = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    tokenizer = wrapped(WORDS, cutters, normalizers.Sequence(steps), [AddedToken("<m>", normalized=False)])
    cached = WordCache(tokenizer)
    assert cached.exact_by_words
    for text in ("A b,a ab; <m>b ``a 12", "ﬁ\u00b4 a"):
        assert_same(tokenizer, cached, text)


def test_added_tokens_and_replacements_with_marks_are_found_in_words():
    vocab = {"[UNK]": 0, "a": 1, "b": 2, "-": 3, "nicht": 4, "'": 5}
    model = models.WordLevel(vocab, unk_token="[UNK]")
    bert = normalizers.BertNormalizer(lowercase=True)
    plain = wrapped(model, pre_tokenizers.BertPreTokenizer(), bert, [AddedToken("A-B", normalized=False)])
    folded = wrapped(model, pre_tokenizers.BertPreTokenizer(), bert, [AddedToken("a-b", normalized=True)])
    steps = normalizers.Sequence([normalizers.Replace("n't", " nicht"), bert])
    replaced = wrapped(model, pre_tokenizers.BertPreTokenizer(), steps)
    for tokenizer in (plain, folded, replaced):
        cached = WordCache(tokenizer)
        assert cached.exact_by_words
        for text in ("a-b A-B xA-Bx -a--b", "b,A-b'", "an't b'n't"):
            assert_same(tokenizer, cached, text)


@pytest.mark.data
def test_the_gpt2_tokenizer_falls_back(data_dir):
    folder = data_dir / "tokenizers/gpt2"
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    cached = WordCache(tokenizer)
    assert not cached.exact_by_words
    assert_same(tokenizer, cached, "Hello  world, it's\n fine")


def test_it_pickles_without_what_it_remembers_and_its_fingerprint_is_stable():
    tokenizer = trained("wordpiece")
    cached = WordCache(tokenizer)
    fingerprint = Hasher.hash(cached)
    cached.encode_batch(SENTENCES)
    assert len(cached) > 20
    tokenizer("panjang sekali", truncation=True, max_length=4)
    assert Hasher.hash(cached) == fingerprint == Hasher.hash(WordCache(tokenizer))
    assert Hasher.hash(WordCache(trained("bpe"))) != fingerprint
    copy = pickle.loads(pickle.dumps(cached))
    assert len(copy) == 0 and copy.encode_batch(SENTENCES) == cached.encode_batch(SENTENCES)


def test_it_remembers_no_more_than_it_may():
    cached = WordCache(trained("wordpiece"), max_words=5)
    assert cached.encode_batch(SENTENCES) == warm_cache("wordpiece").encode_batch(SENTENCES)
    assert len(cached) == 5


def test_a_slow_tokenizer_is_refused():
    with pytest.raises(ValueError, match="needs a fast tokenizer, got object"):
        WordCache(object())


@pytest.mark.data
@pytest.mark.slow
def test_imdb_reviews_encode_with_the_same_ids(data_dir):
    tokenizer = wordpiece_from_vocab(data_dir / "tokenizers/bert-base-uncased/vocab.txt")
    texts = pyarrow.parquet.read_table(data_dir / "imdb/train.parquet", columns=["text"])["text"].to_pylist()[::25]
    backend, cached = tokenizer.backend_tokenizer, WordCache(tokenizer)
    encodings = backend.encode_batch(texts, add_special_tokens=False)
    assert cached.encode_batch(texts) == [encoding.ids for encoding in encodings]
    for text, encoding in zip(texts[:200], encodings, strict=False):
        assert cached.encode_words(text) == (encoding.ids, encoding.word_ids)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_tokenizers_saved_with_the_space_before_each_word_are_exact_too(kind):
    """As `train_tokenizer` made them until 0.1.0: spaces were not dropped before the space mark was added."""
    backend = Tokenizer.from_str(trained(kind).backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace("▁", prepend_scheme="always"), backend.pre_tokenizer[2]]
    )
    old = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    assert old.tokenize(SENTENCES[0]) == trained(kind).tokenize(SENTENCES[0])
    cached = WordCache(old)
    assert cached.exact_by_words
    for text in SENTENCES:
        assert_same(old, cached, text)

"""A word cache: the same ids as the tokenizer gives, several times faster.

A corpus repeats its words. So a text is cut at whitespace, every distinct word goes through the tokenizer once, and
after that a text costs one dictionary look-up per word:

    cache = WordCache(tokenizer)
    cache.encode("a great movie")          # == tokenizer("a great movie", add_special_tokens=False).input_ids

This is right only if the tokenizer treats each word as if it stood alone. `cuts_at_whitespace` decides that from the
tokenizer's own parts, and `WordCache.exact_by_words` says what it found; where it cannot be proved (byte-level BPE,
where a space is part of a word) every text goes through the tokenizer, and nothing is gained but nothing is wrong.

Most distinct words differ in their marks only: "movie," "movie." "(movie". For BERT's tokenizers, where every mark is a
word of its own (`marks_cut_words`), the frequent ones are cut off before, which leaves a third of the words to
remember; and what is only letters goes to the tokenizer's model directly.

On the 25,000 IMDB reviews that is about 5 times as fast as the tokenizer's `encode_batch` from an empty cache, and 7
times once the words are known (CPU time, one thread; examples/benchmarks/encoding.py).

Three things need care:

- Python's idea of whitespace. `str.split()` also cuts at \\v \\f \\x1c-\\x1f \\x85, which BERT's cleaning deletes, so
  that their neighbours become one word. Here only spaces, line ends and tabs cut; what holds a rarer one is a "word"
  that the tokenizer may cut further.
- Tags, for a tokenizer that strips them: "<br />" holds a space. They are cut out before the words are, as the
  tokenizer does it. No word that is left can hold a whole tag: a tag that the search skipped would have to begin
  inside another one, and no tag holds a second "<".
- Special tokens spelled out in such a text: the tokenizer looks for them before it looks for tags, so it gets the
  whole text.

Read `WordCache` first, then `cuts_at_whitespace` and its three questions.
"""

import json
import re
from itertools import chain

from tokenizers import Tokenizer

# What `train_tokenizer(strip_html=True)` puts first; the pattern means the same to Python.
HTML_TAG = r"</?[A-Za-z][^<>]*>"
_HTML_STEP = {"type": "Replace", "pattern": {"Regex": HTML_TAG}, "content": " "}
_find_tags = re.compile(HTML_TAG)
# What a word of printable ASCII characters falls into.
_find_parts = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]").findall
# The marks that texts have most of. None of them becomes another character with an accent on it, as "<" does.
_FREQUENT_MARKS = ".,'\"-/()!?"

# Normalizers that look at a character and at most at the marks that follow it.
_LOCAL_NORMALIZERS = {"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD"}
# Pre-tokenizers that cut at all whitespace and drop it, and those that cut words further without looking around.
_CUT_AT_SPACES = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_CUT_WORDS = {*_CUT_AT_SPACES, "Punctuation", "Digits", "Split", "CharDelimiterSplit"}
# Spaces as "▁": exact where the text comes with single spaces and none at its ends, which these steps see to.
_METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
_SINGLE_SPACES = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "NFC"},
]


class WordCache:
    """Encode texts without special tokens, remembering the ids of every word.

    It pickles without what it remembers, so that the worker processes of `datasets.map` start light and the
    fingerprint of a data set does not depend on what was encoded before.

    Args:
        tokenizer: a fast tokenizer of transformers; its truncation and padding play no part.
        max_words: how many words to remember, at some 250 bytes each; later ones are encoded each time.

    Attributes:
        exact_by_words: whether texts are cut at whitespace. If not, the tokenizer encodes every text whole.

    Raises:
        ValueError: a tokenizer without a `backend_tokenizer`.
    """

    def __init__(self, tokenizer, max_words: int = 1_000_000):
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ValueError(f"a word cache needs a fast tokenizer, got {type(tokenizer).__name__}")
        # A copy: others may switch on truncation in theirs. As a string it also pickles the same every time.
        own = Tokenizer.from_str(backend.to_str())
        own.no_truncation()
        own.no_padding()
        self._start(own.to_str(), max_words, backend.encode_special_tokens)

    def _start(self, state: str, max_words: int, encode_special_tokens: bool) -> None:
        self._arguments = (state, max_words, encode_special_tokens)
        self._backend = Tokenizer.from_str(state)
        self._backend.encode_special_tokens = encode_special_tokens
        rules = json.loads(state)
        self.exact_by_words = cuts_at_whitespace(rules, self._backend)
        self._strips_tags = _HTML_STEP in _steps(rules["normalizer"], "normalizers")
        added_tokens = [token["content"] for token in rules["added_tokens"]]
        self._find_added_token = re.compile("|".join(map(re.escape, added_tokens)) or "(?!)").search
        self._marks_cut = self.exact_by_words and marks_cut_words(rules)
        self._space_out = [mark for mark in _FREQUENT_MARKS if self._marks_cut and mark not in "".join(added_tokens)]
        self._model, normalizer = self._backend.model, self._backend.normalizer
        self._lowercases = normalizer is not None and normalizer.normalize_str("A") == "a"
        # One number object per id, not one per occurrence: what is looked up most then stays in the processor's cache.
        self._integers = list(range(max(self._backend.get_vocab(with_added_tokens=True).values()) + 1))
        self._ids = _Memory(self._ids_of_word, max_words)
        self._words = _Memory(self._word_numbers, max_words)

    def __getstate__(self):
        return self._arguments

    def __setstate__(self, arguments):
        self._start(*arguments)

    def __len__(self) -> int:
        """How many words are remembered."""
        return len(self._ids)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        words = self._cut(text)
        if words is None:
            return self._encode_whole(text).ids
        return list(chain.from_iterable(map(self._ids.__getitem__, words)))

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """The ids of several texts."""
        if not self.exact_by_words:
            return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]
        return [self.encode(text) for text in texts]

    def encode_words(self, text: str) -> tuple[list[int], list[int]]:
        """The ids of a text, and for each the number of its word: those of the tokenizer's `word_ids()`.

        A word here is what the pre-tokenizer leaves whole: "don't" is three for BERT.
        """
        words = self._cut(text)
        if words is None:
            encoding = self._encode_whole(text)
            return encoding.ids, encoding.word_ids
        return list(chain.from_iterable(map(self._ids.__getitem__, words))), self._count_words(words)[0]

    def _cut(self, text: str) -> list[str] | None:
        """The words of a text; None if it has to be encoded whole."""
        if not self.exact_by_words:
            return None
        if self._strips_tags and "<" in text:
            if self._find_added_token(text):
                return None
            text = _find_tags.sub(" ", text)
        for mark in self._space_out:
            text = text.replace(mark, f" {mark} ")
        return text.replace("\n", " ").replace("\t", " ").split(" ")

    def _encode_whole(self, text: str):
        return self._backend.encode(text, add_special_tokens=False)

    def _ids_of_word(self, word: str) -> tuple[int, ...]:
        if not self._is_plain(word):
            return tuple([self._integers[token] for token in self._encode_whole(word).ids])
        parts = _find_parts(word)
        if len(parts) != 1:
            return tuple(chain.from_iterable(map(self._ids.__getitem__, parts)))
        # All that the tokenizer still does to letters is to make them small; its model, called alone, is quicker.
        pieces = self._model.tokenize(word.lower() if self._lowercases else word)
        return tuple([self._integers[piece.id] for piece in pieces])

    def _word_numbers(self, word: str) -> tuple[tuple[int, ...], int]:
        """The numbers of a word's own words, and how many there are."""
        if not self._is_plain(word):
            numbers = self._encode_whole(word).word_ids
            return tuple(numbers), numbers[-1] + 1 if numbers else 0
        parts = _find_parts(word)
        numbers = [number for number, part in enumerate(parts) for _ in self._ids[part]]
        return tuple(numbers), len(parts)

    def _count_words(self, words: list[str]) -> tuple[list[int], int]:
        """Number the words of several in a row, and count them."""
        numbers, seen = [], 0
        for word in words:
            own, count = self._words[word]
            numbers.extend([seen + number for number in own])
            seen += count
        return numbers, seen

    def _is_plain(self, word: str) -> bool:
        """Whether a word can be cut at its marks here, and each part be given to the model alone."""
        # Of the printable ASCII characters all that are no letter or digit are marks, and none is deleted.
        return self._marks_cut and word.isascii() and word.isprintable() and not self._find_added_token(word)


class _Memory(dict):
    """Computes what it has not seen, and remembers it while there is room."""

    def __init__(self, compute, max_words: int):
        super().__init__()
        self.compute, self.max_words = compute, max_words

    def __missing__(self, word: str):
        value = self.compute(word)
        if len(self) < self.max_words:
            self[word] = value
        return value


def cuts_at_whitespace(rules: dict, backend: Tokenizer) -> bool:
    """Whether a tokenizer gives a text the ids of its whitespace-separated words, one after the other.

    Args:
        rules: the parts of the tokenizer, as in tokenizer.json.
        backend: the tokenizer itself.

    Returns:
        False wherever it is not certain.
    """
    normalizers = _steps(rules["normalizer"], "normalizers")
    if _HTML_STEP in normalizers[:1]:
        normalizers = normalizers[1:]
    pre_tokenizers = _steps(rules["pre_tokenizer"], "pretokenizers")
    if pre_tokenizers[:1] == [_METASPACE]:
        if normalizers[-len(_SINGLE_SPACES) :] != _SINGLE_SPACES:
            return False
        normalizers = normalizers[: -len(_SINGLE_SPACES)]
    elif not pre_tokenizers or pre_tokenizers[0]["type"] not in _CUT_AT_SPACES:
        return False
    return (
        all(_is_local(step) for step in normalizers)
        and all(step["type"] in _CUT_WORDS for step in pre_tokenizers[1:])
        and _gives_every_word_a_piece(rules["model"])
        and not any(_may_reach_a_space(token, backend) for token in rules["added_tokens"])
    )


def marks_cut_words(rules: dict) -> bool:
    """Whether every ASCII mark is a word of its own, as for BERT, and nothing else cuts words of ASCII letters.

    Args:
        rules: the parts of a tokenizer that `cuts_at_whitespace`, as in tokenizer.json.

    Returns:
        False wherever it is not certain.
    """
    normalizers = [step for step in _steps(rules["normalizer"], "normalizers") if step != _HTML_STEP]
    return (
        [step["type"] for step in _steps(rules["pre_tokenizer"], "pretokenizers")] == ["BertPreTokenizer"]
        and all(step["type"] in _LOCAL_NORMALIZERS for step in normalizers)
        and not any(token["normalized"] or token["single_word"] for token in rules["added_tokens"])
    )


def _steps(part: dict | None, key: str) -> list[dict]:
    """The members of a Sequence, nested ones too; a single step is a sequence of one."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [step for member in part[key] for step in _steps(member, key)]


def _is_local(step: dict) -> bool:
    """Whether a normalizer works within words, and leaves spaces spaces."""
    if step["type"] in _LOCAL_NORMALIZERS or step == _SINGLE_SPACES[1]:
        return True
    if step["type"] != "Replace":
        return False
    text, pattern = step["pattern"].get("String"), step["pattern"].get("Regex")
    if text is not None:
        return bool(text) and not re.search(r"\s", text)
    # A class such as [,.;] matches one character at a time. If that may be a space, a space must come of it.
    return re.fullmatch(r"\[(?:[^\[\]\\]|\\.|&&|\[(?:[^\[\]\\]|\\.)+\])+\]", pattern) is not None and (
        step["content"].isspace() or not step["content"] and _class_spares_spaces(pattern)
    )


def _class_spares_spaces(pattern: str) -> bool:
    """Whether a class that is deleted names plain characters only, none of them a space."""
    return re.fullmatch(r"\[[^\s\[\]\\^-]+\]", pattern) is not None


def _gives_every_word_a_piece(model: dict) -> bool:
    """Whether words never vanish (their numbers would), and come out the same each time."""
    if model["type"] == "Unigram":
        return model["unk_id"] is not None
    if model["type"] == "BPE":
        return model["unk_token"] is not None and not model["dropout"]
    return model["type"] in ("WordPiece", "WordLevel")


def _may_reach_a_space(token: dict, backend: Tokenizer) -> bool:
    """Whether an added token holds a space, takes those beside it, or does so once it is normalized."""
    forms = [token["content"]]
    if token["normalized"] and backend.normalizer is not None:
        forms.append(backend.normalizer.normalize_str(token["content"]))
    return token["lstrip"] or token["rstrip"] or any(not form or re.search(r"\s", form) for form in forms)

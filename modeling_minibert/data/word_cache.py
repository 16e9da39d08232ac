"""A word cache that encodes texts to the same ids as the tokenizer, several times faster.

Words repeat in a corpus. Texts are split at whitespace, and every distinct word is tokenized once; a repeated word
costs one dictionary look-up:

    cache = WordCache(tokenizer)
    cache.encode("a great movie")          # == tokenizer("a great movie", add_special_tokens=False).input_ids

This is exact only if the tokenizer encodes each word independently of its neighbours. `splits_at_whitespace` checks
that from the tokenizer's components; the result is `WordCache.exact_by_words`. If it cannot be proved (in byte-level
BPE a space is part of a word), the tokenizer encodes every text whole, without a gain in speed.

Most distinct words differ only in punctuation: "movie," "movie." "(movie". BERT's tokenizers make every mark a separate
word (`splits_at_marks`), so frequent marks are split off first, which leaves a third of the words to cache. Words of
letters only go to the tokenizer's model directly.

On the 25,000 IMDB reviews this is about 5 times as fast as the tokenizer's `encode_batch` from an empty cache, and 7
times once the words are known (CPU time, one thread; examples/benchmarks/encoding.py).

Three cases need care:

- Rare whitespace. `str.split()` also splits at \\v \\f \\x1c-\\x1f \\x85, which BERT's cleaning deletes, joining their
  neighbours to one word. So only spaces, line ends and tabs split here; the tokenizer may split the words further.
- HTML tags, for a tokenizer that strips them, may contain spaces ("<br />"). They are removed before the split, as in
  the tokenizer. No remaining word can contain a whole tag: it would have to begin inside another tag, and no tag
  contains a second "<".
- Special tokens spelled out in a text with tags. The tokenizer looks for them before tags, so it gets the whole text.

Read `WordCache` first, then `splits_at_whitespace` and its three conditions.
"""

import json
import re
from itertools import chain

from tokenizers import Tokenizer

# The first normalizer of `train_tokenizer(strip_html=True)`; Python reads the pattern in the same way.
HTML_TAG = r"</?[A-Za-z][^<>]*>"
_HTML_STEP = {"type": "Replace", "pattern": {"Regex": HTML_TAG}, "content": " "}
# The step of `train_tokenizer(strip_accents=True)` that removes accents; it looks at the letter before them.
_ACCENTS = (
    r"(?<=[\p{Latin}\p{Greek}\p{Cyrillic}])[\p{Mn}&&[\p{Inherited}\p{Latin}\p{Greek}\p{Cyrillic}]]+"
    r"|(?<![\p{L}\p{M}])[\x{300}-\x{36F}]+|[\x{FE00}-\x{FE0F}]"
)
_ACCENT_STEP = {"type": "Replace", "pattern": {"Regex": _ACCENTS}, "content": ""}
_HTML_TAG_PATTERN = re.compile(HTML_TAG)
# Splits printable ASCII into runs of letters and digits, and single marks.
_find_parts = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]").findall
# The most frequent marks. An accent after one of them leaves it unchanged, unlike "<", which can become "≮".
_FREQUENT_MARKS = ".,'\"-/()!?"

# Normalizers that look at one character and the combining marks after it.
_LOCAL_NORMALIZERS = {"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD"}
# Pre-tokenizers that split at all whitespace and drop it, and those that split within words without context.
_SPACE_SPLITTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_WORD_SPLITTERS = {*_SPACE_SPLITTERS, "Punctuation", "Digits", "Split", "CharDelimiterSplit"}
# Spaces as "▁" are exact for texts with single spaces and none at the ends, which these normalizers ensure.
_METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
_SINGLE_SPACES = [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "NFC"},
]


class WordCache:
    """Encode texts without special tokens, caching the ids of every word.

    The cached words are not pickled, so workers of `datasets.map` start fast, and the fingerprint of a data set does
    not depend on earlier calls.

    Args:
        tokenizer: a fast tokenizer of transformers; its truncation and padding are ignored.
        max_words: size of the cache, at some 250 bytes per word; further words are encoded each time.

    Attributes:
        exact_by_words: True if texts are split at whitespace, False if the tokenizer encodes every text whole.

    Raises:
        ValueError: a tokenizer without a `backend_tokenizer`.
    """

    def __init__(self, tokenizer, max_words: int = 1_000_000):
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ValueError(f"a word cache needs a fast tokenizer, got {type(tokenizer).__name__}")
        # A copy, as the caller may enable truncation in the original. As a string it pickles the same every time.
        own = Tokenizer.from_str(backend.to_str())
        own.no_truncation()
        own.no_padding()
        self._set_up(own.to_str(), max_words, backend.encode_special_tokens)

    def _set_up(self, state: str, max_words: int, encode_special_tokens: bool) -> None:
        self._arguments = (state, max_words, encode_special_tokens)
        self._backend = Tokenizer.from_str(state)
        self._backend.encode_special_tokens = encode_special_tokens
        rules = json.loads(state)
        self.exact_by_words = splits_at_whitespace(rules, self._backend)
        self._strips_tags = _HTML_STEP in _steps(rules["normalizer"], "normalizers")
        added_tokens = [token["content"] for token in rules["added_tokens"]]
        self._find_added_token = re.compile("|".join(map(re.escape, added_tokens)) or "(?!)").search
        self._splits_marks = self.exact_by_words and splits_at_marks(rules)
        self._marks = [mark for mark in _FREQUENT_MARKS if self._splits_marks and mark not in "".join(added_tokens)]
        self._model, normalizer = self._backend.model, self._backend.normalizer
        self._lowercases = normalizer is not None and normalizer.normalize_str("A") == "a"
        # One int object per id instead of one per occurrence, so that frequent ids stay in the processor's cache.
        self._integers = list(range(max(self._backend.get_vocab(with_added_tokens=True).values()) + 1))
        self._ids = _Cache(self._ids_of_word, max_words)
        self._words = _Cache(self._word_numbers, max_words)

    def __getstate__(self):
        return self._arguments

    def __setstate__(self, arguments):
        self._set_up(*arguments)

    def __len__(self) -> int:
        """Return the number of cached words."""
        return len(self._ids)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""
        words = self._split(text)
        if words is None:
            return self._encode_whole(text).ids
        return list(chain.from_iterable(map(self._ids.__getitem__, words)))

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of several texts."""
        if not self.exact_by_words:
            return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]
        return [self.encode(text) for text in texts]

    def encode_words(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids of a text, and the tokenizer's `word_ids()`: the number of each id's word.

        Words are those of the pre-tokenizer: for BERT, "don't" is three words.
        """
        words = self._split(text)
        if words is None:
            encoding = self._encode_whole(text)
            return encoding.ids, encoding.word_ids
        numbers, seen = [], 0
        for word in words:
            own, count = self._words[word]
            numbers.extend([seen + number for number in own])
            seen += count
        return list(chain.from_iterable(map(self._ids.__getitem__, words))), numbers

    def _split(self, text: str) -> list[str] | None:
        """Split a text into words; None if it has to be encoded whole."""
        if not self.exact_by_words:
            return None
        if self._strips_tags and "<" in text:
            if self._find_added_token(text):
                return None
            text = _HTML_TAG_PATTERN.sub(" ", text)
        for mark in self._marks:
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
        # To letters the tokenizer only applies lower case and its model; calling the model alone is faster.
        pieces = self._model.tokenize(word.lower() if self._lowercases else word)
        return tuple([self._integers[piece.id] for piece in pieces])

    def _word_numbers(self, word: str) -> tuple[tuple[int, ...], int]:
        """Return for each id of a whitespace-separated word the number of its pre-tokenizer word, and their count."""
        if not self._is_plain(word):
            numbers = self._encode_whole(word).word_ids
            return tuple(numbers), numbers[-1] + 1 if numbers else 0
        parts = _find_parts(word)
        numbers = [number for number, part in enumerate(parts) for _ in self._ids[part]]
        return tuple(numbers), len(parts)

    def _is_plain(self, word: str) -> bool:
        """Return whether a word can be split at its marks here, and its parts be given to the model directly."""
        # BERT's normalizer keeps all printable ASCII; all of it but letters and digits are marks.
        return self._splits_marks and word.isascii() and word.isprintable() and not self._find_added_token(word)


class _Cache(dict):
    """A dictionary that computes missing values, and stores them up to a maximum size."""

    def __init__(self, compute, max_words: int):
        super().__init__()
        self.compute, self.max_words = compute, max_words

    def __missing__(self, word: str):
        value = self.compute(word)
        if len(self) < self.max_words:
            self[word] = value
        return value


def splits_at_whitespace(rules: dict, backend: Tokenizer) -> bool:
    """Return True if the ids of a text are surely the concatenated ids of its whitespace-separated words.

    Args:
        rules: the components of the tokenizer, as in tokenizer.json.
        backend: the tokenizer itself.
    """
    normalizers = _steps(rules["normalizer"], "normalizers")
    if _HTML_STEP in normalizers[:1]:
        normalizers = normalizers[1:]
    pre_tokenizers = _steps(rules["pre_tokenizer"], "pretokenizers")
    if pre_tokenizers[:2] == [{"type": "WhitespaceSplit"}, _METASPACE]:
        pre_tokenizers = pre_tokenizers[1:]
    if pre_tokenizers[:1] == [_METASPACE]:
        if normalizers[-len(_SINGLE_SPACES) :] != _SINGLE_SPACES:
            return False
        normalizers = normalizers[: -len(_SINGLE_SPACES)]
    elif not pre_tokenizers or pre_tokenizers[0]["type"] not in _SPACE_SPLITTERS:
        return False
    return (
        all(_is_local(step) for step in normalizers)
        and all(step["type"] in _WORD_SPLITTERS for step in pre_tokenizers[1:])
        and _encodes_every_word(rules["model"])
        and not any(_may_reach_a_space(token, backend) for token in rules["added_tokens"])
    )


def splits_at_marks(rules: dict) -> bool:
    """Return True if ASCII words are surely split at every mark, as by BERT, and nowhere else.

    Args:
        rules: the components of a tokenizer that `splits_at_whitespace`, as in tokenizer.json.
    """
    removing = (_HTML_STEP, _ACCENT_STEP)
    normalizers = [step for step in _steps(rules["normalizer"], "normalizers") if step not in removing]
    return (
        [step["type"] for step in _steps(rules["pre_tokenizer"], "pretokenizers")] == ["BertPreTokenizer"]
        and all(step["type"] in _LOCAL_NORMALIZERS for step in normalizers)
        and not any(token["normalized"] or token["single_word"] for token in rules["added_tokens"])
    )


def _steps(part: dict | None, key: str) -> list[dict]:
    """Return the steps of a component: the members of a (nested) Sequence, or the single step."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [step for member in part[key] for step in _steps(member, key)]


def _is_local(step: dict) -> bool:
    """Return whether a normalizer works within words and keeps spaces."""
    if step["type"] in _LOCAL_NORMALIZERS or step in (_SINGLE_SPACES[1], _ACCENT_STEP):
        return True
    if step["type"] != "Replace":
        return False
    text, pattern = step["pattern"].get("String"), step["pattern"].get("Regex")
    if text is not None:
        return bool(text) and not re.search(r"\s", text)
    # A character class, e.g. [,.;], must be replaced by a space, or be deleted and contain plain non-spaces only.
    return re.fullmatch(r"\[(?:[^\[\]\\]|\\.|&&|\[(?:[^\[\]\\]|\\.)+\])+\]", pattern) is not None and (
        step["content"].isspace() or not step["content"] and re.fullmatch(r"\[[^\s\[\]\\^-]+\]", pattern) is not None
    )


def _encodes_every_word(model: dict) -> bool:
    """Return whether every word gets at least one id, and the same ids each time."""
    if model["type"] == "Unigram":
        return model["unk_id"] is not None
    if model["type"] == "BPE":
        return model["unk_token"] is not None and not model["dropout"]
    return model["type"] in ("WordPiece", "WordLevel")


def _may_reach_a_space(token: dict, backend: Tokenizer) -> bool:
    """Return whether an added token contains a space, before or after normalization, or strips those beside it."""
    forms = [token["content"]]
    if token["normalized"] and backend.normalizer is not None:
        forms.append(backend.normalizer.normalize_str(token["content"]))
    return token["lstrip"] or token["rstrip"] or any(not form or re.search(r"\s", form) for form in forms)

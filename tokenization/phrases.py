"""Frequent phrases of two or three words as single tokens: "not good", "a waste of".

A model that sums or averages word vectors cannot represent "not good"; with a token for the phrase it can. Phrases are
word pairs and triples that occur often, and more often than by chance: the score of Mikolov et al. 2013, *Distributed
Representations of Words and Phrases*, section 4, without its discount (a minimum count excludes rare phrases). Phrases
do not cross marks and numbers.

    tokenizer = train_tokenizer(texts, vocab_size=20_000, phrases=20_000)
    tokenizer.tokenize("This was not good.")          # this | was | not good | .

Phrases match from the left, longest first. They are added tokens of `tokenizers`, matched as whole words in the
normalised text, so a saved tokenizer needs none of this code.
"""

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import tqdm

from .text_sources import open_texts

# Python's \w lacks the marks that spell vowels in Hindi, Thai and other scripts.
_MARKS = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in ("Mn", "Mc"))
_LETTERS = rf"[^\W\d_]+(?:[{_MARKS}]+[^\W\d_]*)*"
_WORD = rf"{_LETTERS}(?:['’-]{_LETTERS})*"  # don't, bener-bener
_RUN = re.compile(rf"(?<![\w{_MARKS}]){_WORD}(?: {_WORD})+(?![\w{_MARKS}])")


def find_phrases(
    texts,
    count: int,
    *,
    normalize: Callable[[str], str] = str.lower,
    min_frequency: int = 20,
    lift: float = 4.0,
    show_progress: bool = False,
) -> list[str]:
    """Find phrases of two or three words that occur more often than by chance: most frequent first, ties by alphabet.

    Args:
        texts: as for `open_texts`; read three times (words, pairs, triples), so that only candidates are counted in
            memory.
        count: largest number of phrases to return.
        normalize: the tokenizer's normalization of a text.
        min_frequency: smallest count of a phrase.
        lift: smallest ratio of the count of a phrase to the count expected by chance from its two parts; for triples,
            for both ways to split them in two.
        show_progress: show a progress bar per reading.
    """
    source = open_texts(texts).readable_again()

    def runs(what: str) -> Iterator[list[str]]:
        for text in tqdm(source, f"Counting {what}", total=source.length, disable=not show_progress):
            for run in _RUN.findall(normalize(text)):
                yield run.split(" ")

    words: Counter[str] = Counter()
    for run in runs("words"):
        words.update(run)
    pairs: Counter[tuple] = Counter()
    for run in runs("pairs of words"):
        pairs.update(pair for pair in pairwise(run) if min(words[word] for word in pair) >= min_frequency)
    triples: Counter[tuple] = Counter()
    for run in runs("three words"):
        candidates = zip(run, run[1:], run[2:], strict=False)
        triples.update(three for three in candidates if min(pairs[three[:2]], pairs[three[1:]]) >= min_frequency)

    def chance(phrase: tuple) -> int:
        """Return the count of a phrase expected by chance, times the number of words."""
        first, *_, last = phrase
        if len(phrase) == 2:
            return words[first] * words[last]
        return max(words[first] * pairs[phrase[1:]], pairs[phrase[:2]] * words[last])

    total = words.total()
    frequent = [
        (-n, " ".join(phrase))
        for phrase, n in chain(pairs.items(), triples.items())
        if n >= min_frequency and n * total > lift * chance(phrase)
    ]
    return [phrase for _, phrase in sorted(frequent)[:count]]


def add_phrases(tokenizer: PreTrainedTokenizerFast, phrases: list[str]) -> int:
    """Add phrases as tokens, with ids at the end, and return how many were new; resize the model's embeddings."""
    return tokenizer.add_tokens([AddedToken(phrase, single_word=True, normalized=True) for phrase in phrases])

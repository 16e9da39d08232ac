"""Phrases as tokens of their own: "not good", "a waste of" beside the words they are made of.

A model that sums or averages word vectors cannot know that "not good" is bad; with a vector of its own the phrase can
say so. The phrases of a text are the runs of two or three words that occur often, and clearly more often than chance
would have it (Mikolov et al. 2013, *Distributed Representations of Words and Phrases*, section 4, whose score this is
without its discount: rare phrases are left out by their count). Marks and numbers end a run.

    tokenizer = train_tokenizer(texts, vocab_size=20_000, phrases=20_000)
    tokenizer.tokenize("This was not good.")          # this | was not | good | .

The longest phrase from the left is taken. Phrases are ordinary added tokens of `tokenizers`, matched as whole words in
the normalised text, so a saved tokenizer needs nothing of ours.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import tqdm

from .text_sources import open_texts

_LETTERS = r"[^\W\d_]+"
_WORD = rf"{_LETTERS}(?:['’-]{_LETTERS})*"  # don't, bener-bener
_RUN = re.compile(rf"(?<!\w){_WORD}(?: {_WORD})+(?!\w)")


def find_phrases(
    texts,
    count: int,
    *,
    normalize: Callable[[str], str] = str.lower,
    min_frequency: int = 20,
    lift: float = 4.0,
    show_progress: bool = False,
) -> list[str]:
    """The most frequent phrases of two or three words, of those that are more than chance.

    Args:
        texts: as for `open_texts`; read three times (words, pairs, threes), so that only what may become a phrase is
            counted in memory.
        count: how many phrases are wanted; fewer are returned where the text has no more.
        normalize: what the tokenizer does to a text before it looks for words.
        min_frequency: how often a phrase must occur.
        lift: how many times as often as by chance its two parts must stand together; for three words, whichever way
            they are cut in two.
        show_progress: draw a progress bar per reading.

    Returns:
        The phrases, most frequent first, equally frequent ones by alphabet.
    """
    source = open_texts(texts).readable_again()

    def runs(what: str) -> Iterator[list[str]]:
        for text in tqdm(source, f"Counting {what}", total=source.length, disable=not show_progress):
            for run in _RUN.findall(normalize(text)):
                yield run.split(" ")

    words: Counter[str] = Counter()
    for run in runs("words"):
        words.update(run)
    total = words.total()
    pairs: Counter[tuple] = Counter()
    for run in runs("pairs of words"):
        pairs.update(pair for pair in pairwise(run) if min(words[word] for word in pair) >= min_frequency)
    threes: Counter[tuple] = Counter()
    for run in runs("three words"):
        triples = zip(run, run[1:], run[2:], strict=False)
        threes.update(three for three in triples if min(pairs[three[:2]], pairs[three[1:]]) >= min_frequency)
    times = {
        **{pair: n for pair, n in pairs.items() if n * total > lift * words[pair[0]] * words[pair[1]]},
        **{
            three: n
            for three, n in threes.items()
            if n * total > lift * max(words[three[0]] * pairs[three[1:]], pairs[three[:2]] * words[three[2]])
        },
    }
    frequent = [(-n, " ".join(phrase)) for phrase, n in times.items() if n >= min_frequency]
    return [phrase for _, phrase in sorted(frequent)[:count]]


def add_phrases(tokenizer: PreTrainedTokenizerFast, phrases: list[str]) -> int:
    """Give each phrase an id of its own, after all others; a model has to grow by as many embeddings.

    Returns:
        How many were new.
    """
    return tokenizer.add_tokens([AddedToken(phrase, single_word=True, normalized=True) for phrase in phrases])

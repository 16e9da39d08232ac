"""What the unigram trainer of `tokenizers` needs from outside, before and after training.

Before: `prepared_texts` hides rare characters from it, for it has no limit of its own, and shows it frequent words once
more with a tail. Its candidates are strings that are followed by at least two different characters, and a word's end
counts as one character, so "said" would never be a piece, however frequent, unless "saids" occurred too.

After: `settled_pieces` makes the result the same in every run, and keeps running text from matching special tokens.
"""

from collections import Counter

from tokenizers import Tokenizer

from .text_rules import SPACE_MARK
from .text_sources import Texts

# The tail: a control character, which normalised text never has. The word's end always follows it, so by the rule above
# no candidate contains it; alone it takes one id, which is freed afterwards.
_TAIL = "\x01"


def prepared_texts(source: Texts, backend: Tokenizer, alphabet: list[str], min_frequency: int) -> Texts:
    """Yield the normalised texts, then each frequent word once more, with a tail.

    Args:
        source: the texts.
        backend: tokenizer with its normalizer and pre-tokenizer; train it *without* the normalizer on this stream.
        alphabet: the characters of the vocabulary; others become spaces.
        min_frequency: words rarer than this are not shown again.
    """
    known = frozenset(alphabet)
    # Fetched here, because a backend that is being trained answers no questions (it would wait for itself).
    normalize, split = backend.normalizer.normalize_str, backend.pre_tokenizer.pre_tokenize_str

    def stream():
        counts: Counter[str] = Counter()
        for text in source:
            text = normalize(text)
            if rare := set(text) - known - {" "}:
                text = text.translate({ord(c): " " for c in rare})
            counts.update(word for word, _ in split(text))
            yield text
        for word, count in counts.items():
            if count >= max(2, min_frequency) and word.startswith(SPACE_MARK) and len(word) > 2:
                yield word.removeprefix(SPACE_MARK) + _TAIL

    return Texts(stream(), source.name)


def settled_pieces(vocab: list, reserved: int) -> list:
    """Order the pieces by score, the same in every run, and put the reserved ones out of reach.

    Args:
        vocab: [piece, log-probability] by id.
        reserved: how many entries at the front are special tokens and bytes.
    """
    learned = [(piece, score) for piece, score in vocab[reserved:] if piece != _TAIL]
    lowest = min(score for _, score in learned)
    # The trainer adds characters that EM dropped at the bottom, 0.0001 apart, in the order of a hash table.
    bottom = lowest + 1e-4 * len(learned)
    settled = [[p, lowest if len(p) == 1 and score < bottom else round(score, 6)] for p, score in learned]
    settled.sort(key=lambda entry: (-entry[1], entry[0]))
    # Reserved pieces come with the score 0, the best there is, so a text that spells "<0x41>" would match one. This
    # score is worse than any spelling by characters; the byte fallback and the special tokens ask for no score.
    return [[piece, 100 * lowest - 100] for piece, _ in vocab[:reserved]] + settled

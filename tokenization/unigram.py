"""Input and output processing for the unigram trainer of `tokenizers`.

Before training, `prepare_texts` removes rare characters, as the trainer has no limit on the alphabet, and repeats
frequent words with a tail. The trainer's candidates are strings followed by at least two different characters, where
the end of a word counts as one. So without the tail, "said" could not become a piece unless "saids" occurred too.

After training, `finish_vocab` makes the result reproducible, and prevents special tokens from matching running text.
"""

from collections import Counter

from tokenizers import Tokenizer

from .text_rules import SPACE_MARK
from .text_sources import Texts

# The tail is a control character, which normalised text never contains. It is always followed by the word's end, so by
# the rule above no candidate contains it; alone it takes one id, which is removed afterwards.
_TAIL = "\x01"


def prepare_texts(source: Texts, backend: Tokenizer, alphabet: list[str], min_frequency: int) -> Texts:
    """Return the normalised texts, followed by each frequent word with a tail.

    Args:
        source: the texts.
        backend: tokenizer with its normalizer and pre-tokenizer; train it *without* the normalizer on this stream.
        alphabet: the characters of the vocabulary; others become spaces.
        min_frequency: rarer words are not repeated.
    """
    known = frozenset(alphabet)
    # Fetched here, as accessing a backend during its training is a deadlock.
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


def finish_vocab(vocab: list, reserved: int) -> list:
    """Sort the pieces by score, with equal results in every run, and give reserved pieces the lowest score.

    Args:
        vocab: [piece, log-probability] by id.
        reserved: number of entries at the front that are special tokens and bytes.
    """
    learned = [(piece, score) for piece, score in vocab[reserved:] if piece != _TAIL]
    lowest = min(score for _, score in learned)
    # The trainer appends characters that EM removed with scores 0.0001 apart, in the order of a hash table.
    bottom = lowest + 1e-4 * len(learned)
    pieces = [[p, lowest if len(p) == 1 and score < bottom else round(score, 6)] for p, score in learned]
    pieces.sort(key=lambda entry: (-entry[1], entry[0]))
    # The trainer gives reserved pieces the highest score, 0, so the text "<0x41>" would match one. The new score is
    # lower than that of any spelling by characters; byte fallback and special tokens do not use scores.
    return [[piece, 100 * lowest - 100] for piece, _ in vocab[:reserved]] + pieces

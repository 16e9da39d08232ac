"""Choose the alphabet of a subword vocabulary before training.

The trainers can choose an alphabet themselves. Choosing it here allows to check that it fits `vocab_size`, keeps plain
ASCII free of [UNK], and fixes the order of ids: the WordPiece trainer numbers "##a", "##b", … in the order of a hash
table, so that ids and ties differ between runs.
"""

from collections import Counter

from tokenizers import Tokenizer

from .text_rules import SPACE_MARK
from .text_sources import Texts


def choose_alphabet(source: Texts, backend: Tokenizer, kind: str, always: str, limit: int) -> list[str]:
    """Return the characters of the vocabulary in code-point order.

    Args:
        source: the texts, read once.
        backend: tokenizer whose normalizer is applied to the texts.
        kind: for bpe and unigram the space mark is added.
        always: characters to keep in any case.
        limit: number of the most frequent characters of the texts to keep.
    """
    normalize = backend.normalizer.normalize_str
    counts: Counter[str] = Counter()
    for text in source:
        counts.update(normalize(text))
    # Ties are broken by code point, so that every run gives the same alphabet.
    frequent = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))[:limit]
    space_mark = [SPACE_MARK] if kind in ("bpe", "unigram") else []
    wanted = set("".join(map(normalize, always))) | set(frequent) | set(space_mark)
    return sorted(c for c in wanted if not c.isspace())


def continuations(alphabet: list[str], backend: Tokenizer) -> list[str]:
    """Return the "##x" forms of characters that occur inside words, so not of isolated marks and ideographs."""
    split = backend.pre_tokenizer.pre_tokenize_str
    inside = (c for c in alphabet if len(split(backend.normalizer.normalize_str(f"a{c}"))) == 1)
    return [f"##{c}" for c in inside]

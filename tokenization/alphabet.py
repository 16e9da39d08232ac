"""Which single characters a subword vocabulary holds, decided before training starts.

The trainers would choose an alphabet themselves, but three things are better known beforehand: whether `vocab_size`
can hold it, that plain ASCII never becomes [UNK], and the order of ids. Left alone, the WordPiece trainer numbers
"##a", "##b", … in the order of a hash table, which differs from run to run, and its ties fall differently each time.
"""

from collections import Counter

from tokenizers import Tokenizer

from .text_rules import SPACE_MARK
from .text_sources import Texts


def choose_alphabet(source: Texts, backend: Tokenizer, kind: str, always: str, limit: int) -> list[str]:
    """Pick the characters of the vocabulary, in code-point order.

    Args:
        source: the texts, read once.
        backend: tokenizer whose normalizer says what the vocabulary will see.
        kind: bpe and unigram also need the space mark.
        always: characters that are kept in any case.
        limit: how many of the most frequent characters of the texts are kept.
    """
    normalize = backend.normalizer.normalize_str
    counts: Counter[str] = Counter()
    for text in source:
        counts.update(normalize(text))
    # Equally frequent characters are taken in code-point order, so that two runs agree.
    frequent = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))[:limit]
    space_mark = [SPACE_MARK] if kind in ("bpe", "unigram") else []
    wanted = set("".join(map(normalize, always))) | set(frequent) | set(space_mark)
    return sorted(c for c in wanted if not c.isspace())


def continuations(alphabet: list[str], backend: Tokenizer) -> list[str]:
    """List the "##x" forms of the characters that can stand inside a word; isolated marks and ideographs cannot."""
    split = backend.pre_tokenizer.pre_tokenize_str
    inside = (c for c in alphabet if len(split(backend.normalizer.normalize_str(f"a{c}"))) == 1)
    return [f"##{c}" for c in inside]

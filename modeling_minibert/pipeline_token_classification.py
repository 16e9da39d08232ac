"""Split raw text into words as tagged data sets do."""

import re

_CLITIC = r"(?!(?:s|t|m|d|re|ll|ve)\b)"
WORD = re.compile(
    rf"https?://\S+|[@#]?\w+(?:[-.]\w+|['’]{_CLITIC}\w+|(?<=\d)[,:/]\d+)*|['’](?:s|t|m|d|re|ll|ve)\b|[^\w\s]",
    re.IGNORECASE,
)


def split_words(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word: runs of letters and digits, Ma'ruf and 3,5 whole; marks and 's apart."""
    return [match.span() for match in WORD.finditer(text)]

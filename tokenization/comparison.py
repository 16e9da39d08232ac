"""Compare tokenizers on the same text.

A good tokenizer keeps words whole with a small vocabulary, and loses no text; six numbers measure this. Words are
always separated by spaces, so that the numbers of all tokenizers are comparable.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .text_sources import open_texts

_WORD = re.compile(r"\S+")


@dataclass
class TokenizerReport:
    """Measurements of one tokenizer on one text."""

    name: str
    vocab_size: int
    tokens: int
    words: int
    fertility: float
    """Tokens per word; 1.0 keeps every word whole."""
    unknown_rate: float
    """Share of words that contain an unknown piece, 0 to 1."""
    whole_words: float
    """Share of words that are one known piece, 0 to 1."""
    vocab_used: float
    """Share of the vocabulary that this text uses, 0 to 1."""
    characters_per_token: float
    megabytes_per_second: float


def compare_tokenizers(tokenizers: Mapping[str, object], texts, text_column: str = "text") -> list[TokenizerReport]:
    """Measure each tokenizer on the same texts; return one report per tokenizer, in the given order.

    Args:
        tokenizers: name → fast `transformers` tokenizer.
        texts: files, strings or a data set; see `open_texts`. Held in memory.
        text_column: the column of a data set.

    Raises:
        ValueError: no visible character in the texts, or a tokenizer without offsets.
    """
    source = open_texts(texts, text_column)
    lines = [text for text in source if text.strip()]
    if not lines:
        raise ValueError(f"{source.name} holds no text to compare tokenizers on")
    return [_measure(name, tokenizer, lines) for name, tokenizer in tokenizers.items()]


def _measure(name: str, tokenizer, lines: list[str]) -> TokenizerReport:
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"{name} is a {type(tokenizer).__name__}, which gives no offsets; a fast tokenizer is needed")
    # verbose=False: the warning about texts longer than the model's limit does not matter here.
    start = time.perf_counter()
    encoded = tokenizer(lines, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    seconds = time.perf_counter() - start
    tokens = words = unknown = whole = 0
    used: set[int] = set()
    for line, ids, offsets in zip(lines, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        pieces, has_unknown = pieces_per_word(line, ids, offsets, tokenizer.unk_token_id)
        tokens += len(ids)
        words += len(pieces)
        unknown += sum(has_unknown)
        whole += sum(n == 1 and not lost for n, lost in zip(pieces, has_unknown, strict=True))
        used.update(ids)
    return TokenizerReport(
        name=name,
        vocab_size=len(tokenizer),
        tokens=tokens,
        words=words,
        fertility=tokens / words,
        unknown_rate=unknown / words,
        whole_words=whole / words,
        vocab_used=len(used) / len(tokenizer),
        characters_per_token=sum(map(len, lines)) / max(tokens, 1),
        megabytes_per_second=sum(len(line.encode("utf-8")) for line in lines) / 1e6 / seconds,
    )


def pieces_per_word(line: str, ids: list[int], offsets, unknown_id: int | None) -> tuple[list[int], list[bool]]:
    """Return for each space-separated word its number of pieces, and whether one of them is unknown."""
    word_at = [-1] * len(line)
    count = 0
    for count, match in enumerate(_WORD.finditer(line), start=1):  # noqa: B007 - the last value is the number of words
        word_at[match.start() : match.end()] = [count - 1] * (match.end() - match.start())
    pieces, has_unknown = [0] * count, [False] * count
    for token, (start, end) in zip(ids, offsets, strict=True):
        # The last character gives the word: for some tokenizers a piece begins at the space before its word.
        word = word_at[max(end - 1, start)] if line else -1
        if word >= 0:
            pieces[word] += 1
            has_unknown[word] |= token == unknown_id
    return pieces, has_unknown


def format_reports(reports: list[TokenizerReport]) -> str:
    """Format the reports as a table, with a line that explains the columns."""
    header = ["tokenizer", "vocab", "tokens/word", "unknown", "whole words", "vocab used", "chars/token", "MB/s"]
    rows = [
        [
            r.name,
            f"{r.vocab_size:,}",
            f"{r.fertility:.2f}",
            f"{r.unknown_rate:.2%}",
            f"{r.whole_words:.1%}",
            f"{r.vocab_used:.1%}",
            f"{r.characters_per_token:.2f}",
            f"{r.megabytes_per_second:.1f}",
        ]
        for r in reports
    ]
    note = f"{reports[0].words:,} words between spaces; unknown: words with an unknown piece; whole: words of one piece"
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    aligned = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    return "\n".join([*aligned, note])

"""List the pieces of an encoded text, with ids, words, character offsets and lost characters."""

import unicodedata
from collections import Counter
from dataclasses import dataclass


@dataclass
class Piece:
    """One token of an encoded text."""

    piece: str
    id: int
    word: int | None
    """Index of the piece's word; None for start and end tokens."""
    start: int
    end: int
    """The piece covers the characters `text[start:end]`; 0, 0 for start and end tokens."""
    token_type: int
    source: str
    note: str
    """"special", "unknown" or empty."""


def inspect_text(text: str, tokenizer, text_pair: str | None = None) -> list[Piece]:
    """Encode a text, or a pair of texts, and describe each token, start and end tokens included.

    Args:
        tokenizer: fast `transformers` tokenizer.
        text_pair: second text of a pair, e.g. question and passage.
    """
    encoding = tokenizer(text, text_pair, return_token_type_ids=True, verbose=False).encodings[0]
    rows = []
    columns = (encoding.ids, encoding.word_ids, encoding.offsets, encoding.type_ids, encoding.special_tokens_mask)
    for token, word, (start, end), token_type, is_special in zip(*columns, strict=True):
        # The mask marks only special tokens that the tokenizer added, not those spelled out in the text.
        note = "special" if is_special or token in tokenizer.all_special_ids else ""
        if token == tokenizer.unk_token_id and not is_special:
            note = "unknown"
        source = (text_pair if token_type and text_pair is not None else text)[start:end]
        piece = tokenizer.convert_ids_to_tokens(token)
        rows.append(Piece(piece, token, word, start, end, token_type, source, note))
    return rows


def format_pieces(pieces: list[Piece]) -> str:
    """Format the pieces as a table; notes show the text lost in unknown pieces."""
    lines = [["piece", "id", "word", "type", "characters", "note"]]
    for p in pieces:
        note = f"unknown: {p.source.strip()!r} is lost" if p.note == "unknown" else p.note
        word = "-" if p.word is None else str(p.word)
        lines.append([p.piece, str(p.id), word, str(p.token_type), f"{p.start}-{p.end}", note])
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text + " " * (width - display_width(text)) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def removed_marks(text: str, tokenizer) -> Counter[str]:
    """Count the accents and other combining marks of a text that the tokenizer's normalizer removes."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    return _marks(text) - _marks(normalizer.normalize_str(text) if normalizer else text)


def _marks(text: str) -> Counter[str]:
    return Counter(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c).startswith("M"))


def display_width(text: str) -> int:
    """Count terminal columns: wide characters (漢, most emoji) take two, marks above or below a letter none."""
    marks = ("Mn", "Me", "Cf")
    return sum((unicodedata.category(c) not in marks) * (1 + (unicodedata.east_asian_width(c) in "WF")) for c in text)

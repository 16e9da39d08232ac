"""Look at one text, piece by piece: what became of each word, and what the model will see."""

import unicodedata
from dataclasses import dataclass


@dataclass
class Piece:
    """One token of an encoded text."""

    piece: str
    id: int
    word: int | None
    """Index of the word that the piece belongs to; None for start and end tokens."""
    start: int
    end: int
    """The characters `text[start:end]` that the piece stands for; 0, 0 for start and end tokens."""
    token_type: int
    source: str
    note: str
    """"special", "unknown" or ""."""


def inspect_text(text: str, tokenizer, text_pair: str | None = None) -> list[Piece]:
    """Encode a text and say everything about each token.

    Args:
        text: the text.
        tokenizer: fast `transformers` tokenizer.
        text_pair: a second text, as question and passage.

    Returns:
        One `Piece` per token, start and end tokens included.
    """
    encoding = tokenizer(text, text_pair, return_token_type_ids=True, verbose=False).encodings[0]
    rows = []
    columns = (encoding.ids, encoding.word_ids, encoding.offsets, encoding.type_ids, encoding.special_tokens_mask)
    for token, word, (start, end), token_type, is_special in zip(*columns, strict=True):
        # A special token written out in the text is known by its id alone: the mask marks only those that were added.
        note = "special" if is_special or token in tokenizer.all_special_ids else ""
        if token == tokenizer.unk_token_id and not is_special:
            note = "unknown"
        source = (text_pair if token_type and text_pair is not None else text)[start:end]
        piece = tokenizer.convert_ids_to_tokens(token)
        rows.append(Piece(piece, token, word, start, end, token_type, source, note))
    return rows


def format_pieces(pieces: list[Piece]) -> str:
    """Lay the pieces out as a table; unknown ones are marked with the text that was lost."""
    header = ["piece", "id", "word", "type", "characters", "note"]
    lines = [header]
    for p in pieces:
        note = f"unknown: {p.source.strip()!r} is lost" if p.note == "unknown" else p.note
        word = "-" if p.word is None else str(p.word)
        lines.append([p.piece, str(p.id), word, str(p.token_type), f"{p.start}-{p.end}", note])
    widths = [max(display_width(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join("  ".join(map(_padded, line, widths)).rstrip() for line in lines)


def display_width(text: str) -> int:
    """Count terminal columns: wide characters (漢, most emoji) take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))

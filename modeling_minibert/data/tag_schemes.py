"""Chunk schemes of tags: recognise IOB1, IOB2, BIOES, BILOU and plain tags, find faults, and repair them.

    IOB2    B-PER I-PER O        every entity begins with B-
    IOB1    I-PER I-PER O        B- only between two entities of one type that touch
    BIOES   B-PER E-PER S-LOC    the last word has E-, a single word S-
    BILOU   B-PER L-PER U-LOC    the same with L- and U-
    plain   NOUN VERB            no entities, a tag for each word; parts of speech for example

Sources: Ramshaw and Marcus 1995 (IOB1); Tjong Kim Sang and Veenstra 1999 (IOB2); Ratinov and Roth 2009 (BILOU).
"""

import re
from collections.abc import Iterable, Sequence

from seqeval.metrics.sequence_labeling import get_entities

_CHUNK_TAG = re.compile(r"O|[BIES]|[BIESLU]-.+", re.S)
_BILOU_TO_BIOES = {"L": "E", "U": "S"}


def split_tag(tag: str) -> tuple[str, str]:
    """Split a chunk tag: "B-PER" → ("B", "PER"), "I" → ("I", ""), "O" → ("O", "")."""
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def join_tag(prefix: str, kind: str) -> str:
    """Write a chunk tag: ("B", "PER") → "B-PER", ("I", "") → "I"."""
    return f"{prefix}-{kind}" if kind else prefix


def find_scheme(sentences: Iterable[Sequence[str]]) -> str:
    """Recognise the scheme of tagged sentences: "IOB2", "IOB1", "BIOES", "BILOU" or "plain".

    IOB1 is a scheme in which some entity begins with I- and every B- follows a word of the same type.
    """
    sentences = list(sentences)
    tags = set().union(*sentences)
    if tags <= {"O"} or not all(_CHUNK_TAG.fullmatch(tag) for tag in tags):
        return "plain"
    prefixes = {split_tag(tag)[0] for tag in tags}
    if prefixes & {"L", "U"}:
        return "BILOU"
    if prefixes & {"E", "S"}:
        return "BIOES"
    if any(find_faults(sentence, "IOB2") for sentence in sentences) and all(map(_separates_only, sentences)):
        return "IOB1"
    return "IOB2"


def _separates_only(tags: Sequence[str]) -> bool:
    """Whether every B- follows a word of the same type."""
    before = ["O", *tags]
    return all(
        split_tag(last)[0] in ("B", "I") and split_tag(last)[1] == split_tag(tag)[1]
        for last, tag in zip(before, tags, strict=False)
        if split_tag(tag)[0] == "B"
    )


def find_faults(tags: Sequence[str], scheme: str) -> list[int]:
    """Return the places of the tags that break the scheme: of I- without a beginning, for BIOES also of a missing end.

    Args:
        tags: of one sentence.
        scheme: "IOB2" or "BIOES"; the others have no faults.
    """
    if scheme not in ("IOB2", "BIOES"):
        return []
    faults = []
    parts = [("O", ""), *map(split_tag, tags), ("O", "")]
    for place, (last, here, following) in enumerate(zip(parts, parts[1:], parts[2:], strict=False)):
        begun = last[0] in ("B", "I") and last[1] == here[1]
        goes_on = following[0] in ("I", "E") and following[1] == here[1]
        if here[0] in ("I", "E") and not begun or scheme == "BIOES" and here[0] in ("B", "I") and not goes_on:
            faults.append(place)
    return faults


def write_tags(entities: Iterable[tuple[str, int, int]], length: int, scheme: str = "IOB2") -> list[str]:
    """Write entities, (type, first word, last word) without overlap, as the tags of a sentence of `length` words."""
    tags = ["O"] * length
    for kind, first, last in entities:
        for place in range(first, last + 1):
            tags[place] = join_tag("B" if place == first else "I", kind)
        if scheme == "BIOES":
            tags[last] = join_tag("S" if first == last else "E", kind)
    return tags


def find_entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of a sentence, (type, first word, last word), as CoNLL's script reads faulty tags too."""
    return [("" if kind == "_" else kind, first, last) for kind, first, last in get_entities(list(tags))]


def repair_tags(tags: Sequence[str], scheme: str) -> list[str]:
    """Write the tags of a sentence without faults, with the entities that CoNLL's script finds in them; idempotent."""
    return write_tags(find_entities(tags), len(tags), "BIOES" if scheme == "BIOES" else "IOB2")


def from_bilou(tags: Sequence[str]) -> list[str]:
    """Write BILOU tags as BIOES: the letters L and U become E and S."""
    return [join_tag(_BILOU_TO_BIOES.get(prefix, prefix), kind) for prefix, kind in map(split_tag, tags)]


def complete_labels(tags: Iterable[str], scheme: str) -> list[str]:
    """Return the sorted labels of a tagger: all letters of the scheme for each type, and O first where it occurs.

    A type whose I- the train split happens not to have is then no unknown tag elsewhere.
    """
    tags = set(tags)
    if scheme == "plain":
        return sorted(tags)
    letters = "BIES" if scheme == "BIOES" else "BI"
    kinds = sorted({split_tag(tag)[1] for tag in tags if tag != "O"})
    return (["O"] if "O" in tags else []) + [join_tag(letter, kind) for kind in kinds for letter in letters]

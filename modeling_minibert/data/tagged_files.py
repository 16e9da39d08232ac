"""Read files of tagged sentences: CoNLL columns, CoNLL-U, and json lines with a text and its entities.

Every reader yields (place, tokens, tags), where the place is for error messages.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenization.json_files import read_json
from tokenization.text_files import read_lines

from ..pipeline_token_classification import split_words
from .tag_schemes import write_tags

CONLL = (".conll", ".conll03", ".conllu", ".iob", ".iob2", ".bio", ".bioes", ".txt", ".tsv")
Sentence = tuple[str, list[str], list[str]]
SPAN_COLUMNS = ("entities", "spans", "label", "labels")  # spaCy; prodigy; doccano, old and new
_START, _END, _KIND = ("start", "start_offset"), ("end", "end_offset"), ("label", "entity", "type")


def read_conll(
    path: str | Path, token_column: int | None = None, tag_column: int | None = None, encoding: str | None = None
) -> Iterator[Sentence]:
    """Yield the sentences of a CoNLL file: a word per line, columns between tabs or spaces, blank lines between them.

    -DOCSTART- lines and comments are skipped. A line that begins with # is a comment in CoNLL-U; elsewhere, if it has
    other columns than the words, or its last column is no tag of theirs.

    Args:
        path: the file.
        token_column: number of the column of the word, from 0; None: the first, in CoNLL-U the second.
        tag_column: number of the column of the tag, from 0 or negative from the end; None: the last, in CoNLL-U the
            fourth (UPOS).
        encoding: of the file.

    Raises:
        ValueError: no sentence, a line with another number of columns, or a column that the file lacks.
    """
    is_conllu = Path(path).suffix.lower() == ".conllu"
    token_column = (1 if is_conllu else 0) if token_column is None else token_column
    tag_column = (3 if is_conllu else -1) if tag_column is None else tag_column
    lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(read_lines(path, encoding), start=1)]
    rows = [(number, _columns(line) if line.strip() else []) for number, line in lines]
    if is_conllu:  # 1-2 is a contraction of two words, 1.1 a word that is not in the text
        rows = [(number, cells) for number, cells in rows if not cells or cells[0].isdigit()]
    words = [cells for _, cells in rows if cells and not cells[0].startswith(("#", "-DOCSTART-"))]
    if not words:
        raise ValueError(f"{path} has no sentences: no line has a word and its tag")
    width = Counter(map(len, words)).most_common(1)[0][0]
    for column in (token_column, tag_column):
        if not -width <= column < width or width < 2:
            raise ValueError(
                f"{path} has {width} column{'s' * (width > 1)} in most of its lines, none has the number {column}; "
                f"name the column of the tag (--tag_column), or separate word and tag by a tab or a space"
            )
    tags = {cells[tag_column] for cells in words if len(cells) == width}
    sentence: list[tuple[int, list[str]]] = []
    for number, cells in [*rows, (len(lines), [])]:
        if cells and cells[0].startswith("#") and (len(cells) != width or cells[tag_column] not in tags):
            continue
        if not cells or cells[0].startswith("-DOCSTART-"):
            if sentence:
                place = f"{path}, line {sentence[0][0]}"
                yield place, [row[token_column] for _, row in sentence], [row[tag_column] for _, row in sentence]
            sentence = []
            continue
        if len(cells) != width:
            raise ValueError(
                f"{path}, line {number} has {len(cells)} columns ({' '.join(cells)!r:.60}), other lines have {width}; "
                f"give every word its tag, and leave a blank line between sentences"
            )
        sentence.append((number, cells))


def _columns(line: str) -> list[str]:
    """The columns of a line: between tabs if it has any, otherwise between spaces."""
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))


def write_conll(path: str | Path, sentences: Sequence[Sequence[Sequence[str]]]) -> None:
    """Write sentences as a CoNLL file; each is a list of columns, as (tokens, tags, predicted tags)."""
    blocks = ("\n".join("\t".join(row) for row in zip(*columns, strict=True)) for columns in sentences)
    Path(path).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def read_spans(path: str | Path, encoding: str | None = None) -> Iterator[Sentence]:
    """Yield the texts of json lines with entities as IOB2 tags: {"text": …, "entities": [[start, end, label], …]}.

    An entity may be {"start": …, "end": …, "label": …} too. A word that an entity begins or ends in is cut there.

    Raises:
        ValueError: entities that overlap, lie outside the text or hold no word (names row and both values).
    """
    for place, row in read_json(path, encoding):
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{place} has the text {text!r:.60}; give every row a text that is not empty")
        name = next((name for name in SPAN_COLUMNS if isinstance(row.get(name), list)), None)
        if name is None:
            raise ValueError(f"{place} has no list of entities; its columns are {list(row)}")
        entities = sorted(_as_span(entity, text, place) for entity in row[name])
        for (start, end, kind), (next_start, next_end, next_kind) in zip(entities, entities[1:], strict=False):
            if next_start < end:
                raise ValueError(
                    f"{place} has entities that overlap: {text[start:end]!r:.60} ({start} to {end}, {kind}) and "
                    f"{text[next_start:next_end]!r:.60} ({next_start} to {next_end}, {next_kind}); keep one of them"
                )
        yield place, *_tag_words(text, entities)


def has_spans(path: str | Path, encoding: str | None = None) -> bool:
    """Whether the first row of a json file has a text and a list of entities, and no tokens."""
    _, row = next(read_json(path, encoding))
    lists = [row[name] for name in SPAN_COLUMNS if isinstance(row.get(name), list)]
    return isinstance(row.get("text"), str) and "tokens" not in row and bool(lists)


def _as_span(entity, text: str, place: str) -> tuple[int, int, str]:
    """Check an entity, [start, end, label] or an object, and cut the spaces around it."""
    if isinstance(entity, dict):
        entity = [next((entity[key] for key in keys if key in entity), None) for keys in (_START, _END, _KIND)]
    start, end, kind = entity if isinstance(entity, list) and len(entity) == 3 else (None, None, None)
    if type(start) is not int or type(end) is not int or not isinstance(kind, str):
        raise ValueError(f"{place} has the entity {entity!r:.80}; write [start, end, label]")
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise ValueError(
            f"{place} has the entity {entity!r:.80}, but its text has {len(text)} characters and these are "
            f"{text[max(start, 0) : max(end, 0)]!r:.40}; an entity begins and ends within the text and holds a word"
        )
    covered = text[start:end]
    return start + len(covered) - len(covered.lstrip()), end - len(covered) + len(covered.rstrip()), kind


def _tag_words(text: str, entities: list[tuple[int, int, str]]) -> tuple[list[str], list[str]]:
    """Split a text into words, also at the ends of entities, and tag them."""
    cuts = {place for start, end, _ in entities for place in (start, end)}
    words = []
    for start, end in split_words(text):
        edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
        words += zip(edges, edges[1:], strict=False)
    found = []
    for start, end, kind in entities:
        inside = [place for place, (first, last) in enumerate(words) if first < end and last > start]
        found.append((kind, inside[0], inside[-1]))
    return [text[start:end] for start, end in words], write_tags(found, len(words))

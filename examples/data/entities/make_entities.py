"""Write train.conll, validation.conll and test.conll: Indonesian and English sentences with tagged names and dates.

english.txt and indonesian.txt hold lists of names, and frames for each split. A frame is filled at random; frames and
names of one split occur in no other. Only months, weekdays, jobs, things and topics are shared.

    python make_entities.py [folder]

writes the same sentences every time.
"""

import random
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("english", "indonesian")
SENTENCES = {"train": 2400, "validation": 160, "test": 300}  # half in each language
TYPES = {"person": "PERSON", "place": "PLACE", "organisation": "ORGANISATION", "date": "DATE"}
APART = ("first", "last", "place", "firm")  # lists of names, of which every split has its own part
WORD = re.compile(r"\w+(?:[-'’](?!s\b)\w+)*|'s\b|[^\w\s]")


def read_lists(language: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read the lists of a language: name → entries, and split → frames."""
    names, frames = {}, {}
    for section in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        title, *lines = section.splitlines()
        if title == "# names":
            names = read_names(lines)
        else:
            frames[title.removeprefix("# ")] = lines
    return names, frames


def read_names(lines: list[str]) -> dict[str, list[str]]:
    """Read lines of names; "place+: Ash Oak × ford ton" adds Ashford, Ashton, Oakford and Oakton to the places."""
    names = {}
    for name, _, entries in (line.partition(": ") for line in lines):
        if name.endswith("+"):
            beginnings, endings = (part.split() for part in entries.split(" × "))
            made = [beginning + ending for beginning in beginnings for ending in endings]
            random.Random(name).shuffle(made)
            names.setdefault(name[:-1], []).extend(made)
        else:
            names.setdefault(name, []).extend(entries.split(", "))
    return {name: list(dict.fromkeys(entries)) for name, entries in names.items()}


def part_of(entries: list[str], split: str) -> list[str]:
    """The entries of a split: of ten in a row seven for train, one for validation, two for test."""
    places = {"train": range(7), "validation": (7,), "test": (8, 9)}[split]
    return [entry for number, entry in enumerate(entries) if number % 10 in places]


def fill(frame: str, names: dict[str, list[str]], draw: random.Random) -> list[tuple[str, str]]:
    """Fill a frame: its words with their tags."""
    words = []
    for number, part in enumerate(re.split(r"\{(\w+)\}", frame)):
        text = expand(part, names, draw) if number % 2 else part
        kind = TYPES.get(part) if number % 2 else None
        tokens = WORD.findall(text)
        tags = ["O" if kind is None else f"{'I' if place else 'B'}-{kind}" for place in range(len(tokens))]
        words += zip(tokens, tags, strict=True)
    first, tag = words[0]
    return [(first[0].upper() + first[1:], tag), *words[1:]]


def expand(name: str, names: dict[str, list[str]], draw: random.Random) -> str:
    """Draw an entry of a list, with the slots in it filled."""
    if name == "person":
        first, last = draw.choice(names["first"]), draw.choice(names["last"])
        return draw.choice((first, last, f"{first} {last}", f"{first} {last}"))
    if name == "number":
        return str(draw.randint(1, 28))
    if name == "year":
        return str(draw.randint(1950, 2025))
    return re.sub(r"\{(\w+)\}", lambda slot: expand(slot[1], names, draw), draw.choice(names[name]))


def sentences_of(split: str) -> list[list[tuple[str, str]]]:
    """List the sentences of a split, each a list of (word, tag)."""
    sentences = []
    for language in LANGUAGES:
        names, frames = read_lists(language)
        own = {name: part_of(entries, split) if name in APART else entries for name, entries in names.items()}
        draw, made = random.Random(f"{language} {split}"), []
        count = SENTENCES[split] // len(LANGUAGES)
        while len(made) < count:
            made += [fill(frame, own, draw) for frame in draw.sample(frames[split], len(frames[split]))]
        sentences += made[:count]
    return sentences


def main(folder=FOLDER):
    """Write the three files."""
    for split in SENTENCES:
        blocks = ("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences_of(split))
        Path(folder, f"{split}.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Write train.csv and validation.csv: everyday opinions in Indonesian and English, negative or positive.

    python make_sentiment.py [folder]

Three quarters are sentences that were written one by one (written_english.txt, written_indonesian.txt: + or - and the
text); every twentieth block of 20 lines goes to validation. The others are drawn from frames (opinion_writer.py).
Random numbers have fixed seeds, so that every run writes the same files. test.csv is the blind test of BLIND.md,
written apart from all of this; its sentences are left out of both files.
"""

import csv
import re
import sys
from pathlib import Path

import everyday_english
import everyday_indonesian
import topics_english
import topics_indonesian
from opinion_writer import OpinionWriter, lines

FOLDER = Path(__file__).parent
LABELS = ("negative", "positive")
COLUMNS = ("text", "label", "language", "kind")
LANGUAGES = {
    "id": ("indonesian", everyday_indonesian, topics_indonesian),
    "en": ("english", everyday_english, topics_english),
}
DRAWN = {"train": 5000, "validation": 150}  # from frames, in each language
BLOCK, EVERY = 20, 20  # lines that belong together, as many come in pairs of one topic; which blocks are validation

Row = tuple[str, str, str, str]


def key(text: str) -> str:
    """The words of a text in lower case: equal for texts that differ in their marks alone."""
    return " ".join(re.findall(r"\w+", text.lower()))


def written_rows(language: str, split: str, seen: set[str]) -> list[Row]:
    """Read the sentences of a split that were written one by one."""
    found = []
    for number, line in enumerate(lines((FOLDER / f"written_{LANGUAGES[language][0]}.txt").read_text("utf-8"))):
        held_out = number // BLOCK % EVERY == EVERY - 1
        sign, text = line[0], line[2:]
        if held_out == (split == "validation") and key(text) not in seen:
            seen.add(key(text))
            found.append((text, LABELS["-+".index(sign)], language, "written"))
    return found


def drawn_rows(language: str, size: int, seed: int, seen: set[str]) -> list[Row]:
    """Draw opinions from frames, half of them negative, none of them seen before."""
    writer, found = OpinionWriter(*LANGUAGES[language][1:], seed), []
    while len(found) < size:
        label = len(found) % 2
        text, kind = writer.opinion(label)
        if key(text) not in seen:
            seen.add(key(text))
            found.append((text, LABELS[label], language, kind))
    return found


def main(folder: str | Path = FOLDER) -> None:
    """Write the files and print their lengths."""
    with open(FOLDER / "test.csv", encoding="utf-8", newline="") as file:
        seen = {key(row["text"]) for row in csv.DictReader(file)}
    for seed, (split, size) in enumerate(DRAWN.items()):
        table = [row for language in LANGUAGES for row in written_rows(language, split, seen)]
        table += [row for language in LANGUAGES for row in drawn_rows(language, size, seed, seen)]
        with open(Path(folder) / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *table])
        print(f"{split}: {len(table):,} opinions")


if __name__ == "__main__":
    main(*sys.argv[1:2])

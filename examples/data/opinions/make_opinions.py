"""Write train.csv, validation.csv and test.csv: short opinions in Indonesian and English, negative or positive.

The sentences come from two sources, both in english.py and indonesian.py: templates with hand-picked fillings, and
sentences written one by one. Nothing is drawn at random, so every run writes the same files:

    python make_opinions.py [folder]
"""

import csv
import sys
from pathlib import Path

import english
import indonesian

LANGUAGES = {"en": english, "id": indonesian}
SPLITS = ("train", "validation", "test")
COLUMNS = ("text", "label", "language", "source")


def parse_fillings(fillings):
    """Split "film/boring; soup/bland" into [["film", "boring"], ["soup", "bland"]]."""
    return [filling.strip().split("/") for filling in fillings.split(";") if filling.strip()]


def fill(frame, slots):
    """Put the slots into the frame and capitalize the first letter, which may belong to a slot."""
    text = frame.format(*slots)
    return text[0].upper() + text[1:]


def template_rows(language, split):
    """Yield the rows of every template of one language and split; the source names the template."""
    for number, (frame, negative, positive) in enumerate(LANGUAGES[language].TEMPLATES[split], start=1):
        for label, fillings in (("negative", negative), ("positive", positive)):
            for slots in parse_fillings(fillings):
                yield fill(frame, slots), label, language, f"{language}-{split}-{number:02d}"


def written_rows(language, split):
    """Yield the rows of the hand-written sentences of one language and split."""
    for label, lines in LANGUAGES[language].WRITTEN[split].items():
        for line in lines.strip().splitlines():
            yield line, label, language, "written"


def rows_of(split):
    """List all rows of one split."""
    return [row for language in LANGUAGES for make in (template_rows, written_rows) for row in make(language, split)]


def write_csv(folder, split):
    """Write one split as a csv file with a header."""
    with open(Path(folder) / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows_of(split))


def main(folder=Path(__file__).parent):
    """Write the three files and print their lengths."""
    for split in SPLITS:
        write_csv(folder, split)
        print(f"{split}: {len(rows_of(split))} sentences")


if __name__ == "__main__":
    main(*sys.argv[1:2])

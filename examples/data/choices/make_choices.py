"""Write train.jsonl, validation.jsonl and test.jsonl: which of four sentences follows a situation?

english.txt and indonesian.txt hold everyday situations under `# name`: wordings of the situation for train and test,
and two sentences that follow. Wrong choices are sentences that follow other situations. The test describes the
situations in sentences that train does not have.

    python make_choices.py [folder]

writes the same rows every time.
"""

import json
import random
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = {"id": "indonesian", "en": "english"}
NAMES = {
    "id": ["Budi", "Siti", "Andi", "Rina", "Dewi", "Tono", "Lina", "Agus"],
    "en": ["Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry"],
}
CHOICES = 4
ROWS = {"train": 10, "validation": 1, "test": 2}  # of every wording and every sentence that follows
SEED = 0


def read_situations(language: str) -> list[dict[str, list[str]]]:
    """Read the situations of a language: "train", "test" and "next" → sentences."""
    sections = (FOLDER / f"{language}.txt").read_text(encoding="utf-8").strip().removeprefix("# ").split("\n# ")
    lines = ([line.split(": ", 1) for line in section.splitlines()[1:]] for section in sections)
    return [{key: values.split(" | ") for key, values in section} for section in lines]


def make_rows(situations: list[dict], split: str, code: str, draw: random.Random) -> list[dict]:
    """The rows of a split and language."""
    rows = []
    for number, situation in enumerate(situations):
        others = [text for place, other in enumerate(situations) if place != number for text in other["next"]]
        wordings = situation["test" if split == "test" else "train"]
        # The validation split combines a wording and a sentence that train does not combine.
        pairs = [(wording, text) for wording in wordings for text in situation["next"]]
        if split != "test":
            pairs = pairs[-1:] if split == "validation" else pairs[:-1]
        for wording, text in pairs:
            for turn in range(ROWS[split]):
                choices = [text, *draw.sample(others, CHOICES - 1)]
                draw.shuffle(choices)
                name = draw.choice(NAMES[code])
                context = wording.format(name=name)
                if split == "train" and turn % 2:  # the same situation in two sentences
                    more = draw.choice([other for other in wordings if other != wording])
                    context += " " + more.format(name=name)
                rows.append({"context": context, "choices": choices, "label": choices.index(text), "language": code})
    return rows


def main(folder: Path) -> None:
    """Write all files."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(SEED)
    for split in ROWS:
        rows = [row for code, name in LANGUAGES.items() for row in make_rows(read_situations(name), split, code, draw)]
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

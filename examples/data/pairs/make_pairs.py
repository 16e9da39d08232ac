"""Write the pairs of sentences: entailment in train.csv, validation.csv and test.csv, similarity in similarity/.

english.txt and indonesian.txt hold frames under `# split name`: premises (p), and hypotheses that follow (e), that may
be true (n) or that are false (c); `{city2}` is another city than `{city}`. A split has frames of its own, so the
test asks about verbs and situations that train does not have. Topics are for zero-shot classification: a sentence of a
topic, and "this text is about …" with its topic (entailment) or with another one (contradiction).

    python make_pairs.py [folder]

writes the same rows every time.
"""

import csv
import random
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = {"id": "indonesian", "en": "english"}
DRAWS = {"train": 24, "validation": 8, "test": 8}  # premises of a frame
LABELS = {"e": "entailment", "n": "neutral", "c": "contradiction"}
SPLITS = ("train", "validation", "test")
SEED = 0


def read_sections(language: str) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Read the sections of a language: the words of the heading, and key → values."""
    sections = []
    for section in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        heading, *lines = section.splitlines()
        separator = ", " if heading == "# words" else " | "
        pairs = (line.split(": ", 1) for line in lines)
        sections.append((heading[2:].split(), {key: values.split(separator) for key, values in pairs}))
    return sections


def draw_words(words: dict[str, list[str]], draw: random.Random) -> dict[str, str]:
    """Draw two different words of each kind: "city" and "city2"."""
    drawn = {}
    for kind, values in words.items():
        drawn[kind], drawn[f"{kind}2"] = draw.sample(values, 2)
    return drawn


def fill(wording: str, words: dict[str, str]) -> str:
    """Fill the words in, and write the first letter large."""
    text = wording.format(**words)
    return text[0].upper() + text[1:]


def frame_rows(sections, split: str, words, draw: random.Random) -> list[tuple[str, str, str]]:
    """Pairs of all frames of a split: premise, hypothesis, label."""
    rows = []
    for heading, frame in sections:
        if heading[0] != split:
            continue
        for _ in range(DRAWS[split]):
            filled = draw_words(words, draw)
            premise = fill(draw.choice(frame["p"]), filled)
            rows += [(premise, fill(draw.choice(frame[key]), filled), label) for key, label in LABELS.items()]
    return rows


def topic_rows(sections, split: str, draw: random.Random) -> list[tuple[str, str, str]]:
    """Pairs of a sentence and "this is about …": its own topic, and another one."""
    topics = {" ".join(heading[1:]): lines for heading, lines in sections if heading[0] == "topic"}
    wordings = next(lines for heading, lines in sections if heading == ["hypotheses"])[split]
    rows = []
    for topic, sentences in topics.items():
        others = [other for other in topics if other != topic]
        premises = list(sentences["test" if split == "test" else "train"])
        if split == "train":  # and two sentences of a topic in a row
            premises += [" ".join(draw.sample(premises, 2)) for _ in premises]
        for sentence in draw.sample(premises, 2) if split == "validation" else premises:
            for wording in wordings if split == "train" else wordings[:1]:
                rows.append((sentence, wording.format(topic=topic), "entailment"))
                rows.append((sentence, wording.format(topic=draw.choice(others)), "contradiction"))
    return rows


def similarity_rows(sections, split: str, words, draw: random.Random) -> list[tuple[str, str, float]]:
    """Pairs with a score: 5 same in other words, 3 to 4 one word differs, 1 to 2 same situation, 0 nothing alike."""
    frames = [frame for heading, frame in sections if heading[0] == split]
    rows = []
    for frame in frames:
        for _ in range(DRAWS[split]):
            filled = draw_words(words, draw)
            first, second = frame["p"]
            kinds = sorted(set(re.findall(r"\{([a-z]+)\}", first)))
            one, other = {**filled}, {**filled}
            changed = draw.choice(kinds)
            one[changed] = filled[f"{changed}2"]
            for kind in kinds:
                other[kind] = filled[f"{kind}2"]
            far = draw.choice([frame2 for frame2 in frames if frame2 is not frame])
            rows += [
                (fill(first, filled), fill(second, filled), 5.0),
                (fill(first, filled), fill(second, one), 3.5),
                (fill(first, filled), fill(second, other), 1.5),
                (fill(first, filled), fill(draw.choice(far["p"]), draw_words(words, draw)), 0.0),
            ]
    return rows


def write(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    """Write a csv file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def main(folder: Path) -> None:
    """Write all files."""
    draw = random.Random(SEED)
    for split in SPLITS:
        pairs, similar = [], []
        for code, language in LANGUAGES.items():
            sections = read_sections(language)
            words = next(lines for heading, lines in sections if heading == ["words"])
            found = [*frame_rows(sections, split, words, draw), *topic_rows(sections, split, draw)]
            pairs += [(*row, code) for row in found]
            similar += [(*row, code) for row in similarity_rows(sections, split, words, draw)]
        write(folder / f"{split}.csv", ("premise", "hypothesis", "label", "language"), list(dict.fromkeys(pairs)))
        columns = ("sentence1", "sentence2", "score", "language")
        write(folder / "similarity" / f"{split}.csv", columns, list(dict.fromkeys(similar)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

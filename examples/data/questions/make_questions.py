"""Write train.parquet, validation.parquet and test.parquet: short texts with questions, in the columns of SQuAD v1.1.

english.txt and indonesian.txt hold relations of a subject and a value, each under a `# name`: the subjects, the values,
wordings of the fact after `- `, and questions for the value after `? `. Any subject may have any value, so that only
the text tells which; under a name with "(in pairs)" the subject has the value at the same place in the list (capitals).
A text states facts of three relations in any order. Every other text has two facts of one relation, so that an answer
needs the right relation and the right subject.

    python make_questions.py [folder]

writes the same rows every time.
"""

import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent
LANGUAGES = ("english", "indonesian")
TEXTS = {"train": 1200, "validation": 40, "test": 100}  # half in each language
SEED = 0


def read_relations(language: str) -> dict[str, dict]:
    """Read the relations of a language: name → pairs (subject, value), wordings, questions."""
    relations = {}
    for section in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        name, *lines = section.splitlines()
        subjects, values = (line.partition(": ")[2].split(", ") for line in lines[:2])
        if name.endswith("(in pairs)"):
            pairs = list(zip(subjects, values, strict=True))
        else:
            pairs = [(subject, value) for subject in subjects for value in values]
        relations[name] = {
            "pairs": pairs,
            "wordings": [line[2:] for line in lines if line.startswith("- ")],
            "questions": [line[2:] for line in lines if line.startswith("? ")],
        }
    return relations


def draw_pairs(pairs: list[tuple[str, str]], count: int, draw: random.Random) -> list[tuple[str, str]]:
    """Draw one pair, or two with different subjects and values."""
    first = draw.choice(pairs)
    others = [pair for pair in pairs if pair[0] != first[0] and pair[1] != first[1]]
    return [first, draw.choice(others)][:count]


def write_text(relations: dict[str, dict], draw: random.Random) -> tuple[str, list[dict]]:
    """Write a text, and a question with its answer for each sentence."""
    facts = []
    for name, count in zip(draw.sample(sorted(relations), 3), (draw.choice((1, 2)), 1, 1), strict=True):
        facts += [(relations[name], *pair) for pair in draw_pairs(relations[name]["pairs"], count, draw)]
    context, questions = "", []
    for relation, subject, value in draw.sample(facts, len(facts)):
        before, after = draw.choice(relation["wordings"]).replace("{subject}", subject).split("{value}")
        start = len(context) + len(before)
        sentence = before + value + after
        context += sentence[0].upper() + sentence[1:] + " "
        answers = {"text": [context[start : start + len(value)]], "answer_start": [start]}
        question = draw.choice(relation["questions"]).format(subject=subject)
        questions.append({"question": question[0].upper() + question[1:], "answers": answers})
    return context.strip(), questions


def rows_of(split: str) -> list[dict]:
    """List the questions of a split; each text is one article."""
    rows = []
    for language in LANGUAGES:
        draw, relations = random.Random(f"{SEED} {language} {split}"), read_relations(language)
        for number in range(TEXTS[split] // len(LANGUAGES)):
            title = f"{language} {split} {number}"
            context, questions = write_text(relations, draw)
            for index, question in enumerate(questions):
                rows.append({"id": f"{title} {index}", "title": title, "context": context, **question})
    return rows


def main(folder=FOLDER):
    """Write the three files."""
    for split in TEXTS:
        table = pa.Table.from_pylist(rows_of(split))
        pq.write_table(table, Path(folder, f"{split}.parquet"), compression="zstd", compression_level=19)


if __name__ == "__main__":
    main(*sys.argv[1:])

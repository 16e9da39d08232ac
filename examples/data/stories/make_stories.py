"""Write train.txt and validation.txt, the short stories for pretraining, from english.txt and indonesian.txt.

A grammar file holds scenarios, each under a `# title`, where `x3` means three times as many stories. A scenario first
lists its slots: `name: Anna | Ben` draws one value per story, `name, she: Anna, she | Ben, he` draws two that belong
together, `*list` is a list of the section `# shared`. Then come its sentences in order: `- ` starts a sentence, `? `
one that half of the stories leave out, and an indented line is another wording of the sentence above it. In a wording
`[big/small]` is drawn each time, `{name}` is the value of the story. Two slots of a story never draw the same first
value.
"""

import random
import re
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("indonesian", "english")
TRAIN, VALIDATION = 550, 50  # stories in each language
LENGTHS = (5, 6, 7, 8, 8)  # in sentences; longer stories are cut
SEED = 0


def read_grammar(path):
    """Read the scenarios of a grammar file as pairs (slots, sentences)."""
    shared, *sections = path.read_text(encoding="utf-8").split("\n\n")
    lists = {f"*{names[0]}": values for names, values in parse_section(shared)[0]}
    scenarios = []
    for section in sections:
        slots, sentences = parse_section(section)
        slots = [(names, expand(values, lists)) for names, values in slots]
        times = re.match(r"# .* x(\d)\n", section)
        scenarios += [(slots, sentences)] * (int(times[1]) if times else 1)
    return scenarios


def parse_section(section):
    """Split one section into slots, [(names, values)], and sentences, [(is optional, wordings)]."""
    slots, sentences = [], []
    for line in section.splitlines()[1:]:
        if line.startswith(("- ", "? ")):
            sentences.append((line[0] == "?", [line[2:]]))
        elif line.startswith("  "):
            sentences[-1][1].append(line[2:])
        else:
            names, values = line.split(": ")
            slots.append((names.split(", "), [value.split(", ") for value in values.split(" | ")]))
    return slots, sentences


def expand(values, lists):
    """Replace every `*list` among the values by the values of that list."""
    return [found for value in values for found in lists.get(value[0], [value])]


def tell(scenario, rng):
    """Draw one story, a tuple of sentences."""
    slots, sentences = scenario
    filling, taken = {}, set()
    for names, values in slots:
        drawn = rng.choice([value for value in values if value[0] not in taken])
        taken.add(drawn[0])
        filling.update(zip(names, drawn, strict=False))
    told = [wordings for optional, wordings in sentences if not optional or rng.random() < 0.5]
    told = told[: rng.choice(LENGTHS)]
    return tuple(fill(rng.choice(wordings), filling, rng) for wordings in told)


def fill(wording, filling, rng):
    """Fill the choices and slots of a wording; returns a sentence."""
    wording = re.sub(r"\[(.*?)\]", lambda choice: rng.choice(choice[1].split("/")), wording)
    sentence = wording.format(**filling)
    return re.sub(r"\w", lambda letter: letter[0].upper(), sentence, count=1)


def make_stories(scenarios, count, rng):
    """Draw `count` different stories from the scenarios in turn; of four draws, keep the one that repeats least."""
    stories, seen = [], set()
    while len(stories) < count:
        scenario = scenarios[len(stories) % len(scenarios)]
        drawn = [tell(scenario, rng) for _ in range(4)]
        story = min(drawn, key=lambda story: sum(sentence in seen for sentence in story) / len(story))
        if story not in stories:
            stories.append(story)
            seen.update(story)
    rng.shuffle(stories)
    return stories


def main(folder=FOLDER):
    """Write both files into `folder`."""
    rng = random.Random(SEED)
    train, validation = [], []
    for language in LANGUAGES:
        stories = make_stories(read_grammar(FOLDER / f"{language}.txt"), TRAIN + VALIDATION, rng)
        train += stories[:TRAIN]
        validation += stories[TRAIN:]
    for name, stories in (("train", train), ("validation", validation)):
        rng.shuffle(stories)
        text = "\n\n".join("\n".join(story) for story in stories) + "\n"
        (Path(folder) / f"{name}.txt").write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    main()

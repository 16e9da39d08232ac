"""Write train.csv and validation.csv: everyday opinions in Indonesian and English, negative or positive.

    python make_sentiment.py [folder]

A sentence is a frame filled with a topic and judging words (everyday_english.py, everyday_indonesian.py and their topics), a set phrase, or
two statements joined by "but". `random.Random(0)` draws them, so that every run writes the same files. test.csv is the
blind test of BLIND.md, written apart from all of this.
"""

import csv
import random
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import everyday_english
import topics_english
import everyday_indonesian
import topics_indonesian

LABELS = ("negative", "positive")
COLUMNS = ("text", "label", "language", "kind")
SIZES = {"train": 7000, "validation": 300}  # sentences per language
# How often each kind of statement is drawn, in percent.
KINDS = {"adjective": 24, "noun": 4, "verb": 3, "past": 3, "feeling": 8, "observation": 11, "short": 5, "effect": 2, "most": 4, "action": 6, "denied": 7, "turned": 20, "contrast": 7}
NEGATED = ("denied", "turned")
VOWELS = "aeiou"
NEGATION = re.compile(r"\b(tidak|kurang|bukan|terlalu|not|no|too|never|out of|below)\b")


def words(text: str) -> list[str]:
    """Split a list written as one string: by lines if it has several sentences, else by commas."""
    return [part.strip() for part in text.replace("\n", " ").split(",") if part.strip()]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@dataclass
class Domain:
    """The topics of one part of life, and by label the adjectives and observations that suit them."""

    topics: list[str]
    adjectives: tuple[list[str], list[str]]
    observations: tuple[list[str], list[str]]


def domains(table: dict) -> list[Domain]:
    """Read a table of topics_english.py or topics_indonesian.py."""
    return [
        Domain(words(topics), (words(bad), words(good)), (lines(bad_seen), lines(good_seen)))
        for topics, good, bad, good_seen, bad_seen in table.values()
    ]


class Writer:
    """Writes sentences of one language; labels are 0 (negative) and 1 (positive)."""

    def __init__(self, language, topics, seed: int = 0):
        self.random = random.Random(seed)
        self.language = language
        self.domains = domains(topics.DOMAINS)
        both = lambda name: tuple(words(getattr(language, f"{label}_{name}" if name else label)) for label in ("BAD", "GOOD"))
        self.adjectives = both("")
        self.lists = {"n": both("NOUNS"), "v": both("VERBS"), "p": both("PAST"), "f": both("FEELINGS"), "e": both("EFFECTS"), "m": both("MOST")}
        self.lists["x"] = lines(language.BAD_ACTIONS), lines(language.GOOD_ACTIONS)
        self.objects = words(language.OBJECTS)
        self.short = lines(language.BAD_SHORT), lines(language.GOOD_SHORT)
        self.denied = lines(language.BAD_DENIED), lines(language.GOOD_DENIED)
        self.more = words(language.MORE_BAD), words(language.MORE_GOOD)
        self.neutral, self.tails = lines(language.NEUTRAL), lines(language.TAILS)
        frames = {
            "adjective": language.ADJECTIVE_FRAMES, "noun": language.NOUN_FRAMES, "verb": language.VERB_FRAMES, "past": language.PAST_FRAMES,
            "feeling": language.FEELING_FRAMES, "observation": language.CLAUSE_FRAMES,
            "effect": language.EFFECT_FRAMES, "most": language.MOST_FRAMES, "action": language.ACTION_FRAMES,
        }
        self.same = {kind: [frame for turn, frame in rows if turn == "same"] for kind, rows in frames.items()}
        self.flip = [(kind, frame) for kind, rows in frames.items() for turn, frame in rows if turn == "flip"]
        if hasattr(language, "BASE_GOOD"):
            self.lists["b"] = words(language.BASE_BAD), words(language.BASE_GOOD)
            self.flip += [("verb", frame) for _, frame in language.DENIED_VERB_FRAMES]
        self.lack = [frame for _, frame in getattr(language, "LACK_FRAMES", [])]
        self.registers = {word: words(forms) for word, forms in getattr(language, "REGISTERS", {}).items()}
        self.adjective_flips = [frame for kind, frame in self.flip if kind == "adjective"]
        self.other_flips = [frame for kind, frame in self.flip if kind != "adjective"]

    def adjective(self, domain: Domain, label: int, denied: bool = False) -> str:
        """Draw an adjective that suits the domain; one that denies something itself is not denied again."""
        own = self.random.random() < 0.5
        words = (domain.adjectives if own else self.adjectives)[label]
        return self.random.choice([word for word in words if not (denied and NEGATION.search(word))])

    def degree(self, word: str) -> str:
        """Put an adverb of degree to an adjective of one word."""
        if " " in word:
            return word
        degree = self.random.choice(words(self.language.DEGREES))
        return f"{word} {degree[:-1]}" if degree.endswith(":") else f"{degree} {word}"

    def fill(self, frame: str, label: int, domain: Domain, denied: bool = False) -> str:
        """Fill a frame; its slots are named in everyday_english.py."""
        choose = self.random.choice
        first, second = self.adjective(domain, label, denied), self.adjective(domain, label)
        feeling = choose(self.lists["f"][label])
        clause = choose(domain.observations[label])
        values = {
            "topic": choose(domain.topics), "w": first, "w2": second, "d": choose(words(self.language.DEGREES)).rstrip(":"), "dw": self.degree(first),
            "a_w": self.article(first), "f": feeling, "df": self.degree(feeling), "c": clause, "lc": clause,
            "good": choose(self.adjectives[1]), "bad": choose(self.adjectives[0]),
        }
        values["o"] = choose(self.objects)
        values |= {name: choose(values_[label]) for name, values_ in self.lists.items() if name != "f"}
        if "{d} {w}" in frame and " " in first:
            frame = frame.replace("{d} {w}", "{w}")
        for _ in range(2):  # an action may name a topic
            frame = re.sub(r"\{(?:cap_)?(\w+)\}", lambda slot: values[slot.group(1).lower()], frame)
        return frame

    @staticmethod
    def article(word: str) -> str:
        """Put "a" or "an" to an English adjective that can stand before a noun."""
        if word.startswith(("a ", "an ", "one of ")):
            return word
        return f"{'an' if word[0] in VOWELS and not word.startswith(('use', 'uni', 'one')) else 'a'} {word}"

    def statement(self, kind: str, label: int) -> str:
        """Write one statement of a kind and label, without a full stop where it may be joined."""
        choose, domain = self.random.choice, self.random.choice(self.domains)
        if kind == "short":
            return choose(self.short[label])
        if kind == "denied":
            return self.fill(choose(self.denied[label]), label, domain)
        if kind == "turned":
            if self.lack and label == 0 and self.random.random() < 0.3:
                return self.fill(choose(self.lack), 1, domain, denied=True)
            pool = self.adjective_flips if self.random.random() < 0.65 else self.other_flips
            return self.fill(choose(pool), 1 - label, domain, denied=True)
        if kind == "contrast":
            return self.contrast(label)
        return self.fill(choose(self.same[kind]), label, domain)

    def contrast(self, label: int) -> str:
        """Join two judgements of different labels; the second decides."""
        marks = {"good": 1, "bad": 0}
        fitting = [frame.partition(":")[0] for frame in self.language.CONTRASTS if marks.get(frame.partition(":")[2], label) == label]
        kinds = ("adjective", "observation", "denied", "turned", "feeling")
        parts = [self.statement(self.random.choices(kinds, (4, 3, 1, 1, 1))[0], part).rstrip(".!?") for part in (1 - label, label)]
        parts = [part[0].lower() + part[1:] if not part.startswith(("I ", "I'", "AC")) else part for part in parts]
        return re.sub(r"\{([xyXY])\}", lambda slot: parts["xy".index(slot.group(1).lower())], self.random.choice(fitting))

    def text(self, label: int) -> tuple[str, str]:
        """Write one opinion of one to three sentences, and the kind of its judgement: plain, negated or contrast."""
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        parts = [self.statement(kind, label)]
        draw = self.random.random()
        if draw < 0.10:
            parts.insert(0, self.random.choice(self.neutral))
        elif draw < 0.24:
            second = self.random.choice(("adjective", "observation", "feeling", "verb", "short", "denied", "turned"))
            parts.append(self.statement(second, label))
        elif draw < 0.34:
            parts.append(self.random.choice(self.more[label]))
        elif draw < 0.37:
            parts.append(self.random.choice(self.tails))
        elif draw < 0.45:
            kinds = ("adjective", "observation", "observation", "feeling", "verb", "noun", "short", "denied")
            parts += [self.statement(self.random.choice(kinds), label) for _ in range(self.random.randint(2, 4))]
        kind = kind if kind == "contrast" else "negated" if kind in NEGATED else "plain"
        return self.finish(parts), kind

    def finish(self, parts: list[str]) -> str:
        """Join the sentences, put capitals and full stops, and write some of them as in a chat."""
        marks = (".", ".", ".", "!", "")
        if self.registers and self.random.random() < 0.6:
            share = self.random.random()
            parts = [re.sub(r"[\w-]+", lambda word: self.informal(word.group(), share), part) for part in parts]
        sentences = []
        for number, part in enumerate(parts):
            part = part if part[-1] in ".!?" else part + (self.random.choice(marks) if number == len(parts) - 1 else self.random.choice((".", ".", "!", ",")))
            sentences.append(part)
        text = re.sub(r"(?:^|(?<=[.!?] ))\w", lambda letter: letter.group().upper(), " ".join(sentences))
        return text.lower() if self.random.random() < 0.15 else text

    def informal(self, word: str, share: float) -> str:
        forms = self.registers.get(word.lower())
        return self.random.choice(forms) if forms and self.random.random() < share else word


def rows(language: str, size: int, seed: int, seen: set) -> list[tuple]:
    """Write `size` different opinions of one language, half of them negative."""
    writer = Writer(*{"en": (everyday_english, topics_english), "id": (everyday_indonesian, topics_indonesian)}[language], seed)
    found = []
    while len(found) < size:
        label = len(found) % 2
        text, kind = writer.text(label)
        if text.lower() not in seen:
            seen.add(text.lower())
            found.append((text, LABELS[label], language, kind))
    return found


def main(folder=Path(__file__).parent):
    """Write the files and print their lengths."""
    seen: set = set()
    for seed, split in enumerate(SIZES):
        table = [row for language in ("id", "en") for row in rows(language, SIZES[split], seed, seen)]
        with open(Path(folder) / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *table])
        print(f"{split}: {len(table)} sentences")


if __name__ == "__main__":
    main(*sys.argv[1:2])

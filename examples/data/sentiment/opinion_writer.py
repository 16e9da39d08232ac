"""`OpinionWriter`: draw opinions of one language from frames, topics and judging words.

A frame has slots: {topic} is a noun of a part of life, {w} an adjective of the label, {n}, {v}, {p}, {f} a noun, verb,
past verb and feeling of the label. A "flip" frame denies its slot, so it is filled with words of the other label.
"""

import random
import re
from dataclasses import dataclass

# How often each kind of statement is drawn, in percent.
KINDS = {
    "adjective": 24, "noun": 4, "verb": 3, "past": 3, "feeling": 8, "observation": 11, "short": 5, "effect": 2,
    "most": 4, "action": 6, "denied": 7, "turned": 20, "contrast": 7,
}  # fmt: skip
NEGATED = ("denied", "turned")
NEGATION = re.compile(r"\b(tidak|kurang|bukan|terlalu|not|no|too|never|out of|below)\b")
VOWELS = "aeiou"


def words(text: str) -> list[str]:
    """Split a list that is written with commas."""
    return [part.strip() for part in text.replace("\n", " ").split(",") if part.strip()]


def lines(text: str) -> list[str]:
    """Split a list that is written with line ends."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@dataclass
class Domain:
    """The topics of one part of life, and by label the adjectives and observations that suit them."""

    topics: list[str]
    adjectives: tuple[list[str], list[str]]
    observations: tuple[list[str], list[str]]


def read_domains(table: dict) -> list[Domain]:
    """Read a table of topics_english.py or topics_indonesian.py."""
    return [
        Domain(words(topics), (words(bad), words(good)), (lines(bad_seen), lines(good_seen)))
        for topics, good, bad, good_seen, bad_seen in table.values()
    ]


class OpinionWriter:
    """Writes opinions of one language; labels are 0 (negative) and 1 (positive).

    Args:
        language: the module of its words and frames.
        topics: the module of its topics.
        seed: of the draw.
    """

    def __init__(self, language, topics, seed: int = 0):
        self.random, self.language = random.Random(seed), language
        self.domains = read_domains(topics.DOMAINS)
        self.adjectives = self._by_label(words, "BAD", "GOOD")
        names = {"n": "NOUNS", "v": "VERBS", "p": "PAST", "f": "FEELINGS", "e": "EFFECTS", "m": "MOST"}
        self.lists = {slot: self._by_label(words, f"BAD_{name}", f"GOOD_{name}") for slot, name in names.items()
                      if hasattr(language, f"GOOD_{name}")}  # fmt: skip
        if hasattr(language, "BASE_GOOD"):
            self.lists["b"] = self._by_label(words, "BASE_BAD", "BASE_GOOD")
        self.lists["x"] = self._by_label(lines, "BAD_ACTIONS", "GOOD_ACTIONS")
        self.short = self._by_label(lines, "BAD_SHORT", "GOOD_SHORT")
        self.denied = self._by_label(lines, "BAD_DENIED", "GOOD_DENIED")
        self.more = self._by_label(words, "MORE_BAD", "MORE_GOOD")
        self.degrees, self.objects = words(language.DEGREES), words(language.OBJECTS)
        self.neutral, self.tails = lines(language.NEUTRAL), lines(language.TAILS)
        self.registers = {word: words(forms) for word, forms in getattr(language, "REGISTERS", {}).items()}
        self._read_frames()

    def _by_label(self, split, bad: str, good: str) -> tuple[list[str], list[str]]:
        return split(getattr(self.language, bad)), split(getattr(self.language, good))

    def _read_frames(self) -> None:
        """Sort the frames by kind, and by whether they keep the label of their slots."""
        language = self.language
        frames = {
            "adjective": language.ADJECTIVE_FRAMES, "noun": language.NOUN_FRAMES, "verb": language.VERB_FRAMES,
            "past": language.PAST_FRAMES, "feeling": language.FEELING_FRAMES, "observation": language.CLAUSE_FRAMES,
            "effect": language.EFFECT_FRAMES, "most": language.MOST_FRAMES, "action": language.ACTION_FRAMES,
        }  # fmt: skip
        self.same = {kind: [frame for turn, frame in rows if turn == "same"] for kind, rows in frames.items()}
        self.flips = {kind: [frame for turn, frame in rows if turn == "flip"] for kind, rows in frames.items()}
        self.flips["verb"] += [frame for _, frame in getattr(language, "DENIED_VERB_FRAMES", [])]
        self.other_flips = [frame for kind, rows in self.flips.items() if kind != "adjective" for frame in rows]
        self.lack = [frame for _, frame in getattr(language, "LACK_FRAMES", [])]

    def opinion(self, label: int) -> tuple[str, str]:
        """Write an opinion of one to five sentences, and its kind: plain, negated or contrast."""
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        parts, draw = [self._statement(kind, label)], self.random.random()
        if draw < 0.10:
            parts.insert(0, self.random.choice(self.neutral))
        elif draw < 0.24:
            seconds = ("adjective", "observation", "feeling", "verb", "short", "denied", "turned")
            parts.append(self._statement(self.random.choice(seconds), label))
        elif draw < 0.34:
            parts.append(self.random.choice(self.more[label]))
        elif draw < 0.37:
            parts.append(self.random.choice(self.tails))
        elif draw < 0.45:
            others = ("adjective", "observation", "observation", "feeling", "verb", "noun", "short", "denied")
            parts += [self._statement(self.random.choice(others), label) for _ in range(self.random.randint(2, 4))]
        return self._finish(parts), "negated" if kind in NEGATED else kind if kind == "contrast" else "plain"

    def _statement(self, kind: str, label: int) -> str:
        """Write one statement, without a full stop where it may be joined."""
        choose, domain = self.random.choice, self.random.choice(self.domains)
        if kind == "short":
            return choose(self.short[label])
        if kind == "denied":
            return self._fill(choose(self.denied[label]), label, domain)
        if kind == "turned":
            if self.lack and label == 0 and self.random.random() < 0.3:
                return self._fill(choose(self.lack), 1, domain, denied=True)
            pool = self.flips["adjective"] if self.random.random() < 0.65 else self.other_flips
            return self._fill(choose(pool), 1 - label, domain, denied=True)
        if kind == "contrast":
            return self._contrast(label)
        return self._fill(choose(self.same[kind]), label, domain)

    def _contrast(self, label: int) -> str:
        """Join two judgements of different labels; the second decides. A frame marked good or bad fits one label."""
        frames = [frame.partition(":") for frame in self.language.CONTRASTS]
        fitting = [frame for frame, _, mark in frames if mark in ("", ("bad", "good")[label])]
        kinds, shares = ("adjective", "observation", "denied", "turned", "feeling"), (4, 3, 1, 1, 1)
        parts = [self._statement(self.random.choices(kinds, shares)[0], part) for part in (1 - label, label)]
        parts = [part.rstrip(".!?") for part in parts]
        parts = [part if part.startswith(("I ", "I'", "AC")) else part[0].lower() + part[1:] for part in parts]
        joined = self.random.choice(fitting)
        return re.sub(r"\{([xyXY])\}", lambda slot: parts["xy".index(slot.group(1).lower())], joined)

    def _adjective(self, domain: Domain, label: int, denied: bool = False) -> str:
        """Draw an adjective that suits the domain; one that denies something itself is not denied again."""
        pool = (domain.adjectives if self.random.random() < 0.5 else self.adjectives)[label]
        return self.random.choice([word for word in pool if not (denied and NEGATION.search(word))])

    def _with_degree(self, word: str) -> str:
        """Put an adverb of degree to an adjective of one word; "sekali:" stands behind it."""
        degree = self.random.choice(self.degrees)
        if " " in word:
            return word
        return f"{word} {degree[:-1]}" if degree.endswith(":") else f"{degree} {word}"

    def _fill(self, frame: str, label: int, domain: Domain, denied: bool = False) -> str:
        """Fill the slots of a frame with words of a label."""
        choose = self.random.choice
        first, second = self._adjective(domain, label, denied), self._adjective(domain, label)
        clause = choose(domain.observations[label])
        values = {slot: choose(pair[label]) for slot, pair in self.lists.items()}
        values |= {
            "topic": choose(domain.topics), "w": first, "w2": second, "a_w": with_article(first), "c": clause,
            "lc": clause,
            "d": choose(self.degrees).rstrip(":"), "dw": self._with_degree(first),
            "df": self._with_degree(values["f"]), "good": choose(self.adjectives[1]), "bad": choose(self.adjectives[0]),
            "o": choose(self.objects),
        }  # fmt: skip
        if "{d} {w}" in frame and " " in first:
            frame = frame.replace("{d} {w}", "{w}")
        for _ in range(2):  # an action may name a topic
            frame = re.sub(r"\{(?:cap_)?(\w+)\}", lambda slot: values[slot.group(1).lower()], frame)
        return frame

    def _finish(self, parts: list[str]) -> str:
        """Join the sentences with marks and capitals; some of them are written as in a chat."""
        if self.registers and self.random.random() < 0.6:
            share = self.random.random()
            parts = [re.sub(r"[\w-]+", lambda word: self._informal(word.group(), share), part) for part in parts]
        marked = []
        for number, part in enumerate(parts):
            marks = (".", ".", ".", "!", "") if number == len(parts) - 1 else (".", ".", "!", ",")
            marked.append(part if part[-1] in ".!?" else part + self.random.choice(marks))
        text = re.sub(r"(?:^|(?<=[.!?] ))\w", lambda letter: letter.group().upper(), " ".join(marked))
        return text.lower() if self.random.random() < 0.15 else text

    def _informal(self, word: str, share: float) -> str:
        forms = self.registers.get(word.lower())
        return self.random.choice(forms) if forms and self.random.random() < share else word


def with_article(word: str) -> str:
    """Put "a" or "an" to an English adjective that can stand before a noun."""
    if word.startswith(("a ", "an ", "one of ")):
        return word
    return f"{'an' if word[0] in VOWELS and not word.startswith(('use', 'uni', 'one')) else 'a'} {word}"

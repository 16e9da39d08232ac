"""Write train.csv, validation.csv and test.csv, Indonesian sentences with English translations, and lecture.csv.

A sentence is drawn from a small grammar: who, whether not, does what, with what, where, when.

    kemarin guru tidak menjual sepeda lama di pasar
    the teacher did not sell an old bicycle at the market yesterday

Word-by-word translation fails: adjective and noun change places, and so do the time and the rest of the sentence; only
English conjugates (sell, sells, sold, will sell, did not sell); and its article depends on the next word. Each verb has
two objects in the test split only, so translating those sentences takes words and grammar, not memorized sentences.
"""

import csv
import random
from pathlib import Path

FOLDER = Path(__file__).parent
SIZES = {"train": 1000, "validation": 150, "test": 150}
SEED = 0

# The nine pairs of the lectures' slides (S5).
LECTURE = [
    ("saya pergi ke depok", "i go to depok"),
    ("saya pergi dengan mobil", "i go with a car"),
    ("saya datang ke depok", "i come to depok"),
    ("kamu pergi dengan motor", "you go with a motorcycle"),
    ("kamu datang dengan mobil", "you come with a car"),
    ("saya pergi dan kamu datang", "i go and you come"),
    ("kamu datang", "you come"),
    ("saya datang", "i come"),
    ("kamu pergi ke depok dengan motor", "you go to depok with a motorcycle"),
]
# Indonesian, English, and whether the English verb gets its -s.
SUBJECTS = [
    ("saya", "i", False), ("kamu", "you", False), ("kami", "we", False), ("mereka", "they", False),
    ("ibu", "mother", True), ("ayah", "father", True), ("guru", "the teacher", True),
    ("adik saya", "my little brother", True), ("tetangga kami", "our neighbor", True),
    ("teman kamu", "your friend", True),
]  # fmt: skip
# Indonesian; English: plain form, with -s, past; and the numbers of its two objects for the test split.
VERBS = [
    ("membeli", ("buy", "buys", "bought"), (0, 7)),
    ("menjual", ("sell", "sells", "sold"), (1, 8)),
    ("mencari", ("look for", "looks for", "looked for"), (2, 9)),
    ("membawa", ("carry", "carries", "carried"), (3, 10)),
    ("melihat", ("see", "sees", "saw"), (4, 11)),
    ("memilih", ("choose", "chooses", "chose"), (5, 8)),
    ("menemukan", ("find", "finds", "found"), (6, 9)),
    ("meminjam", ("borrow", "borrows", "borrowed"), (7, 10)),
]
OBJECTS = [
    ("buku", "book"), ("tas", "bag"), ("payung", "umbrella"), ("kursi", "chair"), ("topi", "hat"), ("lampu", "lamp"),
    ("sepeda", "bicycle"), ("boneka", "doll"), ("amplop", "envelope"), ("ember", "bucket"), ("gelas", "glass"),
    ("gitar", "guitar"),
]  # fmt: skip
ADJECTIVES = [("merah", "red"), ("baru", "new"), ("lama", "old"), ("kecil", "small"), ("besar", "big"), ("aneh", "odd")]
PLACES = [("di rumah", "at home"), ("di pasar", "at the market"), ("di sekolah", "at school"), ("di kota", "in town")]
# Indonesian, English, tense.
TIMES = [
    ("setiap hari", "every day", "present"), ("setiap pagi", "every morning", "present"),
    ("kemarin", "yesterday", "past"), ("tadi malam", "last night", "past"),
    ("besok", "tomorrow", "future"), ("minggu depan", "next week", "future"),
]  # fmt: skip


def conjugate(forms: tuple[str, str, str], third_person: bool, tense: str, negated: bool) -> str:
    """Conjugate an English verb: 'sell', 'sells', 'did not sell', 'will sell', …"""
    plain, third, past = forms
    if tense == "future":
        return f"will not {plain}" if negated else f"will {plain}"
    if tense == "past":
        return f"did not {plain}" if negated else past
    if negated:
        return f"{'does' if third_person else 'do'} not {plain}"
    return third if third_person else plain


def with_article(noun: str) -> str:
    """Put the article before a noun: 'a red book', 'an old book'."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def draw_pair(draw: random.Random, held_out: bool) -> tuple[str, str]:
    """Draw a sentence in both languages, with a pair of verb and object of the test split, or of the other splits."""
    (verb, forms, test_objects) = draw.choice(VERBS)
    numbers = [number for number in range(len(OBJECTS)) if (number in test_objects) == held_out]
    noun, english_noun = OBJECTS[draw.choice(numbers)]
    subject, english_subject, third_person = draw.choice(SUBJECTS)
    time, english_time, tense = draw.choice(TIMES)
    negated = draw.random() < 0.3
    if draw.random() < 0.6:
        adjective, english_adjective = draw.choice(ADJECTIVES)
        noun, english_noun = f"{noun} {adjective}", f"{english_adjective} {english_noun}"
    place, english_place = draw.choice(PLACES) if draw.random() < 0.5 else ("", "")
    words = [time, subject, "tidak" if negated else "", verb, noun, place]
    verb_phrase = conjugate(forms, third_person, tense, negated)
    english = [english_subject, verb_phrase, with_article(english_noun), english_place, english_time]
    return " ".join(filter(None, words)), " ".join(filter(None, english))


def main(folder=FOLDER):
    """Write the four files into `folder`."""
    draw, seen = random.Random(SEED), set()
    splits = {"lecture": list(LECTURE)}
    for split, size in SIZES.items():
        pairs = splits[split] = []
        while len(pairs) < size:
            pair = draw_pair(draw, held_out=split == "test")
            if pair not in seen:
                seen.add(pair)
                pairs.append(pair)
    for split, pairs in splits.items():
        with open(Path(folder) / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", "en"))
            writer.writerows(pairs)


if __name__ == "__main__":
    main()

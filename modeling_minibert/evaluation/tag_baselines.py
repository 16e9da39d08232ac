"""Taggers without a neural net, to compare with: the most frequent tag of each word, and a linear model of features."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import SGDClassifier

Sentences = Sequence[Sequence[str]]


def most_frequent_tags(tokens: Sentences, tags: Sentences, test: Sentences) -> list[list[str]]:
    """Tag every word of `test` with its most frequent tag in train, and unknown words with that of words seen once."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for words, row in zip(tokens, tags, strict=True):
        for word, tag in zip(words, row, strict=True):
            counts[word][tag] += 1
    rare: Counter = Counter()
    for seen in counts.values():
        if seen.total() == 1:
            rare += seen
    unknown = (rare or sum(counts.values(), Counter())).most_common(1)[0][0]
    best = {word: seen.most_common(1)[0][0] for word, seen in counts.items()}
    return [[best.get(word, unknown) for word in words] for words in test]


def linear_tagger(tokens: Sentences, tags: Sentences, test: Sentences, seed: int = 0) -> list[list[str]]:
    """Tag every word of `test` by logistic regression over features of the word and its neighbours (`word_features`).

    Each word is tagged alone: no transitions between tags, as a conditional random field would learn.
    """
    hasher = FeatureHasher(2**20, input_type="string", alternate_sign=False)
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=15, tol=None, random_state=seed, average=True)
    model.fit(hasher.transform(features for words in tokens for features in word_features(words)),
              [tag for row in tags for tag in row])  # fmt: skip
    found = iter(model.predict(hasher.transform(features for words in test for features in word_features(words))))
    return [[str(next(found)) for _ in words] for words in test]


def word_features(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the features of each word: the words around it, its beginning, its end, and its shape (Xx-dd)."""
    lower = ["<s>", "<s>", *(word.lower() for word in words), "</s>", "</s>"]
    shapes = ["", *map(word_shape, words), ""]
    for place, word in enumerate(words):
        near = lower[place : place + 5]
        features = [f"{offset}={other}" for offset, other in zip(range(-2, 3), near, strict=True)]
        features += [f"-1,0={near[1]} {near[2]}", f"0,1={near[2]} {near[3]}"]
        features += [f"{shift}s={shape}" for shift, shape in zip((-1, 0, 1), shapes[place : place + 3], strict=True)]
        features += [f"begins={word[:size].lower()}" for size in (1, 2, 3, 4)]
        features += [f"ends={word[-size:].lower()}" for size in (1, 2, 3, 4)]
        yield [*features, f"case={word[:1].isupper()},{place == 0}"]


def word_shape(word: str) -> str:
    """Return the kinds of characters of a word, runs shortened: "Xx-d" for "Covid-19"."""
    kinds = ("X" if char.isupper() else "x" if char.islower() else "d" if char.isdigit() else char for char in word)
    shape = ""
    for kind in kinds:
        shape += "" if shape.endswith(kind) else kind
    return shape

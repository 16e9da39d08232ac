"""Score multiple choice: accuracy with its interval, and a baseline of word pairs."""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from .bootstrap import bootstrap_interval
from .classification import accuracy


def choice_scores(logits: np.ndarray, references: Sequence[int], interval: bool = False) -> dict:
    """The accuracy of the best-scored choices.

    Args:
        logits: (N, R).
        references: (N,), the numbers of the right choices.
        interval: whether to add `accuracy_interval`, a 95 % bootstrap interval.
    """
    found, right = np.asarray(logits).argmax(axis=-1), np.asarray(references)
    scores: dict = {"accuracy": accuracy(found, right)}
    if interval:
        scores["accuracy_interval"] = bootstrap_interval(accuracy, found, right)
    return scores


def bag_of_words_choices(train, test, strength: float = 10.0) -> np.ndarray:
    """Score the choices of `test` by logistic regression over words, and pairs of a context word and a choice word.

    Args:
        train, test: rows with `context`, `choices` and `label`.
        strength: C, the inverse of the regularization.

    Returns:
        (N, R), as the logits of a model.
    """
    hasher = FeatureHasher(2**20, input_type="string", alternate_sign=False)
    right = [
        number == label
        for options, label in zip(train["choices"], train["label"], strict=True)
        for number in range(len(options))
    ]
    model = LogisticRegression(C=strength, max_iter=1000).fit(hasher.transform(_word_pairs(train)), right)
    return model.decision_function(hasher.transform(_word_pairs(test))).reshape(len(test["label"]), -1)


def _word_pairs(rows) -> Iterator[list[str]]:
    """Yield the features of every choice of every row."""
    for context, options in zip(rows["context"], rows["choices"], strict=True):
        words = sorted(set(context.lower().split()))
        for option in options:
            own = sorted(set(option.lower().split()))
            yield [*own, *(f"{word} {other}" for word in words for other in own)]

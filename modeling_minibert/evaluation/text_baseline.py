"""The linear model that a text classifier has to beat: n-grams of words and logistic regression, trained in seconds.

Two kinds of features, each with two strengths of regularization; validation chooses:

    tf-idf        words and pairs of words, each text of unit length
    NB-weighted   whether a word or pair occurs, times the log of how much more often it does in the class
                  (Wang and Manning 2012, section 2.3, with logistic regression instead of a support vector machine)
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

NGRAMS = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"}
TF_IDF_STRENGTHS, NB_STRENGTHS = (3.0, 30.0), (0.1, 1.0)  # C, the inverse of the regularization

Columns = Sequence[Sequence[str]]  # the texts; of pairs the first texts and the second ones
Split = tuple[Columns, np.ndarray]


def linear_text_classifier(train: Split, validation: Split, test: Columns) -> tuple[np.ndarray, str]:
    """Fit both kinds on train, choose by validation, and classify the test texts.

    Args:
        train, validation: the texts and their class ids (N,).
        test: the texts to classify.

    Returns:
        The class ids (M,), and what was chosen.

    Raises:
        ValueError: the train texts have one class, or no words.
    """
    labels, best = train[1], (-1.0, np.zeros(0, dtype=int), "")
    for name, vectorizer, strengths in (
        ("tf-idf", TfidfVectorizer(**NGRAMS, sublinear_tf=True), TF_IDF_STRENGTHS),
        ("NB-weighted", CountVectorizer(**NGRAMS, binary=True), NB_STRENGTHS),
    ):
        vectorizer.fit([text for column in train[0] for text in column])
        features, held_out, asked = (_features(vectorizer, columns) for columns in (train[0], validation[0], test))
        for strength in strengths:
            model = _OneAgainstOthers(features, labels, strength, weighted=name == "NB-weighted")
            accuracy = float((model.predict(held_out) == validation[1]).mean())
            if accuracy > best[0]:
                best = accuracy, model.predict(asked), f"{name}, C {strength:g}"
    return best[1:]


def _features(vectorizer, columns: Columns) -> csr_matrix:
    """Features (N, F); of pairs (N, 2F), the second text's beside the first one's."""
    return hstack([vectorizer.transform(column) for column in columns]).tocsr()


class _OneAgainstOthers:
    """Logistic regression for each class against the others; for two classes one of them is enough."""

    def __init__(self, features: csr_matrix, labels: np.ndarray, strength: float, weighted: bool):
        self.classes = np.unique(labels)
        if len(self.classes) < 2:
            raise ValueError(f"all {len(labels)} train texts have one class")
        self.parts = []
        for label in self.classes if len(self.classes) > 2 else self.classes[1:]:
            own = labels == label
            weights = naive_bayes_weights(features, own) if weighted else np.ones(features.shape[1])
            model = LogisticRegression(C=strength, max_iter=300).fit(features.multiply(weights).tocsr(), own)
            self.parts.append((weights * model.coef_[0], model.intercept_[0]))

    def predict(self, features: csr_matrix) -> np.ndarray:
        """Return the class ids (N,)."""
        scores = np.stack([features @ weights + bias for weights, bias in self.parts], axis=1)
        if len(self.parts) == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        return self.classes[scores.argmax(axis=1)]


def naive_bayes_weights(features: csr_matrix, own: np.ndarray) -> np.ndarray:
    """Compute ln(p / |p|) - ln(q / |q|) with p and q the counts, plus 1, inside and outside of a class: (F,)."""
    inside, outside = (1 + np.asarray(features[rows].sum(axis=0))[0] for rows in (own, ~own))
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())

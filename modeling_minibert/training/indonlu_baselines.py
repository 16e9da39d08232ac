"""Linear baselines for IndoNLU: logistic regression on counted features, one minute a task.

    class, aspects   tf-idf of words and pairs of words, or of pieces of words of two to five letters
    pair             the same of both texts: their products, and their absolute differences
    tags             the words around a word, its beginning, ending and shape, as hashed features; fitted by SGD

The features and the strength of the regularization are chosen by the validation score. A trained model that is not
above these numbers has learned no more than which words go with which class.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier

from ..data.indonlu import IndoNLUData
from ..evaluation.indonlu import indonlu_scores
from ..evaluation.tag_baselines import word_features, word_shape

STRENGTHS = (1.0, 10.0, 100.0)  # C, the inverse of the regularization
ALPHAS = (1e-5, 3e-6, 1e-6)  # of SGD
QUESTION_WORDS = {
    "apa", "apakah", "siapa", "siapakah", "berapa", "berapakah", "kapan", "kapankah", "dimana", "di", "mana", "manakah",
    "bagaimana", "mengapa", "kenapa",
}  # fmt: skip


def linear_baseline(data: IndoNLUData) -> dict:
    """Fit the baseline of a task on train, choose by validation, and score both other splits.

    Returns:
        "validation" and "test" → the scores of `indonlu_scores`; "chosen" → what was chosen.
    """
    best: dict | None = None
    for chosen, predictions in _tag_runs(data) if data.task.is_tagging else _text_runs(data):
        scores = {}
        for split, found in predictions.items():
            scores[split] = indonlu_scores(data.task.kind, data.names, found, data.splits[split]["label"])
        if best is None or scores["validation"]["score"] > best["validation"]["score"]:
            best = {**scores, "chosen": chosen}
    assert best is not None
    return best


def vectorizers() -> dict[str, TfidfVectorizer]:
    """The two kinds of features of a text."""
    words = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]", "sublinear_tf": True}
    pieces = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True, "max_features": 100_000}
    return {"words": TfidfVectorizer(**words), "pieces of words": TfidfVectorizer(**pieces)}


def _text_runs(data: IndoNLUData) -> Iterator[tuple[str, dict]]:
    """Yield what was tried, and the predictions for validation and test."""
    train = data.splits["train"]
    columns = [column for column in ("text", "text_pair") if column in train.column_names]
    for kind, vectorizer in vectorizers().items():
        vectorizer.fit([text for column in columns for text in train[column]])
        features = {split: _features(vectorizer, rows, columns) for split, rows in data.splits.items()}
        for strength in STRENGTHS:
            found = _predict_classes(features, np.array(train["label"]), strength)
            yield f"{kind}, C {strength:g}", found


def _features(vectorizer: TfidfVectorizer, rows, columns: list[str]) -> csr_matrix:
    """Features (N, F); of a pair (N, 2F)."""
    first, *second = (vectorizer.transform(rows[column]) for column in columns)
    return hstack([first.multiply(second[0]), abs(first - second[0])]).tocsr() if second else first


def _predict_classes(features: dict, labels: np.ndarray, strength: float) -> dict:
    """Predict (N,) classes, or (N, A) with a model for each aspect."""
    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(features["train"], column)
        for column in labels.reshape(len(labels), -1).T
    ]
    found = {
        split: np.stack([model.predict(features[split]) for model in models], axis=1)
        for split in ("validation", "test")
    }
    return found if labels.ndim == 2 else {split: columns[:, 0] for split, columns in found.items()}


def question_features(words: Sequence[str], question: Sequence[str]) -> Iterator[list[str]]:
    """Yield the further features of each word of a passage: what the question asks, and whether it has the word."""
    asked = [word.lower() for word in question]
    kind = next((word for word in asked if word in QUESTION_WORDS), "other")
    known = [False, *(word.lower() in asked for word in words), False]
    for place, word in enumerate(words):
        features = [f"asked={kind} {word_shape(word)}", f"asked={kind} {word.lower()}"]
        yield features + [f"{shift}known={known[place + 1 + shift]}" for shift in (-1, 0, 1)]


def _sentence_features(rows) -> Iterator[list[str]]:
    """Yield the features of every word of every row."""
    for row in range(len(rows)):
        words = rows[row]["tokens"]
        if "question" not in rows.column_names:
            yield from word_features(words)
            continue
        further = question_features(words, rows[row]["question"])
        yield from ([*near, *more] for near, more in zip(word_features(words), further, strict=True))


def _tag_runs(data: IndoNLUData) -> Iterator[tuple[str, dict]]:
    hasher = FeatureHasher(2**20, input_type="string", alternate_sign=False)
    features = {split: hasher.transform(_sentence_features(rows)) for split, rows in data.splits.items()}
    tags = np.concatenate(list(map(np.array, data.splits["train"]["label"])))
    for alpha in ALPHAS:
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=10, tol=None, average=True, random_state=0)
        model.fit(features["train"], tags)
        found = {}
        for split in ("validation", "test"):
            flat, ends = model.predict(features[split]), np.cumsum(list(map(len, data.splits[split]["label"])))
            found[split] = [part.tolist() for part in np.split(flat, ends[:-1])]
        yield f"words around a word, alpha {alpha:g}", found

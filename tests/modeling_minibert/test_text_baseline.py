"""The linear model beside every classifier, against scikit-learn's own parts."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from modeling_minibert.evaluation import linear_text_classifier, text_baseline

WORDS = {0: "hambar pahit dingin", 1: "gurih manis hangat", 2: "biasa cukup lumayan"}


def texts(count, classes, seed):
    draw = np.random.default_rng(seed)
    labels = draw.integers(classes, size=count)
    neutral = "kopi teh nasi sup".split()
    rows = [" ".join([*draw.choice(neutral, size=4), draw.choice(WORDS[label].split())]) for label in labels]
    return rows, labels


def test_the_weights_are_the_ratios_of_multinomial_naive_bayes():
    counts = np.random.default_rng(0).integers(0, 2, size=(17, 9))
    own = np.arange(17) % 3 == 0
    logs = MultinomialNB(alpha=1.0).fit(counts, own).feature_log_prob_
    found = text_baseline.naive_bayes_weights(csr_matrix(counts), own)
    np.testing.assert_allclose(found, logs[1] - logs[0], atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_one_strength_of_tf_idf_is_the_pipeline_of_scikit_learn(classes, monkeypatch):
    monkeypatch.setattr(text_baseline, "TF_IDF_STRENGTHS", (3.0,))
    monkeypatch.setattr(text_baseline, "NB_STRENGTHS", ())
    train, validation, test = (texts(count, classes, seed) for seed, count in enumerate((90, 21, 33)))
    found, chosen = linear_text_classifier(([train[0]], train[1]), ([validation[0]], validation[1]), [test[0]])
    vectorizer = TfidfVectorizer(**text_baseline.NGRAMS, sublinear_tf=True)
    scores = [
        make_pipeline(vectorizer, LogisticRegression(C=3.0, max_iter=300))
        .fit(train[0], train[1] == label)
        .decision_function(test[0])
        for label in range(classes)
    ]
    assert chosen == "tf-idf, C 3"
    assert found.tolist() == np.argmax(scores, axis=0).tolist()


def test_validation_chooses_and_pairs_have_features_of_their_own():
    train, validation, test = (texts(count, 2, seed) for seed, count in enumerate((90, 21, 33)))
    found, chosen = linear_text_classifier(([train[0]], train[1]), ([validation[0]], validation[1]), [test[0]])
    assert chosen.startswith(("tf-idf, C ", "NB-weighted, C ")) and (found == test[1]).mean() > 0.9
    # The class is in the second text alone.
    same = [["kopi"] * len(rows[0]) for rows in (train, validation, test)]
    found, _ = linear_text_classifier(
        ([same[0], train[0]], train[1]), ([same[1], validation[0]], validation[1]), [same[2], test[0]]
    )
    assert (found == test[1]).mean() > 0.9


def test_texts_of_one_class_and_texts_without_words_are_refused():
    with pytest.raises(ValueError, match="all 2 train texts have one class"):
        linear_text_classifier(([["a", "b"]], np.zeros(2)), ([["a"]], np.zeros(1)), [["a"]])
    with pytest.raises(ValueError, match="empty vocabulary"):
        linear_text_classifier(([["", " "]], np.arange(2)), ([["a"]], np.zeros(1)), [["a"]])

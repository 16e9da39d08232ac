"""Scores are scikit-learn's, their intervals scipy's, and windows are averaged text by text."""

import math

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from modeling_minibert.evaluation import ClassificationMetrics, average_by_text, bootstrap_interval, score_outputs


def random_answers(rows=200, classes=5, right=0.6, seed=0):
    generator = np.random.default_rng(seed)
    references = generator.integers(classes, size=rows)
    guesses = generator.integers(classes, size=rows)
    return np.where(generator.random(rows) < right, references, guesses), references


def accuracy(predictions, references, sample_weight=None):
    return float(np.average(predictions == references, weights=sample_weight))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path))

    def refuse(*args, **kwargs):
        raise AssertionError("a score asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.lecture("S2-28")
@pytest.mark.parametrize("classes", [2, 5])
def test_the_scores_are_those_of_scikit_learn(classes):
    predictions, references = random_answers(classes=classes)
    scores = ClassificationMetrics().compute(predictions=predictions, references=references)
    expected = {
        "accuracy": accuracy_score(references, predictions),
        "macro_f1": f1_score(references, predictions, average="macro"),
    }
    assert scores == pytest.approx(expected, abs=1e-12)
    assert abs(scores["accuracy"] - scores["macro_f1"]) > 1e-6  # two scores, not one under two names


def test_macro_f1_counts_a_rare_class_as_much_as_a_frequent_one():
    references, predictions = [0] * 98 + [1] * 2, [0] * 100
    scores = ClassificationMetrics().compute(predictions=predictions, references=references)
    # F1 of class 0 is 2·98/(2·98+2), of class 1 it is 0.
    assert scores == pytest.approx({"accuracy": 0.98, "macro_f1": (196 / 198) / 2}, abs=1e-12)


@pytest.mark.slow
def test_batches_give_what_all_rows_give_at_once():
    predictions, references = random_answers(rows=103)
    metric = ClassificationMetrics()
    for start in range(0, 103, 16):
        rows = slice(start, start + 16)
        metric.add_batch(predictions=predictions[rows], references=references[rows])
    at_once = ClassificationMetrics().compute(predictions=predictions, references=references, interval=True)
    in_batches = metric.compute(interval=True)
    assert in_batches == at_once
    assert set(at_once) == {"accuracy", "accuracy_interval", "macro_f1", "macro_f1_interval"}
    for name in ("accuracy", "macro_f1"):
        low, high = at_once[f"{name}_interval"]
        assert low < at_once[name] < high


@pytest.mark.lecture("S4-22")
@pytest.mark.parametrize("classes", [2, 4])
def test_the_area_under_the_curve_is_that_of_scikit_learn(classes):
    predictions, references = random_answers(rows=150, classes=classes)
    noise = np.random.default_rng(1).normal(size=(150, classes))
    probabilities = special.softmax(1.5 * np.eye(classes)[predictions] + noise, axis=1)
    scores = ClassificationMetrics().compute(
        predictions=predictions, references=references, probabilities=probabilities, interval=True
    )
    if classes == 2:
        expected = roc_auc_score(references, probabilities[:, 1])
    else:
        expected = roc_auc_score(references, probabilities, multi_class="ovr", average="macro")
    assert scores["auc"] == pytest.approx(expected, abs=1e-12)
    low, high = scores["auc_interval"]
    assert low < scores["auc"] < high
    assert "auc" not in ClassificationMetrics().compute(predictions=predictions, references=references)
    logits = np.log(probabilities) + np.arange(150)[:, None]  # softmax undoes a shift of each row
    assert score_outputs(logits, references, "classification", auc=True)["auc"] == pytest.approx(expected, abs=1e-12)
    averaged = score_outputs(probabilities, references, "classification", threshold=0.5, auc=True)
    assert averaged["auc"] == pytest.approx(expected, abs=1e-12)


def test_classes_that_do_not_occur_have_no_curve():
    probabilities = np.array([[0.5, 0.4, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]])
    metric = ClassificationMetrics()
    some = metric.compute(predictions=[0, 1, 0], references=[0, 1, 1], probabilities=probabilities)
    one, other = roc_auc_score([1, 0, 0], probabilities[:, 0]), roc_auc_score([0, 1, 1], probabilities[:, 1])
    assert some["auc"] == pytest.approx((one + other) / 2, abs=1e-12)
    assert metric.compute(predictions=[0], references=[0], probabilities=probabilities[:1])["auc"] == 0.5  # a guess
    for wrong, message in (
        (probabilities[:2], r"probabilities of shape \(2, 3\) do not fit 3 references up to class 1"),
        (probabilities[:, :1], r"probabilities of shape \(3, 1\) do not fit"),
        (np.where(probabilities == 0.6, np.nan, probabilities), r"row 1 of the probabilities, \[0.3, nan, 0.1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            metric.compute(predictions=[0, 1, 0], references=[0, 1, 1], probabilities=wrong)
    with pytest.raises(ValueError, match="auc is for the task classification, not for regression"):
        score_outputs(probabilities, [0.1, 0.2, 0.3], "regression", auc=True)


def test_predictions_and_references_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="3.*2|2.*3"):
        ClassificationMetrics().compute(predictions=[0, 1, 1], references=[0, 1])


@pytest.mark.lecture("S2-28")
def test_the_bootstrap_interval_is_scipys_percentile_interval():
    predictions, references = random_answers()
    ours = bootstrap_interval(accuracy, predictions, references, draws=4000)
    theirs = stats.bootstrap(
        (predictions, references), accuracy, paired=True, vectorized=False, n_resamples=4000, method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    # Accuracy moves in steps of 1/200, and an end of 4,000 draws is itself uncertain by about one step.
    assert ours == pytest.approx(tuple(theirs), abs=2 / 200)
    # The other values of `confidence` and fewer rows give what one expects of them.
    narrow = bootstrap_interval(accuracy, predictions, references, confidence=0.5)
    wide = bootstrap_interval(accuracy, predictions[:50], references[:50])
    assert narrow[1] - narrow[0] < ours[1] - ours[0] < wide[1] - wide[0]


@pytest.mark.parametrize("rows", [190, 2000])
def test_the_interval_of_the_accuracy_is_that_of_the_normal_approximation(rows):
    predictions, references = random_answers(rows=rows, classes=2)
    share = accuracy(predictions, references)
    half = 1.96 * math.sqrt(share * (1 - share) / rows)
    low, high = bootstrap_interval(accuracy, predictions, references)
    # 1,000 draws place an end of the interval to about a tenth of its half width.
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.15 * half)


def test_intervals_hold_the_true_score_about_as_often_as_they_promise():
    held, trials = 0, 200
    for seed in range(trials):
        right = np.random.default_rng(1000 + seed).random(300) < 0.8
        low, high = bootstrap_interval(accuracy, right, np.ones(300, bool), draws=200, confidence=0.9)
        held += low <= 0.8 <= high
    # Binomial: 0.9 ± 4 standard deviations of 200 trials.
    assert abs(held / trials - 0.9) < 4 * math.sqrt(0.9 * 0.1 / trials)


def test_the_same_seed_gives_the_same_interval():
    answers = random_answers()
    assert bootstrap_interval(accuracy, *answers, seed=3) == bootstrap_interval(accuracy, *answers, seed=3)
    assert bootstrap_interval(accuracy, *answers, seed=3) != bootstrap_interval(accuracy, *answers, seed=4)


def test_nothing_to_score_and_different_lengths_are_refused():
    with pytest.raises(ValueError, match="got 3 predictions for 2 references"):
        bootstrap_interval(accuracy, np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="got 0 predictions for 0 references"):
        bootstrap_interval(accuracy, np.zeros(0), np.zeros(0))


def test_windows_are_averaged_text_by_text():
    logits = np.random.default_rng(0).normal(size=(7, 3), scale=4)
    logits[2] += 1000  # would overflow exp
    owners = [0, 0, 0, 1, 2, 2, 3]
    expected = []
    for text in range(4):
        own = [special.softmax(row) for row, owner in zip(logits, owners, strict=True) if owner == text]
        expected.append(sum(own) / len(own))
    averaged = average_by_text(logits, owners)
    np.testing.assert_allclose(averaged, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(averaged.sum(-1), 1, rtol=0, atol=1e-12)
    # Not the same as averaging logits, and each text's order of windows does not matter.
    assert abs(averaged[0] - special.softmax(logits[:3].mean(0))).max() > 1e-3
    mixed = [6, 3, 5, 0, 2, 4, 1]
    np.testing.assert_allclose(average_by_text(logits[mixed], [owners[i] for i in mixed]), averaged, rtol=0, atol=1e-12)

"""Exact match and F1 against an independent count, and answers found over several windows."""

import re
from pathlib import Path

import evaluate
import numpy as np
import pytest
from datasets import Dataset, load_dataset

import modeling_minibert.evaluation.answer_scores as module
from modeling_minibert.evaluation import QuestionAnsweringMetrics, find_answers
from modeling_minibert.evaluation.answer_scores import normalize_answer, score_question

PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def words(text):
    """Normalised words by hand: characters one by one, then words one by one."""
    kept = "".join(character for character in text.lower() if character not in PUNCTUATION)
    # An article counts where letters, digits and _ end, which need not be at a space.
    pieces = re.split(r"(\W+)", kept)
    return "".join(" " if piece in ("a", "an", "the") else piece for piece in pieces).split()


def independent(prediction, golds):
    """(exact, F1) of v1.1 by crossing words off a list."""
    best = [0.0, 0.0]
    for gold in golds:
        left, given = words(gold), words(prediction)
        expected, shared = len(left), 0
        best[0] = max(best[0], float(left == given))
        for word in given:
            if word in left:
                left.remove(word)
                shared += 1
        if shared:
            precision, recall = shared / len(given), shared / expected
            best[1] = max(best[1], 2 * precision * recall / (precision + recall))
    return best


def as_rows(golds):
    return [{"id": name, "answers": {"text": texts, "answer_start": [0] * len(texts)}} for name, texts in golds.items()]


def compute(predictions, golds, **options):
    given = [{"id": name, "prediction_text": text} for name, text in predictions.items()]
    return QuestionAnsweringMetrics(keep_in_memory=True).compute(
        predictions=given, references=as_rows(golds), **options
    )


def perturb(text, context, draw):
    """A prediction that is right, nearly right, or wrong."""
    spans = context.split()
    at = int(draw.integers(len(spans)))
    choices = [text, text.upper(), f"the {text}.", text[1:], text[: len(text) // 2], f"{text} {spans[at]}", ""]
    choices += [f"{spans[at]} {text}", " ".join(spans[at : at + 4]), f"a {text} an", text.replace(" ", "-")]
    choices += [" ".join(reversed(text.split()))]
    return choices[draw.integers(len(choices))]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.lecture("S2-05")
def test_scores_of_all_questions_of_squad_equal_an_independent_count(data_dir):
    rows = load_dataset("parquet", data_files=str(data_dir / "squad" / "validation.parquet"), split="train")
    assert len(rows) == 10_570
    draw = np.random.default_rng(0)
    golds = {row["id"]: row["answers"]["text"] for row in rows}
    predictions = {row["id"]: perturb(row["answers"]["text"][-1], row["context"], draw) for row in rows}
    expected = 100 * np.mean([independent(predictions[name], texts) for name, texts in golds.items()], axis=0)
    scores = compute(predictions, golds)
    assert [scores["exact_match"], scores["f1"]] == pytest.approx(expected, abs=1e-9)
    assert 20 < scores["exact_match"] < scores["f1"] < 80  # the premise: neither all right nor all wrong
    every = np.array([score_question(predictions[name], texts) for name, texts in golds.items()])
    np.testing.assert_allclose(
        every, [independent(predictions[name], texts) for name, texts in golds.items()], atol=1e-12
    )


@pytest.mark.parametrize(
    ("prediction", "golds", "version_1", "version_2"),
    [
        ("The Cat, a dog!", ["cat dog"], (1, 1), (1, 1)),
        ("cats", ["cat"], (0, 0), (0, 0)),
        ("red cat", ["a red dog", "the cat"], (0, 2 / 3), (0, 2 / 3)),
        ("cat cat", ["cat"], (0, 2 / 3), (0, 2 / 3)),  # one word is shared once
        ("don't", ["dont"], (1, 1), (1, 1)),
        ("Paris–Dakar", ["paris dakar"], (0, 0), (0, 0)),  # only ASCII punctuation goes
        ("a-the-b", ["atheb"], (1, 1), (1, 1)),  # punctuation goes before articles do
        ("the", ["an"], (1, 0), (1, 1)),  # two texts without a word: alike, but v1.1 shares no word
        ("", ["cat"], (0, 0), (0, 0)),
        ("cat", ["the", "cat"], (1, 1), (1, 1)),
        ("x", ["the"], (0, 0), (0, 0)),
    ],
)
def test_cases_worked_out_by_hand(prediction, golds, version_1, version_2):
    assert score_question(prediction, golds) == pytest.approx(version_1)
    assert score_question(prediction, golds, version_2=True) == pytest.approx(version_2)


def test_normalisation():
    assert normalize_answer(" The  U.S.\tArmy, an\nanthem of A. ") == "us army anthem of"


def brute_force_best(exact, probabilities, has_answer, predictions):
    """The best mean over all thresholds, by trying each: above it a question is refused."""
    best = (-1.0, None)
    for limit in [-1.0, *sorted(probabilities)]:
        rows = zip(exact, probabilities, has_answer, predictions, strict=True)
        right = [float(not answerable) if p > limit or not text else score for score, p, answerable, text in rows]
        best = max(best, (np.mean(right), -limit))
    return best[0], max(-best[1], 0.0)


def test_version_2_counts_questions_without_an_answer():
    draw = np.random.default_rng(1)
    golds = {f"q{n}": ["red cat"] if n % 3 else [] for n in range(37)}
    texts = {name: ("red cat", "cat", "")[draw.integers(3)] for name in golds}
    scores = compute(texts, golds, version_2=True)
    exact = np.array([texts[n] == (g[0] if g else "") for n, g in golds.items()], float)
    has = np.array([bool(g) for g in golds.values()])
    assert scores["exact"] == pytest.approx(100 * exact.mean())
    assert scores["HasAns_exact"] == pytest.approx(100 * exact[has].mean())
    assert scores["NoAns_f1"] == scores["NoAns_exact"] == pytest.approx(100 * exact[~has].mean())
    assert (scores["total"], scores["HasAns_total"], scores["NoAns_total"]) == (37, 24, 13)
    assert "best_f1" not in scores
    probabilities = dict(zip(golds, draw.random(37).tolist(), strict=True))
    scores = compute(texts, golds, version_2=True, no_answer_probabilities=probabilities, no_answer_threshold=0.6)
    refused = np.array([probabilities[name] > 0.6 for name in golds])
    assert scores["exact"] == pytest.approx(100 * np.where(refused, ~has, exact).mean())
    best, threshold = brute_force_best(exact, probabilities.values(), has, texts.values())
    assert scores["best_exact"] == pytest.approx(100 * best) and scores["best_exact"] > scores["exact"]
    assert scores["best_exact_thresh"] == pytest.approx(threshold)


def test_the_metric_loads_from_its_file_offline_and_gives_intervals():
    metric = evaluate.load(str(Path(module.__file__)), keep_in_memory=True)
    golds = {f"q{n}": ["cat"] for n in range(40)}
    given = [{"id": name, "prediction_text": "cat" if n % 4 else "dog"} for n, name in enumerate(golds)]
    scores = metric.compute(predictions=given, references=as_rows(golds), interval=True)
    low, high = scores["exact_match_interval"]
    # A binomial share of 0.75 of 40 has the standard deviation 6.8 points; the 95 % interval is about ± 2 of them.
    assert scores["exact_match"] == 75 and 55 < low < 68 and 82 < high < 95
    assert scores["f1_interval"] == scores["exact_match_interval"]


def test_what_does_not_belong_together_is_named():
    with pytest.raises(ValueError, match="predictions and references .* got 2 and 2, of which 2 .*, such as 'b'"):
        compute({"a": "x", "b": "x"}, {"a": ["x"], "c": ["x"]})
    with pytest.raises(ValueError, match="no_answer_probabilities .* got 1 and 2, of which 1 .*, such as 'c'"):
        compute({"a": "x", "c": ""}, {"a": ["x"], "c": []}, version_2=True, no_answer_probabilities={"a": 0.5})
    with pytest.raises(ValueError, match="no gold answer.*version_2=True"):
        compute({"a": "x"}, {"a": []})


# --- Answers from logits

CONTEXT = "Anna lives in Bandung. Ben lives in Paris."
WORDS = [(m.start(), m.end()) for m in re.finditer(r"\w+|\.", CONTEXT)]


def features_of(windows, no_answer_position=0):
    """Windows of words, each after [CLS] question [SEP]."""
    return Dataset.from_list(
        [
            {
                "example_id": name,
                "offset_mapping": [(-1, -1)] * 3 + WORDS[window],
                "no_answer_position": no_answer_position,
            }
            for name, window in windows
        ]
    )


def logits(features, **scores):
    """(M, L + 2) of zeros and pads, but `scores`: word → score in every window that has it."""
    width = max(len(row["offset_mapping"]) for row in features) + 2
    found = np.zeros((len(features), width))
    for number, row in enumerate(features):
        found[number, len(row["offset_mapping"]) :] = 99  # pads
        for place, (start, end) in enumerate(row["offset_mapping"]):
            found[number, place] = scores.get(CONTEXT[start:end] if start >= 0 else "CLS" if place == 0 else "", 0)
    return found


@pytest.mark.lecture("S2-08", "S2-32")
def test_the_best_span_of_all_windows_is_the_answer_cut_from_the_context():
    rows = Dataset.from_list([{"id": "b", "context": CONTEXT}, {"id": "a", "context": CONTEXT}])
    features = features_of([("a", slice(0, 5)), ("b", slice(0, 7)), ("a", slice(4, 10)), ("b", slice(5, 10))])
    start, end = logits(features, Bandung=3, Paris=5, CLS=50), logits(features, Bandung=3, Paris=5, Anna=9, CLS=50)
    for answer in find_answers(rows, features, start, end):
        assert answer.text == "Paris" and answer.n_best[0] == {"text": "Paris", "start": 36, "end": 41, "score": 10.0}
        texts = [span["text"] for span in answer.n_best]
        assert len(texts) == 20 and "Bandung" in texts
        places = [(span["start"], span["end"]) for span in answer.n_best]
        assert len(set(places)) == 20  # a span that stands in two windows is there once
        assert all(start < end for start, end in places)
    # Anna has the largest end score; an answer that ends there starts there.
    assert find_answers(rows, features, logits(features, Anna=0, Paris=5), end)[0].text == "Paris"


def test_no_answer_must_beat_the_best_span_in_every_window():
    rows = Dataset.from_list([{"id": "a", "context": CONTEXT}])
    features = features_of([("a", slice(0, 5)), ("a", slice(5, 10))])
    scores = logits(features, Paris=2)
    scores[0, 0], scores[1, 0] = 10, 1.5  # the first window lacks the answer, and knows; the second has it
    (answer,) = find_answers(rows, features, scores, scores, no_answer_threshold=0.0)
    assert answer.text == "Paris" and answer.no_answer_score == pytest.approx(3.0 - 4.0)
    scores[1, 0] = 2.5
    (answer,) = find_answers(rows, features, scores, scores, no_answer_threshold=0.0)
    assert answer.text == "" and answer.no_answer_score == pytest.approx(5.0 - 4.0)
    (answer,) = find_answers(rows, features, scores, scores, no_answer_threshold=1.5)
    assert answer.text == "Paris"
    assert find_answers(rows, features, scores, scores)[0].text == "Paris"  # v1.1: every question has one
    scores[:, 0] = 1.5, 10
    assert find_answers(rows, features, scores, scores)[0].no_answer_score == pytest.approx(3.0 - 4.0)


def test_spaces_at_the_ends_of_tokens_are_no_part_of_the_answer():
    rows = Dataset.from_list([{"id": "a", "context": CONTEXT}])
    offsets = [(-1, -1), (22, 23), (22, 26), (26, 32)]  # the second token is a space alone
    features = Dataset.from_list([{"example_id": "a", "offset_mapping": offsets, "no_answer_position": 0}])
    (answer,) = find_answers(
        rows, features, np.array([[0.0, 9, 3, 0]]), np.array([[0.0, 9, 3, 0]]), max_answer_length=1
    )
    assert answer.n_best[0] == {"text": "Ben", "start": 23, "end": 26, "score": 6.0} and len(answer.n_best) == 2


def test_logits_and_features_must_belong_together():
    rows = Dataset.from_list([{"id": "a", "context": CONTEXT}])
    features = features_of([("b", slice(0, 5))])
    with pytest.raises(ValueError, match="got logits of 2 and 2 for 1 features"):
        find_answers(rows, features, np.zeros((2, 8)), np.zeros((2, 8)))
    with pytest.raises(ValueError, match="the question with the id 'a' has no feature"):
        find_answers(rows, features, np.zeros((1, 8)), np.zeros((1, 8)))

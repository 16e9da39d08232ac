"""Scores of tags: equal to seqeval and scikit-learn, with bootstrap intervals, and IndoNLU's mean of types."""

import numpy as np
import pytest
import seqeval.metrics as seq
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB2, IOBES
from sklearn.metrics import accuracy_score, f1_score

from modeling_minibert.evaluation.tag_baselines import linear_tagger, most_frequent_tags, word_shape
from modeling_minibert.evaluation.tag_scores import TaggingMetrics, describe_tag_scores

TAGS = {
    "IOB2": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "BIOES": ["O", "B-A", "I-A", "E-A", "S-A", "S-B"],
    "plain": ["NOUN", "VERB", "PUNCT"],
}


def draw(scheme, seed=0, sentences=40):
    random = np.random.default_rng(seed)
    references = [random.choice(TAGS[scheme], random.integers(1, 9)).tolist() for _ in range(sentences)]

    def guess(tag):
        return tag if random.random() < 0.7 else str(random.choice(TAGS[scheme]))

    return [[guess(tag) for tag in row] for row in references], references


def compute(predictions, references, **options):
    return TaggingMetrics(keep_in_memory=True).compute(predictions=predictions, references=references, **options)


@pytest.mark.parametrize("scheme", ["IOB2", "BIOES"])
def test_entity_scores_are_those_of_seqeval(scheme):
    predictions, references = draw(scheme)
    found = compute(predictions, references, scheme=scheme)
    assert found["f1"] == pytest.approx(seq.f1_score(references, predictions))
    assert found["precision"] == pytest.approx(seq.precision_score(references, predictions))
    assert found["recall"] == pytest.approx(seq.recall_score(references, predictions))
    assert found["macro_f1"] == pytest.approx(seq.f1_score(references, predictions, average="macro"))
    assert found["accuracy"] == pytest.approx(seq.accuracy_score(references, predictions))
    strict = {"mode": "strict", "scheme": {"IOB2": IOB2, "BIOES": IOBES}[scheme]}
    assert found["strict_f1"] == pytest.approx(seq.f1_score(references, predictions, **strict))
    assert found["strict_f1"] != pytest.approx(found["f1"])  # the drawn tags have faults
    report = seq.classification_report(references, predictions, output_dict=True, zero_division=0)
    for kind, row in found["per_type"].items():
        assert row["f1"] == pytest.approx(report[kind]["f1-score"]) and row["support"] == report[kind]["support"]


def test_plain_scores_are_those_of_scikit_learn():
    predictions, references = draw("plain")
    found = compute(predictions, references, scheme="plain")
    flat = [sum(rows, []) for rows in (references, predictions)]
    assert found["accuracy"] == pytest.approx(accuracy_score(*flat))
    assert found["macro_f1"] == pytest.approx(f1_score(*flat, average="macro"))
    assert "f1" not in found and found["per_type"].keys() == set(TAGS["plain"])


def test_types_that_are_only_predicted_count_in_the_macro_mean_as_in_indonlu():
    """By hand: LOC 1, PER predicted but absent 0; IndoNLU's script averages over the types of both sides."""
    found = compute([["B-LOC", "B-PER"]], [["B-LOC", "O"]])
    assert found["macro_f1"] == pytest.approx((1 + 0) / 2) and found["f1"] == pytest.approx(2 / 3)


def test_bare_tags_are_one_type_and_no_entities_score_zero():
    found = compute([["B", "I", "O"]], [["B", "I", "O"]])
    assert found["f1"] == 1 and found["per_type"].keys() == {"_"}
    assert compute([["O", "O"]], [["O", "O"]])["f1"] == 0


@pytest.mark.parametrize("scheme", ["IOB2", "plain"])
def test_intervals_are_those_of_resampled_sentences(scheme):
    predictions, references = draw(scheme, sentences=120)
    found = compute(predictions, references, scheme=scheme, interval=True)
    random, names = np.random.default_rng(3), ("macro_f1", "accuracy") if scheme == "plain" else ("f1", "macro_f1")
    draws = []
    for _ in range(300):
        rows = random.integers(0, 120, 120)
        again = compute([predictions[row] for row in rows], [references[row] for row in rows], scheme=scheme)
        draws.append([again[name] for name in names])
    for name, column in zip(names, np.array(draws).T, strict=True):
        low, high = found[f"{name}_interval"]
        assert low < found[name] < high
        # 300 draws place a 2.5 % quantile to about a fifth of the interval.
        assert abs(np.quantile(column, 0.025) - low) < 0.25 * (high - low)
        assert abs(np.quantile(column, 0.975) - high) < 0.25 * (high - low)
    assert "accuracy_interval" in found


CHUNKS = st.lists(st.lists(st.sampled_from(TAGS["IOB2"]), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(max_examples=25)
@given(CHUNKS)
def test_right_predictions_score_one(references):
    found = compute(references, references, interval=True)
    has_entities = any(tag != "O" for row in references for tag in row)
    assert found["f1"] == found["macro_f1"] == (1.0 if has_entities else 0.0)
    assert found["accuracy"] == 1 and found["accuracy_interval"] == (1, 1)


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="sentence 1 has 1 predicted tags and 2 references"):
        compute([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="got 1 predicted sentences for 2"):
        compute([["O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match="got 0 predicted sentences for 0"):
        compute([], [])


def test_the_scores_are_described_with_their_types():
    predictions, references = draw("IOB2")
    lines = describe_tag_scores(compute(predictions, references, interval=True))
    assert lines[0].lstrip().startswith("entity F1") and "95 % interval" in lines[0]
    assert lines[-2].startswith("LOC") and lines[-1].startswith("PER") and "precision" in lines[-3]


def test_the_simple_taggers():
    tokens = [["Budi", "tidur"], ["Budi", "makan"], ["Ayu", "tidur"], ["kata", "asing"]] * 5
    tags = [["B-PER", "O"], ["B-PER", "O"], ["B-PER", "O"], ["O", "O"]] * 5
    test = [["Budi", "makan"], ["Wati", "tidur"]]
    assert most_frequent_tags(tokens, tags, test)[0] == ["B-PER", "O"]
    assert most_frequent_tags([["a", "b", "b"]], [["X", "Y", "Y"]], [["new"]]) == [["X"]]  # as words seen once
    assert linear_tagger(tokens, tags, test) == [["B-PER", "O"], ["B-PER", "O"]]  # Wati by her capital and her verb
    assert [word_shape(word) for word in ("Covid-19", "ITB", "3,5")] == ["Xx-d", "X", "d,d"]

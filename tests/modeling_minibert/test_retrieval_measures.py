"""Scores of rankings: compared with the formulas, and the interval of a difference with its closed form."""

import math

import numpy as np
import pytest

from modeling_minibert.retrieval.measures import (
    describe_difference,
    describe_runs,
    difference,
    mean_scores,
    score_run,
)

QRELS = {"a": {"d1": 3, "d2": 1, "d3": 0, "d4": -1}, "b": {"d9": 1}, "c": {"d1": 2}}
RUN = {"a": ["d3", "d1", "d7", "d2"], "b": ["d1", "d2"]}


def ranked(run):
    """Equal scores: the order alone decides."""
    return {query: [(name, 0.0) for name in names] for query, names in run.items()}


def test_scores_are_the_formulas_and_a_missing_question_scores_0():
    scores = score_run(ranked(RUN), QRELS, ("MRR@10", "nDCG@10", "recall@2", "recall@20"))
    gain = 3 / math.log2(3) + 1 / math.log2(5)
    best = 3 / math.log2(2) + 1 / math.log2(3)
    assert scores["MRR@10"] == {"a": 0.5, "b": 0.0, "c": 0.0}
    assert scores["nDCG@10"] == pytest.approx({"a": gain / best, "b": 0.0, "c": 0.0})
    assert scores["recall@2"] == {"a": 0.5, "b": 0.0, "c": 0.0}
    assert scores["recall@20"] == {"a": 1.0, "b": 0.0, "c": 0.0}
    means = mean_scores(scores, interval=True)
    assert means["MRR@10"] == pytest.approx(1 / 6)
    low, high = means["MRR@10_interval"]
    assert 0 <= low <= means["MRR@10"] <= high <= 0.5
    assert "MRR@10" in describe_runs({"bm25": scores}, ("MRR@10",))


def test_the_cut_counts_documents_not_scores():
    qrels = {"q": {"d10": 1}}
    run = {"q": [(f"d{row}", 1.0) for row in range(40)]}
    assert score_run(run, qrels, ("MRR@10",))["MRR@10"]["q"] == 0
    assert score_run(run, qrels, ("MRR@11",))["MRR@11"]["q"] == pytest.approx(1 / 11)


def test_a_difference_is_paired():
    """Two runs that vary much between questions, and little from each other, differ surely."""
    random = np.random.default_rng(0)
    base = random.uniform(size=200)
    gains = random.normal(0.02, 0.05, size=200)
    one, other = ({"nDCG@10": dict(enumerate(values.tolist()))} for values in (base + gains, base))
    found = difference(one, other)["nDCG@10"]
    assert found["difference"] == pytest.approx(gains.mean())
    # The percentile interval of a mean of 200 is close to the normal one.
    half = 1.96 * gains.std() / math.sqrt(200)
    assert found["interval"] == pytest.approx((gains.mean() - half, gains.mean() + half), abs=half / 4)
    assert found["better"] == (gains > 0).sum() and found["worse"] == (gains < 0).sum()
    assert f"{gains.mean():+.3f}" in describe_difference(one, other)


def test_what_cannot_be_scored_is_refused():
    scores = score_run(ranked(RUN), QRELS)
    for wrong, message in [
        (lambda: score_run(ranked({"x": ["d1"]}), QRELS), "1 questions without judgements, the first is 'x'"),
        (lambda: score_run({}, {}), "no judgements to score with"),
        (lambda: score_run({}, QRELS, ("MAP",)), "unknown measure 'MAP'; give MRR@k, nDCG@k or recall@k"),
        (lambda: score_run({}, QRELS, ("MRR@0",)), "unknown measure 'MRR@0'"),
        (lambda: difference(scores, {name: {"a": 0.0} for name in scores}), "3 and 1 questions, 1 of them in both"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()

"""The best answer spans, against a search through all pairs of tokens."""

import numpy as np
import pytest

from modeling_minibert.answer_spans import AnswerSpan, best_answer_spans


def all_spans(start, end, allowed, longest):
    """Every possible span, best first, ties by place: two loops and a sort."""
    spans = [
        AnswerSpan(i, j, float(start[i]) + float(end[j]))
        for i in range(len(start))
        for j in range(i, min(i + longest, len(start)))
        if allowed[i] and allowed[j]
    ]
    return sorted(spans, key=lambda span: (-span.score, span.start, span.end))


@pytest.mark.lecture("S2-08", "S2-32")
def test_equals_the_search_through_all_pairs():
    generator = np.random.default_rng(0)
    for case in range(400):
        length = int(generator.integers(0, 23))
        # Every second case has few distinct scores, so that many sums are equal.
        scores = generator.normal(size=(2, length)) if case % 2 else generator.integers(0, 3, (2, length)) / 4
        allowed = generator.random(length) < generator.choice([0.2, 0.9])
        top_k, longest = int(generator.integers(1, 40)), int(generator.integers(1, 30))
        expected = all_spans(*scores, allowed, longest)[:top_k]
        assert best_answer_spans(*scores, allowed, top_k, longest) == expected


def test_argmax_apart_would_end_before_it_starts():
    start, end = np.array([9.0, 1, 0, 7, 2]), np.array([8.0, 5, 6, 1, 3])
    allowed = np.array([False, True, True, True, True])  # token 0 is the question's, and has the largest scores
    assert start.argmax() == end.argmax() == 0
    assert best_answer_spans(start, end, allowed, top_k=2) == [(3, 4, 10.0), (3, 3, 8.0)]
    assert best_answer_spans(start, end, allowed, max_answer_length=1) == [(3, 3, 8.0)]


def test_nothing_possible_gives_nothing():
    scores = np.zeros(3)
    assert best_answer_spans(scores, scores, np.zeros(3, bool)) == []
    assert best_answer_spans(scores[:0], scores[:0], np.zeros(0, bool)) == []
    assert best_answer_spans(np.full(3, -np.inf), scores, np.ones(3, bool)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3), np.zeros(4), np.ones(3)), r"shapes \(3,\), \(4,\) and \(3,\)"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), np.ones((2, 3))), r"must be \(L,\)"),
        ((np.zeros(3), np.zeros(3), np.ones(3), 0), "top_k is 0, must be at least 1"),
        ((np.zeros(3), np.zeros(3), np.ones(3), 1, -2), "max_answer_length is -2, must be at least 1"),
        ((np.zeros(3), np.array([0, 1, np.nan]), np.ones(3)), "end_logits is nan at token 2"),
    ],
)
def test_bad_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        best_answer_spans(*arguments)

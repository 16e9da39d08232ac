"""Answers from the logits of a question-answering model: the best span over all windows of a context.

A question may have no answer (SQuAD v2): its score is the sum of the two logits of the [CLS] token, and it wins if it
exceeds the score of the best span by more than a threshold. The text of an answer is a slice of the context.

Source: Devlin et al. 2019, sections 4.2 and 4.3.
"""

from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from ..answer_spans import best_answer_spans


@dataclass
class FoundAnswer:
    """The answer to one question.

    Args:
        id: of the question.
        text: the answer; empty for "no answer".
        no_answer_score: the score of "no answer" minus that of the best span, in logits.
        n_best: the best spans, best first: `text`, `start` and `end` (characters of the context), `score`.
    """

    id: str
    text: str
    no_answer_score: float
    n_best: list[dict]


def find_answers(
    rows: Dataset,
    features: Dataset,
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    n_best: int = 20,
    max_answer_length: int = 30,
    no_answer_threshold: float | None = None,
) -> list[FoundAnswer]:
    """Find the answer to every row.

    Args:
        rows: questions from `data.load_question_answering` (N).
        features: their features with offsets (`data.question_features`), in any order (M ≥ N).
        start_logits, end_logits: (M, L) in the order of the features, padded on the right with any values.
        n_best: number of spans to keep for each row.
        max_answer_length: largest number of tokens in an answer.
        no_answer_threshold: a question has no answer if `no_answer_score` exceeds this; None: always answer.

    Returns:
        One answer per row, in the order of the rows. `text` is also empty if no span is possible.

    Raises:
        ValueError: the numbers of logits and features differ, or a row has no feature.
    """
    if not len(start_logits) == len(end_logits) == len(features):
        raise ValueError(
            f"got logits of {len(start_logits)} and {len(end_logits)} for {len(features)} features; give one of each "
            f"per feature"
        )
    windows_of = {}
    for number, name in enumerate(features["example_id"]):
        windows_of.setdefault(name, []).append(number)
    features = features.with_format("numpy", columns=["offset_mapping", "no_answer_position"])
    answers = []
    for name, context in zip(rows["id"], rows["context"], strict=True):
        if name not in windows_of:
            raise ValueError(f"the question with the id {name!r} has no feature; encode the same rows")
        scores, no_answer = {}, np.inf
        for number in windows_of[name]:
            feature = features[number]
            offsets, position = feature["offset_mapping"], feature["no_answer_position"]
            start, end = start_logits[number][: len(offsets)], end_logits[number][: len(offsets)]
            # A context has no answer only if all of its windows have none, hence the minimum.
            no_answer = min(no_answer, float(start[position]) + float(end[position]))
            for span in best_answer_spans(start, end, offsets[:, 1] > offsets[:, 0], n_best, max_answer_length):
                characters = _strip(context, int(offsets[span.start, 0]), int(offsets[span.end, 1]))
                if characters[0] < characters[1]:
                    scores[characters] = max(span.score, scores.get(characters, -np.inf))
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:n_best]
        best = [{"text": context[a:b], "start": a, "end": b, "score": score} for (a, b), score in ranked]
        no_answer_score = no_answer - best[0]["score"] if best else np.inf
        has_answer = best and (no_answer_threshold is None or no_answer_score <= no_answer_threshold)
        answers.append(FoundAnswer(name, best[0]["text"] if has_answer else "", no_answer_score, best))
    return answers


def _strip(context: str, start: int, end: int) -> tuple[int, int]:
    """Strip spaces from a span of characters, as byte-level tokens begin with them."""
    text = context[start:end]
    return end - len(text.lstrip()), start + len(text.rstrip())

"""From the scores of a question-answering model to answers: the best span over all windows of a context.

A context read in windows has a span of its own in each; the best of all is the answer. A question may have none
(SQuAD v2): the sum of the scores of the [CLS] token says so, and counts where it exceeds the best span's by more than
a threshold. The text of an answer is cut out of the context, so that it reads as it does there.

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
        text: the answer; empty where there is none.
        no_answer_score: the score of "no answer" less that of the best span, in logits.
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
    """The answer to every row.

    Args:
        rows: questions as `data.load_question_answering` gives them (N).
        features: their features with offsets (`data.question_features`), in any order (M ≥ N).
        start_logits, end_logits: (M, L) in the order of the features, pads on the right, whatever they hold.
        n_best: how many spans to keep for each row.
        max_answer_length: tokens of the longest answer.
        no_answer_threshold: a question has no answer if `no_answer_score` exceeds this; none: each has one.

    Returns:
        One answer per row, in the order of the rows. `text` is empty too where no span is possible.

    Raises:
        ValueError: as many logits as features are needed, and a feature of every row.
    """
    if not len(start_logits) == len(end_logits) == len(features):
        raise ValueError(f"got logits of {len(start_logits)} and {len(end_logits)} for {len(features)} features")
    windows_of = {}
    for number, name in enumerate(features["example_id"]):
        windows_of.setdefault(name, []).append(number)
    features = features.with_format("numpy", columns=["offset_mapping", "no_answer_position"])
    answers = []
    for name, context in zip(rows["id"], rows["context"], strict=True):
        if name not in windows_of:
            raise ValueError(f"the question with the id {name!r} has no feature; encode the same rows")
        spans, no_answer = {}, np.inf
        for number in windows_of[name]:
            feature = features[number]
            offsets, position = feature["offset_mapping"], feature["no_answer_position"]
            start, end = start_logits[number][: len(offsets)], end_logits[number][: len(offsets)]
            # Every window may lack the answer; "none" holds for the context only if it holds for each.
            no_answer = min(no_answer, float(start[position]) + float(end[position]))
            for span in best_answer_spans(start, end, offsets[:, 1] > offsets[:, 0], n_best, max_answer_length):
                place = _without_spaces(context, int(offsets[span.start, 0]), int(offsets[span.end, 1]))
                if place[0] < place[1]:  # not a token of spaces alone
                    spans[place] = max(span.score, spans.get(place, -np.inf))
        ranked = sorted(spans.items(), key=lambda item: (-item[1], item[0]))[:n_best]
        best = [{"text": context[a:b], "start": a, "end": b, "score": score} for (a, b), score in ranked]
        no_answer_score = no_answer - best[0]["score"] if best else np.inf
        has_answer = best and (no_answer_threshold is None or no_answer_score <= no_answer_threshold)
        answers.append(FoundAnswer(name, best[0]["text"] if has_answer else "", no_answer_score, best))
    return answers


def _without_spaces(context: str, start: int, end: int) -> tuple[int, int]:
    """The same characters without spaces around them, which byte-level tokens begin with."""
    text = context[start:end]
    return end - len(text.lstrip()), start + len(text.rstrip())

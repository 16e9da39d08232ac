"""The scores of IndoNLU: macro-F1, as its evaluation code computes it.

    class, pair      the mean of the F1 scores of all classes
    aspects          the same, over the classes of all aspects of all texts together
    tags             the mean of the F1 scores of all kinds of entities or chunks, counted whole (seqeval, CoNLL rules);
                     tags without a kind (B, I, O) are one kind

Source: Wilie et al. 2020, section 4, and `utils/metrics.py` of its repository. The paper averages over the tasks of
classification and of sequence labelling separately.
"""

import numpy as np
from seqeval.metrics import f1_score as chunk_f1
from sklearn.metrics import accuracy_score, f1_score


def indonlu_scores(kind: str, names: list[str], predictions, references) -> dict[str, float]:
    """Score predictions for a task.

    Args:
        kind: of the task, see `data.indonlu.IndoNLUTask`.
        names: the classes, by id.
        predictions, references: class ids (N,); for aspects (N, A); for tagging a list of class ids per row.

    Returns:
        `score`, the paper's, from 0 to 1, and a second one: `accuracy`, of words for tagging; for aspects
        `aspect_mean`, the mean of the macro-F1 scores of the aspects.

    Raises:
        ValueError: rows of predictions and references differ in number or length (names row and both).
    """
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions for {len(references)} rows; give one for each")
    if kind in ("tags", "passage_tags"):
        return _tag_scores(names, predictions, references)
    predictions, references = np.asarray(predictions), np.asarray(references)
    scores = {"score": float(f1_score(references.ravel(), predictions.ravel(), average="macro"))}
    if kind == "aspects":
        aspects = zip(references.T, predictions.T, strict=True)
        scores["aspect_mean"] = float(np.mean([f1_score(*aspect, average="macro") for aspect in aspects]))
    return scores | {"accuracy": float(accuracy_score(references.ravel(), predictions.ravel()))}


def _tag_scores(names: list[str], predictions, references) -> dict[str, float]:
    for row, (found, truth) in enumerate(zip(predictions, references, strict=True)):
        if len(found) != len(truth):
            raise ValueError(f"row {row} has {len(found)} predicted tags for {len(truth)} words; give one for each")
    found, truth = ([[names[tag] for tag in row] for row in rows] for rows in (predictions, references))
    right = sum(a == b for rows in zip(found, truth, strict=True) for a, b in zip(*rows, strict=True))
    score = float(chunk_f1(truth, found, average="macro", zero_division=0))
    return {"score": score, "accuracy": right / max(sum(map(len, truth)), 1)}

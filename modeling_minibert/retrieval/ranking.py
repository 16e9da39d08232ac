"""Rankings: sort scores with a fixed order of ties, keep the best passage of a document, fuse two rankings.

Letters: N documents, k results.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Ranking = list[tuple[str, float]]  # document ids with their scores, best first
Run = dict[str, Ranking]  # question id → ranking


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the positions (k,) of the k highest of N scores, best first; equal scores keep the order of the corpus.

    Raises:
        ValueError: k below 1.
    """
    check_k(k)
    if k < len(scores):
        # All scores that equal the k-th highest take part, so that the choice among them is by position.
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]


def check_k(k: int) -> None:
    """Raise a ValueError if the number of results is below 1."""
    if k < 1:
        raise ValueError(f"k ({k}) is the number of results; give at least 1")


def check_question(text: str) -> None:
    """Raise a ValueError if a question has no text."""
    if not text.strip():
        raise ValueError(f"the question {text!r} is empty; ask with at least one word")


def split_passages(documents: Sequence[str], words: int = 150, overlap: int = 50) -> tuple[list[str], np.ndarray]:
    """Cut long documents into overlapping passages, so that a ranker with a limited length reads all of them.

    Args:
        documents: N texts.
        words: the most words in a passage.
        overlap: words that neighbouring passages share.

    Returns:
        The passages, and for each the index of its document. A document of at most `words` words is one passage, as it
        stands.

    Raises:
        ValueError: an overlap that leaves no new word in a passage.
    """
    if not 0 <= overlap < words:
        raise ValueError(f"overlap ({overlap}) must be at least 0 and below words ({words})")
    passages, owners = [], []
    for number, document in enumerate(documents):
        tokens = document.split()
        starts = range(0, max(len(tokens) - overlap, 1), words - overlap)
        parts = [document] if len(tokens) <= words else [" ".join(tokens[start : start + words]) for start in starts]
        passages += parts
        owners += [number] * len(parts)
    return passages, np.array(owners)


def best_passages(ranking: Iterable[tuple[int, float]], owners: np.ndarray, k: int) -> list[tuple[int, float]]:
    """Keep the best passage of each document: (passage, score) pairs, best first, the k first documents."""
    kept: dict[int, tuple[int, float]] = {}
    for passage, score in ranking:
        kept.setdefault(int(owners[passage]), (passage, score))
        if len(kept) == k:
            break
    return list(kept.values())


def fuse_by_rank(rankings: Sequence[Ranking], k: int, constant: float = 60.0) -> Ranking:
    """Fuse rankings by reciprocal rank: the score of a document is the sum of 1 / (constant + rank), ranks from 1.

    Source: Cormack et al. 2009, Reciprocal Rank Fusion.
    """
    check_k(k)
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, (document, _) in enumerate(ranking, start=1):
            scores[document] = scores.get(document, 0.0) + 1.0 / (constant + rank)
    return sorted(scores.items(), key=lambda item: -item[1])[:k]


def standardized(ranking: Ranking) -> dict[str, float]:
    """Scale the scores of a ranking to mean 0 and standard deviation 1; all 0 if they are equal."""
    scores = np.array([score for _, score in ranking], dtype=float)
    scores = scores - scores.mean() if len(scores) else scores
    scale = scores.std() if len(scores) else 0.0
    return dict(
        zip([name for name, _ in ranking], (scores / scale if scale > 1e-12 else 0 * scores).tolist(), strict=True)
    )


def interpolate(first: Ranking, second: Ranking, weight: float) -> Ranking:
    """Re-rank by (1 - weight) · first + weight · second, each standardized over the documents of its ranking.

    Args:
        first, second: rankings of the same documents; ties keep the order of `first`.
        weight: the share of `second`, from 0 (the order of `first`) to 1 (that of `second`).

    Raises:
        ValueError: a weight outside 0 to 1, or different documents.
    """
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight ({weight}) is the share of the second ranking; give a number from 0 to 1")
    own, other = standardized(first), standardized(second)
    if own.keys() != other.keys():
        raise ValueError(
            f"the rankings have {len(own)} and {len(other)} documents, {len(own.keys() & other.keys())} "
            "of them in both; re-rank all documents of the first"
        )
    scores = [(name, (1.0 - weight) * own[name] + weight * other[name]) for name, _ in first]
    return sorted(scores, key=lambda item: -item[1])


def as_scores(run: Mapping[str, Ranking]) -> dict[str, dict[str, float]]:
    """Turn a run into question → document → score for a scorer that sorts by score alone: minus the rank."""
    return {query: {name: -float(rank) for rank, (name, _) in enumerate(ranking)} for query, ranking in run.items()}

"""Score a sentence encoder: by retrieval, or by the correlation of its cosines with given similarities.

task = Retrieval(queries, documents, qrels)
task.score(task.run(encoder))                  # measure → question → value, see `measures.py`
task.score(task.run_tfidf())                   # a baseline that compares words alone
Similarities(first, second, scores).score(encoder)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from ..evaluation.regression import RegressionMetrics
from .bm25 import BM25, split_words
from .collections import Qrels
from .measures import MEASURES, Scores, score_run
from .ranking import Run, top_k

DEPTH = 100


@dataclass
class Retrieval:
    """Questions, documents, and which document answers which question.

    Attributes:
        queries: question id → text.
        documents: document id → text.
        qrels: question id → document id → grade.
    """

    queries: dict[str, str]
    documents: dict[str, str]
    qrels: Qrels

    def run(self, encoder, batch_size: int = 64) -> Run:
        """Rank the documents of each question by the dot product of the vectors.

        Args:
            encoder: a `SentenceEncoder` or `DualEncoder`.
        """
        questions = encoder.encode_queries(list(self.queries.values()), batch_size=batch_size)
        return self._rank(questions @ encoder.encode_passages(list(self.documents.values()), batch_size=batch_size).T)

    def run_tfidf(self) -> Run:
        """Rank by the cosine of tf-idf vectors over words."""
        vectorizer = TfidfVectorizer(analyzer=split_words)
        documents = vectorizer.fit_transform(self.documents.values())
        return self._rank((vectorizer.transform(self.queries.values()) @ documents.T).toarray())

    def run_bm25(self) -> Run:
        """Rank by BM25."""
        index = BM25(list(self.documents.values()), list(self.documents))
        return {query: index.search(text, DEPTH) for query, text in self.queries.items()}

    def score(self, run: Run) -> Scores:
        """Score a run: measure → question id → value."""
        return score_run(run, self.qrels, MEASURES)

    def _rank(self, scores: np.ndarray) -> Run:
        """Turn scores (questions, documents) into rankings."""
        names = list(self.documents)
        return {
            query: [(names[place], float(row[place])) for place in top_k(row, DEPTH)]
            for query, row in zip(self.queries, scores, strict=True)
        }


@dataclass
class Similarities:
    """Pairs of texts with a given similarity, N of each."""

    first: Sequence[str]
    second: Sequence[str]
    scores: Sequence[float]

    def cosines(self, encoder) -> np.ndarray:
        """Compute the cosine of each pair's vectors: (N,)."""
        sides = [encoder.encode_queries(list(self.first)), encoder.encode_passages(list(self.second))]
        first, second = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in sides)
        return (first * second).sum(axis=1)

    def cosines_tfidf(self) -> np.ndarray:
        """Compute the cosine of each pair's tf-idf vectors: (N,)."""
        vectorizer = TfidfVectorizer(analyzer=split_words).fit([*self.first, *self.second])
        first, second = vectorizer.transform(self.first), vectorizer.transform(self.second)
        return np.asarray(first.multiply(second).sum(axis=1)).ravel()

    def score(self, cosines: np.ndarray, interval: bool = False) -> Mapping[str, float]:
        """Correlate cosines with the given similarities, see `RegressionMetrics`."""
        return RegressionMetrics().compute(predictions=cosines, references=list(self.scores), interval=interval)


def halves(texts: Sequence[str]) -> Retrieval:
    """Make a retrieval task of unlabelled texts: find the second half of a text by its first, word by word.

    Texts of fewer than four words are left out.
    """
    words = {str(row): text.split() for row, text in enumerate(texts) if len(text.split()) >= 4}
    first = {row: " ".join(parts[: len(parts) // 2]) for row, parts in words.items()}
    second = {row: " ".join(parts[len(parts) // 2 :]) for row, parts in words.items()}
    return Retrieval(first, second, {row: {row: 1} for row in words})


def same_group(queries: Sequence[str], groups: Sequence, documents: Sequence[str], document_groups: Sequence):
    """Make a retrieval task of grouped texts: a document answers the questions of its group."""
    members: dict = {}
    for place, group in enumerate(document_groups):
        members.setdefault(group, {})[f"d{place}"] = 1
    kept = [place for place, group in enumerate(groups) if group in members]
    return Retrieval(
        {f"q{place}": queries[place] for place in kept},
        {f"d{place}": text for place, text in enumerate(documents)},
        {f"q{place}": members[groups[place]] for place in kept},
    )


def partners(first: Sequence[str], second: Sequence[str]) -> Retrieval:
    """Make a retrieval task of text pairs: find the partner of each first text among all second texts."""
    documents = {text: f"d{place}" for place, text in enumerate(dict.fromkeys(second))}
    queries = {text: f"q{place}" for place, text in enumerate(dict.fromkeys(first))}
    qrels: Qrels = {}
    for text, partner in zip(first, second, strict=True):
        qrels.setdefault(queries[text], {})[documents[partner]] = 1
    texts = [{name: text for text, name in table.items()} for table in (queries, documents)]
    return Retrieval(texts[0], texts[1], qrels)

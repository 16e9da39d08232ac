"""BM25: score documents by the words that they share with a question.

    score(q, d) = Σ over the words w of q    idf(w) · tf / (tf + k1 · (1 - b + b · |d| / mean |d|))
    idf(w)      = ln(1 + (N - n_w + 0.5) / (n_w + 0.5))

tf: how often w stands in d; |d|: words of d; N documents, n_w of them with w. The index is that of bm25s, which stores
one number per word and document; ties are in the order of the corpus.

Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework; the variant of Lucene, Kamphuis et al. 2020;
bm25s, Lù 2024 (arXiv 2407.03618).
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .ranking import Ranking, check_k, check_question, top_k
from .saving import read_settings, saved_whole

WORD = re.compile(r"\w+")  # letters, digits and _ of any script
SETTINGS = "bm25.json"


def split_words(text: str, stop_words: Iterable[str] = ()) -> list[str]:
    """Split a text into its words, in Unicode's compatible form and without case."""
    words = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [word for word in words if word not in stop_words] if stop_words else words


@dataclass(frozen=True)
class WordPart:
    """The share of one word of a question in the BM25 score of a document."""

    word: str
    in_question: int  # how often it stands in the question
    in_document: int  # and in the document; at most 1 if k1 is 0
    documents: int  # documents that have it
    idf: float
    score: float  # what it adds


class BM25:
    """An index of N documents for BM25.

    Args:
        documents: their texts.
        ids: their ids; None: 0 to N - 1, as text.
        k1: how slowly repetitions of a word saturate; 0 counts a word once.
        b: how much long documents are held back, 0 to 1.
        stop_words: words to leave out of documents and questions; none by default.

    Raises:
        ValueError: no document has a word, other lengths of documents and ids, k1 below 0 or b outside 0 to 1.
    """

    def __init__(
        self,
        documents: Sequence[str],
        ids: Sequence[str] | None = None,
        k1: float = 1.5,
        b: float = 0.75,
        stop_words: Iterable[str] = (),
    ):
        if k1 < 0 or not 0.0 <= b <= 1.0:
            raise ValueError(f"k1 is {k1} and b is {b}; give k1 of at least 0, and b from 0 to 1")
        self.k1, self.b, self.stop_words = k1, b, frozenset(split_words(" ".join(stop_words)))
        self.ids = [str(number) for number in range(len(documents))] if ids is None else list(ids)
        if len(self.ids) != len(documents):
            raise ValueError(f"there are {len(documents)} documents and {len(self.ids)} ids; give each document an id")
        words = [split_words(text, self.stop_words) for text in documents]
        if not any(words):
            raise ValueError(f"none of the {len(documents)} documents has a word; give documents with text")
        self._index = _bm25s(k1, b)
        self._index.index(words, show_progress=False)
        self._lengths = np.array([len(parts) for parts in words])

    @property
    def vocabulary(self) -> dict[str, int]:
        """Word → its number in the index."""
        return self._index.vocab_dict

    def scores(self, question: str) -> np.ndarray:
        """Score all documents: (N,), float32. A word that stands twice in the question counts twice.

        Raises:
            ValueError: an empty question.
        """
        check_question(question)
        words = [word for word in split_words(question, self.stop_words) if word and word in self.vocabulary]
        return self._index.get_scores(words) if words else np.zeros(len(self.ids), dtype=np.float32)

    def search(self, question: str, k: int = 10, fill: bool = False) -> Ranking:
        """Return the k best documents with their scores.

        Documents without a word of the question are left out; with `fill` they follow, at 0 and in the order of the
        corpus, so that a ranker can find them in a small collection.
        """
        check_k(k)
        scores = self.scores(question)
        return [(self.ids[row], float(scores[row])) for row in top_k(scores, k) if fill or scores[row] > 0]

    def explain(self, question: str, document_id: str) -> list[WordPart]:
        """Split the score of a document into the parts of the question's words, the largest first.

        Raises:
            ValueError: an empty question, or an unknown document.
        """
        check_question(question)
        if document_id not in self.ids:
            raise ValueError(f"there is no document {document_id!r} among the {len(self.ids):,} of the index")
        row, words = self.ids.index(document_id), split_words(question, self.stop_words)
        known = [word for word in dict.fromkeys(words) if word in self.vocabulary]
        parts = [self._part(word, words.count(word), row) for word in known]
        return sorted((part for part in parts if part.score), key=lambda part: -part.score)

    def _part(self, word: str, in_question: int, row: int) -> WordPart:
        scores = self._index.get_scores([word])
        count, total = int((scores > 0).sum()), len(self.ids)
        idf = float(np.log(1 + (total - count + 0.5) / (count + 0.5)))
        share = float(scores[row]) / idf  # tf / (tf + norm)
        norm = self.k1 * (1 - self.b + self.b * self._lengths[row] / self._lengths.mean())
        in_document = round(share * norm / (1 - share)) if 0 < share < 1 else int(share > 0)
        return WordPart(word, in_question, in_document, count, idf, in_question * float(scores[row]))

    def save(self, folder: str | Path) -> None:
        """Save the index: arrays of numbers and json, written whole or not at all."""
        settings = {"k1": self.k1, "b": self.b, "stop_words": sorted(self.stop_words), "ids": self.ids}
        with saved_whole(folder) as place:
            self._index.save(str(place), show_progress=False)
            np.save(place / "lengths.npy", self._lengths)
            (place / SETTINGS).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "BM25":
        """Load a saved index.

        Raises:
            ValueError: the folder has no index.
        """
        settings = read_settings(folder, SETTINGS, "a BM25 index")
        index = cls.__new__(cls)
        index.k1, index.b, index.ids = settings["k1"], settings["b"], settings["ids"]
        index.stop_words = frozenset(settings["stop_words"])
        index._index = type(_bm25s(index.k1, index.b)).load(str(folder), show_progress=False)
        index._lengths = np.load(Path(folder) / "lengths.npy")
        return index


def _bm25s(k1: float, b: float):
    """Make an empty index of bm25s, which is an extra of this package."""
    try:
        import bm25s
    except ImportError as error:
        raise ImportError("BM25 needs bm25s; install it: pip install minibert[search]") from error
    return bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy", csc_backend="numpy", auto_compile=False)

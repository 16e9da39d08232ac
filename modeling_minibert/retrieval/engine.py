"""A search engine over a collection: BM25, vectors or both find documents, a cross-encoder sorts them.

    engine = SearchEngine.build(load_collection("examples/data/search"), encoder=SentenceEncoder.load("out/encoder"))
    for hit in engine.ask("Apakah piton berbisa?", k=3):
        print(hit.score, hit.id, hit.passage)

BM25 reads whole documents. Encoder and cross-encoder read passages, because their input is limited; the score of a
document is that of its best passage.

Source: Dai and Callan 2019 (MaxP), Deeper Text Understanding for IR with Contextual Neural Language Modeling
(arXiv 1905.09217), section 3.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from .bm25 import BM25
from .collections import Collection, load_collection
from .cross_encoder import Ranker
from .dense_index import DenseIndex
from .ranking import Ranking, best_passages, check_question, fuse_by_rank, interpolate, split_passages
from .saving import read_settings, saved_whole

METHODS = ("bm25", "dense", "fused")
SETTINGS = "search.json"
FUSED_DEPTH = 100  # results of either search that take part in the fusion


class Encoder(Protocol):
    """What the engine needs of an encoder: see `SentenceEncoder`."""

    @property
    def fingerprint(self) -> str:
        """Name the encoder: equal vectors need an equal one."""

    def encode(self, texts: list[str], batch_size: int = 32, kind: str | None = None) -> np.ndarray:
        """Encode texts: (N, E)."""


@dataclass
class Hit:
    """A document that was found."""

    id: str
    score: float  # of the last step: BM25, cosine, fused rank, or the cross-encoder
    title: str
    passage: str  # the best passage; the whole document if it is short
    steps: dict[str, float] = field(default_factory=dict)  # the score of every step that saw it


class SearchEngine:
    """An index of a collection, with an encoder and a cross-encoder if there are any. `build` and `load` make one.

    Args:
        collection: the documents.
        bm25: their index.
        words, overlap: words of a passage, and of two neighbouring ones in common.
        dense: an index of the passages' vectors, with ids 0, 1, … in the order of the passages.
        encoder: encodes questions for `dense`.
        ranker: sorts what was found.
    """

    def __init__(
        self,
        collection: Collection,
        bm25: BM25,
        words: int,
        overlap: int,
        dense: DenseIndex | None = None,
        encoder: Encoder | None = None,
        ranker: Ranker | None = None,
    ):
        self.collection, self.bm25, self.dense, self.encoder, self.ranker = collection, bm25, dense, encoder, ranker
        self.words, self.overlap = words, overlap
        self.passages, self.owners = split_passages(collection.documents(), words, overlap)
        self._rows = {name: row for row, name in enumerate(collection.ids)}

    @classmethod
    def build(
        cls,
        collection: Collection,
        encoder: Encoder | None = None,
        ranker: Ranker | None = None,
        k1: float = 1.5,
        b: float = 0.75,
        words: int = 150,
        overlap: int = 50,
        kind: str | None = None,
    ) -> "SearchEngine":
        """Index a collection.

        Args:
            k1, b: of BM25.
            kind: of the dense index, see `DenseIndex.build`.
        """
        engine = cls(collection, BM25(collection.documents(), collection.ids, k1, b), words, overlap, ranker=ranker)
        if encoder is not None:
            # An empty passage is found by no question; a text keeps its vector defined.
            texts = [text if text.strip() else "-" for text in engine.passages]
            names = [str(number) for number in range(len(texts))]
            vectors = encoder.encode(texts, kind="document")
            engine.dense, engine.encoder = DenseIndex.build(vectors, names, encoder.fingerprint, kind), encoder
        return engine

    def retrieve(self, question: str, k: int, method: str = "bm25", fill: bool = False) -> Ranking:
        """Find the k best documents by one of `METHODS`.

        Args:
            fill: BM25: let documents without a word of the question follow.

        Raises:
            ValueError: an unknown method, or one that needs an encoder where there is none; an empty question.
        """
        check_question(question)
        if method not in METHODS:
            raise ValueError(f"unknown search method {method!r}; choose one of {list(METHODS)}")
        if method == "bm25":
            return self.bm25.search(question, k, fill)
        if method == "fused":
            depth = max(k, FUSED_DEPTH)
            both = [self.bm25.search(question, depth), self.retrieve(question, depth, "dense")]
            return fuse_by_rank(both, k)
        if self.dense is None or self.encoder is None:
            raise ValueError(f"the search method {method!r} needs an encoder; build the index with one (--encoder)")
        # Several passages of a document may stand before the k-th document.
        most = k * int(np.bincount(self.owners).max())
        ids, scores = self.dense.search(self.encoder.encode([question], kind="query"), most)
        found = best_passages(zip(map(int, ids[0]), scores[0].tolist(), strict=False), self.owners, k)
        return [(self.collection.ids[self.owners[passage]], score) for passage, score in found]

    def rerank(self, question: str, ranking: Ranking) -> tuple[Ranking, dict[str, int]]:
        """Sort documents by the cross-encoder, mixed with the first search by the weight that was chosen in training.

        Returns:
            The ranking, and the best passage of each document.
        """
        if self.ranker is None:
            raise ValueError("there is no cross-encoder to re-rank with; name its folder (--ranker)")
        rows = {self._rows[name] for name, _ in ranking}
        places = [place for place, owner in enumerate(self.owners) if owner in rows]
        scores = self.ranker.scores(question, [self.passages[place] for place in places])
        order = np.argsort(-scores, kind="stable")
        best = best_passages([(places[row], float(scores[row])) for row in order], self.owners, len(rows))
        named = {self.collection.ids[self.owners[place]]: (place, score) for place, score in best}
        reranked = sorted(((name, named[name][1]) for name, _ in ranking), key=lambda pair: -pair[1])
        if self.ranker.weight < 1.0:
            reranked = interpolate(ranking, reranked, self.ranker.weight)
        return reranked, {name: place for name, (place, _) in named.items()}

    def ask(self, question: str, k: int = 5, method: str = "bm25", depth: int = 50) -> list[Hit]:
        """Answer a question with k documents; with a cross-encoder it sorts the `depth` best of the first search."""
        found = self.retrieve(question, max(k, depth if self.ranker else k), method)
        steps, places = {method: dict(found)}, {}
        if self.ranker and found:
            found, places = self.rerank(question, found)
            steps["ranker"] = dict(found)
        return [self._hit(question, name, score, steps, places) for name, score in found[:k]]

    def _hit(self, question: str, name: str, score: float, steps: dict, places: dict[str, int]) -> Hit:
        row = self._rows[name]
        place = places.get(name)
        if place is None:  # without a cross-encoder: the first passage with the most words of the question
            asked = set(question.casefold().split())
            own = [passage for passage, owner in enumerate(self.owners) if owner == row]
            place = max(own, key=lambda passage: len(asked & set(self.passages[passage].casefold().split())))
        seen = {step: scores[name] for step, scores in steps.items() if name in scores}
        return Hit(name, score, self.collection.titles[row], self.passages[place], seen)

    def save(self, folder: str | Path) -> None:
        """Save the documents and their indexes, whole or not at all; encoder and cross-encoder stay where they are."""
        rows = zip(self.collection.ids, self.collection.titles, self.collection.texts, strict=True)
        with saved_whole(folder) as place:
            _write_lines(
                place / "corpus.jsonl", ({"_id": name, "title": title, "text": text} for name, title, text in rows)
            )
            self.bm25.save(place / "bm25")
            if self.dense is not None:
                self.dense.save(place / "dense")
            settings = {"name": self.collection.name, "words": self.words, "overlap": self.overlap}
            (place / SETTINGS).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, encoder: Encoder | None = None, ranker: Ranker | None = None) -> "SearchEngine":
        """Load a saved engine.

        Args:
            encoder: the one that built the dense index; None: search by BM25 alone.

        Raises:
            ValueError: no engine, an index without vectors for the encoder, or with those of another (names both).
        """
        settings = read_settings(folder, SETTINGS, "a search index")
        collection = load_collection(folder)
        collection.name = settings["name"]
        dense = None
        if encoder is not None:
            if not (Path(folder) / "dense").is_dir():
                raise ValueError(f"the index in {folder} has no vectors; build it again with --encoder")
            dense = DenseIndex.load(Path(folder) / "dense", encoder.fingerprint)
        bm25 = BM25.load(Path(folder) / "bm25")
        return cls(collection, bm25, settings["words"], settings["overlap"], dense, encoder, ranker)


def _write_lines(path: Path, rows: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

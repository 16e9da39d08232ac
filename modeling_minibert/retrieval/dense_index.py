"""Search vectors: find the documents whose vectors have the largest dot product with the vector of a question.

    index = DenseIndex.build(encoder.encode(texts), ids, encoder.fingerprint)
    ids, scores = index.search(encoder.encode(questions), k=10)
    index.save("out/index");  DenseIndex.load("out/index", model_fingerprint=encoder.fingerprint)

Vectors of length 1 make the dot product a cosine. "exact" compares with every vector, in NumPy; "flat" does the same in
faiss; "hnsw" follows a graph of neighbours in faiss, which is faster for many vectors and may miss a few. A folder
holds the vectors as safetensors and the settings as json; nothing in it is code. The graph is built again on loading.

Letters: N documents, B questions, E sizes of a vector, k results.

Source: Karpukhin et al. 2020, Dense Passage Retrieval (arXiv 2004.04906), section 3.1; HNSW, Malkov and Yashunin 2016
(arXiv 1603.09320); faiss, Douze et al. 2024 (arXiv 2401.08281).
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from .ranking import check_k, top_k
from .saving import read_settings, saved_whole

KINDS = ("exact", "flat", "hnsw")
SETTINGS, VECTORS = "dense_index.json", "vectors.safetensors"
LARGE = 100_000  # vectors; from here on the graph pays
NEIGHBOURS = 32  # links of a vector in the graph
CANDIDATES = 128  # vectors kept while the graph is built and searched; at least k


class DenseIndex:
    """N vectors with their document ids. `build` and `load` make one.

    Attributes:
        vectors: (N, E), float32.
        ids: N document ids.
        model_fingerprint: names the model that encoded the documents.
        kind: one of `KINDS`.
    """

    def __init__(self, vectors: np.ndarray, ids: Sequence[str], model_fingerprint: str, kind: str = "exact"):
        if kind not in KINDS:
            raise ValueError(f"unknown kind of index {kind!r}; choose one of {list(KINDS)}")
        self.vectors, self.ids = np.ascontiguousarray(vectors, dtype=np.float32), [str(name) for name in ids]
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.ids) or not self.ids:
            raise ValueError(
                f"vectors of shape {self.vectors.shape} do not go with {len(self.ids)} ids; give (N, E) "
                "vectors and N ids, at least one"
            )
        if not np.isfinite(self.vectors).all():
            row = int(np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))[0])
            raise ValueError(f"the vector of document {self.ids[row]!r} (row {row}) is not finite; check the encoder")
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for number, name in enumerate(self.ids) if name in self.ids[:number])
            raise ValueError(f"the id {twice!r} is given twice; give every vector another id")
        self.model_fingerprint, self.kind = model_fingerprint, kind
        self._faiss = None if kind == "exact" else _build_faiss(self.vectors, kind)

    @classmethod
    def build(
        cls, vectors: np.ndarray, ids: Sequence[str], model_fingerprint: str, kind: str | None = None
    ) -> "DenseIndex":
        """Build an index.

        Args:
            vectors: (N, E), one per document.
            ids: N document ids.
            model_fingerprint: names the model that encoded the documents; questions must come from the same.
            kind: one of `KINDS`; None: "exact", from 100,000 vectors on "hnsw".

        Raises:
            ValueError: shapes that do not fit, an id given twice, numbers that are not finite, an unknown kind.
            ImportError: faiss is missing for "flat" or "hnsw".
        """
        return cls(vectors, ids, model_fingerprint, kind or ("hnsw" if len(ids) >= LARGE else "exact"))

    def search(self, queries: np.ndarray, k: int = 10) -> tuple[list[list[str]], np.ndarray]:
        """Find the k best documents of each question.

        Args:
            queries: (B, E), encoded by the same model.
            k: results; fewer if there are fewer documents.

        Returns:
            For each question the ids, best first, and the scores (B, k); equal scores are in the order of the documents
            ("exact").

        Raises:
            ValueError: vectors of another size, k below 1.
        """
        check_k(k)
        queries, k = np.ascontiguousarray(queries, dtype=np.float32), min(k, len(self.ids))
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"the questions have the shape {queries.shape}, the index has vectors of size "
                f"{self.vectors.shape[1]}; give (B, {self.vectors.shape[1]})"
            )
        if self._faiss is None:
            rows = np.empty((len(queries), k), dtype=np.int64)
            scores = np.empty((len(queries), k), dtype=np.float32)
            for number, query in enumerate(queries):  # one at a time: N scores in memory, not B · N
                found = self.vectors @ query
                rows[number] = top_k(found, k)
                scores[number] = found[rows[number]]
        else:
            if self.kind == "hnsw":
                self._faiss.hnsw.efSearch = max(CANDIDATES, k)
            scores, rows = self._faiss.search(queries, k)
        return [[self.ids[row] for row in line if row >= 0] for line in rows], scores

    def save(self, folder: str | Path) -> None:
        """Save the index, whole or not at all."""
        size, fingerprint = self.vectors.shape[1], self.model_fingerprint
        settings = {"model_fingerprint": fingerprint, "kind": self.kind, "size": size, "ids": self.ids}
        with saved_whole(folder) as place:
            save_file({"vectors": self.vectors}, place / VECTORS)
            (place / SETTINGS).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, model_fingerprint: str | None = None) -> "DenseIndex":
        """Load an index.

        Args:
            folder: the saved index.
            model_fingerprint: that of the model which will encode the questions; None: not compared.

        Raises:
            ValueError: no index, one that is damaged, or one that another model has built (names both).
        """
        settings = read_settings(folder, SETTINGS, "a dense index")
        built_by = settings.get("model_fingerprint")
        if model_fingerprint is not None and built_by != model_fingerprint:
            raise ValueError(
                f"the index in {folder} was built by the model {built_by}, the questions would be encoded "
                f"by {model_fingerprint}; build it again, or load that model"
            )
        try:
            vectors = load_file(Path(folder) / VECTORS)["vectors"]
        except (OSError, KeyError, SafetensorError) as error:
            raise ValueError(f"{folder}/{VECTORS} cannot be read: {error}; build the index again") from error
        return cls(vectors, settings["ids"], str(built_by), settings["kind"])


def _build_faiss(vectors: np.ndarray, kind: str):
    """Build an index of faiss for dot products."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(f"the index {kind!r} needs faiss; install it: pip install minibert[faiss]") from error
    size = vectors.shape[1]
    links = faiss.IndexHNSWFlat(size, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    links.hnsw.efConstruction = CANDIDATES
    index = faiss.IndexFlatIP(size) if kind == "flat" else links
    index.add(vectors)
    return index

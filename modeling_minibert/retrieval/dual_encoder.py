"""`DualEncoder`, a mini DPR: one encoder for questions and one for passages, or one for both.

    encoder = DualEncoder(SentenceEncoder.load("out/minibert"))                    # shared
    encoder = DualEncoder(queries, passages, similarity="dot")                     # two, as in the paper
    encoder.save("out/dpr")
    encoder = DualEncoder.load("out/dpr")
    encoder.encode_queries(["ibu kota Indonesia"]) @ encoder.encode_passages(texts).T

A shared encoder is saved as the folder itself, which is a sentence encoder and an ordinary checkpoint too. Two encoders
are the folders query_encoder and passage_encoder in it, each likewise.

Source: Karpukhin et al. 2020, Dense Passage Retrieval (arXiv 2004.04906).
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .sentence_encoder import DUAL_NOTES, SentenceEncoder
from .sentence_transformers_folder import SIMILARITIES

FOLDERS = ("query_encoder", "passage_encoder")


class DualEncoder(nn.Module):
    """Encode questions and passages into one space.

    Args:
        query_encoder: of the questions.
        passage_encoder: of the passages; None: the same one. Given `query_encoder` again, it starts as a copy of it.
        similarity: "cosine", vectors of unit length; "dot", vectors as they are; None: as the query encoder.

    Raises:
        ValueError: vectors of different sizes, or an unknown similarity.
    """

    def __init__(
        self,
        query_encoder: SentenceEncoder,
        passage_encoder: SentenceEncoder | None = None,
        similarity: str | None = None,
    ):
        super().__init__()
        similarity = similarity or ("cosine" if query_encoder.settings.normalize else "dot")
        if similarity not in SIMILARITIES:
            raise ValueError(f"similarity is {similarity!r}; choose one of {', '.join(SIMILARITIES)}")
        if passage_encoder is query_encoder:
            passage_encoder = copy.deepcopy(query_encoder)
        if passage_encoder is not None and passage_encoder.features != query_encoder.features:
            raise ValueError(f"queries have {query_encoder.features} features, passages {passage_encoder.features}; "
                             "give encoders of one size")  # fmt: skip
        self.similarity, self.query_encoder = similarity, query_encoder
        self.own_passage_encoder = passage_encoder  # None where shared, so that no weight is saved twice
        for encoder in filter(None, (query_encoder, passage_encoder)):
            encoder.settings = replace(encoder.settings, normalize=similarity == "cosine", similarity=similarity)

    @property
    def passage_encoder(self) -> SentenceEncoder:
        """The encoder of the passages."""
        return self.own_passage_encoder or self.query_encoder

    @property
    def is_shared(self) -> bool:
        """Whether one encoder reads both."""
        return self.own_passage_encoder is None

    def forward(
        self, queries: dict[str, torch.Tensor], passages: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode batches of token ids, (B, L) and (P, S): (B, E) and (P, E)."""
        return self.query_encoder(**queries), self.passage_encoder(**passages)

    def encode(self, texts: Sequence[str], kind: str | None = None, **options) -> np.ndarray:
        """Encode texts of a kind, "query" or "document", as `SentenceEncoder.encode`: (N, E).

        Raises:
            ValueError: no kind, where queries and documents have different encoders.
        """
        if kind is None and not self.is_shared:
            raise ValueError('kind is None, and there are two encoders; give "query" or "document"')
        encoder = self.query_encoder if kind == "query" else self.passage_encoder
        return encoder.encode(texts, kind=kind, **options)

    def encode_queries(self, texts: Sequence[str], **options) -> np.ndarray:
        """Encode questions, with the options of `SentenceEncoder.encode`: (N, E)."""
        return self.query_encoder.encode_queries(texts, **options)

    def encode_passages(self, texts: Sequence[str], **options) -> np.ndarray:
        """Encode passages, with the options of `SentenceEncoder.encode`: (N, E)."""
        return self.passage_encoder.encode_passages(texts, **options)

    @property
    def features(self) -> int:
        """Features of a vector (E)."""
        return self.query_encoder.features

    @property
    def fingerprint(self) -> str:
        """A hash of both encoders, see `SentenceEncoder.fingerprint`; that of the shared encoder if there is one."""
        if self.is_shared:
            return self.query_encoder.fingerprint
        both = self.query_encoder.fingerprint + self.passage_encoder.fingerprint
        return hashlib.sha256(both.encode()).hexdigest()[:32]

    def save(self, folder: str | Path, stock: bool = False) -> Path:
        """Save into one folder, which `load` opens; `stock` saves stock twins.

        Raises:
            ValueError: the folder holds a dual encoder of the other kind, shared or not.
        """
        folder = Path(folder)
        there = _read_notes(folder)
        if there is not None and there["shared"] != self.is_shared:
            kinds = {True: "one shared encoder", False: "two encoders"}
            raise ValueError(f"{folder} holds {kinds[there['shared']]}, this is {kinds[self.is_shared]}; choose "
                             "another folder")  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        if self.is_shared:
            self.query_encoder.save(folder, stock)
        else:
            for name, encoder in zip(FOLDERS, (self.query_encoder, self.passage_encoder), strict=True):
                encoder.save(folder / name, stock)
        notes = {"shared": self.is_shared, "similarity": self.similarity}
        (folder / DUAL_NOTES).write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path, implementation: str | None = None) -> "DualEncoder":
        """Open a saved folder; a sentence encoder or an ordinary checkpoint becomes a shared one.

        Args:
            folder: a Hub name too, for a shared encoder.
            implementation: as in `SentenceEncoder.load`.
        """
        notes = _read_notes(Path(folder))
        if notes is None or notes["shared"]:
            return cls(SentenceEncoder.load(folder, implementation), similarity=(notes or {}).get("similarity"))
        queries, passages = (SentenceEncoder.load(Path(folder) / name, implementation) for name in FOLDERS)
        return cls(queries, passages, notes["similarity"])


def _read_notes(folder: Path) -> dict | None:
    """Read how a folder was saved; None if it is no dual encoder."""
    path = folder / DUAL_NOTES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

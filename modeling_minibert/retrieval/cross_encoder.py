"""Re-rank documents with a cross-encoder (mini monoBERT): a classifier that reads question and document together.

    ranker = Ranker.load("out/ranker")
    ranker.scores("Apa itu piton?", documents)              (N,) logits, the higher the more relevant
    ranker.rerank(question, bm25.search(question, 50), texts)

`train_ranker.py` trains it; `pipeline("text-ranking", folder)` answers with the same scores, as probabilities.

Source: Nogueira and Cho 2019, Passage Re-ranking with BERT (arXiv 1901.04085), section 3.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..pipelines.text_ranking import encode_pairs, input_limit, relevance
from .bm25 import WORD
from .ranking import Ranking
from .saving import read_settings

SETTINGS = "ranker.json"
LOSSES = {
    "softmax": {"num_labels": 2, "problem_type": "single_label_classification"},  # cross-entropy of two classes
    "sigmoid": {"num_labels": 1, "problem_type": "multi_label_classification"},  # binary cross-entropy of one logit
}


class Ranker:
    """A cross-encoder and its tokenizer.

    Args:
        model: a sequence classifier of two classes, or one logit, ours or stock.
        tokenizer: its tokenizer.
        max_length: tokens of question and document; None: as many as the model reads.
        weight: share of its score in the sum with the first search, from 0 to 1; chosen in training.

    Raises:
        ValueError: a model of another number of classes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int | None = None,
        weight: float = 1.0,
    ):
        if model.config.num_labels not in (1, 2):
            raise ValueError(
                f"the model has {model.config.num_labels} classes; a ranker has two, or one logit: train "
                "it with train_ranker"
            )
        self.model, self.tokenizer = model, tokenizer
        self.max_length, self.weight = max_length or input_limit(tokenizer, model), weight

    @classmethod
    def load(cls, folder: str | Path, max_length: int | None = None) -> "Ranker":
        """Open a saved ranker, by folder or Hub name; a folder of `train_ranker` has its weight."""
        model = AutoModelForSequenceClassification.from_pretrained(str(folder))
        known = (Path(folder) / SETTINGS).is_file()
        weight = read_settings(folder, SETTINGS, "a trained ranker")["weight"] if known else 1.0
        return cls(model.eval(), AutoTokenizer.from_pretrained(str(folder)), max_length, weight)

    @torch.no_grad()
    def scores(self, question: str, documents: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """Score N documents for a question: (N,) logits of relevance, in the order of the documents.

        Raises:
            ValueError: an empty question, or one that leaves no room for a document.
        """
        if not len(documents):
            return np.zeros(0, dtype=np.float32)
        encoding = encode_pairs(self.tokenizer, question, documents, self.max_length)
        was_training = self.model.training
        self.model.eval()
        # Similar lengths share a batch, so that little is padded.
        order = sorted(range(len(documents)), key=lambda row: -len(encoding["input_ids"][row]))
        scores = np.empty(len(documents), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            part = {name: [values[row] for row in rows] for name, values in encoding.items()}
            batch = self.tokenizer.pad(part, return_tensors="pt").to(self.model.device)
            scores[rows] = relevance(self.model(**batch).logits.float()).cpu().numpy()
        self.model.train(was_training)
        return scores

    def rerank(self, question: str, ranking: Ranking, texts: Mapping[str, str], batch_size: int = 32) -> Ranking:
        """Sort the documents of a ranking by the cross-encoder's score; ties keep the order of the ranking.

        Args:
            question: the question.
            ranking: documents with the scores of a first search.
            texts: document id → text.
        """
        scores = self.scores(question, [texts[name] for name, _ in ranking], batch_size)
        pairs = [(name, float(score)) for (name, _), score in zip(ranking, scores, strict=True)]
        return sorted(pairs, key=lambda pair: -pair[1])

    def explain(self, question: str, document: str) -> list[tuple[str, float]]:
        """Return how much the score of a document falls when a word is left out of the question, the largest first.

        A question of one word has no explanation. Source: Li et al. 2016, Understanding Neural Networks through
        Representation Erasure (arXiv 1612.08220).
        """
        places = [match.span() for match in WORD.finditer(question)]
        if len(places) < 2:
            return []
        whole = self.scores(question, [document])[0]
        without = [self.scores(question[:start] + question[end:], [document])[0] for start, end in places]
        shares = [
            (question[start:end], float(whole - score)) for (start, end), score in zip(places, without, strict=True)
        ]
        return sorted(shares, key=lambda pair: -pair[1])


def write_settings(folder: str | Path, weight: float) -> None:
    """Write the weight of a trained ranker beside its model."""
    (Path(folder) / SETTINGS).write_text(json.dumps({"weight": weight}) + "\n", encoding="utf-8")

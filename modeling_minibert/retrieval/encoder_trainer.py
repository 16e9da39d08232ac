"""Train a `DualEncoder` with transformers' `Trainer`: batches, loss, and scores by retrieval.

`ContrastiveCollator` makes a batch of queries and passages; `EncoderTrainer` computes the loss, over the whole batch at
once or by gradient caching.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from transformers import Trainer

from .contrastive import false_negatives, in_batch_loss, similarity_loss
from .dual_encoder import DualEncoder
from .gradient_cache import cached_loss


class ContrastiveCollator:
    """Make a batch of B rows: their queries, and as passages a positive of each and then the hard negatives.

    Args:
        encoder: whose tokenizers and lengths are used.
        negatives: hard negatives of each row, drawn at random from its `negatives`; fewer if it has fewer.
        relevant: text → all texts that must not be its negatives.
        crops: cut a random part out of each text, with 10 to 50 % of its words (Izacard et al. 2022, Unsupervised
            Dense Information Retrieval with Contrastive Learning, arXiv 2112.09118).
        seed: for the draws.
    """

    def __init__(
        self,
        encoder: DualEncoder,
        negatives: int = 0,
        relevant: Mapping[str, set[str]] | None = None,
        crops: bool = False,
        seed: int = 0,
    ):
        self.encoder, self.negatives, self.relevant, self.crops = encoder, negatives, relevant, crops
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, rows: Sequence[dict]) -> dict:
        """Return `queries` (B, L), `passages` (P, S), and `not_negative` (B, P) or `scores` (B,)."""
        queries = [row["query"] for row in rows]
        passages = [self._draw(row["positives"], 1)[0] for row in rows]
        passages += [text for row in rows for text in self._draw(row["negatives"], self.negatives)]
        not_negative = false_negatives(queries, passages, self.relevant)
        if self.crops:
            queries, passages = [self._crop(text) for text in queries], [self._crop(text) for text in passages]
        batch: dict = {
            "queries": self.encoder.query_encoder.tokenize(queries, "query"),
            "passages": self.encoder.passage_encoder.tokenize(passages, "document"),
        }
        if "score" in rows[0]:
            return batch | {"scores": torch.tensor([row["score"] for row in rows])}
        return batch | {"not_negative": not_negative}

    def _crop(self, text: str) -> str:
        """Cut out a random part of at least one word."""
        words = text.split()
        share, place = torch.rand(2, generator=self.random).tolist()
        length = max(1, round((0.1 + 0.4 * share) * len(words)))
        start = int(place * (len(words) - length + 1))
        return " ".join(words[start : start + length])

    def _draw(self, texts: list[str], count: int) -> list[str]:
        """Draw different texts."""
        if len(texts) == 1 == count:
            return texts
        return [texts[place] for place in torch.randperm(len(texts), generator=self.random)[:count].tolist()]


class EncoderTrainer(Trainer):
    """A `Trainer` for a `DualEncoder`.

    Args:
        evaluate_encoder: returns the scores of the encoder, measure → value; they choose the best epoch.
        temperature, symmetric: see `in_batch_loss`.
        chunk_size: passages at once with gradient caching, see `cached_loss`; None: the whole batch at once.
    """

    def __init__(
        self,
        *args,
        evaluate_encoder: Callable[[], Mapping[str, float]],
        temperature: float = 0.05,
        symmetric: bool = False,
        chunk_size: int | None = None,
        **kwargs,
    ):
        self.evaluate_encoder, self.chunk_size = evaluate_encoder, chunk_size
        self.temperature, self.symmetric = temperature, symmetric
        super().__init__(*args, **kwargs)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Compute the loss of a batch of `ContrastiveCollator`.

        Raises:
            ValueError: training without labels and without dropout, where a text has no second view.
        """

        def loss(queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
            if "scores" in inputs:
                return similarity_loss(queries, passages, inputs["scores"])
            if torch.equal(queries, passages):
                raise ValueError("queries and passages have equal vectors: without dropout a text has no second view "
                                 "to learn from; set hidden_dropout_prob, for example to 0.1")  # fmt: skip
            return in_batch_loss(queries, passages, self.temperature, inputs["not_negative"], self.symmetric)

        if self.chunk_size:
            return cached_loss(model, inputs["queries"], inputs["passages"], loss, self.chunk_size)
        return loss(*model(inputs["queries"], inputs["passages"]))

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Score the encoder by `evaluate_encoder`, and report the scores as `Trainer` does."""
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.evaluate_encoder().items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

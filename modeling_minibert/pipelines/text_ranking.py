"""Rank documents for a question with a cross-encoder, which reads question and document together (monoBERT).

    ranker = pipeline("text-ranking", folder)
    ranker({"query": "Apa itu piton?", "documents": ["Piton adalah ular besar.", "Python adalah bahasa pemrograman."]})
    [{"corpus_id": 0, "score": 0.93, "text": "Piton adalah ular besar."}, …]

The model reads `[CLS] question [SEP] document [SEP]`. It has two classes (the score is the softmax share of class 1) or
one logit (its sigmoid). A document that is too long is cut, the question never.

Source: Nogueira and Cho 2019, Passage Re-ranking with BERT (arXiv 1901.04085), section 3.
"""

from collections.abc import Sequence

import torch
from transformers.pipelines.base import ChunkPipeline

ROOM_FOR_DOCUMENT = 8  # tokens; a question that leaves less than that is refused


def encode_pairs(tokenizer, question: str, documents: Sequence[str], max_length: int) -> dict[str, list]:
    """Encode a question with each document, the document cut so that both have at most `max_length` tokens.

    Raises:
        ValueError: the question is empty, or leaves no room for a document.
    """
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"the question {question!r} is empty; ask with at least one word")
    length = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    room = max_length - length - tokenizer.num_special_tokens_to_add(pair=True)
    if room < ROOM_FOR_DOCUMENT:
        raise ValueError(
            f"the question {question[:40]!r} has {length} tokens and leaves {max(room, 0)} of the {max_length} that "
            f"the model reads for a document; ask with fewer words (at least {ROOM_FOR_DOCUMENT} must be left)"
        )
    return tokenizer([question] * len(documents), list(documents), truncation="only_second", max_length=max_length)


def relevance(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits (B, 2) or (B, 1) into one logit of relevance (B,), whose sigmoid is the probability.

    Of two classes it is the difference, as softmax(z)[1] = sigmoid(z[1] - z[0]).

    Raises:
        ValueError: another number of classes.
    """
    if logits.shape[-1] not in (1, 2):
        raise ValueError(f"the model has {logits.shape[-1]} classes; a ranker has two, or one logit")
    return logits[..., -1] - logits[..., 0] if logits.shape[-1] == 2 else logits[..., 0]


def input_limit(tokenizer, model) -> int:
    """Return how many tokens a model reads with its tokenizer."""
    return min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None) or 512)


class TextRankingPipeline(ChunkPipeline):
    """Documents of a question, the most relevant first.

    Arguments of a call:
        inputs: {"query": question, "documents": texts}, or a list of these.
        top_k: how many documents to return; None: all.
        max_length: tokens of question and document together; None: as many as the model reads.
        batch_size: pairs at once.

    Returns:
        For each question a list of {"corpus_id": position in the documents, "score": probability, "text": document}.

    Raises:
        ValueError: other inputs, an empty question, or one that leaves no room for a document.
    """

    _load_processor = False
    _load_tokenizer = True

    def _sanitize_parameters(self, top_k: int | None = None, max_length: int | None = None):
        return {"max_length": max_length}, {}, {"top_k": top_k}

    def preprocess(self, inputs, max_length: int | None = None):
        """Yield one model input per document."""
        if (
            not isinstance(inputs, dict)
            or set(inputs) != {"query", "documents"}
            or isinstance(inputs["documents"], str)
        ):
            given = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
            raise ValueError(f"text-ranking was given {given}; give {{'query': question, 'documents': [text, …]}}")
        documents = list(inputs["documents"])
        if not documents:
            raise ValueError("text-ranking was given no documents; give at least one")
        encoding = encode_pairs(
            self.tokenizer, inputs["query"], documents, max_length or input_limit(self.tokenizer, self.model)
        )
        for index, document in enumerate(documents):
            row = {name: values[index : index + 1] for name, values in encoding.items()}
            last = index == len(documents) - 1
            yield {"is_last": last, "document": document, **self.tokenizer.pad(row, return_tensors="pt")}

    def _forward(self, model_inputs):
        is_last, document = model_inputs.pop("is_last"), model_inputs.pop("document")
        return {"is_last": is_last, "document": document, "logits": self.model(**model_inputs).logits}

    def postprocess(self, model_outputs, top_k: int | None = None):
        """Sort the documents of a question by relevance; equal ones keep their order."""
        logits = torch.stack([relevance(output["logits"].float()).reshape(()) for output in model_outputs])
        order = logits.argsort(descending=True, stable=True).tolist()
        scores = logits.sigmoid().tolist()
        ranked = [{"corpus_id": row, "score": scores[row], "text": model_outputs[row]["document"]} for row in order]
        return ranked[:top_k]

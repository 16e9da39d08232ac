"""Turn logits into named predictions with probabilities: labels, masked words, next tokens, answer spans.

Probabilities are the softmax of the logits, for multi-label classifiers the sigmoid.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOP_WORDS = 5  # candidates kept of the vocabulary
NEXT_SENTENCE_LABELS = ("B follows A", "B does not follow A")


@dataclass(frozen=True)
class Prediction:
    """One prediction about the text or about one of its tokens."""

    question: str  # "class", "next token", "start of the answer", …
    token: int | None  # its index, if the prediction is about one token
    candidates: list[tuple[str, float]]  # with probabilities, likeliest first
    is_probability: bool = True  # False for scores, as in regression


def read_predictions(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, logits: dict[str, Tensor], input_ids: Tensor
) -> list[Prediction]:
    """Read the predictions of a model with any head; a bare model has none.

    Args:
        logits: {name of the output: logits without the batch}.
        input_ids: (L,); of a masked LM, predictions at mask tokens are read alone if there are any.
    """
    labels = [model.config.id2label[index] for index in sorted(model.config.id2label)]
    task = type(model).__name__.partition("For")[2]
    found = []
    if task in ("MaskedLM", "PreTraining"):
        scores = logits["logits" if task == "MaskedLM" else "prediction_logits"]
        masks = [i for i, token in enumerate(input_ids.tolist()) if token == tokenizer.mask_token_id]
        places = masks or range(len(input_ids))
        found += [_predict_word("masked token" if masks else "word here", i, scores[i], tokenizer) for i in places]
    if task in ("CausalLM", "ConditionalGeneration"):
        found += [_predict_word("next token", i, row, tokenizer) for i, row in enumerate(logits["logits"])]
    if task in ("NextSentencePrediction", "PreTraining"):
        scores = logits["logits" if task == "NextSentencePrediction" else "seq_relationship_logits"]
        found.append(_predict_label("next sentence", None, scores.softmax(-1), NEXT_SENTENCE_LABELS))
    if task == "SequenceClassification":
        found.append(_predict_class_or_value(logits["logits"], labels, model.config.problem_type))
    if task == "TokenClassification":
        found += [_predict_label("class", i, row.softmax(-1), labels) for i, row in enumerate(logits["logits"])]
    if task == "QuestionAnswering":
        places = [f"{i} {token}" for i, token in enumerate(tokenizer.convert_ids_to_tokens(input_ids.tolist()))]
        for edge in ("start", "end"):
            probabilities = logits[f"{edge}_logits"].softmax(-1)
            found.append(_predict_label(f"{edge} of the answer", None, probabilities, places))
    if task == "MultipleChoice":
        found.append(Prediction("score of this choice", None, [("score", logits["logits"].item())], False))
    return found


def _predict_class_or_value(logits: Tensor, labels: list[str], problem_type: str | None) -> Prediction:
    if problem_type == "regression" or len(labels) == 1:
        values = list(zip(labels, logits.tolist(), strict=True))
        return Prediction("value", None, values, is_probability=False)
    probabilities = logits.sigmoid() if problem_type == "multi_label_classification" else logits.softmax(-1)
    return _predict_label("class", None, probabilities, labels)


def _predict_label(question: str, token: int | None, probabilities: Tensor, labels) -> Prediction:
    best = sorted(zip(labels, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
    return Prediction(question, token, best)


def _predict_word(question: str, token: int, logits: Tensor, tokenizer) -> Prediction:
    best = torch.topk(logits.softmax(-1), min(TOP_WORDS, len(logits)))
    words = tokenizer.convert_ids_to_tokens(best.indices.tolist())
    return Prediction(question, token, list(zip(words, best.values.tolist(), strict=True)))

"""What a model says in the end, in words: labels, words for masks, next tokens, answer spans, with probabilities.

`read_predictions` sorts by the names of the outputs and the class of the model; probabilities are softmax, for
multi-label classifiers sigmoid.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST = 5  # words kept of the whole vocabulary
FOLLOWS = ("B follows A", "B does not follow A")


@dataclass(frozen=True)
class Prediction:
    """What the model says about the text, or about one token of it."""

    question: str  # such as "class", "next token", "start of the answer"
    token: int | None  # the place in the text that it is about, where it is about one
    candidates: list[tuple[str, float]]  # likeliest first, with probabilities
    is_probability: bool = True  # False: the number is a score of its own, as in regression


def read_predictions(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, logits: dict[str, Tensor], input_ids: Tensor
) -> list[Prediction]:
    """The predictions of a model with any head; none of a bare one.

    Args:
        logits: by the names of the model's outputs, without the batch.
        input_ids: (L,); where there are mask tokens, a masked-LM is asked about those alone.
    """
    labels = [model.config.id2label[index] for index in sorted(model.config.id2label)]
    task = type(model).__name__.partition("For")[2]
    found = []
    if task in ("MaskedLM", "PreTraining"):
        scores = logits["logits" if task == "MaskedLM" else "prediction_logits"]
        masks = [i for i, token in enumerate(input_ids.tolist()) if token == tokenizer.mask_token_id]
        places = masks or range(len(input_ids))
        found += [_of_words("masked token" if masks else "word here", i, scores[i], tokenizer) for i in places]
    if task in ("CausalLM", "ConditionalGeneration"):
        found += [_of_words("next token", i, row, tokenizer) for i, row in enumerate(logits["logits"])]
    if task in ("NextSentencePrediction", "PreTraining"):
        scores = logits["logits" if task == "NextSentencePrediction" else "seq_relationship_logits"]
        found.append(_of_labels("next sentence", None, scores.softmax(-1), FOLLOWS))
    if task == "SequenceClassification":
        found.append(_of_text(logits["logits"], labels, model.config.problem_type))
    if task == "TokenClassification":
        found += [_of_labels("class", i, row.softmax(-1), labels) for i, row in enumerate(logits["logits"])]
    if task == "QuestionAnswering":
        places = [f"{i} {token}" for i, token in enumerate(tokenizer.convert_ids_to_tokens(input_ids.tolist()))]
        for edge in ("start", "end"):
            probabilities = logits[f"{edge}_logits"].softmax(-1)
            found.append(_of_labels(f"{edge} of the answer", None, probabilities, places))
    if task == "MultipleChoice":
        found.append(Prediction("score of this choice", None, [("score", logits["logits"].item())], False))
    return found


def _of_text(logits: Tensor, labels: list[str], problem_type: str | None) -> Prediction:
    if problem_type == "regression" or len(labels) == 1:
        values = list(zip(labels, logits.tolist(), strict=True))
        return Prediction("value", None, values, is_probability=False)
    probabilities = logits.sigmoid() if problem_type == "multi_label_classification" else logits.softmax(-1)
    return _of_labels("class", None, probabilities, labels)


def _of_labels(question: str, token: int | None, probabilities: Tensor, labels) -> Prediction:
    best = sorted(zip(labels, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
    return Prediction(question, token, best)


def _of_words(question: str, token: int, logits: Tensor, tokenizer) -> Prediction:
    best = torch.topk(logits.softmax(-1), min(MOST, len(logits)))
    words = tokenizer.convert_ids_to_tokens(best.indices.tolist())
    return Prediction(question, token, list(zip(words, best.values.tolist(), strict=True)))

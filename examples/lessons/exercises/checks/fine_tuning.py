"""Check exercise 2 by the accuracy on new texts and by recording every call of the model."""

import torch
from sklearn.metrics import accuracy_score
from transformers import BertConfig, BertForSequenceClassification

from .common import POSITIONS, WrongAnswerError, check_calls, sentences, sizes, watch, word_tokenizer


def check_fine_tuning(student):
    """It learns: new texts are classified rightly, of any length, with dropout off and pads hidden"""
    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    model = BertForSequenceClassification(BertConfig(**sizes(tokenizer), num_labels=2)).eval()
    before = [parameter.clone() for parameter in model.parameters()]
    calls = watch(model)
    student.fine_tune(model, tokenizer, *sentences(40, seed=1))
    if all(map(torch.equal, before, model.parameters())):
        raise WrongAnswerError("fine_tune left every weight as it was; after loss.backward() comes optimizer.step()")
    if any(call["pads_seen"] for call in calls):
        raise WrongAnswerError("fine_tune: pads are read like words; give the model the tokenizer's attention_mask too")
    calls.clear()
    model.train()  # as a training loop leaves it
    texts, labels = sentences(25, seed=2)
    found = student.predict(model, tokenizer, texts)
    check_calls(calls, "predict")
    if not isinstance(found, list) or not all(isinstance(label, int) for label in found) or len(found) != len(texts):
        raise WrongAnswerError(f"predict should return a list of {len(texts)} ints: logits.argmax(dim=-1).tolist()")
    accuracy = accuracy_score(labels, found)
    if accuracy < 0.9:
        raise WrongAnswerError(
            f"{accuracy:.0%} of new texts are right, 90 % can be reached; shuffle the texts (they come sorted by "
            "label), zero the gradients at each step, train for more epochs, or at 1e-3"
        )


def check_long_texts(student):
    """A text that is too long is cut, not refused"""
    tokenizer = word_tokenizer()
    model = BertForSequenceClassification(BertConfig(**sizes(tokenizer), num_labels=2))
    try:
        student.predict(model, tokenizer, ["the film " * POSITIONS, "dull"])
    except NotImplementedError:  # raised by the template; it is a RuntimeError too
        raise
    except (ValueError, RuntimeError, IndexError) as error:
        raise WrongAnswerError(
            f"a text of {2 * POSITIONS} words for a model of {POSITIONS} positions raises {type(error).__name__}; "
            "call the tokenizer with truncation=True"
        ) from error

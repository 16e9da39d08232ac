"""The predictions of `Trainer.predict` and its loss are those of the stock twin, with and without labels."""

import pytest
import torch
from helpers.gpt_twins import make_ours
from helpers.minibert import random_model
from helpers.minigpt import random_gpt
from helpers.seq2seq import random_seq2seq
from torch.testing import assert_close
from transformers import Trainer, TrainingArguments

import modeling_minibert

BERT = "Model ForPreTraining ForMaskedLM ForNextSentencePrediction ForSequenceClassification ForTokenClassification"
HEADS = {
    "bert": [f"MiniBert{head}" for head in [*BERT.split(), "ForQuestionAnswering", "ForMultipleChoice"]],
    "gpt2": [f"MiniGPT{head}" for head in BERT.split() if "Next" not in head and "Masked" not in head],
    "openai-gpt": ["MiniGPTModel", "MiniGPTForCausalLM", "MiniGPTForSequenceClassification"],
    "marian": ["MiniSeq2SeqModel", "MiniSeq2SeqForConditionalGeneration"],
    "t5": ["MiniSeq2SeqForConditionalGeneration"],
}
HEADS["gpt2"][1] = "MiniGPTForCausalLM"
CASES = [(family, head) for family, heads in HEADS.items() for head in heads]
ROWS, LENGTH = 5, 7  # two full batches and one of a single row


def build(family, head):
    torch.manual_seed(1)
    model_class = getattr(modeling_minibert, head)
    if family == "bert":
        return random_model(model_class, num_labels=2 if "QuestionAnswering" in head else 3)
    if family in ("gpt2", "openai-gpt"):
        return make_ours(family, head)
    return random_seq2seq(model_class, torch.float32, preset="t5" if family == "t5" else "vanilla")


def rows(head, labels):
    """Items of a data set; texts are padded on the right by the token 0."""
    generator = torch.Generator().manual_seed(2)
    items = []
    for number in range(ROWS):
        mask = (torch.arange(LENGTH) < LENGTH - number % 3).long()
        ids = torch.randint(5, 83, (LENGTH,), generator=generator) * mask
        target = torch.randint(5, 83, (4,), generator=generator)
        item = {"input_ids": ids, "attention_mask": mask}
        names = {"labels": number % 2}
        if "MultipleChoice" in head:
            item = {name: torch.stack([value, value.flip(0)]) for name, value in item.items()}
        elif "QuestionAnswering" in head:
            names = {"start_positions": 1, "end_positions": 2}
        elif "MaskedLM" in head or "CausalLM" in head or "Token" in head:
            names = {"labels": (ids % 3 if "Token" in head else ids).masked_fill(mask == 0, -100)}
            if "CausalLM" in head:
                names["labels"][0] = -100  # no prediction; Trainer counts it for GPT2LMHeadModel (transformers 5.24)
        elif "PreTraining" in head:
            names = {"labels": ids.masked_fill(mask == 0, -100), "next_sentence_label": number % 2}
        elif "Conditional" in head:
            names = {"labels": target}
        if "Seq2Seq" in head and (not labels or "Conditional" not in head):
            item["decoder_input_ids"] = target
        items.append(item | names if labels else item)
    return items


def predict(model, items, folder):
    args = TrainingArguments(str(folder), per_device_eval_batch_size=2, report_to=[], use_cpu=True, disable_tqdm=True)
    return Trainer(model, args).predict(items)


def only_text(predictions, items):
    """The same structure without the positions of pads, whose values mean nothing."""
    if isinstance(predictions, tuple):
        return tuple(only_text(part, items) for part in predictions)
    values, mask = torch.from_numpy(predictions), torch.stack([item["attention_mask"] for item in items])
    return values[mask.bool()] if values.shape[:2] == mask.shape and values.ndim == 3 else values


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize(("family", "head"), CASES)
def test_predictions_are_those_of_the_stock_twin(family, head, labels, tmp_path):
    if labels and head.endswith("Model"):
        labels = False  # the model without a head takes no labels
    model, items = build(family, head), rows(head, labels)
    actual, expected = (predict(which, items, tmp_path) for which in (model, model.to_stock()))
    assert type(actual.predictions) is type(expected.predictions)
    # float32, logits up to some 10.
    assert_close(only_text(actual.predictions, items), only_text(expected.predictions, items), rtol=1e-5, atol=2e-5)
    assert actual.metrics.get("test_loss") == pytest.approx(expected.metrics.get("test_loss"), abs=1e-5)
    assert labels == ("test_loss" in actual.metrics)


def test_the_head_without_a_twin_gives_one_array(tmp_path):
    model, items = random_gpt(modeling_minibert.MiniGPTForMultipleChoice).float(), rows("MultipleChoice", True)
    assert predict(model, items, tmp_path).predictions.shape == (ROWS, 2)

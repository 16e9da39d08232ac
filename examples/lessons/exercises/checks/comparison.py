"""Check exercise 3 against scikit-learn, for three stock models."""

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from .common import POSITIONS, WrongAnswerError, check_calls, compare_with, sentences, sizes, watch, word_tokenizer


def _three_models():
    torch.manual_seed(0)
    forward, backward = word_tokenizer(), word_tokenizer(reverse=True)
    backward.model_input_names = ["input_ids", "attention_mask"]  # these models have no segments
    distil = {"vocab_size": len(backward), "dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64}
    models = {
        "BERT": (BertForSequenceClassification(BertConfig(**sizes(forward), num_labels=3)), forward),
        "RoBERTa": (RobertaForSequenceClassification(RobertaConfig(
            **sizes(backward, max_position_embeddings=POSITIONS + 2), pad_token_id=0, num_labels=3)), backward),
        "DistilBERT": (DistilBertForSequenceClassification(DistilBertConfig(**distil, num_labels=3)), backward),
    }  # fmt: skip
    for model, _ in models.values():
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.5)  # so that texts get different classes
    for parameter in models["BERT"][0].bert.embeddings.parameters():
        parameter.requires_grad_(False)
    return models


@torch.no_grad()
def _classes(model, tokenizer, texts):
    """Classify the texts one by one, without padding."""
    model.eval()
    return [int(model(**tokenizer(text, return_tensors="pt")).logits.argmax()) for text in texts]


def check_comparison(student):
    """Accuracy, macro-F1 and the number of parameters of three models are right"""
    models, (texts, _) = _three_models(), sentences(30, seed=3)
    labels = np.random.default_rng(4).choice(3, size=len(texts), p=[0.6, 0.3, 0.1]).tolist()
    right = {name: _classes(model, tokenizer, texts) for name, (model, tokenizer) in models.items()}
    calls = {name: watch(model.train()) for name, (model, _) in models.items()}
    rows = student.compare(models, list(texts), list(labels))
    if [row.get("name") for row in rows] != list(models):
        raise WrongAnswerError(f"return one dict per model, with the names {', '.join(models)} in this order")
    for row in rows:
        (model, _), classes = models[row["name"]], right[row["name"]]
        check_calls(calls[row["name"]], row["name"])
        missing = {"accuracy", "macro_f1", "parameters", "seconds"} - row.keys()
        if missing:
            raise WrongAnswerError(f"{row['name']}: the row has no {', '.join(sorted(missing))}")
        compare_with(f"{row['name']}, accuracy", row["accuracy"], accuracy_score(labels, classes), {
            "a share from 0 to 1 is asked for, not per cent": np.array(100 * accuracy_score(labels, classes)),
        })  # fmt: skip
        compare_with(f"{row['name']}, macro_f1", row["macro_f1"], f1_score(labels, classes, average="macro"), {
            "that is the micro average, which is the accuracy again; macro is the plain mean over the classes":
                np.array(f1_score(labels, classes, average="micro")),
            "that is the average weighted by how frequent a class is; macro is the plain mean over the classes":
                np.array(f1_score(labels, classes, average="weighted")),
        })  # fmt: skip
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        compare_with(f"{row['name']}, parameters", row["parameters"], model.num_parameters(), {
            "frozen parameters count too": np.array(trainable),
            "that is the number of tensors; add up their numel()": np.array(len(list(model.parameters()))),
        })  # fmt: skip
        if not row["seconds"] > 0:
            raise WrongAnswerError(
                f"{row['name']}: classifying took {row['seconds']} seconds; time it with time.perf_counter()"
            )

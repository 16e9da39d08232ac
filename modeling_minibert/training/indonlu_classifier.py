"""Train and score one classification task of IndoNLU: classes of texts, of pairs, and of aspects.

Aspects are trained in one of two ways: `heads` scores all aspects of a text at once, with A · C outputs, as the paper
does; `pairs` reads "text, name of the aspect" as a pair of texts for each aspect, as any pair classifier.
"""

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import EvalPrediction

from tokenization import train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data.indonlu import IndoNLUData, mark_shared_tokens
from ..data.task_inputs import add_task_tokens
from ..evaluation.indonlu import indonlu_scores
from ..losses import cross_entropy
from ..modeling_minibert import MiniBertForSequenceClassification
from .arguments import parse_options
from .auxiliary_loss import is_causal
from .callbacks import show_progress_lines
from .implementation import load_checkpoint
from .indonlu_settings import TaskSettings
from .script_arguments import settle_length, token_fields
from .trainers import predict_in_order


def aspect_texts(data: IndoNLUData) -> list[str]:
    """The names of the aspects as text: "air_panas" → "air panas"."""
    return [name.replace("_", " ") for name in data.task.labels]


def as_pairs(rows: Dataset, aspects: list[str]) -> Dataset:
    """Turn a row with A labels into A rows, "text, aspect", in this order."""
    columns = {
        "text": [text for text in rows["text"] for _ in aspects],
        "text_pair": aspects * len(rows),
        "label": [label for labels in rows["label"] for label in labels],
    }
    return Dataset.from_dict(columns)


def classifier_tokenizer(data: IndoNLUData, options: dict):
    """Train a tokenizer on the texts of the train split."""
    train = data.splits["train"]
    texts = [text for column in ("text", "text_pair") if column in train.column_names for text in train[column]]
    texts += aspect_texts(data) if data.task.kind == "aspects" else []
    return train_tokenizer(texts, show_progress=False, **options)


def output_names(data: IndoNLUData, aspects: str) -> list[str]:
    """The names of the outputs: the classes, or "aspect: class" for all aspects at once."""
    if data.task.kind == "aspects" and aspects == "heads":
        return [f"{aspect}: {name}" for aspect in aspect_texts(data) for name in data.names]
    return data.names


def build_classifier(data: IndoNLUData, checkpoint: str | None, tokenizer, preset: str, overrides: dict, aspects: str):
    """Open a checkpoint as a classifier of the task, or build one with random weights."""
    names = output_names(data, aspects)
    fields = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    fields["problem_type"] = "single_label_classification"
    if checkpoint:
        return load_checkpoint(AutoModelForSequenceClassification, checkpoint, None, overrides, **fields)
    fields |= token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(preset, attn_implementation="packed", **fields)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForSequenceClassification(config)


class AspectLoss:
    """The cross-entropy of all aspects of a text, for `Trainer(compute_loss_func=…)`.

    Args:
        classes: C, the classes of each aspect.
    """

    def __init__(self, classes: int):
        self.classes = classes

    def __call__(self, outputs, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        """Logits (B, A · C) and labels (B, A) give the mean over all aspects."""
        return cross_entropy(outputs.logits.reshape(-1, self.classes), labels.reshape(-1), num_items_in_batch)


def class_ids(logits: np.ndarray, data: IndoNLUData) -> np.ndarray:
    """The predicted classes: (N,), or (N, A) for aspects from logits (N, A · C) or (N · A, C)."""
    found = logits.reshape(-1, len(data.names)).argmax(axis=-1)
    return found.reshape(-1, len(data.task.labels)) if data.task.kind == "aspects" else found


def encode_texts(data: IndoNLUData, split: str, tokenizer, max_length: int, settings: TaskSettings) -> Dataset:
    """Encode a split as token ids and labels."""
    rows = data.splits[split]
    if data.task.kind == "aspects" and settings.aspects == "pairs":
        rows = as_pairs(rows, aspect_texts(data))
    texts = [list(rows[column]) for column in ("text", "text_pair") if column in rows.column_names]
    encoding = tokenizer(*texts, truncation=True, max_length=max_length)
    if settings.exact_match:
        special = tokenizer.sep_token_id, tokenizer.all_special_ids
        encoding["token_type_ids"] = [mark_shared_tokens(ids, *special) for ids in encoding["input_ids"]]
    return Dataset.from_dict({**encoding, "label": rows["label"]})


def train_indonlu_classifier(
    data: IndoNLUData, start: tuple, preset: str, settings: TaskSettings, args: TrainingArguments, resume=None
) -> tuple[Trainer, dict]:
    """Train with `Trainer`, keep the epoch with the best validation score, and score validation and test.

    Args:
        data: the task.
        start: a folder or a Hub name, None for random weights of a `preset`; and whether its word vectors are frozen.
        settings: tokenizer, configuration, and the way of the aspects.
        args: of the training.
        resume: a checkpoint folder to go on from.

    Returns:
        The trainer, and "validation" and "test" → the scores of `indonlu_scores`.
    """
    checkpoint, frozen = start
    options, overrides = parse_options(settings.tokenizer_options), parse_options(settings.overrides)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint) if checkpoint else classifier_tokenizer(data, options)
    model = build_classifier(data, checkpoint, tokenizer, preset, overrides, settings.aspects)
    model.get_input_embeddings().weight.requires_grad_(not frozen)
    if is_causal(model):
        add_task_tokens(tokenizer, model)
    max_length = settle_length(tokenizer, model, None)
    encoded = {split: encode_texts(data, split, tokenizer, max_length, settings) for split in data.splits}

    def score(output: EvalPrediction) -> dict[str, float]:
        references = data.splits["validation"]["label"]
        return indonlu_scores(data.task.kind, data.names, class_ids(np.asarray(output.predictions), data), references)

    heads = data.task.kind == "aspects" and settings.aspects == "heads"
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=score,
        compute_loss_func=AspectLoss(len(data.names)) if heads else None,
    )
    show_progress_lines(trainer)
    trainer.train(resume_from_checkpoint=resume)
    trainer.compute_metrics = None  # it is for the validation split
    scores = {}
    for split in ("validation", "test"):
        found = class_ids(predict_in_order(trainer, encoded[split]), data)
        scores[split] = indonlu_scores(data.task.kind, data.names, found, data.splits[split]["label"])
    return trainer, scores

"""Train and score one tagging task of IndoNLU: parts of speech, entities, terms, keywords, and answers in a passage.

FacQA is tagged as one sentence, "question [SEP] passage"; its question has no labels and is not scored.
"""

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
)

from tokenization import train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data.indonlu import IndoNLUData, mark_shared_tokens
from ..data.tag_alignment import IGNORED, WordPlaces, align_tags, continued_tags
from ..evaluation.indonlu import indonlu_scores
from ..modeling_minibert import MiniBertForTokenClassification
from .arguments import parse_options
from .auxiliary_loss import is_causal
from .callbacks import show_progress_lines
from .implementation import load_checkpoint
from .indonlu_settings import TaskSettings
from .script_arguments import settle_length, token_fields
from .tagger import choose_tags


class TaggedSplit:
    """One split: its windows, and the tags of its words from predictions for the windows.

    Args:
        data: the task.
        split: its name.
        tokenizer, max_length: for the windows.
        last_piece: of `align_tags`, for decoders.
        exact_match: of `TaskSettings`.
    """

    def __init__(
        self, data: IndoNLUData, split: str, tokenizer, max_length: int, last_piece: bool, exact_match: bool = False
    ):
        self.data, rows = data, data.splits[split]
        self.references = rows["label"]
        self.outside = data.names.index("O") if "O" in data.names else _commonest(data)
        before = [[] for _ in range(len(rows))]
        if data.task.kind == "passage_tags":
            before = [[*question, tokenizer.sep_token] for question in rows["question"]]
        self.skipped = np.array([len(words) for words in before])
        words = [[*question, *passage] for question, passage in zip(before, rows["tokens"], strict=True)]
        tags = [[self.outside] * len(q) + list(row) for q, row in zip(before, self.references, strict=True)]
        sentences = Dataset.from_dict({"tokens": words, "tags": tags})
        windows, self.places = align_tags(sentences, tokenizer, data.names, max_length, last_piece=last_piece)
        self.windows = _without_labels_of_questions(windows, self.places, self.skipped)
        if exact_match:
            special = tokenizer.sep_token_id, tokenizer.all_special_ids
            types = [mark_shared_tokens(ids, *special) for ids in self.windows["input_ids"]]
            others = [name for name in self.windows.column_names if name != "token_type_ids"]
            self.windows = self.windows.select_columns(others).add_column("token_type_ids", types)

    def tags(self, predictions: np.ndarray) -> list[list[int]]:
        """The tags of the words that are scored, from those of the pieces (windows, L)."""
        chosen = self.places.choose(predictions, self.outside, continued_tags(self.data.names))
        return [row[skipped:] for row, skipped in zip(chosen, self.skipped, strict=True)]

    def score(self, predictions: np.ndarray) -> dict[str, float]:
        """Score the tags of the pieces, (windows, L)."""
        return indonlu_scores(self.data.task.kind, self.data.names, self.tags(predictions), self.references)


def _commonest(data: IndoNLUData) -> int:
    return int(np.bincount(np.concatenate([np.array(row) for row in data.splits["train"]["label"]])).argmax())


def _without_labels_of_questions(windows: Dataset, places: WordPlaces, skipped: np.ndarray) -> Dataset:
    """Set the labels of the first `skipped` words of every sentence to -100."""
    if not skipped.any():
        return windows
    labels = list(windows["labels"])
    asked = (places.words < skipped[places.rows]) & (places.windows >= 0)
    for window, piece in zip(places.windows[asked].tolist(), places.pieces[asked].tolist(), strict=True):
        labels[window][piece] = IGNORED
    return windows.remove_columns("labels").add_column("labels", labels)


def tagger_tokenizer(data: IndoNLUData, options: dict):
    """Train a tokenizer on the sentences of the train split."""
    train = data.splits["train"]
    columns = [column for column in ("tokens", "question") if column in train.column_names]
    return train_tokenizer(
        [" ".join(words) for name in columns for words in train[name]], show_progress=False, **options
    )


def build_tagger(data: IndoNLUData, checkpoint: str | None, tokenizer, preset: str, overrides: dict):
    """Open a checkpoint as a tagger of the task, or build one with random weights."""
    fields = {"id2label": dict(enumerate(data.names)), "label2id": {name: i for i, name in enumerate(data.names)}}
    if checkpoint:
        return load_checkpoint(AutoModelForTokenClassification, checkpoint, None, overrides, **fields)
    fields |= token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(preset, attn_implementation="packed", **fields)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForTokenClassification(config)


def train_indonlu_tagger(
    data: IndoNLUData, start: tuple, preset: str, settings: TaskSettings, args: TrainingArguments, resume=None
) -> tuple[Trainer, dict]:
    """Train with `Trainer`, keep the epoch with the best validation score, and score validation and test.

    Args:
        data: the task.
        start: a folder or a Hub name, None for random weights of a `preset`; and whether its word vectors are frozen.
        settings: tokenizer and configuration.
        args: of the training.
        resume: a checkpoint folder to go on from.

    Returns:
        The trainer, and "validation" and "test" → the scores of `indonlu_scores`.
    """
    checkpoint, frozen = start
    options, overrides = parse_options(settings.tokenizer_options), parse_options(settings.overrides)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint) if checkpoint else tagger_tokenizer(data, options)
    model = build_tagger(data, checkpoint, tokenizer, preset, overrides)
    model.get_input_embeddings().weight.requires_grad_(not frozen)
    max_length = settle_length(tokenizer, model, None)
    how = tokenizer, max_length, is_causal(model), settings.exact_match
    splits = {split: TaggedSplit(data, split, *how) for split in data.splits}
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=splits["train"].windows,
        eval_dataset=splits["validation"].windows,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=lambda output: splits["validation"].score(np.asarray(output.predictions)),
        preprocess_logits_for_metrics=choose_tags,
    )
    show_progress_lines(trainer)
    trainer.train(resume_from_checkpoint=resume)
    found = {split: trainer.predict(splits[split].windows.remove_columns("labels")) for split in ("validation", "test")}
    return trainer, {split: splits[split].score(np.asarray(output.predictions)) for split, output in found.items()}

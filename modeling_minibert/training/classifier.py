"""Train a text classifier: one class, several labels or a number for a text or a pair of texts.

Read `main` first. Steps: arguments, texts, tokenizer and model, training, scores beside a guess, the saved folder.
"""

import datasets
from datasets import Dataset, DatasetDict
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    set_seed,
)

from tokenization import train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data.bundled import bundled_files
from ..data.causal_examples import build_causal_examples
from ..data.classification import load_text_classification
from ..data.documents import load_documents
from ..data.labels import TASKS
from ..data.task_inputs import add_task_tokens
from ..evaluation import score_outputs
from ..modeling_minibert import MiniBertForSequenceClassification
from . import script_arguments as base
from .arguments import parse_options
from .auxiliary_loss import AuxiliaryLossTrainer, is_causal
from .callbacks import show_progress_lines
from .classifier_arguments import (
    BUNDLED,
    FROM_SCRATCH,
    ClassifierTrainingArguments,
    DataArguments,
    ModelArguments,
    parse_arguments,
)
from .classifier_results import judge, save_classifier, show_predictions
from .implementation import load_checkpoint
from .loss_functions import focal_loss
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .two_phase import PhasedTrainer


def load_splits(args: DataArguments, seed: int) -> tuple[DatasetDict, list[str]]:
    """Load the splits that the arguments name, or the bundled texts."""
    source = args.dataset_name, args.dataset_config_name, args.files(bundled_files(BUNDLED)) or None
    several = args.task == "multi_label" and "," in args.label_column_name
    labels = args.label_column_name.split(",") if several else args.label_column_name
    columns = args.text_column_name, args.text_pair_column_name, labels
    parts = args.validation_fraction, seed, args.max_train_samples
    options = {"task": args.task, "label_separator": args.label_separator, **args.layout}
    splits, names = load_text_classification(*source, *columns, *parts, **options)
    args.sample(splits, seed)
    kind = {"classification": "classes", "multi_label": "labels", "regression": "number"}[args.task]
    print(f"data: {base.sizes(splits)}; {kind}: {', '.join(names)}")
    return splits, names


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    if tokenizer := args.load_tokenizer(checkpoint):
        return tokenizer
    columns = [column for column in ("text", "text_pair") if column in splits["train"].column_names]
    texts = [text for column in columns for text in splits["train"][column]]
    tokenizer = train_tokenizer(texts, show_progress=len(texts) > 5000, **parse_options(args.tokenizer_options))
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train texts")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, labels: list[str], task: str = "classification"):
    """Load the checkpoint, or build a MiniBert with random weights."""
    fields = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": TASKS[task],
    }
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        model = load_checkpoint(
            AutoModelForSequenceClassification,
            args.model_name_or_path,
            args.implementation,
            overrides,
            args.hub,
            **fields,
        )
        if is_causal(model):
            add_task_tokens(tokenizer, model)
        return model
    fields |= base.token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForSequenceClassification(config)


def encode(splits: DatasetDict, tokenizer, max_length: int) -> DatasetDict:
    """Encode the texts as token ids, cut to `max_length`; each batch is padded later."""

    def encode_batch(batch):
        return tokenizer(batch["text"], batch.get("text_pair"), truncation=True, max_length=max_length)

    if sum(map(len, splits.values())) > 5000:
        datasets.enable_progress_bars()
    drop = [column for column in splits["train"].column_names if column != "label"]
    encoded = splits.map(encode_batch, batched=True, remove_columns=drop, desc="encoding")
    datasets.disable_progress_bars()
    return encoded


def load_unlabelled(args: DataArguments, tokenizer, max_length: int) -> Dataset | None:
    """Load the unlabelled text and cut it into windows; None if there is none."""
    if args.unlabelled_file is None:
        return None
    files = {"train": args.unlabelled_file}
    documents = load_documents(data_files=files, text_column=args.text_column_name, **args.layout)["train"]
    print(f"unlabelled: {len(documents):,} texts")
    return build_causal_examples(documents, tokenizer, max_length)


class ClassifierTrainer(AuxiliaryLossTrainer, PhasedTrainer):
    """A `Trainer` with an auxiliary loss and training phases, both optional."""


def build_trainer(
    model,
    tokenizer,
    encoded: DatasetDict,
    unlabelled: Dataset | None,
    args: ClassifierTrainingArguments,
    unfreezing=None,
    task: str = "classification",
) -> Trainer:
    """Build the `Trainer`, with our progress lines."""
    trainer = ClassifierTrainer(
        unfreezing=unfreezing,
        auxiliary_lm_weight=args.auxiliary_lm_weight,
        unlabelled_dataset=unlabelled,
        model=model,
        args=args,
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda output: score_outputs(output.predictions, output.label_ids, task),
        compute_loss_func=focal_loss(args.focal_gamma) if args.loss == "focal" else None,
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.load_best_model_at_end else None,
    )
    show_progress_lines(trainer)
    return trainer


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    model_args, data_args, args, unfreezing = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Texts, tokenizer, model
    splits, labels = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer, labels, data_args.task)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    max_length = base.settle_length(tokenizer, model, data_args.max_seq_length)
    base.print_model(model, max_length, args.device)
    encoded = encode(splits, tokenizer, max_length)
    unlabelled = load_unlabelled(data_args, tokenizer, max_length)

    # 3. Training
    trainer = build_trainer(model, tokenizer, encoded, unlabelled, args, unfreezing, data_args.task)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. Scores, and the saved folder in a pipeline
    results = judge(trainer, splits, encoded, labels, data_args)
    save_classifier(trainer, splits, labels, results, model_args, data_args)
    if trainer.is_world_process_zero():
        show_predictions(args.output_dir, splits[results["split"]], labels, data_args)
    end_processes()
    return results

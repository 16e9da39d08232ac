"""Train a text classifier, from scratch or from any checkpoint, and try it in a stock pipeline.

    python examples/finetune_classifier.py

trains a small MiniBert and its WordPiece vocabulary on the opinions of `examples/data/opinions` (Indonesian and
English, written for this project), offline, and prints its score on sentence frames and topics it has never seen.
On your own data, two or more classes, a text or a pair of texts:

    python examples/finetune_classifier.py --train_file train.csv --test_file test.csv --output_dir out/mine
    python examples/finetune_classifier.py --dataset_name stanfordnlp/imdb --model_name_or_path bert-base-uncased
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_tiny.args --dataset_name stanfordnlp/imdb
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_lecture.args --implementation mini
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_two_phase.args --output_dir out/two
    python examples/finetune_classifier.py --model_name_or_path out/minigpt --auxiliary_lm_weight 0.5

`--implementation` trains one and the same BERT as ours or as the stock class; `--freeze_epochs` trains the head first.
A decoder such as MiniGPT reads `[START] text [EXTRACT]`, and the last line goes on learning the next token besides, as
in the first GPT: of the texts themselves, or of those in `--unlabelled_file`.
It writes the model with its code and tokenizer, a model card and all_results.json into `--output_dir`. All arguments
of `transformers.TrainingArguments` work as well.
"""

import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import transformers
from datasets import Dataset, DatasetDict
from huggingface_hub import upload_folder
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    HfArgumentParser,
    Trainer,
    pipeline,
    set_seed,
)

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification, WindowedTextClassificationPipeline
from modeling_minibert.data import (
    add_task_tokens,
    build_causal_examples,
    load_documents,
    load_text_classification,
    tokenize_windows,
)
from modeling_minibert.evaluation import ClassificationMetrics, average_by_text
from modeling_minibert.limits import position_limit
from modeling_minibert.training import (
    IMPLEMENTATIONS,
    AnyDeviceArguments,
    AuxiliaryLossTrainer,
    PhasedTrainer,
    UnfreezingArguments,
    check_output_folder,
    end_processes,
    expand_recipe,
    is_causal,
    last_checkpoint,
    load_checkpoint,
    parse_options,
    plot_training_curve,
    predict_in_order,
    prepare_cpu,
    show_progress_lines,
    write_model_card,
)
from tokenization import save_tokenizer, train_tokenizer

OPINIONS = Path(__file__).parent / "data" / "opinions"
OURS = ("minibert", "minigpt")
FROM_SCRATCH = "classifier_pooling=mean,word_dropout_prob=0.1"  # what the small net for the opinions needs


@dataclass
class ModelArguments:
    """What to train."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": "a checkpoint to start from (folder or Hub name); none: train from scratch"}
    )
    implementation: str | None = field(
        default=None,
        metadata={
            "help": "mini: train a BERT or GPT checkpoint as ours, packed; stock: as the class of transformers; none: "
            "as it was saved",
            "choices": IMPLEMENTATIONS,
        },
    )
    preset: str = field(default="tiny", metadata={"help": "from scratch: the MiniBert preset"})
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "fields of the configuration to change, as name=value,name=value; from scratch, where nothing is "
            f"given: {FROM_SCRATCH}"
        },
    )
    tokenizer_name: str | None = field(
        default=None, metadata={"help": "from scratch: a trained tokenizer; none: train one on the train split"}
    )
    tokenizer_options: str = field(
        default="kind=wordpiece,vocab_size=2700,min_frequency=1",
        metadata={"help": "from scratch: arguments of tokenization.train_tokenizer, as name=value,name=value"},
    )


@dataclass
class DataArguments:
    """What to train it on."""

    dataset_name: str | None = field(default=None, metadata={"help": "a Hub name or a local folder"})
    dataset_config_name: str | None = field(default=None, metadata={"help": "which configuration of the data set"})
    train_file: str | None = field(default=None, metadata={"help": "csv, tsv, json lines or parquet"})
    validation_file: str | None = field(default=None, metadata={"help": "none: a part of train is set apart"})
    test_file: str | None = field(default=None, metadata={"help": "scored once, at the end"})
    text_column_name: str = field(default="text", metadata={"help": "the column of the text"})
    text_pair_column_name: str | None = field(default=None, metadata={"help": "the column of a second text"})
    label_column_name: str = field(default="label", metadata={"help": "the column of the class"})
    max_train_samples: int | None = field(
        default=None, metadata={"help": "train on so many texts, drawn at random, each class in proportion"}
    )
    validation_fraction: float = field(
        default=0.1, metadata={"help": "share of train that is set apart where there is no validation split"}
    )
    max_seq_length: int | None = field(default=None, metadata={"help": "tokens; none: as long as the model reads"})
    unlabelled_file: str | None = field(
        default=None, metadata={"help": "text for --auxiliary_lm_weight (txt or as train_file); none: the train texts"}
    )
    window_average: bool = field(
        default=False, metadata={"help": "also score long texts by averaging over overlapping windows"}
    )


@dataclass
class ClassifierTrainingArguments(AnyDeviceArguments):
    """How to train it: our defaults for some of the library's arguments."""

    output_dir: str = field(default="out/classifier", metadata={"help": "where everything is saved"})
    learning_rate: float | None = field(default=None, metadata={"help": "none: 1e-3 from scratch, 2e-5 otherwise"})
    num_train_epochs: float | None = field(default=None, metadata={"help": "none: 8 from scratch, 3 otherwise"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "texts per update"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "texts at once in evaluation"})
    warmup_steps: float = field(default=0.1, metadata={"help": "steps, or below 1 a share of all steps"})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay"})
    eval_strategy: str = field(default="epoch", metadata={"help": "when to score the validation split"})
    save_strategy: str = field(default="epoch", metadata={"help": "when to save a checkpoint; as eval_strategy"})
    logging_steps: float = field(default=0.1, metadata={"help": "print the loss after this share of the training"})
    save_total_limit: int = field(default=1, metadata={"help": "checkpoints to keep, besides the best"})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "end with the best epoch, not the last"})
    metric_for_best_model: str = field(default="macro_f1", metadata={"help": "what 'best' means"})
    auxiliary_lm_weight: float = field(
        default=0.0, metadata={"help": "decoders only: how much of the next-token loss is added; the first GPT: 0.5"}
    )
    early_stopping_patience: int = field(
        default=5, metadata={"help": "stop after this many epochs without a better one"}
    )


def load_splits(args: DataArguments, seed: int) -> tuple[DatasetDict, list[str]]:
    """The splits that the arguments name, or the bundled opinions."""
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: path for split, path in files.items() if path}
    if not files and not args.dataset_name:
        files = {split: str(OPINIONS / f"{split}.csv") for split in ("train", "validation", "test")}
    splits, labels = load_text_classification(
        args.dataset_name,
        args.dataset_config_name,
        files or None,
        args.text_column_name,
        args.text_pair_column_name,
        args.label_column_name,
        args.validation_fraction,
        seed,
        args.max_train_samples,
    )
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
    print(f"data: {sizes}; classes: {', '.join(labels)}")
    return splits, labels


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    name = checkpoint or args.tokenizer_name or args.model_name_or_path
    if name:
        return AutoTokenizer.from_pretrained(name)
    texts = [text for column in ("text", "text_pair") if column in splits["train"].column_names
             for text in splits["train"][column]]  # fmt: skip
    tokenizer = train_tokenizer(texts, show_progress=len(texts) > 5000, **parse_options(args.tokenizer_options))
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train texts")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, labels: list[str]):
    """Start from a checkpoint, or from random weights."""
    task = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
    if args.model_name_or_path:
        overrides = parse_options(args.config_overrides)
        model = load_checkpoint(
            AutoModelForSequenceClassification, args.model_name_or_path, args.implementation, overrides, **task
        )
        if is_causal(model):
            add_task_tokens(tokenizer, model)
        return model
    ids = {"pad_token_id": tokenizer.pad_token_id, "mask_token_id": tokenizer.mask_token_id}
    overrides = {"vocab_size": len(tokenizer), **ids}
    overrides |= parse_options(FROM_SCRATCH if args.config_overrides is None else args.config_overrides)
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **overrides, **task)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForSequenceClassification(config)


def encode(splits: DatasetDict, tokenizer, max_length: int) -> DatasetDict:
    """Turn texts into token ids, cut at `max_length`; padding comes later, per batch."""

    def encode_batch(batch):
        return tokenizer(batch["text"], batch.get("text_pair"), truncation=True, max_length=max_length)

    if sum(map(len, splits.values())) > 5000:
        datasets.enable_progress_bars()
    drop = [column for column in splits["train"].column_names if column != "label"]
    encoded = splits.map(encode_batch, batched=True, remove_columns=drop, desc="encoding")
    datasets.disable_progress_bars()
    return encoded


def score(logits: np.ndarray, references: list[int], interval: bool = False) -> dict:
    """Accuracy and macro-F1 of logits or probabilities (N, C)."""
    predictions = logits.argmax(axis=-1)
    return ClassificationMetrics(keep_in_memory=True).compute(
        predictions=predictions, references=references, interval=interval
    )


def score_test(trainer: Trainer, test: Dataset, encoded: Dataset, windows: bool) -> dict:
    """Score the test split with its bootstrap intervals, in one pass and, where asked, averaged over windows."""
    references = list(test["label"])
    majority = max(references.count(label) for label in set(references)) / len(references)
    results = {"majority_accuracy": majority}
    results["single_pass"] = score(predict_in_order(trainer, encoded), references, interval=True)
    if windows:
        texts, tokenizer = list(test["text"]), trainer.processing_class
        encoding, window_to_text = tokenize_windows(tokenizer, texts, tokenizer.model_max_length)
        probabilities = average_by_text(predict_in_order(trainer, Dataset.from_dict(dict(encoding))), window_to_text)
        results["window_average"] = score(probabilities, references, interval=True)
    return results


def describe(results: dict) -> dict[str, str]:
    """'accuracy, single pass' → '87.2% (95 % interval 86.8% to 87.6%)', and so on for the ways and scores there are."""
    text = {}
    for way in ("single_pass", "window_average"):
        for name in ("accuracy", "macro_f1") if way in results else ():
            low, high = results[way][f"{name}_interval"]
            shown = f"{results[way][name]:.1%} (95 % interval {low:.1%} to {high:.1%})"
            text[f"{name}, {way.replace('_', ' ')}"] = shown
    return text


def show_predictions(folder: str, test: Dataset, labels: list[str], task: str) -> None:
    """Reload what was saved into a pipeline and classify a few texts of each class."""
    # transformers asks for trust_remote_code for a pipeline that lies in the folder; this is the same one.
    windowed = WindowedTextClassificationPipeline if task == "windowed-text-classification" else None
    classifier = pipeline(task, folder, pipeline_class=windowed)
    options = {"truncation": True} if task == "sentiment-analysis" else {}
    references = np.array(test["label"])
    for label in range(min(len(labels), 5)):
        for row in np.flatnonzero(references == label)[:3].tolist():
            inputs = {key: test[row][key] for key in ("text", "text_pair") if key in test.column_names}
            answer = classifier(inputs, **options)
            mark = "✓" if answer["label"] == labels[label] else "✗"
            text = textwrap.shorten(" | ".join(inputs.values()), 90, placeholder=" …")
            print(f"  {mark} {answer['label']:>10} {answer['score']:4.0%}   {text}")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments]:
    """Read the command line, or the file after --recipe, and settle what depends on the start."""
    parser = HfArgumentParser((ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments))
    parser.epilog = "--recipe FILE reads flags from a file, such as those of examples/recipes; flags given besides win."
    model_args, data_args, args, unfreezing = parser.parse_args_into_dataclasses(
        expand_recipe(arguments), look_for_args_file=False
    )
    from_scratch = model_args.model_name_or_path is None
    if args.learning_rate is None:
        args.learning_rate = 1e-3 if from_scratch else 2e-5
    if args.num_train_epochs is None:
        args.num_train_epochs = 8 if from_scratch else 3
    if from_scratch and unfreezing.freezes:
        raise ValueError("--freeze_epochs, --unfreeze_every and --freeze_word_embeddings are for an encoder that has "
                         "learned something; give a --model_name_or_path")  # fmt: skip
    if data_args.window_average and data_args.text_pair_column_name:
        raise ValueError("--window_average is for single texts; leave it out, or leave out --text_pair_column_name")
    return model_args, data_args, args, unfreezing


def settle_length(data_args: DataArguments, tokenizer, model) -> int:
    """Tokens of the longest input; saved with the tokenizer, so that pipelines cut as the training did."""
    longest = position_limit(model) or tokenizer.model_max_length
    max_length = data_args.max_seq_length or min(tokenizer.model_max_length, longest)
    if max_length > longest:
        raise ValueError(f"max_seq_length ({max_length}) is more than the {longest} tokens that the model reads")
    tokenizer.model_max_length = max_length
    return max_length


def load_unlabelled(args: DataArguments, tokenizer, max_length: int) -> Dataset | None:
    """Windows of text without labels."""
    if args.unlabelled_file is None:
        return None
    documents = load_documents(data_files={"train": args.unlabelled_file}, text_column=args.text_column_name)["train"]
    print(f"unlabelled: {len(documents):,} texts")
    return build_causal_examples(documents, tokenizer, max_length)


class ClassifierTrainer(AuxiliaryLossTrainer, PhasedTrainer):
    """A plain `Trainer` where neither another loss nor another phase is asked for."""


def build_trainer(
    model,
    tokenizer,
    encoded: DatasetDict,
    unlabelled: Dataset | None,
    args: ClassifierTrainingArguments,
    unfreezing: UnfreezingArguments | None = None,
) -> Trainer:
    """A `Trainer` with our progress lines in place of its own."""
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
        compute_metrics=lambda output: score(output.predictions, output.label_ids),
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.load_best_model_at_end else None,
    )
    show_progress_lines(trainer)
    return trainer


def save_companions(trainer: Trainer, task: str, labels: list[str], example: dict, scores: dict, training: dict):
    """Put beside the weights what the next user needs: tokenizer, pipeline, picture, model card."""
    folder, model, tokenizer = trainer.args.output_dir, trainer.model, trainer.processing_class
    if task == "windowed-text-classification":
        pipeline(task, model=model, tokenizer=tokenizer).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    plot_training_curve(trainer.state.log_history, Path(folder) / "training_curve.png")
    write_model_card(
        folder,
        f"A {type(model).__name__} with {model.num_parameters():,} parameters, fine-tuned to classify text.",
        labels,
        example if "text_pair" in example else example["text"],
        scores,
        training,
        tokenizer.model_max_length,
        task,
        needs_code=model.config.model_type in OURS,
    )


def main(arguments: list[str] | None = None):
    """Run the steps that the module describes, with the flags of the command line or these."""
    # 1. Arguments
    model_args, data_args, args, unfreezing = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model
    splits, labels = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer, labels)
    check_output_folder(args.output_dir, model.config)
    max_length = settle_length(data_args, tokenizer, model)
    size = f"{model.num_parameters():,} parameters, reads {max_length} tokens"
    print(f"model: {type(model).__name__}, {size}, on {args.device}")
    encoded = encode(splits, tokenizer, max_length)
    unlabelled = load_unlabelled(data_args, tokenizer, max_length)

    # 3. Training
    trainer = build_trainer(model, tokenizer, encoded, unlabelled, args, unfreezing)
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. The score: on the test split, touched here and nowhere else
    judged = "test" if "test" in splits else "validation"
    test = splits[judged]
    results = score_test(trainer, test, encoded[judged], data_args.window_average)
    majority = results["majority_accuracy"]
    print(f"{judged} split ({len(test):,} texts), always guessing the largest class: {majority:.1%}")
    scores = describe(results)
    print("\n".join(f"  {name}: {text}" for name, text in scores.items()))

    # 5. What is saved, in a pipeline
    results |= {"split": judged, "seed": args.seed, "train_seconds": trained.metrics["train_runtime"]}
    task = "windowed-text-classification" if data_args.window_average else "sentiment-analysis"
    example = {key: value for key, value in test[0].items() if key != "label"}
    training = {
        "start": model_args.model_name_or_path or f"from scratch, preset {model_args.preset}",
        "data": data_args.dataset_name or data_args.train_file or "examples/data/opinions",
        "train texts": f"{len(splits['train']):,}",
        "learning rate": args.learning_rate,
        "seed": args.seed,
        "seconds": f"{results['train_seconds']:.0f}",
    }
    trainer.save_metrics("all", results, combined=False)
    if trainer.is_world_process_zero():
        save_companions(trainer, task, labels, example, scores, training)
        if args.push_to_hub:
            # Not trainer.push_to_hub, which would write another model card over ours.
            without = ["checkpoint-*", "training_args.bin"]
            upload_folder(
                repo_id=trainer.hub_model_id, folder_path=args.output_dir, token=args.hub_token, ignore_patterns=without
            )
        show_predictions(args.output_dir, test, labels, task)
        trust = ", trust_remote_code=True" if data_args.window_average else ""
        print(f"saved to {args.output_dir}; use it: pipeline({task!r}, {args.output_dir!r}{trust})")
    end_processes()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without ✓ prints ? instead of failing
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    main()

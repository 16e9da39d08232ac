"""Train a model to find the answer to a question in a text, from scratch or from any checkpoint, and ask it something.

    python examples/finetune_qa.py

trains a small MiniBert and its WordPiece vocabulary on the questions of `examples/data/questions` (Indonesian and
English, written for this project), offline, and prints its exact match and F1 on combinations it has never seen.
On your own data, in the layout of SQuAD v1.1 or v2 (json, parquet or Hub), from any checkpoint:

    python examples/finetune_qa.py --dataset_name rajpurkar/squad --model_name_or_path bert-base-uncased
    python examples/finetune_qa.py --train_file train-v2.0.json --test_file dev-v2.0.json --output_dir out/squad2
    python examples/finetune_qa.py --dataset_name folder --test_fraction 0.25 --model_name_or_path out/pretrained

Splits that are missing are set apart by article. A BERT checkpoint is trained as ours, packed; what has no twin among
our models, as it is. It writes the model with its code and tokenizer, all_results.json and predictions.json, which the
official SQuAD scripts read, into `--output_dir`. All arguments of `transformers.TrainingArguments` work as well.
"""

import json
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import transformers
from datasets import Dataset, DatasetDict
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DataCollatorWithPadding,
    HfArgumentParser,
    Trainer,
    set_seed,
)

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering
from modeling_minibert.data import load_question_answering, question_features
from modeling_minibert.evaluation import FoundAnswer, QuestionAnsweringMetrics, find_answers
from modeling_minibert.limits import position_limit
from modeling_minibert.training import (
    AnyDeviceArguments,
    check_output_folder,
    end_processes,
    expand_recipe,
    last_checkpoint,
    load_checkpoint,
    longest_first,
    parse_options,
    plot_training_curve,
    prepare_cpu,
    show_progress_lines,
)
from tokenization import save_tokenizer, train_tokenizer

# What the small net for the bundled questions needs; its width asks for larger random weights than BERT's 0.02.
FROM_SCRATCH = "initializer_range=0.08,hidden_dropout_prob=0,attention_probs_dropout_prob=0"
QUESTIONS = Path(__file__).parent / "data" / "questions"
FRANCE = {
    "id": "france",
    "title": "",
    "question": "What is the capital of France?",
    "context": "Anna lives in Rome. Paris is the capital of France. The concert starts at nine o'clock.",
    "answers": {"text": ["Paris"], "answer_start": [20]},
}


@dataclass
class ModelArguments:
    """What to train."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": "a checkpoint to start from (folder or Hub name); none: train from scratch"}
    )
    implementation: str = field(
        default="mini",
        metadata={"help": "mini: train a BERT checkpoint as ours; stock: as it is", "choices": ["mini", "stock"]},
    )
    preset: str = field(default="tiny", metadata={"help": "from scratch: the MiniBert preset"})
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "fields of the configuration to change, as name=value,name=value; from scratch, where nothing is "
            f"given: {FROM_SCRATCH}"
        },
    )
    tokenizer_options: str = field(
        default="kind=wordpiece,vocab_size=900,min_frequency=1",
        metadata={"help": "from scratch: arguments of tokenization.train_tokenizer, as name=value,name=value"},
    )


@dataclass
class DataArguments:
    """What to train it on."""

    dataset_name: str | None = field(default=None, metadata={"help": "a Hub name or a local folder"})
    dataset_config_name: str | None = field(default=None, metadata={"help": "which configuration of the data set"})
    train_file: str | None = field(default=None, metadata={"help": "json as SQuAD publishes it, json lines or parquet"})
    validation_file: str | None = field(default=None, metadata={"help": "none: set apart from train"})
    test_file: str | None = field(default=None, metadata={"help": "scored once, at the end"})
    validation_fraction: float = field(
        default=0.1, metadata={"help": "share of the articles of train set apart where there is no validation split"}
    )
    test_fraction: float = field(
        default=0.1, metadata={"help": "share of the articles set apart as test where the data has one split only"}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "train on as many questions, drawn at random"}
    )
    max_seq_length: int = field(default=384, metadata={"help": "tokens of a window, at most what the model reads"})
    doc_stride: int | None = field(
        default=None, metadata={"help": "tokens that two windows of one context share; none: a third of a window"}
    )
    skip_bad_rows: bool = field(
        default=False, metadata={"help": "leave out rows whose answer is not in its context, and overlapping splits"}
    )


@dataclass
class QuestionTrainingArguments(AnyDeviceArguments):
    """How to train it: our defaults for some of the library's arguments."""

    output_dir: str = field(default="out/qa", metadata={"help": "where everything is saved"})
    learning_rate: float | None = field(default=None, metadata={"help": "none: 1e-3 from scratch, 3e-5 otherwise"})
    num_train_epochs: float | None = field(default=None, metadata={"help": "none: 8 from scratch, 3 otherwise"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "windows per update"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "windows at once in evaluation"})
    warmup_steps: float = field(default=0.1, metadata={"help": "steps, or below 1 a share of all steps"})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay"})
    eval_strategy: str = field(default="epoch", metadata={"help": "when to score the validation split"})
    save_strategy: str = field(default="epoch", metadata={"help": "when to save a checkpoint"})
    save_total_limit: int = field(default=1, metadata={"help": "checkpoints to keep"})
    logging_steps: float = field(default=0.05, metadata={"help": "print the loss after this share of the training"})


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, QuestionTrainingArguments]:
    """Read the command line, or the file after --recipe, and settle what depends on the start."""
    parser = HfArgumentParser((ModelArguments, DataArguments, QuestionTrainingArguments))
    parser.epilog = "--recipe FILE reads flags from a file, such as those of examples/recipes; flags given besides win."
    model_args, data_args, args = parser.parse_args_into_dataclasses(expand_recipe(arguments), look_for_args_file=False)
    from_scratch = model_args.model_name_or_path is None
    if args.learning_rate is None:
        args.learning_rate = 1e-3 if from_scratch else 3e-5
    if args.num_train_epochs is None:
        args.num_train_epochs = 8 if from_scratch else 3
    if data_args.max_train_samples is not None and data_args.max_train_samples < 1:
        raise ValueError(f"max_train_samples ({data_args.max_train_samples}) must be at least 1")
    if args.train_sampling_strategy == "group_by_length":
        raise ValueError(
            "--train_sampling_strategy group_by_length shuffles also what is scored; leave it out: a model of ours "
            "computes nothing for pads"
        )
    return model_args, data_args, args


def load_splits(args: DataArguments, seed: int) -> DatasetDict:
    """The splits that the arguments name, or the bundled questions."""
    files = {"train": args.train_file, "validation": args.validation_file, "test": args.test_file}
    files = {split: path for split, path in files.items() if path}
    if not files and not args.dataset_name:
        files = {split: str(QUESTIONS / f"{split}.parquet") for split in ("train", "validation", "test")}
    splits = load_question_answering(
        args.dataset_name,
        args.dataset_config_name,
        files or None,
        args.validation_fraction,
        args.test_fraction,
        args.skip_bad_rows,
        seed,
    )
    if args.max_train_samples:
        splits["train"] = splits["train"].shuffle(seed=seed).take(min(args.max_train_samples, len(splits["train"])))
    print("data: " + ", ".join(f"{len(split):,} {name}" for name, split in splits.items()) + " questions")
    return splits


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    name = checkpoint or args.model_name_or_path
    if name:
        tokenizer = AutoTokenizer.from_pretrained(name)
    else:
        texts = sorted(set(splits["train"]["context"])) + list(splits["train"]["question"])
        tokenizer = train_tokenizer(texts, show_progress=len(texts) > 5000, **parse_options(args.tokenizer_options))
        print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train texts")
    tokenizer.padding_side = "right"  # answers are counted from the left
    return tokenizer


def build_model(args: ModelArguments, tokenizer):
    """Start from a checkpoint, or from random weights."""
    if args.model_name_or_path is None:
        ids = {"pad_token_id": tokenizer.pad_token_id, "mask_token_id": tokenizer.mask_token_id}
        overrides = {"vocab_size": len(tokenizer), **ids}
        overrides |= parse_options(FROM_SCRATCH if args.config_overrides is None else args.config_overrides)
        config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **overrides)
        return MiniBertForQuestionAnswering(config)
    # Only BERT has a twin with this head; everything else is trained as it was saved.
    is_bert = AutoConfig.from_pretrained(args.model_name_or_path).model_type == "bert"
    return load_checkpoint(
        AutoModelForQuestionAnswering,
        args.model_name_or_path,
        args.implementation if is_bert else None,
        parse_options(args.config_overrides),
    )


def settle_lengths(args: DataArguments, tokenizer, model) -> tuple[int, int]:
    """Tokens of a window, saved with the tokenizer, so that pipelines cut as the training did; and doc_stride."""
    length = min(args.max_seq_length, position_limit(model) or args.max_seq_length)
    tokenizer.model_max_length = length
    return length, length // 3 if args.doc_stride is None else args.doc_stride


def encode(rows: Dataset, tokenizer, max_length: int, doc_stride: int, with_offsets: bool = True) -> Dataset:
    """Features of questions; those to be scored the longest first, so that batches have few pads."""
    if len(rows) > 2000:
        datasets.enable_progress_bars()
    features = rows.map(
        question_features,
        batched=True,
        remove_columns=rows.column_names,
        fn_kwargs={
            "tokenizer": tokenizer,
            "max_length": max_length,
            "doc_stride": doc_stride,
            "with_offsets": with_offsets,
        },
        desc="encoding",
    )
    datasets.disable_progress_bars()
    if not with_offsets:
        return features
    return features.select(longest_first(features))


def score(rows: Dataset, answers: list[FoundAnswer], version_2: bool, interval: bool = False) -> dict:
    """Exact match and F1, in percent."""
    options = {"interval": interval}
    if version_2:
        # A probability grows with the score as well, and the official script takes it.
        scores = {found.id: np.clip(found.no_answer_score, -50, 50) for found in answers}
        options |= {
            "version_2": True,
            "no_answer_probabilities": {name: float(1 / (1 + np.exp(-score))) for name, score in scores.items()},
        }
    return QuestionAnsweringMetrics(keep_in_memory=True).compute(
        predictions=[{"id": found.id, "prediction_text": found.text} for found in answers],
        references=[{"id": row["id"], "answers": row["answers"]} for row in rows],
        **options,
    )


def build_trainer(model, tokenizer, splits: DatasetDict, features: dict, version_2: bool, args) -> Trainer:
    """A `Trainer` that scores answers after every epoch, with our progress lines in place of its own."""

    def score_validation(output) -> dict[str, float]:
        answers = choose_answers(splits["validation"], features["validation"], output.predictions, version_2)
        scores = score(splits["validation"], answers, version_2)
        return {name: scores[name] / 100 for name in ("exact" if version_2 else "exact_match", "f1")}

    if "validation" not in splits:
        args.eval_strategy = "no"
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=features["train"],
        eval_dataset=features.get("validation"),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=score_validation,
        preprocess_logits_for_metrics=lambda outputs, labels: outputs[:2],  # BART and T5 give hidden states besides
    )
    show_progress_lines(trainer)
    return trainer


def choose_answers(rows: Dataset, features: Dataset, logits: tuple, version_2: bool) -> list[FoundAnswer]:
    """An answer per row; where questions may have none, they have none if that scores above the best span."""
    return find_answers(rows, features, *logits, no_answer_threshold=0.0 if version_2 else None)


def ask(trainer: Trainer, rows: Dataset, features: Dataset, version_2: bool) -> list[FoundAnswer]:
    """The model's answer to every row."""
    # Without labels: they would be scored as if they were the validation split's.
    logits = trainer.predict(features.remove_columns(["start_positions", "end_positions"])).predictions
    return choose_answers(rows, features, logits, version_2)


def show_answers(rows: Dataset, answers: list[FoundAnswer]) -> None:
    """Three questions, what the model answers, and whether that is right."""
    for row, found in zip(rows, answers, strict=True):
        golds = row["answers"]["text"] or [""]
        right = score(Dataset.from_list([row]), [found], version_2=True)["exact"]
        context = textwrap.shorten(row["context"], 110, placeholder=" …")
        print(f"  {'✓' if right else '✗'} {row['question'].strip()}  →  {found.text or '(no answer)'}")
        print(f"      expected: {golds[0] or '(no answer)'}   text: {context}")


def main(arguments: list[str] | None = None):
    """Run the steps that the module describes, with the flags of the command line or these."""
    # 1. Arguments
    model_args, data_args, args = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Questions, tokenizer, model
    splits = load_splits(data_args, args.data_seed or 0)
    version_2 = any(not answers["text"] for split in splits.values() for answers in split["answers"])
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer)
    check_output_folder(args.output_dir, model.config, type(model).__name__)
    lengths = settle_lengths(data_args, tokenizer, model)
    size = f"{model.num_parameters():,} parameters, reads {lengths[0]} tokens"
    print(f"model: {type(model).__name__}, {size}, on {args.device}")
    features = {split: encode(rows, tokenizer, *lengths, split != "train") for split, rows in splits.items()}

    # 3. Training
    trainer = build_trainer(model, tokenizer, splits, features, version_2, args)
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()
    save_tokenizer(tokenizer, args.output_dir)

    # 4. The score: on the test split where there is one, touched here and nowhere else
    judged = "test" if "test" in splits else "validation"
    print(f"{judged} split: {len(splits[judged]):,} questions in {len(features[judged]):,} windows", flush=True)
    answers = ask(trainer, splits[judged], features[judged], version_2)
    results = score(splits[judged], answers, version_2, interval=True)
    for name, label in (("exact" if version_2 else "exact_match", "exact match"), ("f1", "F1")):
        low, high = results[f"{name}_interval"]
        print(f"  {label}: {results[name]:.1f} (95 % interval {low:.1f} to {high:.1f})")
    results |= {"split": judged, "seed": args.seed, "train_seconds": trained.metrics["train_runtime"]}
    trainer.save_metrics("all", results, combined=False)

    # 5. Three questions
    if trainer.is_world_process_zero():
        predictions = {found.id: found.text for found in answers}
        Path(args.output_dir, "predictions.json").write_text(json.dumps(predictions, ensure_ascii=False), "utf-8")
        plot_training_curve(trainer.state.log_history, Path(args.output_dir, "training_curve.png"))
    asked = Dataset.from_list([FRANCE, splits[judged][0], splits[judged][-1]], features=splits[judged].features)
    show_answers(asked, ask(trainer, asked, encode(asked, tokenizer, *lengths), version_2))
    print(f"saved to {args.output_dir}; use it: pipeline('question-answering', {args.output_dir!r})")
    end_processes()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without ✓ prints ? instead of failing
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    main()

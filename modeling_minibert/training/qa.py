"""Train a model that finds the answer to a question in a text.

Read `main` first. Steps: arguments, questions, tokenizer and model, windows, training, scores, three questions.
"""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from datasets import Dataset, DatasetDict
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    Trainer,
    set_seed,
)
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data import load_question_answering, question_features
from ..data.bundled import bundled_files
from ..evaluation import FoundAnswer, QuestionAnsweringMetrics, find_answers
from ..limits import position_limit
from ..modeling_minibert import MiniBertForQuestionAnswering
from . import script_arguments as base
from .arguments import AnyDeviceArguments, parse_options
from .callbacks import show_progress_lines
from .help_text import predict_command
from .implementation import IMPLEMENTATIONS, load_checkpoint
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .trainers import longest_first
from .training_curves import plot_training_curve

BUNDLED = "questions"  # the bundled data set that is used where no files are given
# Suits the small net for the bundled questions, which is too narrow for BERT's random weights of 0.02.
FROM_SCRATCH = "initializer_range=0.08,hidden_dropout_prob=0,attention_probs_dropout_prob=0"
FRANCE = {
    "id": "france",
    "title": "",
    "question": "What is the capital of France?",
    "context": "Anna lives in Rome. Paris is the capital of France. The concert starts at nine o'clock.",
    "answers": {"text": ["Paris"], "answer_start": [20]},
}


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_options: str = "kind=wordpiece,vocab_size=900,min_frequency=1"
    implementation: str = HfArg(
        default="mini",
        help="mini: train a BERT checkpoint as our class; stock: as it was saved",
        metadata={"choices": IMPLEMENTATIONS},
    )


@dataclass
class DataArguments(base.TaskFileArguments):
    """The data to train and test on."""

    train_file: str | None = HfArg(default=None, help="json in the layout of SQuAD, json lines or parquet")
    validation_fraction: float = HfArg(
        default=0.1, help="share of the articles of train set apart if there is no validation split"
    )
    test_fraction: float = HfArg(
        default=0.1, help="share of the articles set apart as test if the data has one split only"
    )
    max_seq_length: int = HfArg(default=384, help="tokens of a window; at most as many as the model reads")
    doc_stride: int | None = HfArg(
        default=None, help="tokens that neighbouring windows of a context share; none: a third of a window"
    )
    skip_bad_rows: bool = HfArg(
        default=False, help="leave out rows whose answer is not in the context, and rows that two splits share"
    )


@dataclass
class QuestionTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/qa"
    do_predict: bool = base.predict_argument("predictions.json, as always")
    learning_rate: float | None = HfArg(default=None, help="none: 1e-3 from scratch, 3e-5 otherwise")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, QuestionTrainingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    classes = ModelArguments, DataArguments, QuestionTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    args.fill_in(model_args.model_name_or_path is None, learning_rate=3e-5)
    if data_args.max_train_samples is not None and data_args.max_train_samples < 1:
        raise ValueError(f"max_train_samples ({data_args.max_train_samples}) must be at least 1")
    if args.train_sampling_strategy == "group_by_length":
        raise ValueError(
            "--train_sampling_strategy group_by_length shuffles the scored rows too; leave it out: our models compute "
            "nothing for pads"
        )
    return model_args, data_args, args


def load_splits(args: DataArguments, seed: int) -> DatasetDict:
    """Load the splits that the arguments name, or the bundled questions."""
    source = args.dataset_name, args.dataset_config_name, args.files(bundled_files(BUNDLED, "parquet")) or None
    fractions = args.validation_fraction, args.test_fraction
    splits = load_question_answering(*source, *fractions, args.skip_bad_rows, seed, **args.layout)
    if args.max_train_samples:
        splits["train"] = splits["train"].shuffle(seed=seed).take(min(args.max_train_samples, len(splits["train"])))
    args.sample(splits, seed)
    print(f"data: {base.sizes(splits)} questions")
    return splits


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    if (tokenizer := args.load_tokenizer(checkpoint)) is None:
        texts = sorted(set(splits["train"]["context"])) + list(splits["train"]["question"])
        tokenizer = train_tokenizer(texts, show_progress=len(texts) > 5000, **parse_options(args.tokenizer_options))
        print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train texts")
    tokenizer.padding_side = "right"  # positions of answers count from the left
    return tokenizer


def build_model(args: ModelArguments, tokenizer):
    """Load the checkpoint, or build a MiniBert with random weights."""
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path is None:
        fields = base.token_fields(tokenizer, "pad", "mask") | overrides
        config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
        return MiniBertForQuestionAnswering(config)
    # Of the stock models, only BERT has a twin with this head.
    is_bert = AutoConfig.from_pretrained(args.model_name_or_path, **args.hub).model_type == "bert"
    implementation = args.implementation if is_bert else None
    start = AutoModelForQuestionAnswering, args.model_name_or_path, implementation
    return load_checkpoint(*start, overrides, args.hub)


def settle_lengths(args: DataArguments, tokenizer, model) -> tuple[int, int]:
    """Tokens of a window, and of the overlap of two; the first is saved with the tokenizer, for the pipelines."""
    length = min(args.max_seq_length, position_limit(model) or args.max_seq_length)
    tokenizer.model_max_length = length
    return length, length // 3 if args.doc_stride is None else args.doc_stride


def encode(rows: Dataset, tokenizer, max_length: int, doc_stride: int, with_offsets: bool = True) -> Dataset:
    """Build the features of questions; with offsets (for scoring), the longest first, so that batches have few pads."""
    if len(rows) > 2000:
        datasets.enable_progress_bars()
    options = {"max_length": max_length, "doc_stride": doc_stride, "with_offsets": with_offsets}
    features = rows.map(
        question_features,
        batched=True,
        remove_columns=rows.column_names,
        fn_kwargs={"tokenizer": tokenizer, **options},
        desc="encoding",
    )
    datasets.disable_progress_bars()
    return features.select(longest_first(features)) if with_offsets else features


def score(rows: Dataset, answers: list[FoundAnswer], version_2: bool, interval: bool = False) -> dict:
    """Exact match and F1, in percent."""
    options = {"interval": interval}
    if version_2:
        # The official script takes a probability: any function that grows with the score.
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
    """Build a `Trainer` that scores the answers after every epoch, with our progress lines."""

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
        preprocess_logits_for_metrics=lambda outputs, labels: outputs[:2],  # BART and T5 also return hidden states
    )
    show_progress_lines(trainer)
    return trainer


def choose_answers(rows: Dataset, features: Dataset, logits: tuple, version_2: bool) -> list[FoundAnswer]:
    """Find an answer for each row; under SQuAD v2 none if "no answer" scores above the best span."""
    return find_answers(rows, features, *logits, no_answer_threshold=0.0 if version_2 else None)


def ask(trainer: Trainer, rows: Dataset, features: Dataset, version_2: bool) -> list[FoundAnswer]:
    """Predict the answer to every row."""
    # With labels, `Trainer` would score the rows as if they were the validation split.
    logits = trainer.predict(features.remove_columns(["start_positions", "end_positions"])).predictions
    return choose_answers(rows, features, logits, version_2)


def show_answers(rows: Dataset, answers: list[FoundAnswer]) -> None:
    """Print each question, the answer of the model, whether it is right, and the text."""
    for row, found in zip(rows, answers, strict=True):
        golds = row["answers"]["text"] or [""]
        right = score(Dataset.from_list([row]), [found], version_2=True)["exact"]
        context = textwrap.shorten(row["context"], 110, placeholder=" …")
        print(f"  {'✓' if right else '✗'} {row['question'].strip()}  →  {found.text or '(no answer)'}")
        print(f"      expected: {golds[0] or '(no answer)'}   text: {context}")


def judge(trainer: Trainer, rows: Dataset, features: Dataset, split: str, version_2: bool) -> tuple[dict, dict]:
    """Answer the questions of a split that nothing else uses, and print the scores.

    Returns:
        The scores, as in all_results.json, and id → answer.
    """
    print(f"{split} split: {len(rows):,} questions in {len(features):,} windows", flush=True)
    answers = ask(trainer, rows, features, version_2)
    results = score(rows, answers, version_2, interval=True)
    for name, label in (("exact" if version_2 else "exact_match", "exact match"), ("f1", "F1")):
        low, high = results[f"{name}_interval"]
        print(f"  {label}: {results[name]:.1f} (95 % interval {low:.1f} to {high:.1f})")
    seconds = next(log["train_runtime"] for log in reversed(trainer.state.log_history) if "train_runtime" in log)
    results |= {"split": split, "seed": trainer.args.seed, "train_seconds": seconds}
    return results, {found.id: found.text for found in answers}


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the scores."""
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
    overwrite = bool(checkpoint) or args.overwrite_output_dir
    check_output_folder(args.output_dir, model.config, type(model).__name__, overwrite)
    lengths = settle_lengths(data_args, tokenizer, model)
    base.print_model(model, lengths[0], args.device)
    features = {split: encode(rows, tokenizer, *lengths, split != "train") for split, rows in splits.items()}

    # 3. Training
    trainer = build_trainer(model, tokenizer, splits, features, version_2, args)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()
    save_tokenizer(tokenizer, args.output_dir)

    # 4. Scores of the test split (validation if there is none)
    judged = "test" if "test" in splits else "validation"
    results, predictions = judge(trainer, splits[judged], features[judged], judged, version_2)
    trainer.save_metrics("all", results, combined=False)
    if trainer.is_world_process_zero():
        Path(args.output_dir, "predictions.json").write_text(json.dumps(predictions, ensure_ascii=False), "utf-8")
        plot_training_curve(
            trainer.state.log_history, Path(args.output_dir, "training_curve.png"), trainer.state.best_global_step
        )

    # 5. Three questions
    asked = Dataset.from_list([FRANCE, splits[judged][0], splits[judged][-1]], features=splits[judged].features)
    show_answers(asked, ask(trainer, asked, encode(asked, tokenizer, *lengths), version_2))
    print(f"saved to {args.output_dir}; use it: pipeline('question-answering', {args.output_dir!r})")
    context = ["--context", FRANCE["context"]]
    print(f"try it yourself: {predict_command(args.output_dir, FRANCE['question'], *context)}")
    end_processes()
    return results

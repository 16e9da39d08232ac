"""Fine-tune a text classifier, from scratch or from a checkpoint, and try it in a pipeline.

    python examples/finetune_classifier.py

trains a small MiniBert and its WordPiece vocabulary on the opinions of `examples/data/opinions` (Indonesian and
English, written for this project), offline. It prints the score on sentence frames and topics that train does not have.
On your own data, two or more classes, a text or a pair of texts; several labels of a text, or a number:

    python examples/finetune_classifier.py --train_file train.csv --test_file test.csv --output_dir out/mine
    python examples/finetune_classifier.py --train_file ratings.csv --task regression --label_column_name score
    python examples/finetune_classifier.py --train_file tags.csv --task multi_label --label_column_name joy,fear,anger
    python examples/finetune_classifier.py --dataset_name stanfordnlp/imdb --model_name_or_path bert-base-uncased
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_tiny.args --dataset_name stanfordnlp/imdb
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_lecture.args
    python examples/finetune_classifier.py --recipe examples/recipes/imdb_two_phase.args --output_dir out/two
    python examples/finetune_classifier.py --model_name_or_path out/minigpt --auxiliary_lm_weight 0.5

The lecture's recipe trains our class; `--implementation stock` repeats it with the class of transformers.
`--freeze_epochs` trains the head first. A decoder (MiniGPT) reads `[START] text [EXTRACT]`. The last line adds the
next-token loss of the first GPT, on the training texts or on those of `--unlabelled_file`. The script writes the model
with its code and tokenizer, a model card and all_results.json into `--output_dir`, and takes all arguments of
`transformers.TrainingArguments`.
"""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from datasets import Dataset, DatasetDict
from huggingface_hub import upload_folder
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    pipeline,
    set_seed,
)
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification, WindowedTextClassificationPipeline
from modeling_minibert.data import (
    TASKS,
    add_task_tokens,
    build_causal_examples,
    load_documents,
    load_text_classification,
    tokenize_windows,
)
from modeling_minibert.evaluation import average_by_text, describe_scores, guess_without_reading, score_outputs
from modeling_minibert.training import (
    IMPLEMENTATIONS,
    AnyDeviceArguments,
    AuxiliaryLossTrainer,
    PhasedTrainer,
    UnfreezingArguments,
    check_output_folder,
    end_processes,
    focal_loss,
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
from modeling_minibert.training import script_arguments as base
from tokenization import save_tokenizer, train_tokenizer

OPINIONS = {split: f"{Path(__file__).parent}/data/opinions/{split}.csv" for split in ("train", "validation", "test")}
OURS = ("minibert", "minigpt")
PURPOSES = {"classification": "classify text", "multi_label": "label text", "regression": "rate text with a number"}
GUESSES = {
    "classification": "always guessing the largest class: {majority_accuracy:.1%}",
    "multi_label": "always guessing the commonest set of labels: {majority_accuracy:.1%} accuracy",
    "regression": "always guessing the mean: mean squared error {mean_mse:.4g}",
}
FROM_SCRATCH = "classifier_pooling=mean,word_dropout_prob=0.1"  # suits the small net for the opinions


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=wordpiece,vocab_size=2700,min_frequency=1"
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT or GPT checkpoint as our class, packed; stock: as the class of transformers; none: as "
        "saved",
        metadata={"choices": IMPLEMENTATIONS},
    )


@dataclass
class DataArguments(base.TaskFileArguments):
    """The data to train and test on."""

    task: str = HfArg(
        default="classification",
        help="classification: one class; multi_label: several labels of a text; regression: a number",
        metadata={"choices": list(TASKS)},
    )
    text_column_name: str = HfArg(default="text", help="the column of the text")
    text_pair_column_name: str | None = HfArg(default=None, help="the column of a second text")
    label_column_name: str = HfArg(
        default="label", help="the column of the class or number; for multi_label also several of 0 and 1, as a,b,c"
    )
    label_separator: str | None = HfArg(default=None, help="multi_label: what stands between the names in a cell")
    max_train_samples: int | None = HfArg(
        default=None, help="train on this many texts, drawn at random, each class in proportion"
    )
    max_seq_length: int | None = HfArg(default=None, help="tokens; none: as many as the model reads")
    unlabelled_file: str | None = HfArg(
        default=None, help="text for --auxiliary_lm_weight (txt or as train_file); none: the train texts"
    )
    window_average: bool = HfArg(
        default=False, help="also score long texts by the average over their overlapping windows"
    )


@dataclass
class ClassifierTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this script."""

    output_dir: str = "out/classifier"
    logging_steps: float = 0.1
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(default="macro_f1", help="the validation score that chooses the best epoch")
    auxiliary_lm_weight: float = HfArg(
        default=0.0, help="decoders only: weight of the added next-token loss; the first GPT: 0.5"
    )
    early_stopping_patience: int = HfArg(default=5, help="stop after this many epochs without a better one")
    loss: str = HfArg(
        default="cross_entropy",
        help="focal: texts that the model gets right count less; not for --task regression",
        metadata={"choices": ["cross_entropy", "focal"]},
    )
    focal_gamma: float = HfArg(default=2.0, help="how much less; 0 is cross_entropy")
    auc: bool = HfArg(default=False, help="also report the area under the ROC curve; for --task classification")


def load_splits(args: DataArguments, seed: int) -> tuple[DatasetDict, list[str]]:
    """Load the splits that the arguments name, or the bundled opinions."""
    source = args.dataset_name, args.dataset_config_name, args.files(OPINIONS) or None
    several = args.task == "multi_label" and "," in args.label_column_name
    labels = args.label_column_name.split(",") if several else args.label_column_name
    columns = args.text_column_name, args.text_pair_column_name, labels
    parts = args.validation_fraction, seed, args.max_train_samples
    options = {"task": args.task, "label_separator": args.label_separator, **args.layout}
    splits, names = load_text_classification(*source, *columns, *parts, **options)
    kind = {"classification": "classes", "multi_label": "labels", "regression": "number"}[args.task]
    print(f"data: {base.sizes(splits)}; {kind}: {', '.join(names)}")
    return splits, names


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    if name := checkpoint or args.tokenizer_name or args.model_name_or_path:
        return AutoTokenizer.from_pretrained(name)
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
            AutoModelForSequenceClassification, args.model_name_or_path, args.implementation, overrides, **fields
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


def score_test(trainer: Trainer, test: Dataset, encoded: Dataset, windows: bool, task: str = "classification") -> dict:
    """Score the test split, with bootstrap intervals: in one pass and, if `windows`, averaged over windows."""
    references, options = list(test["label"]), {"interval": True, "auc": trainer.args.auc}
    results = guess_without_reading(references, task)
    results["single_pass"] = score_outputs(predict_in_order(trainer, encoded), references, task, **options)
    if windows:
        texts, tokenizer = list(test["text"]), trainer.processing_class
        encoding, window_to_text = tokenize_windows(tokenizer, texts, tokenizer.model_max_length)
        outputs = predict_in_order(trainer, Dataset.from_dict(dict(encoding)))
        outputs = average_by_text(outputs, window_to_text, TASKS[task])
        results["window_average"] = score_outputs(outputs, references, task, threshold=0.5, **options)
    return results


def show_predictions(folder: str, test: Dataset, labels: list[str], pipeline_task: str, task: str) -> None:
    """Load the saved model into a pipeline, and print its answers to a few texts of each class, or to the first."""
    # The folder has the same pipeline as code, for which transformers would ask for trust_remote_code.
    windowed = WindowedTextClassificationPipeline if pipeline_task == "windowed-text-classification" else None
    classifier = pipeline(pipeline_task, folder, pipeline_class=windowed)
    options = {"truncation": True} if pipeline_task == "sentiment-analysis" else {}
    if task == "classification":
        references = np.array(test["label"])
        rows = [row for label in range(min(len(labels), 5)) for row in np.flatnonzero(references == label)[:3].tolist()]
    else:
        rows = list(range(min(len(test), 8)))
    for row in rows:
        inputs = {key: test[row][key] for key in ("text", "text_pair") if key in test.column_names}
        truth = test[row]["label"]
        text = textwrap.shorten(" | ".join(inputs.values()), 90, placeholder=" …")
        if task == "multi_label":
            found = {answer["label"] for answer in classifier(inputs, top_k=None, **options) if answer["score"] > 0.5}
            expected = {name for name, is_set in zip(labels, truth, strict=True) if is_set}
            print(f"  {'✓' if found == expected else '✗'} {', '.join(sorted(found)) or 'none':>20}   {text}")
            continue
        answer = classifier(inputs, **options)
        if task == "regression":
            print(f"  {answer['score']:8.3g} (in the data {truth:.3g})   {text}")
        else:
            mark = "✓" if answer["label"] == labels[truth] else "✗"
            print(f"  {mark} {answer['label']:>10} {answer['score']:4.0%}   {text}")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    classes = ModelArguments, DataArguments, ClassifierTrainingArguments, UnfreezingArguments
    model_args, data_args, args, unfreezing = base.parse_with_recipe(classes, arguments)
    args.fill_in(model_args.model_name_or_path is None, learning_rate=2e-5)
    if model_args.model_name_or_path is None and unfreezing.freezes:
        raise ValueError("--freeze_epochs, --unfreeze_every and --freeze_word_embeddings are for an encoder that has "
                         "learned something; give a --model_name_or_path")  # fmt: skip
    if data_args.window_average and data_args.text_pair_column_name:
        raise ValueError("--window_average is for single texts; leave it out, or leave out --text_pair_column_name")
    if args.loss == "focal" and (data_args.task == "regression" or args.label_smoothing_factor):
        raise ValueError("--loss focal is for classes without smoothing; leave out --task regression and "
                         "--label_smoothing_factor, or choose --loss cross_entropy")  # fmt: skip
    if args.auc and data_args.task != "classification":
        raise ValueError(f"--auc is for --task classification, not for {data_args.task}; leave it out")
    if data_args.task == "regression" and args.metric_for_best_model == "macro_f1":
        args.metric_for_best_model = "mse"
    if (args.metric_for_best_model or "").removeprefix("eval_") == "mse":
        args.greater_is_better = False
    return model_args, data_args, args, unfreezing


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
    args,
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


def save_companions(
    trainer: Trainer, task: str, purpose: str, labels: list[str], example: dict, scores: dict, training: dict
):
    """Save tokenizer, pipeline, training curve and model card beside the weights."""
    folder, model, tokenizer = trainer.args.output_dir, trainer.model, trainer.processing_class
    if task == "windowed-text-classification":
        pipeline(task, model=model, tokenizer=tokenizer).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    plot_training_curve(trainer.state.log_history, Path(folder) / "training_curve.png")
    write_model_card(
        folder,
        f"A {type(model).__name__} with {model.num_parameters():,} parameters, fine-tuned to {purpose}.",
        labels,
        example if "text_pair" in example else example["text"],
        scores,
        training,
        tokenizer.model_max_length,
        task,
        needs_code=model.config.model_type in OURS,
    )


def main(arguments: list[str] | None = None):
    """Train, score and save, with these flags or those of the command line."""
    # 1. Arguments
    model_args, data_args, args, unfreezing = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model
    splits, labels = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer, labels, data_args.task)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    max_length = base.settle_length(tokenizer, model, data_args.max_seq_length)
    size = f"{model.num_parameters():,} parameters, reads {max_length} tokens"
    print(f"model: {type(model).__name__}, {size}, on {args.device}")
    encoded = encode(splits, tokenizer, max_length)
    unlabelled = load_unlabelled(data_args, tokenizer, max_length)

    # 3. Training
    trainer = build_trainer(model, tokenizer, encoded, unlabelled, args, unfreezing, data_args.task)
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()

    # 4. Score the test split, which nothing else uses
    judged = "test" if "test" in splits else "validation"
    test = splits[judged]
    results = score_test(trainer, test, encoded[judged], data_args.window_average, data_args.task)
    guess = GUESSES[data_args.task].format_map(results)
    print(f"{judged} split ({len(test):,} texts), {guess}")
    scores = describe_scores(results)
    print("\n".join(f"  {name}: {text}" for name, text in scores.items()))

    # 5. Save, and try the saved folder in a pipeline
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
        save_companions(trainer, task, PURPOSES[data_args.task], labels, example, scores, training)
        if args.push_to_hub:
            # trainer.push_to_hub would replace our model card.
            options = {"token": args.hub_token, "ignore_patterns": ["checkpoint-*", "training_args.bin"]}
            upload_folder(repo_id=trainer.hub_model_id, folder_path=args.output_dir, **options)
        show_predictions(args.output_dir, test, labels, task, data_args.task)
        trust = ", trust_remote_code=True" if data_args.window_average else ""
        print(f"saved to {args.output_dir}; use it: pipeline({task!r}, {args.output_dir!r}{trust})")
    end_processes()


if __name__ == "__main__":
    base.run_script(main)

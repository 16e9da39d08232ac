"""Train a tagger, a model that gives every word of a sentence a tag: names of people and places, parts of speech.

Read `main` first. Steps: arguments, sentences, tokenizer and model, windows, training, scores beside simple taggers.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    EarlyStoppingCallback,
    Trainer,
    pipeline,
    set_seed,
)
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data.bundled import bundled_files
from ..data.tag_alignment import WordPlaces, align_tags, continued_tags
from ..data.tagged_files import write_conll
from ..data.tagging_reader import load_token_classification
from ..evaluation.tag_baselines import linear_tagger, most_frequent_tags
from ..evaluation.tag_scores import TaggingMetrics, describe_tag_scores
from ..modeling_minibert import MiniBertForTokenClassification
from . import script_arguments as base
from .arguments import AnyDeviceArguments, parse_options
from .auxiliary_loss import is_causal
from .callbacks import show_progress_lines
from .help_text import predict_command
from .implementation import IMPLEMENTATIONS, load_checkpoint
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .trainers import longest_first
from .training_curves import plot_training_curve

BUNDLED = "entities"  # the bundled sentences that are used where no files are given
SENTENCES = [  # to mark at the end of their training
    "Kemarin Hendra Saputra membeli tiket kereta ke Yogyakarta untuk hari Jumat.",
    "Perpustakaan Universitas Padang dibuka lagi oleh Ratna pada 3 Mei 2024.",
    "Nora Hughes flew from Dublin to Kyoto on Monday to meet her new coach.",
    "Silver Oak Bank lent money to Peter Doyle, a carpenter in North Wales.",
    "Tidak ada kabar baru hari ini.",
]
# Rotary positions let a small net learn neighbours from few sentences; word dropout makes it look at the context.
FROM_SCRATCH = "position_embedding_type=rotary,rotary_base=100,initializer_range=0.08,word_dropout_prob=0.2"


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    # A small vocabulary: the pieces of unknown names are then known, and upper case tells names.
    tokenizer_options: str = "kind=wordpiece,vocab_size=1000,min_frequency=1,lowercase=false"
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT or GPT checkpoint as our class, packed; stock: as the class of transformers; none: as "
        "saved. A decoder does not see the words to the right of a word, and scores lower",
        metadata={"choices": IMPLEMENTATIONS},
    )


@dataclass
class DataArguments(base.TaskFileArguments):
    """The sentences to train and test on."""

    train_file: str | None = HfArg(
        default=None, help="CoNLL (.conll, .conllu, .txt, .tsv, .bio), json lines or parquet"
    )
    tokens_column_name: str = HfArg(default="tokens", help="the column of the words")
    tags_column_name: str | None = HfArg(default=None, help="the column of the tags; none: found by its name")
    tag_column: int | None = HfArg(default=None, help="CoNLL: the number of the column of the tag, from 0; none: last")
    repair_tags: bool = HfArg(default=False, help="write tags that break their scheme as IOB2, with the same entities")
    max_seq_length: int | None = HfArg(default=None, help="tokens of a window; none: as many as the model reads")
    doc_stride: int | None = HfArg(
        default=None, help="tokens that two windows of a long sentence share; none: a third of a window"
    )
    label_all_pieces: bool = HfArg(default=False, help="train on all pieces of a word, not on the first alone")
    baselines: bool = HfArg(default=True, help="also score two simple taggers")


@dataclass
class TaggerTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/tagger"
    do_predict: bool = base.predict_argument("predictions.conll, as always")
    learning_rate: float | None = HfArg(default=None, help="none: 2e-3 from scratch, 5e-5 otherwise")
    per_device_train_batch_size: int = 16
    logging_steps: float = 0.1
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(
        default="f1", help="the validation score that chooses the best epoch; plain tags have macro_f1 for f1"
    )
    early_stopping_patience: int = HfArg(default=5, help="stop after this many epochs without a better one")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, TaggerTrainingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    classes = ModelArguments, DataArguments, TaggerTrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    if args.learning_rate is None:
        args.learning_rate = 2e-3 if model_args.model_name_or_path is None else 5e-5
    args.fill_in(model_args.model_name_or_path is None, args.learning_rate)
    if args.train_sampling_strategy == "group_by_length":
        raise ValueError(
            "--train_sampling_strategy group_by_length shuffles the scored rows too; leave it out: our models compute "
            "nothing for pads"
        )
    return model_args, data_args, args


def load_splits(args: DataArguments, seed: int) -> tuple[DatasetDict, list[str], str]:
    """Load the splits that the arguments name, or the bundled sentences."""
    source = args.dataset_name, args.dataset_config_name, args.files(bundled_files(BUNDLED, "conll")) or None
    columns = args.tokens_column_name, args.tags_column_name, args.tag_column
    parts = args.validation_fraction, seed, args.max_train_samples, args.repair_tags
    splits, labels, scheme = load_token_classification(*source, *columns, *parts, **args.layout)
    args.sample(splits, seed)
    shown = textwrap.shorten(", ".join(labels), 100, placeholder=" …")
    print(f"data: {base.sizes(splits)} sentences; {scheme} tags: {shown}")
    return splits, labels, scheme


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    if tokenizer := args.load_tokenizer(checkpoint):
        return tokenizer
    texts = [" ".join(tokens) for tokens in splits["train"]["tokens"]]
    tokenizer = train_tokenizer(texts, show_progress=len(texts) > 50_000, **parse_options(args.tokenizer_options))
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train sentences")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, labels: list[str]):
    """Load the checkpoint, or build a MiniBert with random weights."""
    fields = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        start = AutoModelForTokenClassification, args.model_name_or_path, args.implementation
        return load_checkpoint(*start, overrides, args.hub, **fields)
    fields |= base.token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(args.preset, **({"attn_implementation": "packed"} | fields))
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForTokenClassification(config)


class Tagging:
    """The sentences of a split, their windows, and the tags that predictions of the windows give.

    Args:
        rows: the sentences.
        labels: names of the tags.
        scheme: of the tags.
        windows, places: from `align_tags`.
    """

    def __init__(self, rows: Dataset, labels: list[str], scheme: str, windows: Dataset, places: WordPlaces):
        self.rows, self.labels, self.scheme, self.windows, self.places = rows, labels, scheme, windows, places
        self.references = [[labels[tag] for tag in tags] for tags in rows["tags"]]
        counts = np.bincount([tag for tags in rows["tags"] for tag in tags], minlength=len(labels))
        self.outside = labels.index("O") if "O" in labels else int(counts.argmax())

    def tags(self, predictions: np.ndarray) -> list[list[str]]:
        """The tags of all words, from the tag ids of the pieces, (windows, L)."""
        chosen = self.places.choose(predictions, self.outside, continued_tags(self.labels))
        return [[self.labels[tag] for tag in tags] for tags in chosen]

    def score(self, tags: list[list[str]], interval: bool = False) -> dict:
        """Score the tags of all words."""
        options = {"scheme": self.scheme, "interval": interval}
        return TaggingMetrics(keep_in_memory=True).compute(predictions=tags, references=self.references, **options)


def encode(args: DataArguments, splits, labels, scheme, tokenizer, model, max_length: int) -> dict[str, Tagging]:
    """Cut the sentences of all splits into windows."""
    encoded = {}
    options = {"label_all_pieces": args.label_all_pieces, "last_piece": is_causal(model)}
    # The pipeline reads it.
    model.config.scored_pieces = "all" if args.label_all_pieces else "last" if options["last_piece"] else "first"
    for split, rows in splits.items():
        windows, places = align_tags(rows, tokenizer, labels, max_length, args.doc_stride, **options)
        if split != "train":  # the longest first, so that batches have few pads
            order = longest_first(windows)
            windows, inverse = windows.select(order), np.argsort(order)
            places.windows = np.where(places.windows >= 0, inverse[places.windows], -1)
        encoded[split] = Tagging(rows, labels, scheme, windows, places)
        if places.lost:
            print(f"{split}: {places.lost} of {len(places.words):,} words have no piece in this vocabulary; their tag "
                  f"is {labels[encoded[split].outside]}")  # fmt: skip
    return encoded


def build_trainer(model, tokenizer, encoded: dict[str, Tagging], args: TaggerTrainingArguments) -> Trainer:
    """Build a `Trainer` that scores words, not pieces, after every epoch."""
    validation = encoded["validation"]
    if validation.scheme == "plain" and args.metric_for_best_model == "f1":
        args.metric_for_best_model = "macro_f1"

    def score(output) -> dict[str, float]:
        scores = validation.score(validation.tags(output.predictions))
        return {name: value for name, value in scores.items() if isinstance(value, float)}

    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=encoded["train"].windows,
        eval_dataset=validation.windows,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=score,
        preprocess_logits_for_metrics=choose_tags,
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.load_best_model_at_end else None,
    )
    show_progress_lines(trainer)
    return trainer


def choose_tags(outputs, labels):
    """The best tag of every piece, (B, L), of the logits (B, L, C)."""
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits.argmax(dim=-1)


def score_simple_taggers(splits: DatasetDict, judged: Tagging) -> dict[str, dict]:
    """Score the two simple taggers, trained on the same sentences."""
    train, test = splits["train"], judged.rows["tokens"]
    tags = [[judged.labels[tag] for tag in row] for row in train["tags"]]
    taggers = {"most_frequent_tag": most_frequent_tags, "linear_model": linear_tagger}
    return {name: judged.score(tagger(train["tokens"], tags, test)) for name, tagger in taggers.items()}


def print_scores(results: dict, scheme: str) -> None:
    """Print the scores of the test, and the main ones beside those of the simple taggers."""
    print("\n".join(f"  {line}" for line in describe_tag_scores(results)))
    names = ("macro_f1", "accuracy") if scheme == "plain" else ("f1", "macro_f1")
    for name, title in (("most_frequent_tag", "most frequent tag of each word"), ("linear_model", "linear model")):
        if name in results["baselines"]:
            shown = ", ".join(f"{score} {100 * results['baselines'][name][score]:.1f}" for score in names)
            print(f"  {title}: {shown}")
    print(f"  this model: {', '.join(f'{score} {100 * results[score]:.1f}' for score in names)}")


def mark_entities(tagger, text: str) -> str:
    """Write a text with its entities in brackets: "[Budi PERSON] works in [Bandung PLACE]"."""
    marked, done = "", 0
    for entity in tagger(text):
        marked += f"{text[done : entity['start']]}[{text[entity['start'] : entity['end']]} {entity['entity_group']}]"
        done = entity["end"]
    return marked + text[done:]


def judge(trainer: Trainer, tagging: Tagging, split: str) -> tuple[dict, list[list[str]]]:
    """Tag a split that nothing else uses: its scores with intervals, and the tags of its words."""
    print(f"{split} split: {len(tagging.rows):,} sentences in {len(tagging.windows):,} windows", flush=True)
    # With labels, `Trainer` would score the windows as if they were the validation split.
    found = tagging.tags(trainer.predict(tagging.windows.remove_columns("labels")).predictions)
    return tagging.score(found, interval=True), found


def show_sentences(folder: str, sentences: Sequence[str]) -> None:
    """Load the saved model into a pipeline, and print sentences with their entities marked."""
    tagger = pipeline("token-classification", folder, aggregation_strategy="first")
    for text in sentences:
        print(f"  {mark_entities(tagger, text)}")
    print(f"saved to {folder}; use it: pipeline('ner', {folder!r}, aggregation_strategy='first')")
    print(f"try it yourself: {predict_command(folder, sentences[0])}")


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save a tagger, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    model_args, data_args, args = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Sentences, tokenizer, model
    splits, labels, scheme = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer, labels)
    overwrite = bool(checkpoint) or args.overwrite_output_dir
    check_output_folder(args.output_dir, model.config, type(model).__name__, overwrite)
    max_length = base.settle_length(tokenizer, model, data_args.max_seq_length)
    base.print_model(model, max_length, args.device)
    encoded = encode(data_args, splits, labels, scheme, tokenizer, model, max_length)

    # 3. Training
    trainer = build_trainer(model, tokenizer, encoded, args)
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()
    save_tokenizer(tokenizer, args.output_dir)

    # 4. Score the test split (validation if there is none)
    split = "test" if "test" in encoded else "validation"
    results, found = judge(trainer, encoded[split], split)
    results["baselines"] = score_simple_taggers(splits, encoded[split]) if data_args.baselines else {}
    print_scores(results, scheme)
    results |= {"split": split, "scheme": scheme, "seed": args.seed, "validation": trainer.state.best_metric}
    results["train_seconds"] = trained.metrics["train_runtime"]
    trainer.save_metrics("all", results, combined=False)

    # 5. Predictions as a file, and the saved folder in a pipeline
    if trainer.is_world_process_zero():
        columns = zip(splits[split]["tokens"], encoded[split].references, found, strict=True)
        write_conll(Path(args.output_dir, "predictions.conll"), list(columns))
        plot_training_curve(
            trainer.state.log_history, Path(args.output_dir, "training_curve.png"), trainer.state.best_global_step
        )
        own = data_args.dataset_name or data_args.train_file
        show_sentences(args.output_dir, [" ".join(row) for row in splits[split]["tokens"][:5]] if own else SENTENCES)
    end_processes()
    return results

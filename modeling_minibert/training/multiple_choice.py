"""Train a model that chooses one of several continuations, an encoder or a decoder.

Read `main` first. Steps: arguments, questions, tokenizer and model, training, scores beside a bag of words.
"""

import textwrap
from dataclasses import dataclass

import numpy as np
import torch
from datasets import DatasetDict
from transformers import AutoModelForMultipleChoice, AutoTokenizer, EarlyStoppingCallback, Trainer, set_seed
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data.bundled import bundled_files
from ..data.multiple_choice import DataCollatorForChoices, encode_choices, load_multiple_choice
from ..data.task_inputs import add_task_tokens
from ..evaluation.multiple_choice import bag_of_words_choices, choice_scores
from ..modeling_minibert import MiniBertForMultipleChoice
from . import script_arguments as base
from .arguments import AnyDeviceArguments, parse_options
from .auxiliary_loss import is_causal
from .callbacks import show_progress_lines
from .implementation import IMPLEMENTATIONS, load_checkpoint
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint, write_predict_results

# Words dropped at random make a small net look at all words of a situation, and not at the first that it has seen.
FROM_SCRATCH = (
    "num_hidden_layers=1,intermediate_size=256,max_position_embeddings=64,scale_embedding=true,initializer_range=0.05,"
    "classifier_pooling=mean,word_dropout_prob=0.3,hidden_dropout_prob=0.2,attention_probs_dropout_prob=0"
)

BUNDLED = "choices"  # the bundled questions that are used where no files are given


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=wordpiece,vocab_size=3000,min_frequency=1"
    implementation: str | None = HfArg(
        default=None,
        help="mini: train a BERT checkpoint as our class, packed; stock: as the class of transformers; none: as saved",
        metadata={"choices": IMPLEMENTATIONS},
    )


@dataclass
class DataArguments(base.TaskFileArguments):
    """The questions to train and test on."""

    context_column_name: str = HfArg(default="context", help="the column of the text that each choice is read with")
    choices_column_name: str = HfArg(
        default="choices", help="the column of the list of choices, or a column for each, as ending0,ending1"
    )
    label_column_name: str = HfArg(default="label", help="the column of the number of the right choice, from 0")
    question_column_name: str | None = HfArg(default=None, help="a text to put in front of every choice")
    max_seq_length: int | None = HfArg(
        default=None, help="tokens of a choice and its context; none: as the model reads"
    )
    baseline: bool = HfArg(default=True, help="also score a bag of words")


@dataclass
class ChoiceTrainingArguments(base.FineTuningRunArguments, AnyDeviceArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/choices"
    do_predict: bool = base.predict_argument("predict_results.txt")
    learning_rate: float | None = HfArg(default=None, help="none: 2e-3 from scratch, 5e-5 otherwise")
    num_train_epochs: float | None = HfArg(default=None, help="none: 14 from scratch, 3 otherwise")
    logging_steps: float = 0.1
    load_best_model_at_end: bool = HfArg(default=True, help="end with the best epoch, not the last")
    metric_for_best_model: str = HfArg(default="accuracy", help="the validation score that chooses the best epoch")
    early_stopping_patience: int = HfArg(default=10, help="stop after this many epochs without a better one")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, ChoiceTrainingArguments]:
    """Read the command line and the file of --recipe, and fill in the defaults that depend on the start."""
    model_args, data_args, args = base.parse_with_recipe(
        (ModelArguments, DataArguments, ChoiceTrainingArguments), arguments
    )
    if model_args.model_name_or_path is None:
        args.learning_rate, args.num_train_epochs = args.learning_rate or 2e-3, args.num_train_epochs or 14
    args.fill_in(model_args.model_name_or_path is None, learning_rate=5e-5)
    return model_args, data_args, args


def load_splits(args: DataArguments, seed: int) -> DatasetDict:
    """Load the splits that the arguments name, or the bundled questions."""
    files = args.files(bundled_files(BUNDLED, "jsonl")) or None
    names = args.choices_column_name.split(",")
    columns = args.context_column_name, names if len(names) > 1 else names[0], args.label_column_name
    parts = args.question_column_name, args.validation_fraction, seed, args.max_train_samples
    source = args.dataset_name, args.dataset_config_name, files
    splits = load_multiple_choice(*source, *columns, *parts, **args.layout)
    args.sample(splits, seed)
    print(f"data: {base.sizes(splits)} questions, {len(splits['train'][0]['choices'])} choices each")
    return splits


def build_tokenizer(args: ModelArguments, splits: DatasetDict, checkpoint: str | None):
    """Load the tokenizer of the checkpoint, or train one on the train split."""
    if tokenizer := args.load_tokenizer(checkpoint):
        return tokenizer
    train = splits["train"]
    texts = [*train["context"], *(option for options in train["choices"] for option in options)]
    tokenizer = train_tokenizer(texts, show_progress=len(texts) > 50_000, **parse_options(args.tokenizer_options))
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} train texts")
    return tokenizer


def build_model(args: ModelArguments, tokenizer):
    """Load the checkpoint, or build a MiniBert with random weights; a decoder gets its task tokens."""
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        model = load_checkpoint(
            AutoModelForMultipleChoice, args.model_name_or_path, args.implementation, overrides, args.hub
        )
        if is_causal(model):
            add_task_tokens(tokenizer, model)
        return model
    fields = base.token_fields(tokenizer, "pad", "mask") | overrides
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
    tokenizer.model_max_length = config.max_position_embeddings
    return MiniBertForMultipleChoice(config)


@torch.no_grad()
def choose(model, tokenizer, context: str, choices: list[str]) -> list[float]:
    """The probability of every choice to follow the context, R numbers that sum to 1."""
    encoding = tokenizer([context] * len(choices), choices, truncation=True, padding=True, return_tensors="pt")
    batch = {name: values[None].to(model.device) for name, values in encoding.items()}
    model.eval()
    return model(**batch).logits[0].softmax(dim=-1).tolist()


def show_choices(folder: str, rows) -> None:
    """Open the saved folder, and print its choice for the first rows."""
    model, tokenizer = AutoModelForMultipleChoice.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for row in rows:
        probabilities = choose(model, tokenizer, row["context"], row["choices"])
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        mark = "✓" if best == row["label"] else "✗"
        text = textwrap.shorten(f"{row['context']} → {row['choices'][best]}", 100, placeholder=" …")
        print(f"  {mark} {probabilities[best]:4.0%}   {text}")


def main(arguments: list[str] | None = None) -> dict:
    """Train, score and save, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    model_args, data_args, args = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Questions, tokenizer, model
    splits = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, checkpoint)
    model = build_model(model_args, tokenizer)
    overwrite = bool(checkpoint) or args.overwrite_output_dir
    check_output_folder(args.output_dir, model.config, type(model).__name__, overwrite)
    max_length = base.settle_length(tokenizer, model, data_args.max_seq_length)
    base.print_model(model, max_length, args.device)
    encoded = {split: encode_choices(rows, tokenizer, max_length) for split, rows in splits.items()}

    # 3. Training
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorForChoices(tokenizer),
        compute_metrics=lambda output: choice_scores(np.asarray(output.predictions), np.asarray(output.label_ids)),
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.load_best_model_at_end else None,
    )
    show_progress_lines(trainer)
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()
    save_tokenizer(tokenizer, args.output_dir)

    # 4. Score the test split (validation if there is none), which nothing else uses
    judged = "test" if "test" in splits else "validation"
    test = splits[judged]
    outputs = np.asarray(trainer.predict(encoded[judged]).predictions)
    results = choice_scores(outputs, test["label"], interval=True)
    low, high = results["accuracy_interval"]
    print(f"{judged} split ({len(test):,} questions), guessing: {1 / len(test[0]['choices']):.1%}")
    print(f"  accuracy {results['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})")
    if data_args.baseline:
        results["bag_of_words"] = choice_scores(
            bag_of_words_choices(splits["train"], test), test["label"], interval=True
        )
        print(f"  bag of words: {results['bag_of_words']['accuracy']:.1%}")
    results |= {"split": judged, "seed": args.seed, "train_seconds": trained.metrics["train_runtime"]}
    trainer.save_metrics("all", results, combined=False)

    # 5. The saved folder at work
    if trainer.is_world_process_zero():
        if args.do_predict:
            write_predict_results(args.output_dir, outputs.argmax(-1))
        show_choices(args.output_dir, test.select(range(min(6, len(test)))))
        print(f"saved to {args.output_dir}; use it: AutoModelForMultipleChoice.from_pretrained({args.output_dir!r})")
    end_processes()
    return results

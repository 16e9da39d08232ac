"""Pretrain a MiniBert on plain text by masked words, with or without sentence pairs.

Read `main` first. Steps: arguments, text, tokenizer, model, examples, training, four blanks that the model fills.
"""

import random
import time
from dataclasses import dataclass

from datasets import Dataset, IterableDataset
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, Trainer, pipeline, set_seed
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_minibert import MiniBertConfig
from ..data import (
    DataCollatorForPretraining,
    StreamedBatches,
    TokenBudgetBatches,
    build_examples,
    load_pretraining_text,
    shuffled_share,
    split_sentences,
)
from ..data.bundled import bundled_files, bundled_recipe
from ..evaluation import NeighbourCounts, count_right, pretraining_scores
from ..modeling_minibert import MiniBertForMaskedLM, MiniBertForPreTraining
from . import script_arguments as base
from .arguments import PackedTrainingArguments, parse_options
from .callbacks import SetEpoch, show_progress_lines
from .help_text import predict_command
from .loss_meter import LossMeter, expected_losses
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .trainers import PackedTrainer
from .word_vectors import count_word_vectors, set_word_vectors

BUNDLED = "stories"  # the bundled text that is used where no files are given, with its recipe.args
TOKENIZER_DOCUMENTS = COUNTED_EXAMPLES = 100_000  # taken from the start of a stream
BLANKS = [
    "Setiap pagi kucing [MASK] di taman.",
    "Saya makan nasi di [MASK].",
    "The cat is sleeping on the [MASK].",
    "Every morning she drinks a cup of [MASK].",
]
# Fixed positions and larger word vectors: on the stories a small model left the unigram plateau three times as early
# as with BERT's two tables of small random numbers. A short training needs no dropout.
FROM_SCRATCH = (
    "position_embedding_type=sinusoidal,scale_embedding=true,initializer_range=0.05,"
    "hidden_dropout_prob=0,attention_probs_dropout_prob=0"
)


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    preset: str = HfArg(default="tiny", help="the MiniBert preset: tiny, mini, small, …")
    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=wordpiece,vocab_size=1500"
    word_vectors: bool = HfArg(default=False, help="start from word vectors counted from the text, not random ones")


@dataclass
class DataArguments(base.TextArguments):
    """The text to train on, and how to mask it."""

    train_split: str = HfArg(default="train", help="split of the data set; several as train+unsupervised")
    leave_out: str | None = HfArg(
        default=None, help="split (for example test) or file whose documents are removed from training"
    )
    objective: str = HfArg(default="mlm", help="mlm: masked words; nsp or sop: and pairs of sentences")
    max_seq_length: int = HfArg(default=64, help="tokens of an example; short ones teach sooner")
    mlm_probability: float = HfArg(
        default=0.2, help="share of the tokens to predict; BERT took 0.15, more teaches sooner"
    )
    whole_words: bool = HfArg(default=False, help="mask whole words")
    streaming: bool = HfArg(default=False, help="read the corpus during training, to save memory; needs --max_steps")


@dataclass
class PretrainingArguments(base.PretrainingRunArguments, PackedTrainingArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/pretrained"
    num_train_epochs: float = 25


def load_text(args: DataArguments, seed: int) -> dict[str, Dataset | IterableDataset]:
    """Load the documents: "train", which may be a stream, and "validation"."""
    files = args.files(bundled_files(BUNDLED, "txt", ("train", "validation")))
    options = args.text_column_name, args.train_split, args.leave_out, args.streaming, seed
    documents = load_pretraining_text(args.dataset_name, files, *options, **args.layout)
    args.sample(documents, seed, ("train", "validation"))
    return documents


def build_tokenizer(
    args: ModelArguments, documents: Dataset | IterableDataset, checkpoint: str | None, max_length: int
):
    """Load the tokenizer of the checkpoint or the one that is named, or train one."""
    if tokenizer := args.load_tokenizer(checkpoint):
        return tokenizer
    streamed = isinstance(documents, IterableDataset)
    texts = [row["text"] for row in documents.take(TOKENIZER_DOCUMENTS)] if streamed else documents["text"]
    tokenizer = train_tokenizer(texts, show_progress=True, **parse_options(args.tokenizer_options))
    tokenizer.model_max_length = max_length
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} documents")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, objective: str, max_length: int):
    """Load the checkpoint, or build a MiniBert with random weights; with a next-sentence head if there are pairs."""
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        packed = {"attn_implementation": "packed"} | overrides
        auto_class = AutoModelForMaskedLM if objective == "mlm" else AutoModelForPreTraining
        model = auto_class.from_pretrained(args.model_name_or_path, **packed, **args.hub)
        base.check_length("max_seq_length", max_length, model.config.max_position_embeddings)
        return model
    fields = base.token_fields(tokenizer, "pad", "mask") | {"max_position_embeddings": max_length} | overrides
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **fields)
    return MiniBertForMaskedLM(config) if objective == "mlm" else MiniBertForPreTraining(config)


def start_from_word_vectors(model, tokenizer, examples: Dataset | IterableDataset, seed: int) -> None:
    """Replace the random word vectors by ones counted from which tokens occur near each other."""
    started = time.monotonic()
    if isinstance(examples, IterableDataset):
        rows = [row["input_ids"] for row in examples.take(COUNTED_EXAMPLES)]
    else:
        rows = examples.with_format("numpy")["input_ids"][:]
    vocab_size, size = model.get_input_embeddings().weight.shape
    print(f"word vectors: counting the neighbours of {vocab_size:,} tokens in {len(rows):,} examples", flush=True)
    known = set_word_vectors(model, count_word_vectors(rows, vocab_size, size, tokenizer.all_special_ids, seed=seed))
    print(f"word vectors: {known:,} tokens have one, after {time.monotonic() - started:.0f} s")


def build_trainer(model, tokenizer, examples: dict[str, Dataset], args: PretrainingArguments, data_args: DataArguments):
    """Build the `Trainer` over packed batches, and print the losses of counting models to compare with."""
    seed = args.seed if args.data_seed is None else args.data_seed
    collator = DataCollatorForPretraining(
        tokenizer, data_args.mlm_probability, data_args.whole_words, seed=seed, flatten=True
    )
    held_out = collator.mask_once(examples["validation"])
    make_batches = StreamedBatches if data_args.streaming else TokenBudgetBatches
    batches = make_batches(examples["train"], data_args.max_tokens, seed)
    trainer = PackedTrainer(
        count=count_right,
        model=model,
        args=args,
        train_dataset=batches,
        eval_dataset=TokenBudgetBatches(held_out, data_args.max_tokens),
        processing_class=tokenizer,
        data_collator=collator,
        compute_metrics=pretraining_scores,
        callbacks=None if data_args.streaming else [SetEpoch(batches, collator)],
    )
    expected = expected_losses(examples["train"], len(tokenizer), tokenizer.all_special_ids)
    print(
        f"a model that only counts would have the masked-word loss {expected['uniform']:.2f} (knows nothing), "
        f"{expected['unigram']:.2f} (how often each token occurs), {expected['bigram']:.2f} (the token before)"
    )
    show_progress_lines(trainer, LossMeter(model, expected))
    return trainer


def score_counts(trainer: Trainer, train: Dataset | IterableDataset, tokenizer) -> dict[str, float]:
    """Score a counting model on the masked tokens of validation, and print its accuracy beside the model's."""
    counts = NeighbourCounts((row["input_ids"] for row in train), tokenizer.all_special_ids)
    accuracy = counts.accuracy(trainer.eval_dataset.dataset)
    if trainer.is_world_process_zero():
        print(f"counting which token stands between two others (a trigram model): masked_accuracy {accuracy:.1%}")
    return {"eval_counted_accuracy": accuracy}


def make_blanks(documents: Dataset, seed: int) -> list[str]:
    """Mask one word in each of three held-out sentences."""
    draw = random.Random(seed)
    sentences = [sentence for text in documents["text"][:50] for sentence in split_sentences(text)]
    sentences = [sentence for sentence in sentences if 6 <= len(sentence.split()) <= 25] or sentences
    blanks = []
    for sentence in draw.sample(sentences, min(3, len(sentences))):
        words = sentence.split()
        blank = draw.randrange(len(words))
        words[blank] = "[MASK]"
        blanks.append(" ".join(words[max(0, blank - 8) : blank + 8]))  # short enough for any model
    return blanks


def fill_blanks(folder: str, blanks: list[str]) -> None:
    """Load the saved model into a stock pipeline and print its guesses."""
    fill = pipeline("fill-mask", folder, top_k=4)
    for blank in blanks:
        guesses = fill(blank.replace("[MASK]", fill.tokenizer.mask_token))
        print(f"  {blank}   " + ", ".join(f"{guess['token_str']} {guess['score']:.0%}" for guess in guesses))
    print(f"saved to {folder}; use it: pipeline('fill-mask', {folder!r})")
    print(f"try it yourself: {predict_command(folder, blanks[0])}")


def parse_arguments(
    arguments: list[str] | None = None,
) -> tuple[ModelArguments, DataArguments, PretrainingArguments]:
    """Read the command line and the file of --recipe, and check what needs no data."""
    classes = ModelArguments, DataArguments, PretrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    if base.is_first_model(model_args, data_args) and data_args.objective == "mlm":
        model_args, data_args, args = base.parse_with_recipe(classes, arguments, bundled_recipe(BUNDLED))
    if data_args.streaming and args.max_steps <= 0:
        raise ValueError("--streaming needs --max_steps: the length of a stream is unknown")
    if model_args.word_vectors and model_args.model_name_or_path:
        raise ValueError(
            f"--word_vectors would replace the word vectors that {model_args.model_name_or_path} has learned; leave "
            "out one of --word_vectors and --model_name_or_path"
        )
    return model_args, data_args, args


def make_examples(documents: dict[str, Dataset | IterableDataset], tokenizer, args: DataArguments, run) -> dict:
    """Build the examples of all splits; a stream is shuffled, and shared among the processes."""
    if args.streaming:
        share = run.process_index, run.world_size, run.data_seed or 0
        documents["train"] = shuffled_share(documents["train"], *share)
    options = args.objective, args.max_seq_length
    examples = {
        split: build_examples(texts, tokenizer, *options, whole_words=args.whole_words)
        for split, texts in documents.items()
    }
    if args.streaming:
        print(f"examples: a stream to train on, {len(examples['validation']):,} validation")
    else:
        print(f"examples: {base.sizes(examples)}, of {len(documents['train']):,} documents")
    return examples


def main(arguments: list[str] | None = None) -> dict:
    """Train, score, save and fill the blanks, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    model_args, data_args, args = parse_arguments(arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model, examples
    documents = load_text(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, documents["train"], checkpoint, data_args.max_seq_length)
    model = build_model(model_args, tokenizer, data_args.objective, data_args.max_seq_length)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    base.print_model(model, None, args.device)
    examples = make_examples(documents, tokenizer, data_args, args)
    if model_args.word_vectors and not checkpoint:
        start_from_word_vectors(model, tokenizer, examples["train"], args.seed)

    # 3. Training
    trainer = build_trainer(model, tokenizer, examples, args, data_args)
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate() | score_counts(trainer, examples["train"], tokenizer)
    trainer.save_metrics("all", scores, combined=False)
    trainer.save_state()
    trainer.save_model()

    # 4. Blanks, filled by the saved folder in a pipeline
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)
        own_text = data_args.dataset_name or data_args.train_file
        fill_blanks(args.output_dir, make_blanks(documents["validation"], args.seed) if own_text else BLANKS)
    end_processes()
    return scores

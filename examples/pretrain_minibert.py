"""Pretrain a MiniBert on plain text: masked words, and where asked which sentence follows; then fill three blanks.

    python examples/pretrain_minibert.py

trains a WordPiece vocabulary and a small model on the stories of `examples/data/stories` (Indonesian and English,
written for this project), offline. On your own text, one document per line, or sentences on lines and a blank line
between documents; or a data set with a column of text:

    python examples/pretrain_minibert.py --train_file corpus.txt --preset mini --output_dir out/mine
    python examples/pretrain_minibert.py --dataset_name stanfordnlp/imdb --train_split train+unsupervised
    python examples/pretrain_minibert.py --train_file part1.txt part2.txt --streaming true --max_steps 100000

The last one reads while it trains, for a corpus beyond memory: see "Past one machine" in examples/README.md.

It writes the model with its code and tokenizer into `--output_dir`; fine-tune it with
`examples/finetune_classifier.py --model_name_or_path out/mine`. A run that was stopped, or killed, goes on with
`--resume_from_checkpoint true` where it was, bit for bit. All arguments of `transformers.TrainingArguments` work as
well, such as `--bf16 true`, which is faster for larger models on a CPU with bfloat16 units.
"""

import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import transformers
from datasets import Dataset, IterableDataset
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    HfArgumentParser,
    pipeline,
    set_seed,
)

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM, MiniBertForPreTraining
from modeling_minibert.data import (
    DataCollatorForPretraining,
    StreamedBatches,
    TokenBudgetBatches,
    build_examples,
    load_pretraining_text,
    shuffled_share,
    split_sentences,
)
from modeling_minibert.evaluation import count_right, pretraining_scores
from modeling_minibert.training import (
    LossMeter,
    PackedTrainer,
    PackedTrainingArguments,
    SetEpoch,
    check_output_folder,
    count_word_vectors,
    end_processes,
    expected_losses,
    last_checkpoint,
    parse_options,
    prepare_cpu,
    set_word_vectors,
    show_progress_lines,
)
from tokenization import save_tokenizer, train_tokenizer

TOKENIZER_DOCUMENTS = COUNTED_EXAMPLES = 100_000  # of a stream, from its start
STORIES = Path(__file__).parent / "data" / "stories"
BLANKS = ["Setiap pagi kucing [MASK] di taman.", "Saya makan nasi di [MASK].", "The cat is sleeping on the [MASK]."]
# On the stories a small model left the unigram plateau three times as early with fixed positions of full size beside
# larger word vectors as with BERT's two tables of small random numbers; and a short training needs no dropout.
EAGER_TO_LEARN = (
    "position_embedding_type=sinusoidal,scale_embedding=true,initializer_range=0.05,"
    "hidden_dropout_prob=0,attention_probs_dropout_prob=0"
)


@dataclass
class ModelArguments:
    """What to train."""

    preset: str = field(default="tiny", metadata={"help": "the MiniBert preset: tiny, mini, small, …"})
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "fields of the configuration to change, as name=value,name=value; from scratch, where nothing is "
            f"given: {EAGER_TO_LEARN}"
        },
    )
    model_name_or_path: str | None = field(default=None, metadata={"help": "a checkpoint to go on with, instead"})
    word_vectors: bool = field(
        default=False, metadata={"help": "begin with word vectors counted from the text, not with random ones"}
    )
    tokenizer_name: str | None = field(default=None, metadata={"help": "a trained tokenizer; none: train one"})
    tokenizer_options: str = field(
        default="kind=wordpiece,vocab_size=1500",
        metadata={"help": "arguments of tokenization.train_tokenizer, as name=value,name=value"},
    )


@dataclass
class DataArguments:
    """What to train it on, and how."""

    dataset_name: str | None = field(default=None, metadata={"help": "a Hub name or a local folder"})
    train_file: list[str] | None = field(
        default=None, metadata={"help": "one or more of a kind: txt, csv, tsv, json lines, parquet"}
    )
    validation_file: str | None = field(default=None, metadata={"help": "none: a hundredth of train is set apart"})
    text_column_name: str = field(default="text", metadata={"help": "the column of the text"})
    train_split: str = field(default="train", metadata={"help": "of the data set; several as train+unsupervised"})
    leave_out: str | None = field(
        default=None, metadata={"help": "leave out documents that also stand in this split, such as test, or file"}
    )
    objective: str = field(default="mlm", metadata={"help": "mlm: masked words; nsp or sop: and pairs of sentences"})
    max_seq_length: int = field(default=64, metadata={"help": "tokens of an example; short ones teach sooner"})
    max_tokens: int = field(default=1024, metadata={"help": "tokens in a batch, on each device"})
    mlm_probability: float = field(
        default=0.2, metadata={"help": "share of the tokens to predict; BERT took 0.15, more teaches sooner"}
    )
    whole_words: bool = field(default=False, metadata={"help": "mask whole words"})
    streaming: bool = field(default=False, metadata={"help": "never hold the corpus in memory; needs --max_steps"})


@dataclass
class PretrainingArguments(PackedTrainingArguments):
    """How to train it: our defaults for some of the library's arguments."""

    output_dir: str = field(default="out/pretrained", metadata={"help": "where everything is saved"})
    learning_rate: float = field(default=2e-3, metadata={"help": "the highest; small models bear large ones"})
    num_train_epochs: float = field(default=25, metadata={"help": "passes over the text"})
    warmup_steps: float = field(default=0.1, metadata={"help": "steps, or below 1 a share of all steps"})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "how the learning rate falls afterwards"})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay"})
    adam_beta2: float = field(default=0.98, metadata={"help": "AdamW's second beta"})
    eval_strategy: str = field(default="steps", metadata={"help": "when to score the held-out text"})
    eval_steps: float = field(default=0.2, metadata={"help": "steps, or below 1 a share of all steps"})
    save_steps: float = field(default=0.2, metadata={"help": "steps, or below 1 a share of all steps"})
    logging_steps: float = field(default=0.05, metadata={"help": "steps, or below 1 a share of all steps"})
    save_total_limit: int = field(default=2, metadata={"help": "checkpoints to keep"})


def load_text(args: DataArguments, seed: int) -> dict[str, Dataset | IterableDataset]:
    """The documents to train on, and some to score; only the former may be a stream."""
    files = {"train": args.train_file, "validation": args.validation_file}
    if not any(files.values()) and not args.dataset_name:
        files = {split: str(STORIES / f"{split}.txt") for split in ("train", "validation")}
    return load_pretraining_text(
        args.dataset_name, files, args.text_column_name, args.train_split, args.leave_out, args.streaming, seed
    )


def build_tokenizer(
    args: ModelArguments, documents: Dataset | IterableDataset, checkpoint: str | None, max_length: int
):
    """Load the tokenizer that is named or that the checkpoint has, or train one."""
    name = checkpoint or args.tokenizer_name or args.model_name_or_path
    if name:
        return AutoTokenizer.from_pretrained(name)
    streamed = isinstance(documents, IterableDataset)
    texts = [row["text"] for row in documents.take(TOKENIZER_DOCUMENTS)] if streamed else documents["text"]
    tokenizer = train_tokenizer(texts, show_progress=True, **parse_options(args.tokenizer_options))
    tokenizer.model_max_length = max_length
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(texts):,} documents")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, objective: str, max_length: int):
    """Random weights, or those of a checkpoint; with a next-sentence head where there are pairs."""
    if args.model_name_or_path:
        auto_class = AutoModelForMaskedLM if objective == "mlm" else AutoModelForPreTraining
        overrides = parse_options(args.config_overrides)
        model = auto_class.from_pretrained(args.model_name_or_path, attn_implementation="packed", **overrides)
        longest = model.config.max_position_embeddings
        if max_length > longest:
            raise ValueError(f"max_seq_length ({max_length}) is more than the {longest} tokens that the model reads")
        return model
    ids = {"pad_token_id": tokenizer.pad_token_id, "mask_token_id": tokenizer.mask_token_id}
    overrides = {"vocab_size": len(tokenizer), "max_position_embeddings": max_length, **ids}
    overrides |= parse_options(EAGER_TO_LEARN if args.config_overrides is None else args.config_overrides)
    config = MiniBertConfig.from_preset(args.preset, attn_implementation="packed", **overrides)
    return MiniBertForMaskedLM(config) if objective == "mlm" else MiniBertForPreTraining(config)


def begin_with_word_vectors(model, tokenizer, examples: Dataset | IterableDataset, seed: int) -> None:
    """Give the model word vectors that know which tokens stand near each other."""
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
    """A `Trainer` over packed batches."""
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


def make_blanks(documents: Dataset, seed: int) -> list[str]:
    """Three held-out sentences with one word of each left out."""
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
    """Load what was saved into a stock pipeline and let it guess."""
    fill = pipeline("fill-mask", folder, top_k=4)
    for blank in blanks:
        guesses = fill(blank.replace("[MASK]", fill.tokenizer.mask_token))
        print(f"  {blank}   " + ", ".join(f"{guess['token_str']} {guess['score']:.0%}" for guess in guesses))


def main():
    """Run the steps that the module describes."""
    # 1. Arguments
    parser = HfArgumentParser((ModelArguments, DataArguments, PretrainingArguments))
    model_args, data_args, args = parser.parse_args_into_dataclasses()
    if data_args.streaming and args.max_steps <= 0:
        raise ValueError("--streaming needs --max_steps: nothing knows how long a stream is")
    if model_args.word_vectors and model_args.model_name_or_path:
        raise ValueError(
            f"--word_vectors would replace what {model_args.model_name_or_path} has learned of its words; leave out "
            "one of --word_vectors and --model_name_or_path"
        )
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model, examples
    documents = load_text(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, documents["train"], checkpoint, data_args.max_seq_length)
    model = build_model(model_args, tokenizer, data_args.objective, data_args.max_seq_length)
    check_output_folder(args.output_dir, model.config)
    print(f"model: {type(model).__name__}, {model.num_parameters():,} parameters, on {args.device}")
    if data_args.streaming:
        documents["train"] = shuffled_share(
            documents["train"], args.process_index, args.world_size, args.data_seed or 0
        )
    examples = {
        split: build_examples(
            texts, tokenizer, data_args.objective, data_args.max_seq_length, whole_words=data_args.whole_words
        )
        for split, texts in documents.items()
    }
    if data_args.streaming:
        print(f"examples: a stream to train on, {len(examples['validation']):,} validation")
    else:
        sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in examples.items())
        print(f"examples: {sizes}, of {len(documents['train']):,} documents")

    if model_args.word_vectors and not checkpoint:
        begin_with_word_vectors(model, tokenizer, examples["train"], args.seed)

    # 3. Training
    trainer = build_trainer(model, tokenizer, examples, args, data_args)
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate()
    trainer.save_metrics("all", scores, combined=False)
    trainer.save_state()
    trainer.save_model()

    # 4. What it has learned
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)
        own_text = data_args.dataset_name or data_args.train_file
        fill_blanks(args.output_dir, make_blanks(documents["validation"], args.seed) if own_text else BLANKS)
        print(f"saved to {args.output_dir}; use it: pipeline('fill-mask', {args.output_dir!r})")
    end_processes()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without some letters prints ? instead of failing
    transformers.logging.disable_progress_bar()
    main()

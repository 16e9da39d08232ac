"""Pretrain a MiniBert on plain text by masked words (and sentence pairs), then fill three blanks.

    python examples/pretrain_minibert.py

trains a WordPiece vocabulary and a small model on the stories of `examples/data/stories` (Indonesian and English,
written for this project), offline. On your own text, one document per line, or sentences on lines and a blank line
between documents; or on a data set with a column of text:

    python examples/pretrain_minibert.py --train_file corpus.txt --preset mini --output_dir out/mine
    python examples/pretrain_minibert.py --dataset_name stanfordnlp/imdb --train_split train+unsupervised
    python examples/pretrain_minibert.py --train_file part1.txt part2.txt --streaming true --max_steps 100000

The last line reads a corpus larger than memory during training: see "Past one machine" in examples/README.md.

The script writes the model with its code and tokenizer into `--output_dir`; fine-tune it with
`examples/finetune_classifier.py --model_name_or_path out/mine`. `--resume_from_checkpoint true` continues a stopped or
killed run and ends with the same weights, bit for bit. All arguments of `transformers.TrainingArguments` work;
`--bf16 true` is faster for larger models on a CPU with bfloat16 units.
"""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, IterableDataset
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    pipeline,
    set_seed,
)
from transformers.hf_argparser import HfArg

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
from modeling_minibert.training import script_arguments as base
from tokenization import save_tokenizer, train_tokenizer

TOKENIZER_DOCUMENTS = COUNTED_EXAMPLES = 100_000  # taken from the start of a stream
STORIES = {split: f"{Path(__file__).parent}/data/stories/{split}.txt" for split in ("train", "validation")}
BLANKS = ["Setiap pagi kucing [MASK] di taman.", "Saya makan nasi di [MASK].", "The cat is sleeping on the [MASK]."]
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
    """Training arguments with the defaults of this script."""

    output_dir: str = "out/pretrained"
    num_train_epochs: float = 25


def load_text(args: DataArguments, seed: int) -> dict[str, Dataset | IterableDataset]:
    """Load the documents: "train", which may be a stream, and "validation"."""
    options = args.text_column_name, args.train_split, args.leave_out, args.streaming, seed
    return load_pretraining_text(args.dataset_name, args.files(STORIES), *options, **args.layout)


def build_tokenizer(
    args: ModelArguments, documents: Dataset | IterableDataset, checkpoint: str | None, max_length: int
):
    """Load the tokenizer of the checkpoint or the one that is named, or train one."""
    if name := checkpoint or args.tokenizer_name or args.model_name_or_path:
        return AutoTokenizer.from_pretrained(name)
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
        auto_class = AutoModelForMaskedLM if objective == "mlm" else AutoModelForPreTraining
        model = auto_class.from_pretrained(args.model_name_or_path, attn_implementation="packed", **overrides)
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


def main():
    """Train, evaluate, save, and fill the blanks."""
    # 1. Arguments
    parser = base.ScriptParser((ModelArguments, DataArguments, PretrainingArguments))
    model_args, data_args, args = parser.parse_args_into_dataclasses()
    if data_args.streaming and args.max_steps <= 0:
        raise ValueError("--streaming needs --max_steps: the length of a stream is unknown")
    if model_args.word_vectors and model_args.model_name_or_path:
        raise ValueError(
            f"--word_vectors would replace the word vectors that {model_args.model_name_or_path} has learned; leave "
            "out one of --word_vectors and --model_name_or_path"
        )
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model, examples
    documents = load_text(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, documents["train"], checkpoint, data_args.max_seq_length)
    model = build_model(model_args, tokenizer, data_args.objective, data_args.max_seq_length)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    print(f"model: {type(model).__name__}, {model.num_parameters():,} parameters, on {args.device}")
    if data_args.streaming:
        documents["train"] = shuffled_share(
            documents["train"], args.process_index, args.world_size, args.data_seed or 0
        )
    options = data_args.objective, data_args.max_seq_length
    examples = {
        split: build_examples(texts, tokenizer, *options, whole_words=data_args.whole_words)
        for split, texts in documents.items()
    }
    if data_args.streaming:
        print(f"examples: a stream to train on, {len(examples['validation']):,} validation")
    else:
        print(f"examples: {base.sizes(examples)}, of {len(documents['train']):,} documents")

    if model_args.word_vectors and not checkpoint:
        start_from_word_vectors(model, tokenizer, examples["train"], args.seed)

    # 3. Training
    trainer = build_trainer(model, tokenizer, examples, args, data_args)
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate()
    trainer.save_metrics("all", scores, combined=False)
    trainer.save_state()
    trainer.save_model()

    # 4. Fill blanks
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)
        own_text = data_args.dataset_name or data_args.train_file
        fill_blanks(args.output_dir, make_blanks(documents["validation"], args.seed) if own_text else BLANKS)
        print(f"saved to {args.output_dir}; use it: pipeline('fill-mask', {args.output_dir!r})")
    end_processes()


if __name__ == "__main__":
    base.run_script(main, datasets_bars=True)

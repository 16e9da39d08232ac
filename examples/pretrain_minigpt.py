"""Train a MiniGPT on plain text, by characters or by pieces of words; then let it write.

    python examples/pretrain_minigpt.py

learns the poem of `examples/data/poem` (Indonesian, written for this project) by heart, offline, in about a minute, and
recites it. On your own text, one document per line, or lines with a blank line between documents; or a data set with a
column of text:

    python examples/pretrain_minigpt.py --train_file book.txt --max_steps 2000 --output_dir out/book
    python examples/pretrain_minigpt.py --dataset_name wikitext --preset mini --max_tokens 4096 --max_steps 20000 \
        --tokenizer_options kind=bpe,vocab_size=8000

Documents end with an end token, and no window of text runs across one into the next. It writes the model with its code
and tokenizer into `--output_dir`; `examples/generate.py` goes on from there. A run that was stopped, or killed, goes on
with `--resume_from_checkpoint true` where it was, bit for bit, and several processes (`torchrun`) train one model. All
arguments of `transformers.TrainingArguments` work as well, such as `--bf16 true`.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, HfArgumentParser, set_seed

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.data import (
    DataCollatorForCausalLM,
    TokenBudgetBatches,
    build_causal_examples,
    load_pretraining_text,
)
from modeling_minibert.evaluation import count_next, language_modeling_scores
from modeling_minibert.limits import check_vocabulary
from modeling_minibert.training import (
    LossMeter,
    PackedTrainer,
    PackedTrainingArguments,
    SetEpoch,
    check_output_folder,
    end_processes,
    expected_losses,
    last_checkpoint,
    parse_options,
    prepare_cpu,
    show_progress_lines,
)
from tokenization import save_tokenizer, train_tokenizer

POEM = Path(__file__).parent / "data" / "poem"
FROM_SCRATCH = "position_embedding_type=rotary"  # the figures of the README are with it
# One token begins and ends every document, as in GPT-2.
SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}


@dataclass
class ModelArguments:
    """What to train."""

    preset: str = field(default="char", metadata={"help": "the MiniGPT preset: char, tiny, mini, gpt2, gpt1, …"})
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "fields of the configuration to change, as name=value,name=value; from scratch, where nothing is "
            f"given: {FROM_SCRATCH}"
        },
    )
    model_name_or_path: str | None = field(default=None, metadata={"help": "a checkpoint to go on with, instead"})
    tokenizer_name: str | None = field(default=None, metadata={"help": "a trained tokenizer; none: train one"})
    tokenizer_options: str = field(
        default="kind=character,lowercase=false",
        metadata={"help": "arguments of tokenization.train_tokenizer, as name=value,name=value"},
    )


@dataclass
class DataArguments:
    """What to train it on, and how."""

    dataset_name: str | None = field(default=None, metadata={"help": "a Hub name or a local folder"})
    train_file: list[str] | None = field(
        default=None, metadata={"help": "one or more of a kind: txt, csv, tsv, json lines, parquet; none: the poem"}
    )
    validation_file: str | None = field(default=None, metadata={"help": "none: a hundredth of train is set apart"})
    text_column_name: str = field(default="text", metadata={"help": "the column of the text"})
    max_seq_length: int = field(default=256, metadata={"help": "tokens of a window: how far the model looks back"})
    max_tokens: int = field(default=1024, metadata={"help": "tokens in a batch, on each device"})
    cross_documents: bool = field(default=False, metadata={"help": "let windows run on into the next document"})
    prompt: str | None = field(default=None, metadata={"help": "what to go on with at the end; none: from the start"})


@dataclass
class PretrainingArguments(PackedTrainingArguments):
    """How to train it: our defaults for some of the library's arguments."""

    output_dir: str = field(default="out/minigpt", metadata={"help": "where everything is saved"})
    max_steps: int = field(default=200, metadata={"help": "updates; -1: as many as num_train_epochs needs"})
    learning_rate: float = field(default=3e-3, metadata={"help": "the highest; small models bear large ones"})
    warmup_steps: float = field(default=0.05, metadata={"help": "steps, or below 1 a share of all steps"})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "how the learning rate falls afterwards"})
    weight_decay: float = field(default=0.1, metadata={"help": "AdamW's weight decay"})
    adam_beta2: float = field(default=0.99, metadata={"help": "AdamW's second beta"})
    eval_strategy: str = field(default="steps", metadata={"help": "when to score the held-out text"})
    eval_steps: float = field(default=0.25, metadata={"help": "steps, or below 1 a share of all steps"})
    save_steps: float = field(default=0.25, metadata={"help": "steps, or below 1 a share of all steps"})
    logging_steps: float = field(default=0.05, metadata={"help": "steps, or below 1 a share of all steps"})
    save_total_limit: int = field(default=2, metadata={"help": "checkpoints to keep"})


def load_text(args: DataArguments, seed: int) -> dict[str, Dataset]:
    """The documents to train on, and some to score. The poem is to be learned by heart, so it is both."""
    files = {"train": args.train_file, "validation": args.validation_file}
    if not any(files.values()) and not args.dataset_name:
        files = {"train": str(POEM / "train.txt"), "validation": str(POEM / "train.txt")}
    return load_pretraining_text(args.dataset_name, files, args.text_column_name, seed=seed)


def build_tokenizer(args: ModelArguments, documents: Dataset, checkpoint: str | None, max_length: int):
    """Load the tokenizer that is named or that the checkpoint has, or train one."""
    name = checkpoint or args.tokenizer_name or args.model_name_or_path
    if name:
        return AutoTokenizer.from_pretrained(name)
    # A prompt begins as every document began, and has no end.
    options = {"special_tokens": SPECIAL_TOKENS, "wrap": "start", **parse_options(args.tokenizer_options)}
    tokenizer = train_tokenizer(documents["text"], show_progress=True, padding_side="left", **options)
    tokenizer.model_max_length = max_length
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(documents):,} documents")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, max_length: int) -> MiniGPTForCausalLM:
    """Random weights, or those of a checkpoint."""
    if args.model_name_or_path:
        overrides = parse_options(args.config_overrides)
        model = AutoModelForCausalLM.from_pretrained(args.model_name_or_path, attn_implementation="packed", **overrides)
        if max_length > model.config.max_position_embeddings and model.config.has_position_limit:
            raise ValueError(
                f"max_seq_length ({max_length}) is more than the {model.config.max_position_embeddings} tokens that "
                f"the model reads"
            )
        check_vocabulary(tokenizer, model.config.vocab_size)
        return model
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": max_length}
    overrides = parse_options(FROM_SCRATCH if args.config_overrides is None else args.config_overrides)
    config = MiniGPTConfig.from_preset(args.preset, attn_implementation="packed", **(ids | sizes | overrides))
    return MiniGPTForCausalLM(config)


def build_trainer(model, tokenizer, examples: dict[str, Dataset], args: PretrainingArguments, max_tokens: int):
    """A `Trainer` over packed batches."""
    seed = args.seed if args.data_seed is None else args.data_seed
    batches = TokenBudgetBatches(examples["train"], max_tokens, seed)
    trainer = PackedTrainer(
        count=count_next,
        model=model,
        args=args,
        train_dataset=batches,
        eval_dataset=TokenBudgetBatches(examples["validation"], max_tokens),
        processing_class=tokenizer,
        data_collator=DataCollatorForCausalLM(),
        compute_metrics=language_modeling_scores,
        callbacks=[SetEpoch(batches)],
    )
    expected = expected_losses(examples["train"], len(tokenizer), tokenizer.all_special_ids)
    print(
        f"a model that only counts would have the loss {expected['uniform']:.2f} (knows nothing), "
        f"{expected['unigram']:.2f} (how often each token occurs), {expected['bigram']:.2f} (the token before)"
    )
    show_progress_lines(trainer, LossMeter(model, expected, objective="clm"))
    return trainer


def check_prompt(tokenizer, prompt: str | None, positions: int) -> None:
    """Raise a ValueError, before the training, for a prompt that `write` could not go on with."""
    tokens = len(tokenizer(prompt or "")["input_ids"])
    if not tokens:
        raise ValueError("the tokenizer begins no text with a token of its own; give a --prompt to go on with")
    if tokens >= positions:
        raise ValueError(
            f"the prompt has {tokens} tokens, and the model reads {positions} in all, the new ones included; shorten it"
        )


@torch.no_grad()
def write(folder: str, prompt: str | None) -> str:
    """Load what was saved, and let it go on with the prompt to the end of the text, or as far as it reads."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt or "", return_tensors="pt")["input_ids"].long()
    output = model.generate(ids, max_length=model.config.max_position_embeddings, do_sample=True, temperature=0.8)
    return tokenizer.decode(output[0], skip_special_tokens=True)


def main():
    """Run the steps that the module describes."""
    # 1. Arguments
    parser = HfArgumentParser((ModelArguments, DataArguments, PretrainingArguments))
    model_args, data_args, args = parser.parse_args_into_dataclasses()
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model, examples
    length = data_args.max_seq_length
    documents = load_text(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, documents["train"], checkpoint, length)
    model = build_model(model_args, tokenizer, length)
    check_prompt(tokenizer, data_args.prompt, model.config.max_position_embeddings)
    check_output_folder(args.output_dir, model.config)
    print(f"model: {type(model).__name__}, {model.num_parameters():,} parameters, on {args.device}")
    examples = {
        split: build_causal_examples(texts, tokenizer, length, data_args.cross_documents)
        for split, texts in documents.items()
    }
    print(f"windows: {', '.join(f'{len(rows):,} {name}' for name, rows in examples.items())}")

    # 3. Training
    trainer = build_trainer(model, tokenizer, examples, args, data_args.max_tokens)
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_metrics("all", trainer.evaluate(), combined=False)
    trainer.save_state()
    trainer.save_model()

    # 4. What it writes
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)
        print("\n" + write(args.output_dir, data_args.prompt) + "\n")
        print(f"saved to {args.output_dir}; go on: python examples/generate.py --model_name_or_path {args.output_dir}")
    end_processes()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without some letters prints ? instead of failing
    transformers.logging.disable_progress_bar()
    main()

"""Pretrain a MiniGPT on plain text, by characters or pieces of words.

Read `main` first. Steps: arguments, text, tokenizer, model, windows, training, a text that the model writes.
"""

from dataclasses import dataclass

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer, train_tokenizer

from ..configuration_minigpt import MiniGPTConfig
from ..data import DataCollatorForCausalLM, TokenBudgetBatches, build_causal_examples, load_pretraining_text
from ..data.bundled import bundled_path
from ..evaluation import count_next, language_modeling_scores
from ..limits import check_vocabulary
from ..modeling_minigpt import MiniGPTForCausalLM
from . import script_arguments as base
from .arguments import PackedTrainingArguments, parse_options
from .callbacks import SetEpoch, show_progress_lines
from .help_text import predict_command
from .loss_meter import LossMeter, expected_losses
from .machine import end_processes, prepare_cpu
from .output_folder import check_output_folder, last_checkpoint
from .trainers import PackedTrainer

BUNDLED = ("poem", "train.txt")  # the bundled text that is used where no files are given
FROM_SCRATCH = "position_embedding_type=rotary"  # as for the figures of the README
# One token begins and ends every document, as in GPT-2.
SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}


@dataclass
class ModelArguments(base.CheckpointArguments):
    """The model to train."""

    preset: str = HfArg(default="char", help="the MiniGPT preset: char, tiny, mini, gpt2, gpt1, …")
    config_overrides: str | None = base.overrides_argument(FROM_SCRATCH)
    tokenizer_name: str | None = base.tokenizer_argument()
    tokenizer_options: str = "kind=character,lowercase=false"


@dataclass
class DataArguments(base.TextArguments):
    """The text to train on."""

    max_seq_length: int = HfArg(default=256, help="tokens of a window: how far the model looks back")
    cross_documents: bool = HfArg(default=False, help="let a window run on into the next document")
    prompt: str | None = HfArg(default=None, help="text to continue at the end; none: start a new document")


@dataclass
class PretrainingArguments(base.PretrainingRunArguments, PackedTrainingArguments):
    """Training arguments with the defaults of this command."""

    output_dir: str = "out/minigpt"
    max_steps: int = HfArg(default=200, help="updates; -1: as many as num_train_epochs needs")
    learning_rate: float = 3e-3
    warmup_steps: float = 0.05
    weight_decay: float = 0.1
    adam_beta2: float = 0.99
    eval_steps: float = 0.25
    save_steps: float = 0.25


def load_text(args: DataArguments, seed: int) -> dict[str, Dataset]:
    """Load the documents to train on and to score; the poem is learned by heart, so it is both."""
    files = args.files(dict.fromkeys(("train", "validation"), str(bundled_path(*BUNDLED))))
    documents = load_pretraining_text(args.dataset_name, files, args.text_column_name, seed=seed, **args.layout)
    args.sample(documents, seed, ("train", "validation"))
    return documents


def build_tokenizer(args: ModelArguments, documents: Dataset, checkpoint: str | None, max_length: int):
    """Load the tokenizer of the checkpoint or the one that is named, or train one."""
    if tokenizer := args.load_tokenizer(checkpoint):
        return tokenizer
    # A prompt begins like a document, with the start token, and has no end token.
    options = {"special_tokens": SPECIAL_TOKENS, "wrap": "start", **parse_options(args.tokenizer_options)}
    tokenizer = train_tokenizer(documents["text"], show_progress=True, padding_side="left", **options)
    tokenizer.model_max_length = max_length
    print(f"tokenizer: {len(tokenizer):,} tokens learned from {len(documents):,} documents")
    return tokenizer


def build_model(args: ModelArguments, tokenizer, max_length: int) -> MiniGPTForCausalLM:
    """Load the checkpoint, or build a MiniGPT with random weights."""
    overrides = args.parse_overrides(FROM_SCRATCH)
    if args.model_name_or_path:
        packed = {"attn_implementation": "packed"} | overrides
        model = AutoModelForCausalLM.from_pretrained(args.model_name_or_path, **packed, **args.hub)
        limit = model.config.max_position_embeddings if model.config.has_position_limit else None
        base.check_length("max_seq_length", max_length, limit)
        check_vocabulary(tokenizer, model.config.vocab_size)
        return model
    fields = base.token_fields(tokenizer, "pad", "bos", "eos") | {"max_position_embeddings": max_length} | overrides
    return MiniGPTForCausalLM(MiniGPTConfig.from_preset(args.preset, attn_implementation="packed", **fields))


def build_trainer(model, tokenizer, examples: dict[str, Dataset], args: PretrainingArguments, max_tokens: int):
    """Build the `Trainer` over packed batches, and print the losses of counting models to compare with."""
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
    """Raise a ValueError, before training, if `write` cannot continue the prompt."""
    tokens = len(tokenizer(prompt or "")["input_ids"])
    if not tokens:
        raise ValueError("the tokenizer has no start token, so there is nothing to continue; give a --prompt")
    if tokens >= positions:
        raise ValueError(
            f"the prompt has {tokens} tokens, and the model reads {positions} with the new ones included; shorten it"
        )


@torch.no_grad()
def write(folder: str, prompt: str | None) -> str:
    """Load the saved model and continue the prompt to the end token or to the last position of the model."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt or "", return_tensors="pt")["input_ids"].long()
    output = model.generate(ids, max_length=model.config.max_position_embeddings, do_sample=True, temperature=0.8)
    return tokenizer.decode(output[0], skip_special_tokens=True).removeprefix(" ")


def main(arguments: list[str] | None = None) -> dict:
    """Train, score, save and let the model write, with these flags or those of the command line; return the scores."""
    # 1. Arguments
    classes = ModelArguments, DataArguments, PretrainingArguments
    model_args, data_args, args = base.parse_with_recipe(classes, arguments)
    checkpoint = last_checkpoint(args.output_dir, args.resume_from_checkpoint)
    set_seed(args.seed)
    prepare_cpu()

    # 2. Text, tokenizer, model, examples
    length = data_args.max_seq_length
    documents = load_text(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, documents["train"], checkpoint, length)
    model = build_model(model_args, tokenizer, length)
    check_prompt(tokenizer, data_args.prompt, model.config.max_position_embeddings)
    check_output_folder(args.output_dir, model.config, overwrite=bool(checkpoint) or args.overwrite_output_dir)
    base.print_model(model, None, args.device)
    examples = {
        split: build_causal_examples(texts, tokenizer, length, data_args.cross_documents)
        for split, texts in documents.items()
    }
    print(f"windows: {base.sizes(examples)}")

    # 3. Training
    trainer = build_trainer(model, tokenizer, examples, args, data_args.max_tokens)
    trainer.train(resume_from_checkpoint=checkpoint)
    scores = trainer.evaluate()
    trainer.save_metrics("all", scores, combined=False)
    trainer.save_state()
    trainer.save_model()

    # 4. Write
    if trainer.is_world_process_zero():
        save_tokenizer(tokenizer, args.output_dir)
        print("\n" + write(args.output_dir, data_args.prompt) + "\n")
        if data_args.uses_bundled:
            print("it knows this poem by heart and nothing else; --train_file your.txt gives it text of your own")
        print(f"saved to {args.output_dir}; use it: pipeline('text-generation', {args.output_dir!r})")
        beginning = " ".join(documents["validation"]["text"][0].split()[:2])
        print(f"try it yourself: {predict_command(args.output_dir, data_args.prompt or beginning)}")
    end_processes()
    return scores

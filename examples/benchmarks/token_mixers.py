"""Measure loss, speed and memory of a MiniGPT with each token mixer, at several lengths.

    python examples/benchmarks/token_mixers.py                                  the bundled stories, 64 to 4,096 tokens
    python examples/benchmarks/token_mixers.py --lengths 64 256 --steps 20      a first look
    python examples/benchmarks/token_mixers.py --train_file corpus.txt --validation_file held_out.txt

A model of characters (2 layers, 64 wide, 4 heads) is trained with each mixer, for the same steps on the same windows;
a step has the same number of tokens at every length. The table shows the validation loss in nats per character, in
windows of that length; the training speed; the time for one more token near the end of a window; and the memory that
training adds, measured in a new process. One thread, CPU time, one step of each mixer in turn, medians. After so few
steps the losses show how fast each mixer starts to learn, not where it ends.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from interleaved import measure, memory_above, peak_memory
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.configuration_common import shape
from tokenization.console import prepare_console

STORIES = Path(__file__).parents[1] / "data" / "stories"
MIXERS = ("attention", "aft_full", "aft_simple", "linear")
NEW_TOKENS = 8  # tokens of one measurement of decoding
DECODING_ROUNDS = 5
VALIDATION_TOKENS = 8192  # at least the longest window
UNKNOWN = 0  # the id of a character that the train text does not have


@dataclass
class MixerArguments:
    """The lengths to measure, and the text."""

    lengths: list[int] = HfArg(default_factory=lambda: [64, 256, 1024, 4096], help="tokens in a window")
    steps: int = HfArg(default=60, help="training steps of every model")
    tokens_per_step: int = HfArg(default=4096, help="tokens of all windows of a step together")
    train_file: str = HfArg(default=str(STORIES / "train.txt"), help="text to learn")
    validation_file: str = HfArg(default=str(STORIES / "validation.txt"), help="text for the loss")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")
    memory_of: str | None = HfArg(default=None, help="print only the memory (MiB) of this mixer:length")


def main():
    """Measure each length and print its table; then write the numbers."""
    args = HfArgumentParser(MixerArguments).parse_args_into_dataclasses()[0]
    check(args)
    torch.set_num_threads(1)
    train, validation, vocab_size = read_texts(args)
    if args.memory_of:
        mixer, length = args.memory_of.split(":")
        print(memory_above(lambda: build_training(build_model(mixer, int(length), vocab_size), train, args)))
        return
    print(
        f"{args.steps} steps of {args.tokens_per_step:,} characters, {vocab_size} different ones; CPU time of 1 thread"
    )
    numbers = {}
    for length in args.lengths:
        numbers[length] = compare(length, train, validation, vocab_size, args)
        print_table(length, numbers[length])
    if args.output_file:
        results = {"steps": args.steps, "tokens_per_step": args.tokens_per_step, "lengths": numbers}
        Path(args.output_file).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def check(args: MixerArguments) -> None:
    """Raise a ValueError if a length is too short or too long to measure, or there are too few steps."""
    least = (DECODING_ROUNDS + 1) * NEW_TOKENS + 1
    most = min(args.tokens_per_step, VALIDATION_TOKENS)
    wrong = [length for length in args.lengths if not least <= length <= most]
    if wrong:
        raise ValueError(
            f"lengths {wrong} are not between {least} (needed for decoding) and {most} (the tokens of a step or of the "
            "validation text)"
        )
    if args.steps < 2:
        raise ValueError(f"steps ({args.steps}) must be at least 2: the first one is not timed")


def read_texts(args: MixerArguments) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Read both texts as ids of characters (characters,), and count the different ids."""
    train, validation = (Path(path).read_text(encoding="utf-8") for path in (args.train_file, args.validation_file))
    ids = {character: number for number, character in enumerate(sorted(set(train)), start=UNKNOWN + 1)}
    encode = [torch.tensor([ids.get(character, UNKNOWN) for character in text]) for text in (train, validation)]
    for path, text in zip((args.train_file, args.validation_file), encode, strict=True):
        if len(text) <= max(args.lengths):
            raise ValueError(f"{path} has {len(text)} characters; a window of {max(args.lengths)} needs more")
    return *encode, len(ids) + 1


def build_model(mixer: str, length: int, vocab_size: int) -> MiniGPTForCausalLM:
    """Build a model of two layers for windows of `length` tokens; equal parts have equal initial weights."""
    torch.manual_seed(0)
    sizes = {**shape(2, 64, 4), "vocab_size": vocab_size, "max_position_embeddings": length}
    return MiniGPTForCausalLM(MiniGPTConfig(**sizes, token_mixer=mixer, hidden_dropout_prob=0.0))


def build_training(model: MiniGPTForCausalLM, text: torch.Tensor, args: MixerArguments) -> Callable[[], int]:
    """Build a training step; each call draws the next windows, the same for every mixer, and returns their tokens."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=3e-3, weight_decay=0.0)
    length, generator = model.config.max_position_embeddings, torch.Generator().manual_seed(1)

    def step() -> int:
        starts = torch.randint(len(text) - length, (args.tokens_per_step // length,), generator=generator)
        windows = torch.stack([text[start : start + length] for start in starts.tolist()])
        model(windows, labels=windows, return_logits=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return windows.numel()

    return step


@torch.no_grad()
def build_decoding(model: MiniGPTForCausalLM, text: torch.Tensor) -> Callable[[], int]:
    """Read most of a window; build a step that writes NEW_TOKENS one by one and returns their number."""
    prompt = model.config.max_position_embeddings - (DECODING_ROUNDS + 1) * NEW_TOKENS
    outputs = model(text[None, :prompt], use_cache=True, logits_to_keep=1)
    cache, token = outputs.past_key_values, outputs.logits.argmax(dim=-1)

    @torch.no_grad()
    def step() -> int:
        nonlocal token
        for _ in range(NEW_TOKENS):
            token = model(token, past_key_values=cache, use_cache=True).logits.argmax(dim=-1)
        return NEW_TOKENS

    return step


@torch.no_grad()
def validation_loss(model: MiniGPTForCausalLM, text: torch.Tensor) -> float:
    """Loss in nats per character over the first windows of the text."""
    length = model.config.max_position_embeddings
    tokens = min(len(text), VALIDATION_TOKENS) // length * length
    windows = text[:tokens].view(-1, length)
    losses = [model(row[None], labels=row[None]).loss for row in windows]
    return float(torch.stack(losses).mean())


def compare(length: int, train: torch.Tensor, validation: torch.Tensor, vocab_size: int, args: MixerArguments) -> dict:
    """Measure each mixer at one length."""
    models = {mixer: build_model(mixer, length, vocab_size) for mixer in MIXERS}
    steps = {mixer: build_training(model, train, args) for mixer, model in models.items()}
    training = measure(steps, args.steps - 1, warmup=1)
    for model in models.values():
        model.eval()
    decoding = measure({mixer: build_decoding(model, train) for mixer, model in models.items()}, DECODING_ROUNDS)
    return {
        mixer: {
            "loss": validation_loss(model, validation),
            "tokens_per_second": median(training[mixer]),
            "ms_per_new_token": 1000 / median(decoding[mixer]),
            "training_memory_mib": peak_memory([*sys.argv, "--memory_of", f"{mixer}:{length}"]),
        }
        for mixer, model in models.items()
    }


def print_table(length: int, numbers: dict) -> None:
    """Print a line per mixer; speeds also as multiples of attention's."""
    print(f"\n{length:,} tokens    nats/character   training, characters/s    ms per new token   training memory")
    base = numbers["attention"]
    for mixer, row in numbers.items():
        speed, time = row["tokens_per_second"], row["ms_per_new_token"]
        print(
            f"  {mixer:12} {row['loss']:12.3f} {speed:16,.0f} {speed / base['tokens_per_second']:6.2f}x"
            f" {time:12.2f} {base['ms_per_new_token'] / time:6.2f}x {row['training_memory_mib']:12,.0f} MiB"
        )


if __name__ == "__main__":
    prepare_console()
    main()

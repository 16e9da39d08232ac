"""Measure training steps: draw sequences, batch them in four ways, time the steps, print the table.

All variants get the same sequences and the same initial weights. Start with `run`, which pretraining.py, finetuning.py
and causal_lm.py call.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import torch
from interleaved import measure, memory_above, peak_memory, report
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from modeling_minibert.data.flat_batches import FlatRows
from modeling_minibert.training import prepare_cpu

LONGEST = 512
BATCHES = 3  # one measurement runs all three, as their lengths differ


class Variant(NamedTuple):
    """A variant of training; `batching` is "padded to 512", "padded to the longest", "alike lengths" or "packed"."""

    ours: bool
    batching: str
    bf16: bool = False
    fused: bool = False
    dropout: float = 0.1


OURS = {
    "ours, float32, dropout 0.1": Variant(True, "packed", fused=True),
    "ours, float32": Variant(True, "packed", fused=True, dropout=0.0),
    "ours, bf16, dropout 0.1": Variant(True, "packed", bf16=True, fused=True),
    "ours, bf16": Variant(True, "packed", bf16=True, fused=True, dropout=0.0),
}


class Task(NamedTuple):
    """The model to train; `draw_row(length, vocab_size, generator)` makes a sequence with its labels."""

    name: str
    unit: str  # "tokens" or "sequences", counted per second
    model_class: type  # ours; stock is its twin
    draw_row: Callable[[int, int, torch.Generator], dict]
    max_grad_norm: float | None = None  # gradients are clipped to this norm; None: no clipping


@dataclass
class StepArguments:
    """The sizes to measure."""

    preset: str = HfArg(default="mini", help="size of the model: tiny, mini, …")
    vocab_size: int = HfArg(default=30_522, help="words in the vocabulary")
    batch_size: int = HfArg(default=8, help="sequences per step")
    fixed_length: int | None = HfArg(default=None, help="all sequences this long; none: realistic lengths")
    threads: int = HfArg(default=1, help="1 measures CPU time; more measures wall time")
    rounds: int = HfArg(default=5, help="how often each variant is timed")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")
    memory_of: str | None = HfArg(default=None, help="print only the peak memory (MiB) of this variant")


def run(task: Task, variants: dict[str, Variant], **defaults) -> None:
    """Measure, print and write the numbers, with the arguments of the command line and these defaults."""
    parser = HfArgumentParser(StepArguments)
    parser.set_defaults(**defaults)
    args = parser.parse_args_into_dataclasses()[0]
    torch.set_num_threads(args.threads)
    settings = torch.backends.mkldnn.matmul
    default = settings.fp32_precision
    prepare_cpu()
    # The faster float32 setting is part of our training, not of stock's.
    float32 = {True: settings.fp32_precision, False: default}
    if args.memory_of:
        print(memory_above(lambda: build_step(task, variants[args.memory_of], args)))
        return
    if args.fixed_length:
        variants = without_repetitions(variants)

    def all_batches(variant):
        step = build_step(task, variant, args)

        def take_all() -> int:
            settings.fp32_precision = float32[variant.ours]
            return sum(step() for _ in range(BATCHES))

        return take_all

    steps = {name: all_batches(variant) for name, variant in variants.items()}
    rates = measure(steps, args.rounds)
    memory = {name: peak_memory([*sys.argv, "--memory_of", name]) for name in variants}
    lengths = f"{args.fixed_length} tokens each" if args.fixed_length else "log-normal lengths, mean 230"
    title = f"{task.name}, {args.preset}, vocabulary {args.vocab_size:,}, {args.batch_size} sequences a step, {lengths}"
    numbers = report(f"\n{title}", task.unit, rates, memory)
    kernels = "oneDNN, as exact as the default" if float32[True] != default else "torch's default, as stock's"
    print(f"our float32 matrix products: {kernels} (training/machine.py)")
    if args.output_file:
        Path(args.output_file).write_text(
            json.dumps({"benchmark": title, "variants": numbers}, indent=1) + "\n", encoding="utf-8"
        )


def without_repetitions(variants: dict[str, Variant]) -> dict[str, Variant]:
    """Drop variants that differ only in batching, which makes no difference for sequences of one length."""
    kept = {}
    for name, variant in variants.items():
        kept.setdefault(variant._replace(batching=""), (name, variant))
    return dict(kept.values())


def build_step(task: Task, variant: Variant, args: StepArguments) -> Callable[[], int]:
    """Build a training step; each call takes the next batch and returns its number of real tokens or sequences."""
    torch.manual_seed(0)
    dropouts = {"hidden_dropout_prob": variant.dropout, "attention_probs_dropout_prob": variant.dropout}
    sizes = {"vocab_size": args.vocab_size, **dropouts}
    model = task.model_class(task.model_class.config_class.from_preset(args.preset, **sizes))
    if variant.ours:
        model.set_attn_implementation("packed")
    else:
        model = model.to_stock()
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, **({"fused": True} if variant.fused else {}))
    batches = cycle(make_batches(task, variant.batching, args))

    def step() -> int:
        batch, units = next(batches)
        if variant.ours:  # as `Trainer` does; the loss is then computed without all logits
            batch = batch | {"num_items_in_batch": (batch["labels"] != -100).sum()}
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant.bf16):
            loss = model(**batch).loss
        loss.backward()
        if task.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), task.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        return units

    return step


def make_batches(task: Task, batching: str, args: StepArguments) -> list[tuple[dict, int]]:
    """Batch the sequences, the same for every variant; each batch comes with its number of units."""
    generator = torch.Generator().manual_seed(1)
    lengths = draw_lengths(BATCHES * args.batch_size, args.fixed_length, generator)
    rows = [task.draw_row(length, args.vocab_size, generator) for length in lengths]
    if batching in ("alike lengths", "packed"):
        rows.sort(key=lambda row: len(row["input_ids"]))
    batches = []
    for start in range(0, len(rows), args.batch_size):
        flat = FlatRows.of(rows[start : start + args.batch_size])
        if batching == "packed":
            batch = flat.flatten()
        else:
            length = (args.fixed_length or LONGEST) if batching == "padded to 512" else None
            batch = flat.pad({"labels": -100}, multiple_of=length)
        batches.append((batch, int(flat.lengths.sum()) if task.unit == "tokens" else len(flat.lengths)))
    return batches


def draw_lengths(count: int, fixed: int | None, generator: torch.Generator) -> list[int]:
    """Draw lengths of documents: log-normal, mean 230, spread 0.6, within 16 and 512."""
    if fixed:
        return [fixed] * count
    spread = 0.6
    location = torch.tensor(230.0).log() - spread**2 / 2
    lengths = torch.exp(location + spread * torch.randn(count, generator=generator))
    return lengths.round().clamp(16, LONGEST).int().tolist()


def draw_ids(length: int, vocab_size: int, generator: torch.Generator) -> list[int]:
    """Draw random tokens that are not special."""
    return torch.randint(5, vocab_size, (length,), generator=generator).tolist()

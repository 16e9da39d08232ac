"""How fast is a pretraining step, against stock BERT of transformers?

    python examples/benchmarks/pretraining.py                                   mini, 30,522 words, realistic lengths
    python examples/benchmarks/pretraining.py --preset tiny --fixed_length 128
    python examples/benchmarks/pretraining.py --threads 2 --output_file pretraining.json

Masked LM and next sentence, forward, backward and AdamW, random weights and ids, the same tokens on both sides. The
lengths are log-normal with mean 230, at most 512, as in a corpus of documents (`--fixed_length` for one length
without pads). Stock runs as it comes (padded to 512, float32, dropout 0.1, AdamW) and at its best (batches of alike
lengths, padded to the longest of the batch; fused AdamW; bfloat16). Ours runs packed, with the same dropout and
without. Takes about eight minutes; ends with the ratios and the peak memory of each.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import torch
from interleaved import measure, memory_above, peak_memory, report
from transformers import BertConfig, BertForPreTraining, HfArgumentParser

from modeling_minibert import MiniBertConfig, MiniBertForPreTraining
from modeling_minibert.configuration_minibert import PRESETS
from modeling_minibert.training import use_exact_fast_float32

# name → (ours?, how batches are made, bfloat16, fused AdamW, dropout)
VARIANTS = {
    "stock, as it comes": (False, "padded to 512", False, False, 0.1),
    "stock, alike lengths": (False, "alike lengths", False, False, 0.1),
    "stock, alike lengths, fused AdamW": (False, "alike lengths", False, True, 0.1),
    "stock, alike lengths, fused AdamW, bf16": (False, "alike lengths", True, True, 0.1),
    "ours, float32, dropout 0.1": (True, "packed", False, True, 0.1),
    "ours, float32": (True, "packed", False, True, 0.0),
    "ours, bf16, dropout 0.1": (True, "packed", True, True, 0.1),
    "ours, bf16": (True, "packed", True, True, 0.0),
}


@dataclass
class BenchmarkArguments:
    """What to measure."""

    preset: str = field(default="mini", metadata={"help": "size of the model: tiny, mini, …"})
    vocab_size: int = field(default=30_522, metadata={"help": "words in the vocabulary"})
    batch_size: int = field(default=8, metadata={"help": "sequences per step"})
    fixed_length: int | None = field(
        default=None, metadata={"help": "all sequences this long; none: realistic lengths"}
    )
    threads: int = field(default=1, metadata={"help": "1 measures CPU time; more measures wall time"})
    rounds: int = field(default=5, metadata={"help": "how often each variant is timed"})
    output_file: str | None = field(default=None, metadata={"help": "write the numbers here, as json"})
    memory_of: str | None = field(default=None, metadata={"help": "print only the peak memory (MiB) of this variant"})


def draw_lengths(count: int, fixed: int | None, generator: torch.Generator) -> list[int]:
    """Lengths of documents: log-normal, mean 230, spread 0.6, within 16 and 512."""
    if fixed:
        return [fixed] * count
    spread = 0.6
    location = torch.tensor(230.0).log() - spread**2 / 2
    return torch.exp(location + spread * torch.randn(count, generator=generator)).round().clamp(16, 512).int().tolist()


def draw_batches(args: BenchmarkArguments, kind: str) -> list[dict]:
    """Three batches of the same lengths and ids for every variant; `kind` says how they are put together."""
    generator = torch.Generator().manual_seed(1)
    lengths = draw_lengths(3 * args.batch_size, args.fixed_length, generator)
    sequences = []
    for length in lengths:
        ids = torch.randint(5, args.vocab_size, (length,), generator=generator)
        masked = torch.rand(length, generator=generator) < 0.15
        sequences.append((ids, torch.where(masked, ids, -100)))
    if kind != "padded to 512":
        sequences.sort(key=lambda sequence: len(sequence[0]))
    batches = []
    for start in range(0, len(sequences), args.batch_size):
        batch = sequences[start : start + args.batch_size]
        relation = torch.randint(2, (len(batch),), generator=generator)
        together = pack(batch) if kind == "packed" else pad(batch, args.fixed_length or 512, kind)
        batches.append({**together, "next_sentence_label": relation})
    return batches


def pad(sequences: list[tuple], length: int, kind: str) -> dict:
    """Rows of one length (B, L), with the mask that says what is padding."""
    length = length if kind == "padded to 512" else max(len(ids) for ids, _ in sequences)
    ids, labels = torch.zeros(len(sequences), length, dtype=torch.long), torch.full((len(sequences), length), -100)
    mask = torch.zeros(len(sequences), length, dtype=torch.long)
    for row, (its_ids, its_labels) in enumerate(sequences):
        ids[row, : len(its_ids)], labels[row, : len(its_ids)], mask[row, : len(its_ids)] = its_ids, its_labels, 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def pack(sequences: list[tuple]) -> dict:
    """All sequences in one row (1, T), and where each begins."""
    lengths = torch.tensor([len(ids) for ids, _ in sequences])
    return {
        "input_ids": torch.cat([ids for ids, _ in sequences])[None],
        "labels": torch.cat([labels for _, labels in sequences])[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int(),
        "max_length_q": int(lengths.max()),
    }


def build_step(name: str, args: BenchmarkArguments) -> Callable[[], int]:
    """One training step of a variant; each call takes the next batch and returns its number of real tokens."""
    ours, kind, bf16, fused, dropout = VARIANTS[name]
    torch.manual_seed(0)
    sizes = {**PRESETS[args.preset], "vocab_size": args.vocab_size}
    dropouts = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if ours:
        model = MiniBertForPreTraining(MiniBertConfig(**sizes, **dropouts, attn_implementation="packed"))
    else:
        model = BertForPreTraining(BertConfig(**sizes, **dropouts, attn_implementation="sdpa"))
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, **({"fused": True} if fused else {}))
    batches = cycle([(batch, count_tokens(batch)) for batch in draw_batches(args, kind)])

    def step() -> int:
        batch, tokens = next(batches)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return tokens

    return step


def count_tokens(batch: dict) -> int:
    """Real tokens of a batch, pads left out."""
    return int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()


def main():
    """Measure, print, and write the numbers."""
    args = HfArgumentParser(BenchmarkArguments).parse_args_into_dataclasses()[0]
    torch.set_num_threads(args.threads)
    exact = use_exact_fast_float32()
    if args.memory_of:
        print(memory_above(lambda: build_step(args.memory_of, args)))
        return
    names = [name for name in VARIANTS if not (args.fixed_length and "alike lengths" in name and "fused" not in name)]

    def three(step):  # all three batches are one measurement: the lengths of each differ
        return lambda: sum(step() for _ in range(3))

    rates = measure({name: three(build_step(name, args)) for name in names}, args.rounds)
    memory = {name: peak_memory([*sys.argv, "--memory_of", name]) for name in names}
    lengths = f"{args.fixed_length} tokens each" if args.fixed_length else "log-normal lengths, mean 230"
    title = f"pretraining, {args.preset}, vocabulary {args.vocab_size:,}, {args.batch_size} sequences a step, {lengths}"
    numbers = report(f"\n{title}", "tokens", rates, memory)
    kernels = "oneDNN, as exact as the default" if exact else "torch's default"
    print(f"float32 matrix products of both sides: {kernels} (training/float32.py)")
    if args.output_file:
        Path(args.output_file).write_text(json.dumps({"benchmark": title, "variants": numbers}, indent=1) + "\n")


if __name__ == "__main__":
    main()

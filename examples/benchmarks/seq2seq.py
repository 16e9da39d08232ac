"""Measure the speed of training and beam search in translation, against stock Marian of the same shape.

    python examples/benchmarks/seq2seq.py                     256 wide, 3 + 3 layers, 8,000 words; 32 pairs a step
    python examples/benchmarks/seq2seq.py --hidden_size 512 --layers 6 --batch_size 64
    python examples/benchmarks/seq2seq.py --rounds 9 --output_file seq2seq.json

A training step is forward, backward and AdamW on pairs of random words with the lengths of Multi30k's captions (14
words, standard deviation 5). Stock pads to the longest, as its collator does, and runs with its defaults (float32,
dropout 0.1) and at its best (no dropout, fused AdamW; bfloat16); ours packs the same batches. For writing both sides
call `generate(num_beams=4)`, for one sentence at a time and for all at once. The stock model has the weights of ours,
and the script fails if one token differs. One thread, CPU time. Takes about two minutes; prints target tokens and
sentences per second, and the ratios.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from interleaved import measure, report
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.training import prepare_cpu
from tokenization.console import prepare_console

BATCHES = 3  # one measurement runs all three, as their lengths differ


class Variant(NamedTuple):
    """A variant of training."""

    ours: bool
    bf16: bool = False
    fused: bool = False
    dropout: float = 0.1


VARIANTS = {
    "stock, as it comes": Variant(False),
    "stock, no dropout, fused AdamW": Variant(False, fused=True, dropout=0.0),
    "stock, no dropout, fused AdamW, bf16": Variant(False, bf16=True, fused=True, dropout=0.0),
    "ours, float32, dropout 0.1": Variant(True, fused=True),
    "ours, float32": Variant(True, fused=True, dropout=0.0),
    "ours, bf16, dropout 0.1": Variant(True, bf16=True, fused=True),
    "ours, bf16": Variant(True, bf16=True, fused=True, dropout=0.0),
}


@dataclass
class Seq2SeqBenchmarkArguments:
    """The sizes to measure."""

    hidden_size: int = HfArg(
        default=256, help="width of the model; heads are 64 wide, feed-forward layers 4 times as wide"
    )
    layers: int = HfArg(default=3, help="layers of the encoder, and of the decoder")
    vocab_size: int = HfArg(default=8000, help="words in the shared vocabulary")
    batch_size: int = HfArg(default=32, help="pairs per training step, and sentences to write")
    new_tokens: int = HfArg(default=30, help="tokens written for each sentence")
    rounds: int = HfArg(default=5, help="how often each variant is timed")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")


def main():
    """Measure training and then writing; print and write the numbers."""
    args = HfArgumentParser(Seq2SeqBenchmarkArguments).parse_args_into_dataclasses()[0]
    torch.set_num_threads(1)
    shape = f"{args.hidden_size} wide, {args.layers} + {args.layers} layers, {args.vocab_size:,} words"
    steps = build_training_steps(args)
    title = f"training, {shape}, {args.batch_size} pairs a step"
    results = [{"benchmark": title, "variants": report(f"\n{title}", "target tokens", measure(steps, args.rounds))}]
    for together in (1, args.batch_size):
        steps = build_writing_steps(args, together)
        title = f"4 beams, {shape}, {args.new_tokens} tokens, {together} at once; same tokens"
        results.append({"benchmark": title, "variants": report(f"\n{title}", "sentences", measure(steps, args.rounds))})
    if args.output_file:
        Path(args.output_file).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def build_model(args: Seq2SeqBenchmarkArguments, **fields) -> MiniSeq2SeqForConditionalGeneration:
    """Build our model, with the same weights at every call."""
    torch.manual_seed(0)
    sizes = {"num_encoder_layers": args.layers, "num_decoder_layers": args.layers, "hidden_size": args.hidden_size}
    sizes |= {"num_attention_heads": args.hidden_size // 64, "intermediate_size": 4 * args.hidden_size}
    config = MiniSeq2SeqConfig(vocab_size=args.vocab_size, **sizes, **fields)
    return MiniSeq2SeqForConditionalGeneration(config)


def draw_batches(args: Seq2SeqBenchmarkArguments) -> list[dict[str, torch.Tensor]]:
    """Draw pairs of random words, padded to the longest of each batch."""
    generator = torch.Generator().manual_seed(1)

    def draw_side() -> tuple[torch.Tensor, torch.Tensor]:
        lengths = (14 + 5 * torch.randn(args.batch_size, generator=generator)).round().long().clamp(4, 40)
        real = torch.arange(int(lengths.max())) < lengths[:, None]
        return torch.randint(5, args.vocab_size, real.shape, generator=generator), real

    batches = []
    for _ in range(BATCHES):
        (sources, real), (targets, asked) = draw_side(), draw_side()
        labels = targets.where(asked, -100)
        batches.append({"input_ids": sources * real, "attention_mask": real.long(), "labels": labels})
    return batches


def build_training_steps(args: Seq2SeqBenchmarkArguments) -> dict[str, Callable[[], int]]:
    """Build name → a function that trains on all batches and returns their number of target tokens."""
    settings = torch.backends.mkldnn.matmul
    default = settings.fp32_precision
    prepare_cpu()
    # The faster float32 setting is part of our training, not of stock's.
    float32 = {True: settings.fp32_precision, False: default}
    batches = draw_batches(args)

    def build(variant: Variant) -> Callable[[], int]:
        model = build_model(args, hidden_dropout_prob=variant.dropout)
        if variant.ours:
            model.set_attn_implementation("packed")
        else:
            model = model.to_stock()
        fused = {"fused": True} if variant.fused else {}
        optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, **fused)

        def take_all() -> int:
            settings.fp32_precision = float32[variant.ours]
            for batch in batches:
                if variant.ours:  # as `Trainer` does; the loss is then computed without all logits
                    batch = batch | {"num_items_in_batch": (batch["labels"] != -100).sum()}
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant.bf16):
                    loss = model(**batch).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
            return sum(int((batch["labels"] != -100).sum()) for batch in batches)

        return take_all

    return {name: build(variant) for name, variant in VARIANTS.items()}


def build_writing_steps(args: Seq2SeqBenchmarkArguments, together: int) -> dict[str, Callable[[], int]]:
    """Compare the tokens, and build name → a function that writes for every sentence and returns their number.

    The weights have a standard deviation of 0.06, so that the text does not repeat one word.

    Raises:
        AssertionError: the models write different tokens.
    """
    ours = build_model(args, initializer_range=0.06).eval()
    models = {"stock": ours.to_stock(), "ours": ours}
    batch = draw_batches(args)[0]
    sources = list(zip(batch["input_ids"].split(together), batch["attention_mask"].split(together), strict=True))

    def write(model) -> torch.Tensor:
        length = {"max_new_tokens": args.new_tokens, "min_new_tokens": args.new_tokens}
        written = []
        for ids, mask in sources:
            longest = int(mask.sum(dim=1).max())
            written.append(model.generate(ids[:, :longest], attention_mask=mask[:, :longest], num_beams=4, **length))
        return torch.cat(written)

    stock, mine = (write(model) for model in models.values())
    assert torch.equal(stock, mine), f"{(stock != mine).sum()} of {stock.numel()} tokens differ"
    return {name: lambda model=model: len(write(model)) for name, model in models.items()}


if __name__ == "__main__":
    prepare_console()
    main()

"""Measure the speed of training a causal language model, against stock GPT-2 of transformers.

    python examples/benchmarks/causal_lm.py                     nanoGPT's setting for a CPU: 12 x 64 characters a step
    python examples/benchmarks/causal_lm.py --preset mini --vocab_size 8000 --fixed_length 256 --batch_size 8
    python examples/benchmarks/causal_lm.py --threads 2 --output_file causal_lm.json

A step is forward, backward, gradients clipped at norm 1 and AdamW on the next-token loss, as in nanoGPT; random weights
and ids, the same on both sides, no pads. Stock GPT2LMHeadModel runs with its defaults (float32, dropout 0.1, AdamW) and
at its best (no dropout, fused AdamW; bfloat16). Ours runs packed, with the same dropout and without. Takes a minute;
prints tokens per second, the ratios and the peak memory of each variant.
"""

import torch
from training_steps import OURS, Task, Variant, draw_ids, run

from modeling_minibert import MiniGPTForCausalLM
from tokenization.console import prepare_console

VARIANTS = {
    "stock, as it comes": Variant(False, "padded to the longest"),
    "stock, no dropout, fused AdamW": Variant(False, "padded to the longest", fused=True, dropout=0.0),
    "stock, no dropout, fused AdamW, bf16": Variant(False, "padded to the longest", bf16=True, fused=True, dropout=0.0),
    **OURS,
}


def draw_row(length: int, vocab_size: int, generator: torch.Generator) -> dict:
    """Draw a sequence; its labels are its tokens, which the models shift."""
    ids = draw_ids(length, vocab_size, generator)
    return {"input_ids": ids, "labels": ids}


TASK = Task("causal language model", "tokens", MiniGPTForCausalLM, draw_row, max_grad_norm=1.0)


def main():
    """Measure, print and write the numbers."""
    run(TASK, VARIANTS, preset="char", vocab_size=65, fixed_length=64, batch_size=12)


if __name__ == "__main__":
    prepare_console()
    main()

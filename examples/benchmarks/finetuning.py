"""Measure the speed of fine-tuning a classifier, against stock BERT of transformers.

    python examples/benchmarks/finetuning.py                                    mini, 30,522 words, realistic lengths
    python examples/benchmarks/finetuning.py --preset tiny --vocab_size 8000
    python examples/benchmarks/finetuning.py --threads 2 --output_file finetuning.json

A step is forward, backward and AdamW with two classes, random weights and ids, the same sequences on both sides, with
the lengths of pretraining.py (log-normal, mean 230, at most 512). Stock runs as in most tutorials (every text padded to
512, float32, dropout 0.1, AdamW), padded to the longest of each batch, with batches of similar lengths, and at its best
(also fused AdamW and bfloat16). Ours runs packed, with the same dropout and without. Takes about five minutes; prints
sequences per second, the ratios and the peak memory of each variant.
"""

import torch
from training_steps import OURS, Task, Variant, draw_ids, run

from modeling_minibert import MiniBertForSequenceClassification
from tokenization.console import prepare_console

VARIANTS = {
    "stock, padded to 512": Variant(False, "padded to 512"),
    "stock, padded to the longest": Variant(False, "padded to the longest"),
    "stock, alike lengths": Variant(False, "alike lengths"),
    "stock, alike lengths, fused AdamW, bf16": Variant(False, "alike lengths", bf16=True, fused=True),
    **OURS,
}


def draw_row(length: int, vocab_size: int, generator: torch.Generator) -> dict:
    """Draw a sequence and its class."""
    return {
        "input_ids": draw_ids(length, vocab_size, generator),
        "labels": int(torch.randint(2, (), generator=generator)),
    }


TASK = Task("fine-tuning a classifier", "sequences", MiniBertForSequenceClassification, draw_row)


def main():
    """Measure, print and write the numbers."""
    run(TASK, VARIANTS)


if __name__ == "__main__":
    prepare_console()
    main()

"""Measure the speed of pretraining, against stock BERT of transformers.

    python examples/benchmarks/pretraining.py                                   mini, 30,522 words, realistic lengths
    python examples/benchmarks/pretraining.py --preset tiny --fixed_length 128
    python examples/benchmarks/pretraining.py --threads 2 --output_file pretraining.json

A step is forward, backward and AdamW on masked words and next sentences, with random weights and ids, the same on both
sides. The lengths are log-normal with mean 230, at most 512, as in a corpus of documents (`--fixed_length`: one length
without pads). Stock runs with its defaults (padded to 512, float32, dropout 0.1, AdamW) and at its best (batches of
similar lengths, padded to the longest of the batch; fused AdamW; bfloat16). Ours runs packed, with the same dropout and
without. Takes about eight minutes; prints the ratios and the peak memory of each variant.
"""

import torch
from training_steps import OURS, Task, Variant, draw_ids, run

from modeling_minibert import MiniBertForPreTraining
from tokenization.console import prepare_console

VARIANTS = {
    "stock, as it comes": Variant(False, "padded to 512"),
    "stock, alike lengths": Variant(False, "alike lengths"),
    "stock, alike lengths, fused AdamW": Variant(False, "alike lengths", fused=True),
    "stock, alike lengths, fused AdamW, bf16": Variant(False, "alike lengths", bf16=True, fused=True),
    **OURS,
}


def draw_row(length: int, vocab_size: int, generator: torch.Generator) -> dict:
    """Draw a sequence with labels for 15 % of its tokens and for the next sentence."""
    ids = draw_ids(length, vocab_size, generator)
    masked = torch.rand(length, generator=generator) < 0.15
    return {
        "input_ids": ids,
        "labels": [token if hidden else -100 for token, hidden in zip(ids, masked.tolist(), strict=True)],
        "next_sentence_label": int(torch.randint(2, (), generator=generator)),
    }


TASK = Task("pretraining", "tokens", MiniBertForPreTraining, draw_row)


def main():
    """Measure, print and write the numbers."""
    run(TASK, VARIANTS)


if __name__ == "__main__":
    prepare_console()
    main()

"""Compute attention as a weighted average of values, weighted by how well their keys match the query.

    python examples/lessons/02_attention.py --output_dir out/lessons

An analogy: the key is the title of a folder, the value is its content, the query is the title you look for. A
dictionary returns the content of the one folder that matches; attention averages all, with larger weights for matches.

    softmax(query · keyᵀ / √D) · value

Letters: L queries, S keys, D features. The numbers are from the slides (S5, "What is Attention?" to "Budi membeli buku
lalu ia membaca nya"). `--output_dir` gets a picture of the table. It prints:

    how long the query is:     0     1     2     5    50
    what it finds:          30.0  36.2  42.6  55.5  60.0
    (the folders hold 10, 20 and 60, and it asks for the third)
    scores 112 and 96, divided by √64: 14 and 12 → weights 0.8808 and 0.1192
                 Budi membeli    buku    lalu      ia membaca     nya
        Budi    0.350   0.110   0.062   0.110   0.196   0.110   0.062
        buku    0.087   0.087   0.489   0.049   0.049   0.087   0.154
          ia    0.179   0.100   0.100   0.100   0.319   0.100   0.100
         nya    0.096   0.096   0.303   0.054   0.096   0.054   0.303
    'nya' (it) looks at 'buku' (book) with 0.30 and at itself with 0.30; its row sums to 1.00
    the formula in one line of NumPy gives the same weights; to 15 digits: True

Try this: raise the score of 'nya' for 'buku' from 3 to 5, `"nya": [1, 1, 5, 0, 1, 0, 3]`. The weight rises from 0.30 to
0.58, and all others of the row fall.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from modeling_minibert import scaled_dot_product_attention
from modeling_minibert.explain.plots import attention_heat_map
from tokenization.console import prepare_console

WORDS = "Budi membeli buku lalu ia membaca nya".split()
# query · key of the slide, for four of the seven words.
SCORES = {
    "Budi": [3, 1, 0, 1, 2, 1, 0],
    "buku": [1, 1, 4, 0, 0, 1, 2],
    "ia": [2, 1, 1, 1, 3, 1, 1],
    "nya": [1, 1, 3, 0, 1, 0, 3],
}


def attend(scores: torch.Tensor, divisor: float, value: torch.Tensor | None = None):
    """Apply the package's attention to given scores (L, S); returns the mixed values and the weights (L, S).

    With the rows of the identity as keys, the scores of a query are its features.
    """
    keys = torch.eye(scores.shape[-1], dtype=scores.dtype)
    value = keys if value is None else value
    mixed, weights = scaled_dot_product_attention(
        scores[None, None], keys[None, None], value[None, None], scaling=1 / divisor
    )
    return mixed[0, 0], weights[0, 0]


def main():
    """Show a soft dictionary, two scores by hand, and a sentence."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    contents = torch.tensor([[10.0], [20.0], [60.0]])
    lengths = [0, 1, 2, 5, 50]
    found = [attend(torch.tensor([[0.0, 0.0, length]]), math.sqrt(3), contents)[0].item() for length in lengths]
    print("how long the query is:" + "".join(f"{length:>6}" for length in lengths))
    print("what it finds:        " + "".join(f"{content:6.1f}" for content in found))
    print("(the folders hold 10, 20 and 60, and it asks for the third)")

    _, weights = attend(torch.tensor([[112.0, 96.0]]), math.sqrt(64))
    print(f"scores 112 and 96, divided by √64: 14 and 12 → weights {weights[0, 0]:.4f} and {weights[0, 1]:.4f}")

    scores = torch.tensor(list(SCORES.values()), dtype=torch.double)
    _, weights = attend(scores, math.sqrt(3))
    print(" " * 9 + "".join(f"{word:>8}" for word in WORDS))
    for word, row in zip(SCORES, weights.tolist(), strict=True):
        print(f"{word:>8} " + "".join(f"{weight:8.3f}" for weight in row))
    book, itself = (weights[3, WORDS.index(word)] for word in ("buku", "nya"))
    print(f"'nya' (it) looks at 'buku' (book) with {book:.2f} and at itself with {itself:.2f}; its row sums to "
          f"{weights[3].sum():.2f}")  # fmt: skip

    logits = scores.numpy() / math.sqrt(3)
    in_numpy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    close = np.abs(in_numpy - weights.numpy()).max() < 1e-15
    print(f"the formula in one line of NumPy gives the same weights; to 15 digits: {close}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        attention_heat_map(weights, list(SCORES), WORDS).savefig(args.output_dir / "attention.png")


if __name__ == "__main__":
    prepare_console()
    main()

"""Show how masks hide keys from a query, and what a query gives whose keys are all hidden.

    python examples/lessons/04_masks.py --output_dir out/lessons

Hidden keys get the lowest score of the number format, so that the softmax gives them no weight. The -9e15 of the slides
does not fit half precision, and gives equal weights if all keys are hidden; here such a row gives zeros. Letters: B
texts, H heads, L queries, S keys; True means visible. `--output_dir` gets a picture of the weights. It prints:

    a mask (B, S), per key              → (2, 1, 1, 4)
    a mask (B, L, S), per query         → (2, 1, 4, 4)
    a mask (B, H, L, S), per head       → (2, 3, 4, 4)
    all three hide the same pads, the weights are equal: True
    'robot must obey orders', looking back only:
       robot   1.00  0.00  0.00  0.00
        must   0.42  0.58  0.00  0.00
        obey   0.24  0.38  0.37  0.00
      orders   0.26  0.28  0.17  0.29
    all keys hidden by -9e15: weights 0.33 0.33 0.33; by -inf: nan nan nan; here: 0.00 0.00 0.00
    half precision: -9e15 is refused (value cannot be converted to type c10::Half without overflow)
    half precision, one text of pads only: all outputs finite: True

Try this: set all SCORES to 0.0. Each word then looks at itself and all words before it with equal weights: 1.00, then
0.50 0.50, then 0.33 0.33 0.33.
"""

import argparse
from pathlib import Path

import torch

from modeling_minibert import MiniBertConfig, scaled_dot_product_attention
from modeling_minibert.explain.plots import attention_heat_map
from modeling_minibert.masks import causal_mask, prepare_attention_mask
from tokenization.console import prepare_console

WORDS = "robot must obey orders".split()
# Before the mask, as on the slide. (Its numbers after the softmax, 0.48 0.52 and so on, do not follow from these.)
SCORES = [[0.11, 0.00, 0.81, 0.79], [0.19, 0.50, 0.30, 0.48], [0.53, 0.98, 0.95, 0.14], [0.81, 0.86, 0.38, 0.90]]


def attention_weights(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Apply the package's attention to given scores (L, S), as queries against the rows of the identity as keys."""
    keys = torch.eye(scores.shape[-1], dtype=scores.dtype)[None, None]
    return scaled_dot_product_attention(scores[None, None], keys, keys, mask, scaling=1.0)[1][0, 0]


def line(numbers: torch.Tensor, separator: str = " ") -> str:
    """Format numbers with two decimals."""
    return separator.join(f"{number:.2f}" for number in numbers)


def main():
    """Show three shapes of one mask, the causal mask, and rows whose keys are all hidden."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    batch, heads, length = 2, 3, 4
    config = MiniBertConfig(hidden_size=6, num_attention_heads=heads)
    hidden_states = torch.randn(batch, length, 6)
    query = torch.randn(batch, heads, length, 2)
    per_key = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])  # the second text has two tokens and two pads
    per_query = per_key[:, None, :].expand(batch, length, length)
    per_head = per_query[:, None].expand(batch, heads, length, length)
    results = []
    for name, mask in {"(B, S), per key": per_key, "(B, L, S), per query": per_query,
                       "(B, H, L, S), per head": per_head}.items():  # fmt: skip
        prepared = prepare_attention_mask(config, hidden_states, mask, "eager")
        results.append(scaled_dot_product_attention(query, query, query, prepared)[1])
        print(f"a mask {name:<28} → {tuple(prepared.shape)}")
    difference = max((other - results[0]).abs().max().item() for other in results)
    print(f"all three hide the same pads, the weights are equal: {difference == 0}")

    print(f"'{' '.join(WORDS)}', looking back only:")
    mask = causal_mask(length, None, None, torch.device("cpu"))
    weights = attention_weights(torch.tensor(SCORES), mask)
    for word, row in zip(WORDS, weights, strict=True):
        print(f"{word:>8}   {line(row, '  ')}")

    scores, nothing = torch.tensor([[4.0, 1.0, 0.8]]), torch.zeros(1, 3, dtype=torch.bool)
    by_number, by_infinity = (scores.masked_fill(~nothing, hidden).softmax(-1)[0] for hidden in (-9e15, -torch.inf))
    ours = attention_weights(scores, nothing)[0]
    print(f"all keys hidden by -9e15: weights {line(by_number)}; by -inf: {line(by_infinity)}; here: {line(ours)}")
    try:
        scores.half().masked_fill(~nothing, -9e15)
    except RuntimeError as error:
        print(f"half precision: -9e15 is refused ({error})")
    pads_only = torch.tensor([1, 0])[:, None, None, None].bool()
    mixed, _ = scaled_dot_product_attention(*[query.half()] * 3, pads_only)
    print(f"half precision, one text of pads only: all outputs finite: {bool(mixed.isfinite().all())}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        attention_heat_map(weights, WORDS).savefig(args.output_dir / "masks.png")


if __name__ == "__main__":
    prepare_console()
    main()

"""Show that dividing the scores by √D keeps their variance independent of the head size D.

    python examples/lessons/03_scaling.py --output_dir out/lessons

A score is a sum of D products. If the features of query and key are independent, with mean 0 and variance σ², each
product has variance σ⁴ and the sum D σ⁴ (S5, "Why scaling factor?"). With scores so far apart the softmax gives nearly
all weight to one key, and its gradient is close to 0. There are S = 16 keys and 20,000 queries. `--output_dir` gets a
picture of the variance for σ = 1. It prints:

       D   σ   Var(q·k)     D σ⁴   Var(q·k / √D)
       4   1       3.98        4            0.99
      64   1      63.66       64            0.99
    1024   1    1035.23     1024            1.01
      64   2     999.26     1024           15.61

       D   largest weight of 16: not scaled, scaled   gradient at the scores: not scaled, scaled
       4                          0.48        0.27                          0.2692      0.2754
      64                          0.85        0.25                          0.1469      0.2883
    1024                          0.96        0.25                          0.0418      0.2882
    from D = 4 to D = 1024 the gradient falls to 16 % without scaling, and stays at 105 % with it

Try this: divide by `size` instead of its root in `main`. The variance shrinks as D grows (0.25, 0.02, 0.00), and all
weights become nearly equal.
"""

import argparse
import math
from pathlib import Path

import torch

from modeling_minibert import scaled_dot_product_attention
from modeling_minibert.explain.plots import line_chart
from tokenization.console import prepare_console

QUERIES, KEYS = 20_000, 16


def softmax_statistics(scores: torch.Tensor) -> tuple[float, float]:
    """Measure how peaked the weights are, and the gradient at the scores.

    Args:
        scores: (N, S), scaled or not.

    Returns:
        The mean of the largest weight, and the mean norm of the gradient of a random mix of the weights.
    """
    scores = scores.clone().requires_grad_()
    keys = torch.eye(scores.shape[-1])  # the scores of a query against these are its features
    _, weights = scaled_dot_product_attention(scores[None, None], keys[None, None], keys[None, None], scaling=1.0)
    generator = torch.Generator().manual_seed(1)
    (weights[0, 0] * torch.randn(scores.shape, generator=generator)).sum().backward()
    return weights.amax(-1).mean().item(), scores.grad.norm(dim=-1).mean().item()


def main():
    """Measure the variance of the scores, then the weights and gradients of the softmax."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    print(f"{'D':>4} {'σ':>3} {'Var(q·k)':>10} {'D σ⁴':>8} {'Var(q·k / √D)':>15}")
    variances = []
    for size, deviation in ((4, 1), (64, 1), (1024, 1), (64, 2)):
        query, key = torch.randn(2, QUERIES, size) * deviation
        scores = (query * key).sum(-1)
        scaled = scores / math.sqrt(size)
        print(f"{size:>4} {deviation:>3} {scores.var():>10.2f} {size * deviation**4:>8} {scaled.var():>15.2f}")
        variances.append((scores.var().item(), scaled.var().item()))

    print("\n   D   largest weight of 16: not scaled, scaled   gradient at the scores: not scaled, scaled")
    gradients = {}
    for size in (4, 64, 1024):
        scores = torch.randn(QUERIES, size) @ torch.randn(size, KEYS)
        plain_peak, plain_gradient = softmax_statistics(scores)
        peak, gradient = softmax_statistics(scores / math.sqrt(size))
        gradients[size] = plain_gradient, gradient
        print(f"{size:>4} {plain_peak:>29.2f} {peak:>11.2f} {plain_gradient:>31.4f} {gradient:>11.4f}")
    plain, scaled = (gradients[1024][i] / gradients[4][i] for i in (0, 1))
    print(f"from D = 4 to D = 1024 the gradient falls to {100 * plain:.0f} % without scaling, "
          f"and stays at {100 * scaled:.0f} % with it")  # fmt: skip
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        curves = dict(zip(("q · k", "q · k / √D"), zip(*variances[:3], strict=True), strict=True))
        figure = line_chart(curves, (4, 64, 1024), "head size D", "variance of the scores", log=True)
        figure.savefig(args.output_dir / "scaling.png")


if __name__ == "__main__":
    prepare_console()
    main()

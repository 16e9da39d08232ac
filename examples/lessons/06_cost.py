"""Count the operations and steps of a recurrent net and of attention, and time both.

    python examples/lessons/06_cost.py --output_dir out/lessons

For L tokens of D features a recurrent net multiplies a D × D matrix by a vector L times, one after the other: 2 L D²
operations in L steps. Attention multiplies query · keyᵀ and weights · value: 4 L² D operations in one step (S5,
"Recurrent vs Self-Attention"; without the projections of the inputs on both sides). torch counts the operations;
seconds are CPU time. `--output_dir` gets a picture of the operations over L. It prints:

                      recurrent net             attention
       L     D       operations   steps        operations   steps
     128    64        1,048,576     128         4,194,304       1
     256    64        2,097,152     256        16,777,216       1
     256   128        8,388,608     256        33,554,432       1
    twice the tokens: recurrent x 2, attention x 4; twice the features: recurrent x 4, attention x 2
    they cost the same at L = D / 2: 32 tokens of 64 features 262,144 and 262,144
    measured, 512 → 2,048 tokens of 64 features: seconds grow with L to the power 0.9 and 1.9

Try this: count 64 tokens of 64 features instead of 32, in the line after the table. Attention then costs twice as much
as the recurrent net: 1,048,576 against 524,288.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from modeling_minibert import scaled_dot_product_attention
from modeling_minibert.explain.plots import line_chart
from tokenization.console import prepare_console


def recurrent(length: int, size: int) -> torch.Tensor:
    """Run a plain recurrent net over random tokens, step by step."""
    weight, tokens, state = torch.randn(size, size), torch.randn(length, size), torch.zeros(size, 1)
    for token in tokens:
        state = torch.tanh(weight @ state + token[:, None])
    return state


def attention(length: int, size: int) -> torch.Tensor:
    """Run one attention head over random tokens."""
    return scaled_dot_product_attention(*torch.randn(3, 1, 1, length, size))[0]


def operations(net, length: int, size: int) -> int:
    """Count multiplications and additions with torch."""
    with FlopCounterMode(display=False) as counter:
        net(length, size)
    return counter.get_total_flops()


def growth(net, short: int = 512, long: int = 2048, size: int = 64) -> float:
    """Fit the power of L with which CPU seconds grow, from the fastest of seven runs of each length."""
    seconds = {}
    for length in (short, long):
        net(length, size)  # the first run also allocates
        times = []
        for _ in range(7):
            start = time.process_time()
            net(length, size)
            times.append(time.process_time() - start)
        seconds[length] = min(times)
    return math.log(seconds[long] / seconds[short]) / math.log(long / short)


@torch.no_grad()
def main():
    """Count operations, then measure seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    print(f"{'recurrent net':>31} {'attention':>21}")
    print("   L     D       operations   steps        operations   steps")
    counts = {}
    for length, size in ((128, 64), (256, 64), (256, 128)):
        counts[length, size] = [operations(net, length, size) for net in (recurrent, attention)]
        slow, wide = counts[length, size]
        print(f"{length:>4} {size:>5} {slow:>16,} {length:>7} {wide:>17,} {1:>7}")
    tokens = [counts[256, 64][i] // counts[128, 64][i] for i in (0, 1)]
    features = [counts[256, 128][i] // counts[256, 64][i] for i in (0, 1)]
    print(f"twice the tokens: recurrent x {tokens[0]}, attention x {tokens[1]}; "
          f"twice the features: recurrent x {features[0]}, attention x {features[1]}")  # fmt: skip
    same = [operations(net, 32, 64) for net in (recurrent, attention)]
    print(f"they cost the same at L = D / 2: 32 tokens of 64 features {same[0]:,} and {same[1]:,}")
    print(f"measured, 512 → 2,048 tokens of 64 features: seconds grow with L to the power "
          f"{growth(recurrent):.1f} and {growth(attention):.1f}")  # fmt: skip
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        lengths, nets = [2**power for power in range(2, 11)], {"recurrent net": recurrent, "attention": attention}
        curves = {name: [operations(net, length, 64) for length in lengths] for name, net in nets.items()}
        figure = line_chart(curves, lengths, "tokens L, of 64 features", "operations", log=True)
        figure.savefig(args.output_dir / "cost.png")


if __name__ == "__main__":
    prepare_console()
    main()

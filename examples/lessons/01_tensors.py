"""Show the five tensor operations that attention is made of.

    python examples/lessons/01_tensors.py --output_dir out/lessons

Letters: B texts of a batch, L tokens of a text, E features of a token. The tensors are from the slides (S5, "Some
Backgrounds"). `--output_dir` gets a picture of `permute` beside `reshape`. It prints:

    tokens (3, 2, 4): B texts, L tokens, E features
    unsqueeze    (3,) → a batch of one (1, 3), a column (3, 1)
    reshape      a text as one row: [1, 2, 1, 2, 3, 4, 3, 4]
    reshape      two heads of two features: [[[1, 2], [1, 2]], [[3, 4], [3, 4]]]
    permute      tokens and features swapped: [[1, 3], [2, 4], [1, 3], [2, 4]]
    not reshape  the same shape (4, 2), other numbers: [[1, 2], [1, 2], [3, 4], [3, 4]]
    masked_fill  of three scores the third hidden: weights 0.27, 0.73, 0.00
    one linear layer for all tokens, or token by token: the same to 12 digits: True

Try this: hide no score, `mask = torch.tensor([True, True, True])`. The weights become 0.09, 0.24 and 0.67.
"""

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

from modeling_minibert import scaled_dot_product_attention
from tokenization.console import prepare_console


def draw(tables: dict[str, torch.Tensor]) -> Figure:
    """Draw a panel per table, with its numbers as text."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    for axes, (name, table) in zip(figure.subplots(1, len(tables)), tables.items(), strict=True):
        axes.imshow(table.numpy(), cmap="YlOrRd", vmax=6)
        axes.set(title=name, xticks=[], yticks=[])
        for row, column in torch.cartesian_prod(*map(torch.arange, table.shape)).tolist():
            axes.text(column, row, table[row, column].item(), ha="center", va="center")
    return figure


def main():
    """Show each operation on the tensors of the slides."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    tokens = torch.tensor([[[1, 2, 1, 2], [3, 4, 3, 4]], [[5, 6, 5, 6], [7, 8, 7, 8]], [[2, 1, 2, 1], [4, 3, 4, 3]]])
    print(f"tokens {tuple(tokens.shape)}: B texts, L tokens, E features")

    # unsqueeze adds a dimension of size 1, so that formulas for batches work on a single text.
    vector = torch.tensor([1, 2, 3])
    shapes = tuple(vector.unsqueeze(0).shape), tuple(vector.unsqueeze(1).shape)
    print(f"unsqueeze    (3,) → a batch of one {shapes[0]}, a column {shapes[1]}")

    # reshape cuts the same numbers, in the same order, into other rows: it splits and joins heads.
    print(f"reshape      a text as one row: {tokens.reshape(3, 2 * 4)[0].tolist()}")
    print(f"reshape      two heads of two features: {tokens.reshape(3, 2, 2, 2)[0].tolist()}")

    # permute swaps dimensions, as query @ keyᵀ needs it. A reshape to that shape would mix tokens.
    print(f"permute      tokens and features swapped: {tokens.permute(0, 2, 1)[0].tolist()}")
    print(f"not reshape  the same shape (4, 2), other numbers: {tokens.reshape(3, 4, 2)[0].tolist()}")

    # masked_fill overwrites hidden scores, so that the softmax gives them no weight. Scores 2, 3, 4 as in the slide.
    scores, keys = torch.tensor([[[[2.0, 3.0, 4.0]]]]), torch.eye(3)[None, None]
    mask = torch.tensor([True, True, False])
    _, weights = scaled_dot_product_attention(scores, keys, keys, mask, scaling=1.0)
    print(f"masked_fill  of three scores the third hidden: weights {', '.join(f'{w:.2f}' for w in weights.flatten())}")

    # A linear layer works on the last dimension: it treats every token alone, with the same weights.
    torch.manual_seed(0)
    layer, sentence = nn.Linear(4, 3, dtype=torch.double), torch.randn(1, 3, 4, dtype=torch.double)
    one_by_one = torch.stack([layer(token) for token in sentence[0]])
    difference = (layer(sentence)[0] - one_by_one).abs().max().item()
    print(f"one linear layer for all tokens, or token by token: the same to 12 digits: {difference < 1e-12}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        text = tokens[0]
        tables = {"two tokens": text, "permute (right)": text.T, "reshape (wrong)": text.reshape(4, 2)}
        draw(tables).savefig(args.output_dir / "tensors.png")


if __name__ == "__main__":
    prepare_console()
    main()

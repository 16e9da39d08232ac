"""Split attention into heads, each over a part of the features.

    python examples/lessons/05_heads.py --output_dir out/lessons

A head of size D has one set of attention weights; H heads have H sets, with the parameters and the arithmetic of one
head of size H · D. Letters: B texts, L tokens, E features, H heads, D features of a head. `--output_dir` gets a picture
of the block-diagonal weight and of the weights of eight heads. It prints:

    two linear layers of 2 → 3 features, or one of 4 → 6 with a block-diagonal weight: the same to 12 digits: True
    weight of the large one: 24 numbers, 12 of them fixed at 0
    attention over 512 features: 1 head 1,050,624 parameters, 8 heads 1,050,624, 64 heads 1,050,624
    4 x (512 x 512 + 512) = 1,050,624
    weights of 8 heads for 10 tokens: (2, 8, 10, 10), every row sums to 1.00
    the output is a sum of what each head adds: the same to 12 digits: True
    cat and dog swapped: one head, half on each, notices: False; two heads, one on each, notice: True

Try this: set `num_attention_heads=7` in CONFIG. An error says that 64 features cannot be split into 7 heads.
"""

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

from modeling_minibert import MiniBertConfig, MultiHeadAttention, scaled_dot_product_attention
from tokenization.console import prepare_console

CONFIG = MiniBertConfig(hidden_size=64, num_attention_heads=8, attn_implementation="eager")


def multi_head_linear() -> tuple[float, torch.Tensor]:
    """Compare the slides' multi-head linear layer with one layer: the largest difference, and the weight of the one."""
    heads, share, width = 2, 2, 3
    layers = [nn.Linear(share, width, dtype=torch.double) for _ in range(heads)]
    tokens = torch.randn(1, 3, heads * share, dtype=torch.double)
    split = tokens.reshape(1, 3, heads, share)
    by_heads = torch.stack([layer(split[:, :, i]) for i, layer in enumerate(layers)], dim=2).flatten(2)
    weight = torch.block_diag(*[layer.weight for layer in layers])  # (H · width, H · share)
    in_one = nn.functional.linear(tokens, weight, torch.cat([layer.bias for layer in layers]))
    return (by_heads - in_one).abs().max().item(), weight


def count(**fields) -> int:
    """Count the parameters of an attention layer over 512 features."""
    return sum(p.numel() for p in MultiHeadAttention(MiniBertConfig(hidden_size=512, **fields)).parameters())


@torch.no_grad()
def what_each_head_adds(attention: MultiHeadAttention, tokens: torch.Tensor) -> torch.Tensor:
    """Compute the output of each head alone, with the other heads cut off: (H, B, L, E)."""
    weight, added = attention.output.weight.clone(), []
    for columns in torch.arange(weight.shape[1]).split(attention.head_dim):
        attention.output.weight.zero_()[:, columns] = weight[:, columns]
        added.append(attention(tokens)[0] - attention.output.bias)
    attention.output.weight.copy_(weight)
    return torch.stack(added)


def look(words: torch.Tensor, heads: int) -> torch.Tensor:
    """Attend to two words: one head with half its weight on each, or two heads with one word each."""
    scores = torch.tensor([[0.0, 0.0]]) if heads == 1 else torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    keys, value = torch.eye(2).expand(1, heads, 2, 2), words.expand(1, heads, 2, 2)
    return scaled_dot_product_attention(scores.view(1, heads, 1, 2), keys, value)[0].flatten()


def draw(weight: torch.Tensor, heads: torch.Tensor) -> Figure:
    """Draw a weight (rows, columns), and beside it the attention weights of one token, a row per head (H, S)."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.colorbar(left.imshow(weight.numpy(), cmap="RdBu", vmin=-0.8, vmax=0.8), ax=left)
    left.set(title="two layers in one: white is fixed at 0", xlabel="feature in", ylabel="feature out")
    figure.colorbar(right.imshow(heads.numpy(), cmap="YlOrRd"), ax=right)
    right.set(title="the first token: each head has its own weights", xlabel="key", ylabel="head")
    return figure


def main():
    """Show linear layers, parameters, weights, the sum over heads, and the use of a second head."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    difference, weight = multi_head_linear()
    print(f"two linear layers of 2 → 3 features, or one of 4 → 6 with a block-diagonal weight: "
          f"the same to 12 digits: {difference < 1e-12}")  # fmt: skip
    print(f"weight of the large one: {weight.numel()} numbers, {(weight == 0).sum()} of them fixed at 0")

    counts = {heads: count(num_attention_heads=heads) for heads in (1, 8, 64)}
    print(f"attention over 512 features: 1 head {counts[1]:,} parameters, 8 heads {counts[8]:,}, "
          f"64 heads {counts[64]:,}")  # fmt: skip
    print(f"4 x (512 x 512 + 512) = {4 * (512 * 512 + 512):,}")

    attention = MultiHeadAttention(CONFIG).eval().double()
    tokens = torch.randn(2, 10, 64, dtype=torch.double)
    mixed, weights = attention(tokens)
    print(f"weights of 8 heads for 10 tokens: {tuple(weights.shape)}, every row sums to {weights.sum(-1).min():.2f}")
    rebuilt = what_each_head_adds(attention, tokens).sum(0) + attention.output.bias
    close = bool((mixed - rebuilt).abs().max() < 1e-12)
    print(f"the output is a sum of what each head adds: the same to 12 digits: {close}")

    cat_dog = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    one, two = (not torch.allclose(look(cat_dog, heads), look(cat_dog.flip(0), heads)) for heads in (1, 2))
    print(f"cat and dog swapped: one head, half on each, notices: {one}; two heads, one on each, notice: {two}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        draw(weight.detach(), weights[0, :, 0].detach()).savefig(args.output_dir / "heads.png")


if __name__ == "__main__":
    prepare_console()
    main()

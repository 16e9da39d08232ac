"""Add positions to the words, because attention alone ignores their order.

    python examples/lessons/07_positions.py --output_dir out/lessons

Without positions the words of "Cat chases dog" and "Dog chases cat" get the same vectors, in another order. The slides
(S5, "Bagaimana cara encode posisi token?") list four codes for positions. Whole numbers grow without limit, fractions
depend on the length of the text, bits jump. Waves of several speeds stay between -1 and 1 and change smoothly.
`--output_dir` gets a picture of the four. It prints:

    the document's table, 4 features, base 100, "I am a Robot":
           I   0.00  1.00  0.00  1.00
          am   0.84  0.54  0.10  1.00
           a   0.91 -0.42  0.20  0.98
       Robot   0.14 -0.99  0.30  0.96
    the notebook's table, base 10,000, position 1: 0.841 0.540 0.010 1.000

    how far apart neighbours are    smallest    largest    largest number
    whole numbers                       1.00       1.00            127.00
    fractions, 128 tokens               0.01       0.01              1.00
    fractions, 4 tokens                 0.33       0.33              1.00
    bits                                1.00       2.65              1.00
    waves, 8 features                   0.96       0.96              1.00

    without positions, 'dog' in 'Cat chases dog' and in 'Dog chases cat' is the same to 12 digits: True
    with sinusoidal positions by more than 0.1: True; with learned positions by more than 0.01: True

Try this: call `sinusoidal_positions(4, 4, base=1.0)` in `main`. All waves then have one speed: columns 3 and 4 of the
table repeat columns 1 and 2.
"""

import argparse
from pathlib import Path

import torch

from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.embeddings import sinusoidal_positions
from tokenization.console import prepare_console

PLACES = 128


def ways_to_number(places: int) -> dict[str, torch.Tensor]:
    """Build the codes for positions: name → (places, features)."""
    place = torch.arange(places)
    return {
        "whole numbers": place[:, None].float(),
        f"fractions, {places} tokens": (place / (places - 1))[:, None],
        "fractions, 4 tokens": (place[:4] / 3)[:, None],
        "bits": (place[:, None] >> torch.arange(7) & 1).float(),
        "waves, 8 features": sinusoidal_positions(places, 8),
    }


def draw(tables: dict[str, torch.Tensor], path: Path) -> None:
    """Draw a panel per code: places downwards, features to the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(tables), figsize=(12, 4), layout="constrained")
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        figure.colorbar(axis.imshow(table[:32], aspect="auto", cmap="RdBu"), ax=axis)
        axis.set(title=name, xlabel="feature", ylabel="position", xticks=range(table.shape[1]))
    figure.savefig(path)
    pyplot.close(figure)


@torch.no_grad()
def order_matters(positions: str) -> float:
    """Measure the change of the vector of 'dog' when the sentence is reversed; cat = 1, chases = 2, dog = 3."""
    torch.manual_seed(0)
    config = MiniBertConfig(
        vocab_size=4, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        position_embedding_type=positions, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = MiniBertModel(config).eval().double()
    forwards, backwards = model(torch.tensor([[1, 2, 3], [3, 2, 1]])).last_hidden_state
    return (forwards[2] - backwards[0]).abs().max().item()


def main():
    """Show the documents' tables, four codes for positions, and the effect of order on a model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()

    print('the document\'s table, 4 features, base 100, "I am a Robot":')
    for word, row in zip("I am a Robot".split(), sinusoidal_positions(4, 4, base=100.0).tolist(), strict=True):
        print(f"{word:>8} " + "".join(f"{number:6.2f}" for number in row))
    row = sinusoidal_positions(10, 4)[1].tolist()
    print(f"the notebook's table, base 10,000, position 1: {' '.join(f'{number:.3f}' for number in row)}\n")

    tables = ways_to_number(PLACES)
    print(f"{'how far apart neighbours are':<30} {'smallest':>9} {'largest':>10} {'largest number':>17}")
    for name, table in tables.items():
        steps = (table[1:] - table[:-1]).norm(dim=-1)
        print(f"{name:<30} {steps.min():>9.2f} {steps.max():>10.2f} {table.max():>17.2f}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        draw(tables, args.output_dir / "positions.png")

    changes = {positions: order_matters(positions) for positions in ("none", "sinusoidal", "learned")}
    print(f"\nwithout positions, 'dog' in 'Cat chases dog' and in 'Dog chases cat' is the same to 12 digits: "
          f"{changes['none'] < 1e-12}")  # fmt: skip
    print(f"with sinusoidal positions by more than 0.1: {changes['sinusoidal'] > 0.1}; "
          f"with learned positions by more than 0.01: {changes['learned'] > 0.01}")  # fmt: skip


if __name__ == "__main__":
    prepare_console()
    main()

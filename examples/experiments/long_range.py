"""Compare an LSTM with attention on recalling a value over a distance, with equal parameters and equal CPU time.

    python examples/experiments/long_range.py
    python examples/experiments/long_range.py --seconds 60 --seeds 3

A text names the values of four keys, goes on with `distance` words of noise, and asks for one of the keys. An LSTM must
carry all four values in its state; attention (a MiniGPT with rotary positions) looks back. For each distance both nets
are trained on it alone. One more pair is trained on distances from 10 to 100 and tested on all: the longer ones it has
never seen. Read `make_batch`, then `learn`. It prints and draws the accuracy on new texts (chance: 1 of 8), and writes
long_range.json and long_range.png into `--output_dir`; the committed run is examples/results/long_range.

Sources: Hochreiter and Schmidhuber 1997 (LSTM; the recall of a first symbol, section 5.2), Su et al. 2021 (rotary
positions); lecture rows S3-02 and S3-04.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import nn
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniGPTConfig, MiniGPTForSequenceClassification
from modeling_minibert.training.script_arguments import ScriptParser, run_script

KEYS, VALUES, NOISE = 4, 8, 16
QUERIES, VOCABULARY = KEYS * VALUES + NOISE, KEYS * VALUES + NOISE + KEYS  # first id of the queries; all ids
NETS = ("lstm", "attention")
SEEN = (10, 100)  # distances of the pair that is tested on others


@dataclass
class LongRangeArguments:
    """The comparison to make."""

    distances: list[int] = HfArg(default_factory=lambda: [10, 30, 100, 300, 1000], help="words of noise")
    seconds: float = HfArg(default=25.0, help="CPU time to train each net, of one thread")
    seeds: int = HfArg(default=2, help="runs of each kind")
    learning_rate: float = HfArg(default=3e-3, help="of both nets")
    output_dir: str = HfArg(default="out/long_range", help="where the figures go")


def make_batch(distance: int, rows: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw texts (rows, 4 + distance + 1) and the values that are asked for (rows,).

    A token "key k has value v" has the id k · 8 + v; noise and queries follow.
    """
    values = torch.randint(VALUES, (rows, KEYS))
    order = torch.rand(rows, KEYS).argsort(dim=1)
    named = order * VALUES + values.gather(1, order)
    noise = torch.randint(KEYS * VALUES, QUERIES, (rows, distance))
    asked = torch.randint(KEYS, (rows, 1))
    return torch.cat([named, noise, QUERIES + asked], dim=1), values.gather(1, asked)[:, 0]


class LastState(nn.Module):
    """Word vectors → LSTM → last state → values."""

    def __init__(self, size: int):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, size)
        self.lstm = nn.LSTM(size, size, batch_first=True)
        self.output = nn.Linear(size, VALUES)
        nn.init.ones_(self.lstm.bias_ih_l0.data[size : 2 * size])  # forget gates begin open

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Compute the logits (B, 8) of texts (B, L)."""
        return self.output(self.lstm(self.embedding(input_ids))[0][:, -1])


class LastToken(nn.Module):
    """A MiniGPT with two layers and rotary positions, read at its last token."""

    def __init__(self):
        super().__init__()
        config = MiniGPTConfig(
            vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            position_embedding_type="rotary", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            num_labels=VALUES, attn_implementation="sdpa", initializer_range=0.1,
        )  # fmt: skip
        self.gpt = MiniGPTForSequenceClassification(config)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Compute the logits (B, 8) of texts (B, L)."""
        return self.gpt(input_ids, attention_mask=torch.ones_like(input_ids)).logits


def count(net: nn.Module) -> int:
    """Count the parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def build(name: str, seed: int) -> nn.Module:
    """Build a net; the LSTM has the width whose number of parameters is nearest to that of attention."""
    torch.manual_seed(seed)
    attention = LastToken()
    if name == "attention":
        return attention
    width = min(range(8, 128), key=lambda size: abs(4 * size * (2 * size + 2) + size * (VOCABULARY + VALUES) + VALUES
                                                   - count(attention)))  # fmt: skip
    return LastState(width)


def learn(net: nn.Module, distances: tuple[int, int], rate: float, seconds: float, steps: int | None = None) -> int:
    """Train on distances drawn from a range, for a CPU time or a number of steps; returns the number of steps."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.0)
    start, done = time.process_time(), 0
    while done < steps if steps else time.process_time() - start < seconds:
        ids, values = make_batch(int(torch.randint(distances[0], distances[1] + 1, ())))
        loss = nn.functional.cross_entropy(net.train()(ids), values)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        done += 1
    return done


@torch.no_grad()
def score(net: nn.Module, distance: int, batches: int = 16) -> float:
    """Measure the share of right values in new texts."""
    net.eval()
    found = [(net(ids).argmax(-1) == values).float().mean().item()
             for ids, values in (make_batch(distance) for _ in range(batches))]  # fmt: skip
    return mean(found)


def compare(args: LongRangeArguments) -> dict:
    """Train and score all nets; returns the parameters, and rows of accuracies by seed."""
    report: dict = {"seconds": args.seconds, "learning_rate": args.learning_rate, "seeds": args.seeds, "rows": []}
    report["parameters"] = {name: count(build(name, 0)) for name in NETS}
    trainings = [(f"trained on {distance}", (distance, distance), [distance]) for distance in args.distances]
    trainings.append((f"trained on {SEEN[0]} to {SEEN[1]}", SEEN, args.distances))
    for title, seen, tested in trainings:
        for name in NETS:
            accuracies, steps = {distance: [] for distance in tested}, []
            for seed in range(args.seeds):
                net = build(name, seed)
                steps.append(learn(net, seen, args.learning_rate, args.seconds))
                for distance in tested:
                    accuracies[distance].append(score(net, distance))
            for distance, values in accuracies.items():
                report["rows"].append({"net": name, "seen": list(seen), "distance": distance, "accuracy": values,
                                       "steps": steps})  # fmt: skip
                print(f"{title:<20} tested on {distance:>5}   {name:<9} {mean(values):6.1%}   "
                      f"{mean(steps):,.0f} steps", flush=True)  # fmt: skip
    return report


def draw(report: dict, path: Path) -> None:
    """Draw accuracy over distance: nets trained on each distance, and nets trained on short ones."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, short in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        for name in NETS:
            rows = [row for row in report["rows"] if row["net"] == name and (row["seen"] == list(SEEN)) == short]
            distances, values = [row["distance"] for row in rows], [row["accuracy"] for row in rows]
            axes.plot(distances, [mean(value) for value in values], marker="o", label=name)
            axes.fill_between(distances, [min(value) for value in values], [max(value) for value in values], alpha=0.2)
        title = f"trained on {SEEN[0]} to {SEEN[1]}" if short else "trained on each distance"
        axes.set(xscale="log", xlabel="words between value and question", title=title, ylim=(0, 1.05))
        axes.axhline(1 / VALUES, color="gray", linestyle=":", label="chance")
    figure.axes[0].set_ylabel("accuracy on new texts")
    figure.axes[0].yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None):
    """Run the comparison, and print, draw and save it."""
    (args,) = ScriptParser(LongRangeArguments).parse_args_into_dataclasses(arguments)
    if min(args.distances) < 1 or args.seeds < 1 or args.seconds <= 0:
        raise ValueError(
            f"distances ({args.distances}), seeds ({args.seeds}) and seconds ({args.seconds}) must be above 0"
        )
    report, out = compare(args), Path(args.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "long_range.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    draw(report, out / "long_range.png")
    print(f"parameters: {report['parameters']}; saved to {out}/long_range.json and long_range.png")


if __name__ == "__main__":
    run_script(main)

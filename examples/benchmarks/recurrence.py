"""Compare an LSTM with our encoder: forward and backward passes by length, with equal parameters.

    python examples/benchmarks/recurrence.py --output_file numbers.json

Both nets have 128 features and, the embeddings aside, nearly the same number of parameters: two layers of a MiniBert
against an LSTM of two layers. A step reads `--tokens_per_step` random tokens in texts of one length, all real. One
thread, CPU time, one step of each in turn, medians. Per token the LSTM costs the same at every length, attention costs
more for longer texts; but the LSTM takes its steps one after another, so more threads or a GPU help it less, which this
measurement of one thread does not show. Source: lecture rows S3-02, S3-04 and S4-01.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from interleaved import measure, report
from torch import nn
from transformers import HfArgumentParser
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertModel
from tokenization.console import prepare_console

SIZE, VOCABULARY = 128, 1000


@dataclass
class RecurrenceArguments:
    """The lengths to measure."""

    lengths: list[int] = HfArg(default_factory=lambda: [16, 64, 256, 1024], help="tokens of a text")
    tokens_per_step: int = HfArg(default=4096, help="tokens of all texts of a step together")
    rounds: int = HfArg(default=5, help="timed steps of each net")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")


class Recurrent(nn.Module):
    """Word vectors → LSTM of two layers: ids (B, L) → states (B, L, E)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(VOCABULARY, SIZE), nn.LSTM(SIZE, SIZE, 2, batch_first=True)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Compute the states of the second layer."""
        return self.lstm(self.embedding(input_ids))[0]


class Encoder(nn.Module):
    """A MiniBert of two layers: ids (B, L) → states (B, L, E)."""

    def __init__(self, length: int):
        super().__init__()
        config = MiniBertConfig(
            vocab_size=VOCABULARY, hidden_size=SIZE, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256,
            max_position_embeddings=length, type_vocab_size=0, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, attn_implementation="sdpa",
        )  # fmt: skip
        self.model = MiniBertModel(config, add_pooling_layer=False)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Compute the states of the second layer."""
        return self.model(input_ids).last_hidden_state


def count(net: nn.Module) -> int:
    """Count the parameters outside of the embeddings."""
    return sum(value.numel() for name, value in net.named_parameters() if "embedding" not in name)


def build_step(net: nn.Module, length: int, tokens: int) -> Callable[[], int]:
    """Build a forward and backward pass over random texts of one length; returns the number of tokens."""
    ids = torch.randint(1, VOCABULARY, (max(1, tokens // length), length))

    def step() -> int:
        net.zero_grad()
        net(ids).square().mean().backward()
        return ids.numel()

    return step


def main():
    """Measure each length, print its table, and write the numbers."""
    args = HfArgumentParser(RecurrenceArguments).parse_args_into_dataclasses()[0]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    numbers: dict = {"tokens_per_step": args.tokens_per_step, "lengths": {}}
    for length in args.lengths:
        nets = {"LSTM": Recurrent(), "encoder": Encoder(length)}
        numbers["parameters"] = {name: count(net) for name, net in nets.items()}
        steps = {name: build_step(net, length, args.tokens_per_step) for name, net in nets.items()}
        numbers["lengths"][str(length)] = report(f"{length} tokens", "tokens", measure(steps, args.rounds))
    print(f"parameters outside of the embeddings: {numbers['parameters']}")
    if args.output_file:
        Path(args.output_file).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    prepare_console()
    main()

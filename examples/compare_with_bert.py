"""Compare MiniBert with transformers' BERT on the same weights, and print the largest differences.

    python examples/compare_with_bert.py                                  # random weights of odd sizes
    python examples/compare_with_bert.py --model_name_or_path bert-base-uncased

For every head, on a padded batch, it compares the outputs, and the gradients of all parameters relative to the largest
gradient, in float32 and float64. Takes ten seconds with random weights.
"""

from dataclasses import dataclass

import torch
import transformers
from transformers import AutoConfig, BertConfig
from transformers.hf_argparser import HfArg

from modeling_minibert.stock import FAMILIES, from_stock
from modeling_minibert.training.script_arguments import ScriptParser, run_script

ODD_SIZES = BertConfig(
    vocab_size=101, hidden_size=20, num_hidden_layers=3, num_attention_heads=4, intermediate_size=37,
    max_position_embeddings=23,
)  # fmt: skip


@dataclass
class Arguments:
    """The BERT to compare with."""

    model_name_or_path: str | None = HfArg(default=None, help="a stock BERT; none: random, odd sizes")
    attn_implementation: str = HfArg(default="sdpa", help="eager or sdpa, for both sides")


def stock_model(name: str, args: Arguments, dtype: torch.dtype):
    """Build a stock BERT with the head `name`, without dropout; without a checkpoint all parameters are random."""
    model_class = getattr(transformers, name)
    if args.model_name_or_path:
        config = AutoConfig.from_pretrained(args.model_name_or_path, attn_implementation=args.attn_implementation)
        return model_class.from_pretrained(args.model_name_or_path, config=config).to(dtype).eval()
    config = BertConfig(**{**ODD_SIZES.to_dict(), "attn_implementation": args.attn_implementation})
    model = model_class(config).to(dtype).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if parameter_name.endswith("LayerNorm.weight") else 0.0, std=0.3)
    return model


def padded_batch(vocab_size: int, choices: bool) -> dict[str, torch.Tensor]:
    """Draw three texts of 7, 4 and 2 tokens; for multiple choice they are the choices of one question."""
    real = torch.arange(7) < torch.tensor([[7], [4], [2]])
    batch = {"input_ids": torch.randint(1, vocab_size, (3, 7)), "attention_mask": real.long()}
    return {name: tensor[None] for name, tensor in batch.items()} if choices else batch


def largest_differences(name: str, args: Arguments, dtype: torch.dtype) -> tuple[float, float, float]:
    """Measure the largest output, the largest difference of outputs, and that of gradients (relative)."""
    torch.manual_seed(0)
    stock = stock_model(name, args, dtype)
    ours = from_stock(stock)
    batch = padded_batch(stock.config.vocab_size, choices=name.endswith("MultipleChoice"))
    pairs = list(zip(ours(**batch).to_tuple(), stock(**batch).to_tuple(), strict=True))
    sums = [0.0, 0.0]
    for number, pair in enumerate(pairs):
        # A weighted sum of the outputs has a gradient for every parameter; padded positions get no weight.
        weights = torch.randn_like(pair[0])
        if weights.shape[:2] == batch["input_ids"].shape:
            weights *= batch["attention_mask"].reshape(3, 7, *[1] * (weights.dim() - 2))
        pairs[number] = [output * (weights != 0) for output in pair]
        sums = [total + (output * weights).sum() for total, output in zip(sums, pair, strict=True)]
    for total in sums:
        total.backward()
    with torch.no_grad():  # from_stock converts their gradients like weights, to our names
        for parameter in stock.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    theirs = dict(from_stock(stock).named_parameters())
    gradients = [
        (torch.zeros_like(p) if p.grad is None else p.grad, theirs[name]) for name, p in ours.named_parameters()
    ]
    largest = max(grad.abs().max().item() for grad, _ in gradients)
    gradient = max((mine - other).abs().max().item() for mine, other in gradients) / largest
    difference = max((mine - other).abs().max().item() for mine, other in pairs)
    return max(other.abs().max().item() for _, other in pairs), difference, gradient


def main():
    """Print one row per head."""
    (args,) = ScriptParser(Arguments).parse_args_into_dataclasses()
    print(f"{'':34}{'largest':>9}{'float32':>21}{'float64':>21}")
    print(f"{'class':34}{'output':>9}" + f"{'outputs':>11}{'gradients':>10}" * 2)
    for ours, stock in FAMILIES[0].classes.items():
        size, *single = largest_differences(stock, args, torch.float32)
        _, *double = largest_differences(stock, args, torch.float64)
        print(f"{ours:34}{size:9.2f}" + "".join(f"{a:11.1e}{b:10.1e}" for a, b in (single, double)), flush=True)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    run_script(main)

"""Measure the speed of greedy generation, against stock GPT-2 of transformers with the same weights.

    python examples/benchmarks/generation.py                    one sequence and sixteen; mini, 8,000 words
    python examples/benchmarks/generation.py --preset tiny --batch_sizes 1 4 --new_tokens 300 100
    python examples/benchmarks/generation.py --rounds 9 --output_file generation.json

Both sides call `model.generate(**prompt, do_sample=False)` with its default cache. The stock model has the weights of
ours, so both must write the same tokens; the script first compares them, and fails if one differs. The random weights
have a standard deviation of 0.08, so that the text does not repeat one word. One thread, CPU time, float32. Takes about
a minute; prints tokens per second and the ratios.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from interleaved import measure, report
from transformers import HfArgumentParser, PreTrainedModel
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from tokenization.console import prepare_console


@dataclass
class GenerationArguments:
    """The sizes to measure."""

    preset: str = HfArg(default="mini", help="size of the model: tiny, mini, …")
    vocab_size: int = HfArg(default=8000, help="words in the vocabulary")
    prompt_length: int = HfArg(default=16, help="tokens of each prompt")
    batch_sizes: list[int] = HfArg(default_factory=lambda: [1, 16], help="sequences at once")
    new_tokens: list[int] = HfArg(default_factory=lambda: [200, 100], help="for each batch size")
    rounds: int = HfArg(default=5, help="how often each variant is timed")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")


def main():
    """Compare the tokens, measure and print for every batch size; then write the numbers."""
    args = HfArgumentParser(GenerationArguments).parse_args_into_dataclasses()[0]
    torch.set_num_threads(1)
    models = build_models(args)
    results = []
    for batch_size, new_tokens in zip(args.batch_sizes, args.new_tokens, strict=True):
        steps = build_variants(models, batch_size, new_tokens, args)
        rates = measure(steps, args.rounds)
        title = (
            f"greedy generation, {args.preset}, vocabulary {args.vocab_size:,}, prompt {args.prompt_length}, "
            f"{new_tokens} new tokens for {batch_size} at once; same tokens"
        )
        results.append({"benchmark": title, "variants": report(f"\n{title}", "tokens", rates)})
    if args.output_file:
        Path(args.output_file).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def build_models(args: GenerationArguments) -> dict[str, PreTrainedModel]:
    """Build our model and its stock twin."""
    torch.manual_seed(0)
    config = MiniGPTConfig.from_preset(args.preset, vocab_size=args.vocab_size, initializer_range=0.08)
    ours = MiniGPTForCausalLM(config).eval()
    return {"stock": ours.to_stock(), "ours": ours}


def build_variants(
    models: dict[str, PreTrainedModel], batch_size: int, new_tokens: int, args: GenerationArguments
) -> dict[str, Callable[[], int]]:
    """Compare the tokens, and build name → a step that generates and returns its number of new tokens.

    Raises:
        AssertionError: the models write different tokens.
    """
    shape = (batch_size, args.prompt_length)
    input_ids = torch.randint(args.vocab_size, shape, generator=torch.Generator().manual_seed(1))
    prompt = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}

    def generate(model: PreTrainedModel) -> torch.Tensor:
        return model.generate(**prompt, do_sample=False, max_new_tokens=new_tokens, pad_token_id=0)

    def step(model: PreTrainedModel) -> int:
        return generate(model)[:, args.prompt_length :].numel()

    stock, ours = (generate(model) for model in models.values())
    assert torch.equal(stock, ours), f"{(stock != ours).sum()} of {stock.numel()} tokens differ"
    return {name: lambda model=model: step(model) for name, model in models.items()}


if __name__ == "__main__":
    prepare_console()
    main()

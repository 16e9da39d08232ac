"""Let a language model go on with a text, by any way of decoding.

    python examples/pretrain_minigpt.py                                            # once: a model to generate with
    python examples/generate.py --prompt "siang nanti" --strategy greedy
    python examples/generate.py --prompt "pagi" "sore" --strategy beam --options num_beams=4,num_return_sequences=2
    python examples/generate.py --model_name_or_path gpt2 --prompt_file prompts.txt --strategy top_p --options top_p=0.9

prints the prompt and what the model adds, token by token where one text is sampled or searched greedily. Strategies:
greedy, no_repeat_ngram, beam, diverse_beam, contrastive, sampling, temperature, top_k, top_k_temperature, top_p;
`modeling_minibert/decoding/strategies.py` has their settings, `--options` changes them.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, HfArgumentParser, TextStreamer, set_seed

import modeling_minibert  # noqa: F401  (registers the models with transformers)
from modeling_minibert.decoding import STRATEGIES, prepare_generation
from modeling_minibert.training import parse_options

OUR_MODEL = Path("out/minigpt")  # where examples/pretrain_minigpt.py saves
DEFAULT_PROMPT = "pagi datang"  # as the poem of examples/data/poem begins


@dataclass
class ModelArguments:
    """Which model goes on."""

    model_name_or_path: str | None = field(
        default=None, metadata={"help": f"a causal language model (folder or Hub name); none: {OUR_MODEL}"}
    )


@dataclass
class GenerationArguments:
    """With what, and how."""

    prompt: list[str] = field(
        default_factory=list, metadata={"help": f"one or more texts to go on with; none: {DEFAULT_PROMPT!r}"}
    )
    prompt_file: str | None = field(default=None, metadata={"help": "a text file, one prompt per line"})
    strategy: str = field(default="top_p", metadata={"help": f"one of {', '.join(STRATEGIES)}"})
    options: str | None = field(default=None, metadata={"help": "what to change of it, as name=value,name=value"})
    max_new_tokens: int | None = field(
        default=None, metadata={"help": "tokens to add, unless the text ends before; none: 100, where there is room"}
    )
    seed: int = field(default=0, metadata={"help": "of the draws"})


def find_model(name: str | None) -> str:
    """The model that was named, or ours."""
    if name is None and not (OUR_MODEL / "config.json").is_file():
        raise ValueError(
            f"there is no model in {OUR_MODEL} yet: run python examples/pretrain_minigpt.py first, or name one with "
            "--model_name_or_path"
        )
    return name or str(OUR_MODEL)


def load_model(name: str):
    """The model in eval mode, on an accelerator where there is one, and its tokenizer."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(name).eval().to(device), AutoTokenizer.from_pretrained(name)


def read_prompts(args: GenerationArguments) -> list[str]:
    """Those of the command line, then those of the file."""
    from_file = Path(args.prompt_file).read_text(encoding="utf-8").splitlines() if args.prompt_file else []
    return [*args.prompt, *from_file] if args.prompt or args.prompt_file else [DEFAULT_PROMPT]


def main():
    """Load, check, generate, print."""
    model_args, args = HfArgumentParser((ModelArguments, GenerationArguments)).parse_args_into_dataclasses()
    name, prompts, options = find_model(model_args.model_name_or_path), read_prompts(args), parse_options(args.options)
    model, tokenizer = load_model(name)
    inputs, arguments = prepare_generation(model, tokenizer, prompts, args.strategy, args.max_new_tokens, **options)
    set_seed(args.seed)
    texts = options.get("num_return_sequences", 1)
    # Searches that weigh several texts know the first token of the best only at the end.
    if len(prompts) * texts == 1 and not {"num_beams", "custom_generate"} & set(arguments):
        arguments["streamer"] = TextStreamer(tokenizer, skip_special_tokens=True)
    output = model.generate(**inputs.to(model.device), **arguments)
    if "streamer" not in arguments:
        for number, text in enumerate(tokenizer.batch_decode(output, skip_special_tokens=True)):
            which = f"prompt {number // texts + 1}, text {number % texts + 1}: " if len(output) > 1 else ""
            print(which + text)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a console without some letters prints ? instead of failing
    transformers.logging.disable_progress_bar()
    main()

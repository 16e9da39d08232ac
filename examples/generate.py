"""Continue a text with a language model, by any decoding strategy.

    python examples/pretrain_minigpt.py                                            # once: a model to generate with
    python examples/generate.py --prompt "siang nanti" --strategy greedy
    python examples/generate.py --prompt "pagi" "sore" --strategy beam --options num_beams=4,num_return_sequences=2
    python examples/generate.py --model_name_or_path gpt2 --prompt_file prompts.txt --strategy top_p --options top_p=0.9

prints the prompt and its continuation; a single text that is sampled or searched greedily appears token by token.
Strategies: greedy, no_repeat_ngram, beam, diverse_beam, contrastive, sampling, temperature, top_k, top_k_temperature,
top_p. `modeling_minibert/decoding/strategies.py` has their settings, `--options` changes them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    TextStreamer,
    set_seed,
)
from transformers.hf_argparser import HfArg

import modeling_minibert  # noqa: F401  (registers the models with transformers)
from modeling_minibert.decoding import STRATEGIES, prepare_generation
from modeling_minibert.training import parse_options
from modeling_minibert.training.script_arguments import ScriptParser, run_script

OUR_MODEL = Path("out/minigpt")  # where examples/pretrain_minigpt.py saves
DEFAULT_PROMPT = "pagi datang"  # as the poem of examples/data/poem begins


@dataclass
class ModelArguments:
    """The model to use."""

    model_name_or_path: str | None = HfArg(
        default=None, help=f"a causal language model (folder or Hub name); none: {OUR_MODEL}"
    )


@dataclass
class GenerationArguments:
    """The prompts and the strategy."""

    prompt: list[str] = HfArg(default_factory=list, help=f"one or more texts to continue; none: {DEFAULT_PROMPT!r}")
    prompt_file: str | None = HfArg(default=None, help="a text file, one prompt per line")
    strategy: str = HfArg(default="top_p", help=f"one of {', '.join(STRATEGIES)}")
    options: str | None = HfArg(default=None, help="settings of the strategy to change, as name=value,name=value")
    max_new_tokens: int | None = HfArg(
        default=None, help="tokens to add, unless the text ends before; none: 100, where there is room"
    )
    seed: int = HfArg(default=0, help="of the draws")


def find_model(name: str | None) -> str:
    """The name that was given, or the folder of examples/pretrain_minigpt.py."""
    if name is None and not (OUR_MODEL / "config.json").is_file():
        raise ValueError(
            f"there is no model in {OUR_MODEL} yet: run python examples/pretrain_minigpt.py first, or give "
            "--model_name_or_path"
        )
    return name or str(OUR_MODEL)


def load_model(name: str):
    """Load the model in evaluation mode, on an accelerator if there is one, and its tokenizer.

    Raises:
        ValueError: the model has another head than that of a language model.
    """
    config = AutoConfig.from_pretrained(name)
    saved_as = (config.architectures or [type(config).__name__])[0]
    writes = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    if not writes or saved_as.rpartition("For")[2] not in (saved_as, "CausalLM", "ConditionalGeneration"):
        raise ValueError(
            f"{name} is {saved_as}, which does not continue texts; give a causal language model: gpt2, or a folder "
            "that examples/pretrain_minigpt.py has saved"
        )
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    return AutoModelForCausalLM.from_pretrained(name).eval().to(device), AutoTokenizer.from_pretrained(name)


def read_prompts(args: GenerationArguments) -> list[str]:
    """Collect the prompts of the command line, then those of the file."""
    from_file = Path(args.prompt_file).read_text(encoding="utf-8").splitlines() if args.prompt_file else []
    return [*args.prompt, *from_file] if args.prompt or args.prompt_file else [DEFAULT_PROMPT]


def main():
    """Load the model, check the settings, generate and print."""
    model_args, args = ScriptParser((ModelArguments, GenerationArguments)).parse_args_into_dataclasses()
    name, prompts, options = find_model(model_args.model_name_or_path), read_prompts(args), parse_options(args.options)
    model, tokenizer = load_model(name)
    inputs, arguments = prepare_generation(model, tokenizer, prompts, args.strategy, args.max_new_tokens, **options)
    set_seed(args.seed)
    texts = options.get("num_return_sequences", 1)
    # A search over several texts knows the first token of the best one only at the end.
    if len(prompts) * texts == 1 and not {"num_beams", "custom_generate"} & set(arguments):
        arguments["streamer"] = TextStreamer(tokenizer, skip_special_tokens=True)
    output = model.generate(**inputs.to(model.device), **arguments)
    if "streamer" not in arguments:
        for number, text in enumerate(tokenizer.batch_decode(output, skip_special_tokens=True)):
            which = f"prompt {number // texts + 1}, text {number % texts + 1}: " if len(output) > 1 else ""
            print(which + text.removeprefix(" "))


if __name__ == "__main__":
    run_script(main)

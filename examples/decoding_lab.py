"""Compare all decoding strategies on one model: their text, its repetition and its likelihood.

    python examples/pretrain_minigpt.py --train_file examples/data/stories/train.txt --max_steps 1500 \
        --output_dir out/storyteller                                               # once: a model to decode from
    python examples/decoding_lab.py --model_name_or_path out/storyteller
    python examples/decoding_lab.py --model_name_or_path gpt2 --prompt "In a shocking finding," --num_samples 5

The settings are those of Holtzman et al. 2020, table 1, and some more. For each strategy it prints a text and

    rep 4        share of 4-grams that occurred before            distinct 2     share of different token pairs
    perplexity   of the text under the model                      ms per token   one text at a time
    self BLEU    how similar the sampled texts are; 1: all equal

averaged over `--num_samples` texts if they are sampled. Compare with the perplexity of human text: far below it a text
is dull, far above it incoherent. Below the table stand a text sampled at temperature 0.6 and one at 1.0, with the mean
entropy of the next token, in nats, over one and the same text: the lower temperature is more certain (S5). The script
also draws a beam search as a tree, and the token probabilities of a beam, a sampled and a human text. It writes
decoding_lab.json, beam_tree.txt and token_probabilities.png.
"""

import json
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from generate import ModelArguments, find_model, load_model
from transformers import set_seed
from transformers.hf_argparser import HfArg

from modeling_minibert.decoding import STRATEGIES, causal_lm, draw_beam_tree, encode_prompts, prepare_generation
from modeling_minibert.evaluation import (
    distinct_ngrams,
    mean_entropy,
    perplexity,
    plot_token_probabilities,
    repeated_ngrams,
    self_bleu,
    token_log_probs,
)
from modeling_minibert.training.script_arguments import ScriptParser, run_script

STORIES = Path(__file__).parent / "data" / "stories" / "validation.txt"
TEMPERATURES = (0.6, 1.0)
COLUMNS = ("rep_4", "distinct_2", "self_bleu", "perplexity", "ms_per_token")


@dataclass
class LabArguments:
    """The texts to decode and to compare with."""

    prompt: str | None = HfArg(default=None, help="none: the first sentence of a story of examples/data")
    human_text: str | None = HfArg(
        default=None, help="continuation by a human, to compare with; none: that of the story"
    )
    max_new_tokens: int | None = HfArg(default=None, help="none: 100, where the model has room")
    num_samples: int = HfArg(default=3, help="texts per strategy that draws")
    seed: int = HfArg(default=0, help="of the draws")
    output_dir: str = HfArg(default="out/decoding_lab", help="where the three files go")


def read_texts(args: LabArguments) -> tuple[str, str | None]:
    """Read the prompt and its continuation by a human."""
    if args.prompt is not None:
        return args.prompt, args.human_text
    first, *rest = STORIES.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    return first, args.human_text or " " + " ".join(rest)


def measure(model, prompt_ids: list[int], continuations: list[list[int]]) -> dict:
    """Average the figures over the continuations; with the token probabilities of the first one."""
    log_probs = [token_log_probs(model, prompt_ids, ids) for ids in continuations]
    several = {"self_bleu": self_bleu(continuations)} if len(continuations) > 1 else {}
    return several | {
        "rep_4": mean(repeated_ngrams(ids, 4) for ids in continuations),
        "distinct_2": mean(distinct_ngrams([ids], 2) for ids in continuations),
        "perplexity": mean(perplexity(values) for values in log_probs),
        "token_probabilities": log_probs[0].exp().tolist(),
    }


def try_strategy(model, tokenizer, strategy: str, prompt: str, args: LabArguments, **options) -> dict:
    """Generate with one strategy, one text at a time, and measure; `options` override its settings."""
    inputs, arguments = prepare_generation(model, tokenizer, [prompt], strategy, args.max_new_tokens, **options)
    inputs = inputs.to(model.device)
    prompt_length, continuations, seconds = inputs["input_ids"].shape[1], [], 0.0
    for number in range(args.num_samples if arguments["do_sample"] else 1):
        set_seed(args.seed + number)
        start = time.perf_counter()
        continuations.append(model.generate(**inputs, **arguments)[0, prompt_length:].tolist())
        seconds += time.perf_counter() - start
    result = measure(model, inputs["input_ids"][0].tolist(), continuations)
    result["ms_per_token"] = 1000 * seconds / sum(map(len, continuations))
    settings = {name: value for name, value in arguments.items() if not callable(value)}
    texts = tokenizer.batch_decode(continuations, skip_special_tokens=True)
    return {**result, "settings": settings, "texts": texts, "token_ids": continuations}


def compare_temperatures(model, tokenizer, prompt: str, args: LabArguments) -> dict[str, dict]:
    """Sample at each temperature, and measure the entropy of the next token over the text of temperature 1."""
    results = {
        str(value): try_strategy(model, tokenizer, "temperature", prompt, args, temperature=value)
        for value in TEMPERATURES
    }
    prompt_ids = encode_prompts(tokenizer, [prompt])["input_ids"][0].tolist()
    for value, result in zip(TEMPERATURES, results.values(), strict=True):
        result["entropy"] = mean_entropy(model, prompt_ids, results["1.0"]["token_ids"][0], value)
    return results


def measure_human(model, tokenizer, prompt: str, human_text: str) -> dict:
    """Measure a human text, cut to the length that the model reads."""
    prompt_ids, ids = (
        encode_prompts(tokenizer, [text])["input_ids"][0].tolist() for text in (prompt, prompt + human_text)
    )
    start, positions = len(prompt_ids), getattr(model.config, "max_position_embeddings", None)
    continuation = ids[start:positions]
    return {**measure(model, ids[:start], [continuation]), "texts": [tokenizer.decode(continuation)]}


def one_line(text: str) -> str:
    """Replace line breaks by a visible sign."""
    return text.replace("\n", "⏎")


def print_row(name: str, result: dict) -> None:
    """Print one line of the table, and the text below it."""
    figures = (f"{result[column]:>13.2f}" if column in result else " " * 13 for column in COLUMNS)
    print(f"{name:<18}" + "".join(figures))
    print_text(result)


def print_text(result: dict) -> None:
    """Print the beginning of the first text, indented."""
    text = textwrap.shorten(one_line(result["texts"][0]), 240, placeholder=" …")
    print(textwrap.fill(text, 110, initial_indent="    ", subsequent_indent="    "), flush=True)


def main():
    """Decode with every strategy, print, draw and save."""
    model_args, args = ScriptParser((ModelArguments, LabArguments)).parse_args_into_dataclasses()
    if args.num_samples < 1:
        raise ValueError(f"num_samples ({args.num_samples}) must be at least 1")
    model, tokenizer = load_model(find_model(model_args.model_name_or_path))
    prompt, human_text = read_texts(args)
    prepare_generation(model, tokenizer, [prompt], "greedy", args.max_new_tokens)  # checks the prompt
    output_dir = Path(args.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)

    # 1. Every strategy
    print(f"prompt: {prompt}\n\n{'':<18}" + "".join(f"{column.replace('_', ' '):>13}" for column in COLUMNS))
    results = {}
    if human_text:
        results["human"] = measure_human(model, tokenizer, prompt, human_text)
        print_row("human", results["human"])
    for strategy in STRATEGIES:
        results[strategy] = try_strategy(model, tokenizer, strategy, prompt, args)
        print_row(strategy, results[strategy])

    # 2. Two temperatures
    temperatures = compare_temperatures(model, tokenizer, prompt, args)
    for value, result in temperatures.items():
        print(f"\ntemperature {value}: entropy of the next token {result['entropy']:.2f} nats, rep 4 "
              f"{result['rep_4']:.2f}, perplexity {result['perplexity']:.2f}")  # fmt: skip
        print_text(result)

    # 3. The tree of a beam search
    prompt_ids = encode_prompts(tokenizer, [prompt])["input_ids"][0].tolist()
    steps = min(6, results["greedy"]["settings"]["max_new_tokens"])
    eos = model.generation_config.eos_token_id
    tree = draw_beam_tree(causal_lm(model), prompt_ids, steps, 3, lambda ids: one_line(tokenizer.decode(ids)), eos)
    print(f"\n3 beams, {steps} tokens:\n{tree}")
    (output_dir / "beam_tree.txt").write_text(tree + "\n", encoding="utf-8")

    # 4. Token probabilities
    shown = [name for name in ("beam", "sampling", "human") if name in results]
    curves = {name: torch.tensor(results[name]["token_probabilities"]).log() for name in shown}
    plot_token_probabilities(curves, output_dir / "token_probabilities.png")
    report = {"model": find_model(model_args.model_name_or_path), "prompt": prompt, "strategies": results}
    report["temperatures"] = temperatures
    (output_dir / "decoding_lab.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    print(f"\nsaved to {output_dir}: decoding_lab.json, beam_tree.txt, token_probabilities.png")


if __name__ == "__main__":
    run_script(main)

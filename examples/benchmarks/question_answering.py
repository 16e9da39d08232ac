"""Measure the speed of `pipeline("question-answering")` in batches, against one question at a time.

    python examples/benchmarks/question_answering.py                    sentences of the bundled stories
    python examples/benchmarks/question_answering.py --sentences 0      whole stories
    python examples/benchmarks/question_answering.py --model_name_or_path out/qa --dataset_name rajpurkar/squad

500 contexts with one question each, one thread, CPU time. A batch holds windows of similar lengths
(`modeling_minibert/pipeline_question_answering.py`). First the answers of all variants are compared; the script fails
if a score differs by more than rounding. By default the model has random weights and the size of all-MiniLM-L6-v2
(6 layers, 384 wide), since correct answers do not matter here. Batches gain less on longer contexts, which keep a core
busy alone. Takes about two minutes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from datasets import load_dataset
from interleaved import measure, report
from transformers import HfArgumentParser, pipeline
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering
from modeling_minibert.data import load_documents
from tokenization import train_tokenizer
from tokenization.console import prepare_console

STORIES = Path(__file__).parents[1] / "data" / "stories" / "train.txt"


@dataclass
class BenchmarkArguments:
    """The questions and the variants."""

    model_name_or_path: str | None = HfArg(default=None, help="none: random weights")
    dataset_name: str | None = HfArg(
        default=None, help="a name on the Hub or a folder with the columns question and context"
    )
    split: str = HfArg(default="validation", help="split of the data set")
    contexts: int = HfArg(default=500, help="number of different contexts, evenly spread over the data")
    sentences: int = HfArg(default=1, help="sentences of a story that make a context; 0: all")
    batch_sizes: list[int] = HfArg(default_factory=lambda: [8, 32], help="windows in a batch")
    rounds: int = HfArg(default=3, help="how often each variant is timed")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")


def main():
    """Compare the answers, measure, print and write the numbers."""
    args = HfArgumentParser(BenchmarkArguments).parse_args_into_dataclasses()[0]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    examples = load_examples(args)
    pipe = load_pipeline(args, [example["context"] for example in examples])
    variants = {"one by one": lambda: [pipe(example) for example in examples]}
    for size in args.batch_sizes:
        variants[f"batches of {size}"] = lambda size=size: pipe(examples, batch_size=size)
    pairs = [(example["question"], example["context"]) for example in examples]
    tokens = mean(len(ids) for ids in pipe.tokenizer(pairs)["input_ids"])
    check_answers(variants)  # also the warm-up
    rates = measure({name: lambda run=run: len(run()) for name, run in variants.items()}, args.rounds, warmup=0)
    source, model = args.dataset_name or "stories", args.model_name_or_path or "random weights, 6 layers, 384 wide"
    title = f"{len(examples)} questions and contexts ({source}), {tokens:.0f} tokens on average; {model}; same answers"
    numbers = report(f"\n{title}", "questions", rates)
    if args.output_file:
        Path(args.output_file).write_text(
            json.dumps({"benchmark": title, "variants": numbers}, indent=1) + "\n", encoding="utf-8"
        )


def load_examples(args: BenchmarkArguments) -> list[dict[str, str]]:
    """Load contexts with one question each; for the stories the question is the last words of the context."""
    if args.dataset_name:
        pairs = {row["context"]: row["question"] for row in load_dataset(args.dataset_name, split=args.split)}
    else:
        stories = load_documents(data_files={"train": str(STORIES)})["train"]["text"]
        contexts = ["\n".join(story.splitlines()[: args.sentences or None]) for story in stories]
        pairs = {context: " ".join(context.split()[-4:]) for context in contexts}
    every = max(1, len(pairs) // args.contexts)
    chosen = list(pairs.items())[::every][: args.contexts]
    return [{"question": question, "context": context} for context, question in chosen]


def load_pipeline(args: BenchmarkArguments, texts: list[str]):
    """Load the model that is named, or build a random one with a tokenizer of these texts."""
    if args.model_name_or_path:
        return pipeline("question-answering", args.model_name_or_path, device="cpu")
    tokenizer = train_tokenizer(texts, vocab_size=2000)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    model = MiniBertForQuestionAnswering(MiniBertConfig(vocab_size=len(tokenizer), **sizes)).eval()
    return pipeline("question-answering", model, tokenizer=tokenizer, device="cpu")


def check_answers(variants: dict[str, Callable[[], list[dict]]]) -> None:
    """Raise an AssertionError if two variants give a question different scores, beyond rounding."""
    (first, alone), *others = ((name, run()) for name, run in variants.items())
    for name, answers in others:
        for number, (one, other) in enumerate(zip(alone, answers, strict=True)):
            near = abs(one["score"] - other["score"]) <= 1e-3 * one["score"]
            assert near, f"question {number}: {one} {first}, but {other} in {name}"
        same = sum(one["answer"] == other["answer"] for one, other in zip(alone, answers, strict=True))
        print(f"{name}: {same} of {len(alone)} answers word for word those {first}")


if __name__ == "__main__":
    prepare_console()
    main()

"""How many questions a second does `pipeline("question-answering")` answer in batches, against one by one?

    python examples/benchmarks/question_answering.py                    sentences of the bundled stories
    python examples/benchmarks/question_answering.py --sentences 0      whole stories
    python examples/benchmarks/question_answering.py --model_name_or_path out/qa --dataset_name rajpurkar/squad

500 contexts with a question each, one thread, CPU time. In batches, windows of like lengths are computed together
(`modeling_minibert/pipeline_question_answering.py`). Before anything is timed the answers of all ways are compared: the
script ends with an error if a score differs by more than rounding. Without a model it is one of random weights in the
size of all-MiniLM-L6-v2 (6 layers, 384 wide); which answers are right plays no part here. What is gained shrinks with
the length of the contexts: one long text already keeps a core busy. Takes about two minutes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import torch
from datasets import load_dataset
from interleaved import measure, report
from transformers import HfArgumentParser, pipeline

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering
from modeling_minibert.data import load_documents
from tokenization import train_tokenizer

STORIES = Path(__file__).parents[1] / "data" / "stories" / "train.txt"


@dataclass
class BenchmarkArguments:
    """What is asked, and how often."""

    model_name_or_path: str | None = field(default=None, metadata={"help": "none: random weights"})
    dataset_name: str | None = field(
        default=None, metadata={"help": "a name on the Hub or a folder with the columns question and context"}
    )
    split: str = field(default="validation", metadata={"help": "of the data set"})
    contexts: int = field(default=500, metadata={"help": "how many, evenly spread over the data; each comes once"})
    sentences: int = field(default=1, metadata={"help": "of a story that make a context; 0: all of them"})
    batch_sizes: list[int] = field(default_factory=lambda: [8, 32], metadata={"help": "windows in a batch"})
    rounds: int = field(default=3, metadata={"help": "how often each way is timed"})
    output_file: str | None = field(default=None, metadata={"help": "write the numbers here, as json"})


def main():
    """Compare the answers, measure, print, and write the numbers."""
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
    check_answers(variants)  # which is the warm-up, too
    rates = measure({name: lambda run=run: len(run()) for name, run in variants.items()}, args.rounds, warmup=0)
    source, model = args.dataset_name or "stories", args.model_name_or_path or "random weights, 6 layers, 384 wide"
    title = f"{len(examples)} questions and contexts ({source}), {tokens:.0f} tokens on average; {model}; same answers"
    numbers = report(f"\n{title}", "questions", rates)
    if args.output_file:
        Path(args.output_file).write_text(json.dumps({"benchmark": title, "variants": numbers}, indent=1) + "\n")


def load_examples(args: BenchmarkArguments) -> list[dict[str, str]]:
    """Contexts with a question each; of the stories, the last words of the context."""
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
    """The model that is named, or a random one with a tokenizer of these texts."""
    if args.model_name_or_path:
        return pipeline("question-answering", args.model_name_or_path, device="cpu")
    tokenizer = train_tokenizer(texts, vocab_size=2000)
    config = MiniBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    model = MiniBertForQuestionAnswering(config).eval()
    return pipeline("question-answering", model, tokenizer=tokenizer, device="cpu")


def check_answers(variants: dict[str, Callable[[], list[dict]]]) -> None:
    """Raise AssertionError where two ways answer a question differently, but for ties within rounding."""
    (first, alone), *others = ((name, run()) for name, run in variants.items())
    for name, answers in others:
        for number, (one, other) in enumerate(zip(alone, answers, strict=True)):
            near = abs(one["score"] - other["score"]) <= 1e-3 * one["score"]
            assert near, f"question {number}: {one} {first}, but {other} in {name}"
        same = sum(one["answer"] == other["answer"] for one, other in zip(alone, answers, strict=True))
        print(f"{name}: {same} of {len(alone)} answers word for word those {first}")


if __name__ == "__main__":
    main()

"""Measure the speed of encoding texts with the word cache, against `encode_batch` of the same tokenizer.

    python examples/benchmarks/encoding.py                                      the bundled stories, a new tokenizer
    python examples/benchmarks/encoding.py --dataset_name stanfordnlp/imdb --tokenizer_name bert-base-uncased
    python examples/benchmarks/encoding.py --dataset_name folder --text_column review --output_file encoding.json

One thread, CPU time, without special tokens; both sides return lists of ids, 1,000 texts at a time. The word cache runs
cold (empty at the start of every round) and warm (with every word in it). First the ids of all texts are compared; the
script fails if one differs. Takes ten seconds for the stories, and two minutes for the 25,000 IMDB reviews.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from interleaved import measure, report
from transformers import AutoTokenizer, HfArgumentParser
from transformers.hf_argparser import HfArg

from modeling_minibert.data import WordCache, load_documents
from tokenization import train_tokenizer
from tokenization.console import prepare_console

STORIES = Path(__file__).parents[1] / "data" / "stories" / "train.txt"


@dataclass
class EncodingArguments:
    """The texts and the tokenizer."""

    dataset_name: str | None = HfArg(default=None, help="a name on the Hub or a folder; its train split")
    text_column: str = HfArg(default="text", help="the column that holds the text")
    max_texts: int | None = HfArg(default=None, help="take only the first texts")
    tokenizer_name: str | None = HfArg(default=None, help="none: a WordPiece is trained on the texts")
    vocab_size: int = HfArg(default=2000, help="size of a tokenizer trained here")
    rounds: int = HfArg(default=5, help="how often each variant is timed")
    output_file: str | None = HfArg(default=None, help="write the numbers here, as json")


def main():
    """Compare the ids, measure, print and write the numbers."""
    args = HfArgumentParser(EncodingArguments).parse_args_into_dataclasses()[0]
    # Tokenizers read these settings on their first batch.
    os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    torch.set_num_threads(1)
    texts = load_texts(args)[: args.max_texts]
    tokenizer = load_tokenizer(args, texts)
    check_ids(tokenizer, texts)
    rates = measure(build_variants(tokenizer, texts, args.rounds), args.rounds)
    source, names = args.dataset_name or "stories", args.tokenizer_name or f"WordPiece, {len(tokenizer):,} pieces"
    title = f"encoding {len(texts):,} texts ({source}) with {names}; same ids"
    numbers = report(f"\n{title}", "characters", rates)
    if args.output_file:
        Path(args.output_file).write_text(
            json.dumps({"benchmark": title, "variants": numbers}, indent=1) + "\n", encoding="utf-8"
        )


def load_texts(args: EncodingArguments) -> list[str]:
    """Load the train split of a data set, or the stories."""
    files = None if args.dataset_name else {"train": str(STORIES)}
    return load_documents(args.dataset_name, data_files=files, text_column=args.text_column)["train"]["text"][:]


def load_tokenizer(args: EncodingArguments, texts: list[str]):
    """Load the tokenizer that is named, or train one; without truncation and padding."""
    if args.tokenizer_name:
        tokenizer = AutoTokenizer.from_pretrained(args.tokenizer_name)
    else:
        tokenizer = train_tokenizer(texts, vocab_size=args.vocab_size)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def encode_stock(tokenizer, texts: list[str]) -> list[list[int]]:
    """Encode with the tokenizer itself."""
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def check_ids(tokenizer, texts: list[str]) -> None:
    """Raise an AssertionError if the word cache gives a text other ids, cold or warm."""
    cache = WordCache(tokenizer)
    if not cache.exact_by_words:
        print("this tokenizer does not encode word by word: the word cache gives every text to the tokenizer")
    for block in cut(texts):
        expected = encode_stock(tokenizer, block)
        for state in ("cold", "warm"):
            for text, ids, right in zip(block, cache.encode_batch(block), expected, strict=True):
                assert ids == right, f"other ids from the {state} word cache: {text!r:.200}"


def build_variants(tokenizer, texts: list[str], rounds: int) -> dict[str, Callable[[], int]]:
    """Build name → a step that encodes all texts and returns their number of characters."""
    blocks = list(cut(texts))
    warm, empty = WordCache(tokenizer), iter([WordCache(tokenizer) for _ in range(rounds + 1)])

    def step(encode) -> int:
        for block in blocks:
            encode(block)
        return sum(map(len, texts))

    return {
        "encode_batch": lambda: step(lambda block: encode_stock(tokenizer, block)),
        "word cache, cold": lambda: step(next(empty).encode_batch),
        "word cache, warm": lambda: step(warm.encode_batch),  # `measure` runs an untimed round first
    }


def cut(texts: list[str]) -> Iterator[list[str]]:
    """Cut the texts into blocks of 1,000, as `datasets.map` does."""
    return (texts[start : start + 1000] for start in range(0, len(texts), 1000))


if __name__ == "__main__":
    prepare_console()
    main()

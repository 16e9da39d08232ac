"""Train the README's first model, a classifier of the bundled texts, and ask it six sentences.

    minibert demo

It takes the flags of `minibert train classifier`.
"""

import sys

import modeling_minibert  # noqa: F401  (registers the models with transformers)

from ..training import classifier
from .predict import build_parser
from .prediction_rows import describe
from .prediction_tasks import open_task

SENTENCES = [
    "Filmnya bagus banget.",
    "Aku nggak suka makanannya, hambar.",
    "Pelayanannya ramah dan cepat.",
    "I love this phone.",
    "The hotel was not clean at all.",
    "What a waste of money.",
]


def main(arguments: list[str] | None = None) -> list[dict]:
    """Train with these flags or those of the command line, and print the answers to six sentences; return them."""
    flags = sys.argv[1:] if arguments is None else arguments
    *_, args, _ = classifier.parse_arguments(flags)  # ends here with --help
    classifier.main(flags)
    rows = [{"text": text} for text in SENTENCES]
    answers = open_task(build_parser().parse_args([args.output_dir])).answer(rows)
    answered = [row | answer for row, answer in zip(rows, answers, strict=True)]
    print("\nsix sentences that it has not seen:")
    print("\n".join(f"  {describe(row)}" for row in answered))
    return answered

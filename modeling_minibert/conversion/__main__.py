"""Convert a checkpoint: `python -m modeling_minibert.conversion IN OUT`.

A model of ours becomes its stock twin; a stock model or a nanoGPT checkpoint (ckpt.pt) becomes a model of ours.
"""

from pathlib import Path

from tokenization.console import OneLineParser, program_name, run_command

from .nanogpt import convert_nanogpt
from .stock_folders import convert_folder

DESCRIPTIONS = {
    None: "Convert a checkpoint: a model of ours to its stock twin, a stock model or nanoGPT checkpoint to ours.",
    "stock": "Save a model of ours as its stock twin, bert, gpt2, openai-gpt, marian or t5, which needs no code.",
    "ours": "Save a stock model (bert, gpt2, openai-gpt, marian, t5) or a nanoGPT checkpoint as a model of ours.",
}


def main(target: str | None = None) -> None:
    """Convert IN, a nanoGPT file or else a folder or Hub name, and save it in OUT.

    Args:
        target: what OUT shall be, "ours" or "stock"; None: the other of what IN is.
    """
    program = program_name("python -m modeling_minibert.conversion")
    parser = OneLineParser(prog=program, description=DESCRIPTIONS[target])
    parser.add_argument(
        "source", metavar="IN", help="folder or Hub name of a model of ours or a stock model, or a ckpt.pt"
    )
    parser.add_argument("destination", metavar="OUT", help="new or empty folder for the result")
    parser.add_argument("--characters", metavar="FILE", help="text of nanoGPT's character data set, for its tokenizer")
    args = parser.parse_args()
    if Path(args.source).is_file() and target != "stock":
        convert_nanogpt(args.source, args.destination, args.characters)
    elif args.characters is not None:
        raise ValueError(f"--characters is for nanoGPT's ckpt.pt, and {args.source} is not a file; leave it out")
    else:
        convert_folder(args.source, args.destination, target)


def to_stock() -> None:
    """Convert a model of ours to its stock twin."""
    main("stock")


def from_stock() -> None:
    """Convert a stock model, or a nanoGPT checkpoint, to a model of ours."""
    main("ours")


if __name__ == "__main__":
    run_command(main)

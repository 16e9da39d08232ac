"""Convert a checkpoint: `python -m modeling_minibert.conversion IN OUT`.

A model of ours becomes its stock twin; a stock model or a nanoGPT checkpoint (ckpt.pt) becomes a model of ours.
"""

from pathlib import Path

from tokenization.console import OneLineParser, program_name, run_command

from .nanogpt import convert_nanogpt
from .stock_folders import convert_folder


def main() -> None:
    """Convert IN, a nanoGPT file or else a folder or Hub name, and save it in OUT."""
    program = program_name("python -m modeling_minibert.conversion")
    parser = OneLineParser(prog=program, description=__doc__.split("\n")[0])
    parser.add_argument(
        "source", metavar="IN", help="folder or Hub name of a model of ours or a stock model, or a ckpt.pt"
    )
    parser.add_argument("destination", metavar="OUT", help="new or empty folder for the result")
    parser.add_argument("--characters", metavar="FILE", help="text of nanoGPT's character data set, for its tokenizer")
    args = parser.parse_args()
    if Path(args.source).is_file():
        convert_nanogpt(args.source, args.destination, args.characters)
    elif args.characters is not None:
        raise ValueError(f"--characters is for nanoGPT's ckpt.pt, and {args.source} is not a file; leave it out")
    else:
        convert_folder(args.source, args.destination)


if __name__ == "__main__":
    run_command(main)

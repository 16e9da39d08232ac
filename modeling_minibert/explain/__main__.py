"""Show what a checkpoint makes of a text: `python -m modeling_minibert.explain DIR "text" --out page.html`.

DIR is a folder of a model of ours with any head, or of a stock model that has a twin of ours, as BERT and GPT-2.

    --out page.html        one web page, to be opened in a browser; needs no network
    --print                everything as text, token by token
    --print 0 1 2          of that only layer 0, head 1, token 2
    --pair "text"          the second text of a pair; for an encoder–decoder the target
"""

import argparse
import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel

import modeling_minibert

from ..stock import from_stock
from .html import write_html
from .trace import STACKS, check_model_type, check_text, trace

# Without one of these AutoTokenizer may still make a tokenizer, which knows no word.
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "source.spm")


def load_model(folder: str) -> PreTrainedModel:
    """Open a folder as the class it was saved from; a stock model becomes one of ours.

    Raises:
        ValueError: no model or no tokenizer there, or a model that cannot be traced; says which can.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} has no config.json; give a folder that `save_pretrained` or a training has written")
    config = json.loads(path.read_text(encoding="utf-8"))
    check_model_type(config.get("model_type"))
    if not any((Path(folder) / name).is_file() for name in TOKENIZER_FILES):
        raise ValueError(f"{folder} has no tokenizer; put it there by tokenizer.save_pretrained({folder!r})")
    if config["model_type"] not in STACKS:
        return from_stock(folder)
    name = (config.get("architectures") or ["a model without architectures"])[0]
    if not hasattr(modeling_minibert, name):
        raise ValueError(f"{path} names {name}, which is no class of modeling_minibert")
    return getattr(modeling_minibert, name).from_pretrained(folder)


def explain(arguments: argparse.Namespace) -> None:
    """Check, load, trace, write and print, in this order."""
    if arguments.out is None and arguments.print is None:
        raise ValueError("nothing to do: give --out page.html, --print, or both")
    if arguments.print is not None and len(arguments.print) > 3:
        raise ValueError(f"--print takes at most a layer, a head and a token, got {len(arguments.print)} numbers")
    if arguments.out is not None and not Path(arguments.out).parent.is_dir():
        raise ValueError(f"there is no folder {Path(arguments.out).parent} for {arguments.out}; make it first")
    check_text(arguments.text, arguments.pair)
    model = load_model(arguments.folder)
    traced = trace(model, AutoTokenizer.from_pretrained(arguments.folder), arguments.text, arguments.pair)
    if arguments.print is not None:
        print(traced.describe(*arguments.print))
    if arguments.out is not None:
        path = write_html(traced, arguments.out)
        print(f"{path}: {path.stat().st_size / 1000:,.0f} kB, open it in a browser")


def main() -> None:
    """`python -m modeling_minibert.explain DIR "text" --out page.html`."""
    parser = argparse.ArgumentParser(
        prog="python -m modeling_minibert.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of a checkpoint")
    parser.add_argument("text", help="what the model is to read")
    parser.add_argument("--pair", help="the second text of a pair")
    parser.add_argument("--out", metavar="PAGE", help="write a web page")
    parser.add_argument("--print", nargs="*", type=int, metavar="N", help="print the trace, or one layer, head, token")
    try:
        explain(parser.parse_args())
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()

"""Trace a text through a checkpoint: `python -m modeling_minibert.explain DIR "text" --out page.html`.

DIR is the folder of a model of ours with any head, or of a stock model with a twin of ours (BERT, GPT-2, …).

    --out page.html        write the trace as a web page that works offline
    --print                print the trace, token by token
    --print 0 1 2          print layer 0, head 1, token 2 alone
    --pair "text"          the second text of a pair; for an encoder–decoder the target
"""

import argparse
import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedModel

import modeling_minibert
from tokenization.console import OneLineParser, program_name, run_command

from ..stock import from_stock
from .attribution import Attribution, integrated_gradients
from .html import write_html
from .trace import STACKS, check_model_type, check_text, trace

# Without one of these files AutoTokenizer may return a tokenizer with an empty vocabulary.
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "source.spm")


def load_model(folder: str) -> PreTrainedModel:
    """Load a model as the class it was saved from, and convert a stock model to ours.

    Raises:
        ValueError: the folder has no model or no tokenizer, or the model cannot be traced.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} has no config.json; give a folder that `save_pretrained` has written")
    config = json.loads(path.read_text(encoding="utf-8"))
    check_model_type(config.get("model_type"))
    if not any((Path(folder) / name).is_file() for name in TOKENIZER_FILES):
        raise ValueError(f"{folder} has no tokenizer; add it with tokenizer.save_pretrained({folder!r})")
    if config["model_type"] not in STACKS:
        return from_stock(folder)
    name = (config.get("architectures") or ["a model without architectures"])[0]
    if not hasattr(modeling_minibert, name):
        raise ValueError(f"{path} names {name}, which is not a class of modeling_minibert")
    return getattr(modeling_minibert, name).from_pretrained(folder)


def attribute(model: PreTrainedModel, tokenizer, text: str, pair: str | None) -> Attribution | None:
    """Attribute the answer to one text to its words, where the model gives one answer; otherwise None."""
    task = type(model).__name__.partition("For")[2]
    if pair is not None or task not in ("SequenceClassification", "MaskedLM", "CausalLM"):
        return None
    if task == "MaskedLM" and tokenizer(text)["input_ids"].count(tokenizer.mask_token_id) != 1:
        return None
    return integrated_gradients(model.eval(), tokenizer, text)


def explain(arguments: argparse.Namespace) -> None:
    """Check the arguments, trace the text, then print the trace or write the page."""
    if arguments.out is None and arguments.print is None:
        raise ValueError("nothing to do: give --out page.html, --print, or both")
    if arguments.print is not None and len(arguments.print) > 3:
        raise ValueError(f"--print takes at most a layer, a head and a token, got {len(arguments.print)} numbers")
    if arguments.out is not None and not Path(arguments.out).parent.is_dir():
        raise ValueError(f"there is no folder {Path(arguments.out).parent} for {arguments.out}; create it first")
    check_text(arguments.text, arguments.pair)
    model, tokenizer = load_model(arguments.folder), AutoTokenizer.from_pretrained(arguments.folder)
    traced = trace(model, tokenizer, arguments.text, arguments.pair)
    if arguments.print is not None:
        print(traced.describe(*arguments.print))
    if arguments.out is not None:
        path = write_html(traced, arguments.out, attribute(model, tokenizer, arguments.text, arguments.pair))
        print(f"{path}: {path.stat().st_size / 1000:,.0f} kB, open it in a browser")


def main() -> None:
    """Run the command."""
    parser = OneLineParser(
        prog=program_name("python -m modeling_minibert.explain"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of a checkpoint")
    parser.add_argument("text", help="text for the model to read")
    parser.add_argument("--pair", help="second text of a pair; for an encoder–decoder the target")
    parser.add_argument("--out", metavar="PAGE", help="write the trace as a web page")
    parser.add_argument("--print", nargs="*", type=int, metavar="N", help="print all, or this layer, head and token")
    explain(parser.parse_args())


if __name__ == "__main__":
    run_command(main)

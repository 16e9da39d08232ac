"""Command line: `python -m tokenization train`, `compare` and `inspect`.

python -m tokenization train corpus.txt --kind wordpiece --vocab_size 8000 --output_dir my-tokenizer
python -m tokenization train --dataset_name my-folder --text_column sentence --output_dir my-tokenizer
python -m tokenization compare my-tokenizer other-tokenizer --file text.txt
python -m tokenization inspect "Harga tiketnya 5.000 rupiah" --tokenizer my-tokenizer
"""

import argparse
import sys
import time
import unicodedata
from itertools import islice
from pathlib import Path

from .comparison import compare_tokenizers, format_reports
from .console import OneLineParser, prepare_console, program_name, run_and_report
from .inspection import format_pieces, inspect_text, removed_marks
from .stock_classes import SIDES, save_tokenizer
from .table_files import TableFormat
from .table_folders import find_table_files
from .text_rules import PUNCTUATION_MODES
from .text_sources import open_texts
from .training import KINDS, train_tokenizer

SAMPLE_TEXTS = 1000  # training texts measured for the final report


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors print one line and return 2, or raise with --traceback."""
    prepare_console()
    options = build_parser().parse_args(arguments)
    return run_and_report(lambda: options.run(options), options.traceback)


def run() -> None:
    """Run the command that `sys.argv` names, for `minibert tokenizer`, which reports the errors itself."""
    options = build_parser().parse_args()
    options.run(options)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the three commands."""
    program = program_name("python -m tokenization")
    parser = OneLineParser(prog=program, description="Train, compare, inspect tokenizers.")
    commands = parser.add_subparsers(required=True, metavar="train|compare|inspect")
    _add_train_options(commands.add_parser("train", help="learn a vocabulary from text"))
    compare = commands.add_parser("compare", help="measure several tokenizers on the same text")
    compare.add_argument("tokenizers", nargs="+", metavar="TOKENIZER_DIR")
    compare.add_argument("--file", type=Path, nargs="+", required=True, help="text, or a table")
    compare.add_argument("--text_column", default="text", help="column of a table (text)")
    _add_file_options(compare)
    compare.set_defaults(run=run_compare)
    inspect = commands.add_parser("inspect", help="list the pieces of one text")
    inspect.add_argument("text")
    inspect.add_argument("text_pair", nargs="?", help="second text of a pair, e.g. question and passage")
    inspect.add_argument("--tokenizer", nargs="+", required=True, metavar="TOKENIZER_DIR")
    inspect.set_defaults(run=run_inspect)
    parser.commands = commands.choices
    for command in commands.choices.values():
        command.add_argument("--traceback", action="store_true", help="show where an error happened")
    return parser


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`, named like the arguments of `train_tokenizer`."""
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="text, one text per line; or .parquet .csv .json(l)")
    add("--dataset_name", help="a data set of datasets.load_dataset: a Hub id or a local folder")
    add("--dataset_config_name", help="configuration of that data set")
    add("--dataset_split", default="train", help="split of that data set (train)")
    add("--streaming", action="store_true", help="read the data set without storing it")
    add("--text_column", default="text", help="column that holds the text (text)")
    _add_file_options(parser)
    add("--output_dir", required=True, help="folder for the tokenizer")
    add("--kind", default="wordpiece", help=f"one of {', '.join(KINDS)} (wordpiece)")
    add("--vocab_size", type=int, default=8000, help="number of ids, special tokens included (8000)")
    add("--min_frequency", type=int, default=2, help="smallest count of a piece in the text (2)")
    add("--limit_alphabet", type=int, default=1000, help="number of most frequent characters to keep (1000)")
    add("--model_max_length", type=int, default=512, help="tokens, start and end included (512)")
    add("--lowercase", action=argparse.BooleanOptionalAction, default=True, help="convert to lower case (yes)")
    add(
        "--strip_accents",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="é to e, not for vowel signs (follows lowercase)",
    )
    add("--byte_fallback", action="store_true", help="encode unseen characters as bytes; bpe and unigram")
    add("--strip_html", action="store_true", help="replace tags, e.g. <br />, by spaces")
    add("--punctuation", default="isolate", help=f"one of {', '.join(PUNCTUATION_MODES)} (isolate)")
    add("--phrases", type=int, default=0, help="add this many frequent phrases; wordpiece and wordlevel (0)")
    add("--padding_side", default="right", choices=SIDES)
    add("--truncation_side", default="right", choices=SIDES)
    parser.set_defaults(run=run_train)


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how text files are written."""
    add = parser.add_argument
    add("--delimiter", help="character between the cells of a csv, or tab (a comma; a tab in .tsv)")
    add("--encoding", help="of text files, for example cp1252 (that of the byte-order mark, or UTF-8)")
    add("--quotes", type=_truth, default=True, help="whether cells of a csv may stand in quotation marks (true)")


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
    return text.lower() == "true"


_FILE_OPTIONS = ("delimiter", "encoding", "quotes")
_TRAIN_OPTIONS = (
    "kind vocab_size lowercase strip_accents min_frequency limit_alphabet byte_fallback model_max_length padding_side "
    "truncation_side strip_html punctuation phrases"
).split()


def run_train(options: argparse.Namespace) -> None:
    """Train and save a tokenizer, and print a report."""
    if Path(options.output_dir).is_file():
        raise ValueError(f"--output_dir {options.output_dir} is a file; name a folder")
    texts = _training_texts(options)
    source = f"{options.dataset_name} ({options.dataset_split})" if options.dataset_name else texts.name
    print(f"training a {options.kind} vocabulary of {options.vocab_size:,} from {source}")
    start = time.perf_counter()
    tokenizer = train_tokenizer(texts, **{name: getattr(options, name) for name in _TRAIN_OPTIONS})
    seconds = time.perf_counter() - start
    directory = save_tokenizer(tokenizer, options.output_dir)
    print(
        f"{len(tokenizer):,} entries from {texts.seen:,} texts in {seconds:.1f} s; special tokens "
        f"{dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))}\n"
    )
    sample = list(islice((text for text in texts if text.strip()), SAMPLE_TEXTS))
    for text in sample[:3]:
        words = " ".join(text.split()[:12])
        print(f"  {words}\n    {' '.join(tokenizer.tokenize(words))}")
    print(f"\n{format_reports(compare_tokenizers({directory.name: tokenizer}, sample))}")
    print(f"(measured on {len(sample):,} of the training texts)\n\nsaved in {directory}; next:")
    print(f'  python -m tokenization inspect "{" ".join(sample[0].split()[:5])}" --tokenizer {directory}')


def _training_texts(options: argparse.Namespace):
    """Open the files or the data set named on the command line."""
    if bool(options.files) == bool(options.dataset_name):
        raise ValueError(
            f"give either files or --dataset_name; got {len(options.files)} files and "
            f"dataset_name {options.dataset_name!r}"
        )
    if options.files:
        return open_texts(options.files, options.text_column, *(getattr(options, name) for name in _FILE_OPTIONS))
    if Path(options.dataset_name).is_dir():
        layout = TableFormat(*(getattr(options, name) for name in _FILE_OPTIONS))
        files, layout = find_table_files(options.dataset_name, options.dataset_config_name, layout)
        if files is not None:
            if options.dataset_split not in files:
                raise ValueError(f"there is no split {options.dataset_split!r}; the splits are {sorted(files)}")
            paths = [Path(path) for path in files[options.dataset_split]]
            return open_texts(paths, options.text_column, layout.delimiter, layout.encoding, layout.quotes)
    from datasets import load_dataset

    name, split = options.dataset_name, options.dataset_split
    try:
        dataset = load_dataset(name, options.dataset_config_name, split=split, streaming=options.streaming)
    except Exception as error:  # the cause says what is wrong with the data
        raise ValueError(f"cannot read the data set {name!r}: {error.__cause__ or error}") from error
    return open_texts(dataset, options.text_column, *(getattr(options, name) for name in _FILE_OPTIONS))


def run_compare(options: argparse.Namespace) -> None:
    """Print one row per tokenizer."""
    tokenizers = {name: load_tokenizer(name) for name in options.tokenizers}
    texts = open_texts(options.file, options.text_column, *(getattr(options, name) for name in _FILE_OPTIONS))
    print(format_reports(compare_tokenizers(tokenizers, texts)))


def run_inspect(options: argparse.Namespace) -> None:
    """Print the pieces and the decoded text, for each tokenizer."""
    for name in options.tokenizer:
        tokenizer = load_tokenizer(name)
        pieces = inspect_text(options.text, tokenizer, options.text_pair)
        lost = sum(piece.note == "unknown" for piece in pieces)
        decoded = tokenizer.decode([piece.id for piece in pieces], skip_special_tokens=True)
        print(f"{name}: {len(pieces)} tokens, {lost} unknown\n{format_pieces(pieces)}\ndecoded: {decoded}")
        removed = removed_marks(options.text + (options.text_pair or ""), tokenizer)
        named = ", ".join(f"{count} x {unicodedata.name(mark, hex(ord(mark)))}" for mark, count in removed.items())
        print(f"accents and marks removed: {named or 'none'}\n")


def load_tokenizer(name: str):
    """Load a tokenizer from a local folder with AutoTokenizer."""
    from transformers import AutoTokenizer

    path = Path(name)
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder; a tokenizer is a folder with tokenizer.json or vocab.txt")
    if not any((path / file).is_file() for file in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise ValueError(f"{path} holds no tokenizer: it has {sorted(p.name for p in path.iterdir())[:8]}")
    # The folder may contain a model with remote code, which the tokenizer does not need: do not ask, do not run it.
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:
        raise ValueError(f"cannot load the tokenizer in {path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())

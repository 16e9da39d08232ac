"""Answer texts with a saved model, whose task is known from its folder.

    minibert predict out/classifier "Filmnya bagus" "Makanannya tidak enak"
    minibert predict out/classifier --file reviews.csv --column review --output_file answers.csv
    cat lines.txt | minibert predict out/translator > translations.jsonl
    minibert predict out/qa "Di mana Ani tinggal?" --context "Ani tinggal di Bandung."

Texts come from the command line, from files (.txt with a text per line, csv, tsv, json lines, parquet) or from a pipe,
a text per line. Answers keep their order. They are lines to read in a terminal, otherwise json lines; --output_file
names a .jsonl or .csv. A row that has no answer, an empty one for example, gets an "error"; no other row is lost.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial

import modeling_minibert  # noqa: F401  (registers the models with transformers)
from tokenization.console import OneLineParser, program_name, run_command, unknown_argument
from tokenization.console import describe as describe_error

from .prediction_rows import Writer, check_paths, check_row, read_texts
from .prediction_tasks import Task, open_task

BATCHES_SORTED_TOGETHER = 32  # so many batches are computed in the order of their lengths
PROGRESS_SECONDS = 5.0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = OneLineParser(
        prog=program_name("python -m modeling_minibert.commands.predict"),
        description=__doc__,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=32, width=110),
        usage="%(prog)s DIR [TEXT ...] [--file FILE ...] [flags]",
    )
    add = parser.add_argument
    add("folder", metavar="DIR", help="folder or Hub name of a saved model")
    add("texts", metavar="TEXT", nargs="*", help="texts to answer; none: those of --file or of a pipe")
    add("--file", nargs="+", metavar="FILE", help=".txt, .csv, .tsv, .jsonl, .parquet")
    add("--column", help="column of the text (text; for questions: question)")
    add(
        "--pair", "--context", dest="pair", metavar="TEXT", help="second text of all rows: of a pair, or to answer from"
    )
    add("--pair_column", "--context_column", dest="pair_column", metavar="COLUMN", help="column of the second text")
    add("--output_file", metavar="FILE", help=".jsonl or .csv; none: the console")
    add("--batch_size", type=_at_least_one, default=32, metavar="N", help="texts at once (32)")
    add("--all_scores", action="store_true", help="also the scores of the other classes")
    add("--top_k", type=_at_least_one, default=5, metavar="N", help="words for a [MASK] (5)")
    add("--max_new_tokens", type=_at_least_one, metavar="N", help="longest text to write, in tokens")
    add("--num_beams", type=_at_least_one, default=4, metavar="N", help="beams of a translation (4)")
    add("--temperature", type=float, metavar="T", help="draw the continuation at this temperature; none: the likeliest")
    add("--seed", type=int, default=0, metavar="N", help="of the draws (0)")
    add("--handle_impossible_answer", action="store_true", help="let a question have no answer")
    add("--delimiter", help="character between the cells of a csv, or tab (a comma; a tab in .tsv)")
    add("--encoding", help="of text files, for example cp1252 (UTF-8)")
    add("--quotes", type=_truth, default=True, help="whether cells of a csv may stand in quotation marks (true)")
    add("--model_revision", metavar="NAME", help="branch, tag or commit of a model on the Hub")
    add("--token", help="for private models of the Hub (HF_TOKEN)")
    add("--trust_remote_code", action="store_true", help="run the code that a model of the Hub brings")
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or above")
    return int(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
    return text.lower() == "true"


def check_options(options: argparse.Namespace) -> None:
    """Raise a ValueError for arguments that exclude each other, or if there is nothing to read."""
    if options.texts and options.file:
        given = f"{len(options.texts)} texts and {len(options.file)} files"
        raise ValueError(f"got {given}; give texts or --file, not both")
    if not options.texts and not options.file and sys.stdin.isatty():
        raise ValueError("nothing to answer; give a text in quotation marks, --file reviews.csv, or a pipe")
    check_paths(options.file or ())
    if options.pair is not None and options.pair_column is not None:
        raise ValueError("--pair and --pair_column exclude each other; give one")
    if options.pair_column is not None and not options.file:
        raise ValueError("--pair_column names a column of a --file; give the second text with --pair")


def check_second(task: Task, options: argparse.Namespace) -> None:
    """Raise a ValueError if the second text is missing, or the task reads none."""
    given = options.pair is not None or options.pair_column is not None
    if given and task.second is None:
        raise ValueError(f"{options.folder} is for {task.name}, which reads one text; leave out the second text")
    if not given and task.second and task.second[1]:
        raise ValueError(
            f"{options.folder} is for {task.name}, which reads a {task.second[0]} too; give --{_flag(task)} TEXT, or "
            f"--{_flag(task)}_column with a --file"
        )


def _flag(task: Task) -> str:
    return "context" if task.second and task.second[0] == "context" else "pair"


def answer_all(task: Task, rows: Iterable[tuple[str, dict]], batch_size: int) -> Iterator[list[dict]]:
    """Yield the rows with their answers, a chunk at a time, in their order; texts of like length share a batch."""
    # At a batch size of 1 an answer comes as soon as its text, for a slow pipe.
    for chunk in chunks(rows, batch_size * BATCHES_SORTED_TOGETHER if batch_size > 1 else 1):
        answered: list[dict] = [{} for _ in chunk]
        good = []
        for index, (_, row) in enumerate(chunk):
            try:
                check_row(row, task.empty)
                good.append(index)
            except ValueError as error:
                answered[index] = row | {"error": str(error)}
        good.sort(key=lambda index: -sum(map(len, chunk[index][1].values())))
        for some in chunks(good, batch_size):
            for index, answer in zip(some, _answer(task, [chunk[index][1] for index in some]), strict=True):
                answered[index] = chunk[index][1] | answer
        yield answered


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Yield lists of `size` items; if the source fails, what it gave before comes first, then the error."""
    chunk: list = []
    failure = None
    try:
        for item in items:
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except Exception as error:
        failure = error
    if chunk:
        yield chunk
    if failure is not None:
        raise failure


def _answer(task: Task, rows: list[dict]) -> list[dict]:
    """Answer a batch; where that fails, row by row, so that one bad row costs no other."""
    try:
        return task.answer(rows)
    except Exception as error:
        if len(rows) == 1:
            return [{"error": describe_error(error)}]
        return [answer for row in rows for answer in _answer(task, [row])]


def predict(options: argparse.Namespace) -> None:
    """Check the arguments, open the model, and write the answers.

    Raises:
        ValueError: the arguments are wrong, or some rows have no answer (names the first).
    """
    check_options(options)
    if options.token:
        os.environ["HF_TOKEN"] = options.token
    writer = Writer(options.output_file, options.file or ())
    task = open_task(options)
    options.column = options.column or ("question" if task.second == ("context", True) else "text")
    check_second(task, options)
    progress, done, wrong = Progress(), 0, []
    try:
        for answered in answer_all(
            task, read_texts(options, task.second[0] if task.second else None), options.batch_size
        ):
            writer.write(answered)
            wrong += [(done + number, row["error"]) for number, row in enumerate(answered, 1) if "error" in row]
            done += len(answered)
            progress.show(done)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"stopped after {done:,} answers, which are kept") from stop
    finally:
        writer.close()
    if not done:
        raise ValueError("nothing to answer, the pipe or file has no line; give a text in quotation marks or --file")
    if options.output_file:
        print(f"{done:,} answers in {options.output_file}")
    if wrong:
        raise ValueError(
            f"{len(wrong):,} of {done:,} rows have no answer; the first is row {wrong[0][0]}: {wrong[0][1]}"
        )


class Progress:
    """Prints how many rows are done, on stderr, after the first seconds and then every few."""

    def __init__(self):
        self.start = self.last = time.monotonic()

    def show(self, done: int) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS:
            self.last = now
            print(f"{done:,} rows, {done / (now - self.start):,.0f} per second", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command."""
    parser = build_parser()
    options, unknown = parser.parse_known_intermixed_args()  # texts may stand behind flags
    if unknown:
        parser.error(unknown_argument(unknown, parser._option_string_actions))
    predict(options)


if __name__ == "__main__":
    run_command(main)

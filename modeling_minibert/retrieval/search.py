"""Search a collection: index it, ask it questions, and measure the rankings beside BM25 alone.

    python examples/search.py                                              a tour of the bundled collection, offline
    python examples/search.py index FOLDER --index out/index --encoder out/encoder
    python examples/search.py ask "Apakah piton berbisa?" --index out/index --ranker out/ranker
    python examples/search.py evaluate FOLDER --encoder out/encoder --ranker out/ranker

FOLDER holds corpus, queries and qrels as the collections of BEIR, or .txt files; a table or a data set of the Hub with
a column of text works too. Questions are searched by the words that they share with a document (bm25), by vectors
(dense), or by both (fused); a cross-encoder re-ranks what was found. Every answer shows which words led to it.
"""

import argparse
import io
import json
import sys
import textwrap
from collections.abc import Callable
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenization.console import OneLineParser
from tokenization.table_files import TableFormat

from ..training import prepare_cpu
from .collections import bundled_collection, load_collection
from .cross_encoder import Ranker
from .engine import METHODS, SearchEngine
from .measures import Scores, describe_difference, describe_runs, difference, mean_scores, score_run
from .ranking import Run

TOUR = ("Apakah ular piton berbisa?", "Bahasa apa yang mudah dibaca untuk menulis program?", "Which cat swims well?")


def load_models(arguments: argparse.Namespace) -> dict:
    """Load encoder and cross-encoder, if their folders are given."""
    encoder = None
    if arguments.encoder:
        from .sentence_encoder import SentenceEncoder

        encoder = SentenceEncoder.load(arguments.encoder)
    ranker = Ranker.load(arguments.ranker) if getattr(arguments, "ranker", None) else None
    return {"encoder": encoder, "ranker": ranker}


def build_engine(arguments: argparse.Namespace) -> SearchEngine:
    """Read the collection and index it."""
    layout = TableFormat(arguments.delimiter, arguments.encoding)
    columns = arguments.text_column_name, arguments.id_column_name, arguments.title_column_name
    collection = load_collection(arguments.source or bundled_collection(), *columns, arguments.config, layout)
    print(f"{collection.name}: {collection.describe()}")
    options = {name: getattr(arguments, name) for name in ("k1", "b", "words", "overlap", "kind")}
    return SearchEngine.build(collection, **load_models(arguments), **options)


def index(arguments: argparse.Namespace) -> None:
    """Build an index and save it."""
    engine = build_engine(arguments)
    engine.save(arguments.index)
    parts = ["BM25"] + (["vectors"] if engine.dense else [])
    print(f"saved {' and '.join(parts)} of {len(engine.passages):,} passages to {arguments.index}")


def ask(arguments: argparse.Namespace) -> None:
    """Answer one question from a saved index."""
    engine = SearchEngine.load(arguments.index, **load_models(arguments))
    method = arguments.method or ("fused" if engine.dense else "bm25")
    show(engine, arguments.question, arguments.k, method, arguments.depth, not arguments.plain)


def show(engine: SearchEngine, question: str, k: int, method: str, depth: int = 50, explain: bool = True) -> None:
    """Print a question, the documents that were found, and why."""
    hits = engine.ask(question, k, method, depth)
    print(f"\n{question}")
    if not hits:
        print("  nothing found: no document has a word of the question")
    for rank, hit in enumerate(hits, start=1):
        steps = ", ".join(f"{name} {score:.3f}" for name, score in hit.steps.items())
        print(f"  {rank}. {hit.title or hit.id}   ({steps})")
        print(textwrap.fill(textwrap.shorten(hit.passage, 240, placeholder=" …"), 110, initial_indent="     ",
                            subsequent_indent="     "))  # fmt: skip
        if explain:
            print(f"     {describe_words(engine, question, hit.id)}")
            if engine.ranker:
                parts = engine.ranker.explain(question, hit.passage)
                print("     cross-encoder: " + ", ".join(f"{word} {share:+.2f}" for word, share in parts[:6]))


def describe_words(engine: SearchEngine, question: str, document: str) -> str:
    """Describe the BM25 score of a document by the words of the question."""
    parts = engine.bm25.explain(question, document)
    if not parts:
        return "words: none in common with the question"
    words = [f"{part.word} {part.score:.2f} (idf {part.idf:.2f}, {part.in_document}×)" for part in parts[:6]]
    return (
        f"words: {' + '.join(words)} = {sum(part.score for part in parts):.2f}"
        if len(parts) <= 6
        else (f"words: {' + '.join(words)} + … = {sum(part.score for part in parts):.2f}")
    )


def runs_of(engine: SearchEngine, questions: dict[str, str], depth: int) -> dict[str, Run]:
    """Rank the documents for all questions, by each method that the engine has."""
    methods = METHODS if engine.dense else METHODS[:1]
    runs = {
        method: {name: engine.retrieve(text, 100, method) for name, text in questions.items()} for method in methods
    }
    if engine.ranker:
        first = runs["fused" if engine.dense else "bm25"]
        name = f"cross-encoder over {'fused' if engine.dense else 'bm25'}"
        runs[name] = {key: engine.rerank(text, first[key][:depth])[0] for key, text in questions.items()}
    return runs


def measure(engine: SearchEngine, split: str | None, depth: int) -> dict:
    """Score every method on the questions of a split, print a table, and return the results."""
    questions, qrels = engine.collection.split(split)
    scores: dict[str, Scores] = {}
    for name, run in runs_of(engine, questions, depth).items():
        scores[name] = score_run(run, qrels)
    print(f"\n{len(questions):,} questions")
    print(describe_runs(scores))
    results: dict = {"questions": len(questions), "depth": depth}
    for name, values in scores.items():
        results[name] = mean_scores(values, interval=True)
        if name != "bm25":
            print(f"  {name} against bm25: {describe_difference(values, scores['bm25'])}")
            results[f"{name} minus bm25"] = difference(values, scores["bm25"])
    return results


def evaluate(arguments: argparse.Namespace) -> dict:
    """Score the methods on a collection, and write the results if asked to."""
    engine = build_engine(arguments)
    if not engine.collection.qrels:
        raise ValueError(f"{engine.collection.name} has no judgements; add qrels.tsv (query-id, corpus-id, score), or "
                         "ask questions instead")  # fmt: skip
    results = measure(engine, arguments.split, arguments.depth)
    if arguments.results:
        Path(arguments.results).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


def tour(arguments: argparse.Namespace) -> dict:
    """Show the bundled collection: BM25, then also the vectors of a small encoder trained on its train questions."""
    engine = build_engine(arguments)
    for question in TOUR:
        show(engine, question, 2, "bm25")
    if arguments.no_training:
        return measure(engine, "test", arguments.depth)
    from .sentence_encoder import SentenceEncoder
    from .train_encoder import main as train_encoder

    print("\ntraining a small encoder on the train questions, about half a minute of CPU time", flush=True)
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        words = "kind=wordpiece,vocab_size=900,min_frequency=1"  # the passages have no more
        flags = ["--objective", "dpr", "--collection", engine.collection.name, "--tokenizer_options", words]
        flags += ["--num_train_epochs", "60"]  # of three batches
        train_encoder([*flags, "--output_dir", folder, "--report_to", "none"])
        engine = SearchEngine.build(engine.collection, SentenceEncoder.load(folder))
    print("\nthe same collection by vectors, for the first two test questions whose answer BM25 does not find")
    questions, qrels = engine.collection.split("test")
    missed = (name for name, text in questions.items() if not qrels[name].keys() & dict(engine.retrieve(text, 10)))
    for name in islice(missed, 2):
        show(engine, questions[name], 2, "dense")
    return measure(engine, "test", arguments.depth)


COMMANDS: dict[str, Callable] = {"index": index, "ask": ask, "evaluate": evaluate, "tour": tour}


def parser() -> OneLineParser:
    """Build the parser of the command and its subcommands."""
    formatter = argparse.RawDescriptionHelpFormatter
    whole = OneLineParser(description=__doc__, formatter_class=formatter)
    commands = whole.add_subparsers(dest="command", parser_class=OneLineParser, metavar="COMMAND")
    whole.commands = commands.choices
    for name, action in COMMANDS.items():
        command = commands.add_parser(name, help=(action.__doc__ or "").split(".")[0].lower())
        command.set_defaults(action=action)
        _add_arguments(command, name)
    return whole


def _add_arguments(command: argparse.ArgumentParser, name: str) -> None:
    if name == "ask":
        command.add_argument("question", help="what to search for")
        command.add_argument("--method", choices=METHODS, help="none: fused if the index has vectors, bm25 otherwise")
        command.add_argument("--k", type=int, default=5, help="documents to show")
        command.add_argument("--plain", action="store_true", help="leave the explanations out")
    else:
        text = "folder, table or data set; none: the bundled collection"
        command.add_argument("source", nargs="?", help=text)
        command.add_argument("--text_column_name", help="column of the text; none: found by its name")
        command.add_argument("--id_column_name", help="column of the id; none: found by its name")
        command.add_argument("--title_column_name", help="column of the title; none: found by its name")
        command.add_argument("--config", help="configuration of a data set of the Hub")
        command.add_argument("--delimiter", help="character between the cells of a csv, or tab")
        command.add_argument("--encoding", help="of text files; none: by the byte-order mark, or UTF-8")
        command.add_argument("--k1", type=float, default=1.5, help="BM25: how slowly repetitions of a word saturate")
        command.add_argument("--b", type=float, default=0.75, help="BM25: how much long documents are held back")
        command.add_argument("--words", type=int, default=150, help="words of a passage for encoder and cross-encoder")
        command.add_argument("--overlap", type=int, default=50, help="words that neighbouring passages share")
        command.add_argument("--kind", help="dense index: exact, flat or hnsw; none: by the number of passages")
    command.add_argument("--encoder", help="folder of a sentence encoder")
    if name in ("index", "ask"):
        command.add_argument("--index", default="out/index", help="folder of the index")
    if name != "index":
        command.add_argument("--ranker", help="folder of a cross-encoder")
        command.add_argument("--depth", type=int, default=50, help="results that the cross-encoder re-ranks")
    if name == "evaluate":
        command.add_argument("--split", help="judgements to score; none: the only ones, or test")
        command.add_argument("--results", help="json file for the scores")
    if name == "tour":
        command.add_argument("--no_training", action="store_true", help="show BM25 alone")


def main(arguments: list[str] | None = None) -> object:
    """Run the command with these arguments, or with those of the command line; a folder alone is evaluated."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] not in COMMANDS and Path(words[0]).exists():
        words = ["evaluate", *words]
    options = parser().parse_args(words or ["tour"])
    if not hasattr(options, "action"):
        parser().error("name a command: index, ask, evaluate or tour")
    prepare_cpu()
    return options.action(options)

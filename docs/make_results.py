"""Write the tables of docs/results.md, docs/speed.md and docs/reading-guide.md from the committed results and sources.

    python docs/make_results.py             write them
    python docs/make_results.py --check     compare them, exit 1 where a page is out of date

A table of results stands between `<!-- table: name -->` and `<!-- end -->`; the function of that name below writes it
from examples/results and examples/benchmarks/results. A table of files has its line counts written from the files.
"""

import json
import re
import sys
from pathlib import Path
from statistics import mean, stdev

from modeling_minibert.data.indonlu import TASKS_OF_INDONLU
from modeling_minibert.training.indonlu_table import HALVES, PAPER

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("results.md", "speed.md", "reading-guide.md")
RESULTS, BENCHMARKS = ROOT / "examples/results", ROOT / "examples/benchmarks/results"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def read(path: Path):
    """Read a json file."""
    return json.loads(path.read_text(encoding="utf-8"))


def runs(name: str, pattern: str = "*.json") -> list[dict]:
    """The results of all runs of a recipe."""
    return [read(path) for path in sorted((RESULTS / name).glob(pattern))]


def spread(values: list[float], digits: int = 1, scale: float = 100) -> str:
    """`mean ± standard deviation`, with a minus sign."""
    values = [scale * value for value in values]
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}".replace("-", "−")


def table(head: str, rule: str, *rows: str) -> str:
    """A table of Markdown."""
    return "".join(f"{line}\n" for line in (head, rule, *rows))


# -- results --------------------------------------------------------------------------------------------------------


def first_model() -> str:
    """The first model, by kind of opinion, beside the linear model."""
    found, rows = runs("first_model"), []
    parts = ("accuracy", "id", "en", "plain", "negated", "contrast")
    for text, scores in (
        ("MiniBert, three seeds (`first_model`)", [run["blind"] for run in found]),
        ("linear model (`first_model`)", [found[0]["linear_model"]["blind"]]),
    ):
        reviews = [run["reviews"] for run in found] if len(scores) > 1 else [found[0]["linear_model"]["reviews"]]
        cells = [scores_of(scores, part) for part in parts] + [scores_of(reviews, "accuracy")]
        rows.append(f"| {text} | {' | '.join(cells)} |")
    head = "| accuracy, % | all 600 | Indonesian | English | plain | negated | contrast | SmSA reviews |"
    return table(head, "|---|---:|---:|---:|---:|---:|---:|---:|", *rows)


def scores_of(scores: list[dict], part: str) -> str:
    """The mean in percent, with the standard deviation where there are several."""
    values = [score[part] for score in scores]
    return spread(values) if len(values) > 1 else f"{100 * values[0]:.1f}"


def from_scratch() -> str:
    """IMDB and SmSA from random weights."""
    imdb, smsa = runs("imdb_tiny"), runs("smsa_scratch")
    long, short = ([run[way]["accuracy"] for run in imdb] for way in ("window_average", "single_pass"))
    f1 = [run["single_pass"]["macro_f1"] for run in smsa]
    return table(
        "| data | score | one pass | training |",
        "|---|---|---|---|",
        "| IMDB, the lectures' 1.6 M parameter net (`imdb_tiny`), accuracy "
        f"| {spread(long)} % | {100 * mean(short):.1f} % | 12 min |",
        "| IndoNLU SmSA, three classes, Indonesian (`smsa_scratch`), macro-F1 "
        f"| {spread(f1)} % | {100 * mean(f1):.1f} % | 10 min |",
    )


def from_minilm() -> str:
    """IMDB from a pretrained checkpoint."""
    (run,) = runs("imdb_minilm")
    score, (low, high) = run["single_pass"]["accuracy"], run["single_pass"]["accuracy_interval"]
    return table(
        "| data | accuracy | 95 % interval | training |",
        "|---|---|---|---|",
        f"| IMDB, up to 512 tokens (`imdb_minilm`), 25,000 test reviews, one seed | {100 * score:.1f} % "
        f"| {100 * low:.1f} to {100 * high:.1f} % | 60 min |",
    )


def two_phase() -> str:
    """The head first, or everything at once."""
    names = {
        "frozen": "`--freeze_epochs 3`: the head alone, its rate 1e-3",
        "two_phase": "`--freeze_epochs 1`: the head for one epoch, then everything",
        "end_to_end": "everything from the start",
        "stock": "`--implementation stock`, everything from the start",
    }
    rows = []
    for name, text in names.items():
        values = [run["single_pass"]["accuracy"] for run in runs("two_phase_imdb", f"{name}-*.json")]
        rows.append(f"| {text} | {spread(values)} |")
    return table("| `examples/recipes/imdb_1000.args` with (`two_phase_imdb`) | accuracy, % |", "|---|---:|", *rows)


def learning_curve() -> str:
    """Accuracy over the number of labels."""
    rows = sorted((row for part in runs("learning_curve_imdb") for row in part), key=lambda row: row["labels"])
    labels = list(dict.fromkeys(row["labels"] for row in rows))
    lines = []
    for start, text in (
        ("scratch", "the same net, random weights"),
        ("counted_vectors", "word vectors of tokens and phrases"),
    ):
        cells = [
            f"{100 * row['accuracy']:.1f} ± {100 * row['accuracy_deviation']:.1f}"
            for row in rows
            if row["start"] == start
        ]
        lines.append(f"| {text} | {' | '.join(cells)} |")
    head = " | ".join(f"{count:,} labels" for count in labels)
    return table(
        f"| accuracy on the 25,000 test reviews, % (`learning_curve_imdb`) | {head} |",
        "|---|" + "---:|" * len(labels),
        *lines,
    )


def shakespeare() -> str:
    """Tiny Shakespeare."""
    losses = [run["eval_clm_loss"] for run in runs("shakespeare_char")]
    return table(
        "| data | validation loss | published | training |",
        "|---|---|---|---|",
        f"| Tiny Shakespeare (`shakespeare_char`) | {spread(losses, 3, 1)} nats per character | 1.88 | 5 min |",
    )


def auxiliary_loss() -> str:
    """Fine-tuning with and without the next-token loss."""
    results = read(RESULTS / "auxiliary_loss_smsa/auxiliary_loss.json")
    scores = " | ".join(spread(results[kind]["macro_f1"]) for kind in results)
    gains = " | ".join(spread(results[kind]["difference"]) for kind in list(results)[1:])
    return table(
        "| test macro-F1 (`auxiliary_loss_smsa`) | λ = 0 | λ = 0.5, the same texts | λ = 0.5, texts without labels |",
        "|---|---|---|---|",
        f"| five seeds | {scores} |",
        f"| difference, seed by seed | | {gains} |",
    )


def translation() -> str:
    """Multi30k and Indonesian news."""
    rows = []
    for name, text, time in (
        ("multi30k", "Multi30k, test 2016 (`multi30k`), one seed, sacreBLEU 13a, cased", "80 min, bf16"),
        (
            "en_id_panl",
            "Indonesian–English news, 1,204 sentences (`en_id_panl`), one seed",
            "75 min for 8 epochs, bf16",
        ),
    ):
        (run,) = runs(name)
        rows.append(f"| {text} | {run['bleu']:.1f} | {run['chrf']:.1f} | {time} |")
    return table("| data | BLEU, beam 4 | chrF | training |", "|---|---|---|---|", *rows)


def titles() -> str:
    """Titles of Wikipedia's articles."""
    (run,) = runs("wikipedia_titles")
    words = run["first_words"]
    return table(
        "| titles of 1,396 test articles | ROUGE-1 | ROUGE-L | the very title | training |",
        "|---|---|---|---|---|",
        f"| MiniSeq2Seq, beam 4 (`wikipedia_titles`), one seed | {run['rouge1']:.1f} | {run['rougeL']:.1f} "
        f"| {100 * run['exact_match']:.1f} % | 27 min in all, 122,000 articles, bf16 |",
        f"| the article's first two words (`wikipedia_titles`) | {words['rouge1']:.1f} | {words['rougeL']:.1f} "
        f"| {100 * words['exact_match']:.1f} % | none |",
    )


def answers() -> str:
    """Question answering."""
    rows = []
    for name, text, time in (
        ("squad_minilm", "SQuAD dev, 2,461 questions about 12 articles (`squad_minilm`)", "44 min, bf16"),
        (
            "tydi_minilm",
            "TyDi QA, English, 3,696 questions to learn from and 440 others, the same recipe (`tydi_minilm`)",
            "27 min, bf16",
        ),
        (
            "squad_scratch",
            "SQuAD dev again, a `mini` with random weights, 8,000 words, four epochs at 5e-4 (`squad_scratch`)",
            "19 min, bf16",
        ),
    ):
        (run,) = runs(name)
        rows.append(f"| {text} | {run['exact_match']:.1f} | {run['f1']:.1f} | {time} |")
    return table("| data, one seed | exact match | F1 | training |", "|---|---|---|---|", *rows)


def tagging() -> str:
    """WNUT-17."""
    (run,) = runs("wnut_17_minilm")
    low, high = run["f1_interval"]
    return table(
        "| entities (`examples/recipes`) | F1 | 95 % interval | linear model |",
        "|---|---|---|---|",
        f"| WNUT-17, MiniLM as our class (`wnut_17_minilm`), one seed | {100 * run['f1']:.1f} "
        f"| {100 * low:.1f} to {100 * high:.1f} | {100 * run['baselines']['linear_model']['f1']:.1f} |",
    )


def ranking() -> str:
    """FacQA and Cranfield, by BM25, a cross-encoder, and both."""
    rows = []
    for name, text in (
        ("facqa_ranker", "FacQA, 311 questions, 1,369 Indonesian passages (`facqa_ranker`)"),
        ("cranfield_ranker", "Cranfield, 225 questions, 1,400 abstracts, five folds (`cranfield_ranker`)"),
    ):
        (run,) = runs(name)
        cells = [f"{100 * run[kind]['nDCG@10']:.1f}" for kind in ("bm25", "cross_encoder", "bm25_and_cross_encoder")]
        change = run["bm25_and_cross_encoder_minus_bm25"]["nDCG@10"]
        gain = [f"{100 * value:.1f}".replace("-", "−") for value in (change["difference"], *change["interval"])]
        rows.append(f"| {text}, one seed | {' | '.join(cells)} | {gain[0]} ({gain[1]} to {gain[2]}) |")
    head = "| nDCG@10, MiniLM as our class | BM25 | cross-encoder | both, weighted | both − BM25, 95 % interval |"
    return table(head, "|---|---:|---:|---:|---:|", *rows)


DENSE = {
    "facqa_simcse": "from texts of Wikipedia, dropout alone (`facqa_simcse`)",
    "facqa_crops": "from the passages, random parts of them (`facqa_crops`)",
    "facqa_dpr_scratch": "from questions, a small new encoder (`facqa_dpr_scratch`)",
    "facqa_dpr": "from questions, MiniLM as our class (`facqa_dpr`)",
}


def dense() -> str:
    """Encoders of FacQA's passages: means over seeds, and the change with its interval for the first seed."""
    rows = []
    for name, text in DENSE.items():
        found = runs(name)
        cells = [
            f"{100 * mean(run[kind]['nDCG@10'] for run in found):.1f} "
            f"({100 * mean(run[kind]['recall@20'] for run in found):.1f})"
            for kind in ("BM25", "before training", "trained")
        ]
        change = found[0]["trained minus before training"]["nDCG@10"]
        gain = [f"{100 * value:.1f}".replace("-", "−") for value in (change["difference"], *change["interval"])]
        rows.append(f"| {text} | {len(found)} | {' | '.join(cells)} | {gain[0]} ({gain[1]} to {gain[2]}) |")
    head = "| nDCG@10 (recall@20), the same questions | seeds | BM25 | before | trained | change, 95 % interval |"
    return table(head, "|---|---:|---:|---:|---:|---:|", *rows)


def indonlu() -> str:
    """Means over the tasks of IndoNLU, ours beside rows of the paper."""
    rows = []
    names = {"scratch": "small nets from random weights, three seeds", "linear": "logistic regression beside them"}
    for name, text in names.items():
        found: dict[str, list[float]] = {}
        for run in read(RESULTS / "indonlu" / f"{name}.json"):
            found.setdefault(run["task"], []).append(100 * run["test"]["score"])
        means = [mean(mean(found[task]) for task in tasks) for tasks in HALVES.values()]
        rows.append(f"| {text} | {means[0]:.1f} | {means[1]:.1f} |")
    for name in ("Scratch", "fastText-indo4b", "IndoBERT base"):
        scores = dict(zip(TASKS_OF_INDONLU, PAPER[name], strict=True))
        means = [mean(scores[task] for task in tasks) for tasks in HALVES.values()]
        rows.append(f"| {name} (Wilie et al. 2020) | {means[0]:.1f} | {means[1]:.1f} |")
    head = "| IndoNLU, mean macro-F1 of the test splits | classification, 5 tasks | sequence labelling, 7 tasks |"
    return table(head, "|---|---:|---:|", *rows)


# -- speed ----------------------------------------------------------------------------------------------------------

NAMES = {"as it comes": "its defaults", "alike lengths": "batches of similar lengths"}


def benchmark(result: dict, unit: str) -> str:
    """One benchmark: a row per variant."""
    memory = any("peak_memory_mib" in variant for variant in result["variants"].values())
    rows = []
    for name, variant in result["variants"].items():
        for old, new in NAMES.items():
            name = name.replace(old, new)
        speed = variant["per_second"]
        cells = [name, f"{speed:,.0f}" if speed >= 100 else f"{speed:.1f}", f"{variant['ratio']:.2f}"]
        cells += [f"{variant['peak_memory_mib']:,.0f} MiB"] if memory else []
        rows.append(f"| {' | '.join(cells)} |")
    what = result["benchmark"].replace("alike", "similar")
    head = f"| {what} | {unit}/s | ratio |" + (" peak memory |" if memory else "")
    return table(head, "|---|---:|---:|" + ("---:|" if memory else ""), *rows)


def speed(file: str, *units: str) -> str:
    """All benchmarks of a file, a table each."""
    results = read(BENCHMARKS / file)
    results = results if isinstance(results, list) else [results]
    units = units * len(results) if len(units) == 1 else units
    behind = f"\nNumbers: `examples/benchmarks/results/{file}`.\n"
    return "\n".join(benchmark(*pair) + behind for pair in zip(results, units, strict=True))


def token_mixers() -> str:
    """Attention and its replacements, by length."""
    lengths = read(BENCHMARKS / "token_mixers.json")["lengths"]
    names = {
        "attention": "attention",
        "aft_full": "AFT-full",
        "aft_simple": "AFT-simple",
        "linear": "gated linear attention",
    }
    rows = []
    for name, text in names.items():
        cells = [
            f"{one[name]['tokens_per_second'] / 1000:.1f} ({one[name]['training_memory_mib']:,.0f} MiB)"
            for one in lengths.values()
        ]
        rows.append(f"| {text} | {' | '.join(cells)} |")
    head = " | ".join(f"{int(length):,} tokens" for length in lengths)
    return table(f"| training, thousand characters/s (memory) | {head} |", "|---|" + "---:|" * len(lengths), *rows) + (
        "\nNumbers: `examples/benchmarks/results/token_mixers.json`.\n"
    )


# -- reading guide --------------------------------------------------------------------------------------------------


def count_lines(text: str) -> str:
    """The page with the line counts of the files that its tables name."""

    def row(match: re.Match) -> str:
        return f"{match[1]}{len((ROOT / match[2]).read_text(encoding='utf-8').splitlines())} |"

    return re.sub(r"^(\| `([\w/]+\.py)` \|.*\| )\d+ \|$", row, text, flags=re.MULTILINE)


TABLES = {
    "first_model": first_model,
    "from_scratch": from_scratch,
    "from_minilm": from_minilm,
    "two_phase": two_phase,
    "learning_curve": learning_curve,
    "shakespeare": shakespeare,
    "auxiliary_loss": auxiliary_loss,
    "translation": translation,
    "titles": titles,
    "answers": answers,
    "tagging": tagging,
    "ranking": ranking,
    "dense": dense,
    "indonlu": indonlu,
    "pretraining": lambda: speed("pretraining.json", "tokens"),
    "pretraining_two_threads": lambda: speed("pretraining_two_threads.json", "tokens"),
    "pretraining_mini_128": lambda: speed("pretraining_mini_128.json", "tokens"),
    "pretraining_tiny_128": lambda: speed("pretraining_tiny_128.json", "tokens"),
    "finetuning": lambda: speed("finetuning.json", "texts"),
    "finetuning_two_threads": lambda: speed("finetuning_two_threads.json", "texts"),
    "finetuning_minilm": lambda: speed("finetuning_minilm.json", "texts"),
    "causal_lm": lambda: speed("causal_lm.json", "tokens"),
    "generation": lambda: speed("generation.json", "tokens"),
    "seq2seq": lambda: speed("seq2seq.json", "target tokens", "sentences", "sentences"),
    "token_mixers": token_mixers,
}


def write(text: str) -> str:
    """The page with all of its tables and line counts written again.

    Raises:
        KeyError: a table that this script does not know.
    """
    return count_lines(BLOCK.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n", text))


def main() -> int:
    """Write or compare the pages; the number of pages that differ."""
    differ = 0
    for name in PAGES:
        path = ROOT / "docs" / name
        old = path.read_text(encoding="utf-8")
        if (new := write(old)) != old:
            differ += 1
            if "--check" in sys.argv:
                print(f"{name} is out of date: run python docs/make_results.py")
            else:
                path.write_text(new, encoding="utf-8")
    return differ if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

"""Every figure in a table of results stands in a committed file, and every committed file is shown on a page.

A table names where its figures are from: the folder of `examples/results` in backticks, in the row or in the head, or
the path of a file of `examples/benchmarks/results` in the text behind it.
"""

import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS, BENCHMARKS = ROOT / "examples" / "results", ROOT / "examples" / "benchmarks" / "results"
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("README*.md", "docs/**/*.md", "examples/README.md", "examples/results/**/*.md")
    for path in ROOT.glob(pattern)
    if path.parent.name != "indonlu"  # held by tests/examples/test_indonlu_results.py
)
# (page, beginning of the row, figure): who has published it, or how it was counted.
ELSEWHERE = {
    ("docs/results.md", "Tiny Shakespeare", "1.88"): "nanoGPT's README, the same net and steps",
    ("README.md", "nanoGPT", "1.88"): "nanoGPT's README, the same net and steps",
    ("README.id.md", "nanoGPT", "1.88"): "nanoGPT's README, the same net and steps",
    ("README.md", "fastText", "82.1"): "Wilie et al. 2020; see docs/results.md",
    ("README.id.md", "fastText", "82.1"): "Wilie et al. 2020; see docs/results.md",
}
for _row, _figures in (("LSTM", "7"), ("bidirectional LSTM", "9"), ("MiniBert from random weights", "12 3")):
    for _figure in _figures.split():
        ELSEWHERE["docs/history_and_claims.md", _row, _figure] = "minutes and seeds: tests/test_history_page.py"
for _row, _figures in (("small nets", "73.1 62.8"), ("logistic regression", "74.7 62.7"), ("Scratch", "66.5 44.0"),
                       ("fastText-indo4b", "76.0 58.3"), ("IndoBERT base", "85.4 77.5")):  # fmt: skip
    for _figure in _figures.split():
        ELSEWHERE["docs/results.md", _row, _figure] = "means over tasks, written by docs/make_results.py"
NUMBER = re.compile(r"[−-]?\d[\d,]*(?:\.\d+)?")
UNITS = re.compile(r"%|±|/|\(|\)|MiB|to|nats per character|s$| ")


def tables(text):
    """(rows of a table, the text behind it up to the next one), head and rule left out of the rows, with the head."""
    parts = re.split(r"((?:^\|.*\n)+)", text, flags=re.MULTILINE)
    for table, behind in zip(parts[1::2], parts[2::2], strict=True):
        head, _, *rows = table.strip().split("\n")
        yield head, rows, behind


def leaves(tree, path=()):
    """(path, number) of everything in a json file; numbers of a list share their path."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*path, name))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from leaves(value, path if isinstance(value, (int, float)) else (*path, number))
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield path, float(tree)


def pool(source: Path):
    """The numbers of a file or a folder; of runs that differ by their seed also mean and standard deviation."""
    values = defaultdict(list)
    for path in sorted(source.glob("*.json")) if source.is_dir() else [source]:
        of = re.sub(r"\d+$", "", path.stem)  # seed0, seed1, … are one group
        for place, value in leaves(json.loads(path.read_text(encoding="utf-8"))):
            values[(of, *place)].append(value)
    found = {value for group in values.values() for value in group}
    for group in values.values():
        if len(group) > 1:
            found |= {mean(group), stdev(group)}
    return {scale * value for value in found for scale in (1, 100, 0.001)}


def figures(cell):
    """The numbers of a cell: all decimal ones, and whole ones where nothing but numbers and units stands there."""
    numbers = NUMBER.findall(cell)
    plain = not UNITS.sub("", NUMBER.sub("", cell))
    return [number for number in numbers if plain or "." in number]


def stands_in(number, values):
    """Whether a value rounds to the number as it is shown."""
    shown = float(number.replace("−", "-").replace(",", ""))
    digits = len(number.partition(".")[2])
    return any(abs(value - shown) <= 0.5 * 10**-digits + 1e-9 for value in values)


def sources(*texts):
    """The committed results that a text names."""
    names = {name for text in texts for name in re.findall(r"`(\w+)`", text) if (RESULTS / name).is_dir()}
    links = {link for text in texts for link in re.findall(r"[(`]examples/benchmarks/results/(\w+\.json)[)`]", text)}
    return [RESULTS / name for name in sorted(names)] + [BENCHMARKS / link for link in sorted(links)]


def unexplained(page, text):
    """(row, figure) of the figures in tables that stand in none of the named files."""
    if page.endswith(".id.md"):
        text = text.translate(str.maketrans(",.", ".,"))
    wrong = []
    for head, rows, behind in tables(text):
        if head.rstrip(" |").endswith("lines"):
            continue  # the files of the package, counted by another test
        for row in rows:
            first, *cells = [cell.strip() for cell in row.strip("|").split("|")]
            if first.startswith("[`") or re.match(r"`\d\d_\w+\.py`", first):
                continue  # an index of scripts or lessons, whose output other tests read
            named = sources(row) or sources(head) or sources(behind.split("\n#")[0])
            values = {value for source in named for value in pool(source)}
            for number in (number for cell in cells for number in figures(cell)):
                known = any(
                    (page, number) == (where, figure) and first.startswith(row) for where, row, figure in ELSEWHERE
                )
                if not known and not stands_in(number, values):
                    wrong.append((first, number))
    return wrong


@pytest.mark.lecture("S4-10", "S4-26")
@pytest.mark.parametrize("page", PAGES)
def test_every_figure_of_a_table_stands_in_a_committed_file(page):
    assert unexplained(page, (ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.lecture("S4-26")
@pytest.mark.parametrize(("page", "least"), [("docs/results.md", 11), ("docs/speed.md", 14), ("README.md", 2)])
def test_an_invented_row_is_noticed_in_every_table_of_results(page, least):
    text = (ROOT / page).read_text(encoding="utf-8")
    results = [table for table in tables(text) if any(figures(cell) for row in table[1] for cell in row.split("|"))]
    assert len(results) >= least
    for _, rows, _ in results:
        invented = "| bert-base | 95.3 % |" + " 95.3 % |" * (rows[-1].count("|") - 3)
        found = unexplained(page, text.replace(rows[-1], f"{rows[-1]}\n{invented}"))
        assert ("bert-base", "95.3") in found, rows[-1]


def test_every_committed_result_is_shown():
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    shown = {source.name for source in sources(text)}
    committed = {path.name for path in RESULTS.iterdir() if path.is_dir()} | {p.name for p in BENCHMARKS.glob("*.json")}
    assert not committed - shown
    for page, row, figure in ELSEWHERE:
        shown = (ROOT / page).read_text("utf-8").replace(figure.replace(".", ","), figure)
        assert re.search(rf"^\| {re.escape(row)}.*{re.escape(figure)}", shown, re.MULTILINE)

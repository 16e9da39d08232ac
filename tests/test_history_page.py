"""The page on history and claims: dates fit their papers, figures are those of committed runs."""

import json
import re
from statistics import mean

import pytest
import transformers
from transformers.pipelines import SUPPORTED_TASKS

# folder of examples/results → where its figure is, and the factor that the page shows it with
FIGURES = {
    "imdb_minilm": ("single_pass.accuracy", 100),
    "imdb_tiny": ("window_average.accuracy", 100),
    "smsa_scratch": ("single_pass.macro_f1", 100),
    "squad_minilm": ("f1", 1),
    "squad_scratch": ("f1", 1),
    "tydi_minilm": ("f1", 1),
    "shakespeare_char": ("eval_clm_loss", 1),
    "wikipedia_titles": ("rouge1", 1),
    "multi30k": ("bleu", 1),
}
# The book's bars, which have no source: recurrent nets and Transformers on four benchmarks, BERT and GPT on ten tasks.
BARS = {"SQuAD": (65, 93), "GLUE": (70, 90), "SuperGLUE": (45, 89), "MMLU": (30, 85)}
TYPICAL = {95, 93, 88, 94, 90, 92, 89, 85, 83}


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "history_and_claims.md").read_text(encoding="utf-8")


def section(page, title):
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.lecture("S3-03")
def test_every_date_is_the_month_of_its_paper_and_they_are_in_order(page):
    entries = re.findall(r"^- (\d{4})-(\d\d) (.*)$", section(page, "Timeline"), flags=re.MULTILINE)
    assert len(entries) > 15 and [entry[:2] for entry in entries] == sorted(entry[:2] for entry in entries)
    papers = [
        (year, month, number) for year, month, text in entries for number in re.findall(r"abs/(\d{4}\.\d+)", text)
    ]
    assert len(papers) > 12
    for year, month, number in papers:
        assert number.startswith(year[2:] + month) and f"[{number}]" in page, number
    # The steps of the book's timeline.
    named = " ".join(text for _, _, text in entries)
    for step in ("Sequence to sequence", "Bahdanau", "Luong", "Transformer", "BERT", "GPT-2", "GPT-3", "RoBERTa",
                 "ALBERT", "T5", "ChatGPT", "GPT-4", "LLaMA", "PaLM", "images", "code"):  # fmt: skip
        assert step in named, step


@pytest.mark.lecture("S3-06", "S3-22")
def test_every_figure_is_that_of_its_committed_runs(page, repository):
    rows = re.findall(r"^\|.*\(`(\w+)`\).*\| ([\d.]+) \|$", section(page, "Bars without a source"), flags=re.MULTILINE)
    assert {folder for folder, _ in rows} == set(FIGURES)
    for folder, shown in rows:
        place, factor = FIGURES[folder]
        values = []
        for file in (repository / "examples" / "results" / folder).glob("*.json"):
            value = json.loads(file.read_text(encoding="utf-8"))
            for name in place.split("."):
                value = value[name]
            values.append(factor * value)
        digits = len(shown.partition(".")[2])
        assert values and f"{mean(values):.{digits}f}" == shown, folder


@pytest.mark.lecture("S3-06", "S3-22")
def test_the_bars_of_the_book_are_named_and_not_repeated(page):
    text = section(page, "Bars without a source")
    assert all(name in text for name in BARS) and "without a source" in text
    whole_numbers = {int(number) for number in re.findall(r"(?<![\d.\w])(\d+)(?![\d.\w])", text)}
    assert not whole_numbers & (TYPICAL | {score for pair in BARS.values() for score in pair})


@pytest.mark.lecture("S3-23")
def test_transformers_is_for_pytorch_alone_as_the_page_says(page):
    text = section(page, "What has changed in Hugging Face")
    assert "PyTorch alone" in text and int(transformers.__version__.split(".")[0]) >= 5
    assert hasattr(transformers, "BertModel")
    for name in ("TFBertModel", "FlaxBertModel"):
        assert not hasattr(transformers, name) and name[:2] in text


@pytest.mark.lecture("S3-51")
def test_what_is_missing_is_named_with_what_to_use(page, repository):
    text = section(page, "What is not here, and what to use")
    for topic, use in (
        ("RLHF", "TRL"),
        ("ChatGPT", "chat template"),
        ("Images", "image-text-to-text"),
        ("Lab 8", ".py"),
    ):
        (entry,) = [part for part in text.split("\n- ") if topic in part]
        assert use in entry, topic
    assert "image-text-to-text" in SUPPORTED_TASKS and "text-generation" in SUPPORTED_TASKS
    for path in re.findall(r"`(?:python )?(examples/[\w/.]+)`", page):
        assert (repository / path).exists(), path
    short = (repository / "docs" / "history_and_claims.id.md").read_text(encoding="utf-8")
    assert all(word in short for word in ("RLHF", "TRL", "chat template", "Lab 8", "PyTorch", "2014"))


@pytest.mark.lecture("S3-02", "S3-04")
def test_the_tables_of_the_lstm_are_those_of_the_committed_runs(page, repository):
    text, results = section(page, "An LSTM beside attention"), repository / "examples" / "results"
    report = json.loads((results / "long_range" / "long_range.json").read_text(encoding="utf-8"))
    for line in re.findall(r"^\| (?:LSTM|attention), trained on .*$", text, flags=re.MULTILINE):
        name, *shown = [cell.strip() for cell in line.strip("|").split("|")]
        short = name.endswith("10 to 100")
        rows = [
            row for row in report["rows"] if name.lower().startswith(row["net"]) and (row["seen"] == [10, 100]) == short
        ]
        assert shown == [f"{100 * mean(row['accuracy']):.1f}" for row in rows] and len(rows) == 5, name
    speeds = json.loads((results / "throughput_by_length" / "recurrence.json").read_text(encoding="utf-8"))
    for net in ("LSTM", "encoder"):
        (line,) = re.findall(rf"^\| {net} \|(.*)\|$", text, flags=re.MULTILINE)
        expected = [f"{values[net]['per_second'] / 1000:.1f}" for values in speeds["lengths"].values()]
        assert [cell.strip() for cell in line.split("|")] == expected
    sizes = list(speeds["parameters"].values())
    assert abs(sizes[0] - sizes[1]) < 0.01 * sizes[1]  # equal parameters


@pytest.mark.lecture("S4-11")
def test_the_lstm_table_is_that_of_the_committed_runs(page, repository):
    text, results = section(page, "The LSTM table of the Keras page"), repository / "examples" / "results"
    rows = re.findall(r"^\| (.*) \(`(\w+)`\) \|(.*)\|$", text, flags=re.MULTILINE)
    shown = [(name, folder, *map(str.strip, cells.split("|"))) for name, folder, cells in rows]
    assert [folder for _, folder, *_ in shown] == ["imdb_recurrent", "imdb_recurrent", "imdb_tiny", "imdb_minilm"]
    for name, folder, accuracy, interval, parameters, minutes, seeds in shown:
        runs = [json.loads(file.read_text(encoding="utf-8")) for file in (results / folder).glob("*.json")]
        if folder == "imdb_recurrent":
            runs = [run["nets"]["lstm" if name == "LSTM" else "bilstm"] for run in runs]
            assert parameters == f"{runs[0]['parameters']:,}"
        scores = [run["window_average" if "window_average" in run else "single_pass"] for run in runs]
        assert accuracy == f"{100 * mean(score['accuracy'] for score in scores):.1f}" and int(seeds) == len(runs)
        if minutes:
            assert float(minutes) == pytest.approx(mean(run["train_seconds"] for run in runs) / 60, abs=0.5)
        if interval:
            assert interval == "{:.1f} to {:.1f}".format(*(100 * end for end in scores[0]["accuracy_interval"]))

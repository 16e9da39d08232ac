"""README and docs/ say nothing that was not measured, and their commands are those that CI and the tests run."""

import ast
import dataclasses
import importlib
import json
import re
import shlex
from pathlib import Path
from statistics import mean, stdev

import pytest
from transformers import HfArgumentParser, Seq2SeqTrainingArguments

from modeling_minibert.evaluation.seeds import summarize_runs

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", "README.id.md", *DOCS]


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def readme():
    return read("README.md")


@pytest.fixture(scope="module")
def results():
    """The page of all results."""
    return read("docs/results.md")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text):
    """The commands of the bash blocks of a page, and those alone in a cell of a table."""
    lines = "\n".join(blocks(text, "bash")).splitlines() + re.findall(r"\| `(python [^`\n]+)` \|", text)
    return [part.strip() for line in lines if not line.startswith("#") for part in line.split("&&") if part.strip()]


@pytest.mark.parametrize("page", PAGES)
def test_the_python_blocks_parse(page):
    for block in blocks(read(page), "python"):
        ast.parse(block)
    assert blocks(read(page), "python") or not page.startswith("README")


@pytest.mark.parametrize("page", PAGES)
def test_every_script_and_module_that_a_command_names_is_there(page):
    for command in commands(read(page)):
        words = shlex.split(command)
        if words[:2] == ["python", "-m"]:
            module = Path(words[2].replace(".", "/"))
            assert words[2] in ("pytest", "venv") or any(
                (ROOT / path).is_file() for path in (module.with_suffix(".py"), module / "__main__.py")
            ), command
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), command


def test_the_readme_is_short_and_has_no_row_of_a_lecture_or_other_days(readme):
    assert len(readme.splitlines()) <= 150 and len(read("README.id.md").splitlines()) <= 150
    assert not re.search(r"\bS\d-\d\d\b|busy|another day", readme)


# Each command of the README: the test that runs it, or why none does.
CI = "CI: .ci/run, in a clone"
TORCH = "pip install -c constraints.txt torch --extra-index-url https://download.pytorch.org/whl/cpu"
CSV = "python examples/finetune_classifier.py --train_file train.csv --test_file test.csv --output_dir out/mine"
PAGE = 'python -m modeling_minibert.explain out/classifier "Filmnya sama sekali tidak membosankan." --out page.html'
RUN_BY = {
    "git clone ADDRESS minibert": CI,
    "cd minibert": CI,
    "python -m venv .venv": CI,
    ". .venv/bin/activate": CI,
    TORCH: CI,
    "pip install -c constraints.txt -e .": CI,
    'pip install -c constraints.txt -e ".[test]"': CI,
    "python -m pytest": CI,
    "python examples/finetune_classifier.py": """tests/examples/test_finetune_classifier.py::
        test_without_arguments_it_runs_offline_in_a_fresh_process""",
    CSV: """tests/examples/test_finetune_classifier.py::
        test_a_run_on_csv_files_writes_a_model_that_anyone_can_open_and_that_scores_what_it_says""",
    'python -m modeling_minibert predict out/mine "Pelayanannya ramah."': """tests/modeling_minibert/test_predict.py::
        test_classes_are_those_of_the_model_alone_in_the_order_of_the_texts""",
    "python examples/pretrain_minigpt.py": """tests/examples/test_pretrain_minigpt.py::
        test_the_poem_is_learned_by_heart_and_recited_to_its_end""",
    "python examples/train_seq2seq.py": """tests/examples/test_train_seq2seq.py::
        test_a_run_scores_and_saves_what_the_pipeline_opens""",
    "python examples/finetune_qa.py": """tests/examples/test_finetune_qa.py::
        test_the_bundled_questions_train_from_scratch_with_no_argument_but_these""",
    "python examples/pretrain_minibert.py": """long run; on a small corpus: tests/examples/test_pretrain_minibert.py::
        test_own_text_becomes_a_checkpoint_that_stock_classes_open""",
    "python examples/finetune_ner.py": """long run; on small files: tests/examples/test_finetune_ner.py::
        test_it_learns_saves_and_marks""",
    "python examples/finetune_multiple_choice.py": """tests/modeling_minibert/test_multiple_choice.py::
        test_the_command_trains_scores_and_saves_what_opens_again""",
    "python examples/search.py": """tests/examples/test_search.py::
        test_the_tour_trains_an_encoder_that_beats_bm25_on_questions_in_other_words""",
    "python -m modeling_minibert.conversion out/mine out/mine-bert": """tests/modeling_minibert/test_stock.py::
        test_a_folder_goes_there_and_back""",
    PAGE: """tests/modeling_minibert/test_explain_html.py::
        test_the_command_writes_and_prints""",
    "python examples/numpy_from_scratch.py": """tests/examples/test_numpy_from_scratch.py::
        test_both_sets_are_learned_and_torch_learns_the_same""",
    "python examples/lessons/02_attention.py": """tests/examples/test_lessons.py::
        test_attention_is_a_weighted_average""",
}  # fmt: skip


def test_every_command_of_the_readme_is_run_by_a_test_or_is_a_listed_long_run(readme):
    assert set(commands(readme)) == set(RUN_BY)
    for command, where in RUN_BY.items():
        named = re.findall(r"(tests/[\w/]+\.py)::\s*(\w+)", where)
        assert named or where == CI, command
        for path, test in named:
            assert f"def {test}(" in read(path), (command, path, test)
            stem = Path(shlex.split(command)[1]).stem if ".py" in command else command.split()[2].rpartition(".")[2]
            assert re.sub(r"^(finetune_|\d\d_)", "", stem) in read(path), (command, path)


SCRIPTS = {
    "finetune_classifier": ("ModelArguments", "DataArguments", "UnfreezingArguments", "ClassifierTrainingArguments"),
    "finetune_qa": ("ModelArguments", "DataArguments", "QuestionTrainingArguments"),
    "finetune_ner": ("ModelArguments", "DataArguments", "TaggerTrainingArguments"),
    "pretrain_minibert": ("ModelArguments", "DataArguments", "PretrainingArguments"),
    "train_ranker": ("RankerArguments", "CollectionArguments", "RankerTrainingArguments"),
    "train_sentence_encoder": ("EncoderModelArguments", "EncoderDataArguments", "EncoderTrainingArguments"),
    "train_seq2seq": ("ModelArguments", "DataArguments", "TranslationTrainingArguments"),
}
# The modules of their arguments.
WRITTEN_IN = {
    "finetune_qa": "modeling_minibert.training.qa",
    "pretrain_minibert": "modeling_minibert.training.mlm",
    "train_seq2seq": "modeling_minibert.training.translator",
    "finetune_classifier": "modeling_minibert.training.classifier_arguments",
    "finetune_ner": "modeling_minibert.training.tagger",
    "train_ranker": "modeling_minibert.retrieval.ranker_arguments",
    "train_sentence_encoder": "modeling_minibert.retrieval.encoder_arguments",
}
OTHER_RECIPES = {
    "wnut_17_minilm": "finetune_ner",
    "squad_lecture": "finetune_qa",
    "squad_minilm": "finetune_qa",
    "cranfield_ranker": "train_ranker",
    "facqa_ranker": "train_ranker",
    **dict.fromkeys(("facqa_crops", "facqa_dpr", "facqa_dpr_scratch", "facqa_simcse"), "train_sentence_encoder"),
    "multi30k": "train_seq2seq",
    "titles": "train_seq2seq",
}


@pytest.mark.parametrize("page", [*PAGES, "examples/README.md"])
def test_every_flag_of_a_page_is_known_to_some_command(page):
    """A coarse check that covers the scripts without a parser above; each flag of theirs is spelled in a source."""
    known = {field.name for field in dataclasses.fields(Seq2SeqTrainingArguments)} | {"nproc_per_node", "extra"}
    known |= {"extra-index-url", "recipe", "no-deps"}
    sources = [
        path for folder in ("examples", "modeling_minibert", "tokenization") for path in (ROOT / folder).rglob("*.py")
    ]
    words = set(re.findall(r"\w+", "\n".join(map(read, sources))))
    flags = {flag for command in commands(read(page)) for flag in re.findall(r"(?<=\s)--([\w-]+)", command)}
    assert flags <= known | words, flags - known - words


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_flag_of_the_commands_and_recipes_exists(name, repository, load_example):
    module = importlib.import_module(WRITTEN_IN[name]) if name in WRITTEN_IN else load_example(name)
    parser = HfArgumentParser([getattr(module, arguments) for arguments in SCRIPTS[name]])
    known = {option for action in parser._actions for option in action.option_strings} | {"--recipe"}
    pages = "\n".join(map(read, [*PAGES, "examples/README.md"]))
    texts = [text.partition(f"{name}.py")[2] for text in commands(pages) if f"{name}.py" in text]
    for recipe in (repository / "examples" / "recipes").glob("*.args"):  # most are of the classifier
        if OTHER_RECIPES.get(recipe.stem, "finetune_classifier") == name:
            texts.append(recipe.read_text(encoding="utf-8"))
    assert texts
    for text in texts:
        flags = {word.partition("=")[0] for word in text.split() if word.startswith("--")}
        assert flags <= known, flags - known


def test_the_index_of_the_scripts_names_every_one_that_takes_arguments(repository):
    folder = repository / "examples"
    index = (folder / "README.md").read_text(encoding="utf-8")
    scripts = [
        path for path in [*folder.glob("*.py"), *folder.glob("benchmarks/*.py")] if "__main__" in path.read_text()
    ]
    assert {f"`{path.relative_to(folder)}`" for path in scripts} == set(
        re.findall(r"^\| (`.*\.py`)", index, re.MULTILINE)
    )


def test_ci_runs_the_install_and_the_test_command_of_the_readme(readme, repository):
    ci = (repository / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -c constraints.txt -e" in "\n".join(commands(readme))
    assert "python -m pytest" in commands(readme) and "python -m pytest" in ci
    assert "new_environment .venv constraints.txt" in ci and '-c "$2" -e' in ci


@pytest.mark.lecture("S4-10", "S4-26")
def test_the_figures_are_the_means_of_the_committed_runs(results, repository):
    runs = sorted((repository / "examples" / "results").iterdir())
    assert runs
    for folder in runs:
        if folder.name in ("imdb_recurrent", "long_range", "throughput_by_length"):
            continue  # on docs/history_and_claims.md; see test_history_page.py
        if folder.name.startswith(("facqa_", "cranfield_")):
            continue  # rankings; see the next tests
        if folder.name == "first_model":
            continue  # by kind of opinion; see the next tests
        if folder.name in ("auxiliary_loss_smsa", "indonlu", "learning_curve_imdb", "two_phase_imdb"):
            continue  # a comparison; see the next tests
        numbers = summarize_runs(folder.glob("*.json"))
        row = next(line for line in results.splitlines() if f"`{folder.name}`" in line and line.startswith("|"))
        if "bleu" in numbers:  # translation or titles, one seed
            names = ("rouge1", "rougeL") if "titles" in folder.name else ("bleu", "chrf")
            assert all(f"| {numbers[name][0]:.1f} |" in row for name in names) and "one seed" in row
            continue
        if "strict_f1" in numbers:  # a tagger, one seed
            assert f"| {100 * numbers['f1'][0]:.1f} |" in row and "one seed" in row
            continue
        if "exact_match" in numbers:  # question answering, one seed; in percent already
            assert all(f"| {numbers[name][0]:.1f} |" in row for name in ("exact_match", "f1"))
            continue
        if "eval_clm_loss" in numbers:  # a language model
            mean, deviation, count = numbers["eval_clm_loss"]
            assert count == 3 and f"{mean:.3f} ± {deviation:.3f}" in row
            continue
        way = "window_average" if "window_average.accuracy" in numbers else "single_pass"
        metric = "macro_f1" if "F1" in row else "accuracy"
        mean, deviation, count = numbers[f"{way}.{metric}"]
        if count == 1:
            assert f"| {100 * mean:.1f} % |" in row and "one seed" in row
            continue
        assert count == 3
        assert f"{100 * mean:.1f} ± {100 * deviation:.1f}" in row
        assert f"{100 * numbers[f'single_pass.{metric}'][0]:.1f}" in row


@pytest.mark.parametrize("name", ["facqa_ranker", "cranfield_ranker"])
def test_the_rankings_are_those_of_the_committed_run(name, results, repository):
    page, results = results, json.loads((repository / f"examples/results/{name}/seed42.json").read_text("utf-8"))
    row = next(line for line in page.splitlines() if f"`{name}`" in line and line.startswith("|"))
    names = ("bm25", "cross_encoder", "bm25_and_cross_encoder")
    assert re.findall(r"(\d\d\.\d) \|", row) == [f"{100 * results[name]['nDCG@10']:.1f}" for name in names]
    for name in names[1:]:
        gain = results[f"{name}_minus_bm25"]["nDCG@10"]
        values = [f"{100 * value:.1f}".replace("-", "−") for value in (gain["difference"], *gain["interval"])]
        assert re.search(
            rf"{values[0]}( points)? \((95 % interval )?{values[1]} to {values[2]}\)", " ".join(page.split())
        ), name


def test_the_first_model_is_what_the_readme_says(readme, repository):
    found = [
        json.loads(file.read_text("utf-8")) for file in (repository / "examples/results/first_model").glob("*.json")
    ]
    row = next(line for line in readme.splitlines() if "`first_model`" in line)
    assert len(found) == 3 and f"{100 * mean(run['blind']['accuracy'] for run in found):.1f} %" in row
    for run in found:
        ours, linear = run["blind"], run["linear_model"]["blind"]
        # What docs/results.md says: better in negations and contrasts, equal in plain opinions and in reviews.
        assert ours["negated"] >= linear["negated"] and ours["contrast"] > linear["contrast"] + 0.1
        assert abs(ours["plain"] - linear["plain"]) < 0.01
        assert abs(run["reviews"]["accuracy"] - run["linear_model"]["reviews"]["accuracy"]) < 0.015
        assert run["cpu_seconds"] < 60


@pytest.mark.parametrize("name", ["facqa_simcse", "facqa_crops", "facqa_dpr_scratch", "facqa_dpr"])
def test_the_dense_rankings_are_those_of_the_committed_runs(name, results, repository):
    files = sorted((repository / f"examples/results/{name}").glob("seed*.json"))
    found = [json.loads(file.read_text("utf-8")) for file in files]
    row = next(line for line in results.splitlines() if f"`{name}`" in line and line.startswith("|"))
    assert f"| {len(found)} |" in row
    values = [
        mean(run[kind][measure] for run in found)
        for kind in ("BM25", "before training", "trained")
        for measure in ("nDCG@10", "recall@20")
    ]
    change = found[0]["trained minus before training"]["nDCG@10"]
    values += [change["difference"], *change["interval"]]
    assert re.findall(r"−?\d+\.\d", row) == [f"{100 * value:.1f}".replace("-", "−") for value in values]


def test_what_is_said_of_the_dense_rankings_is_so(repository):
    def runs(name):
        return [
            json.loads(file.read_text("utf-8")) for file in (repository / f"examples/results/{name}").glob("*.json")
        ]

    crops, dpr = runs("facqa_crops"), runs("facqa_dpr_scratch")
    assert len(crops) == len(dpr) == 3
    assert all(run["trained minus before training"]["nDCG@10"]["interval"][0] > 0 for run in crops)
    assert all(run["trained"]["recall@20"] > run["BM25"]["recall@20"] for run in dpr)
    assert all(run["trained"]["nDCG@10"] < run["BM25"]["nDCG@10"] for run in dpr)


@pytest.mark.lecture("S5-62")
def test_the_comparison_of_lambda_is_that_of_the_committed_runs(results, repository):
    lines = results.splitlines()
    results = json.loads((repository / "examples/results/auxiliary_loss_smsa/auxiliary_loss.json").read_text())
    place = next(number for number, line in enumerate(lines) if "`auxiliary_loss_smsa`" in line)
    for line, score in zip(lines[place + 2 : place + 4], ("macro_f1", "difference"), strict=True):
        shown = re.findall(r"(−?\d+\.\d) ± (\d+\.\d)", line)
        kinds = list(results) if score == "macro_f1" else list(results)[1:]
        values = [[100 * value for value in results[kind][score]] for kind in kinds]
        assert shown == [(f"{mean(row):.1f}".replace("-", "−"), f"{stdev(row):.1f}") for row in values]
    assert len(results["zero"]["macro_f1"]) == 5
    # What is claimed: the loss on the texts themselves helps.
    assert mean(results["same_texts"]["difference"]) > 0


def test_the_learning_curve_is_that_of_the_committed_runs(results, repository):
    lines = results.splitlines()
    files = (repository / "examples/results/learning_curve_imdb").glob("*.json")  # one per number of seeds
    results = sorted((row for file in files for row in json.loads(file.read_text())), key=lambda row: row["labels"])
    place = next(number for number, line in enumerate(lines) if "`learning_curve_imdb`" in line)
    assert re.findall(r"([\d,]+) labels", lines[place]) == [f"{row['labels']:,}" for row in results[::2]]
    for start, words, line in (
        ("scratch", "random weights", lines[place + 2]),
        ("counted_vectors", "word vectors", lines[place + 3]),  # no masked word was predicted before the labels
    ):
        assert words in line and "pretrain" not in line
        shown = [cell.strip() for cell in line.split("|")[2:-1]]
        assert shown == [
            f"{100 * row['accuracy']:.1f}" + (f" ± {100 * row['accuracy_deviation']:.1f}" if row["seeds"] > 1 else "")
            for row in results
            if row["start"] == start
        ]
    assert {row["start"] for row in results} == {"scratch", "counted_vectors"}


def test_the_comparison_of_phases_is_that_of_the_committed_runs(results, repository):
    lines = results.splitlines()
    place = next(number for number, line in enumerate(lines) if "`two_phase_imdb`" in line)
    for line, name in zip(lines[place + 2 : place + 6], ("frozen", "two_phase", "end_to_end", "stock"), strict=True):
        runs = (repository / "examples/results/two_phase_imdb").glob(f"{name}-*.json")
        mean, deviation, count = summarize_runs(runs)["single_pass.accuracy"]
        assert count == 3 and f"| {100 * mean:.1f} ± {100 * deviation:.1f} |" in line


def test_the_files_table_counts_lines_as_they_are(repository):
    rows = re.findall(r"^\| `([\w/]+\.py)` \|.*\| (\d+) \|$", read("docs/reading-guide.md"), flags=re.MULTILINE)
    assert len(rows) > 5
    for name, lines in rows:
        actual = len((repository / name).read_text(encoding="utf-8").splitlines())
        # A table that is off by a few lines misleads nobody; one that is off by more has been forgotten.
        assert abs(actual - int(lines)) <= 15, (name, actual)

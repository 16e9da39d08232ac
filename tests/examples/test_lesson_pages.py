"""The pages beside the lessons: their snippets are run, and the files, commands and tests they name are there."""

import ast
import functools
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ROOT / "examples" / "lessons"
BUG_ROWS = [
    f"{document}-{number:02d}"
    for document, first, last in (("S1", 25, 41), ("S2", 26, 39), ("S3", 43, 48), ("S4", 23, 26), ("S5", 64, 77))
    for number in range(first, last + 1)
]


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def sections(text):
    """Heading → text, of the third level."""
    parts = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (re.split(r"^## ", part, flags=re.MULTILINE)[0] for part in parts[2::2]), strict=True))


def with_rows(heading, *values):
    rows = re.findall(r"S\d-\d\d", heading)
    return pytest.param(*values, id="-".join(rows), marks=pytest.mark.lecture(*rows))


BUGS, QUESTIONS = sections(page("examples/lessons/bugs.md")), sections(page("examples/lessons/questions.md"))
PAIRS = {heading: text for heading, text in BUGS.items() if "```" in text}


def run_snippets(preamble, *snippets):
    space = {}
    for source in (preamble, *snippets):
        exec(compile(source, "<snippet>", "exec"), space)


@pytest.mark.parametrize("text", [with_rows(heading, text) for heading, text in PAIRS.items()])
def test_the_wrong_snippet_fails_the_check_and_the_right_one_passes(text):
    (preamble,) = blocks(page("examples/lessons/bugs.md"), "python preamble")
    (right,), (check,) = blocks(text, "python right"), blocks(text, "python check")
    ((error, wrong),) = re.findall(r"^```python wrong ?(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    run_snippets(preamble, right, check)
    # Nothing but the check, or the one error that is announced: a slip in the snippet would raise another.
    with pytest.raises({"": AssertionError, **vars(__import__("builtins"))}[error]):
        run_snippets(preamble, wrong, "" if error else check)


def test_the_page_has_every_bug_of_the_documents():
    assert set(re.findall(r"S\d-\d\d", " ".join(BUGS))) == set(BUG_ROWS)
    assert len(PAIRS) == len(BUGS) - 1  # a tick without a program behind it cannot be run


@functools.cache
def defined_tests(path):
    return {node.name for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))) if hasattr(node, "name")}


@pytest.mark.lecture("S1-41")
@pytest.mark.parametrize("name", ["examples/lessons/bugs.md", "examples/lessons/README.md"])
def test_every_test_that_a_page_names_is_there(name):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page(name))
    assert len(named) >= 7
    for path, test in named:
        assert test in defined_tests(path), f"{path}::{test}"
    for heading, text in BUGS.items():
        assert re.search(r"^Test: `tests/", text, flags=re.MULTILINE), heading


# The rows that an answer proves, and what it says: it fails when its section, or that part of it, is gone.
ANSWERS = {
    "4. Compare BERT and GPT: architecture, objective, uses": (
        ("S3-21", "S4-16"),
        ["the Transformer's encoder", "the whole text", "hidden words", "512 tokens", "110 and 340", "117", "175,000",
         "prompts and instructions"],
    ),
    "What had BERT read before anybody fine-tuned it? (S4)": (
        ("S4-12",), ["3.3 billion words", "Wikipedia", "books", "the two losses"],
    ),
    "When should a decoder search, and when should it sample? (S5)": (
        ("S5-49",), ["directed generation (translation, summaries)", "open-ended generation (stories)"],
    ),
}  # fmt: skip


def with_answered_rows(heading):
    rows, said = ANSWERS.get(heading, (("S3-37",) if heading[0].isdigit() else (), []))
    return pytest.param(heading, said, id=heading, marks=pytest.mark.lecture(*rows) if rows else ())


@pytest.mark.parametrize(
    ("heading", "said"), [with_answered_rows(heading) for heading in dict.fromkeys([*QUESTIONS, *ANSWERS])]
)
def test_every_answer_ends_with_evidence_and_the_snippets_hold(heading, said):
    (preamble,) = blocks(page("examples/lessons/questions.md"), "python preamble")
    text = " ".join(QUESTIONS[heading].split())
    assert all(words in text for words in said), [words for words in said if words not in text]
    assert text.endswith("```")
    for snippet in blocks(QUESTIONS[heading], "python"):
        assert "assert " in snippet
        run_snippets(preamble, snippet)


@pytest.mark.lecture("S3-37")
def test_the_ten_review_questions_are_there_in_order():
    numbered = [heading for heading in QUESTIONS if heading[0].isdigit()]
    assert [int(heading.split(".")[0]) for heading in numbered] == list(range(1, 11))
    topics = "RNN self-attention positional BERT multi-head transfer tasks WordPiece size weights".split()
    assert all(topic in heading for topic, heading in zip(topics, numbered, strict=True))


def commands(text):
    lines = "\n".join(blocks(text, "bash")).splitlines() + re.findall(r"\| `(python [^`\n]+)` \|", text)
    return [part.strip() for line in lines if line and not line.startswith("#") for part in line.split("&&")]


# Where the scripts have their arguments from.
THE_COMMANDS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "modeling_minibert").rglob("*.py"))
PAGES = ["README.id.md", "docs/id/model-pertama.md", "docs/id/bahasa-anda.md"]


@pytest.mark.parametrize("name", [*PAGES, "examples/lessons/README.md", "examples/lessons/questions.md"])
def test_every_command_of_a_page_runs_a_script_that_is_there_with_flags_that_it_has(name):
    found = commands(page(name))
    assert len(found) >= (4 if "docs" in name else 5)
    for command in found:
        words = shlex.split(command)
        if words[0] == "python" and words[1] == "-m":
            assert words[2] in ("pytest", "venv") or (ROOT / words[2].replace(".", "/")).exists(), command
        elif words[0] == "python":
            source = page(words[1]) + THE_COMMANDS
            for flag in (word[2:] for word in words if word.startswith("--")):
                assert re.search(rf"\b{flag}\b", source), (command, flag)


@pytest.mark.lecture("S2-01", "S2-13", "S3-01")
def test_the_index_has_every_lesson_in_order_and_every_file_it_names():
    index = page("examples/lessons/README.md")
    lessons = sorted(path.name for path in LESSONS.glob("[0-9]*.py"))
    assert re.findall(r"^\| \[`(\d\d_\w+\.py)`\]\(\1\)", index, flags=re.MULTILINE) == lessons
    assert all(f"python examples/lessons/{name}" in page(f"examples/lessons/{name}") for name in lessons)
    assert all(len(page(f"examples/lessons/{name}").splitlines()) <= 120 for name in lessons)
    for name in re.findall(r"`([\w/]+\.py)`", index):
        assert (LESSONS / name).is_file() or (ROOT / name).is_file(), name
    # Five pieces of the puzzle, seven outcomes.
    puzzle, outcomes = index.split("\n## ")[1:]
    assert puzzle.count("\n| ") == 5 + 1 and outcomes.count("\n| ") == 7 + 1


MADE = {"common-mistakes.md", "messages.md"}  # by docs/hooks.py, when the pages are built


@pytest.mark.parametrize(
    "name",
    ["README.md", "README.id.md", "examples/lessons/README.md"]
    + sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
def test_every_link_leads_to_a_file(name):
    folder = (ROOT / name).parent
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)#]+[^)]*)\)", page(name))]
    assert links or name.startswith("docs/")
    for link in links:
        assert "://" in link or Path(link).name in MADE or (folder / link).exists(), link


def test_the_indonesian_page_has_the_commands_the_output_and_the_figures_of_the_english_one():
    english, indonesian = page("README.md"), page("README.id.md")
    for language in ("bash", "text", "python"):
        assert blocks(indonesian, language) == blocks(english, language)
    assert commands(indonesian) == commands(english)
    assert indonesian.count("\n## ") == english.count("\n## ") and indonesian.count("\n| ") == english.count("\n| ")
    marked = re.compile(r"<!-- first model.*?<!-- /first model -->", re.DOTALL)
    assert marked.findall(english) == marked.findall(indonesian) != []
    figures = [
        re.findall(r"^\| .*`(\w+)`.*\| (\d+\.\d+(?: ± \d\.\d+)?)(?: %)? \|$", text, flags=re.MULTILINE)
        for text in (english, indonesian.replace(",", "."))
    ]
    assert figures[0] == figures[1] and len(figures[0]) == 5
    rows = re.compile(r"^\| \[?`(\d\d_\w+\.py)`", flags=re.MULTILINE)
    assert rows.findall(page("docs/id/index.md")) == rows.findall(page("examples/lessons/README.md")) != []


def test_the_indonesian_lessons_have_a_section_and_a_change_to_try_for_each_script():
    parts = re.split(r"^## \d+\. .*\n", page("docs/id/pelajaran.md"), flags=re.MULTILINE)[1:]
    lessons = sorted(path.name for path in LESSONS.glob("[0-9]*.py"))
    assert [re.match(r"\n`(\w+\.py)`", part)[1] for part in parts] == lessons
    for name, part in zip(lessons, parts, strict=True):
        english, indonesian = page(f"examples/lessons/{name}").partition("Try this:")[2].partition('"""')[0], part
        assert indonesian.count("\nCoba ini: ") == 1, name
        # The same change, and the same result.
        tried = indonesian.partition("\nCoba ini: ")[2].replace(".", "").replace(",", "")
        for number in re.findall(r"\d[\d.,]*\d|\d", english):
            assert re.sub("[.,]", "", number) in tried, (name, number)

"""The documentation: it builds strictly, every page is found, and what the pages quote is in the sources."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from helpers.minibert import random_model
from helpers.sentences import make_encoder
from helpers.seq2seq import random_seq2seq

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniGPTForCausalLM,
    MiniSeq2SeqForConditionalGeneration,
)
from modeling_minibert.conversion import __main__ as conversion
from tokenization import save_tokenizer, train_tokenizer

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
PARTS = "models data training evaluation decoding explain retrieval pipelines numpy_twin tokenization".split()
MADE = {"messages.md", "common-mistakes.md", *(f"api/{name}.md" for name in PARTS)}


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks, make_results = load("hooks"), load("make_results")


def read(page):
    return (DOCS / page).read_text(encoding="utf-8")


def nav_pages():
    """The pages of the navigation with their depth, without yaml's help."""
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^( *)- .*: ([\w./-]+\.md)$", nav, flags=re.MULTILINE)
    return {page: len(indent) // 4 + 1 for indent, page in found}


def test_every_page_is_in_the_navigation_at_most_two_levels_deep():
    depth = nav_pages()
    assert set(depth) == set(PAGES) | MADE and max(depth.values()) <= 2
    assert set(hooks.API) == {Path(page).stem for page in MADE if page.startswith("api/")}


class Links(HTMLParser):
    """The links of a page, and what a browser would fetch for it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("script", "img", "link", "iframe") and attrs.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(attrs.get("src") or attrs.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built as `make docs` builds it."""
    pytest.importorskip("mkdocs", reason="needs mkdocs, of the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs mkdocstrings, of the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_documentation_builds_every_page_is_two_clicks_away_and_nothing_is_fetched(site):
    built = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {"404.html"}
    assert built == {page.replace(".md", ".html") for page in [*PAGES, *MADE]}
    reached, latest = {"index.html"}, {"index.html"}
    for _ in range(2):
        found = [(page, link) for page in latest for link in Links((site / page).read_text("utf-8")).links]
        links = {urldefrag(urljoin(page, link))[0] for page, link in found}
        latest = (links & built) - reached
        reached |= latest
    assert reached == built
    for page in built:
        for address in Links((site / page).read_text("utf-8")).fetched:
            assert "://" not in address and not address.startswith("//"), (page, address)


@pytest.mark.slow
def test_the_search_finds_an_error_message_on_the_page_that_explains_it(site):
    entries = json.loads((site / "search" / "search_index.json").read_text("utf-8"))["docs"]
    for message, page in (
        ("give --overwrite_output_dir true", "troubleshooting.html"),
        ("is not a multiple of num_attention_heads", "messages.html"),
        ("scaled_dot_product_attention", "api/models.html"),
    ):
        assert any(
            message in " ".join(re.sub("<[^>]*>", "", f"{entry['title']} {entry['text']}").split())
            and entry["location"].startswith(page)
            for entry in entries
        ), message


@pytest.mark.slow
def test_a_dead_link_stops_the_build(site, tmp_path):
    """The same settings, on a page with a link to nowhere."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[nowhere](nowhere.md)", encoding="utf-8")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    settings = re.sub(r"^(nav|hooks|plugins):\n(?:[ ].*\n|\n)+", "", settings, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"],
        cwd=tmp_path, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and "nowhere.md" in done.stdout + done.stderr


# -- what is made from other files -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", make_results.PAGES)
def test_the_tables_are_those_that_the_script_writes(page):
    text = read(page)
    made = make_results.write(text)
    lines = re.compile(r"(?<=\| )\d+(?= \|$)", re.MULTILINE)
    if page == "reading-guide.md":
        # A table that is off by a few lines misleads nobody; one that is off by more has been forgotten.
        pairs = zip(lines.findall(text), lines.findall(made), strict=True)
        assert all(abs(int(shown) - int(counted)) <= 15 for shown, counted in pairs)
        text, made = lines.sub("", text), lines.sub("", made)
    assert text == made, "run python docs/make_results.py"


def test_every_table_of_the_script_is_on_a_page():
    named = [name for page in make_results.PAGES for _, name in make_results.BLOCK.findall(read(page))]
    assert sorted(named) == sorted(make_results.TABLES)


def test_the_page_of_mistakes_has_every_entry_and_no_row_codes():
    page, source = hooks.mistakes_page(), (ROOT / "examples/lessons/bugs.md").read_text("utf-8")
    assert not re.search(r"S\d-\d\d", page)
    assert page.count("\n### ") == source.count("\n### ") and page.count("```") == source.count("```")


def test_the_page_of_messages_has_the_messages_of_every_source():
    page = hooks.messages_page()
    assert page.count("\n- `") > 400
    assert "hidden_size (…) is not a multiple of num_attention_heads (…); change one of them, or set head_dim" in page


# -- what the pages quote --------------------------------------------------------------------------------------


def strings(*files):
    """Every string of the files, `…` for each value in it."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp):
                text = hooks.template(node)
                if len(text) > 10:
                    yield " ".join(text.replace("`", "").split())


def quoted():
    """(message, whether it is one of transformers) of the page on errors."""
    text = read("troubleshooting.md").partition("\n## In other programs")[0]
    entries = re.findall(r"^(\*\*`.*)$", text, flags=re.MULTILINE)
    for entry in entries:
        for message in re.findall(r"\*\*`(.*?)`\*\*", entry):
            yield message, entry.endswith("(transformers)")


def test_every_quoted_message_is_in_the_sources():
    ours = list(strings(*hooks.sources()))
    installed = Path(importlib.util.find_spec("transformers").origin).parent
    places = ("pipelines/base.py", "models/auto/configuration_auto.py", "dynamic_module_utils.py")
    theirs = list(strings(*(installed / place for place in places)))
    messages = list(quoted())
    assert len(messages) > 50
    for message, of_transformers in messages:
        parts = [part.strip() for part in message.split("…") if len(part.strip(" ;,.:()")) > 2]
        pattern = re.compile(".*".join(map(re.escape, parts)))
        assert any(pattern.search(text) for text in (theirs if of_transformers else ours)), message


def test_an_invented_message_would_be_noticed():
    ours = list(strings(*hooks.sources()))
    assert any("already holds a finished model" in text for text in ours)
    assert not any("already holds an unfinished model" in text for text in ours)


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page):
    named = re.findall(r"`((?:examples|modeling_minibert|tokenization|tests|docs)/[\w./*-]*)", read(page))
    for path in named:
        assert list(ROOT.glob(path.rstrip("./"))), path


@pytest.mark.parametrize("page", [*(f"docs/{page}" for page in PAGES), "README.md", "README.id.md"])
def test_whoever_loads_a_saved_folder_imports_the_package_or_trusts_its_code(page):
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.DOTALL):
        for folder in re.findall(r'(?:pipeline|from_pretrained|SentenceTransformer)\((?:"[\w-]+", )?"(.*?)"', block):
            free = folder in ("out/tokenizer", "out/twin")  # stock classes
            assert free or "modeling_minibert" in block or "trust_remote_code=True" in block, block


SENTENCE = "Hujan turun sejak pagi dan kopi di meja sudah dingin. Pada suatu pagi ular berbahaya enak deras."
# Page: the folder that its snippet opens, and the class of the model in it.
OPENED = {
    "tutorials/first-model.md": ("out/classifier", MiniBertForSequenceClassification),
    "id/model-pertama.md": ("out/classifier", MiniBertForSequenceClassification),
    "how-to/classify.md": ("out/mine", MiniBertForSequenceClassification),
    "how-to/tag.md": ("out/mine", MiniBertForTokenClassification),
    "how-to/choose.md": ("out/mine", MiniBertForMultipleChoice),
    "how-to/answer.md": ("out/qa", MiniBertForQuestionAnswering),
    "how-to/translate.md": ("out/translator", MiniSeq2SeqForConditionalGeneration),
    "how-to/pretrain.md": ("out/mine", MiniBertForMaskedLM),
    "how-to/tokenizers.md": ("out/tokenizer", None),
    "how-to/look-inside.md": ("out/classifier", MiniBertForSequenceClassification),
}


def save_model(folder, model_class):
    """Save a model with random weights, and a tokenizer."""
    tokenizer = train_tokenizer([SENTENCE] * 3, vocab_size=140, show_progress=False)
    tokenizer.model_max_length = 60
    save_tokenizer(tokenizer, folder)
    if model_class is not None:
        fields = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": 60}
        make = random_seq2seq if model_class is MiniSeq2SeqForConditionalGeneration else random_model
        labels = {} if make is random_seq2seq else {"num_labels": 2, "mask_token_id": tokenizer.mask_token_id}
        make(model_class, **fields, **labels).float().save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:integrated gradients sum:UserWarning")  # of a model with random weights
@pytest.mark.parametrize("page", OPENED)
def test_the_snippets_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(*OPENED[page])
    found = re.findall(r"```python\n(.*?)```", read(page), flags=re.DOTALL)
    assert found
    for snippet in found:
        exec(compile(snippet, page, "exec"), {"__name__": "snippet"})


def test_the_pages_without_such_a_run_are_these():
    """Uploading, elsewhere's own test, a search index and a MiniGPT, which `folders` below opens."""
    left = {page for page in PAGES if "```python" in read(page)} - set(OPENED)
    assert left == {"tutorials/hub.md", "id/hub.md", "elsewhere.md", "how-to/search.md", "how-to/write.md"}


# -- use it elsewhere ------------------------------------------------------------------------------------------

NEEDS = {
    "Trainer": "transformers", "ONNX": "onnxruntime", "sentence-transformers": "sentence_transformers", "PEFT": "peft",
    "TRL": "trl", "captum": "captum", "shap": "shap", "MLflow": "mlflow", "lm-evaluation-harness": "lm_eval",
    "transformers serve": "transformers",
}  # fmt: skip
SECTIONS = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", read("elsewhere.md"), flags=re.MULTILINE | re.DOTALL))
SNIPPETS = {name: re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) for name, text in SECTIONS.items()}


def test_every_snippet_for_another_program_is_run():
    assert {name for name, found in SNIPPETS.items() if found} == set(NEEDS)
    assert set(SECTIONS) == {*NEEDS, "transformers.js"}
    rows = re.findall(r"^\| \[(.*?)\]\(", read("elsewhere.md"), flags=re.MULTILINE)
    assert rows == list(SECTIONS)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A classifier, a sentence encoder, a MiniGPT and its stock twin, with random weights."""
    monkeypatch.chdir(tmp_path)
    save_model("out/mine", MiniBertForSequenceClassification)
    make_encoder().save("out/encoder")
    tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}
    options = {"kind": "bpe", "special_tokens": tokens, "wrap": "start", "model_max_length": 60}
    tokenizer = train_tokenizer([SENTENCE] * 3, vocab_size=140, show_progress=False, **options)
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = MiniGPTForCausalLM.config_class(
        vocab_size=len(tokenizer), hidden_size=20, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37,
        max_position_embeddings=60, **ids,
    )  # fmt: skip
    MiniGPTForCausalLM(config).save_pretrained("out/storyteller")
    save_tokenizer(tokenizer, "out/storyteller")
    monkeypatch.setattr(sys, "argv", ["conversion", "out/storyteller", "out/twin"])
    conversion.main()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["how-to/search.md", "how-to/write.md"])
def test_the_other_pages_open_these_folders(page, folders):
    (snippet,) = re.findall(r"```python\n(.*?)```", read(page), flags=re.DOTALL)
    exec(compile(snippet, page, "exec"), {"__name__": "snippet"})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.parametrize("name", NEEDS)
def test_the_snippet_runs(name, folders):
    pytest.importorskip(NEEDS[name], reason=f"needs {NEEDS[name]}")
    for snippet in SNIPPETS[name]:
        space = {"__name__": "snippet"}
        exec(compile(snippet, f"<{name}>", "exec"), space)
    if name == "ONNX":
        assert space["logits"].shape == (2, 2)
    if name == "sentence-transformers":
        assert space["similarities"].shape == (2, 2)
    if name == "captum":
        assert space["scores"].shape == space["ids"].shape

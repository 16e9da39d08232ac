"""Pages that mkdocs makes while it builds: common mistakes, all error messages, and the API reference.

They are made from files outside docs/, so that nothing is written twice: examples/lessons/bugs.md, the messages and the
docstrings of the sources. Pictures of examples/ are copied. mkdocs calls
`on_files` and `on_page_markdown` (see `hooks` in mkdocs.yml).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = re.compile(r"\]\(\.\./(examples/[\w/-]+\.png)\)")  # on a page at the top of docs/
PACKAGES = ("modeling_minibert", "tokenization")
# Page of the API reference: its heading, and the folders that it shows.
API = {
    "models": ("Models", ["modeling_minibert"]),
    "data": ("Data", ["modeling_minibert/data"]),
    "training": ("Training", ["modeling_minibert/training"]),
    "evaluation": ("Evaluation", ["modeling_minibert/evaluation"]),
    "decoding": ("Decoding", ["modeling_minibert/decoding"]),
    "explain": ("Explain", ["modeling_minibert/explain"]),
    "retrieval": ("Search", ["modeling_minibert/retrieval"]),
    "pipelines": ("Pipelines and conversion", ["modeling_minibert/pipelines", "modeling_minibert/conversion"]),
    "numpy_twin": ("NumPy twin", ["modeling_minibert/numpy_twin"]),
    "tokenization": ("Tokenizers", ["tokenization"]),
}


def template(node: ast.expr) -> str:
    """The text of a string in the source, with `…` for each value that is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(value.value if isinstance(value, ast.Constant) else "…" for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return template(node.left)
    return "…"


def find_messages(source: str) -> Iterator[str]:
    """The messages that a source raises or warns with, in their order."""
    for node in ast.walk(ast.parse(source)):
        called = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(called, ast.Call) or not called.args:
            continue
        name = ast.unparse(called.func)
        if isinstance(node, ast.Raise) or name in ("warnings.warn", "logger.warning", "logger.warning_once"):
            text = re.sub(r"%(\.\d)?[a-z]\b", "…", template(called.args[0]))
            if re.search(r"\w{3}", text):
                yield text


def sources() -> list[Path]:
    """The python files of both packages."""
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def messages_page() -> str:
    """All messages of the packages, under the file that writes them."""
    lines = [
        "# All error messages", "",
        "Every message of the package, by the file that writes it; `…` stands for a value of yours. The usual ones are "
        "explained in [Troubleshooting](troubleshooting.md).",
    ]  # fmt: skip
    for path in sources():
        found = list(dict.fromkeys(find_messages(path.read_text("utf-8"))))
        lines += ["", f"## {path.relative_to(ROOT).as_posix()}", ""] if found else []
        for text in found:
            text = " ".join(text.split())
            lines.append(f"- `` {text} ``" if "`" in text else f"- `{text}`")
    return "\n".join(lines) + "\n"


def mistakes_page() -> str:
    """The page of examples/lessons/bugs.md, with headings that have no row codes of the lecture documents."""
    text = (ROOT / "examples/lessons/bugs.md").read_text("utf-8")
    preamble, first, rest = text.partition("\n## ")
    _, _, code = preamble.partition("```python preamble\n")
    head = [
        "# Common mistakes", "",
        "Mistakes in Transformers that people write themselves. Each entry has a wrong and a right version and a check "
        "that tells them apart. A test runs all of them.", "", "Each snippet begins with", "", f"```python\n{code}",
    ]  # fmt: skip
    rest = re.sub(
        r"^### (?:S\d-\d+(?:, )?)+: (\S+)", lambda match: f"### {_capital(match[1])}", rest, flags=re.MULTILINE
    )
    rest = re.sub(r"^```python (wrong|right|check).*$", r'``` {.python title="\1"}', rest, flags=re.MULTILINE)
    return "\n".join(head) + first + rest


def _capital(word: str) -> str:
    return word if word in ("np.dot", "eps", "exp") else word[0].upper() + word[1:]


def api_page(heading: str, folders: list[str]) -> str:
    """A page of the API reference: the public names of every file of the folders."""
    lines = [f"# {heading}", ""]
    for folder in folders:
        for path in sorted((ROOT / folder).glob("*.py")):
            if path.stem.startswith("_") and path.stem != "__init__":
                continue
            names = [node.name for node in ast.parse(path.read_text("utf-8")).body if hasattr(node, "name")]
            if any(not name.startswith("_") for name in names):
                module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
                lines += [f"::: {module}", ""]
    return "\n".join(lines)


def on_files(files, config):
    """Add the pages and the pictures that stand outside docs/."""
    from mkdocs.structure.files import File  # the tests read the rest of this file without mkdocs

    pages = {"messages.md": messages_page(), "common-mistakes.md": mistakes_page()}
    pages |= {f"api/{name}.md": api_page(*page) for name, page in API.items()}
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    for page in files.documentation_pages():
        for picture in PICTURE.findall(page.content_string):
            if files.get_file_from_path(f"images/{Path(picture).name}") is None:
                files.append(File.generated(config, f"images/{Path(picture).name}", abs_src_path=str(ROOT / picture)))
    return files


def on_page_markdown(text, page, config, files):
    """Point at the copies of the pictures in the built pages; in the repository a page links the originals."""
    return PICTURE.sub(lambda match: f"](images/{Path(match[1]).name})", text)

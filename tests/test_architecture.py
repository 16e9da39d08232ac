"""docs/architecture.md: the paths that it names exist, and imports go in the direction that it states."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "modeling_minibert"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

# A part may import itself and parts of a lower level; "root" is the files at the root of modeling_minibert.
LEVELS = {
    "root": 0,
    "tokenization": 0,
    **dict.fromkeys(("data", "evaluation", "decoding"), 1),
    **dict.fromkeys(("training", "explain", "conversion", "pipelines"), 2),
    "retrieval": 3,
    "commands": 4,
}
ALONE = {"numpy_twin": {"numpy", "safetensors"}, "tokenization": {"tokenizers", "transformers", "datasets"}}
# The one reader of tables, for all commands; it needs the standard library alone, `datasets` to look into a folder.
READER = {"table_files": set(), "json_files": set(), "text_files": set(), "table_folders": {"datasets"}}
# What is entered from outside, and stands above all levels: the parts that each imports at once.
ENTRIES = {"__init__.py": {"pipelines"}, "__main__.py": {"training"}}
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tokenization").rglob("*.py")])


def part(names: tuple[str, ...]) -> str:
    """The part that a dotted name or a path belongs to."""
    if names[0] != "modeling_minibert":
        return names[0]
    return names[1] if len(names) > 1 and (PACKAGE / names[1]).is_dir() else "root"


def imports(path: Path):
    """The dotted names that a file imports, whole."""
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split("."))
            yield from ((*filter(None, module), alias.name) for alias in node.names)


def table(heading: str) -> list[list[str]]:
    """The rows of the table behind a heading, its head left out."""
    rows = re.findall(r"^\|(.*)\|$", PAGE.split(heading)[1].split("\n## ")[0], re.M)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]


def test_every_module_that_moved_stands_where_the_page_says():
    rows = table("## What moved")
    assert len(rows) > 20
    for old, new, _ in rows:
        paths = re.findall(r"`([^`]+)`", new)
        assert paths and all((PACKAGE / path).is_file() for path in paths), new
        for path in re.findall(r"`([\w/]+\.py)`(?! \()", old):
            assert path == "modeling_minigpt.py" or not (PACKAGE / path).exists(), f"{path} stands there still"


def test_the_layout_names_every_folder_and_every_file_of_the_root():
    listed = re.findall(r"^ *([\w/]+/) ", PAGE.split("```")[1], re.M)
    parts = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert parts == set(listed) - {"modeling_minibert/", "tokenization/", "examples/", "docs/", "tests/"}
    assert all((PACKAGE / name).is_dir() or (ROOT / name).is_dir() for name in listed)
    patterns = re.findall(r"`([\w*]+\.py)`", " ".join(files for _, files in table("The root by subject:")))
    found = [{path.name for path in PACKAGE.glob(pattern)} for pattern in patterns]
    assert all(found), [pattern for pattern, files in zip(patterns, found, strict=True) if not files]
    assert set().union(*found) == {path.name for path in PACKAGE.glob("*.py")} - {*ENTRIES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_in_the_direction_that_the_page_states(path):
    own = part(path.relative_to(ROOT).with_suffix("").parts)
    targets = {(part(names), names[0]) for names in imports(path)}
    outside = {top for _, top in targets if top not in ("modeling_minibert", "tokenization", *sys.stdlib_module_names)}
    if own == "data":
        reader = {names[1] for names in imports(path) if names[0] == "tokenization"}
        assert reader <= set(READER)
        targets = {(target, top) for target, top in targets if top != "tokenization"}
    inside = {target for target, top in targets if top in ("modeling_minibert", "tokenization")} - {own}
    if own in ALONE:
        assert not inside and outside <= READER.get(path.stem, ALONE[own])
    elif path.parent == PACKAGE and path.name in ENTRIES:
        assert inside <= ENTRIES[path.name]
    else:
        assert all(target in LEVELS and LEVELS[target] < LEVELS[own] for target in inside), inside

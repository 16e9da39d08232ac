"""The table of planted faults (`tests/mutants/*.toml`) and what became of them (`tests/mutants/results.json`).

A mutant is one fault in one file, for one or more rows of the lecture documents: `old` text and the `new` text in its
place, or a `section` of a page, which is deleted. `tests/run_mutants.py` plants them; a row is proven when one of the
tests with its marker fails.
"""

import ast
import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "mutants"
RESULTS = FOLDER / "results.json"


@dataclass(frozen=True)
class Mutant:
    """One planted fault; `fault` says in words what is broken, and is its key in the results."""

    fault: str
    rows: tuple[str, ...]
    file: str
    old: str
    new: str = ""

    @property
    def hash(self) -> str:
        """A digest of the change, by which a result of another change is noticed."""
        return hashlib.sha256("\0".join((self.file, self.old, self.new)).encode()).hexdigest()[:12]

    def source(self, root: Path = ROOT) -> str:
        """The text of the file to change, with `\\n` line ends."""
        return (root / self.file).read_text("utf-8")

    def mutate(self, source: str) -> str:
        """The text with the fault.

        Raises:
            ValueError: the old text does not occur exactly once.
        """
        if source.count(self.old) != 1:
            raise ValueError(f"{self.fault!r}: the old text occurs {source.count(self.old)} times in {self.file}")
        return source.replace(self.old, self.new)


def section_of(text: str, heading: str) -> str:
    """The section that a heading line begins: up to the next heading of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    match = re.search(rf"^{re.escape(heading)}.*?(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE)
    if level == 0 or match is None:
        raise ValueError(f"no section begins with {heading!r}")
    return match[0]


def _build(fields: dict) -> Mutant:
    fields["rows"] = tuple(fields["rows"])
    if "section" in fields:
        fields["old"] = section_of((ROOT / fields["file"]).read_text("utf-8"), fields.pop("section"))
    return Mutant(**fields)


def _tables(name: str) -> list[dict]:
    files = sorted(FOLDER.glob("*.toml"))
    return [entry for file in files for entry in tomllib.loads(file.read_text("utf-8")).get(name, [])]


@cache
def load_mutants() -> tuple[Mutant, ...]:
    """All mutants of the table."""
    return tuple(map(_build, _tables("mutant")))


@cache
def without_mutant() -> dict[str, str]:
    """Row → what is tested instead, for the rows that can have no mutant."""
    return {row: entry["tested"] for entry in _tables("without_mutant") for row in entry["rows"]}


def load_results() -> dict[str, dict]:
    """Fault → `{"hash", "rows": {row: the test that failed, or None}}`."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def killed_rows() -> set[str]:
    """The rows with a marked test that a mutant of the present table was shown to fail."""
    hashes = {mutant.fault: mutant.hash for mutant in load_mutants()}
    current = [result for fault, result in load_results().items() if hashes.get(fault) == result["hash"]]
    return {row for result in current for row, test in result["rows"].items() if test}


@cache
def marked_rows(path: str) -> dict[str, set[str]]:
    """Test function → the rows of its markers, read from the source of one test file."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            marks = [mark for mark in node.decorator_list if ast.unparse(mark).startswith("pytest.mark.lecture(")]
            found[node.name] = {argument.value for mark in marks for argument in mark.args}
    return found

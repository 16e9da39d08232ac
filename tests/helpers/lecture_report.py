"""The report of `pytest --lecture-report`: which rows of the lecture documents the tests that ran have proven.

A row needs a passing test with its marker, one that calls this project (a toy beside it proves nothing about it), and
one that a planted fault was shown to fail (`tests/mutants`).
"""

import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

from .mutants import ROOT, killed_rows, without_mutant

ROWS_PER_DOCUMENT = {"S1": 41, "S2": 42, "S3": 51, "S4": 26, "S5": 78}
ROWS = [f"{document}-{n:02d}" for document, count in ROWS_PER_DOCUMENT.items() for n in range(1, count + 1)]
PRODUCT = tuple(str(ROOT / folder) + "/" for folder in ("modeling_minibert", "tokenization", "examples"))


class Touch:
    """Notices whether code of this project is called, here or by a program that is started."""

    def __init__(self):
        self.seen = False

    def __call__(self, frame, event, argument):
        code = frame.f_code
        own = code.co_filename.replace("\\", "/").startswith(PRODUCT) and code.co_name != "<module>"
        if own or code is subprocess.Popen.__init__.__code__:
            self.seen = True
            sys.settrace(None)

    @contextmanager
    def watch(self):
        """Look at every call until one is of this project; nothing where a debugger or coverage looks already."""
        if self.seen or sys.gettrace() is not None:
            self.seen = True
            yield
            return
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(None)


class LectureReport:
    """A plugin that collects the rows of the tests that ran, here or in processes of pytest-xdist, and prints them."""

    def __init__(self):
        self.proven, self.by_product, self.skipped = set(), set(), set()
        self.fixtures = set()  # those whose setup calls this project: a later test only looks at their values

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        touch = Touch()
        with touch.watch():
            yield
        if touch.seen:
            self.fixtures.add(fixturedef)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        touch = Touch()
        with touch.watch():
            yield
        used = {fixture for fixtures in item._fixtureinfo.name2fixturedefs.values() for fixture in fixtures}
        if touch.seen or used & self.fixtures:
            item.user_properties.append(("product", True))

    def pytest_runtest_logreport(self, report):
        rows = {row for name, row in report.user_properties if name == "lecture"}
        if report.skipped:
            self.skipped |= rows
        if report.when == "call" and report.passed:
            self.proven |= rows
            if ("product", True) in map(tuple, report.user_properties):
                self.by_product |= rows

    def pytest_terminal_summary(self, terminalreporter):
        unknown = sorted(self.proven - set(ROWS))
        assert not unknown, f"markers name rows that do not exist: {unknown}"
        killed, other = killed_rows(), without_mutant()
        lines = {
            "proven by a passing test": self.proven,
            "with a test that a planted fault was shown to fail (tests/mutants)": killed & self.proven,
        }
        for what, rows in lines.items():
            terminalreporter.write_line(f"lecture rows {what}: {len(rows)} of {len(ROWS)}")
        lists = {
            "proven by a toy alone": self.proven - self.by_product - set(other) - killed,
            "no planted fault, see tests/mutants for what is tested": self.proven & set(other) - killed,
            "no planted fault": self.proven - killed - set(other),
            "all proving tests skipped": self.skipped - self.proven,
            "not proven": set(ROWS) - self.proven - self.skipped,
        }
        for what, rows in lists.items():
            listed = " ".join(row for row in ROWS if row in rows) or "none"
            terminalreporter.write_line(f"{what}: " + re.sub(r"(.{1,112})(?: |$)", r"\1\n  ", listed).rstrip())

"""Plant the faults of `tests/mutants/` one by one and record which marked tests fail.

    python tests/run_mutants.py                # those without a result, or with one of an older text
    python tests/run_mutants.py S5-62 S4-02    # those of these rows
    python tests/run_mutants.py sinusoidal     # those with this word in their name
    python tests/run_mutants.py --all
    python tests/run_mutants.py --check        # whether the tests of all results pass without a fault

Each fault is planted in a temporary copy of the tree, where only the tests that carry a marker of its rows run, until
each of the rows has a test that fails. A test counts only if it passes without the fault.
"""

import argparse
import contextlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from helpers.mutants import RESULTS, ROOT, Mutant, load_mutants, load_results

OPTIONS = "-p no:cacheprovider -p no:randomly -n 0 --tb=short -W ignore::pytest.PytestAssertRewriteWarning".split()
LIMIT = 900  # a fault that makes a program run without end has been noticed too
COPIED = ("*.git", "__pycache__", ".*_cache", ".venv*", ".hypothesis", "*.egg-info", "build", "dist", "out")


def rows_of(item: pytest.Item) -> set[str]:
    return {row for mark in item.iter_markers("lecture") for row in mark.args}


class Watch:
    """Runs the tests of some rows, quick ones first, until each row has a test that fails."""

    def __init__(self, rows: tuple[str, ...], tests: tuple[str, ...] = ()):
        self.tests = tests
        self.killers = dict.fromkeys(rows)
        self.failed, self.passed = set(), set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        def cost(item):
            return item.get_closest_marker("slow") is not None, "examples" in item.nodeid

        def wanted(item):
            return item.nodeid.partition("[")[0] in self.tests if self.tests else rows_of(item) & set(self.killers)

        items[:] = sorted(filter(wanted, items), key=cost)
        self.rows = {item.nodeid: rows_of(item) for item in items}
        self.left = items

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.partition("[")[0]
        if report.passed and report.when == "call":
            self.passed.add(name)
        if report.failed:
            self.failed.add(name)
            for row in self.rows[report.nodeid]:
                if row in self.killers and self.killers[row] is None:
                    self.killers[row] = name

    def pytest_runtest_protocol(self, item):
        """Skip what can show nothing more: all rows of the test have failed."""
        if not self.tests and not any(self.killers.get(row, "") is None for row in rows_of(item)):
            return True


def enter(copy: Path, log: Path) -> None:
    """Make a new process work in the copy, and write to the log."""
    if hasattr(os, "setsid"):
        os.setsid()
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] == "helpers"]:
        del sys.modules[name]
    sys.path[:] = [str(copy)] + [place for place in sys.path if Path(place or ".").resolve() != ROOT / "tests"]
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)


def run_tests(copy: Path, files: list[str], watch: Watch, log: Path, pipe) -> None:
    """Run tests in the copy; the body of a new process."""
    enter(copy, log)
    code = pytest.main([*files, *OPTIONS], [watch])
    pipe.send((int(code), watch.killers, watch.failed, watch.passed))


def list_libraries(copy: Path, pipe) -> None:
    """Collect all tests of the copy, and send the names of the modules of other projects that they import."""
    enter(copy, copy.parent / "log.txt")
    pytest.main(["--collect-only", "-q", *OPTIONS])
    ours = ("modeling_minibert", "tokenization", "helpers", "test_", "conftest", "tests", "examples")
    places = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    pipe.send([name for name, file in places.items() if file and str(copy) not in file and not name.startswith(ours)])


class Bench:
    """A copy of the tree in which tests run."""

    def __init__(self, copy: Path):
        self.copy = copy
        self.log = copy.parent / "log.txt"
        methods = multiprocessing.get_all_start_methods()
        self.context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*COPIED))

    def import_libraries(self) -> None:
        """Import once what all tests import of other projects, before the processes divide."""
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=list_libraries, args=(self.copy, sender))
        process.start()
        names = receiver.recv()
        process.join()
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)

    def files_with(self, rows: tuple[str, ...]) -> list[str]:
        """The test files in which a marker names one of the rows, or is made from a page."""
        found = []
        for path in sorted((self.copy / "tests").rglob("test_*.py")):
            text = path.read_text("utf-8")
            if "mark.lecture(*" in text or any(f'"{row}"' in text for row in rows):
                found.append(str(path.relative_to(self.copy)))
        return found

    def run(self, files: list[str], watch: Watch) -> tuple[int, dict, set, set]:
        """The exit code of pytest, the tests that failed by row, the failed and the passed tests."""
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=run_tests, args=(self.copy, files, watch, self.log, sender))
        process.start()
        sender.close()
        try:
            answer = receiver.recv() if receiver.poll(LIMIT) else None
        except EOFError:  # it died
            answer = (2, watch.killers, set(), set())
        process.join(5)
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
        return answer or (0, dict.fromkeys(watch.killers, "does not end"), set(), set())

    def plant(self, mutant: Mutant, text: str) -> None:
        """Write the file, and forget its compiled form."""
        path = self.copy / mutant.file
        path.write_text(text, "utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def try_out(self, mutant: Mutant) -> dict[str, str | None]:
        """Row → the marked test that fails with the fault planted."""
        source = mutant.source(self.copy)
        self.plant(mutant, mutant.mutate(source))
        try:
            code, killers, _, _ = self.run(self.files_with(mutant.rows), Watch(mutant.rows))
        finally:
            self.plant(mutant, source)
        if code not in (0, 1):  # the fault is one of syntax, or no test has the marker
            print(f"pytest ended with {code}:\n{self.log.read_text('utf-8')[-900:]}")
            return dict.fromkeys(mutant.rows)
        return killers

    def failing_without_a_fault(self, tests: set[str]) -> set[str]:
        """Those of the tests that do not pass in the tree as it is."""
        tests = {test for test in tests if "::" in test}
        wrong = set()
        for file in sorted({test.partition("::")[0] for test in tests}):
            own = {test for test in tests if test.startswith(f"{file}::")}
            _, _, failed, passed = self.run([file], Watch((), tuple(own)))
            wrong |= own & failed | (own - passed)
        return wrong


def choose(words: list[str], everything: bool) -> list[Mutant]:
    """The mutants that the command line asks for."""
    mutants, results = load_mutants(), load_results()
    if words:
        return [mutant for mutant in mutants if any(word in mutant.rows or word in mutant.fault for word in words)]
    return [
        mutant
        for mutant in mutants
        if everything
        or results.get(mutant.fault, {}).get("hash") != mutant.hash
        or set(mutant.rows) != {row for row, test in results[mutant.fault]["rows"].items() if test}
    ]


def write(results: dict) -> None:
    """Write the results of the mutants of the table, in order of their names."""
    known = {mutant.fault for mutant in load_mutants()}
    kept = {fault: result for fault, result in sorted(results.items()) if fault in known}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants asked for; the number of those that a row survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="rows, or words of the faults' names")
    parser.add_argument("--all", action="store_true", help="also those that have a result")
    parser.add_argument("--check", action="store_true", help="plant nothing; run the tests of all results")
    options = parser.parse_args(arguments)
    results, survived, killers = load_results(), [], set()
    chosen = [] if options.check else choose(options.words, options.all)
    if options.check:
        killers = {test for result in results.values() for test in result["rows"].values() if test}
    with tempfile.TemporaryDirectory(prefix="minibert-mutants-") as folder:
        bench = Bench(Path(folder) / "tree")
        bench.import_libraries()
        for number, mutant in enumerate(chosen, 1):
            begin = time.perf_counter()
            rows = bench.try_out(mutant)
            results[mutant.fault] = {"hash": mutant.hash, "rows": rows}
            killers |= {test for test in rows.values() if test}
            survived += [f"{row}: {mutant.fault}" for row, test in rows.items() if test is None]
            alive = " ".join(row for row, test in rows.items() if test is None)
            said = f"SURVIVED by {alive}" if alive else "killed"
            print(f"{number}/{len(chosen)} {said}: {mutant.fault} ({time.perf_counter() - begin:.0f} s)", flush=True)
            write(results)
        for test in sorted(bench.failing_without_a_fault(killers)):
            print(f"fails without any fault: {test}")
            for result in results.values():
                result["rows"] = {row: None if test == killer else killer for row, killer in result["rows"].items()}
        write(results)
    print("\n".join(["", *survived, f"{len(chosen)} mutants, {len(survived)} rows not proven by them"]))
    return len(survived)


if __name__ == "__main__":
    sys.exit(min(main(), 1))

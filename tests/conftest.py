"""Fixtures that all tests share, the markers that skip, and the report on the lecture rows (`--lecture-report`).

The project grows out of five lecture documents (S1 to S5). Everything they teach, claim or get wrong is a numbered row,
and `@pytest.mark.lecture("S1-08")` says which rows a test proves.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest
import torch

# Set before transformers is imported: no test may reach the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

NEEDS_FOLDER = {"data": "MINIBERT_DATA", "pretrained": "MINIBERT_PRETRAINED"}
ROWS_PER_DOCUMENT = {"S1": 41, "S2": 40, "S3": 48, "S4": 26, "S5": 77}


def pytest_addoption(parser):
    parser.addoption("--lecture-report", action="store_true", help="print the lecture rows that no passing test proves")


def pytest_configure(config):
    config.proven_rows = set()


def pytest_collection_modifyitems(items):
    for item in items:
        for marker, variable in NEEDS_FOLDER.items():
            if item.get_closest_marker(marker) and not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=f"set {variable} to the folder it needs"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.passed:
        for marker in item.iter_markers("lecture"):
            item.config.proven_rows.update(marker.args)
    return report


def pytest_terminal_summary(terminalreporter, config):
    if not config.getoption("--lecture-report"):
        return
    rows = [f"{document}-{n:02d}" for document, count in ROWS_PER_DOCUMENT.items() for n in range(1, count + 1)]
    unknown = sorted(config.proven_rows - set(rows))
    assert not unknown, f"markers name rows that do not exist: {unknown}"
    missing = [row for row in rows if row not in config.proven_rows]
    terminalreporter.write_line(f"lecture rows proven by a passing test: {len(rows) - len(missing)} of {len(rows)}")
    terminalreporter.write_line("not proven: " + re.sub(r"(.{1,112})(?: |$)", r"\1\n  ", " ".join(missing)))


@pytest.fixture(autouse=True)
def _fixed_seed():
    torch.manual_seed(0)


@pytest.fixture
def torchs_masks(monkeypatch):
    """Our dropout draws as torch's does: with the same seed, both sides then drop the same numbers, if only they come
    to the same tensors in the same order."""
    from modeling_minibert.dropout import Dropout

    monkeypatch.setattr(Dropout, "forward", torch.nn.Dropout.forward)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; only for tests marked `data`."""
    return Path(os.environ["MINIBERT_DATA"])


@pytest.fixture(scope="session")
def pretrained_dir() -> Path:
    """The folder of a real BERT checkpoint; only for tests marked `pretrained`."""
    return Path(os.environ["MINIBERT_PRETRAINED"])


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout, where README.md and examples/ stand."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def load_example(repository, monkeypatch):
    """Import a script of examples/ as a module, anew for each test; its `run` calls it as the command line does."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(name, repository / "examples" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # dataclasses look their module up by name
        spec.loader.exec_module(module)

        def run(*arguments):
            monkeypatch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
            module.main()

        module.run = run
        return module

    return load

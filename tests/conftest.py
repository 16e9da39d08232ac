"""Fixtures that all tests share, the markers that skip, and the report on the lecture rows (`--lecture-report`).

The project grows out of five lecture documents (S1 to S5). Everything they teach, claim or get wrong is a numbered row,
and `@pytest.mark.lecture("S1-08")` says which rows a test proves.
"""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Set before torch and transformers are imported. No test may reach the network; the tests' matrices are so small that
# a second thread mostly waits; and tests in parallel processes share no folder that they write to.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
CACHES = Path(tempfile.mkdtemp(prefix="minibert-tests-"))
atexit.register(shutil.rmtree, CACHES, ignore_errors=True)
for cache in ("HF_DATASETS_CACHE", "HF_METRICS_CACHE", "HF_MODULES_CACHE"):
    os.environ[cache] = str(CACHES / cache)

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from helpers.lecture_report import LectureReport  # noqa: E402

# No test fails because the machine is busy.
hypothesis.settings.register_profile("no clock", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("no clock")

NEEDS_FOLDER = {"data": "MINIBERT_DATA", "pretrained": "MINIBERT_PRETRAINED"}


def pytest_addoption(parser):
    parser.addoption("--lecture-report", action="store_true", help="print the lecture rows that no passing test proves")


def pytest_configure(config):
    if config.getoption("--lecture-report"):
        config.pluginmanager.register(LectureReport())


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Run the whole suite in parallel processes where pytest-xdist is installed; `-n 0` runs it in one."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # one of those processes
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and getattr(config.option, "numprocesses", 0) is None:
        config.option.numprocesses, config.option.dist = "auto", "loadfile"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One process per core, but not more memory than a small machine has."""
    return min(os.cpu_count() or 1, 4)


def pytest_collection_modifyitems(items):
    for item in items:
        for marker, variable in NEEDS_FOLDER.items():
            if item.get_closest_marker(marker) and not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=f"set {variable} to the folder it needs"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))
        item.user_properties += [("lecture", row) for marker in item.iter_markers("lecture") for row in marker.args]


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


@pytest.fixture
def load_command(monkeypatch):
    """Import the module of a training command of the package; its `run` calls `main` as the command line does."""

    def load(name: str):
        module = importlib.import_module(f"modeling_minibert.{name}")

        def run(*arguments):
            monkeypatch.setattr(sys, "argv", [module.__file__, *map(str, arguments)])
            module.main()

        monkeypatch.setattr(module, "run", run, raising=False)
        return module

    return load


@pytest.fixture(autouse=True)
def libraries_speak_as_before():
    """Restore what a script changes for its process: verbosity and progress bars of transformers and datasets."""
    import datasets
    from transformers.utils import logging

    verbosity, bars, data_bars = (
        logging.get_verbosity(),
        logging.is_progress_bar_enabled(),
        datasets.are_progress_bars_disabled(),
    )
    yield
    logging.set_verbosity(verbosity)
    (logging.enable_progress_bar if bars else logging.disable_progress_bar)()
    (datasets.disable_progress_bars if data_bars else datasets.enable_progress_bars)()

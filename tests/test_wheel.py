"""The wheel: all modules and bundled data, and a training and an answer without the repository."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

PARTS = ("modeling_minibert", "tokenization", "examples/data")
FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    """The wheel, built from a copy, in which no build folder of a developer stands."""
    pytest.importorskip("setuptools", "77")
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for part in PARTS:
        shutil.copytree(repository / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(repository / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", str(out)]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of the unpacked wheel."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.slow
def test_the_wheel_has_every_module_and_is_small(wheel, repository):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = [path for part in PARTS[:2] for path in (repository / part).rglob("*.py")]
    assert {path.relative_to(repository).as_posix() for path in modules} <= names
    assert not [name for name in names if name.startswith(("tests", "examples")) or "make_" in name]
    assert wheel.stat().st_size < 2e6


def run(installed, folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, *map(str, arguments)], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_bundled_set_that_a_command_names_is_in_the_wheel(installed, tmp_path):
    code = """
import modeling_minibert
from modeling_minibert.data.bundled import bundled_files, bundled_path
from modeling_minibert.retrieval.collections import bundled_collection, load_collection
from modeling_minibert.training import classifier, lm, mlm, multiple_choice, qa, tagger, translator
print(modeling_minibert.__file__)
endings = {multiple_choice: "jsonl", qa: "parquet", tagger: "conll"}
paths = [path for each in (classifier, multiple_choice, qa, tagger, translator)
         for path in bundled_files(each.BUNDLED, endings.get(each, "csv")).values()]
paths += [*bundled_files(mlm.BUNDLED, "txt", ("train", "validation")).values(), str(bundled_path(*lm.BUNDLED))]
paths += [*bundled_files("everyday").values(), str(bundled_path(translator.BUNDLED, "lecture.csv"))]
print(*paths, str(bundled_collection()), sep="\\n")
assert load_collection(bundled_collection()).qrels
"""
    places = run(installed, tmp_path, "-c", code).splitlines()
    assert len(places) > 20 and all(place.startswith(str(installed)) for place in places)


@pytest.mark.slow
def test_a_classifier_is_trained_and_asked_without_the_repository(installed, tmp_path):
    printed = run(installed, tmp_path, "-m", "modeling_minibert", "demo", "--max_steps", 2, "--report_to", "none")
    assert "six sentences that it has not seen:" in printed and printed.count("try it yourself: ") == 1
    words = ("-m", "modeling_minibert", "predict", "out/classifier", "Filmnya bagus.")
    assert run(installed, tmp_path, *words).startswith('{"text": "Filmnya bagus.", "label": "')

"""What SECURITY.md promises about files from others."""

import ast
import pickle
from pathlib import Path

import pytest
import torch

from modeling_minibert.conversion import from_nanogpt

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("modeling_minibert", "tokenization", "examples") for path in (ROOT / folder).rglob("*.py")
)
PICKLE_READERS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def calls(path: Path):
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def test_torch_load_is_called_for_nanogpt_alone_and_reads_weights_only():
    found = {
        path.relative_to(ROOT).as_posix(): {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        for path in SOURCES
        for call in calls(path)
        if ast.unparse(call.func) == "torch.load"
    }
    assert list(found) == ["modeling_minibert/conversion/nanogpt.py"]
    assert found["modeling_minibert/conversion/nanogpt.py"]["weights_only"] == "True"


def test_no_module_imports_another_reader_of_pickles_or_evaluates_text():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & PICKLE_READERS, path
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("eval", "exec", "os.system"), path
                assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}, path


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_of_nanogpt_that_carries_code_is_refused(tmp_path):
    torch.save({"model": {}, "model_args": Harmful(tmp_path / "written")}, tmp_path / "ckpt.pt")
    with pytest.raises(pickle.UnpicklingError):
        from_nanogpt(tmp_path / "ckpt.pt")
    assert not (tmp_path / "written").exists()

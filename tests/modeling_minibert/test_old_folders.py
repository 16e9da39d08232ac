"""Folders saved by the code of 3a93af8, before `Batch` and the moves of modules, open with the new code, and back.

tests/data/saved_by_3a93af8.tar.xz holds a classifier, a MiniGPT and a MiniSeq2Seq of 12 features, each with the code
that `save_pretrained` copied, a batch and its logits in float64.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

import modeling_minibert

ARCHIVE = Path(__file__).parents[1] / "data" / "saved_by_3a93af8.tar.xz"
AUTO = {
    "encoder": AutoModelForSequenceClassification,
    "decoder": AutoModelForCausalLM,
    "encoder_decoder": AutoModelForSeq2SeqLM,
}

# Run where this package cannot be imported: only the code in the folder counts.
RUN_REMOTE_CODE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("modeling_minibert", "tokenization"):
            raise ImportError(name)

sys.meta_path.insert(0, Block())
import torch, transformers
from safetensors.torch import load_file
auto_name, folder = sys.argv[1:]
model = getattr(transformers, auto_name).from_pretrained(folder, trust_remote_code=True, dtype=torch.float64).eval()
batch = load_file(folder + "/expected.safetensors")
expected = batch.pop("logits")
# Another processor, or another alignment of memory, may sum in another order.
torch.testing.assert_close(model(**batch).logits, expected, rtol=0, atol=1e-12)
"""


@pytest.fixture(params=sorted(AUTO))
def kind(request):
    return request.param


@pytest.fixture
def old_folder(kind, tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old" / kind


def run_remote_code(kind, folder, tmp_path):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules")}
    command = [sys.executable, "-c", RUN_REMOTE_CODE, AUTO[kind].__name__, str(folder)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def open_with_this_code(kind, folder):
    model = AUTO[kind].from_pretrained(folder, dtype=torch.float64).eval()
    assert type(model).__module__.startswith("modeling_minibert.")
    return model


def test_an_old_folder_opens_with_the_classes_of_today(kind, old_folder):
    batch = load_file(old_folder / "expected.safetensors")
    expected = batch.pop("logits")
    with torch.no_grad():
        assert_close(open_with_this_code(kind, old_folder)(**batch).logits, expected, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_an_old_folder_still_runs_its_own_code(kind, old_folder, tmp_path):
    run_remote_code(kind, old_folder, tmp_path)


@pytest.mark.slow
def test_a_folder_of_today_opens_with_the_code_of_that_time(kind, old_folder, tmp_path):
    new = tmp_path / "new"
    open_with_this_code(kind, old_folder).save_pretrained(new)
    for path in [*new.glob("*.py"), *old_folder.glob("*.py")]:
        if path.parent == new:
            path.unlink()
        else:
            shutil.copy2(path, new)
    shutil.copy2(old_folder / "expected.safetensors", new)
    assert set(json.loads((new / "config.json").read_text())["auto_map"]), "the code is found by this field"
    run_remote_code(kind, new, tmp_path)


@pytest.mark.slow
def test_a_folder_of_today_runs_its_own_code(kind, old_folder, tmp_path):
    new = tmp_path / "new"
    open_with_this_code(kind, old_folder).save_pretrained(new)
    assert (new / "batch.py").exists() and modeling_minibert.__version__
    shutil.copy2(old_folder / "expected.safetensors", new)
    run_remote_code(kind, new, tmp_path)

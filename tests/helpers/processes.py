"""Fresh Python processes, with the package and without."""

import os
import subprocess
import sys

import torch

# Run by a fresh interpreter: loads the folder with Auto*, and saves weights and outputs with every bit of them.
LOAD_AND_RUN = """
import sys
{block}
import torch
import transformers
from transformers import AutoModel
{imports}
folder, auto_name = sys.argv[1:]
model = getattr(transformers, auto_name).from_pretrained(folder, **{options}).eval()
state = dict(model.state_dict()) | dict(model.named_buffers())
torch.save((type(model).__module__, state, model(**torch.load(folder + "/batch.pt")).to_tuple()), folder + "/result.pt")
"""
WITHOUT_PACKAGE = {
    "block": "class Block:\n    def find_spec(self, name, path=None, target=None):\n"
    "        if name.partition('.')[0] in ('modeling_minibert', 'tokenization'): raise ImportError(name)\n"
    "sys.meta_path.insert(0, Block())",
    "imports": "",
    "options": {"trust_remote_code": True},
}
WITH_PACKAGE = {"block": "", "imports": "import modeling_minibert", "options": {}}


def run_fresh(folder, auto_name, script_parts, tmp_path):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AND_RUN.format(**script_parts), str(folder), auto_name],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "result.pt")

"""Fresh Python processes, with the package and without."""

import multiprocessing
import os
import runpy
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


def forked_scripts():
    """Makes processes that run a script as the command line does, without importing torch and its friends each time.

    They are forked from a process that has imported them. Only where there is a fork: not on Windows.

    Returns:
        A function of a script, its arguments and a file for its output; it gives the process, not yet started.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "datasets", "modeling_minibert", "tokenization"])
    return lambda script, arguments, log: context.Process(
        target=_run_script, args=(str(script), list(map(str, arguments)), str(log))
    )


def _run_script(script, arguments, log):
    with open(log, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv, sys.path[0] = [script, *arguments], os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")

"""Command-line arguments of the training scripts: dataclasses, name=value options and recipe files.

--config_overrides hidden_size=64,hidden_act=relu        parse_options
--recipe examples/recipes/imdb_tiny.args                 expand_recipe
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import TrainingArguments

from ..transformers_internals import use_one_gpu


@dataclass
class AnyDeviceArguments(TrainingArguments):
    """`TrainingArguments` whose defaults work on a CPU as well as on a GPU."""

    dataloader_pin_memory: bool = field(default=torch.cuda.is_available(), metadata={"help": "faster copies to a GPU"})

    def __post_init__(self):
        # Without a GPU transformers accepts bf16 only with use_cpu.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()


@dataclass
class BatchPerItemArguments(AnyDeviceArguments):
    """Arguments for training sets whose items are whole batches, like `data.TokenBudgetBatches`."""

    def __post_init__(self):
        self.per_device_train_batch_size = 1
        super().__post_init__()
        use_one_gpu(self)  # DataParallel would split such batches; for several GPUs use torchrun


@dataclass
class PackedTrainingArguments(BatchPerItemArguments):
    """Arguments for training and evaluation sets whose items are whole batches."""

    def __post_init__(self):
        self.per_device_eval_batch_size = 1
        super().__post_init__()


def parse_options(text: str | None) -> dict:
    """Parse 'a=1,b=x' into {'a': 1, 'b': 'x'}; numbers, true, false and null become Python values."""
    options = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} is not an option; write name=value, separated by commas")
        try:
            options[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[name.strip()] = value
    return options


def expand_recipe(arguments: list[str] | None = None) -> list[str]:
    """Insert the flags of the --recipe file at the front, so that flags of the command line override them.

    Args:
        arguments: a command line without the program name; `sys.argv[1:]` by default.

    Raises:
        FileNotFoundError: the recipe file is missing.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", type=Path)
    known, rest = parser.parse_known_args(arguments)
    return known.recipe.read_text(encoding="utf-8").split() + rest if known.recipe else rest

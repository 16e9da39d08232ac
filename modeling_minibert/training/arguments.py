"""The command line of the scripts: training arguments for any device, name=value options, and recipe files.

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
    """The base of the scripts' own arguments."""

    dataloader_pin_memory: bool = field(default=torch.cuda.is_available(), metadata={"help": "faster copies to a GPU"})

    def __post_init__(self):
        # transformers takes bf16 without a GPU only when told that the CPU is meant.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()


@dataclass
class BatchPerItemArguments(AnyDeviceArguments):
    """For data sets whose items are whole batches, such as `data.TokenBudgetBatches`."""

    def __post_init__(self):
        self.per_device_train_batch_size = 1
        super().__post_init__()
        use_one_gpu(self)  # DataParallel would cut such batches apart; several GPUs: torchrun


def parse_options(text: str | None) -> dict:
    """'a=1,b=x' → {'a': 1, 'b': 'x'}; numbers, true, false and null are recognised."""
    options = {}
    for item in filter(None, (text or "").split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"{item!r} is not of the form name=value")
        try:
            options[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[name.strip()] = value
    return options


def expand_recipe(arguments: list[str] | None = None) -> list[str]:
    """Read the flags of the file after --recipe; they come first, so that flags given besides win.

    Args:
        arguments: a command line without the name of the program; none: that of this process.

    Raises:
        FileNotFoundError: there is no such file.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", type=Path)
    known, rest = parser.parse_known_args(arguments)
    return known.recipe.read_text(encoding="utf-8").split() + rest if known.recipe else rest

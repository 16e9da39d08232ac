"""Arguments that several example scripts take: checkpoint, data files, training defaults.

A script subclasses these dataclasses. A new default is enough there: the help text is inherited.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field
from inspect import get_annotations
from pathlib import Path
from typing import ClassVar

import datasets
import numpy as np
import transformers
from transformers import AutoTokenizer
from transformers.hf_argparser import HfArg, HfArgumentParser

from tokenization.console import OneLineParser, check_local_folder, run_command, unknown_argument

from ..limits import position_limit
from .arguments import expand_recipe, parse_options
from .help_text import HelpAll, short_help
from .output_folder import last_checkpoint


class InheritedHelp:
    """Base of argument dataclasses: a field that a subclass gives another default keeps its help text."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in get_annotations(cls):
            owners = (base.__dataclass_fields__ for base in cls.__mro__[1:] if hasattr(base, "__dataclass_fields__"))
            inherited = next((fields[name] for fields in owners if name in fields), None)
            if inherited and name in vars(cls) and not isinstance(vars(cls)[name], Field):
                setattr(cls, name, field(default=vars(cls)[name], metadata=inherited.metadata))


def tokenizer_argument() -> Field:
    """Make the field --tokenizer_name, for scripts that take a trained tokenizer."""
    return HfArg(default=None, help="from scratch: a trained tokenizer; none: train one on the train split")


def overrides_argument(from_scratch: str) -> Field:
    """Make the field --config_overrides, whose help shows the script's overrides for random weights."""
    text = "configuration fields to change, as name=value,name=value; from scratch, if none are given: "
    return HfArg(default=None, help=text + from_scratch)


def predict_argument(file: str) -> Field:
    """Make the field --do_predict, for commands that write the answers to the test split to a file."""
    return HfArg(default=False, help=f"also write the answers to the test split to {file}")


class ScriptParser(OneLineParser, HfArgumentParser):
    """A parser of argument dataclasses whose errors are one line; `last` holds what was parsed last."""

    last: ClassVar[tuple] = ()

    def __init__(self, *classes, **options):
        super().__init__(*classes, epilog="--traceback shows where an error happened.", **options)
        self.add_argument("--help_all", "--help-all", action=HelpAll, help="show the help of all arguments")

    def format_help(self) -> str:
        """Return one screen of help with the command's own arguments."""
        return short_help(self, self.dataclass_types, recipe="--recipe" in (self.epilog or ""))

    def parse_args_into_dataclasses(self, args=None, return_remaining_strings=False, **options) -> tuple:
        """Parse as usual.

        Raises:
            ValueError: a flag is unknown, the output folder is a file, or the folder of a model does not exist.
        """
        *parsed, unknown = super().parse_args_into_dataclasses(args, return_remaining_strings=True, **options)
        if unknown and not return_remaining_strings:
            raise ValueError(f"{unknown_argument(unknown, self._option_string_actions)}; --help lists the arguments")
        for place in (getattr(values, "output_dir", None) for values in parsed):
            if place is not None and Path(place).is_file():
                raise ValueError(f"--output_dir {place} is a file; name a folder")
        for values in parsed:
            for argument in ("model_name_or_path", "tokenizer_name", "checkpoints"):
                given = getattr(values, argument, None) or []
                if given == getattr(type(values), argument, None):
                    continue  # the default of the script, which says itself what makes that folder
                for name in [given] if isinstance(given, str) else given:
                    check_local_folder(name)
            if token := getattr(values, "token", None):
                os.environ["HF_TOKEN"] = token  # for models, data sets and uploads
        ScriptParser.last = tuple(parsed)
        return (*parsed, unknown) if return_remaining_strings else tuple(parsed)


def parse_with_recipe(
    classes: tuple[type, ...], arguments: list[str] | None = None, first: Sequence[str] = ()
) -> tuple:
    """Read the command line (None: that of the process) and the file of --recipe into argument dataclasses.

    The flags `first` stand before both, which override them.

    The file is inserted by `expand_recipe`: the library's `args_file_flag` passes over a missing file without a word,
    and answers --help with the help of an inner parser (transformers 5.24).
    """
    parser = ScriptParser(classes)
    parser.epilog += " --recipe FILE reads flags from a file (see examples/recipes); flags on the command line win."
    return parser.parse_args_into_dataclasses([*first, *expand_recipe(arguments)], look_for_args_file=False)


@dataclass
class CheckpointArguments(InheritedHelp):
    """The model to train: a checkpoint, or a preset with random weights and a new tokenizer."""

    model_name_or_path: str | None = HfArg(
        default=None, help="checkpoint to start from (folder or Hub name); none: train from scratch"
    )
    preset: str = HfArg(default="tiny", help="from scratch: the preset of sizes")
    config_overrides: str | None = HfArg(default=None, help="configuration fields to change, as name=value,name=value")
    tokenizer_options: str = HfArg(
        default="kind=wordpiece",
        help="from scratch: arguments of tokenization.train_tokenizer, as name=value,name=value",
    )
    model_revision: str | None = HfArg(default=None, help="branch, tag or commit of the checkpoint on the Hub")
    token: str | None = HfArg(default=None, help="of the Hub, for private models and data sets; none: HF_TOKEN")
    trust_remote_code: bool = HfArg(default=False, help="run the code that a checkpoint of the Hub brings")

    @property
    def hub(self) -> dict[str, str | bool]:
        """Return the arguments of `from_pretrained` for the checkpoint that were given."""
        given = {"revision": self.model_revision, "trust_remote_code": self.trust_remote_code}
        return {name: value for name, value in given.items() if value}

    def load_tokenizer(self, checkpoint: str | None = None):
        """Load the tokenizer of the checkpoint to resume, the named one, or the model's; None if there is none."""
        named = checkpoint or getattr(self, "tokenizer_name", None)
        if named:
            return AutoTokenizer.from_pretrained(named, trust_remote_code=self.trust_remote_code)
        return AutoTokenizer.from_pretrained(self.model_name_or_path, **self.hub) if self.model_name_or_path else None

    def parse_overrides(self, from_scratch: str) -> dict:
        """Parse --config_overrides; if it is not given and there is no checkpoint, parse `from_scratch`."""
        default = from_scratch if self.model_name_or_path is None else None
        return parse_options(default if self.config_overrides is None else self.config_overrides)


@dataclass
class LayoutArguments(InheritedHelp):
    """How the text files are written."""

    delimiter: str | None = HfArg(
        default=None, help="character between the cells of a csv, or tab; none: a comma, in .tsv a tab"
    )
    encoding: str | None = HfArg(
        default=None, help="of text files, for example cp1252; none: that of the byte-order mark, or UTF-8"
    )
    quotes: bool = HfArg(default=True, help="cells of a csv may stand in quotation marks")

    @property
    def layout(self) -> dict[str, str | bool | None]:
        """These options as arguments of the loading functions."""
        return {"delimiter": self.delimiter, "encoding": self.encoding, "quotes": self.quotes}


@dataclass
class FileArguments(LayoutArguments):
    """The data: a data set with its splits, or a file per split."""

    dataset_name: str | None = HfArg(default=None, help="a Hub name or a local folder")
    train_file: str | None = HfArg(default=None, help="csv, tsv, json lines or parquet")
    validation_file: str | None = HfArg(default=None, help="none: a part of train is set apart")

    @property
    def uses_bundled(self) -> bool:
        """Whether neither a file nor a data set was given."""
        return not self.files({}) and self.dataset_name is None

    def files(self, bundled: dict[str, str]) -> dict[str, str | list[str]]:
        """Collect split → path of the files that were given; `bundled` if neither a file nor a data set was."""
        paths = {split: getattr(self, f"{split}_file", None) for split in ("train", "validation", "test")}
        given = {split: path for split, path in paths.items() if path}
        return given or ({} if self.dataset_name else bundled)


def is_first_model(model_args: CheckpointArguments, data_args: FileArguments) -> bool:
    """Whether neither a checkpoint nor data are named: the bundled data are used, with their recipe."""
    return model_args.model_name_or_path is None and data_args.uses_bundled


@dataclass
class SampleArguments:
    """How many rows of each split to use."""

    max_train_samples: int | None = HfArg(default=None, help="train on this many rows, drawn at random")
    max_eval_samples: int | None = HfArg(default=None, help="score this many rows of validation, drawn at random")
    max_predict_samples: int | None = HfArg(default=None, help="score this many rows of test, drawn at random")

    def sample(self, splits: dict, seed: int, names: tuple[str, ...] = ("validation", "test")) -> None:
        """Draw the rows of the named splits, which keep their order; of a stream, take the first."""
        limits = {"train": "max_train_samples", "validation": "max_eval_samples", "test": "max_predict_samples"}
        for split in (name for name in names if name in splits):
            size = getattr(self, limits[split])
            if size is None:
                continue
            if size < 1:
                raise ValueError(f"{limits[split]} ({size}) must be at least 1")
            if isinstance(splits[split], datasets.IterableDataset):
                splits[split] = splits[split].take(size)
            elif size < len(splits[split]):
                drawn = np.random.default_rng(seed).choice(len(splits[split]), size, replace=False)
                splits[split] = splits[split].select(sorted(drawn.tolist()))


@dataclass
class TestedFileArguments(FileArguments):
    """The same with a test split."""

    test_file: str | None = HfArg(default=None, help="scored once, at the end")


@dataclass
class TaskFileArguments(SampleArguments, TestedFileArguments):
    """The same for fine-tuning: a part of the rows, and a validation split from train if there is none."""

    dataset_config_name: str | None = HfArg(default=None, help="which configuration of the data set")
    validation_fraction: float = HfArg(default=0.1, help="share of train set apart if there is no validation split")


@dataclass
class TextArguments(SampleArguments, FileArguments):
    """Plain text for pretraining, and the size of its batches."""

    train_file: list[str] | None = HfArg(
        default=None, help="one or more of a kind: txt, csv, tsv, json lines, parquet; none: the bundled text"
    )
    validation_file: str | None = HfArg(default=None, help="none: a hundredth of train is set apart")
    text_column_name: str = HfArg(default="text", help="the column of the text")
    max_tokens: int = HfArg(default=1024, help="tokens in a batch, on each device")


@dataclass
class RunArguments(InheritedHelp):
    """Defaults and short help texts for `TrainingArguments`; as a base class it comes before the one it changes."""

    output_dir: str = HfArg(default="out", help="where everything is saved")
    learning_rate: float = HfArg(default=2e-3, help="the highest; small models bear large ones")
    num_train_epochs: float = HfArg(default=3.0, help="passes over the training data")
    warmup_steps: float = HfArg(default=0.1, help="steps, or below 1 a share of all steps")
    weight_decay: float = HfArg(default=0.01, help="AdamW's weight decay")
    eval_strategy: str = HfArg(default="epoch", help="when to score the validation split")
    save_strategy: str = HfArg(default="epoch", help="when to save a checkpoint")
    save_total_limit: int = HfArg(default=2, help="checkpoints to keep")
    overwrite_output_dir: bool = HfArg(default=False, help="replace a finished model in the output folder")
    logging_steps: float = HfArg(default=0.05, help="steps, or below 1 a share of all steps")


@dataclass
class LongRunArguments(RunArguments):
    """Defaults for training from random weights: a cosine schedule and a longer memory of AdamW's squares."""

    lr_scheduler_type: str = HfArg(default="cosine", help="how the learning rate falls after the warm-up")
    adam_beta2: float = HfArg(default=0.98, help="AdamW's second beta")


@dataclass
class PretrainingRunArguments(LongRunArguments):
    """Defaults for pretraining: score and save after shares of all steps."""

    eval_strategy: str = "steps"
    save_strategy: str = "steps"
    eval_steps: float = HfArg(default=0.2, help="steps, or below 1 a share of all steps")
    save_steps: float = HfArg(default=0.2, help="steps, or below 1 a share of all steps")


@dataclass
class FineTuningRunArguments(RunArguments):
    """Defaults for fine-tuning; learning rate and epochs depend on whether there is a checkpoint."""

    learning_rate: float | None = HfArg(default=None, help="none: 1e-3 from scratch, 2e-5 otherwise")
    num_train_epochs: float | None = HfArg(default=None, help="none: 8 from scratch, 3 otherwise")
    per_device_train_batch_size: int = HfArg(default=32, help="rows per update")
    per_device_eval_batch_size: int = HfArg(default=64, help="rows at once in evaluation")
    save_total_limit: int = 1

    def fill_in(self, from_scratch: bool, learning_rate: float) -> None:
        """Set learning rate and epochs where they were not given; `learning_rate` is that of a checkpoint."""
        if self.learning_rate is None:
            self.learning_rate = 1e-3 if from_scratch else learning_rate
        if self.num_train_epochs is None:
            self.num_train_epochs = 8 if from_scratch else 3


def token_fields(tokenizer, *names: str) -> dict[str, int | None]:
    """Build the configuration fields of a tokenizer: `vocab_size`, and the id of each named special token."""
    return {"vocab_size": len(tokenizer)} | {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in names
    }


def sizes(splits: dict) -> str:
    """Format the number of rows of each split: '2,202 train, 92 validation, 190 test'."""
    return ", ".join(f"{len(rows):,} {name}" for name, rows in splits.items())


def print_model(model, max_length: int | None, device) -> None:
    """Print the class of a model, its size, how many tokens it reads (None: not said), and its device."""
    reads = "" if max_length is None else f", reads {max_length} tokens"
    print(f"model: {type(model).__name__}, {model.num_parameters():,} parameters{reads}, on {device}")


def settle_length(tokenizer, model, max_length: int | None) -> int:
    """Set the longest input of the tokenizer in tokens, and return it; pipelines then cut texts as in training.

    Args:
        max_length: the length asked for; None: as many tokens as the model reads.
    """
    longest = position_limit(model) or tokenizer.model_max_length
    max_length = max_length or min(tokenizer.model_max_length, longest)
    check_length("max_seq_length", max_length, longest)
    tokenizer.model_max_length = max_length
    return max_length


def check_length(argument: str, length: int, limit: int | None) -> None:
    """Raise a ValueError if an argument asks for longer inputs than the `limit` of the model (None: no limit)."""
    if limit is not None and length > limit:
        raise ValueError(
            f"{argument} ({length}) is more than the {limit} tokens that the model reads; set --{argument} to {limit} "
            "or less"
        )


def run_script(main: Callable[[], object], datasets_bars: bool = False, stopped: str | None = None) -> None:
    """Run the `main` of a script without the libraries' progress bars; errors are one line (see `run_command`).

    Args:
        main: the function to run.
        datasets_bars: whether to keep the progress bars of datasets.
        stopped: the message after Ctrl-C; None says how to resume the training whose arguments were parsed last.
    """

    def run() -> None:
        try:
            main()
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(stopped or how_to_resume()) from stop

    transformers.logging.disable_progress_bar()
    if not datasets_bars:
        datasets.disable_progress_bars()
    ScriptParser.last = ()
    run_command(run)


def how_to_resume() -> str:
    """Say how to continue a training that was stopped, by the arguments that were parsed last."""
    args = next((values for values in ScriptParser.last if isinstance(values, transformers.TrainingArguments)), None)
    if args is None:
        return "stopped before the end"
    try:
        checkpoint = last_checkpoint(args.output_dir, "true")
    except ValueError:
        return f"stopped before the end; {args.output_dir} has no checkpoint yet, so the same command starts again"
    return (
        f"stopped before the end; to continue from {checkpoint}, repeat the command with --resume_from_checkpoint true"
    )

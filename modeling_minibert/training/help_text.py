"""The help of a training command, one screen or all arguments; and the command to try a saved model with.

--help shows what the command defines and the most used fields of `TrainingArguments`; --help_all shows everything.
"""

import argparse
import re
import shlex
import shutil
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass

from transformers import TrainingArguments

WIDTH, NAMES = 118, 30  # columns of a line, and of the names
# Fields of `TrainingArguments` that nearly every run sets.
OFTEN = (
    "output_dir", "overwrite_output_dir", "learning_rate", "num_train_epochs", "max_steps",
    "per_device_train_batch_size", "seed", "resume_from_checkpoint", "do_predict", "push_to_hub",
)  # fmt: skip
# Arguments of ours whose names are enough on the first screen.
RARE = (
    "dataset_config_name", "delimiter", "encoding", "quotes", "model_revision", "token", "trust_remote_code",
    "max_train_samples", "max_eval_samples", "max_predict_samples", "validation_fraction", "label_separator",
    "head_learning_rate", "unfreeze_every", "layer_lr_decay", "freeze_word_embeddings", "focal_gamma", "auc",
    "auxiliary_lm_weight", "unlabelled_file", "early_stopping_patience", "repair_tags", "label_all_pieces",
    "doc_stride", "leave_out", "train_split", "skip_bad_rows", "test_fraction", "tag_column", "tags_column_name",
    "validation_split", "test_split", "folds", "fold", "negatives_depth", "score_scale", "crops", "symmetric",
    "gradient_cache",
)  # fmt: skip


# Short texts for long ones of transformers.
SHORT = {
    "max_steps": "updates; if positive, instead of --num_train_epochs",
    "seed": "of weights, order and dropout",
    "resume_from_checkpoint": "true: go on from the last checkpoint of the output folder; or the folder of another",
    "push_to_hub": "upload the result to the Hub",
    "per_device_train_batch_size": "rows per update",
}


class HelpAll(argparse.Action):
    """The flag that prints the help of all arguments, and ends the program."""

    def __init__(self, option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, help=None):  # noqa: A002
        super().__init__(option_strings, dest=dest, default=default, nargs=0, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        """Print the help, and end."""
        print(argparse.ArgumentParser.format_help(parser), end="")
        parser.exit()


def predict_command(folder: str, *words: str) -> str:
    """Write the command that tries a saved model, as it can be pasted: `minibert predict FOLDER "text"`."""
    program = "minibert" if shutil.which("minibert") else "python -m modeling_minibert"
    quoted = (word if re.fullmatch(r"[\w./:-]+", word) else _quote(word) for word in (folder, *words))
    return " ".join([program, "predict", *quoted])


def _quote(text: str) -> str:
    """Quote a word for the shell; double quotes where they do, which Windows needs."""
    return f'"{text}"' if not set(text) & set('"$`\\!%\n') else shlex.quote(text)


def short_help(parser: argparse.ArgumentParser, kinds: list[type], recipe: bool) -> str:
    """Return one screen of help: the own arguments of a command, by the dataclasses that hold them."""
    lines = [f"usage: {parser.prog} [--flag value ...]"]
    for kind in filter(is_dataclass, kinds):
        shown, also = _sort_fields(kind)
        lines += ["", f"{(kind.__doc__ or kind.__name__).partition('.')[0]}:"]
        lines += [_describe(field) for field in shown]
        if also:
            names = "also: " + " ".join(f"--{field.name}" for field in also)
            lines += textwrap.wrap(names, WIDTH, initial_indent="  ", subsequent_indent="        ")
    lines += ["", "--help_all describes every argument, those of transformers.TrainingArguments among them."]
    lines += ["--recipe FILE reads flags from a file (see examples/recipes); flags on the command line win."] * recipe
    return "\n".join([*lines, "--traceback shows where an error happened.", ""])


def _sort_fields(kind: type) -> tuple[list[Field], list[Field]]:
    """Return the fields to describe and those to name; the others are of transformers."""
    stock = {field.name: field.metadata for base in kind.__mro__ if base.__module__.startswith("transformers.")
             for field in (fields(base) if is_dataclass(base) else ())}  # fmt: skip
    own = [field for field in fields(kind) if field.init and (field.name not in stock or field.name in OFTEN)]
    own = [field for field in own if field.name != "do_predict" or field.metadata != stock.get("do_predict")]
    if issubclass(kind, TrainingArguments):
        own.sort(key=lambda field: OFTEN.index(field.name) if field.name in OFTEN else len(OFTEN))
    return [field for field in own if field.name not in RARE], [field for field in own if field.name in RARE]


def _describe(field: Field) -> str:
    """Return the line of an argument: its flag, its help cut to the line, its default."""
    given = str(field.metadata.get("help", ""))
    text = " ".join((SHORT.get(field.name, given) if given[:1].isupper() else given).split())
    default = field.default
    shown = "" if default in (None, "", False, MISSING) else f" ({default})"
    room = WIDTH - NAMES - 2 - len(shown)
    return f"  {'--' + field.name:<{NAMES}}{textwrap.shorten(text, room, placeholder=' …')}{shown}".rstrip()

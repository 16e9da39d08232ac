"""Run `finetune_classifier.py` many times and score the runs; used by the scripts that compare such runs.

Read `run_all` first. Every run writes its model, its results and log.txt (its printed output) into one folder. Finished
runs are skipped (remove the folder to repeat one), and the others continue after a run that fails.
"""

import gc
import hashlib
import io
import json
import math
import shutil
import sys
import time
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoTokenizer

from modeling_minibert.evaluation.seeds import summarize_runs
from modeling_minibert.training import classifier, expand_recipe
from modeling_minibert.training.script_arguments import ScriptParser

# Flags that score the last epoch: nothing is chosen by the validation split.
LAST_EPOCH = (
    "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false", "--report_to", "none",
)  # fmt: skip
# Flags of every run: no optimizer states, and what a killed run has left is replaced.
KEEP_LITTLE = ("--save_only_model", "true", "--overwrite_output_dir", "true")


@dataclass
class Run:
    """One training run: its output folder, and the other flags of `finetune_classifier.py`."""

    folder: Path
    flags: list[str]

    @property
    def finished(self) -> Path:
        """The file that is written last; it holds the flags."""
        return self.folder / "finished.json"


def parse_with_data(own: type, arguments: list[str] | None) -> tuple:
    """Read the command line into the dataclass `own`, the data arguments, and the flags left for the runs."""
    # An abbreviation would take flags that are meant for the runs.
    parser = ScriptParser((own, classifier.DataArguments), allow_abbrev=False)
    parser.epilog += " All other flags, and --recipe FILE, go to finetune_classifier.py."
    words = expand_recipe(arguments)
    parsed = parser.parse_args_into_dataclasses(words, return_remaining_strings=True, look_for_args_file=False)
    if parsed[1].task != "classification":
        raise ValueError(f"--task {parsed[1].task}: these runs are compared by macro-F1 over classes; leave it out")
    return parsed


def check_values(name: str, values: list, zero: bool = False) -> None:
    """Check the values of a flag that takes several.

    Args:
        name: the flag, for the error.
        values: numbers or names; numbers must be above 0.
        zero: whether 0 is allowed too.

    Raises:
        ValueError: a number that is not allowed, or a value given twice; names flag and value.
    """
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"--{name} has {value} twice; give every value once")
        if not isinstance(value, str) and not (math.isfinite(value) and (value > 0 or zero and value == 0)):
            raise ValueError(f"--{name} has {value}; every value must be {'at least' if zero else 'above'} 0")


def check_checkpoint(name: str) -> None:
    """Check that the configuration and the tokenizer of a checkpoint open, before hours of training.

    Raises:
        ValueError: one of them does not open; names the checkpoint.
    """
    try:
        AutoConfig.from_pretrained(name)
        AutoTokenizer.from_pretrained(name)
    except Exception as error:  # the library raises OSError, ValueError, KeyError and others
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"cannot open the checkpoint {name!r}: give a folder with config.json and a tokenizer, or the name of a "
            f"model on the Hub ({reason})"
        ) from error


def save_splits(splits: DatasetDict, folder: Path, data_args: classifier.DataArguments) -> list[str]:
    """Write the splits as files, so that all runs read the same rows.

    Returns:
        The flags that name the files, and the flags of `data_args` that still apply.
    """
    flags = []
    for name, split in splits.items():
        flags += [f"--{name}_file", save_rows(split, folder, name)]
    if data_args.text_pair_column_name:
        flags += ["--text_pair_column_name", "text_pair"]  # the name after loading
    if data_args.max_seq_length:
        flags += ["--max_seq_length", str(data_args.max_seq_length)]
    return flags + (["--window_average", "true"] if data_args.window_average else [])


def save_rows(rows: Dataset, folder: Path, name: str) -> str:
    """Write rows as a file for runs to read; returns its path.

    The name holds a hash of the content, so other rows change the flags of a run, and `check_finished` notices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{name}.parquet"
    rows.to_parquet(new)
    path = folder / f"{name}-{hashlib.sha256(new.read_bytes()).hexdigest()[:8]}.parquet"
    new.replace(path)
    return str(path)


def check_finished(runs: list[Run]) -> None:
    """Check that the finished runs had the same flags.

    Raises:
        ValueError: a finished run had other flags; names its folder and both lists of flags.
    """
    for run in runs:
        if run.finished.is_file():
            before = json.loads(run.finished.read_text(encoding="utf-8"))
            if before != run.flags:
                raise ValueError(
                    f"{run.folder} holds a run with other flags or data ({' '.join(before)}) than now "
                    f"({' '.join(run.flags)}); choose another --output_dir, or remove that folder"
                )


def run_all(runs: list[Run], all_needed: bool = False) -> dict[Path, str]:
    """Train the runs that are not finished, one after the other.

    Returns:
        Folder → error, for the runs that failed.

    Raises:
        SystemExit: every run failed, or any run with `all_needed`.
    """
    waiting = [run for run in runs if not run.finished.is_file()]
    print(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished before", flush=True)
    failed, started = {}, time.monotonic()
    for number, run in enumerate(waiting, start=1):
        try:
            _train(run)
            scores = score_runs([run])
            outcome = f"{scores['split']} macro_f1 {scores['macro_f1']['mean']:.1%}"
        except Exception as error:  # an error of any kind ends this run only
            failed[run.folder] = f"{type(error).__name__}: {error}"
            outcome = f"failed, {failed[run.folder]} (see {run.folder / 'log.txt'})"
        left = (time.monotonic() - started) / number * (len(waiting) - number) / 60
        print(f"\r{f'run {number} of {len(waiting)}: {run.folder.name}   {outcome}   {left:.0f} min left':110}")
        gc.collect()  # a Trainer refers to itself, so its model would stay in memory beside the next one
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    if failed and all_needed:
        raise SystemExit(f"{len(failed)} runs failed; start again to repeat them")
    for path, error in failed.items():
        print(f"failed: {path.name}: {error}")
    if len(failed) == len(runs):
        raise SystemExit(f"all {len(runs)} runs failed; their logs are in {runs[0].folder.parent}")
    return failed


def _train(run: Run) -> None:
    """Train a classifier in this process; keep its model, results and log, and remove its checkpoints.

    Starting Python with these libraries takes as long as a small run. Every run seeds all generators and builds all
    objects it uses, so its weights are those of a run started by hand (tested).
    """
    _remove_checkpoints(run.folder)  # those of a killed run, which `Trainer` would count as its own
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / "log.txt", "w", encoding="utf-8") as file:
        try:
            with redirect_stdout(_Log(file)):
                classifier.main([*run.flags, *KEEP_LITTLE, "--output_dir", str(run.folder)])
        except Exception:
            traceback.print_exc(file=file)
            raise
    _remove_checkpoints(run.folder)
    run.finished.write_text(json.dumps(run.flags), encoding="utf-8")


def _remove_checkpoints(folder: Path) -> None:
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


class _Log(io.TextIOBase):
    """Writes the output of a run to a file, and its newest progress line to one line of the terminal."""

    def __init__(self, file):
        self.file = file

    def write(self, text: str) -> int:
        if text.startswith(("step ", "epoch ")):
            print(f"\r{text.strip():110}", end="", file=sys.stderr, flush=True)
        return self.file.write(text)

    def flush(self):
        self.file.flush()


def score_runs(runs: list[Run]) -> dict:
    """Summarize the scores of the same run under several seeds.

    Returns:
        accuracy and macro_f1 (averaged over windows if the runs were): each with its mean, its standard deviation over
        the seeds (None for one seed), and the 95 % bootstrap interval of the first run; also the split, the number of
        seeds, and the mean seconds of training.
    """
    files = [run.folder / "all_results.json" for run in runs]
    first = json.loads(files[0].read_text(encoding="utf-8"))
    way = "window_average" if "window_average" in first else "single_pass"
    numbers = summarize_runs(files)
    scores = {"split": first["split"], "seeds": len(runs), "train_seconds": numbers["train_seconds"][0]}
    for metric in ("macro_f1", "accuracy"):
        mean, deviation, _ = numbers[f"{way}.{metric}"]
        deviation = None if len(runs) == 1 else deviation
        scores[metric] = {"mean": mean, "sd": deviation, "interval_of_first_seed": first[way][f"{metric}_interval"]}
    return scores


def describe(score: dict) -> str:
    """Format a score: '71.0 ± 1.2 %' over seeds; '71.0 % (64.6 to 77.5)' with the bootstrap interval of one seed."""
    if score["sd"] is not None:
        return f"{100 * score['mean']:.1f} ± {100 * score['sd']:.1f} %"
    low, high = score["interval_of_first_seed"]
    return f"{100 * score['mean']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"

"""Many runs of `finetune_classifier.py` after one another: what the scripts share that compare such runs.

Read `run_all` first. Every run has a folder of its own, with the model, its results and log.txt, all that it printed. A
run that ended is not repeated (remove its folder to repeat it), one that fails does not cost the others.
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

import finetune_classifier
import torch
from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoTokenizer

from modeling_minibert.evaluation.seeds import summarize_runs


@dataclass
class Run:
    """One training run: where it writes, and the flags of `finetune_classifier.py` besides --output_dir."""

    folder: Path
    flags: list[str]

    @property
    def finished(self) -> Path:
        """A file that is written last; it holds the flags."""
        return self.folder / "finished.json"


def check_values(name: str, values: list, zero: bool = False) -> None:
    """Check the values of a flag that takes several.

    Args:
        name: of the flag, for the error.
        values: numbers or names; numbers must be above 0.
        zero: whether 0 is allowed too.

    Raises:
        ValueError: a number that is not allowed, or a value that stands there twice; names both.
    """
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"--{name} has {value} twice; give every value once")
        if not isinstance(value, str) and not (math.isfinite(value) and (value > 0 or zero and value == 0)):
            raise ValueError(f"--{name} has {value}; every value must be {'at least' if zero else 'above'} 0")


def check_checkpoint(name: str) -> None:
    """Open the configuration and the tokenizer of a checkpoint, which is quick, before hours of work depend on them.

    Raises:
        ValueError: one of them cannot be opened; names the checkpoint.
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


def save_splits(splits: DatasetDict, folder: Path, data_args: finetune_classifier.DataArguments) -> list[str]:
    """Write the splits as files that all runs read, so that all runs have the same rows.

    Returns:
        The flags that name the files, and those of `data_args` that are not about where the text comes from.
    """
    flags = []
    for name, split in splits.items():
        flags += [f"--{name}_file", save_rows(split, folder, name)]
    if data_args.text_pair_column_name:
        flags += ["--text_pair_column_name", "text_pair"]  # the name it has after loading
    if data_args.max_seq_length:
        flags += ["--max_seq_length", str(data_args.max_seq_length)]
    return flags + (["--window_average", "true"] if data_args.window_average else [])


def save_rows(rows: Dataset, folder: Path, name: str) -> str:
    """Write rows as a file for runs to read; returns its path.

    It is named by its content: with other rows the flags of a run are others, and `check_finished` notices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{name}.parquet"
    rows.to_parquet(new)
    path = folder / f"{name}-{hashlib.sha256(new.read_bytes()).hexdigest()[:8]}.parquet"
    new.replace(path)
    return str(path)


def check_finished(runs: list[Run]) -> None:
    """Refuse to take the results of runs that were other ones.

    Raises:
        ValueError: a finished run had other flags; names its folder and both.
    """
    for run in runs:
        if run.finished.is_file():
            before = json.loads(run.finished.read_text(encoding="utf-8"))
            if before != run.flags:
                raise ValueError(
                    f"{run.folder} holds a run with other flags or data ({' '.join(before)}) than now "
                    f"({' '.join(run.flags)}); choose another --output_dir, or remove that folder"
                )


def run_all(runs: list[Run]) -> dict[Path, str]:
    """Train what has not been trained yet, one run after the other.

    Returns:
        Folder → error, for the runs that failed.
    """
    waiting = [run for run in runs if not run.finished.is_file()]
    print(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished before", flush=True)
    failed, started = {}, time.monotonic()
    for number, run in enumerate(waiting, start=1):
        try:
            _train(run)
            scores = score_runs([run])
            outcome = f"{scores['split']} macro_f1 {scores['macro_f1']['mean']:.1%}"
        except Exception as error:  # whatever one run dies of, the others go on
            failed[run.folder] = f"{type(error).__name__}: {error}"
            outcome = f"failed, {failed[run.folder]} (see {run.folder / 'log.txt'})"
        left = (time.monotonic() - started) / number * (len(waiting) - number) / 60
        print(f"\r{f'run {number} of {len(waiting)}: {run.folder.name}   {outcome}   {left:.0f} min left':110}")
        gc.collect()  # a Trainer refers to itself in a circle; its model would stay beside the next one
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return failed


def _train(run: Run) -> None:
    """Run `finetune_classifier.main` and keep its model, results and log; no checkpoints to resume from.

    In this process, and not in one per run: starting python with these libraries takes as long as the small runs
    themselves. Every run seeds all generators anew and builds all it uses, so it ends with the weights that it has when
    started by hand (tested). What a process of its own would add, surviving one that the system kills, a second start
    of the script gives as well.
    """
    _remove_checkpoints(run.folder)  # of a run that was killed; `Trainer` would count them as its own
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / "log.txt", "w", encoding="utf-8") as file:
        try:
            with redirect_stdout(_Log(file)):
                finetune_classifier.main([*run.flags, "--save_only_model", "true", "--output_dir", str(run.folder)])
        except Exception:
            traceback.print_exc(file=file)
            raise
    _remove_checkpoints(run.folder)
    run.finished.write_text(json.dumps(run.flags), encoding="utf-8")


def _remove_checkpoints(folder: Path) -> None:
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


class _Log(io.TextIOBase):
    """Keeps what a run prints, and shows its newest line of progress in one line of the terminal."""

    def __init__(self, file):
        self.file = file

    def write(self, text: str) -> int:
        if text.startswith(("step ", "epoch ")):
            print(f"\r{text.strip():110}", end="", file=sys.stderr, flush=True)
        return self.file.write(text)

    def flush(self):
        self.file.flush()


def score_runs(runs: list[Run]) -> dict:
    """The scores of the same run under several seeds.

    Returns:
        accuracy and macro_f1, averaged over windows where the runs did so: each its mean, standard deviation over the
        seeds (none for one seed), and the 95 % bootstrap interval of the first run; the split, the number of seeds, and
        the mean seconds of training.
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
    """'71.0 ± 1.2 %' over seeds; '71.0 % (64.6 to 77.5)', the bootstrap interval, for one seed."""
    if score["sd"] is not None:
        return f"{100 * score['mean']:.1f} ± {100 * score['sd']:.1f} %"
    low, high = score["interval_of_first_seed"]
    return f"{100 * score['mean']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"

"""Train and score a model on all tasks of IndoNLU, and print one table beside the paper's rows.

Read `main` first. Each task and seed is one run with a json file; a second start skips the finished runs, and a killed
one goes on from its last epoch.

    <output_dir>/<name>/emot-0.json     one run: scores of validation and test, settings, seconds
    <output_dir>/<name>.json            all runs of a row of the table
"""

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import set_seed
from transformers.hf_argparser import HfArg

from tokenization import save_tokenizer

from ..data.indonlu import TASKS_OF_INDONLU, IndoNLUData, load_indonlu
from . import script_arguments as base
from .arguments import AnyDeviceArguments
from .indonlu_baselines import linear_baseline
from .indonlu_classifier import train_indonlu_classifier
from .indonlu_settings import ASPECT_WAYS, TaskSettings, settings_of
from .indonlu_table import read_rows, table
from .indonlu_tagger import train_indonlu_tagger
from .machine import prepare_cpu
from .output_folder import last_checkpoint

LINEAR = "linear"  # the row of the baselines


@dataclass
class IndoNLUArguments(base.CheckpointArguments):
    """What to train and score."""

    data_dir: str | None = HfArg(default=None, help="with emot, smsa and so on; none: indonlu in $MINIBERT_DATA")
    tasks: list[str] = HfArg(default_factory=lambda: list(TASKS_OF_INDONLU), help="the tasks, by the names of folders")
    seeds: int = HfArg(default=3, help="runs of each task")
    output_dir: str = HfArg(default="out/indonlu", help="where all results are saved")
    name: str | None = HfArg(default=None, help="the row of the table; none: scratch, or the name of the checkpoint")
    linear: bool = HfArg(default=False, help="fit the linear baselines instead of a model; one run of each task")
    table: bool = HfArg(default=False, help="print the table of the results in output_dir, and train nothing")
    settings: str | None = HfArg(
        default=None,
        help="scratch: the epochs and rates chosen for small new nets, also for word vectors; finetune: those of a "
        "checkpoint; none: by --model_name_or_path",
        metadata={"choices": ("scratch", "finetune")},
    )
    tokenizer_options: str | None = HfArg(default=None, help="from scratch: options of the tokenizer; none: by task")
    aspects: str | None = HfArg(
        default=None,
        help="CASA, HoASA. heads: all aspects of a text at once; pairs: text and aspect as a pair; none: by task",
        metadata={"choices": ASPECT_WAYS},
    )
    learning_rate: float | None = HfArg(default=None, help="none: by task")
    num_train_epochs: float | None = HfArg(default=None, help="none: by task")
    per_device_train_batch_size: int | None = HfArg(default=None, help="none: by task")
    freeze_word_embeddings: bool = HfArg(default=False, help="keep the word vectors of the checkpoint as they are")
    keep_models: bool = HfArg(default=False, help="keep the model of every run beside its json file")


def parse_arguments(arguments: list[str] | None = None) -> IndoNLUArguments:
    """Read the command line and the file of --recipe.

    Raises:
        ValueError: no data folder, an unknown task (lists the tasks), fewer than one seed.
    """
    (args,) = base.parse_with_recipe((IndoNLUArguments,), arguments)
    for task in args.tasks:
        if task not in TASKS_OF_INDONLU:
            raise ValueError(f"--tasks has {task!r}; choose from {' '.join(TASKS_OF_INDONLU)}")
    if args.seeds < 1:
        raise ValueError(f"--seeds is {args.seeds}; give at least 1")
    if args.data_dir is None and not args.table:
        if not os.environ.get("MINIBERT_DATA"):
            raise ValueError("give the folder of the tasks with --data_dir, or set MINIBERT_DATA to the one above it")
        args.data_dir = str(Path(os.environ["MINIBERT_DATA"], "indonlu"))
    if args.freeze_word_embeddings and args.model_name_or_path is None:
        raise ValueError("--freeze_word_embeddings would keep random word vectors; give a --model_name_or_path")
    if args.name is None:
        args.name = LINEAR if args.linear else Path(args.model_name_or_path or "scratch").name
    args.settings = args.settings or ("finetune" if args.model_name_or_path else "scratch")
    return args


@dataclass
class Run:
    """One task with one seed.

    Args:
        task: its name.
        seed: of weights, order and dropout.
        file: the json file, written when the run is finished; the folder beside it is used meanwhile.
        settings: everything that the scores depend on, as written to the file.
    """

    task: str
    seed: int
    file: Path
    settings: dict

    def is_finished(self) -> bool:
        """Whether the run is finished.

        Raises:
            ValueError: it was made with other settings; names the file and both values.
        """
        if not self.file.is_file():
            return False
        before = json.loads(self.file.read_text(encoding="utf-8"))["settings"]
        now = json.loads(json.dumps(self.settings))
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.file} was made with {name} {before.get(name)}, now it is {now.get(name)}; choose another "
                    f"--name, or remove that file"
                )
        return True


def plan_runs(args: IndoNLUArguments) -> list[Run]:
    """List the runs, all tasks with the first seed first."""
    folder, runs = Path(args.output_dir, args.name), []
    for seed in range(1 if args.linear else args.seeds):
        for task in args.tasks:
            settings = {} if args.linear else describe(args, task_settings(args, task))
            runs.append(Run(task, seed, folder / f"{task}-{seed}.json", settings))
    return runs


def task_settings(args: IndoNLUArguments, task: str) -> TaskSettings:
    """The settings of a task, with those of the command line."""
    given = {
        "learning_rate": args.learning_rate,
        "epochs": args.num_train_epochs,
        "batch_size": args.per_device_train_batch_size,
        "tokenizer_options": args.tokenizer_options,
        "overrides": args.config_overrides,
        "aspects": args.aspects,
    }
    return settings_of(task, args.settings, **{name: value for name, value in given.items() if value is not None})


def describe(args: IndoNLUArguments, settings: TaskSettings) -> dict:
    """Everything that the scores of a run depend on, but the data and the seed."""
    start = args.model_name_or_path
    first = {"frozen_words": args.freeze_word_embeddings} if start else {"preset": args.preset}
    return {"start": start, **first, **asdict(settings)}


def train_run(run: Run, args: IndoNLUArguments, data: IndoNLUData) -> dict:
    """Train one task with one seed; returns "validation" and "test" → scores."""
    settings, folder = task_settings(args, run.task), run.file.with_suffix("")
    resume = _unfinished(folder, run.settings)
    set_seed(run.seed)
    training = AnyDeviceArguments(
        output_dir=str(folder),
        seed=run.seed,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=64,
        warmup_steps=0.1,
        weight_decay=settings.weight_decay,
        adam_beta2=0.98,
        label_smoothing_factor=settings.label_smoothing,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        report_to="none",
        logging_strategy="no",
    )
    train = train_indonlu_tagger if data.task.is_tagging else train_indonlu_classifier
    start = args.model_name_or_path, args.freeze_word_embeddings
    trainer, scores = train(data, start, args.preset, settings, training, resume)
    if args.keep_models:
        trainer.save_model()
        save_tokenizer(trainer.processing_class, str(folder))
    return scores


def _unfinished(folder: Path, settings: dict) -> str | None:
    """The last checkpoint of a run that was killed; what a run with other settings has left is removed."""
    note = folder / "settings.json"
    text = json.dumps(settings)
    if folder.is_dir() and (not note.is_file() or note.read_text(encoding="utf-8") != text):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(text, encoding="utf-8")
    try:
        return last_checkpoint(str(folder), "true")
    except ValueError:  # none yet
        return None


def run_one(run: Run, args: IndoNLUArguments) -> dict:
    """Make one run and write its file."""
    data, started = load_indonlu(args.data_dir, run.task), time.monotonic()
    scores = linear_baseline(data) if args.linear else train_run(run, args, data)
    result = {"task": run.task, "seed": run.seed, **scores, "seconds": round(time.monotonic() - started)}
    run.file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = run.file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({**result, "settings": run.settings}, indent=1), encoding="utf-8")
    unfinished.replace(run.file)
    folder = run.file.with_suffix("")
    if args.keep_models:
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def write_row(args: IndoNLUArguments) -> None:
    """Collect the runs of this row in one file."""
    folder = Path(args.output_dir, args.name)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*-*.json"))]
    if runs:
        Path(args.output_dir, f"{args.name}.json").write_text(json.dumps(runs, indent=1), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Make all runs that are not finished, and print the table."""
    args = parse_arguments(arguments)
    if not args.table:
        prepare_cpu()
        runs = plan_runs(args)
        waiting = [run for run in runs if not run.is_finished()]
        print(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished before", flush=True)
        for number, run in enumerate(waiting, start=1):
            result = run_one(run, args)
            shown = "   ".join(f"{split} {100 * result[split]['score']:.2f}" for split in ("validation", "test"))
            title = f"run {number} of {len(waiting)}: {TASKS_OF_INDONLU[run.task].title}, seed {run.seed}"
            print(f"{title}   {shown}   {result['seconds']} s", flush=True)
        write_row(args)
    rows = read_rows(args.output_dir)
    if not rows:
        raise ValueError(f"--output_dir {args.output_dir} has no results; run the command without --table before")
    print(table(rows))

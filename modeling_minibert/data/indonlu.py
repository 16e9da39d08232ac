"""Read the twelve tasks of IndoNLU: five of classification, seven of tagging.

    <folder>/emot/train.parquet, validation.parquet, test.parquet, and so on for every task

A class is stored as a number with its name in the file (`ClassLabel` of datasets), or as its name. The splits are
those of the paper, so that scores can be compared; no row is moved or dropped.

Source: Wilie et al. 2020, IndoNLU: Benchmark and Resources for Evaluating Indonesian Natural Language Understanding.
"""

from dataclasses import dataclass
from pathlib import Path

from datasets import ClassLabel, Dataset

from .files import read_table
from .splits import SPLITS, check_columns

# Kind of task → our names of its input columns.
OURS = {
    "class": ("text",),
    "pair": ("text", "text_pair"),
    "aspects": ("text",),
    "tags": ("tokens",),
    "passage_tags": ("question", "tokens"),
}


@dataclass(frozen=True)
class IndoNLUTask:
    """One task: its columns, and what is to be predicted.

    Args:
        name: of the folder.
        title: as the paper writes it.
        kind: "class" of a text, "pair" (class of two texts), "aspects" (a class for each aspect of a text), "tags" (one
            per word), "passage_tags" (one per word of a passage, for a question).
        inputs: the columns of the texts or words.
        labels: the column of the label; for "aspects" a column each.
    """

    name: str
    title: str
    kind: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def is_tagging(self) -> bool:
        """Whether words are labelled, not texts."""
        return self.kind in ("tags", "passage_tags")


_CASA = ("fuel", "machine", "others", "part", "price", "service")
_HOASA = ("ac", "air_panas", "bau", "general", "kebersihan", "linen", "service", "sunrise_meal", "tv", "wifi")
_WORDS = ("tokens",)
# In the order of the paper's Table 5.
TASKS_OF_INDONLU = {
    task.name: task
    for task in (
        IndoNLUTask("emot", "EmoT", "class", ("tweet",), ("label",)),
        IndoNLUTask("smsa", "SmSA", "class", ("text",), ("label",)),
        IndoNLUTask("casa", "CASA", "aspects", ("sentence",), _CASA),
        IndoNLUTask("hoasa", "HoASA", "aspects", ("sentence",), _HOASA),
        IndoNLUTask("wrete", "WReTE", "pair", ("premise", "hypothesis"), ("label",)),
        IndoNLUTask("posp", "POSP", "tags", _WORDS, ("pos_tags",)),
        IndoNLUTask("bapos", "BaPOS", "tags", _WORDS, ("pos_tags",)),
        IndoNLUTask("terma", "TermA", "tags", _WORDS, ("seq_label",)),
        IndoNLUTask("keps", "KEPS", "tags", _WORDS, ("seq_label",)),
        IndoNLUTask("nergrit", "NERGrit", "tags", _WORDS, ("ner_tags",)),
        IndoNLUTask("nerp", "NERP", "tags", _WORDS, ("ner_tags",)),
        IndoNLUTask("facqa", "FacQA", "passage_tags", ("question", "passage"), ("seq_label",)),
    )
}


@dataclass
class IndoNLUData:
    """The splits of a task.

    Args:
        task: the task.
        splits: train, validation and test. Columns: `text` (and `text_pair`) or `tokens` (and `question`), and
            `label`: a class id; for "aspects" a list of them; for tagging one per word.
        names: the classes, by id.
    """

    task: IndoNLUTask
    splits: dict[str, Dataset]
    names: list[str]


def load_indonlu(folder: str | Path, name: str) -> IndoNLUData:
    """Load a task from `<folder>/<name>/{train,validation,test}.parquet`.

    Raises:
        ValueError: an unknown task (lists the tasks), a missing column, a label that is missing, or that train lacks,
            or another number of tags than words (names file, row and both values).
        FileNotFoundError: a file is missing.
    """
    if name not in TASKS_OF_INDONLU:
        raise ValueError(f"unknown task {name!r}; choose from {list(TASKS_OF_INDONLU)}")
    task, splits = TASKS_OF_INDONLU[name], {}
    names: list[str] = []
    for split in SPLITS:
        path = Path(folder) / name / f"{split}.parquet"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; the data folder holds emot, smsa and so on, each with "
                                    "train.parquet, validation.parquet and test.parquet")  # fmt: skip
        table = read_table(str(path), split)
        check_columns(table, (*task.inputs, *task.labels), split)
        names = names or _class_names(table, task)
        splits[split] = _as_rows(table, task, names, path)
    return IndoNLUData(task, splits, names)


def mark_shared_tokens(input_ids: list[int], separator: int, special_ids: list[int]) -> list[int]:
    """Token types of two texts in a row: 0 and 1 for the first and the second, 2 more for a token that both have.

    Args:
        input_ids: (L,), "[CLS] first [SEP] second [SEP]".
        separator: the id between the texts; the first one counts.
        special_ids: never marked.

    Returns:
        (L,), from 0 to 3.
    """
    middle = input_ids.index(separator) + 1
    shared = set(input_ids[:middle]) & set(input_ids[middle:]) - set(special_ids)
    return [(place >= middle) + 2 * (token in shared) for place, token in enumerate(input_ids)]


def _class_names(train: Dataset, task: IndoNLUTask) -> list[str]:
    """The names stored in the file, or those that occur in train, sorted."""
    stored = train.features[task.labels[0]]
    stored = getattr(stored, "feature", stored)  # of a list
    if isinstance(stored, ClassLabel):
        return list(stored.names)
    values = (value for column in task.labels for value in train[column])
    return sorted({str(name) for value in values for name in (value if task.is_tagging else [value])})


def _as_rows(table: Dataset, task: IndoNLUTask, names: list[str], path: Path) -> Dataset:
    """Rename the columns, and turn names of classes into ids."""
    ids = {name: number for number, name in enumerate(names)} | {number: number for number in range(len(names))}
    columns = {column: list(table[column]) for column in (*task.inputs, *task.labels)}
    ours = (
        ("question", "tokens")
        if task.kind == "passage_tags"
        else ("tokens",)
        if task.is_tagging
        else ("text", "text_pair")
    )
    rows = dict(zip(ours, (columns[name] for name in task.inputs), strict=False))
    labels = (
        columns[task.labels[0]] if task.kind != "aspects" else list(zip(*map(columns.get, task.labels), strict=True))
    )
    nested = task.is_tagging or task.kind == "aspects"
    for row, label in enumerate(labels):
        for value in label if nested else (label,):
            if value not in ids:
                raise ValueError(f"{path}, row {row}: the label is {value!r}; the labels of train are {names}")
        if task.is_tagging and len(label) != len(rows["tokens"][row]):
            raise ValueError(
                f"{path}, row {row}: {len(rows['tokens'][row])} words and {len(label)} tags; give one tag for each word"
            )
    rows["label"] = [[ids[value] for value in label] if nested else ids[label] for label in labels]
    return Dataset.from_dict(rows)

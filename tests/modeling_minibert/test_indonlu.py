"""IndoNLU: the reader of the twelve tasks, the scores, the linear baselines, and the command with its table."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from sklearn.metrics import f1_score

from modeling_minibert.data.indonlu import TASKS_OF_INDONLU, IndoNLUData, load_indonlu, mark_shared_tokens
from modeling_minibert.evaluation.indonlu import indonlu_scores
from modeling_minibert.training import indonlu as command
from modeling_minibert.training.indonlu_baselines import linear_baseline
from modeling_minibert.training.indonlu_classifier import as_pairs, class_ids
from modeling_minibert.training.indonlu_table import PAPER, table

NAMES = {
    "emot": ["sad", "glad"], "smsa": ["positive", "neutral", "negative"], "casa": ["neg", "neut", "pos"],
    "hoasa": ["neg", "neut", "pos", "neg_pos"], "wrete": ["No", "Yes"], "posp": ["B-N", "B-V"],
    "bapos": ["B-N", "B-V", "I-N"], "terma": ["O", "B-ASPECT", "I-ASPECT", "B-SENTIMENT"], "keps": ["O", "B", "I"],
    "nergrit": ["O", "B-PER", "I-PER", "B-LOC"], "nerp": ["O", "B-IND", "I-IND"], "facqa": ["O", "B", "I"],
}  # fmt: skip
ROWS = {"train": 26, "validation": 9, "test": 11}
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=16,num_hidden_layers=1,type_vocab_size=4"
TINY = ["--config_overrides", SIZES, "--tokenizer_options", "kind=wordlevel,min_frequency=1", "--seeds", "1"]


def make_split(name, rows, draw):
    """Rows of a task; a word of each text or each word itself gives the label away."""
    task, classes = TASKS_OF_INDONLU[name], len(NAMES[name])
    columns = {column: [] for column in (*task.inputs, *task.labels)}
    for _ in range(rows):
        if task.is_tagging:
            tags = [draw.randrange(classes) for _ in range(draw.randint(2, 7))]
            columns[task.inputs[-1]].append([f"Kata{tag}{draw.randrange(4)}" for tag in tags])
            columns[task.labels[0]].append(tags)
            if name == "facqa":
                columns["question"].append(["Siapa", f"orang{draw.randrange(3)}", "?"])
            continue
        labels = [draw.randrange(classes) for _ in task.labels]
        for column, label in zip(task.labels, labels, strict=True):
            columns[column].append(label)
        columns[task.inputs[0]].append(
            " ".join(["pagi", *(f"{c} nilai{n}" for c, n in zip(task.labels, labels, strict=True))])
        )
        if name == "wrete":
            columns["hypothesis"].append(f"kalimat {draw.randrange(5)}")
    label = ClassLabel(names=NAMES[name])
    words = List(Value("string"))
    features = {column: words if task.is_tagging else Value("string") for column in task.inputs}
    features |= {column: List(label) if task.is_tagging else label for column in task.labels}
    return Dataset.from_dict(columns, features=Features(features))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with small files of all tasks."""
    place, draw = tmp_path_factory.mktemp("indonlu"), random.Random(0)
    for name in TASKS_OF_INDONLU:
        (place / name).mkdir()
        for split, rows in ROWS.items():
            make_split(name, rows, draw).to_parquet(place / name / f"{split}.parquet")
    return place


def rewrite(folder, tmp_path, name, split, change):
    """Copy a task, with one file changed."""
    (tmp_path / name).mkdir()
    for other in ROWS:
        rows = Dataset.from_parquet(str(folder / name / f"{other}.parquet"))
        (change(rows) if other == split else rows).to_parquet(tmp_path / name / f"{other}.parquet")
    return tmp_path


@pytest.mark.parametrize("name", TASKS_OF_INDONLU)
def test_every_task_keeps_its_rows_and_labels(folder, name):
    data = load_indonlu(folder, name)
    assert data.names == NAMES[name] and {split: len(rows) for split, rows in data.splits.items()} == ROWS
    raw, rows = Dataset.from_parquet(str(folder / name / "test.parquet")), data.splits["test"]
    if data.task.kind == "aspects":
        assert rows["label"] == [list(row) for row in zip(*(raw[c] for c in data.task.labels), strict=True)]
    else:
        assert rows["label"] == raw[data.task.labels[0]]
    ours = [column for column in ("text", "text_pair", "question", "tokens") if column in rows.column_names]
    assert [rows[column] for column in ours] == [raw[column] for column in data.task.inputs]


def test_labels_may_be_written_as_names(folder, tmp_path):
    for split in ROWS:
        rows = Dataset.from_parquet(str(folder / "smsa" / f"{split}.parquet"))
        names = [NAMES["smsa"][label] for label in rows["label"]]
        (tmp_path / "smsa").mkdir(exist_ok=True)
        Dataset.from_dict({"text": rows["text"], "label": names}).to_parquet(tmp_path / "smsa" / f"{split}.parquet")
    data = load_indonlu(tmp_path, "smsa")
    assert data.names == sorted(NAMES["smsa"])
    first = load_indonlu(folder, "smsa")
    assert [data.names[label] for label in data.splits["test"]["label"]] == [
        first.names[label] for label in first.splits["test"]["label"]
    ]


def test_bad_data_is_refused_with_file_row_and_values(folder, tmp_path):
    with pytest.raises(ValueError, match="unknown task 'emo'; choose from .'emot'"):
        load_indonlu(folder, "emo")
    with pytest.raises(FileNotFoundError, match=r"keps.train.parquet: no such file; the data folder holds"):
        load_indonlu(tmp_path, "keps")

    def shorten(rows):
        tags = list(rows["seq_label"])
        tags[3] = tags[3][:-1]
        words, found = len(rows[3]["tokens"]), len(tags[3])
        assert words == found + 1
        return rows.remove_columns("seq_label").add_column("seq_label", tags)

    place = rewrite(folder, tmp_path, "keps", "validation", shorten)
    with pytest.raises(ValueError, match=r"validation.parquet, row 3: \d words and \d tags; give one tag for"):
        load_indonlu(place, "keps")
    columns = {"text": ["a", "b"], "label": ["good", "bad"]}
    (tmp_path / "smsa").mkdir()
    Dataset.from_dict(columns).to_parquet(tmp_path / "smsa" / "train.parquet")
    Dataset.from_dict(columns).to_parquet(tmp_path / "smsa" / "validation.parquet")
    Dataset.from_dict({**columns, "label": ["bad", "odd"]}).to_parquet(tmp_path / "smsa" / "test.parquet")
    with pytest.raises(ValueError, match="test.parquet, row 1: the label is 'odd'; the labels of train are"):
        load_indonlu(tmp_path, "smsa")


def chunks(tags):
    """The chunks of a sentence by the rules of CoNLL: an I- without a beginning begins one."""
    found, start, kind = [], None, None
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, own = tag.partition("-")
        goes_on = prefix == "I" and own == kind and start is not None
        if start is not None and not goes_on:
            found.append((start, place, kind))
            start = None
        if prefix != "O" and start is None:
            start, kind = place, own
    return set(found)


@pytest.mark.parametrize("name", ["bapos", "terma", "keps", "nergrit", "facqa"])
def test_tags_are_scored_by_whole_chunks_and_averaged_over_their_kinds(folder, name):
    data, draw = load_indonlu(folder, name), random.Random(1)
    truth = data.splits["train"]["label"]
    found = [[tag if draw.random() < 0.7 else draw.randrange(len(data.names)) for tag in row] for row in truth]
    counts: dict = {}
    for a, b in zip(found, truth, strict=True):
        ours, theirs = (chunks([data.names[tag] for tag in row]) for row in (a, b))
        for part, items in enumerate((ours & theirs, ours, theirs)):
            for *_, kind in items:
                counts.setdefault(kind, [0, 0, 0])[part] += 1
    f1 = [2 * right / (guessed + there) for right, guessed, there in counts.values()]
    assert indonlu_scores(data.task.kind, data.names, found, truth)["score"] == pytest.approx(np.mean(f1))
    assert indonlu_scores(data.task.kind, data.names, truth, truth)["score"] == 1
    with pytest.raises(ValueError, match=r"row 0 has \d+ predicted tags for \d+ words"):
        indonlu_scores(data.task.kind, data.names, [[0], *found[1:]], truth)


def test_aspects_are_scored_over_all_classes_of_all_aspects(folder):
    data, draw = load_indonlu(folder, "casa"), np.random.default_rng(0)
    truth = np.array(data.splits["train"]["label"])
    found = np.where(draw.random(truth.shape) < 0.6, truth, draw.integers(0, 3, truth.shape))
    scores = indonlu_scores(data.task.kind, data.names, found, truth)
    assert scores["score"] == pytest.approx(f1_score(truth.ravel(), found.ravel(), average="macro"))
    means = [f1_score(truth[:, n], found[:, n], average="macro") for n in range(6)]
    assert scores["aspect_mean"] == pytest.approx(np.mean(means)) and scores["aspect_mean"] != scores["score"]
    with pytest.raises(ValueError, match="there are 25 predictions for 26 rows"):
        indonlu_scores(data.task.kind, data.names, found[:-1], truth)


def test_aspects_as_pairs_and_as_heads_are_read_in_the_same_order(folder):
    data = load_indonlu(folder, "casa")
    rows = data.splits["test"]
    pairs = as_pairs(rows, [name.replace("_", " ") for name in data.task.labels])
    assert len(pairs) == 6 * 11 and pairs[7]["text"] == rows[1]["text"] and pairs[7]["text_pair"] == "machine"
    right = np.eye(3)[np.array(pairs["label"])]  # (N · A, C)
    for logits in (right, right.reshape(11, 18)):
        assert class_ids(logits, data).tolist() == rows["label"]


def test_tokens_that_both_texts_have_are_marked():
    # [CLS]=1 [SEP]=2; 7 and 9 stand on both sides
    ids = [1, 7, 8, 9, 2, 9, 5, 7, 7, 2]
    assert mark_shared_tokens(ids, 2, [0, 1, 2]) == [0, 2, 0, 2, 0, 3, 1, 3, 3, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["emot", "wrete", "hoasa", "nergrit", "facqa"])
def test_the_linear_baselines_find_words_that_give_the_label_away(folder, name):
    data = load_indonlu(folder, name)
    scores = linear_baseline(data)
    assert scores["test"]["score"] > (0.8 if name != "facqa" else 0.6)  # of so few rows some classes are rare
    assert scores["chosen"] and {"validation", "test"} < set(scores)


def test_the_table_has_all_rows_and_no_mean_of_half_a_row():
    rows = {"scratch": {"emot": [0.5, 0.6], "posp": [0.75]}, "full": {name: [0.25] for name in TASKS_OF_INDONLU}}
    first, second = table(rows).split("\n\n")
    cells = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]] for line in first.splitlines()}
    assert cells["scratch"] == ["55.00 ± 7.07", "–", "–", "–", "–", "–"] and cells["full"][-1] == "25.00"
    assert cells["Scratch (paper)"][-1] == "66.49" and cells["fastText-indo4b (paper)"][-1] == "75.97"
    assert re.search(r"Scratch \(paper\) .*\| 44.03 \|", second) and re.search(r"indo4b \(paper\).*\| 58.28 \|", second)
    assert all(f"{name} (paper)" in first and f"{name} (paper)" in second for name in PAPER)
    assert len({len(line) for line in first.splitlines()}) == 1


@pytest.mark.slow
def test_the_command_trains_what_is_missing_and_prints_the_table(folder, tmp_path, capsys, monkeypatch):
    flags = ["--data_dir", str(folder), "--output_dir", str(tmp_path / "out"), "--num_train_epochs", "2", *TINY]
    tasks = ["--tasks", "emot", "casa", "wrete", "nergrit", "facqa"]
    command.main([*flags, *tasks])
    printed = capsys.readouterr().out
    assert "5 runs, 0 of them finished before" in printed and "run 5 of 5: FacQA, seed 0   validation " in printed
    run = json.loads((tmp_path / "out" / "scratch" / "casa-0.json").read_text())
    assert run["settings"]["aspects"] == "heads" and 0 <= run["test"]["score"] <= 1
    assert not list((tmp_path / "out" / "scratch").glob("*/"))  # the models were not to be kept
    monkeypatch.setattr(command, "run_one", None)  # nothing is trained again
    command.main([*flags, *tasks])
    assert "5 runs, 5 of them finished before" in capsys.readouterr().out
    command.main(["--table", "true", "--output_dir", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert f"{100 * run['test']['score']:.2f}" in shown and "IndoBERT large (paper)" in shown
    with pytest.raises(ValueError, match="emot-0.json was made with epochs 2.0, now it is 3.0; choose another --name"):
        command.main([*flags, *tasks, "--num_train_epochs", "3"])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["smsa", "keps"])
def test_a_killed_run_goes_on_from_its_last_epoch(folder, tmp_path, monkeypatch, task):
    flags = ["--data_dir", str(folder), "--num_train_epochs", "3", "--tasks", task, "--keep_models", "true", *TINY]
    command.main([*flags, "--output_dir", str(tmp_path / "whole")])

    class Killed(Exception):
        pass

    def kill(self, *args, **kwargs):
        result = evaluate(self, *args, **kwargs)
        if self.state.epoch >= 2:
            raise Killed
        return result

    from transformers import Trainer

    evaluate = Trainer.evaluate
    monkeypatch.setattr(Trainer, "evaluate", kill)
    with pytest.raises(Killed):
        command.main([*flags, "--output_dir", str(tmp_path / "killed")])
    assert not (tmp_path / "killed" / "scratch" / f"{task}-0.json").exists()
    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    steps = []
    training_step = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", lambda self, *args: steps.append(1) or training_step(self, *args))
    command.main([*flags, "--output_dir", str(tmp_path / "killed")])
    whole, killed = (
        json.loads((tmp_path / place / "scratch" / f"{task}-0.json").read_text()) for place in ("whole", "killed")
    )
    assert len(steps) == 2  # one epoch was saved, of three of one batch each
    assert whole["test"] == killed["test"] and whole["validation"] == killed["validation"]
    assert (tmp_path / "killed" / "scratch" / f"{task}-0" / "model.safetensors").is_file()


@pytest.mark.slow
def test_what_a_killed_run_with_other_settings_has_left_is_removed(folder, tmp_path):
    flags = ["--data_dir", str(folder), "--output_dir", str(tmp_path), "--tasks", "smsa", "--num_train_epochs", "1"]
    command.main([*flags, "--keep_models", "true", *TINY])
    (tmp_path / "scratch" / "smsa-0.json").unlink()
    left = tmp_path / "scratch" / "smsa-0" / "checkpoint-9"
    left.mkdir()
    (left / "trainer_state.json").write_text('{"global_step": 9}')
    command.main([*flags, *TINY[2:], "--config_overrides", SIZES.replace("16", "8")])
    assert (tmp_path / "scratch" / "smsa-0.json").is_file()


@pytest.mark.slow
def test_any_checkpoint_is_scored_under_its_own_name(folder, tmp_path, capsys):
    flags = ["--data_dir", str(folder), "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--seeds", "1"]
    command.main([*flags, "--tasks", "emot", "--keep_models", "true", *TINY[:4]])
    (Path(tmp_path) / "scratch" / "emot-0").rename(tmp_path / "mine")
    command.main([*flags, "--tasks", "wrete", "keps", "--model_name_or_path", str(tmp_path / "mine")])
    capsys.readouterr()
    assert sorted(run["task"] for run in json.loads((tmp_path / "mine.json").read_text())) == ["keps", "wrete"]


def test_mistakes_of_the_command_line_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv("MINIBERT_DATA", raising=False)
    for flags, message in (
        (["--tasks", "emo"], "--tasks has 'emo'; choose from emot smsa"),
        (["--seeds", "0"], "--seeds is 0; give at least 1"),
        ([], "give the folder of the tasks with --data_dir, or set MINIBERT_DATA"),
        (["--table", "true", "--output_dir", str(tmp_path)], "has no results; run the command without --table before"),
    ):
        with pytest.raises(ValueError, match=message):
            command.main(flags)


@pytest.mark.data
@pytest.mark.parametrize("name", TASKS_OF_INDONLU)
def test_the_real_tasks_have_the_rows_of_the_paper(data_dir, name):
    rows = {"emot": (3521, 440, 440), "smsa": (11000, 1260, 500), "casa": (810, 90, 180), "hoasa": (2283, 285, 286),
            "wrete": (300, 50, 100), "posp": (6720, 840, 840), "bapos": (8000, 1000, 1029), "terma": (3000, 1000, 1000),
            "keps": (800, 200, 247), "nergrit": (1672, 209, 209), "nerp": (6720, 840, 840),
            "facqa": (2495, 311, 311)}  # fmt: skip
    data: IndoNLUData = load_indonlu(data_dir / "indonlu", name)
    assert tuple(len(data.splits[split]) for split in ("train", "validation", "test")) == rows[name]

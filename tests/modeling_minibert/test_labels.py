"""Labels of three tasks come in as the file has them, or are refused by row and column with the way out."""

import csv
import json
import math
import random
from collections import Counter

import numpy as np
import pandas
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error

from modeling_minibert.data import load_text_classification
from modeling_minibert.evaluation import (
    MultiLabelMetrics,
    RegressionMetrics,
    average_by_text,
    bootstrap_interval,
    describe_scores,
    guess_without_reading,
    score_outputs,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))


def write(path, rows, columns=("text", "label")):
    if path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
    elif path.suffix == ".parquet":
        pandas.DataFrame(rows, columns=list(columns)).to_parquet(path)
    else:
        path.write_text("\n".join(json.dumps(dict(zip(columns, row, strict=True))) for row in rows), encoding="utf-8")
    return str(path)


def load(path, other=None, **options):
    return load_text_classification(data_files={"train": path, "validation": other or path}, **options)


# Several labels


SETS = [["lucu"], ["lucu", "sedih"], [], ["marah", "lucu"], ["sedih"], ["marah"]]


@pytest.mark.parametrize(
    "layout", ["json", "parquet", "columns", "truth values", "typed columns", "cells", "ClassLabel"]
)
def test_every_layout_of_several_labels_gives_the_same_rows(layout, tmp_path):
    names = ["lucu", "marah", "sedih"]
    texts = [f"teks {number}" for number in range(len(SETS))]
    hot = [[int(name in labels) for name in names] for labels in SETS]
    options = {"task": "multi_label"}
    kinds = {"json": "jsonl", "typed columns": "jsonl", "parquet": "parquet", "ClassLabel": "parquet"}
    path = tmp_path / f"a.{kinds.get(layout, 'csv')}"
    if layout in ("json", "parquet"):
        write(path, list(zip(texts, SETS, strict=True)))
    elif layout == "ClassLabel":
        features = Features({"text": Value("string"), "label": List(ClassLabel(names=names))})
        ids = [[names.index(name) for name in labels] for labels in SETS]
        Dataset.from_dict({"text": texts, "label": ids}, features=features).to_parquet(path)
    elif layout == "cells":
        texts, hot = [[row for row, labels in zip(column, SETS, strict=True) if labels] for column in (texts, hot)]
        write(path, [(text, " | ".join(labels)) for text, labels in zip(texts, filter(None, SETS), strict=True)])
        options["label_separator"] = "|"
    else:
        kind = {"columns": str, "truth values": lambda value: str(bool(value)), "typed columns": float}[layout]
        write(path, [(text, *map(kind, row)) for text, row in zip(texts, hot, strict=True)], ("text", *names))
        options["label_column"] = names
    splits, found = load(str(path), **options)
    assert found == names and splits["train"]["text"][:] == texts
    assert splits["train"]["label"][:] == hot and splits["train"].column_names == ["text", "label"]


MULTI = {
    "lists without the task": ([("a", ["x"]), ("b", ["x", "y"])], {}, "holds .* in row 0, not one label.*multi_label"),
    "objects without the task": ([("a", {"x": 1}), ("b", {"x": 0})], {}, "not one label.*--task multi_label"),
    "rows of 0 and 1": ([("a", [1, 0]), ("b", [1, 1])], {"task": "multi_label"}, "a column of 0 and 1 per label"),
    "objects": ([("a", {"x": 1}), ("b", {"x": 0})], {"task": "multi_label"}, "give lists of names"),
    "one name": ([("a", "x"), ("b", "y")], {"task": "multi_label"}, "--label_separator"),
    "a null in a list": ([("a", ["x"]), ("b", ["y", None])], {"task": "multi_label"}, "give lists of names"),
    "a missing list": ([("a", ["x"]), ("b", None)], {"task": "multi_label"}, "1 rows without 'label'.* row 1"),
    "a single label": ([("a", ["x"]), ("b", [])], {"task": "multi_label"}, r"has the labels \['x'\].*at least two"),
    "unknown": ([("a", "x"), ("b", "y")], {"task": "tags"}, r"task is 'tags'; choose one of \['classification'"),
    "columns of one class": ([("a", "x"), ("b", "y")], {"label_column": ["label", "text"]}, "same column 'text'"),
    "a separator": ([("a", "x"), ("b", "y")], {"label_separator": ","}, "label_separator is for the task multi_label"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "options", "message"), MULTI.values(), ids=list(MULTI))
def test_labels_of_another_task_are_refused(rows, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path / "a.jsonl", rows), **options)


def test_columns_of_labels_hold_0_or_1_and_are_for_several_labels_alone(tmp_path):
    rows = [("a", "1", "0"), ("b", "2", "1"), ("c", "1", "")]
    path, columns = write(tmp_path / "a.csv", rows, ("text", "x", "y")), ["x", "y"]
    with pytest.raises(ValueError, match="1 rows without 'y', the first is row 2"):
        load(path, label_column=columns, task="multi_label")
    path = write(tmp_path / "b.csv", rows[:2], ("text", "x", "y"))
    with pytest.raises(
        ValueError, match="row 1 of the train split has '2' in the column 'x'; a column .* holds 0 or 1"
    ):
        load(path, label_column=columns, task="multi_label")
    for task in ("classification", "regression"):
        with pytest.raises(ValueError, match=rf"2 label columns \['x', 'y'\] are for the task multi_label; {task}"):
            load(path, label_column=columns, task=task)
    train = write(tmp_path / "train.jsonl", [("a", ["x", "y"]), ("b", ["x"])])
    other = write(tmp_path / "other.jsonl", [("c", ["x"]), ("d", ["z", "x"])])
    with pytest.raises(ValueError, match=r"validation split has the label 'z', which train does not have.*\(row 1\)"):
        load(train, other, task="multi_label")


# Numbers


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
def test_numbers_come_as_they_stand(extension, tmp_path):
    numbers = [0.1, -2.5, 3.0, 1e-7, 123456789.123]
    rows = [(f"teks {number}", value) for number, value in enumerate(numbers)]
    splits, names = load(write(tmp_path / f"a.{extension}", rows), task="regression")
    assert splits["train"]["label"][:] == numbers and names == ["label"]


NUMBERS = {
    "a word": ("a.csv", ["1.5", "dua"], "row 1 of the train split has 'dua' in the column 'label'.*needs numbers"),
    "a comma": ("a.csv", ["1.5", "2,5"], "row 1 .* has '2,5' .*write decimals with a point"),
    "not a number": ("a.csv", ["1.5", "nan"], "row 1 .* has 'nan'"),
    "infinite": ("a.csv", ["inf", "1"], "row 0 .* has 'inf'"),
    "missing": ("a.csv", ["1.5", ""], "1 rows without 'label', the first is row 1"),
    "typed NaN": ("a.jsonl", [1.5, math.nan], "1 rows without 'label', the first is row 1"),
    "typed infinity": ("a.jsonl", [1.5, math.inf], "row 1 .* has inf"),
    "lists": ("a.jsonl", [[1.5], [2.0]], "needs numbers"),
    "truth values": ("a.jsonl", [True, False], "needs numbers"),
}


@pytest.mark.parametrize(("name", "labels", "message"), NUMBERS.values(), ids=list(NUMBERS))
def test_what_is_not_a_number_is_named_by_row_and_column(name, labels, message, tmp_path):
    rows = [(f"teks {number}", label) for number, label in enumerate(labels)]
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path / name, rows), task="regression")


def test_fractions_without_the_task_name_a_fraction_and_the_task(tmp_path):
    rows = [(f"teks {number}", number / 4) for number in range(12)]
    for extension in ("csv", "jsonl", "parquet"):
        with pytest.raises(ValueError, match=r"labels are fractions \(such as 0.25\).*--task regression"):
            load(write(tmp_path / f"a.{extension}", rows))
    missing = [(f"teks {number}", math.nan if number in (4, 6) else number % 2.0) for number in range(12)]
    features = Features({"text": Value("string"), "label": Value("float64")})
    columns = dict(zip(("text", "label"), map(list, zip(*missing, strict=True)), strict=True))
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "nan.parquet")
    with pytest.raises(ValueError, match="2 rows without 'label', the first is row 4"):
        load(str(tmp_path / "nan.parquet"))


def test_whole_numbers_are_one_class_however_they_are_written_and_words_stay_words(tmp_path):
    train = write(tmp_path / "train.csv", [("a", "1.0"), ("b", "10"), ("c", "2"), ("d", "1")])
    other = write(tmp_path / "other.jsonl", [("e", 2), ("f", 10)])
    splits, names = load(train, other)
    assert names == ["1", "2", "10"] and splits["train"]["label"][:] == [0, 2, 1, 0]
    assert splits["validation"]["label"][:] == [1, 2]
    path = write(tmp_path / "words.csv", [("a", "1.0"), ("b", "01"), ("c", "v1"), ("d", "1")])
    assert load(path)[1] == ["01", "1", "1.0", "v1"]


# Swapped columns


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("labels", ["positif negatif".split(), [0, 1]])
def test_swapped_columns_are_noticed_where_it_is_plain(labels, extension, tmp_path):
    rows = [(f"teks nomor {number}", labels[number % 2]) for number in range(12)]
    path = write(tmp_path / f"a.{extension}", rows)
    assert len(load(path)[0]["train"]) == 12
    with pytest.raises(
        ValueError, match="columns look swapped: 'text' has 12 different values.*--text_column_name text"
    ):
        load(path, text_column="label", label_column="text")
    if labels == [0, 1]:
        with pytest.raises(ValueError, match="columns look swapped"):
            load(path, text_column="label", label_column="text", task="regression")
    with pytest.raises(ValueError, match="text and label are the same column 'text'"):
        load(path, label_column="text")


def test_texts_that_are_all_numbers_are_text_with_a_warning(tmp_path):
    path = write(tmp_path / "a.csv", [("007", "a"), ("12", "b"), ("13", "a")])
    with pytest.warns(UserWarning, match=r"every text in the column 'text' .* is a number \(007\)"):
        assert load(path)[0]["train"]["text"][:] == ["007", "12", "13"]


# A part of train


@pytest.mark.parametrize("size", range(5, 41))
def test_any_number_of_rows_can_be_drawn_each_class_in_proportion(size, tmp_path):
    labels = [f"k{number}" for number, count in enumerate((20, 10, 6, 3, 1)) for _ in range(count)]
    draw = random.Random(0)
    draw.shuffle(labels)
    path = write(tmp_path / "a.csv", [(f"teks {number}", label) for number, label in enumerate(labels)])
    splits, names = load(path, max_train_samples=size)
    counts = Counter(names[label] for label in splits["train"]["label"])
    assert sum(counts.values()) == size == len(set(splits["train"]["text"]))
    for label, count in Counter(labels).items():
        # To the nearest row, where that leaves one for each class.
        assert 1 <= counts[label] <= count and abs(counts[label] - size * count / 40) < 2
    if size < 40:
        again, other = (load(path, max_train_samples=size, seed=seed)[0]["train"]["text"][:] for seed in (0, 1))
        assert again == splits["train"]["text"][:] != other


@pytest.mark.parametrize("size", [36, 39, 40, 99])
def test_nearly_all_rows_of_even_classes_can_be_drawn(size, tmp_path):
    path = write(tmp_path / "a.csv", [(f"teks {number}", f"k{number % 5}") for number in range(40)])
    counts = Counter(load(path, max_train_samples=size)[0]["train"]["label"])
    assert sum(counts.values()) == min(size, 40) and max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_large_validation_share_leaves_every_class_in_train(share, tmp_path):
    path = write(tmp_path / "a.csv", [(f"teks {number}", f"k{number % 3}") for number in range(10)])
    splits, _ = load_text_classification(data_files={"train": path}, validation_share=share)
    assert sum(map(len, splits.values())) == 10 and all(len(set(split["label"])) == 3 for split in splits.values())


def test_a_part_too_small_for_a_validation_split_names_max_train_samples(tmp_path):
    path = write(tmp_path / "a.csv", [(f"teks {number}", f"k{number % 3}") for number in range(30)])
    with pytest.raises(ValueError, match="only one train row of the 3 rows of max_train_samples has the label"):
        load_text_classification(data_files={"train": path}, max_train_samples=3)
    for task, size in (("classification", 0), ("regression", 0), ("multi_label", -1)):
        labels = {"classification": "k", "regression": 1.5, "multi_label": ["a", "b"]}[task]
        rows = [(f"teks {number}", f"k{number % 3}" if task == "classification" else labels) for number in range(9)]
        with pytest.raises(ValueError, match=rf"max_train_samples \({size}\)"):
            load(write(tmp_path / f"{task}.jsonl", rows), task=task, max_train_samples=size)


@pytest.mark.parametrize("task", ["regression", "multi_label"])
def test_the_other_tasks_draw_and_split_too_and_leave_out_test_texts(task, tmp_path, capsys):
    labels = [number / 7 if task == "regression" else [["a"], ["a", "b"], []][number % 3] for number in range(31)]
    rows = [(f"teks {number}", label) for number, label in enumerate(labels)]
    files = {"train": write(tmp_path / "a.jsonl", rows), "test": write(tmp_path / "b.jsonl", rows[:3])}
    splits, names = load_text_classification(data_files=files, task=task, max_train_samples=20)
    assert {name: len(split) for name, split in splits.items()} == {"train": 18, "validation": 2, "test": 3}
    expected = dict(rows)
    for split in splits.values():
        for row in split:
            label = expected[row["text"]]
            assert row["label"] == (label if task == "regression" else [float(name in label) for name in names])
    assert "left out 3 train rows" in capsys.readouterr().out
    with pytest.raises(ValueError, match="of the train rows, 0 are not also in the test split; train and test need"):
        load_text_classification(data_files=files | {"test": files["train"]}, task=task)


# Scores


def test_scores_of_label_sets_are_those_of_scikit_learn():
    random_rows = np.random.default_rng(0)
    references = random_rows.integers(0, 2, (53, 4))
    logits = random_rows.normal(size=(53, 4)) + references - 0.5
    found = (logits > 0).astype(int)
    scores = score_outputs(logits, references.tolist(), "multi_label", interval=True)
    assert scores["accuracy"] == pytest.approx(accuracy_score(references, found))
    for average in ("macro", "micro"):
        assert scores[f"{average}_f1"] == pytest.approx(f1_score(references, found, average=average))
        low, high = scores[f"{average}_f1_interval"]
        assert 0 <= low < scores[f"{average}_f1"] < high <= 1
    # Probabilities with 0.5 are logits with 0.
    probabilities = average_by_text(logits, list(range(53)), "multi_label_classification")
    again = score_outputs(probabilities, references, "multi_label", threshold=0.5)
    assert again == pytest.approx({name: scores[name] for name in again})
    never = MultiLabelMetrics().compute(predictions=[[0, 1], [0, 1]], references=[[0, 1], [0, 1]])
    assert never == {"accuracy": 1.0, "macro_f1": 0.5, "micro_f1": 1.0}  # label 0 never occurs
    guess = guess_without_reading([[0, 1], [0, 1], [1, 1]], "multi_label")
    assert guess == {"majority_accuracy": pytest.approx(2 / 3)}


def test_an_interval_of_label_sets_resamples_whole_texts():
    references = np.random.default_rng(0).integers(0, 2, (200, 3))
    predictions = np.where(np.random.default_rng(1).random((200, 3)) < 0.8, references, 1 - references)
    right = (references == predictions).all(axis=1)

    def share(predictions, references, sample_weight=None):
        return accuracy_score(references, predictions, sample_weight=sample_weight)

    low, high = bootstrap_interval(share, predictions, references)
    expected = stats.bootstrap((right,), np.mean, n_resamples=4000, method="percentile", random_state=0)
    # Two ends of an interval from 1,000 draws, of a share whose standard error is 0.035.
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.015)


def test_scores_of_numbers_are_those_of_scipy_and_scikit_learn():
    random_numbers = np.random.default_rng(0)
    references = random_numbers.normal(size=61)
    predictions = references + random_numbers.normal(size=61)
    scores = score_outputs(predictions[:, None], references.tolist(), "regression", interval=True)
    assert scores["mse"] == pytest.approx(mean_squared_error(references, predictions))
    assert scores["pearson"] == pytest.approx(stats.pearsonr(predictions, references).statistic)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(predictions, references).statistic)

    def correlation(x, y, axis=-1):
        return stats.pearsonr(x, y).statistic

    expected = stats.bootstrap((predictions, references), correlation, paired=True, vectorized=False, n_resamples=2000,
                               method="percentile", random_state=0).confidence_interval  # fmt: skip
    # The ends of two resamplings of 61 pairs; the standard error of the correlation is about 0.06.
    assert scores["pearson_interval"] == pytest.approx(tuple(expected), abs=0.04)
    constant = RegressionMetrics().compute(predictions=[1.0, 1.0, 1.0], references=[1.0, 2.0, 4.0])
    assert constant == {"mse": pytest.approx(10 / 3), "pearson": 0.0, "spearman": 0.0}
    text = describe_scores({"single_pass": scores})
    assert list(text) == [f"{name}, single pass" for name in ("mse", "pearson", "spearman")]
    assert text["mse, single pass"].startswith(f"{scores['mse']:.4g} (95 % interval")
    assert guess_without_reading(references, "regression") == {"mean_mse": pytest.approx(references.var())}


def test_windows_of_a_text_are_averaged_as_its_task_says():
    logits = np.array([[2.0, -1.0], [0.0, 3.0], [1.0, 1.0]])
    sigmoid = average_by_text(logits, [0, 0, 1], "multi_label_classification")
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(sigmoid, [expected[:2].mean(0), expected[2]], rtol=1e-12)
    np.testing.assert_allclose(average_by_text(logits, [0, 0, 1], "regression"), [[1.0, 1.0], [1.0, 1.0]], rtol=1e-12)

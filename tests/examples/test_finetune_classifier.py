"""`examples/finetune_classifier.py` end to end, on tiny files: what it writes, scores, refuses and leaves alone."""

import csv
import functools
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset
from huggingface_hub import ModelCard
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    pipeline,
)

from modeling_minibert import MiniBertForSequenceClassification, MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.evaluation import bootstrap_interval, classification
from modeling_minibert.training import classifier_results
from tokenization import save_tokenizer, train_tokenizer

# Tiny texts have fewer words than any vocabulary asks for.

SUBJECTS = "filmnya bukunya kopinya hotelnya kelasnya lagunya keretanya sepatunya".split()
JUDGEMENTS = {
    "positif": ["bagus", "enak", "keren"],
    "negatif": ["jelek", "buruk", "payah"],
    "netral": ["biasa", "sedang"],
}
FILLERS = "ya dan tadi malam kami ke sana lagi naik bus sambil makan roti".split()
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1"
SIZES += ",max_position_embeddings=32,classifier_pooling=mean"
TINY = [
    "--config_overrides", f"{SIZES}", "--tokenizer_options", "kind=wordlevel,min_frequency=1",
    "--num_train_epochs", "2", "--learning_rate", "0.02", "--per_device_train_batch_size", "8", "--report_to", "none",
]  # fmt: skip


def make_rows(count, labels, seed=0, longest=20):
    """Texts of very different lengths, with a word that gives the label away."""
    generator = random.Random(seed)
    rows = []
    for index in range(count):
        label = labels[index % len(labels)]
        filling = " ".join(generator.choices(FILLERS, k=generator.randint(0, longest)))
        judgement = generator.choice(JUDGEMENTS[label])
        rows.append((f"{generator.choice(SUBJECTS)} {judgement} {filling} {seed}{index}".replace("  ", " "), label))
    return rows


def write(path, rows, columns=("text", "label")):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return str(path)


def recording(function, results):
    def call(*args, **kwargs):
        results.append(function(*args, **kwargs))
        return results[-1]

    return call


@pytest.fixture
def script(load_command, monkeypatch, tmp_path):
    """The training as a module, with fewer bootstrap draws, and a record of what it predicts."""
    module = load_command("training.classifier")
    few = functools.partial(bootstrap_interval, draws=30)
    monkeypatch.setattr(classification, "bootstrap_interval", few)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    for name, record in (("predict_in_order", "predicted"), ("average_by_text", "averaged")):
        results = []
        monkeypatch.setattr(module, record, results, raising=False)
        monkeypatch.setattr(classifier_results, name, recording(getattr(classifier_results, name), results))
    return module


@pytest.fixture
def two_classes(tmp_path):
    labels = ["negatif", "positif"]
    test = make_rows(21, labels, seed=2)
    files = ["--train_file", write(tmp_path / "train.csv", make_rows(60, labels, seed=1))]
    return test, [*files, "--test_file", write(tmp_path / "test.csv", test), "--output_dir", str(tmp_path / "out")]


def softmax(logits):
    return torch.tensor(logits).softmax(-1).numpy()


def results_of(folder):
    return json.loads((folder / "all_results.json").read_text())


def assert_scores_are_those_of(scores, answers, truth):
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, answers))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, answers, average="macro"))
    for name in ("accuracy", "macro_f1"):
        low, high = scores[f"{name}_interval"]
        assert 0 <= low <= scores[name] <= high <= 1


@pytest.mark.slow
@pytest.mark.lecture("S2-03", "S2-28", "S1-24", "S3-29", "S4-24")
def test_a_run_on_csv_files_writes_a_model_that_anyone_can_open_and_that_scores_what_it_says(
    script, two_classes, tmp_path, capsys
):
    rows, arguments = two_classes
    script.run(*arguments, *TINY, "--num_train_epochs", "10", "--seed", "7")
    printed = capsys.readouterr().out
    folder = tmp_path / "out"
    expected = "config.json model.safetensors modeling_minibert.py configuration_minibert.py tokenizer.json"
    expected += " tokenizer_config.json README.md all_results.json trainer_state.json training_curve.png"
    assert set(expected.split()) <= set(os.listdir(folder))
    # Row by row: the script's own predictions, a stock pipeline's, and the reloaded model's are the same.
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(model, MiniBertForSequenceClassification)
    assert model.config.id2label == {0: "negatif", 1: "positif"}
    classify = pipeline("sentiment-analysis", str(folder))
    (logits,) = script.predicted
    answers = []
    for (text, _), row in zip(rows, softmax(logits), strict=True):
        (answer,) = classify(text, truncation=True)
        assert answer["label"] == ["negatif", "positif"][row.argmax()]
        assert answer["score"] == pytest.approx(row.max(), abs=1e-5)
        with torch.no_grad():
            again = model(**tokenizer(text, truncation=True, return_tensors="pt")).logits.softmax(-1)
        np.testing.assert_allclose(again[0], row, rtol=0, atol=1e-5)
        answers.append(answer["label"])
    truth = [label for _, label in rows]
    # The premise: another order of the same predictions would score otherwise.
    assert len(set(answers)) == 2 and accuracy_score(truth, sorted(answers)) < accuracy_score(truth, answers) - 0.2
    results = results_of(folder)
    assert_scores_are_those_of(results["single_pass"], answers, truth)
    assert results["seed"] == 7 and results["split"] == "test" and "window_average" not in results
    assert results["majority_accuracy"] == Counter(truth).most_common(1)[0][1] / len(truth)
    assert "validation: 6 of the train rows" in printed and "54 train, 6 validation, 21 test" in printed
    # Before it starts it says what it works with: data, model, device.
    assert re.search(
        r"model: MiniBertForSequenceClassification, [\d,]+ parameters, reads 32 tokens, on (cpu|cuda)", printed
    )
    assert f"accuracy, single pass: {results['single_pass']['accuracy']:.1%}" in printed
    card = ModelCard.load(folder / "README.md")
    assert "| seed | 7 |" in card.text and f"{results['single_pass']['macro_f1']:.1%} (95 % interval" in card.text


@pytest.mark.lecture("S5-04")  # a sentence and an aspect are such a pair
def test_three_classes_and_a_text_with_its_second_text(script, tmp_path):
    labels = ["negatif", "netral", "positif"]
    rows = [("tadi malam", text, label) for text, label in make_rows(66, labels)]
    columns = ("awal", "lanjutan", "nilai")
    train = write(tmp_path / "train.csv", rows[:45], columns)
    names = ["--text_column_name", "awal", "--text_pair_column_name", "lanjutan", "--label_column_name", "nilai"]
    test = ["--test_file", write(tmp_path / "test.csv", rows[45:], columns), "--output_dir", tmp_path / "out"]
    script.run("--train_file", train, *test, *names, *TINY, "--num_train_epochs", 12)
    classify = pipeline("text-classification", str(tmp_path / "out"))
    assert list(classify.model.config.id2label.values()) == labels
    answers = [classify({"text": a, "text_pair": b}, truncation=True) for a, b, _ in rows[45:]]
    (logits,) = script.predicted
    assert [answer["label"] for answer in answers] == [labels[i] for i in logits.argmax(-1)]
    np.testing.assert_allclose([answer["score"] for answer in answers], softmax(logits).max(-1), rtol=0, atol=1e-5)
    assert_scores_are_those_of(
        results_of(tmp_path / "out")["single_pass"],
        [answer["label"] for answer in answers],
        [row[2] for row in rows[45:]],
    )
    assert '"text_pair"' in (tmp_path / "out" / "README.md").read_text()
    # The second text is read: all that tells the rows apart stands in it.
    assert len({answer["label"] for answer in answers}) > 1


@pytest.mark.parametrize("window", [[], ["--window_average"]], ids=["single pass", "windows"])
def test_a_csv_with_numbers_is_learned_as_regression(window, script, tmp_path):
    draw = random.Random(0)
    rows = []
    for number in range(120):
        words = [
            draw.choice(JUDGEMENTS[draw.choice(["positif", "negatif"])])
            for _ in range(draw.randint(1, 40 if window else 6))
        ]
        good = sum(word in JUDGEMENTS["positif"] for word in words)
        rows.append((f"film {' '.join(words)} {number}", f"{good / len(words):.3f}"))
    files = ["--train_file", write(tmp_path / "train.csv", rows[:90], ("text", "nilai"))]
    files += [
        "--test_file",
        write(tmp_path / "test.csv", rows[90:], ("text", "nilai")),
        "--output_dir",
        tmp_path / "out",
    ]
    script.run(
        *files, "--task", "regression", "--label_column_name", "nilai", *TINY, "--num_train_epochs", "8", *window
    )
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert model.config.problem_type == "regression" and model.config.id2label == {0: "nilai"}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    results, truth = results_of(tmp_path / "out"), np.array([float(number) for _, number in rows[90:]])
    with torch.no_grad():
        encoded = (tokenizer(text, truncation=True, return_tensors="pt") for text, _ in rows[90:])
        answers = np.array([model(**inputs).logits.item() for inputs in encoded])
    scores = results["single_pass"]
    assert scores["mse"] == pytest.approx(np.mean((answers - truth) ** 2), rel=1e-4)
    assert scores["pearson"] == pytest.approx(np.corrcoef(answers, truth)[0, 1], abs=1e-5)
    assert results["mean_mse"] == pytest.approx(np.var(truth))
    assert window or scores["mse"] < 0.5 * results["mean_mse"]
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    errors = [log["eval_mse"] for log in state["log_history"] if "eval_mse" in log]
    assert state["best_metric"] == pytest.approx(min(errors))  # the least error is the best epoch
    if window:
        single, windows = script.predicted
        assert len(windows) > len(single)  # the premise
        (means,) = script.averaged
        assert results["window_average"]["mse"] == pytest.approx(np.mean((means[:, 0] - truth) ** 2), rel=1e-5)
        assert 0 <= means.min() and means.max() <= 1.2  # no softmax of one number, which would be 1


@pytest.mark.parametrize("task", ["classification", "multi_label", "regression"])
def test_predictions_are_written_in_the_order_of_the_test_file(task, script, tmp_path):
    draw = random.Random(0)
    rows = []
    for number in range(60):
        words = draw.choices(["lucu", "sedih", "datar"], k=draw.randint(1, 6))
        label = {"classification": max(words), "multi_label": ";".join(sorted({*words, "kata"})),
                 "regression": words.count("lucu") / len(words)}[task]  # fmt: skip
        rows.append((f"{' '.join(words)} {number}", label))
    files = ["--train_file", write(tmp_path / "train.csv", rows[:41]), "--output_dir", tmp_path / "out"]
    more = ["--test_file", write(tmp_path / "test.csv", rows[41:]), "--max_predict_samples", 13, "--do_predict", "true"]
    separator = ["--label_separator", ";"] if task == "multi_label" else []
    script.run(*files, *more, "--task", task, *separator, *TINY, "--num_train_epochs", 3)
    lines = (tmp_path / "out" / "predict_results.txt").read_text().splitlines()
    (outputs,) = script.predicted
    assert lines[0] == "index\tprediction" and len(lines) == 14 == len(outputs) + 1
    names = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").config.id2label
    for number, (line, output) in enumerate(zip(lines[1:], outputs, strict=True)):
        index, _, prediction = line.partition("\t")
        assert index == str(number)
        if task == "regression":
            assert float(prediction) == pytest.approx(output[0], rel=1e-4)  # six digits
        elif task == "multi_label":
            chosen = [names[place] for place in range(len(names)) if output[place] > 0]
            assert prediction == ",".join(chosen)
        else:
            assert prediction == names[output.argmax()]


TAGS = {"lucu": "senang", "sedih": "duka", "marah": "geram"}


@pytest.mark.parametrize("layout", ["columns of a csv", "lists of a json", "cells of a csv"])
def test_several_labels_of_a_text_are_learned_from_every_layout(layout, script, tmp_path):
    draw = random.Random(0)
    chosen = [[word for word in TAGS if draw.random() < 0.5] for _ in range(130)]
    names = sorted(TAGS.values())
    rows = [(f"teks {' '.join(words)} {number}", {TAGS[word] for word in words}) for number, words in enumerate(chosen)]
    files, flags = [], ["--task", "multi_label"]
    for split, part in (("train", rows[:100]), ("test", rows[100:])):
        path = tmp_path / f"{split}.{'jsonl' if 'json' in layout else 'csv'}"
        if layout == "columns of a csv":
            write(path, [(text, *(int(name in tags) for name in names)) for text, tags in part], ("text", *names))
        elif layout == "cells of a csv":
            part = [row for row in part if row[1]]  # an empty cell has no label
            write(path, [(text, "|".join(sorted(tags))) for text, tags in part])
        else:
            path.write_text("\n".join(json.dumps({"text": text, "label": sorted(tags)}) for text, tags in part))
        files += [f"--{split}_file", path]
    flags += {
        "columns of a csv": ["--label_column_name", ",".join(names)],
        "cells of a csv": ["--label_separator", "|"],
    }.get(layout, [])
    script.run(*files, "--output_dir", tmp_path / "out", *flags, *TINY, "--num_train_epochs", "8")
    results = results_of(tmp_path / "out")
    classify = pipeline("text-classification", str(tmp_path / "out"))
    assert classify.model.config.problem_type == "multi_label_classification"
    assert list(classify.model.config.id2label.values()) == names
    found = [{answer["label"] for answer in classify(text, top_k=None) if answer["score"] > 0.5} for text, _ in part]
    truth = [tags for _, tags in part]
    as_rows = [[[int(name in tags) for name in names] for tags in sets] for sets in (truth, found)]
    scores = results["single_pass"]
    assert scores["accuracy"] == pytest.approx(np.mean([a == b for a, b in zip(truth, found, strict=True)]))
    for average in ("macro", "micro"):
        assert scores[f"{average}_f1"] == pytest.approx(f1_score(*as_rows, average=average, zero_division=0))
    assert scores["micro_f1"] > 0.9


def test_windows_of_pairs_are_refused(script, two_classes, tmp_path):
    rows = [("kopi", text, label) for text, label in make_rows(20, ["negatif", "positif"])]
    train = write(tmp_path / "pairs.csv", rows, ("text", "other", "label"))
    with pytest.raises(ValueError, match="--window_average.*--text_pair_column_name"):
        script.run("--train_file", train, "--text_pair_column_name", "other", "--window_average",
                   "--output_dir", tmp_path / "out", *TINY)  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extra", [[], ["--max_seq_length", "12"]], ids=["as long as the model", "12 tokens"])
def test_the_window_average_is_what_the_saved_pipeline_answers(extra, script, two_classes, tmp_path, monkeypatch):
    _, arguments = two_classes
    labels = ["negatif", "positif"]
    rows = make_rows(20, labels, seed=3, longest=90)
    write(tmp_path / "test.csv", rows)
    script.run(*arguments, *TINY, "--window_average", *extra)
    single, windows = script.predicted
    assert len(windows) > len(single) == len(rows)  # the premise: some texts have several windows
    results = results_of(tmp_path / "out")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    classify = pipeline("windowed-text-classification", str(tmp_path / "out"), trust_remote_code=True)
    answers = [classify(text)[0] for text, _ in rows]
    assert_scores_are_those_of(results["window_average"], [a["label"] for a in answers], [row[1] for row in rows])
    (probabilities,) = script.averaged
    np.testing.assert_allclose([a["score"] for a in answers], probabilities.max(-1), rtol=0, atol=1e-5)
    assert [a["label"] for a in answers] == [labels[i] for i in probabilities.argmax(-1)]


def stock_checkpoint(folder, rows, model_class, **fields):
    """A tiny BERT of transformers, random, with its tokenizer."""
    options = {"vocab_size": 200, "initial_alphabet": "", "model_max_length": 24, "show_progress": False}
    tokenizer = train_tokenizer([text for text, _ in rows], min_frequency=1, **options)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, **sizes, **fields)
    model_class(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("model_class", [BertModel, BertForSequenceClassification])
def test_a_stock_bert_is_fine_tuned_and_stays_one(model_class, script, two_classes, tmp_path):
    rows, arguments = two_classes
    start = stock_checkpoint(tmp_path / "start", rows, model_class)
    script.run(*arguments, "--model_name_or_path", start, "--num_train_epochs", 1, "--report_to", "none")
    classify = pipeline("sentiment-analysis", str(tmp_path / "out"))
    assert type(classify.model) is BertForSequenceClassification
    assert classify.model.config.id2label == {0: "negatif", 1: "positif"}
    assert not list((tmp_path / "out").glob("*.py"))
    assert "trust_remote_code=True" not in (tmp_path / "out" / "README.md").read_text()
    (logits,) = script.predicted
    answers = classify([text for text, _ in rows], truncation=True)
    assert [answer["label"] for answer in answers] == [["negatif", "positif"][i] for i in logits.argmax(-1)]


def test_a_checkpoint_with_another_number_of_classes_gets_a_new_classifier(script, tmp_path):
    labels = ["negatif", "netral", "positif"]
    rows = make_rows(45, labels)
    start = stock_checkpoint(tmp_path / "start", rows, BertForSequenceClassification, num_labels=2)
    arguments = ["--train_file", write(tmp_path / "train.csv", rows), "--output_dir", tmp_path / "out"]
    script.run(*arguments, "--model_name_or_path", start, "--num_train_epochs", 1, "--report_to", "none")
    assert BertForSequenceClassification.from_pretrained(tmp_path / "out").classifier.out_features == 3


def test_a_folder_of_ours_is_a_start_too_and_the_defaults_are_those_of_fine_tuning(
    script, two_classes, tmp_path, monkeypatch
):
    rows, arguments = two_classes
    script.run(*arguments, *TINY)
    again = [*arguments[:-1], tmp_path / "again", "--model_name_or_path", tmp_path / "out", "--report_to", "none"]
    seen = []
    monkeypatch.setattr(script, "check_output_folder", lambda *args, **options: None)
    train = script.Trainer.train
    monkeypatch.setattr(script.Trainer, "train", lambda self, **kw: seen.append(self) or train(self, **kw))
    script.run(*again)
    (trainer,) = seen
    # Started from the trained weights, with BERT's fine-tuning choices (Devlin et al. 2019, appendix A.3).
    assert (trainer.args.learning_rate, trainer.args.num_train_epochs, trainer.args.weight_decay) == (2e-5, 3, 0.01)
    assert trainer.args.per_device_train_batch_size in (8, 16, 32)
    first, second = (results_of(tmp_path / name)["single_pass"]["accuracy"] for name in ("out", "again"))
    assert second >= first - 0.1
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "again").get_vocab()
        == AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    )


def content_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_model_is_not_written_over_the_first(script, two_classes, tmp_path):
    _, arguments = two_classes
    script.run(*arguments, *TINY)
    before = content_of(tmp_path / "out")
    other = [argument.replace("hidden_size=16", "hidden_size=24") for argument in TINY]
    with pytest.raises(
        ValueError, match=r"out already holds a different model: its hidden_size is 16, the new one's is 24"
    ):
        script.run(*arguments, *other)
    assert content_of(tmp_path / "out") == before


BAD_FILES = {
    "empty": (b"", "the file is empty"),
    "header only": (b"text,label\n", "has no rows"),
    "no text column": (b"kalimat,label\na,0\nb,1\n", r"no column 'text'.*\['kalimat', 'label'\]"),
    "latin-1": ("text,label\nkafé,0\nkopi,1\n".encode("latin-1"), r"byte 14 \(0xe9\) is not UTF-8"),
    "one class": (b"text,label\na,baik\nb,baik\n", "all 2 train rows have the label 'baik'"),
    "a label lacks": (b"text,label\na,0\nb,1\nc,\n", "1 rows without 'label', the first is row 2"),
}


@pytest.mark.parametrize("content, message", BAD_FILES.values(), ids=list(BAD_FILES))
def test_bad_input_is_refused_before_anything_is_written(content, message, script, tmp_path):
    (tmp_path / "train.csv").write_bytes(content)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("penting")
    with pytest.raises(ValueError, match=message):
        script.run("--train_file", tmp_path / "train.csv", "--output_dir", tmp_path / "out", *TINY)
    assert content_of(tmp_path / "out") == {(tmp_path / "out" / "notes.txt").relative_to(tmp_path / "out"): b"penting"}


def test_a_test_label_that_train_lacks_and_a_missing_file_are_refused(script, two_classes, tmp_path):
    _, arguments = two_classes
    write(tmp_path / "test.csv", [("kopinya hambar", "netral")])
    with pytest.raises(ValueError, match="the test split has the label 'netral'"):
        script.run(*arguments, *TINY)
    (tmp_path / "test.csv").unlink()
    with pytest.raises(FileNotFoundError, match="test.csv"):
        script.run(*arguments, *TINY)
    assert not (tmp_path / "out").exists()


@pytest.mark.lecture("S4-14")
def test_max_seq_length_is_what_training_scoring_and_the_saved_tokenizer_cut_to(
    script, two_classes, tmp_path, monkeypatch
):
    rows, arguments = two_classes
    longest = []
    encode = script.encode

    def record(*args):
        encoded = encode(*args)
        longest.append(max(len(ids) for split in encoded.values() for ids in split["input_ids"]))
        return encoded

    monkeypatch.setattr(script, "encode", record)
    script.run(*arguments, *TINY, "--max_seq_length", "9")
    assert longest == [9]
    assert max(len(text.split()) for text, _ in rows) > 9  # the premise
    classify = pipeline("sentiment-analysis", str(tmp_path / "out"))
    assert classify.tokenizer.model_max_length == 9
    (logits,) = script.predicted
    answers = classify([text for text, _ in rows], truncation=True)
    np.testing.assert_allclose([a["score"] for a in answers], softmax(logits).max(-1), rtol=0, atol=1e-5)
    assert "at most 9 tokens" in (tmp_path / "out" / "README.md").read_text()


def test_more_tokens_than_the_model_reads_are_refused(script, two_classes, tmp_path):
    _, arguments = two_classes
    with pytest.raises(ValueError, match="500.*32"):
        script.run(*arguments, *TINY, "--max_seq_length", "500")
    assert not (tmp_path / "out").exists()


@pytest.mark.lecture("S4-07")
def test_early_stopping_ends_with_the_best_epoch(script, two_classes, tmp_path, monkeypatch):
    _, arguments = two_classes
    # Scores that rise to epoch 2 and then fall.
    scores = iter([0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1])
    saved = {}
    save = script.Trainer._save_checkpoint
    monkeypatch.setattr(
        script, "score_outputs", lambda *_: {"accuracy": 0.5, "macro_f1": next(scores)},
    )  # fmt: skip

    def record(self, model, *args, **kwargs):
        saved[round(self.state.epoch)] = {name: value.clone() for name, value in model.state_dict().items()}
        return save(self, model, *args, **kwargs)

    monkeypatch.setattr(script.Trainer, "_save_checkpoint", record)
    script.run(*arguments, *TINY, "--num_train_epochs", "8", "--early_stopping_patience", "3")
    assert list(saved) == [1, 2, 3, 4, 5]  # stopped three epochs after the best
    final = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").state_dict()
    assert all(torch.equal(final[name], saved[2][name]) for name in final)
    assert not all(torch.equal(final[name], saved[5][name]) for name in final)


def test_an_interrupted_run_goes_on_from_its_last_checkpoint(script, two_classes, tmp_path, monkeypatch, capsys):
    _, arguments = two_classes
    arguments += [*TINY, "--num_train_epochs", "4"]
    score, calls = script.score_outputs, []

    def interrupted(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(*args, **kwargs)

    monkeypatch.setattr(script, "score_outputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        script.run(*arguments)
    capsys.readouterr()
    script.run(*arguments, "--resume_from_checkpoint", "true")
    epochs = [line[:12] for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert epochs == ["epoch 3 of 4", "epoch 4 of 4"]
    assert json.loads((tmp_path / "out" / "trainer_state.json").read_text())["global_step"] == 4 * 7
    with pytest.raises(ValueError, match="cannot resume: .*new has no complete checkpoint"):
        script.run(*arguments, "--output_dir", tmp_path / "new", "--resume_from_checkpoint", "true")


THREATS = [
    ("failed password for root from 203.0.113.7 port 52144 ssh2", "threat"),
    ("accepted publickey for deploy from 192.0.2.10 port 40022 ssh2", "normal"),
    ("GET /index.php?id=1 union select user, pass from users", "threat"),
    ("GET /products/42 200 5120 bytes", "normal"),
    ("outbound connection to 198.51.100.9:4444 by cmd.exe blocked", "threat"),
    ("nightly backup finished, 120 files, 0 errors", "normal"),
]


@pytest.mark.lecture("S3-34", "S3-39")
def test_a_domain_of_ones_own_is_learned_from_a_csv_of_log_lines(script, tmp_path):
    rows = [(f"{text} pid {number}", label) for number in range(12) for text, label in THREATS]
    files = ["--train_file", write(tmp_path / "logs.csv", rows), "--test_file", write(tmp_path / "test.csv", THREATS)]
    script.run(*files, "--output_dir", tmp_path / "out", *TINY, "--num_train_epochs", "8")
    results = results_of(tmp_path / "out")
    assert results["single_pass"]["accuracy"] == 1.0 and results["majority_accuracy"] == 0.5
    classify = pipeline("text-classification", str(tmp_path / "out"))
    assert [answer["label"] for answer in classify([text for text, _ in THREATS])] == [label for _, label in THREATS]


def imdb_rows(data_dir, tmp_path, count):
    """Parquet files with rows from both ends of IMDB, which is sorted by class."""
    files = []
    for split in ("train", "test"):
        rows = Dataset.from_parquet(str(data_dir / "imdb" / f"{split}.parquet"), cache_dir=str(tmp_path / "cache"))
        half = count[split] // 2
        rows = rows.select([*range(half), *range(len(rows) - half, len(rows))])
        rows.to_parquet(tmp_path / f"{split}.parquet")
        files += [f"--{split}_file", str(tmp_path / f"{split}.parquet")]
    return [*files, "--output_dir", str(tmp_path / "out"), "--report_to", "none"]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.lecture("S3-28")
@pytest.mark.parametrize(
    "lecture",
    [
        "--learning_rate 2e-5 --per_device_train_batch_size 8 --num_train_epochs 3 --weight_decay 0.01",
        "--per_device_train_batch_size 16 --per_device_eval_batch_size 64 --num_train_epochs 3 --weight_decay 0.01 "
        "--warmup_steps 500 --eval_strategy epoch --save_strategy epoch --load_best_model_at_end true",
    ],
    ids=["S2", "S3"],
)
def test_the_lectures_fine_tuning_runs_on_imdb_with_its_own_arguments(lecture, script, data_dir, tmp_path):
    arguments = imdb_rows(data_dir, tmp_path, {"train": 80, "test": 40})
    start = stock_checkpoint(tmp_path / "start", [("a good film", 1), ("a bad film", 0)], BertModel)
    script.run(*arguments, "--model_name_or_path", start, *lecture.split())
    results = results_of(tmp_path / "out")
    assert results["split"] == "test" and results["majority_accuracy"] == 0.5
    assert set(results["single_pass"]) == {"accuracy", "macro_f1", "accuracy_interval", "macro_f1_interval"}
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert [log["epoch"] for log in state["log_history"] if "eval_accuracy" in log] == [1, 2, 3]
    assert state["best_model_checkpoint"]


@pytest.mark.slow
@pytest.mark.lecture("S1-30", "S2-29", "S3-44")
def test_without_arguments_it_runs_offline_in_a_fresh_process(repository, tmp_path):
    # Fewer rows and epochs than the default, so that the test is quick.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, str(repository / "examples" / "finetune_classifier.py"),
         "--max_train_samples", "2000", "--num_train_epochs", "1"],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2,000 train, 1,820 validation, 600 test; classes: negative, positive" in done.stdout
    assert "a linear model of n-grams" in done.stdout
    assert "saved to out/classifier" in done.stdout
    results = results_of(tmp_path / "out" / "classifier")
    assert results["majority_accuracy"] == 0.5 and 0 < results["single_pass"]["accuracy"] <= 1
    assert "epoch 1 of 1   validation" in done.stdout and "linear_baseline" in results
    # Nothing that transformers 5 has removed or is about to remove was used.
    assert "deprecated" not in done.stderr.lower(), done.stderr


def test_a_recipe_gives_flags_the_command_line_wins_and_a_missing_one_is_named(script, two_classes, tmp_path):
    _, arguments = two_classes
    recipe = tmp_path / "my.args"
    recipe.write_text(" ".join(TINY) + " --seed 5 --learning_rate 0.5")
    script.run("--recipe", str(recipe), *arguments, "--learning_rate", "0.02")
    assert results_of(tmp_path / "out")["seed"] == 5
    assert "| learning rate | 0.02 |" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(FileNotFoundError, match=r"not-there\.args"):
        script.run("--recipe", str(tmp_path / "not-there.args"), *arguments)


@pytest.mark.slow
@pytest.mark.lecture("S5-61")
def test_a_decoder_is_fine_tuned_as_in_gpt_1_and_goes_on_after_a_stop(script, two_classes, tmp_path, capsys):
    rows, arguments = two_classes
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}
    texts = [text for text, _ in make_rows(60, ["negatif", "positif"], seed=1)]
    tokenizer = train_tokenizer(
        texts, kind="wordlevel", min_frequency=1, wrap=False, special_tokens=special, padding_side="left"
    )
    tokenizer.model_max_length = 32
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 1}
    config = MiniGPTConfig(vocab_size=len(tokenizer), max_position_embeddings=32, pad_token_id=0, **sizes)
    MiniGPTForCausalLM(config).save_pretrained(tmp_path / "lm")
    save_tokenizer(tokenizer, tmp_path / "lm")
    unlabelled = [(text,) for text, _ in make_rows(31, ["netral"], seed=5)]
    flags = [
        *arguments, *TINY[4:], "--model_name_or_path", tmp_path / "lm", "--auxiliary_lm_weight", "0.5",
        "--unlabelled_file", write(tmp_path / "more.csv", unlabelled, ("text",)),
    ]  # fmt: skip
    script.run(*flags)
    printed = capsys.readouterr().out
    assert "unlabelled: 31 texts" in printed and re.search(r"supervised_loss \d.*lm_loss \d", printed)
    saved = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = saved(rows[0][0])["input_ids"]
    assert [ids[0], ids[-1]] == [saved.bos_token_id, saved.cls_token_id]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.vocab_size == len(saved) == len(tokenizer) + 2
    answers = [model(torch.tensor([saved(text)["input_ids"]])).logits.argmax().item() for text, _ in rows]
    assert results_of(tmp_path / "out")["single_pass"]["accuracy"] == pytest.approx(
        accuracy_score([label for _, label in rows], [model.config.id2label[answer] for answer in answers])
    )
    # Resumed: the tokenizer of the checkpoint has the task tokens already, the model to start from has not.
    before = model.state_dict()
    script.run(*flags, "--resume_from_checkpoint", "true")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").state_dict()
    assert all(torch.equal(again[name], before[name]) for name in before)

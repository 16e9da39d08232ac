"""The bundled pairs and choices: reproducible, split honestly, and what is trained on them (classifier, zero-shot)."""

import csv
import importlib
import json
import re
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification
from tokenization import save_tokenizer, train_tokenizer

SPLITS = ("train", "validation", "test")
LABELS = ["contradiction", "entailment", "neutral"]


@pytest.fixture
def folder(repository):
    return repository / "examples" / "data"


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("name", "script"), [("pairs", "make_pairs"), ("choices", "make_choices")])
def test_the_files_on_disk_are_what_the_generators_make(folder, name, script, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(folder / name))
    monkeypatch.delitem(sys.modules, script, raising=False)  # other folders have scripts of this name
    importlib.import_module(script).main(tmp_path)
    files = [path for path in (folder / name).rglob("*") if path.suffix in (".csv", ".jsonl")]
    assert len(files) == (6 if name == "pairs" else 3)
    for path in files:
        assert (tmp_path / path.relative_to(folder / name)).read_bytes() == path.read_bytes()


@pytest.mark.lecture("S2-41")
def test_the_pairs_are_split_by_frame_and_need_both_sentences(folder):
    splits = {split: read(folder / "pairs" / f"{split}.csv") for split in SPLITS}
    for split, rows in splits.items():
        counts = Counter(row["label"] for row in rows)
        assert sorted(counts) == LABELS and max(counts.values()) < 0.45 * len(rows), (split, counts)
        assert {row["language"] for row in rows} == {"en", "id"}
        assert all(row["premise"][0].isupper() and row["hypothesis"].endswith(".") for row in rows)
        assert not [row for row in rows if re.search(r"[{}]|  ", row["premise"] + row["hypothesis"])]
    pairs = {split: {(row["premise"], row["hypothesis"]) for row in rows} for split, rows in splits.items()}
    assert all(len(pairs[split]) == len(splits[split]) for split in SPLITS)  # no pair twice, none with two labels
    premises = {split: {row["premise"] for row in rows} for split, rows in splits.items()}
    assert not premises["train"] & premises["test"] and not premises["validation"] & premises["test"]
    verbs = {"menemukan", "mengunjungi", "mencoba", "mencuci", "visited", "tried", "washed"}
    seen = " ".join(row["premise"] + " " + row["hypothesis"] for row in splits["train"]).lower().split()
    assert not verbs - {"menemukan"} & set(seen)  # "found" stands in one neutral hypothesis of train


def test_the_similarities_fall_with_the_words_that_differ(folder):
    for split in SPLITS:
        rows = read(folder / "pairs" / "similarity" / f"{split}.csv")
        scores = np.array([float(row["score"]) for row in rows])
        assert sorted(set(scores)) == [0, 1.5, 3.5, 5]
        words = [[set(re.findall(r"\w+", row[name].lower())) for name in ("sentence1", "sentence2")] for row in rows]
        shared = [len(one & two) / len(one | two) for one, two in words]
        assert pearsonr(shared, scores)[0] > 0.8
        assert all(share == 1 for share, score in zip(shared, scores, strict=True) if score == 5 and split == "test")


def test_the_right_choices_stand_at_every_place_and_test_contexts_are_new(folder):
    splits = {}
    for split in SPLITS:
        lines = (folder / "choices" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        splits[split] = rows = list(map(json.loads, lines))
        assert all(len(set(row["choices"])) == 4 for row in rows)
        places = Counter(row["label"] for row in rows)
        assert set(places) == {0, 1, 2, 3} and max(places.values()) < 0.45 * len(rows)

    def contexts(split):
        return {re.sub(r"\b[A-Z][a-z]+\b", "", row["context"]) for row in splits[split]}

    assert not contexts("train") & contexts("test")


@pytest.fixture
def script(quiet_classifier):
    """The classifier script as a module, without what it does for show."""
    return quiet_classifier


def flags_of(repository, recipe, out, *more):
    """The flags of a recipe, with paths from everywhere."""
    text = (repository / "examples" / "recipes" / f"{recipe}.args").read_text(encoding="utf-8")
    words = [str(repository / word) if word.startswith("examples/") else word for word in text.split()]
    return [*words, "--output_dir", str(out), "--report_to", "none", *more]


@pytest.mark.slow
@pytest.mark.lecture("S2-41")
def test_entailment_is_learned_from_both_sentences_and_serves_zero_shot_classification(script, repository, tmp_path):
    script.run(*flags_of(repository, "entailment", tmp_path, "--num_train_epochs", "2", "--warmup_steps", "20"))
    results = json.loads((tmp_path / "all_results.json").read_text())
    # Three classes; after 20 epochs, 0.75.
    assert results["single_pass"]["accuracy"] > results["majority_accuracy"] + 0.05
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert model.config.label2id == {name: number for number, name in enumerate(LABELS)}
    classifier = pipeline("text-classification", str(tmp_path))
    rows = read(repository / "examples/data/pairs/test.csv")
    answers = classifier([{"text": row["premise"], "text_pair": row["hypothesis"]} for row in rows])
    right = [answer["label"] == row["label"] for answer, row in zip(answers, rows, strict=True)]
    assert np.mean(right) == pytest.approx(results["single_pass"]["accuracy"])
    # Without the premise the same hypotheses are judged otherwise.
    alone = classifier([{"text": "", "text_pair": row["hypothesis"]} for row in rows])
    assert [answer["label"] for answer in alone] != [answer["label"] for answer in answers]


@pytest.mark.slow
@pytest.mark.lecture("S2-41")
def test_similarity_is_learned_as_a_number(script, repository, tmp_path):
    script.run(*flags_of(repository, "similarity", tmp_path, "--num_train_epochs", "2", "--warmup_steps", "20"))
    results = json.loads((tmp_path / "all_results.json").read_text())
    assert results["single_pass"]["mse"] < results["mean_mse"] and results["single_pass"]["pearson"] > 0.1
    model, tokenizer = (kind.from_pretrained(tmp_path) for kind in (AutoModelForSequenceClassification, AutoTokenizer))
    assert model.config.problem_type == "regression" and model.config.num_labels == 1
    rows = read(repository / "examples/data/pairs/similarity/test.csv")
    found = []
    for row in rows:
        with torch.no_grad():
            found.append(model(**tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")).logits.item())
    pearson = pearsonr(found, [float(row["score"]) for row in rows])[0]
    assert pearson == pytest.approx(results["single_pass"]["pearson"], abs=1e-4)


@pytest.mark.parametrize("template", ["Teks ini tentang {}.", "This text is about {}."])
@pytest.mark.parametrize("kind", ["classes", "one_label"])
def test_zero_shot_scores_are_the_softmax_over_the_entailment_logits(tmp_path, template, kind):
    texts = ["hujan deras turun sejak pagi", "tim kami menang dua gol", "teks ini tentang olahraga, cuaca, makanan"]
    tokenizer = train_tokenizer(texts, min_frequency=1, vocab_size=300, show_progress=False, model_max_length=40)
    torch.manual_seed(3)
    config = MiniBertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, intermediate_size=32, num_hidden_layers=1,
        max_position_embeddings=40, initializer_range=0.5, id2label=dict(enumerate(LABELS)),
        label2id={name: number for number, name in enumerate(LABELS)}, attn_implementation="packed",
    )  # fmt: skip
    model = MiniBertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    classifier = pipeline("zero-shot-classification", str(tmp_path))
    topics = ["olahraga", "cuaca", "makanan"]
    several = kind == "one_label"
    answer = classifier(texts[0], topics, hypothesis_template=template, multi_label=several)
    with torch.no_grad():
        pairs = [tokenizer(texts[0], template.format(topic), return_tensors="pt") for topic in topics]
        logits = torch.cat([model(**pair).logits for pair in pairs])
    # One of several topics: softmax of the entailments. Each topic alone: entailment against contradiction.
    expected = logits[:, [0, 1]].softmax(-1)[:, 1] if several else logits[:, 1].softmax(0)
    assert expected.max() - expected.min() > 1e-3, "premise: the topics differ"
    found = dict(zip(answer["labels"], answer["scores"], strict=True))
    assert [found[topic] for topic in topics] == pytest.approx(expected.tolist(), abs=1e-5)

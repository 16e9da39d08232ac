"""The recipes of the notebook (S2) train our class, and with one more flag the class of transformers."""

import json

import pytest
from transformers import BertConfig, BertModel

from modeling_minibert.evaluation import classification
from modeling_minibert.training import classifier_results
from tokenization import train_tokenizer

CITIES = "Bandung Medan Padang Solo Ambon Bogor".split()
# S2: 1,000 questions, 80/20, 384 tokens, lr 3e-5, batch 8, 3 epochs, weight decay .01
SQUAD = {
    "max_train_samples": 1000, "validation_fraction": 0.2, "max_seq_length": 384, "learning_rate": 3e-5,
    "per_device_train_batch_size": 8, "num_train_epochs": 3, "weight_decay": 0.01, "warmup_steps": 0,
    "dataset_name": "rajpurkar/squad", "model_name_or_path": "bert-base-uncased", "implementation": "mini",
}  # fmt: skip


@pytest.fixture
def start(tmp_path):
    """A tiny stock BERT without a head, random, with its tokenizer."""
    texts = [f"Ayu di {city}. Di mana Ayu? bagus jelek film" for city in CITIES]
    tokenizer = train_tokenizer(texts, kind="wordlevel", vocab_size=40, min_frequency=1, show_progress=False)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=12, max_position_embeddings=24)  # fmt: skip
    BertModel(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    return str(tmp_path / "start")


def reviews(path):
    labels = [("jelek", "bagus")[n % 2] for n in range(20)]
    rows = [{"text": f"film {label} {n}", "label": label} for n, label in enumerate(labels)]
    path.write_text("\n".join(map(json.dumps, rows)))


def questions(path):
    contexts = [f"Ayu di {CITIES[n % 6]}. {n}" for n in range(20)]
    rows = [
        {"id": str(n), "title": str(n), "context": context, "question": "Di mana Ayu?",
         "answers": {"text": [CITIES[n % 6]], "answer_start": [7]}}
        for n, context in enumerate(contexts)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "recipe", "dataset", "write", "head"),
    [
        pytest.param("classifier", "imdb_lecture", "stanfordnlp/imdb", reviews, "SequenceClassification",
                     marks=pytest.mark.lecture("S2-02")),
        pytest.param("qa", "squad_lecture", "rajpurkar/squad", questions, "QuestionAnswering",
                     marks=pytest.mark.lecture("S2-05")),
    ],
)  # fmt: skip
def test_a_lecture_recipe_trains_our_class_and_by_a_flag_the_stock_class(
    script, recipe, dataset, write, head, start, tmp_path, repository, load_command, monkeypatch
):
    for cache in ("datasets.config.HF_DATASETS_CACHE", "evaluate.config.HF_METRICS_CACHE"):
        monkeypatch.setattr(cache, str(tmp_path / "cache"))
    monkeypatch.setattr(classification, "bootstrap_interval", lambda *_: [0.0, 1.0])
    program = load_command(f"training.{script}")
    for module in (program, classifier_results):
        for shown in ("show_predictions", "show_answers", "plot_training_curve", "write_model_card"):
            monkeypatch.setattr(module, shown, lambda *_, **__: None, raising=False)
    write(tmp_path / "train.jsonl")
    text = (repository / "examples" / "recipes" / f"{recipe}.args").read_text()
    (tmp_path / "local.args").write_text(text.replace(f"--dataset_name {dataset}", ""))
    flags = [
        "--recipe",
        tmp_path / "local.args",
        "--train_file",
        tmp_path / "train.jsonl",
        "--model_name_or_path",
        start,
    ]
    flags += ["--max_train_samples", 20, "--max_seq_length", 20, "--num_train_epochs", 1, "--report_to", "none"]
    flags += ["--doc_stride", 4] if recipe == "squad_lecture" else []
    classes = {}
    for name, more in (("ours", []), ("stock", ["--implementation", "stock"])):
        program.run(*flags, *more, "--output_dir", tmp_path / name)
        classes[name] = json.loads((tmp_path / name / "config.json").read_text())["architectures"]
    assert classes == {"ours": [f"MiniBertFor{head}"], "stock": [f"BertFor{head}"]}


@pytest.mark.lecture("S2-05")
def test_the_squad_recipe_has_the_numbers_of_the_notebook(load_command, repository):
    script = load_command("training.qa")
    recipe, parsed = repository / "examples" / "recipes" / "squad_lecture.args", {}
    names = ("ModelArguments", "DataArguments", "QuestionTrainingArguments")
    classes = tuple(getattr(script, name) for name in names)
    for arguments in script.base.parse_with_recipe(classes, ["--recipe", str(recipe)]):
        parsed |= vars(arguments)
    assert {field: parsed[field] for field in SQUAD} == SQUAD

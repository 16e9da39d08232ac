"""`finetune_classifier.py` on checkpoints: as ours and as stock, in phases, and by the recipes of the documents."""

import json
import shutil

import pytest
import torch
import transformers
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig, BertModel

from modeling_minibert import MiniBertForSequenceClassification
from modeling_minibert.training import load_checkpoint
from tokenization import train_tokenizer

NO_DROPOUT = "hidden_dropout_prob=0,attention_probs_dropout_prob=0"
QUICK = ["--num_train_epochs", "2", "--per_device_train_batch_size", "8", "--logging_steps", "1"]


@pytest.fixture
def script(quiet_classifier):
    """The script as a module, without what it does for show."""
    return quiet_classifier


@pytest.fixture
def start(tmp_path, write_rows):
    """A tiny stock BERT without a head, random, with its tokenizer."""
    write_rows(tmp_path / "vocabulary.csv", 30, 7)
    words = (tmp_path / "vocabulary.csv").read_text().split()
    tokenizer = train_tokenizer(words, vocab_size=150, min_frequency=1, show_progress=False, model_max_length=24)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, initializer_range=0.3, **sizes)
    BertModel(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    return str(tmp_path / "start")


def state_of(folder):
    return json.loads((folder / "trainer_state.json").read_text())


def test_both_implementations_have_the_same_losses_step_by_step_and_the_same_scores(
    script, start, tiny_files, tmp_path
):
    losses, results = {}, {}
    for name in ("stock", "mini"):
        out = tmp_path / name
        flags = ["--model_name_or_path", start, "--implementation", name, "--config_overrides", NO_DROPOUT]
        script.run(*tiny_files, *flags, *QUICK, "--learning_rate", "5e-3", "--output_dir", out)
        losses[name] = [log["loss"] for log in state_of(out)["log_history"] if "loss" in log]
        results[name] = json.loads((out / "all_results.json").read_text())["single_pass"]
        model_type = json.loads((out / "config.json").read_text())["model_type"]
        assert model_type == {"stock": "bert", "mini": "minibert"}[name]
    assert len(losses["mini"]) == 12 and max(losses["mini"]) - min(losses["mini"]) > 0.01, "premise: it learns"
    # float32, padded and packed: sums in another order, through 12 updates.
    assert losses["mini"] == pytest.approx(losses["stock"], abs=1e-5)
    assert results["mini"] == results["stock"]


@pytest.mark.lecture("S4-13")
def test_a_checkpoint_keeps_its_weights_on_the_other_side_and_may_get_the_head_of_the_keras_page(start):
    torch.manual_seed(3)
    stock = load_checkpoint(AutoModelForSequenceClassification, start, "stock", num_labels=3)
    torch.manual_seed(3)
    mini = load_checkpoint(AutoModelForSequenceClassification, start, "mini", num_labels=3)
    assert type(mini) is MiniBertForSequenceClassification and mini.config._attn_implementation == "packed"
    assert torch.equal(mini.classifier.output.weight, stock.classifier.weight) and mini.num_labels == 3
    keras = {"classifier_dropout": 0.3, "classifier_hidden_size": 64}
    model = load_checkpoint(AutoModelForSequenceClassification, start, "mini", keras)
    assert model.classifier.dropout.p == 0.3 and model.classifier.dense.out_features == 64
    encoder = AutoModel.from_pretrained(start)
    back = load_checkpoint(AutoModelForSequenceClassification, start, "mini").to_stock()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(back.bert.state_dict()[name], tensor), name
    for name, tensor in mini.minibert.state_dict().items():
        assert torch.equal(model.minibert.state_dict()[name], tensor), name


def test_ours_may_be_trained_as_stock_and_what_has_no_twin_only_as_it_is(start, tmp_path):
    ours = load_checkpoint(AutoModelForSequenceClassification, start, "mini")
    ours.save_pretrained(tmp_path / "ours")
    stock = load_checkpoint(AutoModelForSequenceClassification, tmp_path / "ours", "stock")
    assert type(stock) is transformers.BertForSequenceClassification
    assert torch.equal(stock.classifier.weight, ours.classifier.output.weight)
    again = load_checkpoint(AutoModelForSequenceClassification, tmp_path / "ours")
    assert again.config._attn_implementation == "packed"
    other = transformers.DistilBertConfig(vocab_size=30, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
    transformers.DistilBertModel(other).save_pretrained(tmp_path / "other")
    load_checkpoint(AutoModelForSequenceClassification, tmp_path / "other", "stock")
    with pytest.raises(ValueError, match="model_type 'distilbert' has no twin; choose one of .*'bert'"):
        load_checkpoint(AutoModelForSequenceClassification, tmp_path / "other", "mini")
    with pytest.raises(ValueError, match="implementation is 'fast'; choose mini or stock"):
        load_checkpoint(AutoModelForSequenceClassification, start, "fast")
    for name, config in (("stock", "BertConfig"), ("mini", "MiniBertConfig")):
        with pytest.raises(ValueError, match=f"a {config} has no hiden_size"):
            load_checkpoint(AutoModelForSequenceClassification, start, name, {"hiden_size": 8})


RECIPES = {
    # S2: 2,000 reviews, 80/20, 512 tokens, lr 2e-5, batch 8, 3 epochs, weight decay .01
    "imdb_lecture": {
        "max_train_samples": 2000, "validation_fraction": 0.2, "max_seq_length": 512, "learning_rate": 2e-5,
        "per_device_train_batch_size": 8, "num_train_epochs": 3, "weight_decay": 0.01,
    },
    "imdb_full": {
        "max_train_samples": None, "max_seq_length": 512, "learning_rate": 2e-5, "per_device_train_batch_size": 8,
        "num_train_epochs": 3, "weight_decay": 0.01,
    },
    # S4, method 1: dropout .3, dense 64, Adam at 2e-5, 3 epochs, batch 32; the preprocessor cuts at 128
    "imdb_keras": {
        "config_overrides": "classifier_dropout=0.3,classifier_hidden_size=64", "learning_rate": 2e-5,
        "num_train_epochs": 3, "per_device_train_batch_size": 32, "weight_decay": 0, "max_seq_length": 128,
    },
    # S4, method 2: 128 tokens; the head at 1e-3, then all at 2e-5
    "imdb_two_phase": {
        "max_seq_length": 128, "head_learning_rate": 1e-3, "learning_rate": 2e-5, "freeze_epochs": 1,
    },
}  # fmt: skip


@pytest.mark.lecture("S2-02", "S4-13", "S4-14", "S4-15")
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_numbers_of_its_document(name, script, repository):
    recipe = repository / "examples" / "recipes" / f"{name}.args"
    parsed = {}
    for arguments in script.parse_arguments(["--recipe", str(recipe)]):
        parsed |= vars(arguments)
    assert {field: parsed[field] for field in RECIPES[name]} == RECIPES[name]
    assert parsed["model_name_or_path"] == "bert-base-uncased" and parsed["dataset_name"] == "stanfordnlp/imdb"


@pytest.mark.lecture("S2-02", "S2-26")
def test_the_recipe_of_s2_draws_from_a_sorted_file_and_sets_a_fifth_apart_by_class(
    script, start, tmp_path, write_rows, repository, capsys, monkeypatch
):
    write_rows(tmp_path / "rows.csv", 70, 1)
    header, *lines = (tmp_path / "rows.csv").read_text().splitlines()
    lines.sort(key=lambda line: line.rpartition(",")[2])
    (tmp_path / "rows.csv").write_text("\n".join([header, *lines]))
    recipe = (repository / "examples" / "recipes" / "imdb_lecture.args").read_text()
    (tmp_path / "local.args").write_text(recipe.replace("--dataset_name stanfordnlp/imdb", ""))
    flags = ["--recipe", tmp_path / "local.args", "--train_file", tmp_path / "rows.csv", "--model_name_or_path", start]
    flags += ["--max_train_samples", "50", "--max_seq_length", "24", "--output_dir", tmp_path / "out"]
    splits = []
    load = script.load_splits
    monkeypatch.setattr(script, "load_splits", lambda *args: splits.append(load(*args)) or splits[-1])
    script.run(*flags)
    assert "data: 40 train, 10 validation; classes: negative, positive" in capsys.readouterr().out
    (data, _) = splits[0]
    assert [data[split]["label"].count(1) for split in ("train", "validation")] == [20, 5]
    assert state_of(tmp_path / "out")["global_step"] == 15
    with pytest.raises(ValueError, match=r"max_train_samples \(1\) is less than the 2 classes"):
        script.run(*flags, "--max_train_samples", "1")
    with pytest.raises(ValueError, match=r"becomes validation is 1.0; it must lie between 0 and 1"):
        script.run(*flags, "--validation_fraction", "1")


@pytest.mark.slow
@pytest.mark.lecture("S4-15", "S5-33")
def test_the_script_trains_in_phases_and_resumes_with_a_frozen_encoder(script, start, tiny_files, tmp_path, capsys):
    flags = [*tiny_files, "--model_name_or_path", start, "--implementation", "mini", *QUICK]
    script.run(*flags, "--freeze_epochs", "2", "--output_dir", tmp_path / "frozen")
    frozen = AutoModelForSequenceClassification.from_pretrained(tmp_path / "frozen")
    encoder = frozen.to_stock().bert.encoder.state_dict()
    for name, tensor in AutoModel.from_pretrained(start).encoder.state_dict().items():
        assert torch.equal(encoder[name], tensor), name
    phases = [*flags, "--freeze_epochs", "1", "--layer_lr_decay", "0.8", "--output_dir", tmp_path / "phases"]
    phases += ["--load_best_model_at_end", "false", "--save_total_limit", "2"]
    script.run(*phases)
    said = capsys.readouterr().out
    assert "step 0/12   training head: " in said and "step 6/12   training head to embeddings: " in said
    first = AutoModelForSequenceClassification.from_pretrained(tmp_path / "phases")
    shutil.rmtree(tmp_path / "phases" / "checkpoint-12")
    script.run(*phases, "--resume_from_checkpoint", "true")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "phases")
    before, after = (model.minibert.layers[0].feed_forward.up.weight for model in (frozen, first))
    assert not torch.equal(before, after)
    for name, tensor in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_freezing_random_weights_is_refused(script, tiny_files, tmp_path):
    with pytest.raises(ValueError, match="--freeze_word_embeddings are for an encoder that has learned"):
        script.run(*tiny_files, "--freeze_epochs", "1", "--output_dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()

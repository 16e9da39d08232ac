"""A saved folder is complete: it opens in a fresh process, with the package and without, and gives the same numbers."""

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers.compare import (
    assert_same_answers,
    assert_same_buffers,
    assert_same_outputs,
    assert_same_weights,
    weights_and_buffers,
)
from helpers.minibert import HEADS, random_batch, random_model
from helpers.processes import WITH_PACKAGE, WITHOUT_PACKAGE, run_fresh
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertTokenizer, models, pipeline

import modeling_minibert
from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
)
from modeling_minibert.configuration_minibert import AUTO_MAP

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] saya suka film ini tidak bagus sekali".split()


def auto_name_of(model_class):
    return next(auto for auto, path in AUTO_MAP.items() if path.endswith("." + model_class.__name__))


def save(model, folder, batch):
    model.save_pretrained(folder)
    torch.save(batch, folder / "batch.pt")
    with torch.no_grad():
        return model(**batch).to_tuple()


@pytest.mark.slow
@pytest.mark.lecture("S2-04", "S5-15", "S3-24")
@pytest.mark.parametrize("process", [WITH_PACKAGE, WITHOUT_PACKAGE], ids=["with the package", "without the package"])
def test_a_saved_model_has_the_same_weights_and_outputs_in_a_fresh_process(process, tmp_path):
    folder = tmp_path / "model"
    model = random_model(MiniBertForSequenceClassification, position_embedding_type="sinusoidal", norm_position="pre")
    expected = save(model, folder, random_batch())
    module, state, outputs = run_fresh(folder, "AutoModelForSequenceClassification", process, tmp_path)
    assert module.startswith("modeling_minibert." if process is WITH_PACKAGE else "transformers_modules.")
    assert any("position_embeddings.table" in name for name in state)  # the buffer that v5 would leave empty
    assert_same_weights(state, weights_and_buffers(model))
    assert_same_outputs(outputs, expected)


@pytest.mark.slow
def test_a_remote_classifier_also_opens_as_a_base_model(tmp_path):
    folder = tmp_path / "model"
    model = random_model()
    save(model, folder, random_batch())
    _, _, outputs = run_fresh(folder, "AutoModel", WITHOUT_PACKAGE, tmp_path)
    assert_same_outputs(outputs[0], model.minibert(**torch.load(folder / "batch.pt")).last_hidden_state)


@pytest.mark.slow
def test_packed_attention_travels_along_also_beside_another_copy_of_its_code(tmp_path):
    folder, other = tmp_path / "model", tmp_path / "other"
    model = random_model()
    save(model, folder, random_batch())
    model.save_pretrained(other)
    # Another version of the file: transformers imports both, and both define the operator.
    with open(other / "packed_attention.py", "a", encoding="utf-8") as file:
        file.write("# changed\n")
    loaded = f"transformers.AutoModel.from_pretrained({str(other)!r}, trust_remote_code=True)"
    options = {"trust_remote_code": True, "attn_implementation": "packed"}
    process = {**WITHOUT_PACKAGE, "imports": loaded, "options": options}
    _, _, outputs = run_fresh(folder, "AutoModelForSequenceClassification", process, tmp_path)
    assert_close(outputs[0], model(**torch.load(folder / "batch.pt")).logits, rtol=0, atol=1e-5)


@pytest.mark.lecture("S5-15", "S2-04")
@pytest.mark.parametrize("model_class", HEADS)
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_every_class_reloads_its_weights_bit_for_bit_through_its_auto_class(model_class, positions, tmp_path):
    model, batch = random_model(model_class, position_embedding_type=positions), random_batch()
    expected = save(model, tmp_path, batch)
    auto_class = getattr(models.auto, auto_name_of(model_class))
    again = auto_class.from_pretrained(tmp_path).eval()
    assert type(again) is model_class
    assert_same_weights(again, model)
    assert_same_buffers(again, model)
    assert all(buffer.abs().max() > 0 for buffer in model.buffers())
    assert_same_outputs(again(**batch).to_tuple(), expected)


def test_every_save_lists_every_class_and_carries_the_code(tmp_path):
    random_model(MiniBertForTokenClassification).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"] == AUTO_MAP
    saved = {path.name for path in tmp_path.glob("*.py")}
    for path in AUTO_MAP.values():
        module, _, name = path.partition(".")
        assert f"{module}.py" in saved
        assert hasattr(modeling_minibert, name)
    # Nothing of other families and nothing of the sub-packages travels along.
    needed = {"configuration_minibert", "modeling_minibert", "attention", "packed_attention", "packing", "precision"}
    needed |= {"embeddings", "feed_forward", "heads", "linear_cross_entropy", "losses", "normalization", "stock"}
    needed |= {"configuration_common", "dropout", "stock_families", "stock_families_seq2seq"}
    needed |= {"batch", "limits", "masks", "transformers_internals"}
    needed |= {"pipeline_common", "pipeline_question_answering", "answer_spans"}
    needed |= {"pipeline_token_classification"}
    assert saved == {f"{name}.py" for name in needed}


def test_a_saved_head_opens_as_every_other_class(tmp_path):
    model = random_model()
    model.save_pretrained(tmp_path)
    base = AutoModel.from_pretrained(tmp_path).eval()
    batch = random_batch()
    assert_same_outputs(base(**batch).pooler_output, model.minibert(**batch).pooler_output)
    other = MiniBertForMultipleChoice.from_pretrained(tmp_path, ignore_mismatched_sizes=True)
    assert torch.equal(other.minibert.pooler.dense.weight, model.minibert.pooler.dense.weight)


@pytest.mark.lecture("S2-10")
def test_loading_a_pretrained_encoder_into_a_classifier_misses_exactly_the_head(tmp_path):
    random_model(MiniBertForMaskedLM).save_pretrained(tmp_path)
    _, report = MiniBertForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(report["missing_keys"]) == {
        "minibert.pooler.dense.weight", "minibert.pooler.dense.bias",
        "classifier.output.weight", "classifier.output.bias",
    }  # fmt: skip
    assert all(name.startswith("mlm_head.") for name in report["unexpected_keys"])


def test_the_tied_matrix_is_saved_once_and_tied_after_loading(tmp_path):
    from safetensors import safe_open

    model = random_model(MiniBertForMaskedLM)
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert "mlm_head.decoder.weight" not in file.keys()  # noqa: SIM118
    again = MiniBertForMaskedLM.from_pretrained(tmp_path)
    assert again.mlm_head.decoder.weight is again.minibert.embeddings.word_embeddings.weight


def test_the_config_survives_with_types_names_and_choices(tmp_path):
    config = random_model(classifier_pooling="max", id2label={0: "netral", 1: "senang", 2: "marah"}).config
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert again.to_dict() | {"_name_or_path": ""} == config.to_dict()
    assert again.id2label == {0: "netral", 1: "senang", 2: "marah"} and again.num_labels == 3


@pytest.fixture
def classifier_folder(tmp_path):
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}, model_max_length=23)
    names = {"id2label": {0: "negatif", 1: "positif"}, "label2id": {"negatif": 0, "positif": 1}}
    random_model(vocab_size=len(WORDS), **names).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.lecture("S3-25", "S3-29", "S4-13")
def test_a_stock_pipeline_takes_raw_text_and_answers_with_label_names(classifier_folder, caplog):
    classify = pipeline("sentiment-analysis", classifier_folder)
    texts = ["Saya suka film ini", "tidak bagus"]
    answers = classify(texts)
    assert "not supported" not in caplog.text
    tokenizer = AutoTokenizer.from_pretrained(classifier_folder)
    for text, answer in zip(texts, answers, strict=True):
        probabilities = classify.model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0]
        assert answer["label"] == ["negatif", "positif"][probabilities.argmax()]
        assert answer["score"] == pytest.approx(probabilities.max().item(), abs=1e-6)
    assert classify(texts, batch_size=2) == [
        {"label": answer["label"], "score": pytest.approx(answer["score"], abs=1e-6)} for answer in answers
    ]


@pytest.mark.lecture("S3-47")
def test_a_text_longer_than_the_model_is_cut_or_refused_with_advice(classifier_folder):
    classify = pipeline("sentiment-analysis", classifier_folder)
    text = "suka film ini " * 30
    with pytest.raises(ValueError, match=r"92 tokens.*23 positions.*truncation=True"):
        classify(text)
    assert classify(text, truncation=True)[0]["label"] in ("negatif", "positif")


def test_windowed_classification_averages_the_windows(classifier_folder):
    classify = pipeline("windowed-text-classification", classifier_folder)
    tokenizer = classify.tokenizer
    text = "saya suka film ini tidak bagus sekali " * 7
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    room, stride = 21, 10
    starts = range(0, len(ids) - stride, room - stride)
    windows = [tokenizer.decode(ids[start : start + room]) for start in starts]
    assert len(windows) > 2
    stock = pipeline("text-classification", classifier_folder)
    expected = {}
    for window in windows:
        for answer in stock(window, top_k=None):
            expected[answer["label"]] = expected.get(answer["label"], 0) + answer["score"] / len(windows)
    for answer in classify(text, top_k=None):
        assert answer["score"] == pytest.approx(expected[answer["label"]], abs=1e-6)
    # A text that fits is one window, and batches change nothing.
    short = "saya suka film ini"
    assert classify(short)[0]["score"] == pytest.approx(stock(short)[0]["score"], abs=1e-6)
    assert [a["score"] for a in classify([text, short], batch_size=3)] == pytest.approx(
        [classify(text)[0]["score"], classify(short)[0]["score"]], abs=1e-6
    )


@pytest.mark.slow
def test_the_windowed_pipeline_travels_with_the_model(classifier_folder, tmp_path):
    folder = tmp_path / "windowed"
    pipeline("windowed-text-classification", classifier_folder).save_pretrained(folder)
    script = (
        WITHOUT_PACKAGE["block"].join(["import sys\n", "\n"])
        + "from transformers import pipeline\n"
        + "p = pipeline('windowed-text-classification', sys.argv[1], trust_remote_code=True)\n"
        + "print('score', p('saya suka film ini ' * 30)[0]['score'])"
    )
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = pipeline("windowed-text-classification", classifier_folder)("saya suka film ini " * 30)[0]["score"]
    assert float(done.stdout.split()[-1]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_low_rank_adapters_fit_the_projections():
    peft = pytest.importorskip("peft")
    model = random_model()
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], r=2))
    trainable = {name.split(".lora")[0] for name, p in adapted.named_parameters() if p.requires_grad and "lora" in name}
    assert len(trainable) == 2 * model.config.num_hidden_layers
    assert any("classifier" in name for name, p in adapted.named_parameters() if p.requires_grad)
    batch = random_batch()
    before = adapted(**batch).logits
    assert_close(before, adapted.merge_and_unload()(**batch).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_a_half_precision_model_comes_back_in_half_precision_and_runs(positions, tmp_path):
    model = random_model(position_embedding_type=positions).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    again = MiniBertForSequenceClassification.from_pretrained(tmp_path).eval()
    assert again.dtype == torch.bfloat16
    batch = random_batch()
    # bfloat16 keeps 8 bits; logits are of order 1 to 5.
    assert_close(again(**batch).logits, model(**batch).logits, rtol=0.05, atol=0.1)


def test_the_windowed_pipeline_takes_the_arguments_of_the_stock_one(classifier_folder):
    classify = pipeline("windowed-text-classification", classifier_folder)
    text = "suka film ini " * 30
    assert_same_answers(classify(text, truncation=True, padding=True), classify(text))


def test_saving_what_came_from_a_repository_names_the_files_that_are_saved(tmp_path):
    config = random_model().config
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    saved["auto_map"] = {name: f"you/model--{path}" for name, path in saved["auto_map"].items()}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert AutoConfig.from_pretrained(tmp_path).auto_map == AUTO_MAP

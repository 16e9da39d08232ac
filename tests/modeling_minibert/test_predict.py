"""`minibert predict`: the task is known from the folder, answers are those of the model alone, and no row is lost."""

import csv
import io
import json
import sys

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    pipeline,
)

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
    MiniGPTConfig,
    MiniGPTForCausalLM,
    MiniSeq2SeqConfig,
    MiniSeq2SeqForConditionalGeneration,
)
from modeling_minibert.commands import predict
from modeling_minibert.retrieval.cross_encoder import Ranker, write_settings
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder
from modeling_minibert.training.script_arguments import run_script
from tokenization import save_tokenizer, train_tokenizer

TEXTS = ["Ani tinggal di Bandung", "kopi", "Budi minum kopi di rumah Ani dan pulang", "teh itu enak", "Budi di rumah"]
SIZES = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 20}
MARKS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[SOS]", "eos_token": "[EOS]"}


def tokenizer_of(**options):
    options = {"kind": "wordlevel", "vocab_size": 40, "min_frequency": 1, "model_max_length": 24} | options
    return train_tokenizer(TEXTS * 2, show_progress=False, **options)


def save(folder, model, tokenizer):
    """Save a model whose weights are all random and large, so that its answers differ."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if name.endswith("norm.weight") else 0.0, std=0.5)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return str(folder)


def config_of(tokenizer, **fields):
    sizes = SIZES | {"vocab_size": len(tokenizer), "max_position_embeddings": 24, "pad_token_id": 0}
    return MiniBertConfig(**sizes, mask_token_id=tokenizer.mask_token_id, **fields)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command; its json lines."""

    def run(*arguments, status=0):
        monkeypatch.setattr(sys, "argv", ["minibert predict", *map(str, arguments)])
        capsys.readouterr()
        if status:
            with pytest.raises(SystemExit) as stop:
                run_script(predict.main)
            assert stop.value.code == status
        else:
            run_script(predict.main)
        printed = capsys.readouterr()
        run.error = printed.err
        return [json.loads(line) for line in printed.out.splitlines() if line.startswith("{")]

    return run


@pytest.fixture(params=["ours", "stock"])
def classifier(request, tmp_path):
    tokenizer, labels = tokenizer_of(), {"id2label": {0: "buruk", 1: "biasa", 2: "baik"}}
    if request.param == "ours":
        model = MiniBertForSequenceClassification(config_of(tokenizer, **labels))
    else:
        sizes = SIZES | {"vocab_size": len(tokenizer), "max_position_embeddings": 24}
        model = BertForSequenceClassification(BertConfig(**sizes, **labels))
    return save(tmp_path / "classifier", model, tokenizer)


def logits_of(folder, *texts):
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    with torch.no_grad():
        return model(**tokenizer(*texts, truncation=True, return_tensors="pt")).logits[0]


@pytest.mark.parametrize("size", [1, 2, 32])
def test_classes_are_those_of_the_model_alone_in_the_order_of_the_texts(classifier, run, size):
    texts = TEXTS * 3
    found = run(classifier, *texts, "--batch_size", size, "--all_scores")
    assert [row["text"] for row in found] == texts
    for row in found:
        expected = logits_of(classifier, row["text"]).softmax(-1)
        assert row["label"] == ["buruk", "biasa", "baik"][expected.argmax()]
        assert row["score"] == pytest.approx(expected.max().item(), abs=1e-5)
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert len({row["label"] for row in found}) > 1  # the premise


def test_a_pair_is_read_as_a_pair(classifier, run, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("a,b\n" + "\n".join(f"{text},{other}" for text, other in zip(TEXTS, TEXTS[1:], strict=False)))
    found = run(classifier, "--file", path, "--column", "a", "--pair_column", "b", "--all_scores")
    assert len(found) == 4
    for row in found:
        expected = logits_of(classifier, row["text"], row["text_pair"]).softmax(-1)
        np.testing.assert_allclose(sorted(row["scores"].values()), sorted(expected.tolist()), atol=1e-5)
    (alone,) = run(classifier, TEXTS[0], "--pair", TEXTS[1])
    assert alone["score"] == pytest.approx(found[0]["score"], abs=1e-6)


@pytest.mark.parametrize("task", ["regression", "multi_label_classification"])
def test_numbers_and_several_labels(task, run, tmp_path):
    tokenizer, count = tokenizer_of(), 1 if task == "regression" else 3
    fields = {"problem_type": task, "num_labels": count}
    folder = save(tmp_path / "model", MiniBertForSequenceClassification(config_of(tokenizer, **fields)), tokenizer)
    for row in run(folder, *TEXTS):
        logits = logits_of(folder, row["text"])
        if task == "regression":
            assert row["value"] == pytest.approx(logits.item(), abs=1e-5)
        else:
            assert set(row["labels"]) == {f"LABEL_{place}" for place in (logits > 0).nonzero()[:, 0].tolist()}


def test_tags_answers_and_masked_words_are_those_of_the_pipelines(run, tmp_path):
    tokenizer = tokenizer_of(lowercase=False)
    tags = {"id2label": {0: "O", 1: "B-ORANG", 2: "B-KOTA"}}
    folder = save(tmp_path / "tagger", MiniBertForTokenClassification(config_of(tokenizer, **tags)), tokenizer)
    tagger = pipeline("token-classification", folder, aggregation_strategy="first")
    found = run(folder, *TEXTS)
    assert any(row["entities"] for row in found)
    for row in found:
        expected = [(each["entity_group"], each["start"], each["end"]) for each in tagger(row["text"])]
        assert [(each["label"], each["start"], each["end"]) for each in row["entities"]] == expected
        assert all(row["text"][each["start"] : each["end"]] == each["text"] for each in row["entities"])
    folder = save(tmp_path / "qa", MiniBertForQuestionAnswering(config_of(tokenizer)), tokenizer)
    ask = pipeline("question-answering", folder)
    for row in run(folder, *TEXTS[:3], "--context", TEXTS[2]):
        expected = ask(question=row["text"], context=TEXTS[2])
        assert row["answer"] == expected["answer"] == TEXTS[2][row["start"] : row["end"]]
    folder = save(tmp_path / "mlm", MiniBertForMaskedLM(config_of(tokenizer)), tokenizer)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    (one, two) = run(folder, "Budi minum [MASK]", "[MASK] tinggal di [MASK]", "--top_k", 2)
    with torch.no_grad():
        row = model(**tokenizer("Budi minum [MASK]", return_tensors="pt")).logits[0, -2].softmax(-1)
    best = row.topk(2)
    assert [each["word"] for each in one["words"]] == tokenizer.convert_ids_to_tokens(best.indices.tolist())
    assert [each["score"] for each in one["words"]] == pytest.approx(best.values.tolist(), abs=1e-5)
    assert [len(place) for place in two["words"]] == [2, 2]


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_a_decoder_continues(kind, run, tmp_path):
    marks = {"special_tokens": {**MARKS, "bos_token": "[EOS]"}, "padding_side": "left"}
    tokenizer = tokenizer_of(wrap="start", **marks)
    ends = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id}
    ends |= {"eos_token_id": tokenizer.eos_token_id, "vocab_size": len(tokenizer)}
    if kind == "ours":
        model = MiniGPTForCausalLM(MiniGPTConfig(**SIZES, max_position_embeddings=24, **ends))
    else:
        model = GPT2LMHeadModel(GPT2Config(n_embd=12, n_layer=1, n_head=3, n_positions=24, **ends))
    folder = save(tmp_path / "lm", model, tokenizer)
    for row in run(folder, *TEXTS[:3], "--max_new_tokens", 5):
        ids = tokenizer(row["text"], return_tensors="pt")["input_ids"]
        expected = model.eval().generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        assert row["generated_text"] == tokenizer.decode(expected[0], skip_special_tokens=True).removeprefix(" ")
    drawn = [run(folder, "kopi", "--temperature", "3", "--seed", seed)[0]["generated_text"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_encoder_decoder_writes(run, tmp_path):
    tokenizer = tokenizer_of(special_tokens=MARKS)
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20, "max_position_embeddings": 24}
    layers = {"num_encoder_layers": 1, "num_decoder_layers": 1, "vocab_size": len(tokenizer)}
    ends = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = MiniSeq2SeqConfig(**sizes, **layers, **ends, decoder_start_token_id=tokenizer.bos_token_id)
    folder = save(tmp_path / "translator", MiniSeq2SeqForConditionalGeneration(config), tokenizer)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    for row in run(folder, *TEXTS, "--num_beams", 2, "--max_new_tokens", 6, "--batch_size", 3):
        inputs = tokenizer(row["text"], return_tensors="pt")
        output = model.generate(**inputs, num_beams=2, max_new_tokens=6)
        assert row["generated_text"] == tokenizer.decode(output[0], skip_special_tokens=True)


def test_rankers_and_sentence_encoders(run, tmp_path):
    tokenizer = tokenizer_of()
    folder = save(tmp_path / "ranker", MiniBertForSequenceClassification(config_of(tokenizer, num_labels=2)), tokenizer)
    write_settings(folder, 0.5)
    expected = Ranker.load(folder).scores(TEXTS[0], [TEXTS[2]])[0]
    (row,) = run(folder, TEXTS[0], "--pair", TEXTS[2])
    assert row["score"] == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-6)
    assert run(folder, TEXTS[0], status=2) == [] and "reads a document too; give --pair TEXT" in run.error
    plain = save(tmp_path / "plain", MiniBertModel(config_of(tokenizer)), tokenizer)
    assert run(plain, "kopi", status=2) == [] and "MiniBertModel, which answers no single text" in run.error
    SentenceEncoder.load(plain).save(tmp_path / "encoder")
    for row in run(tmp_path / "encoder", *TEXTS):
        with torch.no_grad():
            states = AutoModel.from_pretrained(plain).eval()(**tokenizer(row["text"], return_tensors="pt"))[0][0]
        mean = states.mean(0) / states.mean(0).norm()
        np.testing.assert_allclose(row["vector"], mean, atol=1e-5)


def test_bad_rows_are_named_and_cost_no_other(classifier, run, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ["kopi", None, "teh", " "]))
    found = run(classifier, "--file", path, status=2)
    assert [row.get("error") for row in found] == [None, "text is None, not a text", None, "text is empty"]
    assert all("label" in found[row] for row in (0, 2))
    assert run.error == "error: 2 of 4 rows have no answer; the first is row 2: text is None, not a text\n"


def test_an_error_of_the_model_is_of_its_row_alone(run, tmp_path):
    tokenizer = tokenizer_of()
    folder = save(tmp_path / "mlm", MiniBertForMaskedLM(config_of(tokenizer)), tokenizer)
    found = run(folder, "kopi [MASK]", "kopi", "[MASK] enak", status=2)
    assert ["words" in row for row in found] == [True, False, True]
    assert found[1]["error"] == "the text has no [MASK]; write [MASK] where a word is missing"


def test_a_broken_pipe_gives_first_what_came_before(classifier, run, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(b"kopi\nteh itu enak\n\xff\n"), encoding="utf-8")
    stream._CHUNK_SIZE = 1  # else the text is decoded at once
    monkeypatch.setattr(sys, "stdin", stream)
    found = run(classifier, status=2)
    assert [row["text"] for row in found] == ["kopi", "teh itu enak"] and "decode byte 0xff" in run.error


def test_a_pipe_is_read_line_by_line(classifier, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("kopi\r\nteh itu enak"))
    assert [row["text"] for row in run(classifier)] == ["kopi", "teh itu enak"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run(classifier, status=2) == [] and "nothing to answer, the pipe or file has no line" in run.error


@pytest.mark.parametrize("kind", [".txt", ".csv", ".parquet"])
def test_files_of_all_kinds_give_the_same_answers_in_csv(kind, classifier, run, tmp_path):
    source, target = tmp_path / f"in{kind}", tmp_path / "out.csv"
    texts = [*TEXTS[:2], 'kata "enak", katanya']
    if kind == ".parquet":
        from datasets import Dataset

        Dataset.from_dict({"text": texts}).to_parquet(source)
    else:
        cells = texts if kind == ".txt" else ["text", *(json.dumps(text).replace('\\"', '""') for text in texts)]
        source.write_text("\n".join(cells))
    assert run(classifier, "--file", source, "--output_file", target) == []
    with open(target, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == texts and list(rows[0]) == ["text", "label", "score", "error"]
    assert [row["label"] for row in rows] == [row["label"] for row in run(classifier, *texts)]


def test_rows_without_an_answer_before_the_first_answer_keep_their_place_in_csv(classifier, run, tmp_path):
    run(classifier, "", "kopi", "--output_file", tmp_path / "out.csv", status=2)
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["error"] == "text is empty" and first["label"] == "" and second["label"] and second["error"] == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--file", "nothing.csv"], "nothing.csv: no such file"),
        (["--file", "a.csv", "--column", "review"], "a.csv has no column 'review'; its columns are text, y; name one"),
        (["--file", "a.doc"], "a.doc: unknown extension '.doc'; choose one of ['.csv'"),
        (["teks", "--file", "a.csv"], "got 1 texts and 1 files; give texts or --file, not both"),
        (["teks", "--pair_column", "y"], "--pair_column names a column of a --file"),
        (["teks", "--output_file", "out.xlsx"], "--output_file out.xlsx ends in '.xlsx'; choose .jsonl or .csv"),
        (["--file", "a.csv", "--output_file", "a.csv"], "a.csv is the file that is read; choose another name"),
        (["teks", "--output_file", "no/out.csv"], "there is no folder no for no/out.csv; create it first"),
        (["teks", "--bacth_size", "3"], "unknown argument --bacth_size, did you mean --batch_size"),
        (["teks", "--batch_size", "0"], "'0' is not a number of 1 or above"),
    ],
)
def test_mistakes_are_one_sentence(flags, message, classifier, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text,y\nkopi,1\n")
    assert run(classifier, *flags, status=2) == []
    assert message in run.error and run.error.count("\n") == 1
    assert (tmp_path / "a.csv").read_text() == "text,y\nkopi,1\n"


def test_folders_that_answer_nothing_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokenizer = tokenizer_of()
    save(tmp_path / "choices", MiniBertForMultipleChoice(config_of(tokenizer)), tokenizer)
    (tmp_path / "empty").mkdir()
    for folder, message in {
        "./nothing": "there is no folder ./nothing",
        "empty": "empty has no config.json; give a folder with a saved model",
        "choices": "choices is MiniBertForMultipleChoice, which answers no single text",
    }.items():
        assert run(folder, "kopi", status=2) == [] and message in run.error and run.error.count("\n") == 1


def test_one_text_tasks_refuse_a_second_text(run, tmp_path):
    tokenizer = tokenizer_of()
    folder = save(tmp_path / "mlm", MiniBertForMaskedLM(config_of(tokenizer)), tokenizer)
    run(folder, "[MASK]", "--pair", "kopi", status=2)
    assert "is for masked words, which reads one text; leave out the second text" in run.error


def test_progress_is_shown_after_some_seconds(capsys, monkeypatch):
    progress = predict.Progress()
    progress.show(10)
    assert capsys.readouterr().err == ""
    progress.start, progress.last = progress.start - 8, progress.last - 8
    progress.show(1_600)
    assert capsys.readouterr().err.startswith("1,600 rows, ")

"""`examples/finetune_qa.py` end to end on tiny files: what it saves, scores, answers, resumes and refuses."""

import json
import random
import re

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BartConfig,
    BartModel,
    BertConfig,
    BertForQuestionAnswering,
    BertModel,
    RobertaConfig,
    RobertaModel,
    XLNetConfig,
    XLNetModel,
)

from modeling_minibert import MiniBertForQuestionAnswering, MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.evaluation import QuestionAnsweringMetrics
from tokenization import save_tokenizer, train_tokenizer

NAMES = "Ayu Bayu Citra Dewi Eko Fajar Gita Hadi".split()
CITIES = "Bandung Medan Padang Solo Ambon Bogor Paris Lima".split()
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,max_position_embeddings=64"
TINY = [
    "--config_overrides", SIZES, "--tokenizer_options", "kind=wordlevel,min_frequency=1", "--num_train_epochs", "1",
    "--per_device_train_batch_size", "16", "--learning_rate", "0.02", "--report_to", "none", "--max_seq_length", "40",
    "--doc_stride", "8",
]  # fmt: skip

ENCODER = dict(vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)


def make_rows(count, seed, impossible=0.0, sentences=2):
    """ "Ayu di Solo. Eko di Lima. …" and a question for one of them, or for somebody else."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        names, cities = draw.sample(NAMES, sentences + 1), draw.sample(CITIES, sentences)
        context = f"{seed}x{number} " + " ".join(
            f"{name} di {city}." for name, city in zip(names[1:], cities, strict=True)
        )
        asked = 0 if draw.random() < impossible else draw.randint(1, sentences)
        answers = {"text": [], "answer_start": []}
        if asked:
            answers = {"text": [cities[asked - 1]], "answer_start": [context.index(f" {cities[asked - 1]}.") + 1]}
        rows.append({"id": f"{seed}-{number}", "title": f"{seed} {number // 3}", "context": context,
                     "question": f"Di mana {names[asked]}?", "answers": answers})  # fmt: skip
    return rows


def write(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def script(load_command, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    return load_command("training.qa")


@pytest.fixture
def files(tmp_path):
    test = make_rows(20, seed=2)
    train = write(tmp_path / "train.jsonl", make_rows(48, seed=1))
    return test, ["--train_file", train, "--test_file", write(tmp_path / "test.jsonl", test),
                  "--output_dir", str(tmp_path / "out")]  # fmt: skip


def answers_by_hand(folder, rows):
    """What the saved model answers: the largest sum over all pairs of context tokens, one question at a time."""
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for row in rows:
        encoding = tokenizer(row["question"], row["context"], return_tensors="pt", return_offsets_mapping=True)
        offsets, sequences = encoding.pop("offset_mapping")[0], np.array(encoding.sequence_ids(), dtype=float)
        with torch.no_grad():
            output = model(**encoding)
        sums = output.start_logits[0][:, None] + output.end_logits[0][None, :]
        allowed = torch.tensor(sequences == 1)
        sums = sums.masked_fill(~(allowed[:, None] & allowed[None, :]).triu(), -torch.inf)
        start, end = divmod(int(sums.argmax()), sums.shape[1])
        found.append(row["context"][offsets[start, 0] : offsets[end, 1]])
    return found


@pytest.mark.lecture("S2-05", "S2-08")
def test_a_run_saves_a_model_that_answers_and_scores_as_it_says(script, files, tmp_path, capsys):
    rows, arguments = files
    script.run(*arguments, *TINY, "--num_train_epochs", "8", "--seed", "7")
    printed, folder = capsys.readouterr().out, tmp_path / "out"
    predictions = json.loads((folder / "predictions.json").read_text())
    assert list(predictions.values()) == answers_by_hand(folder, rows)
    assert len(set(predictions.values())) > 3  # the premise: not one answer for all
    scores = QuestionAnsweringMetrics(keep_in_memory=True).compute(
        predictions=[{"id": name, "prediction_text": text} for name, text in predictions.items()],
        references=[{"id": row["id"], "answers": row["answers"]} for row in rows],
    )
    results = json.loads((folder / "all_results.json").read_text())
    assert {name: results[name] for name in scores} == pytest.approx(scores)
    assert results["seed"] == 7 and results["split"] == "test" and results["f1"] > 15
    assert results["f1_interval"][0] <= results["f1"] <= results["f1_interval"][1]
    assert "validation, of train: 6 rows of 2 titles out of 16" in printed
    assert "data: 42 train, 6 validation, 20 test questions" in printed
    assert re.search(r"epoch 8 of 8   validation exact_match \d+\.\d%   f1 \d+\.\d%", printed)
    low, high = results["exact_match_interval"]
    assert f"exact match: {results['exact_match']:.1f} (95 % interval {low:.1f} to {high:.1f})" in printed
    # Three questions at the end, the last of them that of the test split.
    asked = re.findall(r"^  [✓✗] (.+?)  →  (.+)$", printed, re.MULTILINE)
    assert len(asked) == 3 and asked[0][0] == "What is the capital of France?"
    assert asked[2] == (rows[-1]["question"], predictions[rows[-1]["id"]] or "(no answer)")


def test_questions_without_an_answer_are_scored_as_in_version_2(script, tmp_path):
    train = write(tmp_path / "train.jsonl", make_rows(40, seed=1, impossible=0.5))
    test = make_rows(20, seed=2, impossible=0.5)
    script.run("--train_file", train, "--test_file", write(tmp_path / "test.jsonl", test), *TINY, "--output_dir",
               tmp_path / "out", "--validation_fraction", "0", "--num_train_epochs", "2")  # fmt: skip
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["HasAns_total"] + results["NoAns_total"] == results["total"] == 20
    assert results["NoAns_total"] == sum(not row["answers"]["text"] for row in test) > 3
    assert results["best_f1"] >= results["f1"]
    assert not (tmp_path / "out" / "eval_results.json").exists()


@pytest.fixture
def bert(tmp_path):
    """A stock BERT encoder with its tokenizer, without a question-answering head."""
    texts = [row["context"] + row["question"] for row in make_rows(40, seed=3)]
    tokenizer = train_tokenizer(texts, vocab_size=300, min_frequency=1, show_progress=False)
    torch.manual_seed(0)
    BertModel(BertConfig(max_position_embeddings=64, **ENCODER)).save_pretrained(tmp_path / "bert")
    save_tokenizer(tokenizer, tmp_path / "bert")
    return str(tmp_path / "bert")


def test_a_stock_bert_trains_as_ours_and_as_it_is_to_the_same_losses(script, files, bert, tmp_path):
    rows, arguments = files
    losses = {}
    for implementation, kind in (("mini", MiniBertForQuestionAnswering), ("stock", BertForQuestionAnswering)):
        folder = tmp_path / implementation
        options = ["--config_overrides", "hidden_dropout_prob=0,attention_probs_dropout_prob=0", "--logging_steps", "1"]
        script.run(*arguments, *TINY[2:], *options, "--model_name_or_path", bert, "--implementation", implementation,
                   "--output_dir", folder, "--max_steps", "4", "--validation_fraction", "0",
                   # One question at a time: of several, the stock class also counts pads as candidates.
                   "--per_device_train_batch_size", "1")  # fmt: skip
        assert type(AutoModelForQuestionAnswering.from_pretrained(folder)) is kind
        log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
        losses[implementation] = [entry["loss"] for entry in log if "loss" in entry]
    assert len(losses["mini"]) == 4
    np.testing.assert_allclose(losses["mini"], losses["stock"], rtol=1e-4)  # printed with four digits


OTHERS = {  # positions that begin after the pad; more outputs than logits; no limit to the positions
    "roberta": (RobertaModel, RobertaConfig(pad_token_id=1, max_position_embeddings=40, **ENCODER), 38),
    "bart": (BartModel, BartConfig(d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                                   decoder_attention_heads=2, max_position_embeddings=64, vocab_size=300), 44),
    "xlnet": (XLNetModel, XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=24, vocab_size=300), 44),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_models_without_a_twin_are_trained_and_scored_as_they_are(name, script, bert, tmp_path, capsys):
    model_class, config, length = OTHERS[name]
    model_class(config).save_pretrained(tmp_path / name)
    save_tokenizer(AutoTokenizer.from_pretrained(bert), tmp_path / name)
    rows = make_rows(20, seed=1, sentences=7)  # longer than a window
    script.run("--train_file", write(tmp_path / "train.jsonl", rows), *TINY[2:], "--max_seq_length", "44",
               "--max_steps", "2", "--model_name_or_path", tmp_path / name,
               "--output_dir", tmp_path / "out")  # fmt: skip
    printed = capsys.readouterr().out
    assert f"reads {length} tokens" in printed and "validation exact_match" in printed
    assert AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out").config.model_type == name


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(script, files, tmp_path):
    _, arguments = files
    whole = [*arguments[:4], *TINY, "--num_train_epochs", "2", "--output_dir"]
    script.run(*whole, tmp_path / "whole")
    script.run(*whole, tmp_path / "parts", "--save_total_limit", "9")
    (tmp_path / "parts" / "model.safetensors").unlink()
    script.run(*whole, tmp_path / "parts", "--resume_from_checkpoint", tmp_path / "parts" / "checkpoint-3")
    weights = [
        AutoModelForQuestionAnswering.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "parts")
    ]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


def test_what_cannot_be_trained_is_refused_before_training(script, files, bert, tmp_path):
    _, arguments = files
    MiniGPTForCausalLM(MiniGPTConfig.from_preset("tiny", vocab_size=50)).save_pretrained(tmp_path / "gpt")
    tokenizer = train_tokenizer(["Ayu di Solo"], kind="wordlevel", min_frequency=1, show_progress=False)
    save_tokenizer(tokenizer, tmp_path / "gpt")
    with pytest.raises(ValueError, match="MiniGPTConfig"):
        script.run(*arguments, *TINY, "--model_name_or_path", tmp_path / "gpt")
    with pytest.raises(ValueError, match=r"max_train_samples \(-5\) must be at least 1"):
        script.run(*arguments, *TINY, "--max_train_samples", "-5")
    with pytest.raises(ValueError, match="group_by_length shuffles"):
        script.run(*arguments, *TINY, "--train_sampling_strategy", "group_by_length")
    with pytest.raises(ValueError, match="already holds a different model: its architectures is .*'BertModel'"):
        script.run(
            *arguments, *TINY[2:], "--model_name_or_path", bert, "--implementation", "stock", "--output_dir", bert
        )
    bad = make_rows(5, seed=4)
    bad[3]["answers"]["answer_start"] = [0]
    with pytest.raises(ValueError, match=r"1 of the 5 rows of the train split cannot be used: row 3 \(id 4-3\)"):
        script.run("--train_file", write(tmp_path / "bad.jsonl", bad), *TINY, "--output_dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_bundled_questions_train_from_scratch_with_no_argument_but_these(script, tmp_path, capsys):
    script.run("--output_dir", tmp_path / "out", "--max_steps", "2", "--max_train_samples", "40", "--report_to", "none")
    printed = capsys.readouterr().out
    assert "data: 40 train, 140 validation, 355 test questions" in printed
    asked = re.findall(r"^  [✓✗] (.+?)  →", printed, re.MULTILINE)
    assert asked[0] == "What is the capital of France?" and len(asked) == 3

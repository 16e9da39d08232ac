"""`examples/compare_checkpoints.py`: any mix of checkpoints in one table, each number against where it comes from."""

import itertools
import json
import statistics
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
    pipeline,
)

from modeling_minibert import MiniBertConfig, MiniBertModel
from tokenization import train_tokenizer

SHAPE = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
KINDS = {
    "bert": lambda size: BertModel(BertConfig(vocab_size=size, max_position_embeddings=24, **SHAPE)),
    "roberta": lambda size: RobertaModel(
        RobertaConfig(vocab_size=size, max_position_embeddings=40, pad_token_id=0, type_vocab_size=1, **SHAPE)
    ),
    "distilbert": lambda size: DistilBertModel(
        DistilBertConfig(vocab_size=size, max_position_embeddings=24, dim=48, hidden_dim=32, n_heads=2, n_layers=2)
    ),
    "ours": lambda size: MiniBertModel(MiniBertConfig(vocab_size=size, max_position_embeddings=24, **SHAPE)),
}
SHORT = ["--max_steps", "2", "--per_device_train_batch_size", "8"]


@pytest.fixture
def compare(load_runs_script, monkeypatch):
    """The script as a module, with two rounds of timing; the number of threads it sets is undone."""
    module = load_runs_script("compare_checkpoints")
    monkeypatch.setattr(module, "ROUNDS", 2)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


@pytest.fixture
def make_checkpoint(tmp_path):
    def make(kind):
        folder = tmp_path / kind
        words = ["the film was so and very that day dull stale rude funny fresh kind"]
        tokenizer = train_tokenizer(words, vocab_size=120, min_frequency=1, show_progress=False)
        tokenizer.model_max_length = 24
        if kind in ("roberta", "distilbert"):  # as their own tokenizers: no segments
            tokenizer.model_input_names = ["input_ids", "attention_mask"]
        KINDS[kind](len(tokenizer)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


@pytest.mark.slow
@pytest.mark.lecture("S3-40")
def test_bert_roberta_distilbert_and_ours_stand_in_one_table(
    compare, make_checkpoint, tiny_files, tmp_path, capsys, monkeypatch
):
    checkpoints = [make_checkpoint(kind) for kind in KINDS]
    arguments = ["--checkpoints", *checkpoints, *tiny_files, *SHORT, "--learning_rate", "0.01", "--seed", "3", "8"]
    table = compare.main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert sorted(row["name"] for row in table) == sorted(checkpoints)
    means = [row["macro_f1"]["mean"] for row in table]
    assert means == sorted(means, reverse=True)
    printed = capsys.readouterr().out
    for row in table:
        number = checkpoints.index(row["name"])
        folders = [tmp_path / "out" / f"{number}_{list(KINDS)[number]}_seed{seed}" for seed in (3, 8)]
        runs = [json.loads((folder / "all_results.json").read_text()) for folder in folders]
        assert {run["split"] for run in runs} == {"test"} and [run["seed"] for run in runs] == [3, 8]
        for metric in ("macro_f1", "accuracy"):
            scores = [run["single_pass"][metric] for run in runs]
            assert row[metric]["mean"] == pytest.approx(statistics.mean(scores), abs=1e-12)
            assert row[metric]["sd"] == pytest.approx(statistics.stdev(scores), abs=1e-12)
        model = AutoModelForSequenceClassification.from_pretrained(folders[0])
        assert row["parameters"] == sum(weight.numel() for weight in model.parameters())
        assert row["megabytes"] == (folders[0] / "model.safetensors").stat().st_size / 1e6
        assert row["milliseconds_per_text"] > 0 and row["texts_per_second"] > 0
        assert f"{row['parameters']:,}" in printed and compare.describe(row["macro_f1"]) in printed
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == {"models": table, "failed": {}}
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    # Started again, it trains nothing and finds the same scores.
    monkeypatch.setattr(compare.classifier, "main", None)
    again = compare.main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert [(row["name"], row["macro_f1"]) for row in again] == [(row["name"], row["macro_f1"]) for row in table]


@pytest.mark.slow
def test_a_preset_beside_a_checkpoint_on_pairs_of_texts(compare, make_checkpoint, write_rows, tmp_path):
    files = [write_rows(tmp_path / f"{name}.csv", count, seed, ("said", "asked", "label"))
             for seed, (name, count) in enumerate({"train": 40, "validation": 10}.items())]  # fmt: skip
    columns = ["--text_column_name", "asked", "--text_pair_column_name", "said", "--max_seq_length", "24"]
    options = ["--presets", "tiny", "--max_steps", "1", "--tokenizer_options", "kind=wordlevel,min_frequency=1"]
    table = compare.main(["--checkpoints", make_checkpoint("bert"), *options, *columns, "--train_file", files[0],
                          "--validation_file", files[1], "--seed", "0",
                          "--output_dir", str(tmp_path / "out")])  # fmt: skip
    assert {row["name"] for row in table} == {str(tmp_path / "bert"), "tiny from scratch"}
    assert {row["split"] for row in table} == {"validation"}  # there is no test split
    # One seed has no deviation; the bootstrap interval of its run stands in the table instead.
    run = json.loads((tmp_path / "out" / "1_tiny_from_scratch_seed0" / "all_results.json").read_text())["single_pass"]
    (score,) = [row["macro_f1"] for row in table if row["name"] == "tiny from scratch"]
    assert score == {"mean": run["macro_f1"], "sd": None, "interval_of_first_seed": run["macro_f1_interval"]}
    low, high = run["macro_f1_interval"]
    assert compare.describe(score) == f"{100 * run['macro_f1']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    # The model that is timed reads both texts, as the pipeline does.
    folder = tmp_path / "out" / "0_bert_seed0"
    logits = compare.Classifier(folder)({"text": ["so dull", "kind"], "text_pair": ["very rude that day", "fresh"]})
    classify = pipeline("text-classification", str(folder), top_k=None, function_to_apply="none")
    for row, (text, pair) in zip(logits, [("so dull", "very rude that day"), ("kind", "fresh")], strict=True):
        expected = {answer["label"]: answer["score"] for answer in classify({"text": text, "text_pair": pair})}
        got = {"negative": row[0].item(), "positive": row[1].item()}
        assert got == pytest.approx(expected, abs=1e-5)


def test_speeds_are_medians_of_the_models_in_turn(compare, monkeypatch):
    """With a clock that the models move on themselves: 3 ms a text, 16 ms more for a batch of 32; the other twice."""
    now, calls, rounds = [0.0], [], itertools.count()
    clock = SimpleNamespace(process_time=lambda: now[0], perf_counter=lambda: now[0])
    monkeypatch.setitem(compare.measure.__globals__, "time", clock)
    monkeypatch.setattr(compare, "ROUNDS", 3)

    def fake(name, factor):
        def classify(rows):
            count = len(rows["text"])
            calls.append((name, count))
            disturbed = 5 if count == 32 and next(rounds) == 2 else 1  # the first timed batch of the first
            now[0] += factor * disturbed * (0.003 if count == 1 else 0.064)
            return [0] * count

        return classify

    speeds = compare.measure_speed({"a": fake("a", 1), "b": fake("b", 2)}, {"text": ["x"] * 50})
    assert speeds["a"] == pytest.approx({"milliseconds_per_text": 3, "texts_per_second": 500})
    assert speeds["b"] == pytest.approx({"milliseconds_per_text": 6, "texts_per_second": 250})
    assert [call for call, _ in itertools.groupby(calls)] == [("a", 1), ("b", 1)] * 4 + [("a", 32), ("b", 32)] * 4


@pytest.mark.slow
def test_a_checkpoint_that_fails_is_named_and_costs_no_other(
    compare, make_checkpoint, tiny_files, tmp_path, monkeypatch, capsys
):
    train = compare.classifier.main

    def fail_on_ours(flags):
        if str(tmp_path / "ours") in flags:
            raise RuntimeError("wanted 7 GiB")
        train(flags)

    monkeypatch.setattr(compare.classifier, "main", fail_on_ours)
    table = compare.main(["--checkpoints", make_checkpoint("ours"), make_checkpoint("bert"), *tiny_files, *SHORT,
                          "--seed", "0", "--output_dir", str(tmp_path / "out")])  # fmt: skip
    assert [row["name"] for row in table] == [str(tmp_path / "bert")]
    assert "failed: 0_ours_seed0: RuntimeError: wanted 7 GiB" in capsys.readouterr().out
    monkeypatch.setattr(compare.classifier, "main", lambda flags: 1 / 0)
    with pytest.raises(SystemExit, match="all 2 runs failed"):
        compare.main(["--checkpoints", str(tmp_path / "ours"), *tiny_files, "--output_dir", str(tmp_path / "none")])


BAD = {
    "unknown checkpoint": (["--checkpoints", "no/such-bert"], "cannot open the checkpoint 'no/such-bert'"),
    "a folder without a model": (["--checkpoints", "."], r"cannot open the checkpoint '\.'.*config.json"),
    "unknown preset": (["--presets", "tiny", "giant"], "unknown preset 'giant'"),
    "twice": (["--presets", "tiny", "tiny"], "--presets has tiny twice"),
    "a negative seed": (["--seed", "0", "-2"], "--seed has -2; every value must be at least 0"),
    "unknown flag": (["--rounds", "3"], "--rounds"),
    "a checkpoint for the runs": (["--model_name_or_path", "x"], "name x after --checkpoints"),
}


@pytest.mark.parametrize("flags, message", BAD.values(), ids=list(BAD))
def test_what_cannot_work_is_refused_before_any_work(flags, message, compare, tiny_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        compare.main([*tiny_files, *flags, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_empty_list_is_refused(compare, capsys):
    with pytest.raises(SystemExit):
        compare.main(["--checkpoints", "--seed", "0"])
    assert "--checkpoints: expected at least one argument" in capsys.readouterr().err

"""`examples/learning_curve.py`: which labels it takes, what it runs, and that it runs nothing twice."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.training import classifier
from tokenization import train_tokenizer


@pytest.fixture
def curve(load_runs_script):
    return load_runs_script("learning_curve")


@pytest.fixture
def files(tmp_path):
    """A tiny checkpoint, and labelled texts whose class is one of their words."""
    texts = [f"film nomor {n} {'bagus' if n % 3 else 'jelek'}" for n in range(90)]
    for name, rows in (("train", texts), ("test", [f"{text} ya" for text in texts[:20]])):
        labels = ["jelek" if "jelek" in text else "bagus" for text in rows]
        Dataset.from_dict({"text": rows, "label": labels}).to_parquet(tmp_path / f"{name}.parquet")
    tokenizer = train_tokenizer(texts, kind="wordlevel", vocab_size=120, min_frequency=1, show_progress=False)
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    config = MiniBertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                            intermediate_size=16, max_position_embeddings=16)  # fmt: skip
    MiniBertForMaskedLM(config).save_pretrained(tmp_path / "checkpoint")
    return [
        "--model_name_or_path", tmp_path / "checkpoint", "--train_file", tmp_path / "train.parquet",
        "--test_file", tmp_path / "test.parquet", "--output_dir", tmp_path / "out",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.lecture("S3-17")
def test_both_starts_run_on_the_same_labels_with_their_own_learning_rates(curve, files, tmp_path, capsys, monkeypatch):
    options = []

    def pretend(flags):
        option = dict(zip(flags[::2], flags[1::2], strict=True))
        options.append(option)
        accuracy = 0.9 if "checkpoint" in option["--model_name_or_path"] else 0.6 + 0.1 * int(option["--seed"])
        scores = {
            "accuracy": accuracy,
            "macro_f1": accuracy - 0.2,
            "accuracy_interval": [0, 1],
            "macro_f1_interval": [0, 1],
        }
        results = {"split": "test", "seed": int(option["--seed"]), "train_seconds": 1.0, "single_pass": scores}
        (Path(option["--output_dir"]) / "all_results.json").write_text(json.dumps(results))

    monkeypatch.setattr(classifier, "main", pretend)
    asked = [*files, "--labels", 20, 60, "--learning_rates", 5e-4, 1e-3, "--seeds", 2, "--bf16", "false"]
    curve.run(*asked)
    assert len(options) == 8 and all(option["--bf16"] == "false" for option in options)
    for pretrained, scratch in zip(options[::2], options[1::2], strict=True):
        assert pretrained["--train_file"] == scratch["--train_file"]
        assert (pretrained["--learning_rate"], scratch["--learning_rate"]) == ("0.0005", "0.001")
    printed = capsys.readouterr().out
    # The mean and deviation of 0.6 and 0.7.
    cells = "20 90.0% ± 0.0% 65.0% ± 7.1% 70.0% ± 0.0% 45.0% ± 7.1%"
    assert cells in [" ".join(line.split()) for line in printed.splitlines()]
    rows = json.loads((tmp_path / "out/learning_curve.json").read_text())
    assert [(row["labels"], row["start"]) for row in rows] == [
        (20, "pretrained"), (20, "scratch"), (60, "pretrained"), (60, "scratch")
    ]  # fmt: skip
    assert (tmp_path / "out/learning_curve.png").stat().st_size > 1000
    curve.run(*asked[:-3], 1, *asked[-2:], "--output_dir", tmp_path / "single")  # one seed has no deviation
    assert "20 90.0% 60.0% 70.0% 40.0%" in " ".join(capsys.readouterr().out.split())
    assert "NaN" not in (tmp_path / "single/learning_curve.json").read_text()
    del options[8:]
    curve.run(*asked)
    assert len(options) == 8  # nothing is run twice
    with pytest.raises(ValueError, match=r"scratch-20-0 holds a run with other flags.*0.001 .* 0.003 "):
        curve.run(*asked, "--learning_rates", 5e-4, 3e-3)
    del options[:]
    curve.run(*asked, "--output_dir", tmp_path / "frozen", "--freeze_share", 0.25)  # 320 and 107 epochs
    frozen = [option.get("--freeze_epochs") for option in options]
    assert frozen == ["80.0", None, "26.75", None] * 2
    del options[:]
    curve.run(*asked, "--output_dir", tmp_path / "words", "--freeze_word_embeddings", "true")
    assert [option.get("--freeze_word_embeddings") for option in options] == ["true", None] * 4
    first, twin = (MiniBertForMaskedLM.from_pretrained(tmp_path / name) for name in ("checkpoint", "out/random-0"))
    assert twin.config.hidden_size == 16
    weight = "minibert.embeddings.word_embeddings.weight"
    assert first.state_dict()[weight].shape == twin.state_dict()[weight].shape
    assert not first.state_dict()[weight].equal(twin.state_dict()[weight])


@pytest.mark.lecture("S3-17")
def test_any_number_of_labels_holds_the_classes_in_their_shares_and_the_fewer_are_among_the_more(curve):
    labels = ["a"] * 700 + ["b"] * 250 + ["c"] * 50
    order = curve.stratified_order(labels, seed=0)
    assert sorted(order) == list(range(1000))
    for count in (40, 100, 333, 1000):
        taken = [labels[row] for row in order[:count]]
        for label, share in (("a", 0.7), ("b", 0.25), ("c", 0.05)):
            assert abs(taken.count(label) - share * count) <= 1
    assert (order == curve.stratified_order(labels, seed=0)).all()
    assert set(order[:100]) != set(curve.stratified_order(labels, seed=1)[:100])
    assert not np.array_equal(np.sort(order[:70]), np.arange(70))


@pytest.mark.lecture("S3-17")
@pytest.mark.parametrize("updates", [None, 0, 7])
def test_a_checkpoint_without_an_update_is_not_called_pretrained(curve, tmp_path, updates):
    if updates is not None:
        (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": updates}))
    name = curve.name_start(str(tmp_path))
    assert name == ("counted_vectors" if updates == 0 else "pretrained")
    row = {"labels": 40, "seeds": 1, "accuracy": 0.7, "macro_f1": 0.6}
    row |= {"accuracy_deviation": None, "macro_f1_deviation": None}
    rows = [row | {"start": name}, row | {"start": "scratch"}]
    assert ("pretrained" in curve.table(rows)) == (updates != 0)


@pytest.mark.slow
@pytest.mark.lecture("S3-17")
def test_counted_word_vectors_are_named_so_in_the_results(curve, load_example, files, tmp_path, capsys):
    """The two commands of docs/results.md: counting without training, then the curve."""
    draw = random.Random(0)  # words that are all equally rare, so that none is too frequent to count
    words = [f"kata{n}" for n in range(60)]
    text = "\n\n".join(" ".join(draw.choices(words, k=12)) + "." for _ in range(40))
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_text(text)
    load_example("pretrain_minibert").run(
        "--word_vectors", "true", "--num_train_epochs", 0, "--train_file", tmp_path / "train.txt",
        "--validation_file", tmp_path / "validation.txt", "--config_overrides", "hidden_size=6",
        "--tokenizer_options", "kind=wordlevel,vocab_size=80,min_frequency=1", "--output_dir", tmp_path / "words",
    )  # fmt: skip
    curve.run(*files, "--model_name_or_path", tmp_path / "words", "--labels", 40, "--seeds", 1, "--max_steps", 1)
    rows = json.loads((tmp_path / "out/learning_curve.json").read_text())
    assert [row["start"] for row in rows] == ["counted_vectors", "scratch"]
    assert "pretrained" not in capsys.readouterr().out.partition("labels  ")[2]


@pytest.mark.slow
def test_a_real_run_of_both_sides(curve, files, tmp_path, capsys):
    curve.run(*files, "--labels", 40, "--seeds", 1, "--max_steps", 2)
    assert "run 2 of 2: scratch-40-0   test macro_f1" in capsys.readouterr().out
    rows = json.loads((tmp_path / "out/learning_curve.json").read_text())
    assert all(0 <= row["macro_f1"] <= 1 for row in rows)


def test_a_run_that_fails_costs_no_other(curve, files, tmp_path, monkeypatch, capsys):
    train = classifier.main

    def fail_from_scratch(flags):
        if any("random-0" in flag for flag in flags):
            raise ValueError("not so")
        train(flags)

    monkeypatch.setattr(classifier, "main", fail_from_scratch)
    with pytest.raises(SystemExit, match="1 runs failed; start again"):
        curve.run(*files, "--labels", 40, "--seeds", 1, "--max_steps", 1)
    assert "scratch-40-0   failed, ValueError: not so" in capsys.readouterr().out
    assert (tmp_path / "out/pretrained-40-0/finished.json").is_file()


def test_what_cannot_be_compared_is_refused_first(curve, files, tmp_path):
    with pytest.raises(ValueError, match="--labels asks for 5,000; .*train.parquet has 90 to train on"):
        curve.run(*files, "--labels", 20, 5000)
    with pytest.raises(ValueError, match="there is no folder .*nowhere"):
        curve.run(*files, "--model_name_or_path", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there is no checkpoint in .*empty: run examples/pretrain_minibert.py"):
        curve.run(*files, "--model_name_or_path", tmp_path / "empty")
    with pytest.raises(ValueError, match=r"--learning_rates takes two numbers, .*; got \[0.001\]"):
        curve.run(*files, "--labels", 20, "--learning_rates", 1e-3)
    with pytest.raises(ValueError, match=r"--freeze_share \(1.5\) must be from 0 to 1"):
        curve.run(*files, "--labels", 20, "--freeze_share", 1.5)

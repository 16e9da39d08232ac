"""`examples/sweep.py`: its ranking, that the ranking comes again, and that the test split stays closed."""

import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_dataset
from transformers import BertConfig, BertModel

from tokenization import train_tokenizer

SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,max_position_embeddings=32"
TINY = [
    "--config_overrides",
    f"{SIZES},classifier_pooling=mean",
    "--tokenizer_options",
    "kind=wordlevel,min_frequency=1",
]
GRID = ["--learning_rate", "1e-5", "0.03", "--per_device_train_batch_size", "8", "--num_train_epochs", "3"]


@pytest.fixture
def sweep(load_runs_script, monkeypatch):
    """The script as a module; `started` lists the folders of the runs that were trained."""
    module = load_runs_script("sweep")
    module.started = []
    train = module.classifier.main

    def record(flags):
        module.started.append(Path(flags[-1]).name)
        train(flags)

    monkeypatch.setattr(module.classifier, "main", record)
    return module


def without_seconds(rows):
    return [{name: value for name, value in row.items() if name != "train_seconds"} for row in rows]


@pytest.mark.slow
@pytest.mark.lecture("S2-07")
def test_the_ranking_is_that_of_the_runs_and_comes_again_resumed_and_from_the_start(
    sweep, tiny_files, tmp_path, repository, capsys
):
    arguments = [*tiny_files, *TINY, *GRID, "--seed", "0", "5", "--output_dir"]
    rows = sweep.main([*arguments, str(tmp_path / "a")])
    assert len(sweep.started) == 4 and len(rows) == 2
    for row in rows:
        name = f"lr{row['learning_rate']:g}_batch8_epochs{row['num_train_epochs']:g}"
        files = [tmp_path / "a" / f"{name}_seed{seed}" / "all_results.json" for seed in (0, 5)]
        runs = [json.loads(file.read_text()) for file in files]
        assert {run["split"] for run in runs} == {"validation"} and [run["seed"] for run in runs] == [0, 5]
        for metric in ("macro_f1", "accuracy"):
            scores = [run["single_pass"][metric] for run in runs]
            assert row[metric]["mean"] == pytest.approx(statistics.mean(scores), abs=1e-12)
            assert row[metric]["sd"] == pytest.approx(statistics.stdev(scores), abs=1e-12)
    means = [row["macro_f1"]["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    # The premise of all that follows: the settings differ, and the one that can learn is the best.
    assert means[0] > means[-1] + 0.1 and rows[0]["learning_rate"] == 0.03
    printed = capsys.readouterr().out
    assert "2 settings, 2 seeds; ranked by macro-F1 on 14 validation texts" in printed
    assert f"{100 * means[0]:.1f} ± {100 * rows[0]['macro_f1']['sd']:.1f} %" in printed
    written = json.loads((tmp_path / "a" / "sweep.json").read_text())
    assert written == {"ranking": rows, "failed": {}}
    with open(tmp_path / "a" / "sweep.csv", encoding="utf-8", newline="") as file:
        assert [float(line["macro_f1"]) for line in csv.DictReader(file)] == means

    # Resumed: one run lacks its end.
    sweep.started.clear()
    unfinished = tmp_path / "a" / "lr0.03_batch8_epochs3_seed5"
    (unfinished / "finished.json").unlink()
    (unfinished / "checkpoint-999").mkdir()
    assert without_seconds(sweep.main([*arguments, str(tmp_path / "a")])) == without_seconds(rows)
    assert sweep.started == [unfinished.name] and not list((tmp_path / "a").glob("*/checkpoint-*"))
    # From the start, elsewhere.
    assert without_seconds(sweep.main([*arguments, str(tmp_path / "b")])) == without_seconds(rows)
    assert len(sweep.started) == 5

    # And by hand, in a process of its own: the weights of a run that had others before it, bit for bit.
    last = tmp_path / "b" / sweep.started[-1]
    flags = json.loads((last / "finished.json").read_text())
    script = repository / "examples" / "finetune_classifier.py"
    command = [sys.executable, script, *flags, "--output_dir", tmp_path / "hand"]
    subprocess.run([*map(str, command)], check=True, capture_output=True, timeout=300)
    assert (tmp_path / "hand" / "model.safetensors").read_bytes() == (last / "model.safetensors").read_bytes()


def test_the_test_split_reaches_no_run(sweep, tiny_files, tmp_path, monkeypatch):
    train, test = (Path(tiny_files[number]) for number in (1, 5))
    with open(test, "a", encoding="utf-8") as file:
        file.write(train.read_text(encoding="utf-8").splitlines()[1] + "\n")
    seen = []
    load = sweep.classifier.load_splits
    monkeypatch.setattr(sweep.classifier, "load_splits", lambda *args: seen.append(load(*args)) or load(*args))
    sweep.main([*tiny_files, *TINY, "--learning_rate", "0.01", "--per_device_train_batch_size", "16",
                "--num_train_epochs", "1", "--output_dir", str(tmp_path / "out")])  # fmt: skip
    whole, (of_the_run, _) = seen[0][0], seen[1]
    assert set(whole) == {"train", "validation", "test"} and set(of_the_run) == {"train", "validation"}
    # A train text that is also a test text has gone all the same.
    assert len(of_the_run["train"]) == 44
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [path.name.partition("-")[0] for path in files] == ["train", "validation"]
    saved = load_dataset("parquet", data_files=str(files[1]), split="train", cache_dir=str(tmp_path / "read"))
    assert saved["text"][:] == whole["validation"]["text"][:] and saved["label"][:] == whole["validation"]["label"][:]
    assert saved.features["label"].names == ["negative", "positive"]


@pytest.mark.slow
def test_a_run_that_fails_is_named_tried_again_and_costs_no_other(sweep, tiny_files, tmp_path, monkeypatch, capsys):
    arguments = [*tiny_files, *TINY, *GRID[:3], "--per_device_train_batch_size", "8", "--num_train_epochs", "1",
                 "--output_dir", str(tmp_path / "out")]  # fmt: skip
    train = sweep.classifier.main

    def fail_once(flags):
        if "0.03" in flags:
            raise RuntimeError("out of memory, wanted 7 GiB")
        train(flags)

    monkeypatch.setattr(sweep.classifier, "main", fail_once)
    (row,) = sweep.main([*arguments[:-2], "--seed", "0", *arguments[-2:]])
    assert row["learning_rate"] == 1e-5
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    name = "lr0.03_batch8_epochs1_seed0"
    assert written["failed"] == {name: "RuntimeError: out of memory, wanted 7 GiB"}
    assert f"failed: {name}: RuntimeError: out of memory, wanted 7 GiB" in capsys.readouterr().out
    assert "RuntimeError" in (tmp_path / "out" / name / "log.txt").read_text()
    # Again, with nothing that fails: only that run is trained.
    monkeypatch.setattr(sweep.classifier, "main", train)
    sweep.started.clear()
    assert len(sweep.main([*arguments[:-2], "--seed", "0", *arguments[-2:]])) == 2 and sweep.started == [name]


def test_a_sweep_in_which_every_run_fails_ends_with_an_error(sweep, tiny_files, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep.classifier, "main", lambda flags: 1 / 0)
    with pytest.raises(SystemExit, match="all 2 runs failed"):
        sweep.main([*tiny_files, *TINY, *GRID, "--output_dir", str(tmp_path / "out")])


BAD = {
    "no learning rate": (["--learning_rate", "0"], "--learning_rate has 0.0; every value must be above 0"),
    "not a number": (["--num_train_epochs", "2", "nan"], "--num_train_epochs has nan; every value must be above 0"),
    "no texts": (["--per_device_train_batch_size", "8", "-4"], "--per_device_train_batch_size has -4"),
    "a negative seed": (["--seed", "-1"], "--seed has -1; every value must be at least 0"),
    "twice": (["--learning_rate", "2e-5", "0.00002"], "--learning_rate has 2e-05 twice"),
    "unknown checkpoint": (["--model_name_or_path", "no/such-bert"], "cannot open the checkpoint 'no/such-bert'"),
    "unknown preset": (["--preset", "giant"], "unknown preset 'giant'"),
    "unknown flag": (["--learning_rates", "1"], "--learning_rates"),
}


@pytest.mark.parametrize("flags, message", BAD.values(), ids=list(BAD))
def test_what_no_run_could_work_with_is_refused_before_any_work(flags, message, sweep, tiny_files, tmp_path):
    with pytest.raises(ValueError, match=message):
        sweep.main([*tiny_files, *TINY, *flags, "--output_dir", str(tmp_path / "out")])
    assert not sweep.started and not (tmp_path / "out").exists()


def test_an_empty_list_is_refused(sweep, tmp_path, capsys):
    with pytest.raises(SystemExit):
        sweep.main(["--learning_rate", "--output_dir", str(tmp_path / "out")])
    assert "--learning-rate: expected at least one argument" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["flag", "data"])
def test_runs_with_other_flags_or_data_are_not_taken_for_these(change, sweep, tiny_files, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep.classifier, "main", lambda flags: None)
    results = {"split": "validation", "train_seconds": 1.0}
    results["single_pass"] = {n: v for m in ("macro_f1", "accuracy") for n, v in ((m, 0.5), (f"{m}_interval", [0, 1]))}
    arguments = [*tiny_files, *TINY, *GRID, "--output_dir", str(tmp_path / "out")]
    for rate in ("1e-05", "0.03"):
        folder = tmp_path / "out" / f"lr{rate}_batch8_epochs3_seed0"
        folder.mkdir(parents=True)
        (folder / "all_results.json").write_text(json.dumps(results))
    sweep.main(arguments)
    sweep.main(arguments)  # the same again is fine
    if change == "data":
        with open(tiny_files[1], "a", encoding="utf-8") as file:
            file.write("one more film,positive\n")
    with pytest.raises(ValueError, match="holds a run with other flags or data .*choose another --output_dir"):
        sweep.main([*arguments, *(["--weight_decay", "0.2"] if change == "flag" else [])])


@pytest.mark.lecture("S2-07")
def test_a_checkpoint_gets_the_table_of_the_lectures_and_a_recipe_counts(sweep, tmp_path):
    tokenizer = train_tokenizer(["a film"], vocab_size=120, min_frequency=1, show_progress=False)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    recipe = tmp_path / "some.args"
    recipe.write_text("--weight_decay 0.05\n--train_file other.csv\n")
    arguments = ["--recipe", str(recipe), "--model_name_or_path", str(tmp_path / "start"), "--train_file", "mine.csv"]
    asked, data_args, flags = sweep.parse_arguments(arguments)
    assert asked.learning_rate == [2e-5, 3e-5] and asked.per_device_train_batch_size == [8, 16]
    assert asked.num_train_epochs == [2, 3, 4] and len(sweep.plan(asked, flags)) == 12
    assert data_args.train_file == "mine.csv"  # what is given besides the recipe wins
    assert flags == ["--weight_decay", "0.05", "--model_name_or_path", str(tmp_path / "start")]

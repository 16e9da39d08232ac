"""`examples/auxiliary_loss.py`: which texts each run gets, and that the table is that of the runs."""

import json
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.training import classifier
from tokenization import train_tokenizer

ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[EOS]"}


@pytest.fixture
def checkpoint(tiny_files, tmp_path):
    texts = load_dataset("csv", data_files=tiny_files[1], split="train", cache_dir=tmp_path / "csv")["text"]
    tokenizer = train_tokenizer(texts, kind="wordlevel", min_frequency=1, special_tokens=ROLES, wrap=False)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = MiniGPTConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **sizes, **ids)
    MiniGPTForCausalLM(config).save_pretrained(tmp_path / "language-model")
    tokenizer.save_pretrained(tmp_path / "language-model")
    return tmp_path / "language-model"


@pytest.mark.slow
@pytest.mark.lecture("S5-62")
def test_each_seed_compares_the_same_labelled_texts_with_and_without_the_other_loss(
    load_runs_script, checkpoint, tiny_files, tmp_path, capsys, monkeypatch
):
    script = load_runs_script("auxiliary_loss")
    started = []
    train = classifier.main
    monkeypatch.setattr(classifier, "main", lambda flags: (started.append(flags), train(flags)))
    out, weight = tmp_path / "out", 0.25
    files = {name: value for name, value in zip(tiny_files[::2], tiny_files[1::2], strict=True)}
    arguments = ["--model_name_or_path", checkpoint, "--train_file", files["--train_file"], "--test_file",
                 files["--test_file"], "--labels", 10, "--seeds", 2, "--weight", weight, "--num_train_epochs", 1,
                 "--output_dir", out, "--learning_rate", "0.01"]  # fmt: skip
    script.run(*arguments)

    flags = {Path(run[-1]).name: dict(zip(run[::2], run[1::2], strict=True)) for run in started}
    everything = Counter(load_dataset("csv", data_files=files["--train_file"], split="train")["text"])
    drawn = []
    for seed in range(2):
        run = flags[f"unlabelled-{seed}"]
        rows = load_dataset("parquet", data_files=run["--train_file"], split="train")
        others = load_dataset("parquet", data_files=run["--unlabelled_file"], split="train")
        assert sorted(Counter(rows["label"]).values()) in ([5, 5], [4, 6]) and others.column_names == ["text"]
        assert Counter(rows["text"]) + Counter(others["text"]) == everything
        drawn.append(rows["text"])
    assert sorted(drawn[0]) != sorted(drawn[1])

    assert list(flags) == [f"{kind}-{seed}" for seed in range(2) for kind in ("zero", "same_texts", "unlabelled")]
    for name, run in flags.items():
        kind, seed = name.rsplit("-", 1)
        assert run["--seed"] == seed and run["--train_file"] == flags[f"zero-{seed}"]["--train_file"]
        assert run["--learning_rate"] == "0.01"
        assert run.get("--auxiliary_lm_weight") == (None if kind == "zero" else str(weight))
        assert ("--unlabelled_file" in run) == (kind == "unlabelled")

    runs = {name: json.loads((out / name / "all_results.json").read_text()) for name in flags}
    scores = {name: run["single_pass"]["macro_f1"] for name, run in runs.items()}
    results = json.loads((out / "auxiliary_loss.json").read_text())
    for kind, result in results.items():
        assert result["macro_f1"] == [scores[f"{kind}-{seed}"] for seed in range(2)]
        assert result["difference"] == [scores[f"{kind}-{seed}"] - scores[f"zero-{seed}"] for seed in range(2)]
    table = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["zero", "same_texts", "unlabelled"]
    assert table[0].rstrip().endswith("0.0 ± 0.0")

    started.clear()  # finished runs are not repeated
    script.run(*arguments)
    assert not started and capsys.readouterr().out.splitlines()[-3:] == table


def test_a_checkpoint_that_is_not_there_is_said_before_any_run(load_runs_script, tmp_path):
    with pytest.raises(ValueError, match="cannot open the checkpoint 'nowhere'"):
        load_runs_script("auxiliary_loss").run("--model_name_or_path", "nowhere", "--output_dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()

"""`examples/pretrain_minibert.py` end to end: what it learns, prints, saves and refuses, and how it survives a kill."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.processes import forked_scripts
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, pipeline

from modeling_minibert import MiniBertForMaskedLM, MiniBertForPreTraining

pytestmark = pytest.mark.filterwarnings("ignore:all 1 pairs have the label")  # one document is held out
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,hidden_dropout_prob=0.1"
TINY = [
    "--config_overrides", f"{SIZES},attention_probs_dropout_prob=0.1", "--tokenizer_options",
    "kind=wordpiece,vocab_size=300", "--objective", "nsp", "--max_seq_length", "32", "--max_tokens", "256",
    "--eval_strategy", "no", "--logging_steps", "2", "--report_to", "none",
]  # fmt: skip
ANIMALS = "kucing anjing ayam ikan burung kuda".split()
PLACES = "taman pasar rumah sawah sungai kebun".split()


def make_corpus(path, documents=60, seed=0):
    """Documents of three sentences about one animal in one place, a blank line between them."""
    draw = random.Random(seed)
    blocks = []
    for _ in range(documents):
        animal, place = draw.choice(ANIMALS), draw.choice(PLACES)
        verbs = draw.sample("bermain tidur makan duduk berlari pulang".split(), 3)
        blocks.append("\n".join(f"{animal} itu {verb} di {place} ." for verb in verbs))
    path.write_text("\n\n".join(blocks), encoding="utf-8")
    return str(path)


@pytest.fixture
def script(load_command, monkeypatch, tmp_path):
    """The script as a module, with a cache of its own."""
    module = load_command("training.mlm")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return module


def weights(folder):
    return load_file(Path(folder) / "model.safetensors")


def same_weights(first, second):
    first, second = weights(first), weights(second)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_own_text_becomes_a_checkpoint_that_stock_classes_open(script, tmp_path, capsys):
    corpus, out = make_corpus(tmp_path / "corpus.txt"), tmp_path / "out"
    script.run("--train_file", corpus, "--output_dir", out, "--num_train_epochs", 3, *TINY, "--eval_strategy", "epoch")
    printed = capsys.readouterr().out
    assert "a model that only counts would have the masked-word loss" in printed
    assert "mlm " in printed and "(unigram " in printed and "nsp 0." in printed and "tokens/s" in printed
    assert printed.count("[MASK]") == 4  # three held-out sentences with a blank, and one to try
    scores = json.loads((out / "all_results.json").read_text())
    assert {"eval_mlm_loss", "eval_masked_accuracy", "eval_nsp_loss", "eval_nsp_accuracy"} <= set(scores)
    assert type(AutoModel.from_pretrained(out)).__name__ == "MiniBertModel"
    assert MiniBertForPreTraining.from_pretrained(out).config.max_position_embeddings == 32
    assert len(pipeline("fill-mask", str(out))("kucing itu [MASK] di taman .")) == 5
    history = json.loads((out / "trainer_state.json").read_text())["log_history"]
    assert {"mlm_loss", "nsp_loss", "tokens_per_second"} <= set(history[0])


@pytest.mark.parametrize("objective", ["mlm", "sop"])
def test_other_objectives_and_whole_words(objective, script, tmp_path):
    corpus, out = make_corpus(tmp_path / "corpus.txt"), tmp_path / "out"
    script.run(*TINY, "--train_file", corpus, "--output_dir", out, "--objective", objective, "--whole_words", "true",
               "--max_steps", 4)  # fmt: skip
    names = set(weights(out))
    assert any(name.startswith("nsp_head") for name in names) == (objective == "sop")
    MiniBertForMaskedLM.from_pretrained(out)


def test_documents_of_another_split_or_file_are_left_out(script, tmp_path, capsys):
    corpus = make_corpus(tmp_path / "corpus.txt", documents=20)
    test = tmp_path / "test.txt"
    test.write_text("\n\n".join(Path(corpus).read_text(encoding="utf-8").split("\n\n")[:3]), encoding="utf-8")
    args = script.DataArguments(train_file=[corpus], leave_out=str(test))
    documents = script.load_text(args, seed=0)
    left = set(documents["train"]["text"]) | set(documents["validation"]["text"])
    assert not left & set(test.read_text(encoding="utf-8").split("\n\n"))
    assert f"documents that also stand in {test}" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"no split \['tset'\]; the splits are \['train'\]"):
        script.load_text(script.DataArguments(train_file=[corpus], leave_out="tset"), seed=0)


def test_goes_on_with_a_checkpoint(script, tmp_path):
    corpus, first, second = make_corpus(tmp_path / "corpus.txt"), tmp_path / "first", tmp_path / "second"
    script.run("--train_file", corpus, "--output_dir", first, "--max_steps", 2, *TINY)
    script.run("--train_file", corpus, "--output_dir", second, "--max_steps", 2, "--learning_rate", 0,
               "--model_name_or_path", first, *TINY)  # fmt: skip
    assert same_weights(first, second)


def test_word_vectors_are_counted_of_the_text_and_of_a_stream(script, tmp_path, capsys):
    small = ["--config_overrides", "hidden_size=6,num_attention_heads=2,num_hidden_layers=1", "--objective", "mlm"]
    corpus = ["--train_file", make_corpus(tmp_path / "corpus.txt"), *TINY, *small, "--word_vectors", "true"]
    script.run(*corpus, "--num_train_epochs", 0, "--output_dir", tmp_path / "out")
    (known,) = re.findall(r"word vectors: (\d+) tokens have one", capsys.readouterr().out)
    weight = AutoModelForMaskedLM.from_pretrained(tmp_path / "out").get_input_embeddings().weight
    assert int(known) > weight.shape[1]
    means = weight.detach().mean(dim=0)  # the counted ones have none; the others are random
    assert means.abs().max() < 0.5 * weight.std()
    stream = [*streaming(tmp_path), *small, "--word_vectors", "true", "--max_steps", 2]
    script.run(*stream, "--output_dir", tmp_path / "stream")
    assert re.search(r"word vectors: \d+ tokens have one", capsys.readouterr().out)
    with pytest.raises(ValueError, match="would replace the word vectors that someone/words has learned"):
        script.run(*corpus, "--model_name_or_path", "someone/words", "--output_dir", tmp_path / "out")


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(script, tmp_path):
    corpus = make_corpus(tmp_path / "corpus.txt")
    once = ["--train_file", corpus, "--max_steps", 31, "--save_steps", 7, *TINY]
    script.run(*once, "--output_dir", tmp_path / "straight")
    # Stopped in the middle of an epoch: the checkpoint of step 14 is the last that is complete.
    script.run(*once, "--output_dir", tmp_path / "resumed", "--save_total_limit", 9)
    for folder in (tmp_path / "resumed").glob("checkpoint-*"):
        if int(folder.name.partition("-")[2]) > 14:
            (folder / "trainer_state.json").write_text('{"epoch": 2.')
    script.run(*once, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint", "true")
    assert same_weights(tmp_path / "straight", tmp_path / "resumed")
    # The premise: another seed gives other weights.
    script.run(*once, "--output_dir", tmp_path / "other", "--data_seed", 5)
    assert not same_weights(tmp_path / "straight", tmp_path / "other")


def streaming(tmp_path):
    """Two files of documents to stream, and some to score."""
    parts = [make_corpus(tmp_path / f"part{number}.txt", documents=30, seed=number) for number in range(2)]
    held_out = make_corpus(tmp_path / "held_out.txt", documents=9, seed=2)
    return ["--streaming", "true", "--train_file", *parts, "--validation_file", held_out, *TINY]


def test_a_streamed_run_learns_and_resumes_bit_for_bit(script, tmp_path, capsys):
    """The 60 documents are about six batches: the stream begins anew several times, also before the break."""
    once = [*streaming(tmp_path), "--max_steps", 16, "--save_steps", 5]
    script.run(*once, "--output_dir", tmp_path / "straight", "--save_total_limit", 9)
    printed = capsys.readouterr().out
    assert "examples: a stream to train on" in printed and "(unigram " in printed and printed.count("[MASK]") == 4
    assert "eval_mlm_loss" in (tmp_path / "straight" / "all_results.json").read_text()
    shutil.copytree(tmp_path / "straight" / "checkpoint-10", tmp_path / "resumed" / "checkpoint-10")
    script.run(*once, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint", "true")
    assert same_weights(tmp_path / "straight", tmp_path / "resumed")


def test_a_stream_needs_a_number_of_steps(script, tmp_path):
    with pytest.raises(ValueError, match="--streaming needs --max_steps"):
        script.run(*streaming(tmp_path), "--output_dir", tmp_path / "out")


def test_the_first_documents_of_a_stream_are_held_out(script, tmp_path, monkeypatch):
    monkeypatch.setattr("modeling_minibert.data.documents.STREAM_HELD_OUT", 5)
    corpus = make_corpus(tmp_path / "corpus.txt", documents=30)
    every = Path(corpus).read_text(encoding="utf-8").split("\n\n")
    documents = script.load_text(script.DataArguments(train_file=[corpus], streaming=True), seed=0)
    assert documents["validation"]["text"] == every[:5]
    assert [row["text"] for row in documents["train"]] == [text for text in every if text not in every[:5]]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_run_killed_at_ten_random_moments_ends_as_if_nothing_had_happened(repository, tmp_path, monkeypatch):
    """SIGKILL, in training and while a checkpoint is written (one is saved after every second update)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script, new_process = repository / "examples/pretrain_minibert.py", forked_scripts()
    arguments = ["--train_file", make_corpus(tmp_path / "corpus.txt"), "--max_steps", 120, "--save_steps", 2, *TINY]
    out, log, draw = tmp_path / "killed", tmp_path / "log", random.Random(0)

    def start(folder, resume=()):
        process = new_process(script, [*arguments, "--output_dir", folder, *resume], log)
        process.start()
        return process

    def run_to_the_end(folder, resume=()):
        process = start(folder, resume)
        process.join(timeout=300)
        assert process.exitcode == 0, log.read_text()[-3000:]

    def checkpoints():
        return {path.name for path in out.glob("checkpoint-*")}

    run_to_the_end(tmp_path / "straight")
    for _ in range(10):
        resume = ["--resume_from_checkpoint", "true"] if any(out.glob("checkpoint-*/trainer_state.json")) else []
        before = checkpoints()
        process = start(out, resume)
        # Once it has begun one to three new checkpoints, a little longer, and then not one instruction more.
        new = draw.randint(1, 3)
        while process.is_alive() and len(checkpoints() - before) < new:
            time.sleep(0.001)
        time.sleep(draw.choice([0, draw.uniform(0, 0.05)]))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, log.read_text()[-3000:]
    run_to_the_end(out, ["--resume_from_checkpoint", "true"])
    assert same_weights(tmp_path / "straight", out)


def run_command(repository, arguments, folder, launcher=()):
    folder.mkdir()
    command = [sys.executable, *launcher, repository / "examples/pretrain_minibert.py", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_with_the_same_global_batch(repository, tmp_path):
    corpus = make_corpus(tmp_path / "corpus.txt", documents=400)
    without = ["--config_overrides", f"{SIZES},hidden_dropout_prob=0,attention_probs_dropout_prob=0".replace(
        "hidden_dropout_prob=0.1,", "")]  # fmt: skip
    arguments = ["--train_file", corpus, "--max_steps", 12, *TINY, *without, "--logging_steps", 1]
    one, two = tmp_path / "one", tmp_path / "two"
    run_command(repository, [*arguments, "--gradient_accumulation_steps", 2, "--output_dir", one / "out"], one)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]  # a free port
    run_command(repository, [*arguments, "--output_dir", two / "out"], two, launcher)
    histories = []
    for folder in (one, two):
        history = json.loads((folder / "out" / "trainer_state.json").read_text())["log_history"]
        histories.append([entry["loss"] for entry in history if "loss" in entry])
    assert len(histories[0]) == 12
    # float32 sums in another order; Trainer rounds what it logs to four digits.
    assert histories[0] == pytest.approx(histories[1], abs=2e-4)

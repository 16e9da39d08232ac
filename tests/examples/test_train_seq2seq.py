"""`examples/train_seq2seq.py`, its bundled pairs, and the nine pairs of the lectures."""

import csv
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.operations import seconds_of_training
from transformers import AutoTokenizer, pipeline

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.data import PairCollator

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "translation"


def read(split):
    with open(FOLDER / f"{split}.csv", encoding="utf-8", newline="") as file:
        return [(row["id"], row["en"]) for row in csv.DictReader(file)]


# The bundled pairs


def test_the_files_are_what_the_grammar_writes(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    importlib.import_module("make_pairs").main(tmp_path)
    for path in FOLDER.glob("*.csv"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_no_verb_and_object_of_the_test_split_stand_together_in_train(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    grammar = importlib.import_module("make_pairs")
    verbs, objects = [verb for verb, _, _ in grammar.VERBS], [noun for noun, _ in grammar.OBJECTS]

    def combinations(split):
        found = set()
        for source, _ in read(split):
            words = source.split()
            found.add((next(verb for verb in verbs if verb in words), next(noun for noun in objects if noun in words)))
        return found

    train, test = combinations("train"), combinations("test")
    assert len(test) == 16 and not train & test and combinations("validation") <= train
    assert {verb for verb, _ in train} == set(verbs) and {noun for _, noun in train} == set(objects)
    pairs = [pair for split in ("train", "validation", "test") for pair in read(split)]
    assert len(pairs) == len(set(pairs)) == 1300


def test_english_conjugates_and_its_article_looks_ahead(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    grammar = importlib.import_module("make_pairs")
    sell = ("sell", "sells", "sold")
    forms = [grammar.conjugate(sell, third, tense, negated) for tense in ("present", "past", "future")
             for negated in (False, True) for third in (False, True)]  # fmt: skip
    assert forms == [
        "sell", "sells", "do not sell", "does not sell", "sold", "sold", "did not sell", "did not sell",
        "will sell", "will sell", "will not sell", "will not sell",
    ]  # fmt: skip
    assert [grammar.with_article(noun) for noun in ("old book", "red umbrella")] == ["an old book", "a red umbrella"]


# The lectures


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    """The lectures' network, trained on their nine pairs as they do it: Adam, all pairs at once; and its seconds."""
    from tokenization import train_tokenizer

    pairs = read("lecture")
    roles = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}
    options = {"kind": "wordlevel", "min_frequency": 1, "special_tokens": roles}
    source, target = (train_tokenizer([pair[side] for pair in pairs], **options) for side in (0, 1))
    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = MiniSeq2SeqConfig.from_preset(
        "lecture", vocab_size=len(source), decoder_vocab_size=len(target), target_tokenizer="target_tokenizer", **ids
    )
    model = MiniSeq2SeqForConditionalGeneration(config).train()
    batch = PairCollator(source)(
        [{"input_ids": source(text)["input_ids"], "labels": target(other)["input_ids"][1:]} for text, other in pairs]
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    tokens, steps = batch["input_ids"].numel() + batch["labels"].numel(), 400
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    seconds = seconds_of_training(model, tokens, steps)
    folder = tmp_path_factory.mktemp("lecture")
    model.eval().save_pretrained(folder)
    source.save_pretrained(folder)
    target.save_pretrained(folder / "target_tokenizer")
    return model, source, target, folder, seconds


def translate_a_doc(text, model, source, target, max_length=12):
    """The lectures' own loop (S5, "Inference"): everything is computed anew for each word."""
    ids, words = source(text, return_tensors="pt")["input_ids"], torch.tensor([[1]])
    for _ in range(max_length - 1):
        with torch.no_grad():
            best = model(input_ids=ids, decoder_input_ids=words, use_cache=False).logits[0, -1].argmax()
        words = torch.cat([words, best[None, None]], dim=1)
        if best == 2:
            break
    return words


@pytest.mark.slow
@pytest.mark.lecture("S5-23", "S5-27", "S5-28", "S5-67")
def test_the_nine_pairs_are_learned_exactly_in_less_than_a_minute(lecture):
    model, source, target, folder, seconds = lecture
    assert seconds < 60
    translate = pipeline("translation", str(folder))
    pairs = read("lecture")
    results = translate([text for text, _ in pairs], max_length=12)
    assert [result["translation_text"] for result in results] == [translation for _, translation in pairs]
    assert translate("kamu datang dengan mobil", max_length=12)[0]["translation_text"] == "you come with a car"


@pytest.mark.lecture("S5-28", "S5-29", "S5-75")
def test_generate_writes_what_the_loop_of_the_lectures_writes_alone_and_in_a_batch(lecture):
    model, source, target, *_ = lecture
    texts = [text for text, _ in read("lecture")] + ["kamu datang ke depok", "saya pergi dengan motor"]
    batch = source(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    together = model.generate(**batch, max_length=12, do_sample=False)
    for text, row in zip(texts, together, strict=True):
        expected = translate_a_doc(text, model, source, target)[0]
        alone = model.generate(**source(text, return_tensors="pt", return_token_type_ids=False), max_length=12)[0]
        assert alone.tolist() == expected.tolist()
        assert row.tolist() == expected.tolist() + [0] * (len(row) - len(expected))


# The script

SMALL = ["--config_overrides", "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_encoder_layers=1,"
         "num_decoder_layers=1,hidden_dropout_prob=0.1", "--report_to", "none", "--max_tokens", "256"]  # fmt: skip


def few_files(tmp_path, train=60):
    flags = []
    for split, count in (("train", train), ("validation", 9), ("test", 7)):
        with open(tmp_path / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("id", "en"), *read(split)[:count]])
        flags += [f"--{split}_file", str(tmp_path / f"{split}.csv")]
    return flags


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_a_run_scores_and_saves_what_the_pipeline_opens(shared, load_example, tmp_path, capsys):
    out = tmp_path / "out"
    load_example("train_seq2seq").run(
        *few_files(tmp_path), *SMALL, "--shared_vocabulary", shared, "--num_train_epochs", 2, "--num_beams", 2,
        "--output_dir", out,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "pairs: 60 train, 9 validation, 7 test" in printed and "test, 2 beams:" in printed
    results = json.loads((out / "all_results.json").read_text())
    assert f"BLEU {results['bleu']:.1f}" in printed and results["num_beams"] == 2
    assert (out / "target_tokenizer").is_dir() != shared
    for file in out.rglob("tokenizer_config.json"):  # a class that transformers 4 knows as well
        assert json.loads(file.read_text())["tokenizer_class"] == "PreTrainedTokenizerFast" or "checkpoint" in str(file)
    # The figures are those of what the saved model generates.
    translate = pipeline("translation", str(out), num_beams=2)
    texts = [result["translation_text"] for result in translate([source for source, _ in read("test")[:7]])]
    from sacrebleu.metrics import CHRF

    references = [target for _, target in read("test")[:7]]
    assert results["chrf"] == pytest.approx(CHRF().corpus_score(texts, [references]).score, abs=1e-6)


@pytest.mark.slow
def test_translations_are_written_in_the_order_of_the_file(load_example, tmp_path, capsys):
    out, files = tmp_path / "out", few_files(tmp_path)
    load_example("train_seq2seq").run(
        *files, *SMALL, "--max_steps", 2, "--num_beams", 1, "--output_dir", out, "--do_predict", "true"
    )
    lines = (out / "generated_predictions.txt").read_text(encoding="utf-8").splitlines()
    translate = pipeline("translation", str(out), num_beams=1)
    test = dict(zip(files[::2], files[1::2], strict=True))["--test_file"]
    with open(test, encoding="utf-8") as file:
        sources = [row["id"] for row in csv.DictReader(file)]
    expected = [each["translation_text"] for each in translate(sources, truncation=True)]
    assert lines == [" ".join(text.split()) for text in expected] and len(lines) == 7


def test_long_sources_are_cut_when_they_are_shown_as_in_training(load_example, tmp_path, capsys):
    load_example("train_seq2seq").run(
        *few_files(tmp_path),
        *SMALL,
        "--max_steps",
        2,
        "--max_length",
        4,
        "--num_beams",
        1,
        "--output_dir",
        tmp_path / "out",
    )
    printed = capsys.readouterr().out
    assert "60 of 60 sources are cut to 4 tokens" in printed and printed.count("    → ") == 5 and "use it:" in printed


@pytest.mark.slow
def test_a_run_goes_on_from_a_checkpoint_and_refuses_what_does_not_fit_it(load_example, tmp_path):
    """The first run also has Trainer's own label smoothing, which keeps the labels from the model, and no scores."""
    script, flags = load_example("train_seq2seq"), [*few_files(tmp_path, 20), "--report_to", "none", "--num_beams", 1]
    script.run(*flags, *SMALL, "--num_train_epochs", 1, "--output_dir", tmp_path / "first",
               "--label_smoothing_factor", 0.1, "--predict_with_generate", "false")  # fmt: skip
    logs = json.loads((tmp_path / "first" / "trainer_state.json").read_text())["log_history"]
    evaluation = next(entry for entry in logs if "eval_loss" in entry)
    assert "eval_chrf" not in evaluation
    assert "chrf" in json.loads((tmp_path / "first" / "all_results.json").read_text())

    flags += ["--model_name_or_path", tmp_path / "first", "--output_dir", tmp_path / "second"]
    with pytest.raises(ValueError, match=r"max_length \(200\) is more than the 129 tokens that the model reads"):
        script.run(*flags, "--max_length", 200)
    assert not (tmp_path / "second").exists()
    script.run(*flags, "--num_train_epochs", 1, "--config_overrides", "hidden_dropout_prob=0.3")
    config = MiniSeq2SeqConfig.from_pretrained(tmp_path / "second")
    assert config.hidden_dropout_prob == 0.3 and config.hidden_size == 16
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "first")
    size = len(tokenizer)
    tokenizer.add_tokens(["mukenaku"])
    tokenizer.save_pretrained(tmp_path / "first")
    with pytest.raises(ValueError, match=f"tokenizer of the source .* has {size + 1} tokens, the model knows {size};"):
        script.run(*flags)


@pytest.mark.slow
def test_a_stopped_run_ends_as_one_that_was_not(load_example, tmp_path):
    flags = [*few_files(tmp_path), *SMALL, "--num_train_epochs", 3, "--num_beams", 1]
    script = load_example("train_seq2seq")
    script.run(*flags, "--output_dir", tmp_path / "whole")
    script.run(*flags, "--output_dir", tmp_path / "part", "--save_total_limit", 9)
    checkpoints = sorted((tmp_path / "part").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    assert len(checkpoints) == 3
    script.run(*flags, "--output_dir", tmp_path / "part", "--resume_from_checkpoint", checkpoints[0])
    both = [MiniSeq2SeqForConditionalGeneration.from_pretrained(tmp_path / name) for name in ("whole", "part")]
    for (name, whole), part in zip(both[0].named_parameters(), both[1].parameters(), strict=True):
        assert whole.equal(part), name
    assert AutoTokenizer.from_pretrained(tmp_path / "part" / "target_tokenizer").get_vocab()


@pytest.mark.slow
def test_two_processes_give_the_losses_and_the_scores_of_one_with_the_same_global_batch(repository, tmp_path):
    flags = [*few_files(tmp_path, train=200), *SMALL, "--max_steps", 6, "--logging_steps", 1, "--num_beams", 2]
    flags = [str(flag).replace("hidden_dropout_prob=0.1", "hidden_dropout_prob=0") for flag in flags]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]  # a free port
    histories, results = [], []
    for name, command in (("one", ["--gradient_accumulation_steps", 2]), ("two", [])):
        out = tmp_path / name
        words = [sys.executable, *(launcher if name == "two" else []), repository / "examples/train_seq2seq.py", *flags]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        run = subprocess.run([str(word) for word in (*words, *command, "--output_dir", out)],
                             env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip
        assert run.returncode == 0, run.stderr[-3000:]
        history = json.loads((out / "trainer_state.json").read_text())["log_history"]
        histories.append([entry["loss"] for entry in history if "loss" in entry])
        results.append(json.loads((out / "all_results.json").read_text()))
        assert (out / "target_tokenizer" / "tokenizer.json").is_file()
    assert len(histories[0]) == 6 and histories[0][-1] < histories[0][0]
    # float32 sums in another order; Trainer rounds what it logs to four digits.
    assert histories[1] == pytest.approx(histories[0], abs=2e-4)
    assert results[1] == results[0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num_beams", "0"], r"num_beams \(0\) must be at least 1"),
        (["--generation_num_beams", "0"], r"generation_num_beams \(0\) must be at least 1"),
        (["--target_column", "fr"], "no column 'fr'; its columns are"),
        (["--dataset_name", "x", "--train_file", "y.csv"], "exclude each other"),
    ],
)
def test_bad_input_is_refused_before_training(flags, message, load_example, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_example("train_seq2seq").run(*flags, "--output_dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()

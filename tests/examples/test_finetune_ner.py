"""`examples/finetune_ner.py` end to end on tiny files: what it saves, scores, prints, marks and refuses."""

import importlib
import json
import random
from pathlib import Path

import pytest
import seqeval.metrics as seq
from transformers import BertConfig, BertModel, pipeline

from modeling_minibert import MiniBertForTokenClassification, MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.data.tagged_files import read_conll, write_conll
from modeling_minibert.evaluation import tag_scores
from tokenization import train_tokenizer

NAMES, CITIES = "Ayu Bayu Citra Dewi Eko Fajar".split(), "Bandung Medan Padang Solo Ambon Bogor".split()
SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,max_position_embeddings=40"
QUICK = ["--num_train_epochs", "3", "--per_device_train_batch_size", "8", "--learning_rate", "0.02", "--report_to",
         "none"]  # fmt: skip
TINY = ["--config_overrides", SIZES, "--tokenizer_options", "kind=wordlevel,min_frequency=1,lowercase=false", *QUICK]


def make_rows(count, seed):
    """ "Ayu Eko pergi ke Solo ." with its tags, and a number that makes it a new sentence."""
    draw, rows = random.Random(seed), []
    for number in range(count):
        name, city = draw.sample(NAMES, draw.choice((1, 2))), draw.choice(CITIES)
        middle = draw.choice((["pergi", "ke"], ["tinggal", "di"]))
        tokens = [*name, *middle, city, f"{seed}{number}", "."]
        tags = ["B-PER", "I-PER"][: len(name)] + ["O", "O", "B-LOC", "O", "O"]
        rows.append((tokens, tags))
    return rows


@pytest.fixture
def script(load_example, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    monkeypatch.setattr(tag_scores, "bootstrap_interval", lambda *args: (0.0, 1.0))
    return load_example("finetune_ner")


@pytest.fixture
def files(tmp_path):
    for split, count, seed in (("train", 60, 1), ("test", 12, 2)):
        write_conll(tmp_path / f"{split}.conll", make_rows(count, seed))
    return ["--train_file", str(tmp_path / "train.conll"), "--test_file", str(tmp_path / "test.conll"), "--output_dir",
            str(tmp_path / "out")]  # fmt: skip


def test_it_learns_saves_and_marks(script, files, tmp_path, capsys):
    results = script.main([*files, *TINY])
    out, printed = tmp_path / "out", capsys.readouterr().out
    saved = json.loads((out / "all_results.json").read_text())
    assert saved["f1"] == results["f1"] > 0.6 and saved["split"] == "test" and saved["scheme"] == "IOB2"
    assert saved["baselines"].keys() == {"most_frequent_tag", "linear_model"} and 0 <= saved["validation"] <= 1
    state = json.loads((out / "trainer_state.json").read_text())
    scores = [log["eval_f1"] for log in state["log_history"] if "eval_f1" in log]
    assert saved["validation"] == state["best_metric"] == max(scores) and len(set(scores)) > 1
    assert "validation: 6 of the train sentences, set apart" in printed and "linear model: f1" in printed
    # The file of predictions gives the same scores, by seqeval itself.
    tags = [[tags for _, _, tags in read_conll(out / "predictions.conll", tag_column=column)] for column in (1, 2)]
    assert seq.f1_score(*tags) == pytest.approx(saved["f1"])
    assert tags[0] == [row for _, row in make_rows(12, 2)]
    # The pipeline gives the predictions of the test, word by word.
    tagger = pipeline("ner", str(out), aggregation_strategy="first")
    for (tokens, _), row in zip(make_rows(12, 2), tags[1], strict=True):
        found = [(entity["entity_group"], entity["word"]) for entity in tagger(" ".join(tokens))]
        kinds = seq.sequence_labeling.get_entities(row)
        assert found == [(kind, " ".join(tokens[first : last + 1])) for kind, first, last in kinds]
    model = MiniBertForTokenClassification.from_pretrained(out)
    assert model.config.id2label[0] == "O" and model.config.scored_pieces == "first"


def start(folder, kind):
    """A tiny checkpoint without a head, random, with its tokenizer."""
    texts = [" ".join(tokens) for tokens, _ in make_rows(60, 1)]
    tokenizer = train_tokenizer(texts, vocab_size=200, min_frequency=1, show_progress=False, model_max_length=24)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": len(tokenizer)}
    if kind == "bert":
        BertModel(BertConfig(**sizes, intermediate_size=32, max_position_embeddings=24)).save_pretrained(folder)
    else:
        sizes |= {"max_position_embeddings": 24, "bos_token_id": None, "eos_token_id": None}
        MiniGPTForCausalLM(MiniGPTConfig(**sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ["--model_name_or_path", str(folder)]


@pytest.mark.parametrize(
    ("kind", "implementation", "model_class", "scored"),
    [
        ("bert", "mini", "MiniBertForTokenClassification", "all"),
        ("bert", "stock", "BertForTokenClassification", "all"),
        ("gpt", None, "MiniGPTForTokenClassification", "last"),
    ],
)
def test_checkpoints_are_tuned(script, files, tmp_path, capsys, kind, implementation, model_class, scored):
    flags = ["--implementation", implementation] if implementation else []
    flags += ["--label_all_pieces", "true"] if scored == "all" else []
    results = script.main([*files, *start(tmp_path / "start", kind), *flags, *QUICK, "--max_seq_length", "9"])
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [model_class] and config["scored_pieces"] == scored
    assert results["f1"] > 0.3
    windows = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("test split"))
    assert windows.startswith("test split: 12 sentences in ") and " 12 windows" not in windows


def test_spans_and_plain_tags_run_too(script, tmp_path, capsys):
    rows = [{"text": " ".join(tokens), "entities": [[0, len(tokens[0]), "PER"]]} for tokens, _ in make_rows(30, 1)]
    (tmp_path / "spans.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    flags = [*TINY, "--num_train_epochs", "1", "--baselines", "false", "--output_dir"]
    results = script.main(["--train_file", str(tmp_path / "spans.jsonl"), *flags, str(tmp_path / "spans")])
    assert results["split"] == "validation" and results["per_type"].keys() <= {"PER"} and results["baselines"] == {}
    plain = [(tokens, [tag[:1].lower() for tag in tags]) for tokens, tags in make_rows(30, 1)]
    write_conll(tmp_path / "pos.conll", plain)
    results = script.main(["--train_file", str(tmp_path / "pos.conll"), *flags, str(tmp_path / "pos")])
    assert results["scheme"] == "plain" and "f1" not in results and 0 <= results["macro_f1"] <= 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--train_sampling_strategy", "group_by_length"], "shuffles the scored rows too"),
        (["--doc_stride", "60"], r"doc_stride \(60\) must be at least 0 and below"),
        (["--max_seq_length", "500"], r"max_seq_length \(500\) is more than the 40 tokens"),
        (["--tag_column", "7"], "has 2 columns in most of its lines, none has the number 7"),
    ],
)
def test_what_cannot_be_done_is_refused(script, files, flags, message):
    with pytest.raises(ValueError, match=message):
        script.main([*files, *TINY, *flags])


# The bundled sentences

FOLDER = Path(__file__).parents[2] / "examples" / "data" / "entities"
SPLITS = ("train", "validation", "test")


@pytest.fixture
def generator(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make_entities")


def test_the_bundled_files_are_what_the_generator_makes(generator):
    for split in SPLITS:
        made = [tuple(zip(*sentence, strict=True)) for sentence in generator.sentences_of(split)]
        read = [(tuple(tokens), tuple(tags)) for _, tokens, tags in read_conll(FOLDER / f"{split}.conll")]
        assert read == made and len(read) == generator.SENTENCES[split]


def test_names_and_frames_of_the_bundled_test_are_not_in_train(generator):
    for language in generator.LANGUAGES:
        names, frames = generator.read_lists(language)
        assert len(set().union(*frames.values())) == sum(map(len, frames.values()))
        for name in generator.APART:
            parts = [set(generator.part_of(names[name], split)) for split in SPLITS]
            assert not parts[0] & parts[2] and not parts[0] & parts[1] and min(map(len, parts)) > 1
    entities = {split: set() for split in SPLITS}
    for split in SPLITS:
        for _, tokens, tags in read_conll(FOLDER / f"{split}.conll"):
            for kind, first, last in seq.sequence_labeling.get_entities(tags):
                if kind != "DATE":
                    entities[split].add((kind, " ".join(tokens[first : last + 1])))
    assert not entities["train"] & entities["test"] and len(entities["test"]) > 250

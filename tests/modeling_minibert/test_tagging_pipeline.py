"""`pipeline("ner")` of our models: whole entities with right offsets for every tokenizer, long texts, saved folders."""

import json
import os
import subprocess
import sys
import warnings

import pytest
import torch
from helpers.processes import WITHOUT_PACKAGE
from transformers import BertConfig, BertForTokenClassification, TokenClassificationPipeline, pipeline

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForTokenClassification,
    MiniGPTConfig,
    MiniGPTForTokenClassification,
)
from modeling_minibert.pipeline_token_classification import (
    WordTokenClassificationPipeline,
    split_words,
    words_of_pieces,
)
from tokenization import KINDS, train_tokenizer

STRATEGIES = ("simple", "first", "average", "max")
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXT = "Kemarin Budi Santoso, direktur PT Maju-Jaya, terbang ke Banda Aceh (Sumatra). Anna's café di Solo tutup!"
TRUTH = [("PER", "Budi Santoso"), ("LOC", "Banda Aceh"), ("LOC", "Sumatra"), ("PER", "Anna"), ("LOC", "Solo")]
WORD_TAGS = {"Budi": 1, "Santoso": 2, "Banda": 3, "Aceh": 4, "Sumatra": 3, "Anna": 1, "Solo": 3}


def tokenizer_of(kind):
    with warnings.catch_warnings(action="ignore"):  # so few words fill no vocabulary
        return train_tokenizer([TEXT] * 3, kind, vocab_size=260, min_frequency=1, lowercase=False, show_progress=False)


def tagger(tokenizer, tags=WORD_TAGS, labels=LABELS, model_class=MiniBertForTokenClassification, **config):
    """A pipeline whose model knows the tag of every word."""
    config_class = {MiniBertForTokenClassification: MiniBertConfig, MiniGPTForTokenClassification: MiniGPTConfig}
    ids = {"id2label": dict(enumerate(labels)), "label2id": {label: number for number, label in enumerate(labels)}}
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "hidden_size": 16, **ids}
    model = model_class(config_class[model_class](num_hidden_layers=1, num_attention_heads=2, **sizes))
    for name, value in config.items():
        setattr(model.config, name, value)
    pipe = pipeline("ner", model=model, tokenizer=tokenizer)
    noise = getattr(model.config, "scored_pieces", "all") == "first"

    def forward(inputs):
        is_last, text = inputs.pop("is_last"), inputs.pop("text")
        windows = text if isinstance(text, list) else [text]
        logits = torch.full((*inputs["input_ids"].shape, len(labels)), -5.0)
        for row, (_, words, _, offsets) in enumerate(windows):
            first, _ = words_of_pieces(words, offsets)
            for piece, word in enumerate(first.tolist()):
                further = piece > 0 and first[piece - 1] == word and word >= 0
                tag = tags.get(words[word], 0) if word >= 0 else 0
                logits[row, piece, len(labels) - 1 if noise and further else tag] = 5.0
        return {"is_last": is_last, "text": text, "logits": logits, "input_ids": inputs["input_ids"]}

    pipe._forward = forward
    return pipe


@pytest.mark.lecture("S3-25")
@pytest.mark.parametrize("scored", ["all", "first"])
@pytest.mark.parametrize("kind", KINDS)
def test_entities_are_whole_with_right_offsets_for_every_tokenizer(kind, scored):
    pipe = tagger(tokenizer_of(kind), scored_pieces=scored)
    for strategy in STRATEGIES:
        found = pipe(TEXT, aggregation_strategy=strategy)
        assert [(entity["entity_group"], entity["word"]) for entity in found] == TRUTH, strategy
        assert [TEXT[entity["start"] : entity["end"]] for entity in found] == [name for _, name in TRUTH]
        assert all(0.99 < entity["score"] <= 1 for entity in found)


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_are_read_in_windows_without_a_lost_or_doubled_entity(kind):
    tokenizer = tokenizer_of(kind)
    tokenizer.model_max_length = {"character": 40, "unigram": 24}.get(kind, 16)
    pipe, long = tagger(tokenizer), " ".join([TEXT] * 7)
    for stride in (None, 4, 9):
        found = pipe(long, aggregation_strategy="first", stride=stride)
        assert [(entity["entity_group"], long[entity["start"] : entity["end"]]) for entity in found] == TRUTH * 7
    with pytest.raises(ValueError, match=r"stride \(500\) must be at least 0 and below"):
        pipe(long, stride=500)


def test_words_batches_and_lists_give_the_same_entities():
    pipe = tagger(tokenizer_of("bpe"))
    one = pipe(TEXT, aggregation_strategy="average")
    assert pipe([TEXT, "Solo.", TEXT], aggregation_strategy="average", batch_size=2)[::2] == [one, one]
    words = [TEXT[start:end] for start, end in split_words(TEXT)]
    (split,) = pipe(words, is_split_into_words=True, aggregation_strategy="average")
    joined = " ".join(words)
    assert [(e["entity_group"], joined[e["start"] : e["end"]]) for e in split] == TRUTH
    assert pipe("", aggregation_strategy="first") == [] == pipe("  \n", aggregation_strategy="first")


def test_pieces_are_listed_without_a_strategy():
    tokenizer = tokenizer_of("character")
    found = tagger(tokenizer)(TEXT)
    assert [entity["word"] for entity in found] == [char for _, name in TRUTH for char in name.replace(" ", "")]
    assert all(TEXT[entity["start"] : entity["end"]] == entity["word"] for entity in found)
    assert found[0].keys() == {"entity", "score", "index", "word", "start", "end"}


@pytest.mark.parametrize(
    ("labels", "tags", "expected"),
    [
        (["O", "B-P", "I-P", "E-P", "S-P"], {"Budi": 1, "Santoso": 3, "Banda": 4, "Aceh": 4}, ["P", "P", "P"]),
        (["O", "B", "I"], {"Budi": 1, "Santoso": 2, "Banda": 1, "Aceh": 1}, ["_", "_", "_"]),
        (["X", "NAME", "PLACE"], {"Budi": 1, "Santoso": 1, "Banda": 2, "Aceh": 2}, ["NAME", "PLACE"]),
    ],
)
def test_other_schemes_are_understood(labels, tags, expected):
    pipe = tagger(tokenizer_of("wordpiece"), tags, labels)
    found = pipe("Budi Santoso Banda Aceh", aggregation_strategy="first", ignore_labels=["O", "X"])
    assert [entity["entity_group"] for entity in found] == expected
    assert found[0]["word"] == "Budi Santoso"


def twins():
    """A stock BERT and our class with the same weights, and the vocabulary of both."""
    from modeling_minibert.stock import from_stock

    tokenizer, torch_seed = tokenizer_of("wordpiece"), torch.manual_seed(3)
    assert torch_seed is not None
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
        id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
        initializer_range=0.6,
    )  # fmt: skip
    stock = BertForTokenClassification(config).eval()
    return stock, from_stock(stock).eval(), tokenizer


def test_outputs_are_those_of_the_stock_pipeline_where_that_knows_the_words():
    stock, ours, tokenizer = twins()
    theirs, mine = (pipeline("ner", model=model, tokenizer=tokenizer) for model in (stock, ours))
    assert type(theirs) is TokenClassificationPipeline and type(mine) is WordTokenClassificationPipeline
    text = "kemarin Budi Santoso terbang ke Banda Aceh"  # punctuation within a word is read otherwise
    for strategy in ("none", "first", "average", "max"):
        expected, found = (pipe(text, aggregation_strategy=strategy) for pipe in (theirs, mine))
        assert len(expected) == len(found) > 2
        for entity, other in zip(expected, found, strict=True):
            assert entity.keys() == other.keys()
            assert entity["score"] == pytest.approx(other["score"], abs=1e-5)
            for key in {"entity", "entity_group", "start", "end", "index"} & entity.keys():
                assert entity[key] == other[key], (strategy, key)


def test_a_saved_folder_brings_its_pipeline_along(tmp_path):
    _, ours, tokenizer = twins()
    ours.save_pretrained(tmp_path / "tagger")
    tokenizer.save_pretrained(tmp_path / "tagger")
    named = json.loads((tmp_path / "tagger" / "config.json").read_text())["custom_pipelines"]
    assert named.keys() == {"ner", "token-classification"}
    here = pipeline("ner", str(tmp_path / "tagger"), aggregation_strategy="first")
    assert type(here) is WordTokenClassificationPipeline
    script = (
        "import sys\n" + WITHOUT_PACKAGE["block"] + "\nimport json\nfrom transformers import pipeline\n"
        "for task in ('ner', 'token-classification'):\n"
        "    pipe = pipeline(task, sys.argv[1], trust_remote_code=True, aggregation_strategy='first')\n"
        "    found = [[e['entity_group'], e['start'], e['end']] for e in pipe(sys.argv[2])]\n"
        "    print('answer', json.dumps([type(pipe).__name__, type(pipe).__module__, found]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "tagger"), TEXT], cwd=tmp_path, stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line in (line[7:] for line in done.stdout.splitlines() if line.startswith("answer ")):
        name, module, found = json.loads(line)
        assert name == "WordTokenClassificationPipeline" and module.startswith("transformers_modules.")
        assert found == [[e["entity_group"], e["start"], e["end"]] for e in here(TEXT)]


def test_a_decoder_has_the_pipeline_too():
    pipe = tagger(tokenizer_of("unigram"), model_class=MiniGPTForTokenClassification, scored_pieces="last")
    assert type(pipe) is WordTokenClassificationPipeline
    assert [entity["word"] for entity in pipe(TEXT, aggregation_strategy="simple")] == [name for _, name in TRUTH]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ma'ruf pergi jam 7.30, naik KA-12.", ["Ma'ruf", "pergi", "jam", "7.30", ",", "naik", "KA-12", "."]),
        ("Anna's (café)!", ["Anna", "'s", "(", "café", ")", "!"]),
        ("@budi #liburan https://a.id/x?y=1 ok", ["@budi", "#liburan", "https://a.id/x?y=1", "ok"]),
        ("Rp1,500 pada 12/03/2021", ["Rp1,500", "pada", "12/03/2021"]),
        ("don't", ["don", "'t"]),
        (" \n", []),
    ],
)
def test_texts_are_split_into_words(text, words):
    assert [text[start:end] for start, end in split_words(text)] == words

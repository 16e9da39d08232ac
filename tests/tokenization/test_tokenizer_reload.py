"""Train → save → AutoTokenizer: nothing may be lost, in this process, in a fresh one, beside any config.json."""

import json
import os
import subprocess
import sys

import pytest
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from tokenization import KINDS, save_tokenizer

ALL = (*KINDS, "bpe+bytes", "unigram+bytes")


def assert_same(ours, theirs, texts):
    assert [theirs(t).data for t in texts] == [ours(t).data for t in texts]
    assert theirs(texts[0], texts[1]).data == ours(texts[0], texts[1]).data
    assert theirs.special_tokens_map == ours.special_tokens_map
    assert theirs.all_special_ids == ours.all_special_ids
    assert theirs.get_vocab() == ours.get_vocab()
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names"):
        assert getattr(theirs, name) == getattr(ours, name), name


@pytest.mark.parametrize("save", [save_tokenizer, lambda t, d: t.save_pretrained(d)], ids=["ours", "save_pretrained"])
@pytest.mark.parametrize("kind", ALL)
def test_saved_tokenizers_open_unchanged_with_auto_tokenizer(trained, kind, save, tmp_path, sentences, odd_texts):
    save(trained[kind], tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert_same(trained[kind], loaded, odd_texts + sentences)
    assert isinstance(loaded, BertTokenizer if kind == "wordpiece" else PreTrainedTokenizerFast)


@pytest.mark.parametrize(
    "options",
    [
        {"strip_html": True},
        {"punctuation": "remove"},
        {"punctuation": "attached"},
        {"lowercase": False},
        {"strip_accents": False},
        {"lowercase": False, "strip_accents": True},
        {"padding_side": "left", "truncation_side": "left", "model_max_length": 37},
        {"wrap": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_option_survives_the_disk(train, kind, options, tmp_path, sentences, odd_texts):
    tokenizer = train(sentences * 2, kind, **options)
    save_tokenizer(tokenizer, tmp_path)
    assert_same(tokenizer, AutoTokenizer.from_pretrained(tmp_path), odd_texts)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordlevel", "character"])
def test_tokenizers_saved_by_0_1_0_open_with_their_own_rules_and_the_same_ids(trained, kind, tmp_path, sentences):
    """Their files differ in the normalizer of accents, in the pre-tokenizer of bpe and unigram, and in the decoder."""
    save_tokenizer(trained[kind], tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    if kind == "character":
        accents = [{"type": name} for name in ("NFD", "StripAccents", "Lowercase", "NFC")]
        state["normalizer"] = {"type": "Sequence", "normalizers": accents}
    else:
        bert = {"clean_text": True, "handle_chinese_chars": kind == "wordlevel", "strip_accents": None}
        steps = [{"type": "BertNormalizer", **bert, "lowercase": True}]
        if kind != "wordlevel":
            steps += state["normalizer"]["normalizers"][-4:]  # spaces as "▁"
            state["pre_tokenizer"]["pretokenizers"] = state["pre_tokenizer"]["pretokenizers"][1:]
        state["normalizer"] = {"type": "Sequence", "normalizers": steps}
    (tmp_path / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    old = AutoTokenizer.from_pretrained(tmp_path)
    assert old(sentences)["input_ids"] == trained[kind](sentences)["input_ids"]
    assert AutoTokenizer.from_pretrained(save_tokenizer(old, tmp_path / "again"))(sentences) == old(sentences)
    for tokenizer, word in ((old, "ม"), (trained[kind], "มี")):
        assert tokenizer.backend_tokenizer.normalizer.normalize_str("มี") == word


def test_extra_special_tokens_survive_and_are_never_split(train, tmp_path, sentences):
    roles = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[SOS]", "extra_special_tokens": ["[DOC]"]}
    tokenizer = train(sentences * 2, "bpe", special_tokens=roles)
    loaded = AutoTokenizer.from_pretrained(save_tokenizer(tokenizer, tmp_path))
    assert_same(tokenizer, loaded, ["aku [DOC] suka", "film"])
    assert loaded.convert_tokens_to_ids("[DOC]") == 3 and "[DOC]" in loaded.tokenize("aku [DOC] suka")


def test_bert_tokenizer_is_used_only_where_it_rebuilds_all_rules(train, sentences):
    assert type(train(sentences)).__name__ == "BertTokenizer"
    for options in ({"strip_html": True}, {"punctuation": "attached"}, {"wrap": False}):
        assert not isinstance(train(sentences, **options), BertTokenizer), options


def test_the_folder_names_classes_that_transformers_4_knows(trained, tmp_path):
    for kind, tokenizer in trained.items():
        config = json.loads((save_tokenizer(tokenizer, tmp_path / kind) / "tokenizer_config.json").read_text("utf-8"))
        assert config["tokenizer_class"] == ("BertTokenizer" if kind == "wordpiece" else "PreTrainedTokenizerFast")
        assert "auto_map" not in config


@pytest.mark.parametrize("model_type", ["minibert", "bert", "gpt2", "marian", "t5"])
@pytest.mark.parametrize("kind", ["wordpiece", "unigram"])
def test_the_config_of_a_model_beside_it_changes_nothing(trained, kind, model_type, tmp_path, odd_texts):
    save_tokenizer(trained[kind], tmp_path)
    config = {"model_type": model_type}
    if model_type == "minibert":
        config["auto_map"] = {"AutoConfig": "configuration_minibert.MiniBertConfig"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    # trust_remote_code=False says no beforehand; without it transformers asks on the terminal whether to run the code.
    loaded = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert_same(trained[kind], loaded, odd_texts)


_ENCODE = """
import json, sys
from transformers import AutoTokenizer
assert "tokenization" not in sys.modules
texts = json.load(sys.stdin)
print(json.dumps([AutoTokenizer.from_pretrained(folder)(texts).input_ids for folder in sys.argv[1:]]))
"""


@pytest.mark.slow
def test_a_fresh_process_without_our_code_gives_the_same_ids(trained, tmp_path, sentences, odd_texts):
    texts = odd_texts + sentences
    folders = [str(save_tokenizer(tokenizer, tmp_path / kind)) for kind, tokenizer in trained.items()]
    result = subprocess.run(
        [sys.executable, "-c", _ENCODE, *folders],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert json.loads(result.stdout) == [tokenizer(texts).input_ids for tokenizer in trained.values()]

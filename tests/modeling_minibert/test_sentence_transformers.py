"""Folders that sentence-transformers opens, and its folders that we open: equal vectors and scores within 1e-5."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.minibert import random_model
from helpers.processes import WITHOUT_PACKAGE
from helpers.sentences import TEXTS, make_encoder, make_tokenizer

from modeling_minibert import MiniBertForSequenceClassification
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder
from modeling_minibert.retrieval.sentence_transformers_folder import (
    EncoderSettings,
    read_activation,
    read_sentence_transformer,
    save_cross_encoder,
    write_sentence_transformer,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # the library's own
PAIRS = [("ular berbahaya", "bisa ular bisa berbahaya"), ("kopi", "hujan pagi dan kopi"), ("sistem", "ular")]
LONG = ["ular bisa berbahaya sistem operasi komputer sangat efisien ilmu dan kopi pagi hujan " * 3]


def open_there(folder, **options):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), local_files_only=True, **options)


@pytest.mark.lecture("S5-34")
@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_it_gives_the_same_vectors_there(tmp_path, pooling, stock):
    settings = EncoderSettings(pooling, max_length=11, prompts={"query": "hujan ", "document": "kopi "})
    encoder = make_encoder(settings=settings)
    encoder.save(tmp_path, stock)
    there = open_there(tmp_path, trust_remote_code=not stock)
    assert type(there[0].model).__name__ == ("BertModel" if stock else "MiniBertModel")
    assert there.max_seq_length == 11 and there.similarity_fn_name == "cosine"
    texts = [*TEXTS, *LONG]
    np.testing.assert_allclose(there.encode(texts), encoder.encode(texts), atol=1e-5)
    np.testing.assert_allclose(there.encode_query(texts), encoder.encode_queries(texts), atol=1e-5)
    np.testing.assert_allclose(there.encode_document(texts), encoder.encode_passages(texts), atol=1e-5)


def test_vectors_for_dot_products_stay_as_they_are(tmp_path):
    encoder = make_encoder(settings=EncoderSettings(normalize=False, similarity="dot"))
    encoder.save(tmp_path)
    there = open_there(tmp_path, trust_remote_code=True)
    vectors = encoder.encode(TEXTS)
    assert np.linalg.norm(vectors, axis=1).min() > 2 and there.similarity_fn_name == "dot"
    np.testing.assert_allclose(there.encode(TEXTS), vectors, atol=1e-5)


@pytest.mark.slow
def test_it_opens_where_this_package_is_not_installed(tmp_path):
    encoder = make_encoder()
    encoder.save(tmp_path / "encoder")
    np.save(tmp_path / "expected.npy", encoder.encode(TEXTS))
    program = (
        f"import sys, numpy\n{WITHOUT_PACKAGE['block']}\n"
        "from sentence_transformers import SentenceTransformer\n"
        f"vectors = SentenceTransformer({str(tmp_path / 'encoder')!r}, trust_remote_code=True).encode({TEXTS!r})\n"
        f"numpy.testing.assert_allclose(vectors, numpy.load({str(tmp_path / 'expected.npy')!r}), atol=1e-5)\n"
        "try:\n"
        f"    SentenceTransformer({str(tmp_path / 'encoder')!r}, trust_remote_code=False)\n"
        "except ValueError as error:\n"
        "    assert 'trust_remote_code' in str(error)\n"
        "else:\n"
        "    raise SystemExit('code of the folder ran without being trusted')\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.pretrained
@pytest.mark.parametrize("implementation", ["stock", "mini"])
def test_a_folder_of_theirs_gives_their_vectors(pretrained_dir, implementation):
    encoder = SentenceEncoder.load(pretrained_dir, implementation)
    assert encoder.settings == EncoderSettings("mean", normalize=True, max_length=256)
    texts = ["A snake can be dangerous.", "bisa ular", "", "word " * 300]
    there = open_there(pretrained_dir)
    assert there.max_seq_length == 256
    np.testing.assert_allclose(encoder.encode(texts), there.encode(texts), atol=1e-5)


def test_a_folder_that_the_library_saved_is_read_with_its_settings(tmp_path):
    encoder = make_encoder(settings=EncoderSettings("cls", max_length=9, prompts={"query": "ular "}))
    encoder.save(tmp_path / "ours", stock=True)
    there = open_there(tmp_path / "ours")
    there.save(str(tmp_path / "theirs"))
    loaded = SentenceEncoder.load(tmp_path / "theirs")
    assert loaded.settings == encoder.settings
    np.testing.assert_allclose(loaded.encode_queries(TEXTS), there.encode_query(TEXTS), atol=1e-5)


def test_a_transformer_in_a_folder_of_its_own_is_found(tmp_path):
    encoder = make_encoder()
    encoder.save(tmp_path / "0_Transformer")
    write_sentence_transformer(tmp_path, encoder.settings, encoder.features)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(SentenceEncoder.load(tmp_path).encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_an_ordinary_checkpoint_has_no_such_files(tmp_path):
    assert read_sentence_transformer(tmp_path) is None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "modules.json",
            ["Transformer", "Pooling", "Dense"],
            "encodes by Transformer, Pooling, Dense; Sen",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_lasttoken": True},
            "pools by lasttoken; SentenceEncoder has",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True},
            "pools by cls and max",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "mean", "include_prompt": False},
            "by mean without the prompt",
        ),
        (
            "sentence_bert_config.json",
            {"max_seq_length": 9, "do_lower_case": True},
            "lowers texts before its",
        ),
    ],
)
def test_what_would_give_other_vectors_is_refused(tmp_path, file, content, message):
    make_encoder().save(tmp_path)
    if isinstance(content, list):
        content = [
            {"idx": 0, "name": "0", "path": "", "type": f"sentence_transformers.models.{name}"} for name in content
        ]
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        SentenceEncoder.load(tmp_path)


def score_here(model, tokenizer, length):
    """The logits of each pair alone."""
    rows = [tokenizer(*pair, return_tensors="pt", truncation=True, max_length=length) for pair in PAIRS]
    with torch.no_grad():
        return torch.cat([model(**row).logits for row in rows])


@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize(("labels", "activation"), [(1, "identity"), (1, "sigmoid"), (1, None), (2, None)])
def test_a_cross_encoder_gives_the_same_scores_there(tmp_path, labels, activation, stock):
    from sentence_transformers import CrossEncoder

    model, tokenizer = random_model(MiniBertForSequenceClassification, num_labels=labels), make_tokenizer()
    save_cross_encoder(model, tokenizer, tmp_path, activation, max_length=8, stock=stock)
    there = CrossEncoder(str(tmp_path), local_files_only=True, trust_remote_code=not stock)
    assert there.max_seq_length == 8
    logits = score_here(model, tokenizer, 8)
    if labels == 2:
        scores, expected = there.predict(PAIRS, apply_softmax=True)[:, 1], logits.softmax(-1)[:, 1]
    else:
        expected = (logits.sigmoid() if activation == "sigmoid" else logits)[:, 0]
        scores = there.predict(PAIRS)
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)
    assert read_activation(there.config) == (activation or "identity")


def test_an_activation_of_theirs_is_read_or_refused():
    config = random_model(MiniBertForSequenceClassification, num_labels=1).config
    assert read_activation(config) == "sigmoid"
    config.num_labels = 2
    assert read_activation(config) == "identity"
    config.sbert_ce_default_activation_function = "torch.nn.modules.linear.Identity"
    config.num_labels = 1
    assert read_activation(config) == "identity"
    config.sentence_transformers = {"activation_fn": "torch.nn.modules.activation.Tanh"}
    with pytest.raises(ValueError, match="applies torch.nn.modules.activation.Tanh to its logits; only sigmoid"):
        read_activation(config)
    with pytest.raises(ValueError, match="activation is 'tanh'; choose one of sigmoid, identity"):
        save_cross_encoder(None, None, "nowhere", "tanh")

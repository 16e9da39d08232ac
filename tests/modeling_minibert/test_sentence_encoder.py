"""`SentenceEncoder`, against the token vectors of the model itself, averaged in a loop."""

import numpy as np
import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import small_gpt_config as gpt_config
from helpers.sentences import TEXTS, VOCABULARY, make_encoder, make_tokenizer
from helpers.seq2seq import small_seq2seq_config as seq2seq_config
from transformers import AutoModel

from modeling_minibert import MiniBertForMaskedLM, MiniBertModel, MiniGPTModel, MiniSeq2SeqModel
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder
from modeling_minibert.retrieval.sentence_transformers_folder import EncoderSettings
from modeling_minibert.stock import to_stock


def encode_alone(encoder, text, pooling="mean"):
    """One text at a time, without a pad, without this package's pooling."""
    ids = encoder.tokenizer(text, return_tensors="pt", truncation=True, max_length=encoder.settings.max_length)
    with torch.no_grad():
        states = encoder.model(ids["input_ids"]).last_hidden_state[0]
    vector = {"mean": states.mean(0), "cls": states[0], "max": states.max(0).values}[pooling]
    return (vector / vector.norm()).numpy()


@pytest.mark.lecture("S5-34", "S5-72")
@pytest.mark.parametrize("implementation", ["packed", "sdpa", "eager"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_vector_is_that_of_the_text_alone_whatever_stands_beside_it(pooling, implementation):
    encoder = make_encoder(settings=EncoderSettings(pooling), attn_implementation=implementation)
    vectors = encoder.encode(TEXTS, batch_size=3)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), 20)
    expected = np.stack([encode_alone(encoder, text, pooling) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, atol=2e-6)  # float32 sums in another order
    # The premise: a mean over the pads too is another vector.
    batch = encoder.tokenize(TEXTS)
    difference = encoder.model(**batch).last_hidden_state.mean(1) - encoder.pool(**batch)
    assert difference.abs().max() > 1e-3


@pytest.mark.lecture("S5-72")
def test_encoding_switches_dropout_off_and_restores_the_mode_of_every_part():
    encoder = make_encoder(hidden_dropout_prob=0.5)
    expected = encoder.encode(TEXTS)
    encoder.train()
    encoder.model.layers[1].eval()
    modes = [part.training for part in encoder.modules()]
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-6)
    assert [part.training for part in encoder.modules()] == modes
    assert (encoder(**encoder.tokenize(TEXTS)).detach().numpy() - expected).max() > 1e-3


def test_batches_are_sorted_by_length_and_results_are_not():
    encoder, widths = make_encoder(), []
    encoder.model.register_forward_pre_hook(
        lambda module, args, inputs: widths.append(inputs["input_ids"].shape), with_kwargs=True
    )
    encoder.encode(TEXTS, batch_size=3)
    lengths = sorted((len(encoder.tokenizer(text)["input_ids"]) for text in TEXTS), reverse=True)
    assert widths == [(3, lengths[0]), (3, lengths[3]), (1, lengths[6])]


@pytest.mark.lecture("S5-32")
def test_a_token_vector_depends_on_its_context():
    encoder = make_encoder(position_embedding_type="none")
    batch = encoder.tokenize(["bisa ular", "bisa komputer"])
    outputs = encoder.model(**batch, output_hidden_states=True)
    first, last = outputs.hidden_states[0][:, 1], outputs.last_hidden_state[:, 1]
    assert torch.equal(first[0], first[1])  # one word, one embedding
    assert (last[0] - last[1]).abs().max() > 1e-2


@pytest.mark.slow
@pytest.mark.lecture("S5-42")
@pytest.mark.parametrize("seed", range(5))
def test_computing_is_nearer_to_operating_systems_than_to_snakes(seed, load_example):
    demo = load_example("demos/doc_vector")
    texts = [demo.QUERY, demo.SNAKE, demo.SYSTEM]
    query, snake, system = demo.train_encoder(seed).encode(texts)
    assert query @ snake < query @ system  # the lecture: 0.34 and 0.72
    # Random weights find all texts alike; what keeps the snakes away was learned.
    random_query, random_snake, _ = demo.train_encoder(seed, steps=0).encode(texts)
    assert query @ snake < 0.5 < 0.75 < random_query @ random_snake


@pytest.mark.parametrize("implementation", [None, "mini", "stock"])
def test_a_checkpoint_with_any_head_opens_without_it(tmp_path, implementation):
    model = random_model(MiniBertForMaskedLM)
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    encoder = SentenceEncoder.load(tmp_path, implementation)
    assert not encoder.training
    assert type(encoder.model).__name__ == ("BertModel" if implementation == "stock" else "MiniBertModel")
    expected = SentenceEncoder(model.minibert, make_tokenizer()).encode(TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=2e-6)


def test_a_stock_model_is_encoded_like_its_twin():
    encoder = make_encoder()
    stock = SentenceEncoder(to_stock(encoder.model), make_tokenizer())
    np.testing.assert_allclose(stock.encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


def test_a_saved_folder_is_a_checkpoint_and_keeps_settings_and_fingerprint(tmp_path):
    settings = EncoderSettings("max", normalize=False, max_length=9, prompts={"query": "ular "}, similarity="dot")
    encoder = make_encoder(settings=settings)
    encoder.encode(TEXTS)
    encoder.save(tmp_path)
    loaded = SentenceEncoder.load(tmp_path)
    assert loaded.settings == settings
    assert loaded.fingerprint == encoder.fingerprint
    assert isinstance(AutoModel.from_pretrained(tmp_path), MiniBertModel)
    for kind in ("query", "document"):
        np.testing.assert_allclose(loaded.encode(TEXTS, kind=kind), encoder.encode(TEXTS, kind=kind), atol=1e-6)


def test_the_fingerprint_changes_with_all_that_changes_a_vector_and_with_nothing_else():
    encoder = make_encoder()
    before = encoder.fingerprint
    encoder.encode(TEXTS, batch_size=2)
    encoder.model.pooler.dense.weight.data += 1
    assert encoder.fingerprint == before
    others = [
        SentenceEncoder(encoder.model, make_tokenizer(), EncoderSettings("max")),
        SentenceEncoder(encoder.model, make_tokenizer(), EncoderSettings(max_length=5)),
        SentenceEncoder(encoder.model, make_tokenizer(), EncoderSettings(normalize=False)),
        SentenceEncoder(encoder.model, make_tokenizer([*VOCABULARY[:-2], VOCABULARY[-1], VOCABULARY[-2]])),
    ]
    prints = {before, *(other.fingerprint for other in others)}
    encoder.model.config.num_attention_heads = 2
    prints.add(encoder.fingerprint)
    encoder.model.config.num_attention_heads = 4
    encoder.model.layers[2].state_dict()["attention.query.weight"][3, 1] += 1e-6
    prints.add(encoder.fingerprint)
    assert len(prints) == 7


def test_prompts_stand_before_the_texts_of_their_kind():
    encoder = make_encoder(
        settings=EncoderSettings(
            prompts={"query": "hujan ", "passage": "kopi ", "other": "pagi "}, default_prompt="other"
        )
    )
    plain = SentenceEncoder(encoder.model, make_tokenizer())
    for found, prompt in (
        (encoder.encode_queries(TEXTS), "hujan "),
        (encoder.encode_passages(TEXTS), "kopi "),
        (encoder.encode(TEXTS), "pagi "),
    ):
        np.testing.assert_allclose(found, plain.encode([prompt + text for text in TEXTS]), atol=1e-6)


def test_windows_read_all_of_a_long_text():
    encoder = make_encoder(settings=EncoderSettings(max_length=6))
    texts = [
        "kopi pagi",
        "ular bisa berbahaya sistem operasi komputer sangat efisien ilmu dan",
    ]  # windows of 4, 4 and 2
    vectors = encoder.encode(texts, windows=True)
    words = texts[1].split()
    sums = 0
    for part in (words[:4], words[4:8], words[8:]):
        ids = encoder.tokenizer(" ".join(part), return_tensors="pt")["input_ids"]
        sums += encoder.model(ids).last_hidden_state.detach()[0].sum(0)  # a mean, times its tokens
    expected = (sums / sums.norm()).numpy()
    np.testing.assert_allclose(vectors[1], expected, atol=2e-6)
    np.testing.assert_allclose(vectors[0], encoder.encode(texts[:1])[0], atol=1e-6)
    assert np.abs(encoder.encode(texts)[1] - vectors[1]).max() > 1e-3


def test_a_decoder_is_encoded_too_but_not_by_its_first_token():
    model = MiniGPTModel(gpt_config()).eval()
    encoder = SentenceEncoder(model, make_tokenizer())
    np.testing.assert_allclose(encoder.encode(TEXTS)[2], encode_alone(encoder, TEXTS[2]), atol=2e-6)
    with pytest.raises(ValueError, match="the first token of MiniGPTModel sees no other"):
        SentenceEncoder(model, make_tokenizer(), EncoderSettings("cls"))


def test_no_texts_give_no_vectors_and_progress_is_printed_when_asked(capsys):
    encoder = make_encoder()
    assert encoder.encode([]).shape == (0, 20) and encoder.encode([], windows=True).shape == (0, 20)
    assert capsys.readouterr().out == ""
    encoder.encode(TEXTS, batch_size=4, show_progress=True)
    assert capsys.readouterr().out == "encoded 4 of 7 texts\nencoded 7 of 7 texts\n"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("ular", "texts is the single text 'ular'; give a list of texts"),
        (["ular", None], "text 1 is a NoneType, None; give texts"),
        (["ular", 3.5], "text 1 is a float, 3.5; give texts"),
    ],
)
def test_what_is_not_a_list_of_texts_is_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        make_encoder().encode(texts)


def test_a_text_without_tokens_is_refused():
    encoder = make_encoder()
    encoder.tokenizer.backend_tokenizer.post_processor = None
    with pytest.raises(ValueError, match="text 4 has no tokens; leave empty texts out"):
        encoder.encode(TEXTS)


def test_models_and_lengths_that_do_not_fit_are_refused():
    model = random_model(MiniBertModel)
    with pytest.raises(ValueError, match="max_length is 24, the model reads 23 tokens"):
        SentenceEncoder(model, make_tokenizer(), EncoderSettings(max_length=24))
    with pytest.raises(ValueError, match="pooling is 'first'; choose one of mean, cls, max"):
        EncoderSettings("first")
    with pytest.raises(ValueError, match="MiniSeq2SeqModel has an encoder and a decoder"):
        SentenceEncoder(MiniSeq2SeqModel(seq2seq_config()), make_tokenizer())
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="the tokenizer has no pad token"):
        SentenceEncoder(model, tokenizer)
    with pytest.raises(ValueError, match="does not belong to this model: it has 204 tokens, the model knows 101"):
        SentenceEncoder(model, make_tokenizer([*VOCABULARY, *(f"w{number}" for number in range(186))]))

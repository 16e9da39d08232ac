"""What MiniSeq2Seq refuses: the message names what was given, what is allowed, and what to do."""

import pytest
import torch
from helpers.seq2seq import random_seq2seq, small_seq2seq_config, source_batch, target_ids


@pytest.fixture(scope="module")
def model():
    return random_seq2seq(decoder_vocab_size=83)


def refused(call, *parts):
    with pytest.raises(ValueError) as error:
        call()
    for part in parts:
        assert part in str(error.value)


@pytest.mark.lecture("S5-69")
def test_a_source_or_a_target_longer_than_the_positions(model):
    long = torch.full((2, 24), 5)
    target = target_ids(2)
    refused(lambda: model(long, decoder_input_ids=target), "24 tokens", "23 positions", "truncat")
    refused(lambda: model(target, decoder_input_ids=long), "24 tokens", "23 positions")
    refused(lambda: model.generate(long), "24 tokens", "23 positions")
    refused(lambda: model.generate(target, max_length=24), "24 tokens", "23", "max_length")
    unlimited = random_seq2seq(preset="t5")
    assert unlimited.generate(long, max_length=26, min_length=26).shape == (2, 26)


def test_an_empty_source(model):
    target = target_ids(2)
    refused(lambda: model(torch.ones(2, 0, dtype=torch.long), decoder_input_ids=target), "(2, 0)", "at least one token")
    batch = source_batch((4, 2, 3))
    batch["attention_mask"][1] = 0
    refused(lambda: model(**batch, decoder_input_ids=target_ids()), "source 1 of 3", "no tokens")
    refused(lambda: model.generate(**batch), "source 1 of 3", "no tokens")


def test_no_target_no_source_and_both_forms_of_one(model):
    ids = target_ids()
    refused(lambda: model(ids), "decoder_input_ids or decoder_inputs_embeds")
    refused(lambda: model(decoder_input_ids=ids), "input_ids or inputs_embeds")
    vectors = torch.zeros(3, 7, 20, dtype=torch.float64)
    refused(lambda: model(ids, inputs_embeds=vectors, decoder_input_ids=ids), "not both")
    refused(lambda: model(ids, decoder_input_ids=torch.ones(3, 0, dtype=torch.long)), "(3, 0)", "decoder_input_ids")


def test_words_of_another_vocabulary(model):
    """The source knows 101 words, the target 83."""
    ids, other = target_ids(), torch.full((3, 7), 90)
    assert model(other, decoder_input_ids=ids).logits.shape == (3, 7, 83)
    refused(lambda: model(ids, decoder_input_ids=other), "90", "0 to 82", "tokenizer")
    refused(lambda: model(ids, labels=other), "90", "0 to 82")
    refused(lambda: model(other + 11, decoder_input_ids=ids), "101", "0 to 100")
    refused(lambda: model.resize_token_embeddings(200), "101", "83", "200")


def test_settings_of_generate_before_the_source_is_read(model, monkeypatch):
    monkeypatch.setattr(model.miniseq2seq.encoder, "forward", lambda *args, **kwargs: pytest.fail("work was done"))
    batch = source_batch()
    refused(lambda: model.generate(**batch, num_beams=0), "num_beams is 0", "1 for greedy")
    refused(lambda: model.generate(**batch, do_sample=True, top_p=1.5), "top_p is 1.5", "at most 1")


def test_masks(model):
    batch = source_batch()
    mask = torch.ones(3, 9, 9)
    refused(lambda: model(batch["input_ids"], mask, decoder_input_ids=target_ids()), "(3, 9, 9)", "(batch, tokens)")
    refused(lambda: model(**batch, decoder_input_ids=target_ids(), decoder_attention_mask=torch.ones(3, 5)), "5", "7")


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"hidden_size": 22}, ("hidden_size (22)", "num_attention_heads (4)")),
        ({"decoder_start_token_id": 83, "decoder_vocab_size": 83}, ("decoder_start_token_id (83)", "83 tokens")),
        ({"pad_token_id": 90, "decoder_vocab_size": 83}, ("pad_token_id (90)", "83 tokens")),
        ({"position_embedding_type": "rotary"}, ("'rotary'", "relative")),
        ({"target_tokenizer": "../../elsewhere"}, ("target_tokenizer ('../../elsewhere')", "sub-folder")),
        ({"relative_buckets": 7}, ("relative_buckets (7)", "even")),
        ({"relative_max_distance": 16}, ("relative_max_distance (16)", "(32)")),
        ({"label_smoothing": 1.0}, ("label_smoothing (1.0)", "below 1")),
        ({"num_decoder_layers": -1}, ("num_decoder_layers (-1)", "at least 0")),
        ({"is_encoder_decoder": False}, ("is_encoder_decoder", "True")),
    ],
)
def test_configurations_that_contradict_themselves(fields, parts):
    refused(lambda: small_seq2seq_config(**fields), *parts)


def test_flash_attention_and_relative_positions():
    model = random_seq2seq(preset="t5")
    model.config._attn_implementation_internal = "flash_attention_2"  # needs no installation to be refused
    refused(lambda: model(target_ids(), decoder_input_ids=target_ids()), "flash_attention_2", "relative", "sdpa")

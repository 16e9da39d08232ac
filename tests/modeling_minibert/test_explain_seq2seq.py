"""The trace of an encoder–decoder: both stacks, and the attention from one to the other."""

import json
import math
import re

import pytest
import torch
from helpers.traces import EXACT, SIZES, TEXT, WORDS, word_tokenizer
from torch import nn
from torch.testing import assert_close

import modeling_minibert as ours
from modeling_minibert.explain import trace, write_html


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(WORDS)


def random_seq2seq(preset):
    sizes = {name: value for name, value in SIZES.items() if name != "num_hidden_layers"}
    edges = {"decoder_start_token_id": 2, "bos_token_id": 2, "eos_token_id": 3}
    config = ours.MiniSeq2SeqConfig.from_preset(preset, num_encoder_layers=2, num_decoder_layers=3, **sizes, **edges)
    model = ours.MiniSeq2SeqForConditionalGeneration(config).double().eval()
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, 1.0 if name.endswith("norm.weight") else 0.0, 0.3)
    return model


@pytest.mark.parametrize("preset", ["vanilla", "t5"])
def test_both_stacks_are_those_of_the_model(preset, tokenizer):
    model = random_seq2seq(preset)
    traced = trace(model, tokenizer, TEXT, "aku suka film")
    assert traced.decoder.tokens == ["[CLS]", "[CLS]", "aku", "suka", "film"]  # the start, and the target but its end
    outputs = model(**traced.inputs, output_attentions=True)
    assert_close(traced.logits["logits"], outputs.logits[0], **EXACT)
    for layer, weights in zip(traced.encoder.layers, outputs.encoder_attentions, strict=True):
        assert_close(layer.attention.weights, weights[0], **EXACT)
        assert layer.cross_attention is None
    for layer, own, cross in zip(
        traced.decoder.layers, outputs.decoder_attentions, outputs.cross_attentions, strict=True
    ):
        assert_close(layer.attention.weights, own[0], **EXACT)
        assert_close(layer.cross_attention.weights, cross[0], **EXACT)
        for attention in (layer.attention, layer.cross_attention):
            hidden = attention.scores.masked_fill(~attention.visible, -math.inf)
            assert_close(attention.weights, hidden.softmax(-1), rtol=0, atol=1e-12)
        before = layer.attention_residual if layer.pre_norm else layer.attention_norm
        assert_close(layer.cross_attention_residual, before + layer.cross_attention.output, rtol=0, atol=1e-12)
        before = layer.cross_attention_residual if layer.pre_norm else layer.cross_attention_norm
        assert_close(layer.feed_forward_residual, before + layer.feed_forward_output, rtol=0, atol=1e-12)


def test_without_a_target_it_reads_what_it_writes(tokenizer, tmp_path):
    model = random_seq2seq("vanilla")
    traced = trace(model, tokenizer, TEXT)
    written = model.generate(**{k: v for k, v in traced.inputs.items() if "decoder" not in k}, max_length=23)[0]
    assert traced.decoder.input_ids == written[:-1].tolist()
    best = [tokenizer.convert_tokens_to_ids(prediction.candidates[0][0]) for prediction in traced.predictions]
    assert best == written[1:].tolist()
    page = write_html(traced, tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [entry["kind"] for entry in data["attentions"]] == ["self", "causal", "cross"]
    text = traced.describe(layer=2, head=1, token=0)
    assert "Layer 2, cross-attention, head 1" in text and "Encoder with 20 features, layers: 2" in text
    shown = [float(number) for number in re.findall(r"Softmax: +(\S+)", text.partition("cross-attention")[2])]
    assert shown == pytest.approx(traced.decoder.layers[2].cross_attention.weights[1, 0].tolist(), abs=6e-5)


def test_two_vocabularies_are_refused(tokenizer):
    model = random_seq2seq("lecture")
    model.config.decoder_vocab_size = 31
    with pytest.raises(ValueError, match=f"two vocabularies, of {len(WORDS)} and 31 tokens"):
        trace(model, tokenizer, TEXT)


def test_a_target_longer_than_the_positions(tokenizer):
    with pytest.raises(ValueError, match="24 tokens long but this model was built for 23"):
        trace(random_seq2seq("vanilla"), tokenizer, TEXT, "suka " * 22)
    assert torch.is_grad_enabled()

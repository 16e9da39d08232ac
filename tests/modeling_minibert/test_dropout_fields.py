"""Every dropout of a configuration is applied, at its place and nowhere else; none is accepted and forgotten."""

import dataclasses

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import random_gpt
from helpers.seq2seq import random_seq2seq, source_batch, target_ids
from torch import nn
from torch.testing import assert_close

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForSequenceClassification,
    MiniGPTConfig,
    MiniGPTForSequenceClassification,
    MiniSeq2SeqConfig,
)
from modeling_minibert.dropout import Dropout
from modeling_minibert.feed_forward import FeedForward


def dropout_fields(config):
    return [field.name for field in dataclasses.fields(config) if "dropout" in field.name]


def build_bert(**fields):
    return random_model(MiniBertForSequenceClassification, mask_token_id=3, attn_implementation="eager", **fields)


def build_gpt(**fields):
    return random_gpt(MiniGPTForSequenceClassification, attn_implementation="eager", **fields)


def build_seq2seq(**fields):
    return random_seq2seq(attn_implementation="eager", **fields)


FAMILIES = {MiniBertConfig: build_bert, MiniGPTConfig: build_gpt, MiniSeq2SeqConfig: build_seq2seq}
CASES = [(config, field) for config in FAMILIES for field in dropout_fields(config)]


def run(model):
    """The outputs for one batch, twice in a row."""
    torch.manual_seed(1)
    if model.config.is_encoder_decoder:
        batch = {**source_batch(), "decoder_input_ids": target_ids()}
    else:
        batch = {"input_ids": torch.randint(4, 99, (3, 7))}
    return [model(**batch).logits.detach() for _ in range(2)]


@pytest.mark.lecture("S5-66")
@pytest.mark.parametrize(("config", "field"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_dropout_field_is_used_in_training_alone(config, field):
    others = dict.fromkeys(dropout_fields(config), 0.0)
    first, second = run(FAMILIES[config](**others).train())
    assert torch.equal(first, second), "premise: without dropout nothing is random"
    model = FAMILIES[config](**{**others, field: 0.5})
    first, second = run(model.train())
    assert (first - second).abs().max() > 1e-3
    assert torch.equal(*run(model.eval()))


@pytest.mark.lecture("S5-66")
@pytest.mark.parametrize("build", [build_bert, build_gpt], ids=["minibert", "minigpt"])
def test_the_input_dropout_falls_on_what_the_first_layer_reads(build):
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    model, read = build(embedding_dropout_prob=0.4, **none), []
    model.base_model.layers[0].register_forward_pre_hook(lambda module, inputs: read.append(inputs[0].detach()))
    run(model.eval())
    run(model.train())
    whole, dropped = read[0], read[2]
    gone = dropped == 0
    assert (whole == 0).sum() == 0 and abs(gone.double().mean() - 0.4) < 0.1  # 3 · 7 · 20 features: four deviations
    assert_close(dropped[~gone], whole[~gone] / 0.6, rtol=1e-4, atol=0)  # the share is a multiple of 1/65,536


@pytest.mark.lecture("S5-66")
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_feed_forward_network_drops_after_its_activation(activation):
    """For ReLU the order changes no value; for GELU it does: gelu(2x) is not 2 gelu(x)."""
    config = MiniSeq2SeqConfig(
        vocab_size=9, hidden_size=6, num_attention_heads=2, intermediate_size=50, hidden_act=activation,
        activation_dropout_prob=0.5, hidden_dropout_prob=0.0,
    )  # fmt: skip
    network, seen = FeedForward(config).double().train(), {}
    for name in ("up", "activation_dropout", "down"):
        getattr(network, name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: (inputs[0].detach(), output.detach())})
        )
    states = torch.randn(2, 5, 6, dtype=torch.double)
    result = network(states)
    active = getattr(nn.functional, activation)(seen["up"][1])
    assert_close(seen["activation_dropout"][0], active)
    dropped = seen["down"][0]
    kept = dropped != 0
    assert_close(dropped[kept], 2 * active[kept])
    assert abs((~kept & (active != 0)).sum() / (active != 0).sum() - 0.5) < 0.15
    assert_close(result, network.down(dropped))
    assert isinstance(network.dropout, Dropout) and network.dropout.p == 0

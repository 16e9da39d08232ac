"""Norms, feed-forward and embeddings, against torch and against the tables of the lectures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.compare import assert_same_outputs, assert_same_weights
from torch.testing import assert_close

from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.embeddings import Embeddings, sinusoidal_positions
from modeling_minibert.feed_forward import ACTIVATIONS, FeedForward, gelu, gelu_tanh
from modeling_minibert.normalization import LayerNorm, RMSNorm, layer_norm, rms_norm

B, L, E, M, V = 3, 7, 20, 37, 101


def small_config(**fields):
    sizes = dict(vocab_size=V, hidden_size=E, num_attention_heads=4, num_hidden_layers=2, intermediate_size=M)
    return MiniBertConfig(**{**sizes, "max_position_embeddings": 23, **fields})


@pytest.mark.lecture("S2-14", "S2-34", "S5-64")
@pytest.mark.parametrize("size", [2, 8, 33])
def test_layer_norm_equals_torch(size):
    x, weight, bias = torch.randn(B, L, size).double() * 5 + 3, torch.randn(size).double(), torch.randn(size).double()
    theirs = F.layer_norm(x, (size,), weight, bias, 1e-12)
    assert_close(layer_norm(x, weight, bias, 1e-12), theirs, rtol=0, atol=1e-9)  # order 10, divided by a small std
    module = LayerNorm(size, 1e-12).double()
    module.load_state_dict({"weight": weight, "bias": bias})
    assert_same_outputs(module(x), theirs)


def test_rms_norm_equals_torch():
    x, weight = torch.randn(B, L, E).double() * 5, torch.randn(E).double()
    theirs = F.rms_norm(x, (E,), weight, 1e-6)
    assert_close(rms_norm(x, weight, 1e-6), theirs, rtol=0, atol=1e-12)
    module = RMSNorm(E, 1e-6).double()
    module.load_state_dict({"weight": weight})
    assert_same_outputs(module(x), theirs)


@pytest.mark.lecture("S1-14", "S5-64")
def test_layer_norm_leaves_mean_zero_and_deviation_one():
    out = layer_norm(torch.randn(B, L, 512) * 7 + 4, torch.ones(512), torch.zeros(512), 1e-12)
    assert_close(out.mean(-1), torch.zeros(B, L), rtol=0, atol=1e-5)
    assert_close(out.std(-1, unbiased=False), torch.ones(B, L), rtol=0, atol=1e-5)


@pytest.mark.lecture("S2-18", "S2-38")
def test_activations_equal_torch():
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    assert_close(gelu(x), F.gelu(x), rtol=0, atol=1e-12)
    assert_close(gelu_tanh(x), F.gelu(x, approximate="tanh"), rtol=0, atol=1e-12)
    assert 4e-4 < (gelu(x) - gelu_tanh(x)).abs().max() < 5e-4  # two different functions
    assert_close(ACTIVATIONS["gelu"](x), gelu(x), rtol=0, atol=1e-12)
    assert_close(ACTIVATIONS["gelu_new"](x), gelu_tanh(x), rtol=0, atol=1e-12)
    assert_close(ACTIVATIONS["relu"](x), x.clamp(min=0), rtol=0, atol=0)


@pytest.mark.lecture("S1-15", "S2-17")
def test_feed_forward_is_two_linear_maps_with_an_activation_between():
    block = FeedForward(small_config(hidden_act="relu")).eval()
    x = torch.randn(B, L, E)
    up = x @ block.up.weight.T + block.up.bias
    assert_close(block(x), up.clamp(min=0) @ block.down.weight.T + block.down.bias, rtol=0, atol=1e-6)
    assert ((up < 0) == (F.relu(up) == 0)).all()


@pytest.mark.lecture("S1-08", "S2-15", "S3-16")
def test_sinusoidal_table_of_the_notebook():
    table = sinusoidal_positions(10, 4)
    printed = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.8415, 0.5403, 0.01, 1.0], [0.9093, -0.4161, 0.02, 0.9998]])
    assert_close(table[:3], printed, rtol=0, atol=1e-4)  # printed with four digits
    assert table.abs().max() <= 1


@pytest.mark.lecture("S5-14")
def test_sinusoidal_table_of_the_slides_with_base_100():
    printed = torch.tensor(
        [[0.0, 1.0, 0.0, 1.0], [0.84, 0.54, 0.10, 1.0], [0.91, -0.42, 0.20, 0.98], [0.14, -0.99, 0.30, 0.96]]
    )
    assert_close(sinusoidal_positions(4, 4, base=100.0), printed, rtol=0, atol=0.006)


@pytest.mark.lecture("S2-15", "S2-36", "S3-16")
@pytest.mark.parametrize("size", [1, 7, 128])
def test_sinusoidal_table_equals_the_power_form_also_for_odd_sizes(size):
    dims = np.arange(size)
    angles = np.arange(100)[:, None] / np.power(10000, (2 * (dims // 2)) / size)
    expected = np.where(dims % 2 == 0, np.sin(angles), np.cos(angles))
    assert_close(sinusoidal_positions(100, size), torch.tensor(expected).float(), rtol=0, atol=1e-7)


@pytest.mark.lecture("S1-07", "S1-09", "S2-39")
def test_embeddings_are_the_sum_of_three_tables():
    block = Embeddings(small_config(embedding_norm=False)).eval()
    ids, segments = torch.randint(V, (B, L)), torch.randint(2, (B, L))
    expected = (
        F.embedding(ids, block.word_embeddings.weight)
        + block.position_embeddings.weight[:L]
        + F.embedding(segments, block.token_type_embeddings.weight)
    )
    assert_close(block(ids, segments), expected, rtol=0, atol=1e-6)


@pytest.mark.lecture("S1-07", "S1-09")
def test_shapes_of_the_notebook():
    config = MiniBertConfig(
        vocab_size=25, hidden_size=4, num_attention_heads=4, num_hidden_layers=1, intermediate_size=8,
        position_embedding_type="sinusoidal", max_position_embeddings=10, type_vocab_size=0,
        attn_implementation="eager",
    )  # fmt: skip
    model = MiniBertModel(config).eval()
    ids = torch.randint(25, (6, 10))
    assert model.embeddings(ids).shape == (6, 10, 4)
    assert model(ids, output_attentions=True).attentions[0].shape == (6, 4, 10, 10)


@pytest.mark.lecture("S1-29", "S5-65")
def test_the_padding_row_is_zero_and_gets_no_gradient():
    model = MiniBertModel(small_config())
    assert (model.embeddings.word_embeddings.weight[0] == 0).all()
    ids = torch.randint(V, (B, L))
    ids[:, -2:] = 0
    model(ids).last_hidden_state.square().sum().backward()
    gradient = model.embeddings.word_embeddings.weight.grad
    assert (gradient[0] == 0).all() and gradient.abs().max() > 0


@pytest.mark.lecture("S3-13")
def test_scaled_embeddings_are_larger_by_the_root_of_the_hidden_size():
    fields = {"embedding_norm": False, "position_embedding_type": "none", "type_vocab_size": 0}
    block = Embeddings(small_config(scale_embedding=True, **fields)).eval()
    ids = torch.randint(1, V, (B, L))
    assert_close(block(ids), F.embedding(ids, block.word_embeddings.weight) * E**0.5, rtol=1e-6, atol=0)


@pytest.mark.lecture("S1-31", "S2-35")
@pytest.mark.parametrize("initializer_range", [0.02, 0.1])
def test_initial_weights_have_mean_zero_and_the_configured_deviation(initializer_range):
    model = MiniBertModel(small_config(hidden_size=64, intermediate_size=256, initializer_range=initializer_range))
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and parameter.numel() > 4000:
            deviation = initializer_range / parameter.numel() ** 0.5
            assert abs(parameter.mean()) < 5 * deviation, name
            assert parameter.std().item() == pytest.approx(initializer_range, rel=0.05), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name


@pytest.mark.lecture("S2-35")
def test_activations_stay_of_order_one_at_the_start():
    model = MiniBertModel(small_config(hidden_size=64, num_hidden_layers=6, intermediate_size=256)).eval()
    states = model(torch.randint(V, (B, L)), output_hidden_states=True).hidden_states
    assert all(0.5 < state.std() < 2 for state in states)


def test_building_a_model_twice_with_the_same_seed_gives_the_same_weights_and_leaves_numpy_alone():
    before = np.random.get_state()[1].copy()
    torch.manual_seed(5)
    first = MiniBertModel(small_config()).state_dict()
    torch.manual_seed(5)
    second = MiniBertModel(small_config()).state_dict()
    assert_same_weights(first, second)
    assert (np.random.get_state()[1] == before).all()


def test_word_dropout_replaces_words_by_the_mask_in_training_only():
    fields = {
        "embedding_norm": False,
        "position_embedding_type": "none",
        "type_vocab_size": 0,
        "hidden_dropout_prob": 0.0,
    }
    block = Embeddings(small_config(word_dropout_prob=0.3, mask_token_id=4, **fields))
    ids = torch.randint(5, V, (100, 100))
    whole = F.embedding(ids, block.word_embeddings.weight)
    embedded = block.train()(ids)
    dropped = (embedded == block.word_embeddings.weight[4]).all(-1)
    # 10,000 draws: three standard deviations of the share are 1.4 %.
    assert dropped.float().mean().item() == pytest.approx(0.3, abs=0.014)
    assert torch.equal(embedded[~dropped], whole[~dropped])
    assert torch.equal(block.eval()(ids), whole)
    with pytest.raises(ValueError, match=r"word_dropout_prob \(0.3\) needs mask_token_id"):
        small_config(word_dropout_prob=0.3)

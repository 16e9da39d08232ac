"""The attention formula and the module, against torch's own and against the numbers of the lectures."""

import math

import pytest
import torch
from torch.testing import assert_close

from modeling_minibert import MiniBertConfig, MultiHeadAttention, scaled_dot_product_attention
from modeling_minibert.masks import prepare_attention_mask

B, H, L, S, D = 3, 4, 7, 5, 8


def random_inputs(dtype=torch.float64, keys=S):
    return tuple(torch.randn(B, H, length, D, dtype=dtype) for length in (L, keys, keys))


def small_config(**fields):
    sizes = dict(vocab_size=101, hidden_size=H * D, num_attention_heads=H, num_hidden_layers=2, intermediate_size=37)
    return MiniBertConfig(**{**sizes, "attn_implementation": "eager", **fields})


@pytest.mark.lecture("S1-11", "S2-14")
def test_formula_equals_torch():
    query, key, value = random_inputs()
    mask = torch.rand(B, 1, L, S) > 0.3
    mask[..., 0] = True  # no empty rows here
    ours, weights = scaled_dot_product_attention(query, key, value, mask)
    theirs = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert_close(ours, theirs, rtol=0, atol=1e-12)  # float64: only the order of additions differs
    assert_close(weights.sum(-1), torch.ones(B, H, L, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (weights[~mask.expand_as(weights)] == 0).all()


@pytest.mark.lecture("S1-32", "S3-43", "S1-11")
def test_scores_of_ten_thousand_neither_overflow_nor_change_the_input():
    query, key, value = (tensor * 100 for tensor in random_inputs(torch.float32))
    before = query.clone(), key.clone(), value.clone()
    mixed, weights = scaled_dot_product_attention(query, key, value)
    assert (query @ key.transpose(-2, -1)).abs().max() > 1e4  # the premise
    assert mixed.isfinite().all()
    assert_close(weights.sum(-1), torch.ones(B, H, L), rtol=0, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip((query, key, value), before, strict=True))


@pytest.mark.lecture("S5-06")
def test_the_lectures_example_of_scaling():
    # Scores 112 and 96, D = 64: 112/8 = 14 and 96/8 = 12 give 0.88 and 0.12.
    query = torch.zeros(1, 1, 1, 64)
    query[..., 0] = 1
    key = torch.zeros(1, 1, 2, 64)
    key[0, 0, :, 0] = torch.tensor([112.0, 96.0])
    _, weights = scaled_dot_product_attention(query, key, torch.zeros(1, 1, 2, 64))
    assert_close(weights[0, 0, 0], torch.tensor([0.8808, 0.1192]), rtol=0, atol=5e-5)


def test_scaling_keeps_the_variance_of_the_scores_at_one():
    for size in (4, 64, 1024):
        query, key = torch.randn(2, 20_000, size)
        scores = (query * key).sum(-1)
        # 20,000 draws: the variance of a variance estimate is about 2/20,000, three deviations are 3 %.
        assert scores.var() / size == pytest.approx(1.0, abs=0.04)


@pytest.mark.lecture("S5-10", "S5-70")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_row_that_may_attend_to_nothing_gives_zeros(dtype, implementation):
    attention = MultiHeadAttention(small_config(attn_implementation=implementation)).eval().to(dtype)
    hidden_states = torch.randn(2, L, H * D, dtype=dtype)
    mask = torch.ones(2, L)
    mask[1] = 0
    with torch.no_grad():
        config = small_config(attn_implementation=implementation)
        prepared = prepare_attention_mask(config, hidden_states, mask, implementation)
        mixed, weights = attention(hidden_states, prepared)
    # Nothing mixed in: the output projection's bias is all that is left.
    assert_close(mixed[1], attention.output.bias.expand(L, -1))
    assert mixed[0].isfinite().all() and (mixed[0] - attention.output.bias).abs().max() > 0
    if implementation == "eager":
        assert (weights[1] == 0).all()


@pytest.mark.lecture("S1-10", "S1-13", "S2-17", "S5-05", "S5-11")
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_module_equals_torch_multihead_attention(implementation):
    ours = MultiHeadAttention(small_config(attn_implementation=implementation)).double().eval()
    theirs = torch.nn.MultiheadAttention(H * D, H, batch_first=True).double().eval()
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x, y = torch.randn(B, L, H * D).double(), torch.randn(B, S, H * D).double()
    padding = torch.ones(B, S, dtype=torch.bool)
    padding[0, 3:] = False
    mask = padding[:, None, None, :].expand(B, 1, L, S)
    mixed, weights = ours(x, mask, key_value_states=y)
    expected, expected_weights = theirs(x, y, y, key_padding_mask=~padding, average_attn_weights=False)
    # float64 sums of 32 products of order 10 agree to about 1e-12.
    assert_close(mixed, expected, rtol=0, atol=1e-9)
    if implementation == "eager":
        assert_close(weights, expected_weights, rtol=0, atol=1e-9)


@pytest.mark.lecture("S3-08", "S4-02")
def test_heads_may_be_wider_than_their_share_of_the_hidden_size():
    # The Keras lecture: 8 heads of 64 features on tokens of 128 features.
    config = MiniBertConfig(hidden_size=128, num_attention_heads=8, head_dim=64, attn_implementation="eager")
    attention, x = MultiHeadAttention(config).double().eval(), torch.randn(2, 200, 128).double()
    mixed, weights = attention(x)
    assert mixed.shape == (2, 200, 128)
    assert weights.shape == (2, 8, 200, 200)
    parts = [part(x).view(2, 200, 8, 64).transpose(1, 2) for part in (attention.query, attention.key, attention.value)]
    expected = torch.nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(2, 200, 8 * 64)
    assert_close(mixed, attention.output(expected), rtol=0, atol=1e-12)


@pytest.mark.lecture("S3-11")
def test_parameter_count_of_the_books_attention_layer():
    config = MiniBertConfig(hidden_size=512, num_attention_heads=8)
    assert sum(p.numel() for p in MultiHeadAttention(config).parameters()) == 1_050_624


@pytest.mark.lecture("S5-05")
def test_projections_without_bias_have_no_bias():
    attention = MultiHeadAttention(small_config(attention_bias=False))
    assert [name for name, _ in attention.named_parameters() if name.endswith("bias")] == []


@pytest.mark.lecture("S5-10")
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_masks_of_two_three_and_four_dimensions_mean_the_same(implementation):
    config = small_config(attn_implementation=implementation)
    attention = MultiHeadAttention(config).eval()
    x = torch.randn(B, L, H * D)
    padding = (torch.arange(L) < torch.tensor([7, 4, 2])[:, None]).long()
    per_query = padding[:, None, :].expand(B, L, L)
    results = [
        attention(x, prepare_attention_mask(config, x, mask, implementation))[0]
        for mask in (padding, padding.bool(), per_query, per_query[:, None])
    ]
    for result in results[1:]:
        assert_close(result, results[0], rtol=0, atol=1e-6)
    unmasked = attention(x, prepare_attention_mask(config, x, None, implementation))[0]
    assert (unmasked - results[0]).abs().max() > 1e-3  # the mask hides something


def test_a_mask_of_one_dimension_is_refused():
    with pytest.raises(ValueError, match=r"shape \(7,\)"):
        prepare_attention_mask(small_config(), torch.randn(1, L, H * D), torch.ones(L), "eager")


def test_an_additive_mask_is_read_as_such_and_any_other_float_is_refused():
    states, keep = torch.randn(1, L, H * D), torch.ones(1, 1, L, L, dtype=torch.bool).tril()
    added = torch.zeros(1, 1, L, L).masked_fill(~keep, torch.finfo(torch.float32).min)
    assert torch.equal(prepare_attention_mask(small_config(), states, added, "eager"), keep)
    with pytest.raises(ValueError, match="float attention_mask is added.*got 1; give a bool mask"):
        prepare_attention_mask(small_config(), states, keep.float(), "eager")


@pytest.mark.lecture("S3-15")
def test_without_positions_attention_does_not_see_the_order():
    attention = MultiHeadAttention(small_config()).double().eval()
    x = torch.randn(1, L, H * D).double()
    order = torch.randperm(L)
    assert_close(attention(x[:, order])[0], attention(x)[0][:, order], rtol=0, atol=1e-12)


@pytest.mark.lecture("S3-07")
def test_the_formula_written_out_with_loops_gives_the_same():
    query, key, value = (tensor[0, 0] for tensor in random_inputs())
    expected = torch.zeros(L, D, dtype=torch.float64)
    for row in range(L):
        exponentials = [math.exp(float(query[row] @ key[column]) / math.sqrt(D)) for column in range(S)]
        for column in range(S):
            expected[row] += exponentials[column] / sum(exponentials) * value[column]
    ours, _ = scaled_dot_product_attention(query[None, None], key[None, None], value[None, None])
    assert_close(ours[0, 0], expected, rtol=0, atol=1e-12)

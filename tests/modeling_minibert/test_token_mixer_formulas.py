"""The formulas of the token mixers, against the definitions of their papers written as loops over the tokens."""

import math

import pytest
import torch

from modeling_minibert import MiniGPTConfig
from modeling_minibert.linear_attention import gated_linear_attention
from modeling_minibert.token_mixers import MIXERS, aft_full, aft_simple

# Two orders of the same sums in float64 differ by some 1e-15 per term.
CLOSE = {"atol": 1e-10, "rtol": 1e-10}


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def aft_by_definition(key, value, bias):
    """Zhai et al. 2021, section 3.1, token by token; the last L of the S tokens are queries."""
    length, past = bias.shape[1], key.shape[1] - bias.shape[1]
    rows = []
    for t in range(length):
        logits = key[:, : past + t + 1] + bias[:, t, : past + t + 1, None]
        weights = (logits - logits.amax(dim=1, keepdim=True)).exp()
        rows.append((weights * value[:, : past + t + 1]).sum(dim=1) / weights.sum(dim=1))
    return torch.stack(rows, dim=1)


def linear_by_definition(query, key, value, gate, state):
    """Yang et al. 2023: S_t = diag(α_t) S_{t-1} + k_t v_tᵀ, o_t = S_tᵀ q_t / √D, token by token."""
    outputs = []
    for t in range(query.shape[2]):
        state = gate[:, :, t, :, None] * state + key[:, :, t, :, None] * value[:, :, t, None, :]
        outputs.append((state * query[:, :, t, :, None]).sum(dim=2) / math.sqrt(query.shape[-1]))
    return torch.stack(outputs, dim=2), state


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("length", [1, 2, 3, 6, 13, 77])
def test_aft_simple_is_its_definition(length):
    key, value = 3 * draw(2, length, 5), draw(2, length, 5)
    log_weight, average = aft_simple(key, value)
    torch.testing.assert_close(log_weight, key.logcumsumexp(dim=1), **CLOSE)
    expected = aft_by_definition(key, value, torch.zeros(1, length, length, dtype=torch.float64))
    torch.testing.assert_close(average, expected, **CLOSE)


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize(("length", "past", "rows"), [(1, 0, 1), (7, 0, 2), (77, 0, 1), (33, 40, 2), (1, 76, 2)])
def test_aft_full_is_its_definition(length, past, rows):
    key, value, bias = 3 * draw(2, past + length, 5), draw(2, past + length, 5), 2 * draw(rows, length, past + length)
    torch.testing.assert_close(aft_full(key, value, bias), aft_by_definition(key, value, bias), **CLOSE)


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("chunk_size", [1, 5, 16, 100])
@pytest.mark.parametrize("length", [1, 16, 37])
def test_linear_attention_in_chunks_is_the_recurrence(length, chunk_size):
    query, key, value, raw, state = *(draw(2, 3, length, 4) for _ in range(4)), draw(2, 3, 4, 4)
    outputs, last = gated_linear_attention(query, key, value, raw.sigmoid().log(), state, chunk_size)
    expected, expected_last = linear_by_definition(query, key, value, raw.sigmoid(), state)
    torch.testing.assert_close(outputs, expected, **CLOSE)
    torch.testing.assert_close(last, expected_last, **CLOSE)


def test_gates_of_one_are_plain_linear_attention():
    """Then every past token counts alike: (Q Kᵀ, looking back only) V (Katharopoulos et al. 2020)."""
    query, key, value = (draw(2, 3, 37, 4) for _ in range(3))
    outputs, _ = gated_linear_attention(query, key, value, torch.zeros_like(key))
    torch.testing.assert_close(outputs, (query @ key.transpose(-1, -2) / 2).tril() @ value, **CLOSE)


@pytest.mark.parametrize("name", sorted(MIXERS))
def test_a_module_is_its_definition(name):
    """The projections, gates, biases and norms around the formula."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "max_position_embeddings": 90}
    config = MiniGPTConfig(**sizes, token_mixer=name, hidden_dropout_prob=0.0)
    mixer, x = MIXERS[name](config, 0).double(), draw(2, 21, 12)
    query, key, value = mixer.query(x), mixer.key(x), mixer.value(x)
    if name == "linear":
        gate = mixer.gate_up(mixer.gate_down(x)).sigmoid() ** (1 / 16)
        heads = [part.view(2, 21, 3, 4).transpose(1, 2) for part in (query, key, value, gate)]
        mixed, _ = linear_by_definition(*heads, torch.zeros(2, 3, 4, 4, dtype=torch.float64))
        mixed = torch.nn.functional.layer_norm(mixed, (4,), eps=1e-5).transpose(1, 2).reshape(2, 21, 12)
    else:
        bias = mixer.position_bias.weight[None, :21, :21] if name == "aft_full" else torch.zeros(1, 21, 21)
        mixed = query.sigmoid() * aft_by_definition(key, value, bias)
    output, weights = mixer(x)
    torch.testing.assert_close(output, mixer.output(mixed), **CLOSE)
    assert weights is None


def test_gradients_are_those_of_differences():
    length = 35  # more than one block of AFT, more than one chunk of linear attention
    key, value, bias = (2 * draw(*shape).requires_grad_() for shape in ((1, length, 1), (1, length, 1), (1, 3, length)))
    heads = [draw(1, 1, length, 2).requires_grad_() for _ in range(4)]
    check = {"fast_mode": True}
    assert torch.autograd.gradcheck(aft_simple, (key, value), **check)
    assert torch.autograd.gradcheck(aft_full, (key, value, bias), **check)
    assert torch.autograd.gradcheck(lambda q, k, v, g: gated_linear_attention(q, k, v, -g.exp()), heads, **check)


def test_large_keys_do_not_overflow():
    """exp(1e4) is far out of range, also of float64; later keys a thousand times as large hide none of the earlier."""
    key, value = (draw(2, 77, 3) * torch.linspace(1, 1e4, 77)[:, None]).float(), draw(2, 77, 3).float()
    bias = 5 * draw(1, 77, 77).float()
    zeros = torch.zeros_like(bias)
    # float32 keeps 1e4 to 1e-3, which as an exponent is a relative error of 1e-3.
    for output, used in ((aft_full(key, value, bias), bias), (aft_simple(key, value)[1], zeros)):
        expected = aft_by_definition(key.double(), value.double(), used.double())
        torch.testing.assert_close(output.double(), expected, atol=5e-3, rtol=0)


def test_gates_that_close_at_once_do_not_overflow():
    """A gate of e^-300: products of e^300, which a chunk would need if it were split into two factors, are inf."""
    query, key, value = (draw(2, 3, 37, 4).float() for _ in range(3))
    log_gate = (-300 * torch.rand(2, 3, 37, 4)).requires_grad_()
    outputs, _ = gated_linear_attention(query, key, value, log_gate)
    zeros = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    expected, _ = linear_by_definition(*(t.double() for t in (query, key, value, log_gate.detach().exp())), zeros)
    # float32 keeps the sums of logarithms, up to 16 · 300, to 3e-4.
    torch.testing.assert_close(outputs.double(), expected, atol=1e-3, rtol=0)
    outputs.sum().backward()
    assert log_gate.grad.isfinite().all()

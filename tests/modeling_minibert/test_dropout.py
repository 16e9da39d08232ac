"""Dropout by quarters of random numbers: the right share, the right scale, nothing else."""

import math

import pytest
import torch
from torch.testing import assert_close

from modeling_minibert.dropout import Dropout, drop_limit, kept_scale, random_numbers


@pytest.mark.parametrize("dropout", [0.1, 0.25, 1 / 3, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_drops_the_share_and_scales_the_rest(dropout, dtype):
    torch.manual_seed(0)
    hidden_states = torch.rand(101, 307, dtype=dtype) + 1  # odd sizes; nothing is zero before
    result = Dropout(dropout)(hidden_states)
    kept = result != 0
    scale = torch.tensor(kept_scale(dropout), dtype=torch.float64).to(dtype)  # rounded, as torch rounds it
    assert torch.equal(result[kept], hidden_states[kept] * scale)
    # The scale is 1 / (1 - dropout), but for the rounding of the share to 1 / 65,536: at most 2^-17 beside 1 - dropout.
    assert_close(kept_scale(dropout), 1 / (1 - dropout), atol=0, rtol=2**-17 / (1 - dropout) * 1.01)
    deviation = math.sqrt(dropout * (1 - dropout) / kept.numel())
    assert abs((~kept).double().mean() - dropout) < 3 * deviation


def test_the_expectation_is_the_input_to_the_last_digit():
    """Over all random numbers there are, not over a sample."""
    numbers = torch.arange(-(2**15), 2**15)
    for dropout in (0.1, 0.37, 1e-7, 0.9999999):
        kept = numbers >= drop_limit(dropout)
        assert kept.double().mean() * kept_scale(dropout) == pytest.approx(1, abs=1e-15)


def test_random_numbers_are_uniform_and_independent_of_their_neighbours():
    torch.manual_seed(0)
    numbers = random_numbers(torch.Size([400, 1001]), torch.device("cpu")).double()
    count = numbers.numel()
    assert numbers.min() >= -(2**15) and numbers.max() < 2**15
    cells = torch.histc(numbers, bins=64, min=-(2**15), max=2**15)
    chi_square = ((cells - count / 64) ** 2 / (count / 64)).sum()
    assert chi_square < 63 + 4 * math.sqrt(2 * 63)  # mean and deviation of χ² with 63 degrees of freedom
    flat = (numbers.flatten() + 0.5) / (2**16 / math.sqrt(12))  # mean 0, variance 1
    for distance in (1, 2, 3, 4, 1001):  # the quarters of one draw, and the place below
        assert abs((flat[:-distance] * flat[distance:]).mean()) < 4 / math.sqrt(count)


def test_gradient_is_that_of_the_same_mask():
    torch.manual_seed(0)
    hidden_states = (torch.rand(7, 13, dtype=torch.float64) + 1).requires_grad_()
    result = Dropout(0.3)(hidden_states)
    result.backward(upstream := torch.randn(7, 13, dtype=torch.float64))
    assert_close(hidden_states.grad, upstream * (result / hidden_states).detach(), atol=1e-15, rtol=0)


def test_the_seed_decides():
    hidden_states = torch.ones(5, 9)
    torch.manual_seed(3)
    first, second = Dropout(0.5)(hidden_states), Dropout(0.5)(hidden_states)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(hidden_states), first) and not torch.equal(first, second)


def test_nothing_happens_in_evaluation_or_without_a_share():
    hidden_states = torch.randn(3, 5)
    assert Dropout(0.5).eval()(hidden_states) is hidden_states
    assert Dropout(0.0)(hidden_states) is hidden_states
    assert Dropout(0.5)(torch.empty(0, 5)).shape == (0, 5)


def test_transposed_input_keeps_its_places():
    torch.manual_seed(0)
    hidden_states = torch.arange(1.0, 36).view(5, 7).T
    result = Dropout(0.5)(hidden_states)
    kept = result != 0
    assert torch.equal(result[kept], hidden_states[kept] * 2)


@pytest.mark.slow
def test_compiled_it_is_torchs():
    layer = torch.compile(Dropout(0.1), fullgraph=True, backend="aot_eager")
    result = layer(torch.ones(100, 100, dtype=torch.float64))
    # Ours would be 65,536 / (65,536 - 6,554) = 1.1111186.
    assert result.unique().tolist() == pytest.approx([0.0, 1 / 0.9], abs=1e-12)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace")
def test_traced_it_is_torchs():
    traced = torch.jit.trace(Dropout(0.1), torch.ones(100, 100, dtype=torch.float64), check_trace=False)
    result = traced(torch.ones(100, 100, dtype=torch.float64))
    assert result.unique().tolist() == pytest.approx([0.0, 1 / 0.9], abs=1e-12)

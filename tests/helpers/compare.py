"""Comparisons that hold on every processor: weights bit for bit, outputs to the rounding of their precision."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

# One computation, done twice: a kernel may sum in another order where the same numbers lie at another address, because
# it reads blocks of 16 to 64 bytes. Weights of a loaded file lie at other addresses than those of a model just built.
# Outputs of the tests' small models are of order 1 to 10, and a few dozen roundings lead to them.
ROUNDING = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},  # a rounding is 1e-16
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},  # 6e-8
}


def weights_and_buffers(model: nn.Module) -> dict[str, torch.Tensor]:
    """All tensors of a model by name, with the buffers that its state dict leaves out."""
    return dict(model.state_dict()) | dict(model.named_buffers())


def assert_same_weights(actual, expected, names=None):
    """Fail unless two models, or two state dicts, hold the same names with the same bits in the same precision."""
    actual, expected = (side.state_dict() if isinstance(side, nn.Module) else side for side in (actual, expected))
    if names is None:
        assert actual.keys() == expected.keys()
    for name in expected if names is None else names:
        assert actual[name].dtype == expected[name].dtype and torch.equal(actual[name], expected[name]), name


def assert_same_buffers(actual: nn.Module, expected: nn.Module):
    """Fail unless two models have the same constants, which no file holds, in whichever precision."""
    actual, expected = dict(actual.named_buffers()), dict(expected.named_buffers())
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def assert_same_outputs(actual, expected, name=None):
    """Fail unless two computations of the same numbers agree to the rounding of their precision.

    Args:
        actual: a tensor, an array, or a sequence of them.
        expected: the same.
        name: which output it is, for the message.
    """
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for index, pair in enumerate(zip(actual, expected, strict=True)):
            assert_same_outputs(*pair, name=f"{name or 'output'} {index}")
        return
    if isinstance(expected, np.ndarray):
        actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    assert_close(actual, expected, **ROUNDING[expected.dtype], msg=name and (lambda text: f"{name}: {text}"))


def assert_same_answers(actual, expected):
    """Fail unless two answers of a pipeline are the same but for the rounding of their numbers.

    Args:
        actual: an answer, or a list of them.
        expected: the same.
    """
    actual, expected = (answers if isinstance(answers, list) else [answers] for answers in (actual, expected))
    rounded = [
        {name: pytest.approx(value, rel=1e-5) if isinstance(value, float) else value for name, value in answer.items()}
        for answer in expected
    ]
    assert actual == rounded

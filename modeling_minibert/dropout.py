"""Dropout (Srivastava et al. 2014) for CPUs, where torch's takes as long as some of the layers around it.

torch draws a random number of 32 bits for every feature. Here one of 64 bits decides about four features: each quarter
of it is a whole number from -32,768 to 32,767, and a feature is dropped where its number is below a limit. The share
that is dropped is therefore a multiple of 1 / 65,536, and what is kept is scaled by that very share, so that no feature
changes on average, up to the rounding of its format. The numbers come from torch's generator: the same seed drops the
same features.
"""

import torch
from torch import nn

NUMBERS = 2**16  # different random numbers


def _count_dropped(dropout: float) -> int:
    """How many of the random numbers drop a feature; never all of them."""
    return min(round(dropout * NUMBERS), NUMBERS - 1)


def kept_scale(dropout: float) -> float:
    """What the features that are kept are multiplied by: one over their share."""
    return NUMBERS / (NUMBERS - _count_dropped(dropout))


def drop_limit(dropout: float) -> int:
    """Features whose `random_numbers` are below this are dropped."""
    return _count_dropped(dropout) - NUMBERS // 2


def random_numbers(shape: torch.Size, device: torch.device) -> torch.Tensor:
    """Whole numbers from -32,768 to 32,767, each as likely as any other; int16."""
    size = shape.numel()
    bits = torch.empty((size + 3) // 4, dtype=torch.int64, device=device).random_(-(2**63), None)
    return bits.view(torch.int16)[:size].view(shape)


class Dropout(nn.Dropout):
    """`nn.Dropout`, in half of its time on a CPU; on other devices, compiled or traced, the very same."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.p:
            return hidden_states
        if hidden_states.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return super().forward(hidden_states)
        factors = torch.empty(hidden_states.shape, dtype=hidden_states.dtype)
        torch.ge(random_numbers(factors.shape, factors.device), drop_limit(self.p), out=factors)  # zeros and ones
        return hidden_states * factors.mul_(kept_scale(self.p))

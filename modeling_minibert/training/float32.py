"""Faster float32 on CPUs where it costs no digit.

torch multiplies float32 matrices with MKL, which on some processors (AMD's) runs at half of what they can do; oneDNN,
which torch also contains, does not. torch reaches oneDNN only through a setting that allows bfloat16 inside. A
processor without bfloat16 matrix units computes true float32 there; one with them (Intel's AMX) does not. Which of
the two this is, only a measurement tells.
"""

import torch


def use_exact_fast_float32() -> bool:
    """Let oneDNN multiply float32 matrices on the CPU, if its results are as exact as torch's default.

    A setting of the whole process; it touches no GPU.

    Returns:
        Whether the setting was made. False: nothing has changed.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None:  # an older torch
        return False
    before = settings.fp32_precision
    default = _largest_error()
    settings.fp32_precision = "bf16"
    if _largest_error() <= 4 * default:
        return True
    settings.fp32_precision = before
    return False


def _largest_error() -> float:
    """The largest error of float32 products against float64, relative to the largest entry; plain and batched."""
    generator = torch.Generator().manual_seed(0)
    errors = []
    for left, right in (((512, 256), (256, 384)), ((8, 200, 64), (8, 64, 200))):
        left, right = (torch.randn(shape, generator=generator) for shape in (left, right))
        exact = left.double() @ right.double()
        errors.append(((left @ right - exact).abs().max() / exact.abs().max()).item())
    return max(errors)

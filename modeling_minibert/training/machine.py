"""What a script does first, so that a CPU computes as fast as it can, and as exactly: `prepare_cpu`.

**Half precision.** oneDNN compiles every new shape of a product, and remembers 1,024 of them. Texts have hundreds of
lengths, and packed attention multiplies several matrices for each: what was remembered is forgotten before it is met
again, and a third of a training step goes into compiling.

**float32.** torch multiplies float32 matrices with MKL, which on some processors (AMD's) runs at half of what they can
do; oneDNN, which torch also contains, does not. torch reaches oneDNN only through a setting that allows bfloat16
inside. A processor without bfloat16 matrix units computes true float32 there; one with them (Intel's AMX) does not.
Which of the two this is, only a measurement tells.
"""

import os

import torch

COMPILED_SHAPES = 30_000


def prepare_cpu() -> None:
    """Remember all compiled shapes, and multiply float32 as fast as its exactness allows; call it before any product.

    Settings of the whole process; they touch no GPU. The first is left alone where the environment has it already.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(COMPILED_SHAPES))
    use_exact_fast_float32()


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
    for shapes in (((512, 256), (256, 384)), ((8, 200, 64), (8, 64, 200))):
        left, right = (torch.randn(shape, generator=generator) for shape in shapes)
        exact = left.double() @ right.double()
        errors.append(((left @ right - exact).abs().max() / exact.abs().max()).item())
    return max(errors)


def end_processes() -> None:
    """Wait for the other processes of `torchrun`, and let go of them; does nothing for a single one.

    Without the first, one that leaves while another still writes may hang on its way out; without the second, gloo's
    threads may end a run that has finished with an error.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()

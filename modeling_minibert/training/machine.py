"""Settings of the process: fast and exact matrix products on the CPU, and a clean shutdown of distributed training.

`has_bfloat16_units` says whether mixed precision pays on a device.

**Half precision.** oneDNN compiles a kernel for every shape of a product, and caches 1,024 of them. Texts have hundreds
of lengths, and packed attention multiplies several matrices for each. With the default size the cache misses so often
that compiling takes a third of a training step.

**float32.** torch multiplies float32 matrices with MKL, which reaches half the speed of some processors (AMD's).
oneDNN is faster there, but torch uses it only with a setting that allows bfloat16 inside. A processor without bfloat16
matrix units then still computes in float32; one with them (Intel's AMX) does not. `use_exact_fast_float32` measures
which case holds.
"""

import os

import torch

CACHED_KERNELS = 30_000


def prepare_cpu() -> None:
    """Enlarge oneDNN's kernel cache and choose the fastest exact float32 product; call it before any matrix product.

    The settings are for the whole process and the CPU alone. A cache size set in the environment is kept.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(CACHED_KERNELS))
    use_exact_fast_float32()


def use_exact_fast_float32() -> bool:
    """Multiply float32 matrices on the CPU with oneDNN if its results are as exact as torch's default.

    Returns:
        Whether the setting was changed, for the whole process.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None:  # an older torch
        return False
    before = settings.fp32_precision
    default = _float32_error()
    settings.fp32_precision = "bf16"
    if _float32_error() <= 4 * default:
        return True
    settings.fp32_precision = before
    return False


def _float32_error() -> float:
    """Measure the largest error of plain and batched float32 products, relative to the largest entry."""
    generator = torch.Generator().manual_seed(0)
    errors = []
    for shapes in (((512, 256), (256, 384)), ((8, 200, 64), (8, 64, 200))):
        left, right = (torch.randn(shape, generator=generator) for shape in shapes)
        exact = left.double() @ right.double()
        errors.append(((left @ right - exact).abs().max() / exact.abs().max()).item())
    return max(errors)


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices in hardware; False where torch cannot tell (a CPU before 2.11)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


_KEPT: list = []


def end_processes() -> None:
    """Shut the process group of `torchrun` down cleanly; do nothing in a single process.

    Without the barrier, a process that exits while another still writes may hang. Without the destruction, gloo's
    threads may turn a finished run into an error. The barrier's work is kept: a thread of gloo that frees it waits for
    Python's lock, while the destruction, which holds the lock, waits for the thread.
    """
    if torch.distributed.is_initialized():
        work = torch.distributed.barrier(async_op=True)
        work.wait()
        _KEPT.append(work)
        torch.distributed.destroy_process_group()

"""Memory that is used again, instead of given back and asked for anew.

glibc, the C library of most Linux systems, returns large blocks to the system as soon as they are freed. The next
layer asks for one of the same size, and the system clears it page by page, which took a tenth of a training step of
a small model on a CPU.
"""

import ctypes

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let the process keep what it frees. It is a setting of the whole process; the memory of a GPU is another matter.

    Call it when the training begins: what was needed before is then given back. Afterwards the memory of the process
    seldom falls again.

    Returns:
        Whether the setting was made. False: another C library, where nothing has changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS have no mallopt, Windows has no such handle
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))

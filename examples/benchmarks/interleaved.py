"""Compare the speed of several variants of a computation by timing them in turn and taking medians.

Other programs, heat and clock rates change the speed of a machine within minutes. So one process times all variants,
one step of each in turn, and reports ratios of medians. With one thread it measures the CPU time of the process, which
other programs hardly affect; with several the wall time, which needs an idle machine.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch


def measure(variants: dict[str, Callable[[], int]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Time each variant `rounds` times, in turn.

    Args:
        variants: name → a step that returns its number of units (tokens, texts).
        rounds: timed steps of each variant.
        warmup: untimed steps of each variant, first.

    Returns:
        Name → units per second, one entry per round.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    for step in variants.values():
        for _ in range(warmup):
            step()
    rates = {name: [] for name in variants}
    for number in range(rounds):
        print(f"\rround {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
        for name, step in variants.items():
            start = clock()
            units = step()
            rates[name].append(units / (clock() - start))
    print(file=sys.stderr)
    return rates


def report(title: str, unit: str, rates: dict[str, list[float]], memory: dict[str, float] | None = None) -> dict:
    """Print a table with the speed of each variant as a multiple of the first; returns its numbers."""
    threads = torch.get_num_threads()
    clock = "CPU time of one thread" if threads == 1 else f"wall time of {threads} threads"
    print(f"{title}\n{clock}; {len(next(iter(rates.values())))} rounds in turn; median [slowest to fastest]")
    base = median(next(iter(rates.values())))
    digits = 0 if base > 100 else 1
    numbers = {}
    for name, values in rates.items():
        middle = median(values)
        span = f"[{min(values):,.{digits}f} to {max(values):,.{digits}f}]"
        line = f"  {name:44} {middle:9,.{digits}f} {unit}/s  {span}  {middle / base:6.2f}x"
        numbers[name] = {"per_second": middle, "ratio": middle / base}
        if memory:
            line += f"  {memory[name]:6,.0f} MiB"
            numbers[name]["peak_memory_mib"] = memory[name]
        print(line)
    return numbers


def peak_memory(arguments: list[str]) -> float:
    """Run a script in a new process and read the MiB that it prints last (see `memory_above`)."""
    output = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout
    return float(output.split()[-1])


def memory_above(build: Callable[[], Callable[[], int]], repetitions: int = 3) -> float:
    """Measure the MiB that building and running a step adds to the peak memory of this process."""
    before = _peak_mib()
    step = build()
    for _ in range(repetitions):
        step()
    return _peak_mib() - before


def _peak_mib() -> float:
    """The peak memory of this process; Linux's VmHWM, because getrusage includes the parent's peak."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))[1]) / 1024
    import resource  # not on Windows

    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 2**20 if sys.platform == "darwin" else kib / 2**10

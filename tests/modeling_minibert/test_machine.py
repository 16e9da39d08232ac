"""What scripts set before they compute on a CPU: it saves time, and no digit is lost."""

import os
import subprocess
import sys

import pytest
import torch

from modeling_minibert.training import prepare_cpu, use_exact_fast_float32


def test_fast_float32_is_exact_or_not_taken():
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        use_exact_fast_float32()
        torch.manual_seed(0)
        left, right = torch.randn(300, 257), torch.randn(257, 190)
        exact = left.double() @ right.double()
        # float32 rounds to 6e-8; sums of 257 products stay within some 30 roundings. bfloat16 would err by 1e-3.
        assert (left @ right - exact).abs().max() / exact.abs().max() < 2e-6
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before


MORE_SHAPES_THAN_ONEDNN_REMEMBERS = """
import torch
from modeling_minibert.training import prepare_cpu
prepare_cpu()
torch.set_num_threads(1)
left, right = torch.ones(1200, 8, dtype=torch.bfloat16), torch.ones(8, 8, dtype=torch.bfloat16)
for again in range(2):
    print("pass", flush=True)
    for rows in range(16, 1200):
        left[:rows] @ right
"""


@pytest.mark.slow
def test_no_shape_is_compiled_twice():
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_PRIMITIVE_CACHE_CAPACITY"}
    command = [sys.executable, "-c", MORE_SHAPES_THAN_ONEDNN_REMEMBERS]
    environment["ONEDNN_VERBOSE"] = "profile_create"  # a line for each product: was it compiled, or remembered?
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    _, first, second = done.stdout.split("pass\n")
    if not first.count("cache_miss"):
        pytest.skip("this processor multiplies bfloat16 without oneDNN")
    assert first.count("cache_miss") > 1024, "premise: more shapes than are remembered by default"
    assert second.count("cache_hit") > 1024 and second.count("cache_miss") == 0


def test_a_capacity_that_is_set_already_is_left_alone(monkeypatch):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "77")
    before = torch.backends.mkldnn.matmul.fp32_precision
    prepare_cpu()
    torch.backends.mkldnn.matmul.fp32_precision = before
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "77"

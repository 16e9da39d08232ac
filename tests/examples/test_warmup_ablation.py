"""`examples/warmup_ablation.py`: without warm-up the Transformer of 2017 learns nothing for a while, T5's does."""

import json
from statistics import mean

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup


@pytest.mark.slow
@pytest.mark.lecture("S5-26", "S5-30")
def test_norms_before_need_no_warm_up_and_norms_after_do(load_example, monkeypatch, repository, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(repository / "examples"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    load_example("warmup_ablation").run("--steps", 60, "--output_dir", tmp_path)
    curves = json.loads((tmp_path / "warmup.json").read_text())
    ends = {name: mean(losses[-10:]) for name, losses in curves.items()}
    # At 60 of 60 steps the four were at 3.8, 4.1, 1.9 and 1.6; 4.1 is what knowing the words' frequencies gives.
    assert ends["vanilla, no warm-up"] > ends["vanilla, warm-up"] + 0.1
    assert ends["t5, no warm-up"] < ends["vanilla, warm-up"] - 0.5
    printed = capsys.readouterr().out
    assert all(f"loss of the last 20 steps: {mean(losses[-20:]):.3f}" in printed for losses in curves.values())
    assert (tmp_path / "warmup.png").read_bytes().startswith(b"\x89PNG")


def test_the_rate_rises_and_falls_as_the_formula_of_the_lectures_says():
    """rate · ½(1 + cos(π · step / steps)), times step / warm-up in the beginning; here the cosine starts after it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, 10, 60)
    rates = []
    for _ in range(60):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    steps = torch.arange(60, dtype=torch.float64)
    falling = 1 + torch.cos(torch.pi * (steps - 10) / 50)
    assert rates == pytest.approx(torch.where(steps < 10, 2 * steps / 10, falling).tolist(), abs=1e-12)

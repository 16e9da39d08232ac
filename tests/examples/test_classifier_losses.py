"""`finetune_classifier.py --loss focal --auc true`: the loss it trains with, and what it reports."""

import json

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits


@pytest.fixture
def script(quiet_classifier):
    return quiet_classifier


def first_loss(folder):
    history = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return next(entry["loss"] for entry in history if "loss" in entry)


@pytest.mark.slow
@pytest.mark.lecture("S4-22")
def test_the_script_trains_with_the_focal_loss_and_reports_the_area(script, tiny_files, tmp_path, capsys):
    flags = [*tiny_files, "--num_train_epochs", "1", "--logging_steps", "1", "--loss", "focal", "--auc", "true"]
    script.run(*flags, "--output_dir", tmp_path / "focal")
    script.run(*flags, "--focal_gamma", "0", "--output_dir", tmp_path / "gamma0")
    printed = capsys.readouterr().out
    script.run(*flags, "--loss", "cross_entropy", "--output_dir", tmp_path / "plain")
    focal, gamma0, plain = (first_loss(tmp_path / name) for name in ("focal", "gamma0", "plain"))
    assert gamma0 == pytest.approx(plain, rel=1e-5)  # float32
    assert plain > 0.5 and focal == pytest.approx(plain / 4, rel=0.1)  # two classes and random weights: (1 - 1/2)²
    scores = json.loads((tmp_path / "focal" / "all_results.json").read_text())["single_pass"]
    low, high = scores["auc_interval"]
    assert low <= scores["auc"] <= high and f"auc, single pass: {scores['auc']:.1%} (95 % interval" in printed


def test_several_labels_have_a_focal_loss_too(script):
    logits, labels = torch.randn(3, 4), torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]])
    focal = script.focal_loss(0)({"logits": logits}, labels)
    assert focal.item() == pytest.approx(binary_cross_entropy_with_logits(logits, labels).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--loss", "focal", "--task", "regression"], "--loss focal is for classes without smoothing"),
        (["--loss", "focal", "--label_smoothing_factor", "0.1"], "--loss focal is for classes without smoothing"),
        (["--auc", "true", "--task", "multi_label"], "--auc is for --task classification, not for multi_label"),
    ],
)
def test_what_does_not_fit_is_refused(script, flags, message):
    with pytest.raises(ValueError, match=message):
        script.parse_arguments(flags)

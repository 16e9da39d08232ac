"""`examples/plain_loop.py`: its losses are `Trainer`'s, two processes give those of one, and bfloat16 trains."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from helpers.minibert import random_model
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from modeling_minibert.training import machine

NO_DROPOUT = "hidden_dropout_prob=0,attention_probs_dropout_prob=0"
SMALL = [
    "--config_overrides", f"{NO_DROPOUT},hidden_size=16,num_attention_heads=2,intermediate_size=24",
    "--tokenizer_options", "vocab_size=150,min_frequency=1", "--max_seq_length", "24", "--num_train_epochs", "2",
    "--per_device_train_batch_size", "8", "--learning_rate", "5e-3",
]  # fmt: skip


@pytest.fixture
def script(load_example, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path / "metrics"))
    AcceleratorState._reset_state(True)  # one per process, with its precision
    yield load_example("plain_loop")
    AcceleratorState._reset_state(True)


class Recorder(Trainer):
    """A `Trainer` that keeps the loss of each update; what it logs is rounded."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.parts, self.losses = [], []
        keep = TrainerCallback()
        keep.on_step_end = lambda *args, **kwargs: self.losses.append(sum(self.parts)) or self.parts.clear()
        self.add_callback(keep)

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.parts.append(loss.item())
        return loss


def collate(rows):
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.slow
@pytest.mark.lecture("S4-22")
def test_one_process_has_the_losses_and_weights_of_trainer(script, tmp_path):
    model = random_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    # Five batches, the last one smaller: updates of two, two and one.
    rows = [{"input_ids": torch.randint(1, 100, (6,)).tolist(), "labels": row % 5} for row in range(22)]
    ours = copy.deepcopy(model)
    loader = DataLoader(rows, batch_size=5, collate_fn=collate)
    losses = [loss for _, loss, _ in script.train(Accelerator(cpu=True), ours, loader, 3, 2, 1e-2)]
    args = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=5, gradient_accumulation_steps=2, num_train_epochs=3,
        learning_rate=1e-2, lr_scheduler_type="linear", warmup_steps=1, weight_decay=0.0, max_grad_norm=1.0,
        train_sampling_strategy="sequential", report_to="none", use_cpu=True, disable_tqdm=True, save_strategy="no",
        dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Recorder(copy.deepcopy(model), args, collate, rows)
    trainer.train()
    assert len(losses) == len(trainer.losses) == 9 and losses[-1] < losses[0] - 0.1, "premise: it learns"
    assert losses == pytest.approx(trainer.losses, abs=1e-6)
    for name, value in trainer.model.state_dict().items():
        if name.endswith("key.bias"):
            continue  # softmax ignores it: its gradient is rounding alone, which AdamW enlarges
        assert (ours.state_dict()[name] - value).abs().mean() < 1e-5, name


@pytest.mark.slow
@pytest.mark.lecture("S4-22")
def test_two_processes_have_the_losses_of_one_with_two_accumulated_batches(script, repository, tiny_files, tmp_path):
    flags = [*tiny_files, *SMALL, "--mixed_precision", "no"]
    script.run(*flags, "--gradient_accumulation_steps", 2, "--output_dir", tmp_path / "one")
    environment = {**os.environ, "PYTHONPATH": str(repository), "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, "examples/plain_loop.py", *flags, "--output_dir", str(tmp_path / "two")],
        cwd=repository, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 processes on cpu" in done.stdout and done.stdout.count("epoch 2") == 1
    one, two = (json.loads((tmp_path / name / "plain_loop.json").read_text()) for name in ("one", "two"))
    assert [len(epoch) for epoch in one["losses"]] == [3, 3]  # six batches of at most eight rows: 45
    # The last update of two processes repeats rows, so that both have as many; those before it are the same.
    assert two["losses"][0][:2] == pytest.approx(one["losses"][0][:2], abs=1e-6)
    assert two["gradient_norms"][:2] == pytest.approx(one["gradient_norms"][:2], rel=1e-4)  # AdamW hides a factor
    for name in ("one", "two"):
        assert (tmp_path / name / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.lecture("S4-22")
def test_bfloat16_trains_with_nearly_the_same_losses(script, tiny_files, tmp_path, monkeypatch, capsys):
    losses = {}
    for precision, units in (("no", True), ("bf16", False), ("auto", True)):
        monkeypatch.setattr(script, "has_bfloat16_units", lambda device, units=units: units)
        AcceleratorState._reset_state(True)
        script.run(*tiny_files, *SMALL, "--mixed_precision", precision, "--output_dir", tmp_path / precision)
        losses[precision] = sum(json.loads((tmp_path / precision / "plain_loop.json").read_text())["losses"], [])
        assert f"on cpu, {'no' if precision == 'no' else 'bf16'}" in capsys.readouterr().out
    assert losses["auto"] == losses["bf16"] != losses["no"]
    assert losses["bf16"] == pytest.approx(losses["no"], abs=0.05)  # bfloat16 has 8 bits
    monkeypatch.setattr(script, "has_bfloat16_units", lambda device: False)
    AcceleratorState._reset_state(True)
    assert script.build_accelerator("auto").mixed_precision == "no"


def test_units_are_those_that_torch_reports(monkeypatch):
    for found, expected in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found, raising=False)
        assert machine.has_bfloat16_units(torch.device("cpu")) is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # an older torch
    assert machine.has_bfloat16_units(torch.device("cpu")) is False

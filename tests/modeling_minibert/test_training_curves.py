"""Training curves show what the log says; the gradient's way through the layers shows what residuals are for."""

import json
import sys

import numpy as np
import pytest
import torch

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.modeling_minibert import MiniBertLayer
from modeling_minibert.training.training_curves import (
    layer_gradients,
    main,
    plot_layer_gradients,
    plot_log,
    read_log,
)

LOG = [
    {"step": 10, "epoch": 0.5, "loss": 2.5, "mlm_loss": 2.0, "learning_rate": 1e-3, "grad_norm": 1.5},
    {"step": 20, "epoch": 1.0, "loss": 1.5, "mlm_loss": 1.25, "learning_rate": 5e-4, "grad_norm": 1.25},
    {"step": 20, "epoch": 1.0, "eval_loss": 1.75, "eval_accuracy": 0.5, "eval_macro_f1": 0.25, "eval_perplexity": 5.75,
     "eval_runtime": 0.1, "eval_samples_per_second": 9.0, "eval_steps_per_second": 3.0},
    {"step": 40, "epoch": 2.0, "eval_loss": 1.25, "eval_accuracy": 0.75, "eval_macro_f1": 0.5, "eval_perplexity": 3.5,
     "eval_runtime": 0.1, "eval_samples_per_second": 9.0, "eval_steps_per_second": 3.0},
    {"step": 40, "epoch": 2.0, "train_loss": 1.875, "train_runtime": 1.0, "total_flos": 1e9},
]  # fmt: skip


def drawn(figure):
    """The curves of each panel: axis label → curve label → points."""
    return {
        axes.get_ylabel(): {line.get_label(): line.get_xydata().tolist() for line in axes.lines} for axes in figure.axes
    }


def save(folder, log):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": log}), encoding="utf-8")


def test_every_curve_of_the_log_is_drawn_and_nothing_else():
    assert drawn(plot_log(LOG)) == {
        "loss": {
            "training": [[10, 2.5], [20, 1.5]],
            "training mlm loss": [[10, 2.0], [20, 1.25]],
            "validation": [[20, 1.75], [40, 1.25]],
        },
        "validation score": {"accuracy": [[20, 0.5], [40, 0.75]], "macro f1": [[20, 0.25], [40, 0.5]]},
        "perplexity": {"perplexity": [[20, 5.75], [40, 3.5]]},
        "learning rate": {"learning rate": [[10, 1e-3], [20, 5e-4]]},
    }


def test_a_run_without_validation_has_fewer_panels():
    assert list(drawn(plot_log(LOG[:2]))) == ["loss", "learning rate"]
    # Shorter than its logging_steps: what `Trainer` logs at the end is no curve.
    assert drawn(plot_log([{"step": 2, "train_loss": 0.7, "train_runtime": 1.0}])) == {"loss": {}}


def test_the_log_is_found_in_the_folder_or_in_its_newest_checkpoint(tmp_path):
    save(tmp_path / "run" / "checkpoint-9", LOG[:1])
    save(tmp_path / "run" / "checkpoint-10", LOG[:2])
    assert read_log(tmp_path / "run") == LOG[:2]
    save(tmp_path / "run", LOG)
    assert read_log(tmp_path / "run") == read_log(tmp_path / "run" / "trainer_state.json") == LOG
    with pytest.raises(ValueError, match=r"no trainer_state.json in .*empty or in a checkpoint"):
        read_log(tmp_path / "empty")
    save(tmp_path / "silent", [])
    with pytest.raises(ValueError, match="is empty: the run has logged nothing"):
        read_log(tmp_path / "silent")


def test_the_command_saves_a_picture(tmp_path, monkeypatch, capsys):
    save(tmp_path / "run", LOG)
    picture = tmp_path / "curves.png"
    monkeypatch.setattr(sys, "argv", ["training_curves", str(tmp_path / "run"), "--out", str(picture)])
    main()
    assert capsys.readouterr().out == f"5 log entries up to update 40: {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def without_residual(self, hidden_states, attention_mask=None, **kwargs):
    """`MiniBertLayer.forward`, post-norm, with nothing added to what was there."""
    mixed, weights = self.attention(hidden_states, attention_mask, **kwargs)
    return self.feed_forward_norm(self.feed_forward(self.attention_norm(mixed))), weights


@pytest.mark.lecture("S5-16")
def test_without_residual_connections_little_of_the_gradient_reaches_the_first_layer(monkeypatch):
    """Twelve untrained layers: 98 % of the gradient with residuals, 10 % without, although the norms scale it up."""
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 12, "intermediate_size": 64}
    model = MiniBertForMaskedLM(MiniBertConfig(vocab_size=50, max_position_embeddings=16, **sizes)).eval()
    batch = {"input_ids": torch.randint(5, 50, (3, 11)), "labels": torch.randint(5, 50, (3, 11))}
    norms = {"with residual": layer_gradients(model, **batch)}
    monkeypatch.setattr(MiniBertLayer, "forward", without_residual)
    norms["without"] = layer_gradients(model, **batch)
    assert all(len(values) == 13 for values in norms.values())
    reached = {name: values[0] / values[-1] for name, values in norms.items()}
    assert reached["with residual"] > 0.9 and reached["without"] < 0.2
    lines = plot_layer_gradients(norms).axes[0].lines
    assert [line.get_label() for line in lines] == list(norms)
    np.testing.assert_array_equal(lines[1].get_ydata(), norms["without"])


def test_layer_gradients_are_those_that_backward_leaves_in_the_stock_twin():
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 7}
    model = MiniBertForMaskedLM(MiniBertConfig(vocab_size=13, max_position_embeddings=16, **sizes)).eval()
    batch = {"input_ids": torch.randint(5, 13, (3, 7)), "labels": torch.randint(5, 13, (3, 7))}
    stock = model.to_stock().eval()
    output = stock(**batch, output_hidden_states=True)
    for states in output.hidden_states:
        states.retain_grad()
    output.loss.backward()
    expected = [states.grad.norm().item() for states in output.hidden_states]
    for twin in (model, stock):
        np.testing.assert_allclose(layer_gradients(twin, **batch), expected, rtol=1e-4)
    with pytest.raises(ValueError, match=r"\['input_ids'\] give no loss; add labels"):
        layer_gradients(model, input_ids=batch["input_ids"])

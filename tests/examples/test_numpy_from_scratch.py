"""`examples/numpy_from_scratch.py` from its first line to its last, as a reader runs it."""

import re

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from modeling_minibert import MiniBertForSequenceClassification
from modeling_minibert.numpy_twin.weights import load_weights


@pytest.mark.slow
@pytest.mark.lecture("S1-02", "S1-03", "S1-19", "S1-20", "S1-22", "S1-23", "S1-35")
def test_both_sets_are_learned_and_torch_learns_the_same(load_example, tmp_path, capsys):
    script = load_example("numpy_from_scratch")
    script.run("--output_dir", tmp_path, "--steps", 60)
    printed = capsys.readouterr().out
    for name, part in zip(("six", "four"), re.split(r"(?=^four sentences)", printed, flags=re.MULTILINE), strict=True):
        rows, new_rows = script.SENTENCES[name]
        losses = [float(loss) for loss in re.findall(r"step +\d+ +loss ([\d.]+)", part)]
        assert len(losses) == 5 and losses == sorted(losses, reverse=True) and abs(losses[0] - np.log(2)) < 0.01
        final, in_torch, difference = re.search(
            r"last loss ([\d.]+) in NumPy, ([\d.]+) in torch; the curves differ by at most ([\d.e+-]+)", part
        ).groups()
        assert float(final) < 0.05 and float(difference) < 1e-8 and final == in_torch
        # Every sentence it was trained on is right, and every line holds the sentence it speaks of.
        answers = re.findall(r"^  ([✓✗])   (\w+) +\d+%   (.*)$", part, flags=re.MULTILINE)
        expected = [("✓", script.LABELS[label], text) for text, label in rows]
        assert answers[: len(rows)] == expected
        assert [text for _, _, text in answers[len(rows) :]] == [text for text, _ in new_rows]
        assert float(re.search(r"logits differ by at most ([\d.e+-]+)", part)[1]) < 1e-12
        check_folder(tmp_path / name, rows, script.LABELS)


def check_folder(folder, rows, names):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert type(model) is MiniBertForSequenceClassification and model.dtype == torch.float64
    for name, array in load_weights(folder).items():
        np.testing.assert_array_equal(model.state_dict()[name], array, err_msg=name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(model.get_input_embeddings().weight) == len(tokenizer)
    answers = pipeline("text-classification", model=model, tokenizer=tokenizer)([text for text, _ in rows])
    assert [answer["label"] for answer in answers] == [names[label] for _, label in rows]
    # The picture: two panels of curves on white.
    pixels = imread(folder / "loss.png")[:, :, :3]
    left, right = np.array_split(pixels, 2, axis=1)
    for panel in (left, right):
        assert 0.5 < (panel == 1).all(axis=-1).mean() < 0.99 and len(np.unique(panel.reshape(-1, 3), axis=0)) > 20


def test_other_models_learn_too(load_example, tmp_path, capsys):
    script = load_example("numpy_from_scratch")
    script.run(
        "--output_dir", tmp_path, "--steps", 60, "--position_embedding_type", "learned", "--norm_position", "pre"
    )
    printed = capsys.readouterr().out
    assert all(float(difference) < 1e-8 for difference in re.findall(r"curves differ by at most (\S+)", printed))
    assert re.findall(r"step   48   loss \S+   accuracy after it (\S+)", printed) == ["100%", "100%"]

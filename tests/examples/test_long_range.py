"""`examples/experiments/long_range.py` and the committed run: an LSTM and attention over a distance, equal in size."""

import json

import pytest
import torch


@pytest.fixture
def script(load_example):
    return load_example("experiments/long_range")


@pytest.fixture
def committed(repository):
    return json.loads((repository / "examples/results/long_range/long_range.json").read_text(encoding="utf-8"))


def test_a_text_names_four_values_and_asks_for_one(script):
    torch.manual_seed(0)
    ids, values = script.make_batch(7, rows=50)
    assert ids.shape == (50, 12) and len(set(ids[:, -1].tolist())) == 4 and len(set(values.tolist())) == 8
    for row, value in zip(ids.tolist(), values.tolist(), strict=True):
        named = dict(divmod(token, 8) for token in row[:4])
        assert set(named) == set(range(4)) and named[row[-1] - script.QUERIES] == value
        assert all(32 <= token < script.QUERIES for token in row[4:-1])


@pytest.mark.lecture("S3-02")
def test_both_nets_have_nearly_the_same_number_of_parameters(script, committed):
    sizes = [script.count(script.build(name, 0)) for name in script.NETS]
    assert abs(sizes[0] - sizes[1]) < 0.05 * sizes[1]
    assert list(committed["parameters"].values()) == sizes


def gradient_of_the_named_values(script, net, embedding, distance):
    """The norm of the gradient of the right logits by the vectors of the four named values."""
    torch.manual_seed(1)
    ids, values = script.make_batch(distance)
    kept = []
    handle = embedding.register_forward_hook(lambda module, inputs, output: kept.append(output.retain_grad() or output))
    net(ids).gather(1, values[:, None]).sum().backward()
    handle.remove()
    return kept[0].grad[:, :4].norm().item()


@pytest.mark.lecture("S3-02", "S3-04")
def test_the_gradient_of_a_far_word_vanishes_in_the_lstm_and_not_in_attention(script):
    """How the right answer depends on a named value: over 200 words of noise, relative to 5."""
    shares = {}
    for name in script.NETS:
        net = script.build(name, 0)
        embedding = net.embedding if name == "lstm" else net.gpt.get_input_embeddings()
        far, near = (gradient_of_the_named_values(script, net, embedding, distance) for distance in (200, 5))
        shares[name] = far / near
    assert shares["lstm"] < 1e-3 < shares["attention"]


@pytest.mark.lecture("S3-02", "S3-04")
def test_the_committed_run_shows_where_the_lstm_fails(committed):
    own = {
        (row["net"], row["distance"]): row["accuracy"] for row in committed["rows"] if row["seen"][0] == row["seen"][1]
    }
    distances = sorted({distance for _, distance in own})
    assert distances[0] == 10 and distances[-1] == 1000
    for row in committed["rows"]:
        assert len(row["accuracy"]) == len(row["steps"]) == committed["seeds"]

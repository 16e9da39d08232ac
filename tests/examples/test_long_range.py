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
def test_in_the_committed_run_the_lstm_falls_to_chance_where_attention_still_recalls(committed):
    def accuracy(net, distance, seen):
        (row,) = [
            row for row in committed["rows"] if (row["net"], row["distance"], row["seen"]) == (net, distance, seen)
        ]
        assert len(row["accuracy"]) == len(row["steps"]) == committed["seeds"] == 2
        return row["accuracy"]

    # 512 texts per seed and a chance of 1/8: 20 % is five deviations above it.
    assert min(accuracy("lstm", 10, [10, 10]) + accuracy("attention", 10, [10, 10])) > 0.95
    for distance in (30, 100):
        assert max(accuracy("lstm", distance, [distance, distance])) < 0.2
        assert min(accuracy("attention", distance, [distance, distance])) > 0.95
        assert min(accuracy("attention", distance, [10, 100])) > 0.95 > 0.2 > max(accuracy("lstm", distance, [10, 100]))
    assert {row["distance"] for row in committed["rows"]} == {10, 30, 100, 300, 1000}


@pytest.mark.slow
@pytest.mark.lecture("S3-02")
def test_the_script_trains_for_steps_or_seconds_and_reports_every_distance(script, tmp_path, capsys, monkeypatch):
    learn = script.learn
    monkeypatch.setattr(script, "learn", lambda net, seen, rate, seconds: learn(net, seen, rate, seconds, steps=2))
    monkeypatch.setattr(script, "SEEN", (2, 4))
    script.main(["--distances", "3", "9", "--seeds", "1", "--output_dir", str(tmp_path)])
    report = json.loads((tmp_path / "long_range.json").read_text())
    assert len(report["rows"]) == 2 * (2 + 2) and all(row["steps"] == [2] for row in report["rows"])
    assert (tmp_path / "long_range.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.count("tested on") == 8
    with pytest.raises(ValueError, match=r"distances \(\[0\]\), seeds \(2\) and seconds \(25.0\) must be above 0"):
        script.main(["--distances", "0"])


@pytest.mark.slow
@pytest.mark.lecture("S3-04")
def test_attention_learns_in_steps_that_are_too_few_for_the_lstm(script):
    """The short form of the comparison: equal steps, distance 30."""
    right = {}
    for name in script.NETS:
        net = script.build(name, 0)
        script.learn(net, (30, 30), 3e-3, seconds=0, steps=250)
        right[name] = script.score(net, 30, batches=8)
    assert right["lstm"] < 0.3 < 0.6 < right["attention"]

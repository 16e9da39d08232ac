"""`examples/recurrent_baseline.py`: the LSTMs compute what the papers say, and the table is that of the runs."""

import json

import numpy as np
import pytest
import torch


@pytest.fixture
def script(load_runs_script):
    return load_runs_script("recurrent_baseline")


def random_net(script, bidirectional):
    torch.manual_seed(3)
    net = script.RecurrentClassifier(17, 3, 5, bidirectional, dropout=0.5, pad_token_id=0).double().eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return net


def last_state(weights: dict[str, np.ndarray], vectors: np.ndarray, direction: int) -> np.ndarray:
    """The equations of Hochreiter and Schmidhuber with forget gates, a token at a time: vectors (L, E) → (E,)."""
    state = cell = np.zeros(vectors.shape[1])
    for vector in vectors:
        gates = sum(
            weights[f"lstms.{direction}.weight_{kind}_l0"] @ value + weights[f"lstms.{direction}.bias_{kind}_l0"]
            for kind, value in (("ih", vector), ("hh", state))
        )
        entry, forget, candidate, exit_ = np.split(gates, 4)
        sigmoid = [1 / (1 + np.exp(-gate)) for gate in (entry, forget, exit_)]
        cell = sigmoid[1] * cell + sigmoid[0] * np.tanh(candidate)
        state = sigmoid[2] * np.tanh(cell)
    return state


@pytest.mark.parametrize("bidirectional", [False, True], ids=["lstm", "bilstm"])
def test_the_last_states_of_a_padded_batch_are_those_of_the_equations(script, bidirectional):
    net = random_net(script, bidirectional)
    weights = {name: value.detach().numpy() for name, value in net.named_parameters()}
    texts, width = [[4, 9, 16, 2, 9, 7, 1], [5], [3, 3, 12]], 8
    input_ids = torch.tensor([text + [0] * (width - len(text)) for text in texts])
    output = net(input_ids, (input_ids != 0).long(), labels=torch.tensor([2, 0, 1]))
    for text, logits in zip(texts, output["logits"].detach().numpy(), strict=True):
        vectors = weights["embedding.weight"][text]
        states = [last_state(weights, vectors, 0)]
        if bidirectional:
            states.append(last_state(weights, vectors[::-1], 1))
        ours = weights["classifier.weight"] @ np.concatenate(states) + weights["classifier.bias"]
        np.testing.assert_allclose(logits, ours, atol=1e-12)  # float64, at most 7 steps
    logits = output["logits"].detach().numpy()
    loss = np.log(np.exp(logits).sum(1)) - logits[[0, 1, 2], [2, 0, 1]]
    assert output["loss"].item() == pytest.approx(loss.mean(), abs=1e-12)


def test_the_forget_gates_begin_open(script):
    net = script.RecurrentClassifier(17, 2, 6, True, dropout=0.0, pad_token_id=0)
    for lstm in net.lstms:
        bias = lstm.bias_ih_l0.detach()
        assert (bias[6:12] == 1).all() and bias[:6].abs().max() < 1 and bias[12:].abs().max() < 1


@pytest.mark.slow
@pytest.mark.lecture("S4-01", "S4-11")
def test_three_nets_learn_the_same_texts_and_the_table_is_theirs(script, write_rows, tmp_path, capsys):
    flags = ["--output_dir", str(tmp_path / "out"), "--report_to", "none", "--recurrent_size", "24",
             "--recurrent_learning_rate", "0.01", "--label_smoothing_factor", "0.05"]  # fmt: skip
    for seed, (name, count) in enumerate({"train": 600, "validation": 60, "test": 41}.items()):
        flags += [f"--{name}_file", write_rows(tmp_path / f"{name}.csv", count, seed)]
    script.main(flags)
    printed = capsys.readouterr().out
    saved = json.loads((tmp_path / "out" / "recurrent_baseline.json").read_text())
    assert saved["split"] == "test" and list(saved["nets"]) == ["lstm", "bilstm", "minibert"]
    for net, row in saved["nets"].items():
        assert row["single_pass"]["accuracy"] > 0.9, net  # one word tells; always guessing one class: 0.51
        line = next(line for line in printed.splitlines() if line.startswith(f"{net:8}  "))
        assert (
            f"{row['parameters']:,}" in line and f"accuracy, single pass: {row['single_pass']['accuracy']:.1%}" in line
        )
    sizes = {net: row["parameters"] for net, row in saved["nets"].items()}
    cell, state = 4 * 24 * (24 + 24 + 2), 24 * 2
    assert sizes["bilstm"] - sizes["lstm"] == cell + state  # a second direction, and its half of the classifier


def test_what_cannot_be_compared_is_refused(script, tmp_path):
    with pytest.raises(ValueError, match="leave out --model_name_or_path"):
        script.main(["--model_name_or_path", str(tmp_path)])
    with pytest.raises(ValueError, match=r"--nets has 'gru'; choose from lstm, bilstm, minibert"):
        script.main(["--nets", "lstm", "gru"])

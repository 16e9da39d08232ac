"""The operations in NumPy: each against torch and against central differences, and the lectures' mistakes in them.

The lectures' backward pass (rows S1-31 to S1-40) never ran to its end; each test here that names one of these rows
fails where that mistake is made.
"""

import json
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.compare import assert_same_outputs

from modeling_minibert import MiniBertConfig, scaled_dot_product_attention
from modeling_minibert.heads import attention_pooling, max_pooling, mean_pooling
from modeling_minibert.numpy_twin import blocks
from modeling_minibert.numpy_twin.encoder import WORDS, encoder_forward, model_forward
from modeling_minibert.numpy_twin.layers import (
    attention_backward,
    attention_forward,
    feed_forward_backward,
    feed_forward_forward,
    layer_backward,
    layer_forward,
    part,
)
from modeling_minibert.numpy_twin.training import (
    adamw_step,
    cross_entropy_backward,
    cross_entropy_forward,
    loss_and_gradients,
    sgd_step,
)
from modeling_minibert.numpy_twin.weights import initial_weights

B, L, S, H, D, E, M, V = 3, 7, 5, 4, 6, 20, 37, 101
REAL = np.arange(L) < np.array([[7], [4], [0]])  # the last text is empty
ATTEND = np.random.default_rng(3).random((B, 1, L, S)) > 0.3
ATTEND[1, :, 2] = False  # a query that may attend to nothing


def activation_case(name, function):
    return {name: (*blocks.ACTIVATIONS[name], function, [(B, L, E)])}


# name → forward, backward, the same in torch, shapes of the inputs
CASES = {
    "linear": (blocks.linear_forward, blocks.linear_backward, F.linear, [(B, L, E), (M, E), (M,)]),
    "layer norm": (
        lambda *inputs: blocks.layer_norm_forward(*inputs, 1e-3), blocks.layer_norm_backward,
        lambda x, weight, bias: F.layer_norm(x, (E,), weight, bias, 1e-3), [(B, L, E), (E,), (E,)],
    ),
    "rms norm": (
        lambda *inputs: blocks.rms_norm_forward(*inputs, 1e-3), blocks.rms_norm_backward,
        lambda x, weight: F.rms_norm(x, (E,), weight, 1e-3), [(B, L, E), (E,)],
    ),
    "softmax": (blocks.softmax_forward, blocks.softmax_backward, lambda x: x.softmax(-1), [(B, L, S)]),
    **activation_case("gelu", F.gelu),
    **activation_case("gelu_new", lambda x: F.gelu(x, approximate="tanh")),
    **activation_case("relu", F.relu),
    **activation_case("silu", F.silu),
    **activation_case("tanh", torch.tanh),
    "attention": (
        lambda *inputs: blocks.scaled_dot_product_attention_forward(*inputs, ATTEND),
        blocks.scaled_dot_product_attention_backward,
        lambda *inputs: scaled_dot_product_attention(*inputs, torch.from_numpy(ATTEND))[0],
        [(B, H, L, D), (B, H, S, D), (B, H, S, D + 1)],
    ),
    "mean pooling": (
        lambda x: blocks.mean_pooling_forward(x, REAL), blocks.mean_pooling_backward,
        lambda x: mean_pooling(x, torch.from_numpy(REAL)), [(B, L, E)],
    ),
    "attention pooling": (
        lambda x, query: blocks.attention_pooling_forward(x, REAL, query), blocks.attention_pooling_backward,
        lambda x, query: attention_pooling(x, torch.from_numpy(REAL), query), [(B, L, E), (E,)],
    ),
    "max pooling": (
        lambda x: blocks.max_pooling_forward(x, REAL), blocks.max_pooling_backward,
        lambda x: max_pooling(x, torch.from_numpy(REAL)), [(B, L, E)],
    ),
}  # fmt: skip


@pytest.mark.lecture("S1-13", "S1-15", "S1-34", "S1-36", "S1-39", "S2-14", "S2-17", "S2-18", "S2-33", "S2-34", "S2-38")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_block_and_its_gradients_equal_torch_and_central_differences(case):
    forward, backward, in_torch, shapes = case
    rng, step = np.random.default_rng(0), 1e-6
    inputs = [rng.normal(size=shape) for shape in shapes]
    for array in inputs:
        array.flags.writeable = False  # an operation that changed its input would raise
    out, cache = forward(*inputs)
    dout = rng.normal(size=out.shape)
    dout.flags.writeable = False
    grads = backward(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)

    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    expected = in_torch(*tensors)
    expected.backward(torch.tensor(dout))
    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-12)
    for index, (grad, tensor) in enumerate(zip(grads, tensors, strict=True)):
        np.testing.assert_allclose(grad, tensor.grad, rtol=0, atol=1e-10)
        direction = rng.normal(size=grad.shape)
        up, down = (
            (forward(*inputs[:index], inputs[index] + sign * direction, *inputs[index + 1 :])[0] * dout).sum()
            for sign in (step, -step)
        )
        np.testing.assert_allclose((grad * direction).sum(), (up - down) / (2 * step), rtol=1e-6, atol=1e-6)


@pytest.mark.lecture("S1-11", "S1-32")
def test_softmax_sums_to_one_overflows_nowhere_and_leaves_its_input():
    scores = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4], [1.0, 2.0, 3.0]])
    before = scores.copy()
    with np.errstate(over="raise", invalid="raise"):
        weights, _ = blocks.softmax_forward(scores)
        np.testing.assert_array_equal(scores, before)
        np.testing.assert_allclose(weights, [[0.5, 0, 0.5], [1 / 3] * 3, [0.09003, 0.24473, 0.66524]], atol=1e-5)
        # No constant is added to the denominator: the rows sum to 1 to the last digit.
        np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=0, atol=1e-15)
        loss, cache = cross_entropy_forward(scores, np.array([1, 0, 2]))
        assert np.isfinite(loss) and np.isfinite(cross_entropy_backward(1.0, cache)).all()
    np.testing.assert_array_equal(scores, before)
    # -log(p + 1e-9), the lecture's, cannot tell how wrong an answer is: 20.7 at most.
    np.testing.assert_allclose(loss, (2e4 + np.log(2) + np.log(3) + 0.40761) / 3, rtol=1e-6)


@pytest.mark.lecture("S1-34")
def test_what_goes_back_through_a_layer_norm_has_no_part_along_one_and_the_vector():
    rng = np.random.default_rng(0)
    x, dout, weight = rng.normal(3.0, 5.0, (B, L, E)), rng.normal(size=(B, L, E)), rng.normal(size=E)
    _, cache = blocks.layer_norm_forward(x, weight, np.zeros(E), 0.0)
    dx, _, _ = blocks.layer_norm_backward(dout, cache)
    assert abs(dx).max() > 0.1
    # The output stays the same when all features are moved or stretched together, and so does the loss.
    np.testing.assert_allclose(dx.sum(-1), 0.0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(-1), 0.0, atol=1e-12)


@pytest.mark.lecture("S1-37")
def test_a_word_that_stands_twice_gets_both_gradients():
    ids, rng = np.array([[4, 2, 4], [0, 4, 1]]), np.random.default_rng(0)  # two-dimensional: texts and places
    table, dout = rng.normal(size=(6, 5)), rng.normal(size=(2, 3, 5))
    out, cache = blocks.embedding_forward(ids, table)
    np.testing.assert_array_equal(out[1, 1], table[4])
    dtable = blocks.embedding_backward(dout, cache)
    np.testing.assert_allclose(dtable[4], dout[0, 0] + dout[0, 2] + dout[1, 1])
    assert (dtable[[3, 5]] == 0).all()  # words of no text


def small_config(**fields):
    sizes = {"vocab_size": V, "hidden_size": E, "num_attention_heads": H, "num_hidden_layers": 2, "num_labels": 2}
    return MiniBertConfig(**{**sizes, "intermediate_size": M, "max_position_embeddings": 9, **fields})


def random_model(**fields):
    config, rng = small_config(**fields), np.random.default_rng(0)
    params = {name: rng.normal(0.0, 0.3, array.shape) for name, array in initial_weights(config, rng).items()}
    batch = {"input_ids": rng.integers(1, V, (B, L)), "attention_mask": np.arange(L) < np.array([[7], [4], [2]])}
    return params, config, batch, {"classifier": np.array([0, 1, 1])}


@pytest.mark.lecture("S1-33", "S1-36")
@pytest.mark.parametrize("module", ["attention", "feed_forward"])
def test_the_gradients_of_a_batch_are_the_sums_over_its_texts(module):
    params, config, _, _ = random_model()
    own = part(params, f"minibert.layers.0.{module}")
    forward, backward = {
        "attention": (attention_forward, attention_backward),
        "feed_forward": (feed_forward_forward, feed_forward_backward),
    }[module]
    x, dout = np.random.default_rng(1).normal(size=(2, B, L, E))

    def gradients(rows):
        return backward(dout[rows], forward(own, config, x[rows])[1])

    dx, together = gradients(slice(None))
    alone = [gradients(slice(row, row + 1)) for row in range(B)]
    assert set(together) == set(own)  # the output projection and the second matrix too
    for name, grad in together.items():
        assert grad.shape == own[name].shape
        np.testing.assert_allclose(grad, sum(grads[name] for _, grads in alone), rtol=0, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(dx, np.concatenate([one for one, _ in alone]), rtol=0, atol=1e-12)


@pytest.mark.lecture("S1-33")
def test_the_way_back_divides_by_the_root_of_the_head_size_as_the_way_there():
    rng = np.random.default_rng(0)
    query, key, value, dout = rng.normal(size=(4, 1, H, L, D))
    _, cache = blocks.scaled_dot_product_attention_forward(query, key, value)
    dquery, dkey, _ = blocks.scaled_dot_product_attention_backward(dout, cache)
    # Stretching the queries and shrinking the keys alike leaves every score as it is.
    np.testing.assert_allclose((dquery * query).sum(), (dkey * key).sum(), rtol=1e-10)
    weights = cache[0]
    dweights = dout @ value.swapaxes(-2, -1)
    dscores = np.einsum("bhls,bhls,bhlst->bhlt", dweights, weights, np.eye(L) - weights[..., None, :])
    np.testing.assert_allclose(dquery, dscores @ key / np.sqrt(D), rtol=0, atol=1e-12)
    assert abs(dquery - dscores @ key / np.sqrt(H * D)).max() > 0.01  # the lecture's root of d_model


@pytest.mark.lecture("S1-39")
@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_no_array_is_shared_or_changed_on_the_way(norm_position):
    params, config, batch, labels = random_model(norm_position=norm_position)
    for array in params.values():
        array.flags.writeable = False
    _, grads = loss_and_gradients(params, config, batch, labels)
    for array in grads.values():
        array.flags.writeable = False
    sgd_step(params, grads, 0.1)
    moved, state = adamw_step(params, grads, {}, 0.1)
    adamw_step(moved, grads, state, 0.1)
    names = list(grads)
    for index, name in enumerate(names):
        assert not [other for other in names[:index] if np.shares_memory(grads[name], grads[other])], name
    x, dout = np.random.default_rng(1).normal(size=(2, B, L, E))
    x.flags.writeable = dout.flags.writeable = False
    _, cache = layer_forward(part(params, "minibert.layers.0"), config, x)
    layer_backward(dout, cache)


@pytest.mark.lecture("S1-40")
def test_nothing_is_kept_once_the_cache_is_gone():
    params, config, batch, _ = random_model()
    logits, cache = model_forward(params, config, **batch)
    _, caches = cache
    kept = [weakref.ref(array) for array in _arrays(caches) if not any(array is own for own in params.values())]
    assert len(kept) > 40
    del cache, caches
    assert all(ref() is None or ref() is batch["input_ids"] for ref in kept)
    assert_same_outputs(model_forward(params, config, **batch)[0]["classifier"], logits["classifier"])


def _arrays(kept):
    if isinstance(kept, np.ndarray):
        yield kept
    elif isinstance(kept, tuple | list | dict):
        for entry in kept.values() if isinstance(kept, dict) else kept:
            yield from _arrays(entry)


def test_dropout_keeps_the_mean_and_drops_its_share():
    x = np.full((400, 500), 2.0)
    out, keep = blocks.dropout_forward(x, 0.3, np.random.default_rng(0))
    # 200,000 draws: the share of zeros has the standard deviation √(0.3 · 0.7 / 200,000) = 0.001.
    assert abs((out == 0).mean() - 0.3) < 0.005 and abs(out.mean() - 2.0) < 0.02
    np.testing.assert_allclose(out[out != 0], 2.0 / 0.7)
    np.testing.assert_array_equal(blocks.dropout_backward(x, keep), out)
    assert blocks.dropout_forward(x, 0.3, None)[0] is x and blocks.dropout_backward(x, None) is x


@pytest.mark.lecture("S1-31", "S2-35")
def test_first_weights_lie_around_zero_and_come_from_the_generator_alone():
    config = small_config(vocab_size=900, hidden_size=64, intermediate_size=256)
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    params = initial_weights(config, np.random.default_rng(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    again, other = (initial_weights(config, np.random.default_rng(seed)) for seed in (0, 1))
    for name, array in params.items():
        np.testing.assert_array_equal(array, again[name])
        if array.size > 4000:
            assert abs(array.mean()) < 5 * 0.02 / np.sqrt(array.size) and abs(array.std() - 0.02) < 0.001, name
            assert abs(array - other[name]).max() > 0.05
    assert (params[WORDS][0] == 0).all()  # padding
    # Weights drawn from 0 to 1 gave the lecture's network outputs of 25 to 40; these barely move the token.
    x = np.random.default_rng(2).normal(size=(B, L, 64))
    out, _ = feed_forward_forward(part(params, "minibert.layers.0.feed_forward"), config, x)
    assert abs(out).max() < 0.5 and abs(out.mean()) < 0.01


def test_equals_share_the_gradient_of_the_maximum_as_in_torch():
    x = np.array([[[1.0, 5.0], [3.0, 5.0], [3.0, 2.0]]])
    tensor = torch.tensor(x, requires_grad=True)
    max_pooling(tensor, torch.ones(1, 3)).sum().backward()
    _, cache = blocks.max_pooling_forward(x, np.ones((1, 3)))
    np.testing.assert_array_equal(blocks.max_pooling_backward(np.ones((1, 2)), cache), tensor.grad)
    np.testing.assert_array_equal(tensor.grad[0, :, 1], [0.5, 0.5, 0])


def test_a_text_of_pads_alone_gives_finite_numbers():
    params, config, batch, labels = random_model(classifier_pooling="mean")
    empty = {**batch, "attention_mask": np.zeros((B, L), int)}
    vectors, _ = encoder_forward(part(params, "minibert"), config, **empty)
    loss, grads = loss_and_gradients(params, config, empty, labels)
    assert np.isfinite(vectors).all() and np.isfinite(loss)
    assert all(np.isfinite(grad).all() for grad in grads.values())


WITHOUT_TORCH = """
import json, sys, types
for name in ("torch", "transformers", "safetensors", "scipy"):
    sys.modules[name] = None  # importing it is an ImportError
package = sys.modules["modeling_minibert"] = types.ModuleType("modeling_minibert")
package.__path__ = [sys.argv[1]]
import numpy as np
from modeling_minibert.numpy_twin.training import loss_and_gradients
from modeling_minibert.numpy_twin.weights import initial_weights
config = types.SimpleNamespace(**json.loads(sys.argv[2]))
params = initial_weights(config, np.random.default_rng(0))
print(loss_and_gradients(params, config, {"input_ids": np.array([[5, 6]])}, {"classifier": np.array([1])})[0])
"""


def test_numpy_is_all_it_needs(repository, tmp_path):
    config, folder = small_config(), repository / "modeling_minibert"
    properties = {name: getattr(config, name) for name in ("num_labels", "attention_head_size")}
    fields = json.dumps({**config.to_dict(), **properties})
    command = [sys.executable, "-c", WITHOUT_TORCH, str(folder), fields]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout) - np.log(2)) < 0.1
    # And the torch model, which travels to the Hub, does without it.
    for path in folder.glob("*.py"):
        assert "numpy_twin" not in path.read_text(encoding="utf-8"), path

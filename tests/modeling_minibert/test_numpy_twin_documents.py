"""The NumPy model gives the numbers that the lectures print, and is what their pseudo-code says."""

import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from modeling_minibert import MiniBertConfig
from modeling_minibert.numpy_twin import blocks, layers
from modeling_minibert.numpy_twin import encoder as reference
from modeling_minibert.numpy_twin.training import adamw_step, cross_entropy_forward, loss_and_gradients
from modeling_minibert.numpy_twin.weights import initial_weights

PRINTED = 6e-5  # four digits after the point, of which the last is rounded
# The notebook's six sentences as it numbers them, hole and all.
IDS = np.array(
    [
        [1, 2, 3, 15, 5, 6, 7, 0, 0, 0],
        [1, 8, 9, 10, 0, 0, 0, 0, 0, 0],
        [1, 11, 12, 13, 0, 0, 0, 0, 0, 0],
        [1, 14, 15, 16, 17, 0, 0, 0, 0, 0],
        [1, 18, 19, 20, 0, 0, 0, 0, 0, 0],
        [1, 21, 22, 23, 24, 25, 0, 0, 0, 0],
    ]
)


def notebook_config(**fields):
    """Four features, four heads of one, feed-forward twice as wide, fixed positions; no more than it has."""
    sizes = {"vocab_size": 26, "hidden_size": 4, "num_attention_heads": 4, "intermediate_size": 8, "hidden_act": "relu"}
    lacks = {"embedding_norm": False, "type_vocab_size": 0, "hidden_dropout_prob": 0.0, "pad_token_id": None}
    positions = {"position_embedding_type": "sinusoidal", "max_position_embeddings": 10}
    return MiniBertConfig(**{**sizes, **lacks, **positions, "num_hidden_layers": 1, **fields})


def random_params(config, heads=("classifier",)):
    rng = np.random.default_rng(0)
    return {name: rng.normal(0.0, 0.5, array.shape) for name, array in initial_weights(config, rng, heads).items()}


@pytest.mark.lecture("S1-08", "S2-15")
def test_the_table_of_positions():
    printed = [
        [0, 1, 0, 1], [0.8415, 0.5403, 0.01, 1], [0.9093, -0.4161, 0.02, 0.9998], [0.1411, -0.99, 0.03, 0.9996],
        [-0.7568, -0.6536, 0.04, 0.9992], [-0.9589, 0.2837, 0.05, 0.9988], [-0.2794, 0.9602, 0.06, 0.9982],
        [0.657, 0.7539, 0.0699, 0.9976], [0.9894, -0.1455, 0.0799, 0.9968], [0.4121, -0.9111, 0.0899, 0.996],
    ]  # fmt: skip
    table = layers.sinusoidal_positions(10, 4)
    np.testing.assert_allclose(table, printed, rtol=0, atol=PRINTED)
    assert abs(table).max() <= 1


@pytest.mark.lecture("S2-15", "S2-36")
@pytest.mark.parametrize("size", [1, 7, 10, 64])
def test_the_other_form_of_the_table_also_for_odd_sizes(size):
    # exp(-2i · ln 10000 / size), the second notebook's; its slices do not fit where the size is odd.
    angles = np.arange(50)[:, None] * np.exp(np.arange(0, size, 2) * (-np.log(10000.0) / size))
    expected = np.zeros((50, size))
    expected[:, 0::2] = np.sin(angles)
    expected[:, 1::2] = np.cos(angles)[:, : size // 2]
    np.testing.assert_allclose(layers.sinusoidal_positions(50, size), expected, rtol=0, atol=1e-7)


@pytest.mark.lecture("S1-07", "S1-09")
def test_the_embeddings_that_the_notebook_prints():
    table = np.random.RandomState(4).randn(26, 4)  # the notebook's seed and generator
    params = {"word_embeddings.weight": table}
    without, _ = layers.embeddings_forward(params, notebook_config(position_embedding_type="none"), IDS)
    out, cache = layers.embeddings_forward(params, notebook_config(), IDS)
    assert out.shape == (6, 10, 4)
    np.testing.assert_array_equal(without, F.embedding(torch.from_numpy(IDS), torch.from_numpy(table)))
    np.testing.assert_allclose(without[0, 3], [2.4766, 0.3523, 0.0675, -0.7323], rtol=0, atol=PRINTED)
    np.testing.assert_allclose(out[0, 1], [1.1737, -0.6072, 0.6287, 0.912], rtol=0, atol=PRINTED)
    np.testing.assert_allclose(out[0, 9], [0.4627, -0.4112, -0.906, 1.6896], rtol=0, atol=PRINTED)
    np.testing.assert_allclose(out[1, 3], [-1.0027, -0.4801, -1.3175, 0.9902], rtol=0, atol=PRINTED)
    grads = layers.embeddings_backward(np.ones_like(out), cache)
    np.testing.assert_array_equal(grads["word_embeddings.weight"][:, 0], np.bincount(IDS.ravel(), minlength=26))


@pytest.mark.lecture("S1-11")
def test_the_weights_of_the_notebooks_first_head():
    # What the first token gives to each of the first nine; the scores less the largest, and the weights, as printed.
    scores = [-4.4135, -5.3745, -5.0261, -4.4693, 0.0, -4.9265, -5.8603, -6.2972, -6.0571, -5.1659]
    weights, _ = blocks.softmax_forward(np.array(scores))
    printed = [0.0115, 0.0044, 0.0062, 0.0109, 0.9481, 0.0069, 0.0027, 0.0017, 0.0022]
    np.testing.assert_allclose(weights[:9], printed, rtol=0, atol=PRINTED)
    # The same from its queries and keys, of one feature.
    query, keys = np.array([[1.7251]]), np.array([[-1.3881], [-1.9452], [-1.7432], [-1.4205], [1.1702]])
    _, (weights, *_) = blocks.scaled_dot_product_attention_forward(query, keys, keys)
    np.testing.assert_allclose(np.log(weights / weights[0, 4])[0], scores[:5], rtol=0, atol=5e-4)


@pytest.mark.lecture("S1-10", "S1-13")
def test_heads_side_by_side_are_the_notebooks_einsum():
    rng, config = np.random.default_rng(0), notebook_config(attention_bias=False)
    x = rng.normal(size=(6, 10, 4))
    wq, wk, wv = rng.normal(size=(3, 4, 4, 1))  # heads, features, features of a head
    wo = rng.normal(size=(4, 4))
    query, key, value = (np.einsum("bse,hed->bhsd", x, weight) for weight in (wq, wk, wv))
    scores = np.einsum("bhsd,bhtd->bhst", query, key)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    mixed = np.einsum("bhst,bhtd->bhsd", weights, value).transpose(0, 2, 1, 3).reshape(6, 10, 4)
    rows = {name: weight[:, :, 0] for name, weight in zip(("query", "key", "value"), (wq, wk, wv), strict=True)}
    params = {f"{name}.weight": weight for name, weight in (*rows.items(), ("output", wo.T))}
    out, cache = layers.attention_forward(params, config, x)
    np.testing.assert_allclose(out, np.einsum("bsd,df->bsf", mixed, wo), rtol=0, atol=1e-12)
    # The notebook's shape of the weights; and torch's own multi-head attention.
    assert cache[4][0].shape == (6, 4, 10, 10)
    theirs = torch.nn.MultiheadAttention(4, 4, bias=False, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate([*rows.values()])))
        theirs.out_proj.weight.copy_(torch.tensor(wo.T))
        expected, _ = theirs(*[torch.tensor(x)] * 3)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


@pytest.mark.lecture("S1-14", "S2-34")
def test_the_add_and_norm_that_the_notebook_prints():
    embedded, projected = [-0.4183, -0.5846, -0.6477, 1.5986], [-1.8126, 1.7303, 3.55, 2.3894]
    normed, _ = blocks.layer_norm_forward(np.add(embedded, projected), np.ones(4), np.zeros(4), 1e-12)
    np.testing.assert_allclose(normed, [-1.5633, -0.1297, 0.616, 1.077], rtol=0, atol=2 * PRINTED)
    # eps stands under the root: the lecture's, beside it, is off wherever a token hardly varies.
    x = np.array([1e-3, 2e-3, 4e-3])
    ours, _ = blocks.layer_norm_forward(x, np.ones(3), np.zeros(3), 1e-6)
    theirs = F.layer_norm(torch.tensor(x), (3,), eps=1e-6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert abs(ours - (x - x.mean()) / (x.std() + 1e-6)).max() > 0.1


@pytest.mark.lecture("S1-15")
def test_the_notebooks_feed_forward_lets_only_the_positive_through():
    config, x = notebook_config(), np.random.default_rng(1).normal(size=(6, 10, 4))
    params = layers.part(random_params(config), "minibert.layers.0.feed_forward")
    assert params["up.weight"].shape == (2 * 4, 4)
    out, (_, _, positive, (active, *_), _) = layers.feed_forward_forward(params, config, x)
    wide = x @ params["up.weight"].T + params["up.bias"]
    np.testing.assert_array_equal(positive, wide > 0)
    assert ((active == 0) == (wide <= 0)).all() and 0.2 < positive.mean() < 0.8
    np.testing.assert_allclose(
        out, np.maximum(wide, 0) @ params["down.weight"].T + params["down.bias"], rtol=0, atol=1e-12
    )


@pytest.mark.lecture("S1-17", "S1-18")
def test_the_losses_that_the_notebook_prints():
    logits = np.array([[3.8097, -1.2682], [3.6546, -1.3433], [4.066, 0.2226], [0.5987, -3.9558]])
    printed = [(1, 5.0841), (0, 0.0067), (1, 3.8645), (0, 0.0105)]
    for row, (label, loss) in zip(logits, printed, strict=True):
        # The notebook calculates with more digits than it prints.
        np.testing.assert_allclose(cross_entropy_forward(row[None], np.array([label]))[0], loss, rtol=0, atol=2e-4)
    labels = np.array([label for label, _ in printed])
    mean, _ = cross_entropy_forward(logits, labels)
    np.testing.assert_allclose(mean, F.cross_entropy(torch.tensor(logits), torch.tensor(labels)), rtol=0, atol=1e-12)
    assert abs(cross_entropy_forward(np.zeros((5, 2)), np.array([0, 1, 1, 0, -100]))[0] - np.log(2)) < 1e-15
    # An untrained model of ours knows nothing; the notebook's lost 5.08 on its first sentence.
    config = notebook_config(hidden_size=16, intermediate_size=32)
    params = initial_weights(config, np.random.default_rng(0))
    loss, _ = loss_and_gradients(params, config, {"input_ids": IDS}, {"classifier": np.array([1, 0, 1, 0, 1, 0])})
    assert abs(loss - np.log(2)) < 0.01


@pytest.mark.lecture("S3-07", "S3-08")
def test_the_books_attention_function():
    draw = np.random.RandomState(42)
    query, key, value = draw.randn(3, 4), draw.randn(3, 4), draw.randn(3, 4)
    scores = query @ key.T / np.sqrt(4)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    out, (ours, *_) = blocks.scaled_dot_product_attention_forward(query, key, value)
    np.testing.assert_allclose(ours, weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(out, weights @ value, rtol=0, atol=1e-12)
    # d_k may be another than d_model: heads of 5 features where 3 · 5 is not 4.
    config = notebook_config(num_attention_heads=3, head_dim=5)
    params = layers.part(random_params(config), "minibert.layers.0.attention")
    assert params["query.weight"].shape == (15, 4) and params["output.weight"].shape == (4, 15)
    assert layers.attention_forward(params, config, draw.randn(2, 7, 4))[0].shape == (2, 7, 4)


@pytest.mark.lecture("S1-16", "S2-12")
def test_the_encoder_is_the_pseudo_code():
    """Two layers, each token and each pair of tokens by itself, as the second notebook writes it down."""
    config = notebook_config(num_hidden_layers=2, hidden_size=6, num_attention_heads=2, intermediate_size=12)
    params = random_params(config)
    ids = IDS[:2, :5]
    ours, _ = reference.encoder_forward(layers.part(params, "minibert"), config, ids)
    for text, expected in zip(ids, ours, strict=True):
        word, table = params["minibert.embeddings.word_embeddings.weight"], layers.sinusoidal_positions(5, 6)
        vectors = [word[token] + table[place] for place, token in enumerate(text)]
        for index in range(2):
            vectors = pseudo_code_layer(vectors, layers.part(params, f"minibert.layers.{index}"), heads=2)
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-12)
    # Pooled: the first token, [CLS].
    logits, _ = reference.model_forward(params, config, ids)
    pooled = np.tanh(ours[:, 0] @ params["minibert.pooler.dense.weight"].T + params["minibert.pooler.dense.bias"])
    expected = pooled @ params["classifier.output.weight"].T + params["classifier.output.bias"]
    np.testing.assert_allclose(logits["classifier"], expected, rtol=0, atol=1e-12)


def pseudo_code_layer(vectors, params, heads):
    def linear(name, vector):
        return params[f"{name}.weight"] @ vector + params[f"{name}.bias"]

    def norm(name, vector):
        normed = (vector - vector.mean()) / np.sqrt(vector.var() + 1e-12)
        return normed * params[f"{name}.weight"] + params[f"{name}.bias"]

    queries, keys, values = (
        [np.split(linear(f"attention.{name}", vector), heads) for vector in vectors]
        for name in ("query", "key", "value")
    )
    outputs = []
    for i, vector in enumerate(vectors):
        mixed = []
        for head in range(heads):
            query = queries[i][head]
            scores = [query @ keys[j][head] / np.sqrt(len(query)) for j in range(len(vectors))]
            total = sum(np.exp(score) for score in scores)
            mixed.append(sum(np.exp(score) / total * values[j][head] for j, score in enumerate(scores)))
        attended = norm("attention_norm", vector + linear("attention.output", np.concatenate(mixed)))
        wide = np.maximum(linear("feed_forward.up", attended), 0.0)
        outputs.append(norm("feed_forward_norm", attended + linear("feed_forward.down", wide)))
    return outputs


@pytest.mark.lecture("S1-20", "S2-13")
def test_the_five_modules_of_the_lecture_stand_where_the_table_says():
    rows = re.findall(r"^\| ([a-z -]+?) *\| (.*) \|$", reference.__doc__, flags=re.MULTILINE)
    wanted = ["lecture", "basic functions", "embedding", "self-attention", "feed-forward", "encoder layer"]
    assert [name for name, _ in rows] == wanted
    for _, names in rows[1:]:
        for name in re.findall(r"`(\w+)`", names):
            function = next(getattr(m, name) for m in (blocks, layers, reference) if hasattr(m, name))
            if name.endswith("_forward"):
                assert hasattr(sys.modules[function.__module__], f"{name.removesuffix('_forward')}_backward")


@pytest.mark.lecture("S1-41")
def test_the_stack_of_two_layers_is_pretrained_on_both_tasks():
    config = notebook_config(
        num_hidden_layers=2, hidden_size=16, type_vocab_size=2, vocab_size=27, scale_embedding=True,
        initializer_range=0.1,
    )  # fmt: skip
    params = initial_weights(config, np.random.default_rng(0), ("mlm_head", "nsp_head"))
    # The first words of each sentence twice: once its own go on, once those of another; one word is masked (26).
    pairs = [np.concatenate([IDS[:, :4], np.roll(IDS[:, 1:4], shift, axis=0)], axis=1) for shift in (0, 1)]
    ids = np.concatenate(pairs)
    segments = np.repeat([[0] * 4 + [1] * 3], 12, axis=0)
    words = np.full_like(ids, -100)
    words[:, 2] = ids[:, 2]
    ids[:, 2] = 26
    labels = {"mlm_head": words, "nsp_head": np.repeat([0, 1], 6)}
    batch, state = {"input_ids": ids, "token_type_ids": segments}, {}

    def losses():
        logits, _ = reference.model_forward(params, config, **batch)
        return [cross_entropy_forward(logits[head], labels[head])[0] for head in labels]

    first = losses()
    for _ in range(150):
        _, grads = loss_and_gradients(params, config, batch, labels)
        params, state = adamw_step(params, grads, state, 1e-2)
    assert first[0] > 3 and first[1] > 0.6  # chance: ln 27 = 3.30 and ln 2 = 0.69
    assert max(losses()) < 0.1

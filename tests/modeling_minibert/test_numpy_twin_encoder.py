"""The NumPy model against MiniBert with the same weights: outputs, every gradient, training, dropout, files."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForPreTraining, AutoModelForSequenceClassification

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
)
from modeling_minibert.numpy_twin.encoder import DECODER, WORDS, encoder_forward, model_forward, pooler_forward
from modeling_minibert.numpy_twin.layers import part
from modeling_minibert.numpy_twin.training import adamw_step, loss_and_gradients, sgd_step
from modeling_minibert.numpy_twin.weights import initial_weights, load_weights, save_weights
from modeling_minibert.stock import from_stock

B, L, H, D, M, V, C = 3, 7, 4, 5, 37, 101, 5

VARIANTS = {
    "BERT": {},
    "pre-norm, sinusoidal, scaled, relu, mean": {
        "norm_position": "pre", "position_embedding_type": "sinusoidal", "scale_embedding": True,
        "hidden_act": "relu", "classifier_pooling": "mean", "classifier_hidden_size": 11, "type_vocab_size": 0,
    },
    "tanh-gelu, max, no positions, wide heads, no attention bias, untied": {
        "hidden_act": "gelu_new", "classifier_pooling": "max", "position_embedding_type": "none", "head_dim": 6,
        "attention_bias": False, "embedding_norm": False, "tie_word_embeddings": False, "pad_token_id": None,
    },
    "pre-norm with RMS norm and silu": {"norm_position": "pre", "norm_type": "rmsnorm", "hidden_act": "silu"},
    "attention pooling": {"classifier_pooling": "attention"},
    "odd size, one layer, tanh": {
        "hidden_size": 21, "num_attention_heads": 3, "num_hidden_layers": 1, "hidden_act": "tanh",
        "position_embedding_type": "sinusoidal",
    },
}  # fmt: skip
HEADS = {
    MiniBertForSequenceClassification: ("classifier",),
    MiniBertForMaskedLM: ("mlm_head",),
    MiniBertForNextSentencePrediction: ("nsp_head",),
    MiniBertForPreTraining: ("mlm_head", "nsp_head"),
}
every_variant = pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
every_class = pytest.mark.parametrize("model_class", HEADS)


def small_config(**fields):
    sizes = {"vocab_size": V, "hidden_size": H * D, "num_attention_heads": H, "num_hidden_layers": 2, "num_labels": C}
    more = {"intermediate_size": M, "max_position_embeddings": 9}
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return MiniBertConfig(**{**sizes, **more, **none, **fields})


def random_pair(model_class=MiniBertForSequenceClassification, **fields):
    """A torch model with every parameter random, norms too, and the same parameters in NumPy."""
    model = model_class(small_config(**fields)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model, {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def random_batch(seed=0):
    """Texts of 7, 4 and 2 tokens, with a word twice in one and a [PAD] that is attended to in another; and labels."""
    rng = np.random.default_rng(seed)
    batch = {
        "input_ids": rng.integers(1, V, (B, L)),
        "attention_mask": (np.arange(L) < np.array([[7], [4], [2]])).astype(int),
        "token_type_ids": rng.integers(0, 2, (B, L)),
    }
    batch["input_ids"][0, 5], batch["input_ids"][1, 1] = batch["input_ids"][0, 2], 0
    batch["input_ids"][batch["attention_mask"] == 0] = 0
    words = np.full((B, L), -100)
    words[[0, 0, 1, 2], [1, 4, 3, 0]] = rng.integers(0, V, 4)
    return batch, {
        "classifier": rng.integers(0, C, B), "mlm_head": words, "nsp_head": rng.integers(0, 2, B),
    }  # fmt: skip


def torch_loss(model, batch, labels):
    """The loss of the heads that the model has."""
    names = ("labels", "next_sentence_label")
    wanted = [torch.from_numpy(labels[head]) for head in HEADS[type(model)]]
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return model(**tensors, **dict(zip(names, wanted, strict=False))).loss


def own_labels(model, labels):
    return {head: labels[head] for head in HEADS[type(model)]}


def assert_equal(ours, theirs, tolerance):
    """Two dicts of arrays, under the same names; says which array differs."""
    assert set(ours) == set(theirs)
    for name, array in ours.items():
        assert array.shape == tuple(theirs[name].shape), name
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=tolerance, err_msg=name)


@every_class
@every_variant
def test_forward_equals_minibert(model_class, fields):
    model, params = random_pair(model_class, **fields)
    batch, _ = random_batch()
    logits, _ = model_forward(params, model.config, **batch)
    with torch.no_grad():
        theirs = model(**{name: torch.from_numpy(array) for name, array in batch.items()})
    names = {"mlm_head": "prediction_logits", "nsp_head": "seq_relationship_logits"}
    for head in HEADS[model_class]:
        expected = theirs[names[head]] if model_class is MiniBertForPreTraining else theirs.logits
        assert expected.std() > 0.01  # the tolerance is small beside the signal
        np.testing.assert_allclose(logits[head], expected, rtol=0, atol=1e-12)


@pytest.mark.lecture("S1-20", "S1-21")
@every_class
@every_variant
def test_every_gradient_equals_autograd(model_class, fields):
    model, params = random_pair(model_class, **fields)
    batch, labels = random_batch()
    theirs = torch_loss(model, batch, labels)
    theirs.backward()
    loss, grads = loss_and_gradients(params, model.config, batch, own_labels(model, labels))
    assert abs(loss - theirs.item()) < 1e-12
    tied = {name: parameter for name, parameter in model.named_parameters(remove_duplicate=False)}
    assert_equal(grads, {name: parameter.grad for name, parameter in tied.items()}, 1e-10)


@pytest.mark.lecture("S1-21", "S1-33", "S1-36")
@pytest.mark.parametrize("fields", [VARIANTS["BERT"], list(VARIANTS.values())[3]], ids=["post", "pre"])
def test_every_gradient_equals_central_differences(fields):
    """Needs no torch: along one random direction of each parameter, the loss changes as its gradient says."""
    _, params = random_pair(MiniBertForPreTraining, **fields)
    config, rng, step = small_config(**fields), np.random.default_rng(1), 1e-6
    batch, labels = random_batch()
    labels = {head: labels[head] for head in ("mlm_head", "nsp_head")}
    _, grads = loss_and_gradients(params, config, batch, labels)
    assert set(grads) == set(params)
    for name in params.keys() - {DECODER}:  # one matrix with the words here
        direction = rng.normal(size=params[name].shape)
        direction /= np.linalg.norm(direction)
        if name == WORDS:
            direction[config.pad_token_id] = 0.0
        losses = []
        for sign in (1, -1):
            moved = {**params, name: params[name] + sign * step * direction}
            moved[DECODER] = moved[WORDS]
            losses.append(loss_and_gradients(moved, config, batch, labels)[0])
        slope = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose((grads[name] * direction).sum(), slope, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.lecture("S1-22", "S1-38")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("model_class", [MiniBertForSequenceClassification, MiniBertForPreTraining])
def test_one_step_moves_every_parameter_as_torch_does(model_class, optimizer):
    model, params = random_pair(model_class)
    batch, labels = random_batch()
    torch_loss(model, batch, labels).backward()
    _, grads = loss_and_gradients(params, model.config, batch, own_labels(model, labels))
    if optimizer == "sgd":
        torch.optim.SGD(model.parameters(), lr=0.01).step()
        updated = sgd_step(params, grads, 0.01)
    else:
        torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1).step()
        updated, _ = adamw_step(params, grads, {}, 0.01, weight_decay=0.1)
    assert_equal(updated, model.state_dict(), 1e-10)
    # A key bias adds the same to all scores of a row, which softmax does not see: its gradient is only rounding.
    still = [name for name in params if np.array_equal(updated[name], params[name])]
    assert all(name.endswith("key.bias") for name in still)


def test_a_head_without_labels_is_left_as_it_is():
    model, params = random_pair(MiniBertForPreTraining)
    batch, labels = random_batch()
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    model(**tensors, labels=torch.from_numpy(labels["mlm_head"])).loss.backward()
    torch.optim.AdamW(model.parameters(), lr=0.01).step()
    _, grads = loss_and_gradients(params, model.config, batch, {"mlm_head": labels["mlm_head"]})
    updated, _ = adamw_step(params, grads, {}, 0.01)
    assert not [name for name in grads if name.startswith(("nsp_head", "minibert.pooler"))]
    assert_equal(updated, model.state_dict(), 1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_hundred_steps_follow_the_loss_of_torch(optimizer):
    model, params = random_pair(MiniBertForPreTraining)
    # Not larger: where a step of SGD overshoots, the last digit that two sums differ by grows from step to step.
    steps = {"sgd": torch.optim.SGD(model.parameters(), 0.02), "adamw": torch.optim.AdamW(model.parameters(), 1e-3)}
    state, ours, theirs = {}, [], []
    for step in range(200):
        batch, labels = random_batch(step % 3)
        loss = torch_loss(model, batch, labels)
        model.zero_grad()
        loss.backward()
        steps[optimizer].step()
        theirs.append(loss.item())
        loss, grads = loss_and_gradients(params, model.config, batch, own_labels(model, labels))
        if optimizer == "sgd":
            params = sgd_step(params, grads, 0.02)
        else:
            params, state = adamw_step(params, grads, state, 1e-3)
        ours.append(loss)
    assert np.mean(ours[-3:]) < 0.7 * np.mean(ours[:3])  # it learns
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.usefixtures("torchs_masks")
@every_variant
def test_dropout_with_the_same_masks_gives_the_same_training(fields, monkeypatch):
    """Torch gets its masks from a generator with the seed of ours; both draw in the order of the forward pass."""
    probabilities = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2, "embedding_dropout_prob": 0.15}
    words = {"word_dropout_prob": 0.25, "mask_token_id": 7, "classifier_dropout": 0.4}
    model, params = random_pair(**{**fields, **probabilities, **words, "attn_implementation": "eager"})
    masks = np.random.default_rng(5)

    def dropout(x, p=0.5, training=True, inplace=False):
        return x * torch.from_numpy((masks.random(tuple(x.shape)) >= p) / (1 - p)) if training and p else x

    monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.from_numpy(masks.random(tuple(shape))))
    batch, labels = random_batch()
    theirs = torch_loss(model.train(), batch, labels)
    theirs.backward()
    rng = np.random.default_rng(5)
    loss, grads = loss_and_gradients(params, model.config, batch, own_labels(model, labels), rng)
    assert rng.bit_generator.state == masks.bit_generator.state  # neither drew more than the other
    assert abs(loss - theirs.item()) < 1e-12
    assert_equal(grads, {name: parameter.grad for name, parameter in model.named_parameters()}, 1e-10)
    undisturbed, _ = loss_and_gradients(params, model.config, batch, own_labels(model, labels))
    assert abs(undisturbed - loss) > 1e-3


@pytest.mark.lecture("S1-29")
@every_variant
def test_padding_changes_nothing(fields):
    model, params = random_pair(**fields)
    batch, labels = random_batch()
    longer = {name: np.pad(array, ((0, 0), (0, 2))) for name, array in batch.items()}
    loss, grads = loss_and_gradients(params, model.config, batch, own_labels(model, labels))
    longer_loss, longer_grads = loss_and_gradients(params, model.config, longer, own_labels(model, labels))
    assert abs(loss - longer_loss) < 1e-12
    assert_equal(longer_grads, grads, 1e-12)
    # The premise: without the mask the pads count. And the pad's own vector is never trained.
    unmasked, _ = loss_and_gradients(
        params, model.config, {**longer, "attention_mask": None}, own_labels(model, labels)
    )
    assert abs(unmasked - loss) > 1e-4
    if model.config.pad_token_id is not None:
        assert (grads[WORDS][model.config.pad_token_id] == 0).all()


@every_class
@every_variant
def test_names_and_shapes_are_those_of_the_state_dict(model_class, fields):
    model = model_class(small_config(**fields))
    params = initial_weights(model.config, np.random.default_rng(0), HEADS[model_class], np.float32)
    theirs = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert list({name: array.shape for name, array in params.items()}.items()) == list(theirs.items())
    model.load_state_dict({name: torch.from_numpy(array) for name, array in params.items()}, strict=True)


@pytest.mark.parametrize("fields", [{}, {"tie_word_embeddings": False}], ids=["tied", "untied"])
def test_files_go_both_ways_bit_for_bit(tmp_path, fields):
    model, params = random_pair(MiniBertForPreTraining, **fields)
    model.save_pretrained(tmp_path / "torch")
    assert_equal(load_weights(tmp_path / "torch"), params, 0)
    save_weights(params, model.config, tmp_path / "numpy")
    for theirs, ours in zip(*(_tensors(tmp_path / folder) for folder in ("torch", "numpy")), strict=True):
        assert theirs[0] == ours[0] and np.array_equal(theirs[1], ours[1])
    model.config.save_pretrained(tmp_path / "numpy")
    opened = AutoModelForPreTraining.from_pretrained(tmp_path / "numpy")
    assert type(opened) is MiniBertForPreTraining
    assert_equal({name: tensor.numpy() for name, tensor in opened.state_dict().items()}, params, 0)


def _tensors(folder):
    with safe_open(folder / "model.safetensors", "np") as file:
        return [("metadata", str(file.metadata())), *((name, file.get_tensor(name)) for name in file.keys())]


def test_float32_stays_float32(tmp_path):
    config = small_config(classifier_pooling="max", hidden_dropout_prob=0.1)
    params = initial_weights(config, np.random.default_rng(0), dtype=np.float32)
    batch, labels = random_batch()
    labels = {"classifier": labels["classifier"]}
    _, grads = loss_and_gradients(params, config, batch, labels, np.random.default_rng(1))
    updated, _ = adamw_step(params, grads, {}, 1e-3)
    assert {array.dtype for array in (*grads.values(), *updated.values())} == {np.dtype("float32")}
    save_weights(updated, config, tmp_path)
    config.save_pretrained(tmp_path)
    with torch.no_grad():
        theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()(
            **{name: torch.from_numpy(array) for name, array in batch.items()}
        ).logits  # fmt: skip
    logits, _ = model_forward(load_weights(tmp_path), config, **batch)
    np.testing.assert_allclose(logits["classifier"], theirs, rtol=0, atol=1e-6)
    assert load_weights(tmp_path, np.float64)[WORDS].dtype == np.float64


@pytest.mark.pretrained
def test_a_real_checkpoint_gives_the_vectors_of_torch(pretrained_dir):
    model = from_stock(pretrained_dir).eval()
    params = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    ids = np.random.default_rng(0).integers(1000, model.config.vocab_size, (2, 11))
    mask = (np.arange(11) < np.array([[11], [6]])).astype(int)
    vectors, _ = encoder_forward(params, model.config, ids, mask)
    pooled, _ = pooler_forward(part(params, "pooler"), model.config, vectors, mask)
    with torch.no_grad():
        theirs = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
    assert vectors.dtype == np.float32 and theirs.last_hidden_state.std() > 0.1
    np.testing.assert_allclose(vectors, theirs.last_hidden_state, rtol=0, atol=1e-5)
    np.testing.assert_allclose(pooled, theirs.pooler_output, rtol=0, atol=1e-5)


def test_what_cannot_be_is_refused_with_its_numbers():
    _, params = random_pair()
    config, batch = small_config(), random_batch()[0]
    with pytest.raises(ValueError, match=r"10 tokens long but the model has 9"):
        model_forward(params, config, np.ones((1, 10), int))
    config.position_embedding_type = "rotary"
    with pytest.raises(ValueError, match="position_embedding_type is 'rotary'; the NumPy twin has"):
        model_forward(params, config, batch["input_ids"])
    config = small_config()
    with pytest.raises(ValueError, match=r"id 101 is out of range.*0 to 100"):
        model_forward(params, config, np.array([[3, 101]]))
    with pytest.raises(ValueError, match=r"id -1 is out of range"):
        model_forward(params, config, np.array([[3, -1]]))
    with pytest.raises(ValueError, match=r"label 5 is out of range: there are 5 classes"):
        loss_and_gradients(params, config, batch, {"classifier": np.array([0, 5, -100])})
    tokens = MiniBertForTokenClassification(config)
    with pytest.raises(ValueError, match="none of the heads"):
        names = {name.replace("classifier", "qa_outputs"): tensor for name, tensor in tokens.state_dict().items()}
        model_forward(names, config, batch["input_ids"])

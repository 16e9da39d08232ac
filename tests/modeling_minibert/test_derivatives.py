"""Derivatives of the losses: second order, forward mode and per sample, compared with the stock twin's."""

import copy

import pytest
import torch
import torch.nn.functional as F
from helpers.families import FAMILIES, MAKERS, batch_of, build_family, logits_of
from helpers.minibert import random_model
from helpers.minigpt import random_gpt
from torch.func import functional_call, grad, jvp, vmap
from torch.testing import assert_close

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniGPTForCausalLM,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
)
from modeling_minibert.linear_cross_entropy import linear_cross_entropy

CLOSE = {"rtol": 1e-8, "atol": 1e-8}  # sums over some ten thousand numbers in float64


def weights_of(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def gradients(loss, weights, **options):
    found = torch.autograd.grad(loss, weights, allow_unused=True, **options)
    return [gradient for gradient in found if gradient is not None]


def fast_loss(model, **options):
    """The loss as `Trainer` asks for it: without logits."""
    inputs, labels, targets = batch_of(model)
    count = (targets != -100).sum()
    outputs = model.train()(**inputs, labels=labels, num_items_in_batch=count, **options)
    assert logits_of(outputs) is None, "premise: the fast loss"
    return outputs.loss


def plain_loss(model, label_smoothing=0.0):
    """torch's own cross entropy of the logits of the stock twin; of our own where no stock model is untied."""
    has_twin = model.config.tie_word_embeddings or not model.config.is_encoder_decoder
    twin = (model.to_stock() if has_twin else copy.deepcopy(model)).eval()
    inputs, labels, targets = batch_of(model)
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels)
    logits = logits_of(twin(**inputs))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=label_smoothing)
    return loss, weights_of(twin)


def second_order(loss, weights):
    """Sums that do not depend on the names and the order of the weights, nor on how they are transposed."""
    first = gradients(loss, weights, create_graph=True)
    second = gradients(sum((gradient**2).sum() for gradient in first), weights)
    return torch.stack([sum(gradient.sum() for gradient in second), sum((gradient**2).sum() for gradient in second)])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("tied", [False, True])
def test_second_derivatives_of_the_linear_cross_entropy(bias, label_smoothing, tied):
    weight = torch.randn(13, 5, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(13, dtype=torch.float64, requires_grad=True) if bias else None
    features = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([3, 12, -100, 0, 3, -100, 7])
    hidden = weight[labels.clamp(min=0)] * features if tied else features

    def expected():
        logits = F.linear(hidden, weight, offset)
        return F.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing) / 11

    leaves = [weight, features] + ([offset] if bias else [])
    ours = linear_cross_entropy(hidden, weight, offset, labels, 11, label_smoothing)
    for loss in (lambda value: value, torch.exp):  # with an upstream gradient of 1, and of another number
        actual = gradients(loss(ours), leaves, create_graph=True)
        wanted = gradients(loss(expected()), leaves, create_graph=True)
        along = [torch.randn_like(leaf) for leaf in leaves]
        for first in (actual, wanted):
            assert len(first) == len(leaves)
        products = [
            gradients(sum((g * v).sum() for g, v in zip(first, along, strict=True)), leaves, retain_graph=True)
            for first in (actual, wanted)
        ]
        assert_close(actual, wanted, rtol=0, atol=1e-12)
        assert_close(*products, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", MAKERS)
def test_second_derivatives_of_a_model_are_those_of_the_stock_twin(family, tied):
    model = build_family(family, tie_word_embeddings=tied)
    loss, weights = plain_loss(model)
    assert_close(second_order(fast_loss(model), weights_of(model)), second_order(loss, weights), **CLOSE)


def test_second_derivatives_with_label_smoothing():
    model = build_family("encoder-decoder", label_smoothing=0.3)
    loss, weights = plain_loss(model, label_smoothing=0.3)
    assert_close(second_order(fast_loss(model), weights_of(model)), second_order(loss, weights), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gradient_penalty_on_word_vectors_reaches_the_weights(family):
    def penalty(model, mode):
        inputs, labels, targets = batch_of(model)
        vectors = model.get_input_embeddings()(inputs.pop("input_ids")).detach().requires_grad_()
        count = (targets != -100).sum()
        loss = model.train(mode)(inputs_embeds=vectors, labels=labels, num_items_in_batch=count, **inputs).loss
        (gradient,) = torch.autograd.grad(loss, vectors, create_graph=True)
        return gradients(gradient.pow(2).sum(), weights_of(model))

    model = build_family(family)
    assert_close(penalty(model, True), penalty(model, False), rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # by torch itself
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("implementation", ["eager", "packed"])
def test_forward_mode_gives_the_sum_of_the_stock_twins_gradients(family, implementation):
    model = build_family(family, implementation)
    loss, weights = plain_loss(model)
    expected = sum(gradient.sum() for gradient in gradients(loss, weights))
    inputs, labels, targets = batch_of(model)
    inputs |= {"labels": labels, "num_items_in_batch": (targets != -100).sum()}
    model.train()
    values = {name: parameter.detach() for name, parameter in model.named_parameters()}
    ones = {name: torch.ones_like(value) for name, value in values.items()}
    _, along = jvp(lambda w: functional_call(model, w, (), inputs, tie_weights=True).loss, (values,), (ones,))
    assert_close(along, expected, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_attention_refuses_second_derivatives_and_gives_the_first(family):
    model = build_family(family, "packed")
    loss, weights = plain_loss(build_family(family))
    first = gradients(fast_loss(model), weights_of(model), create_graph=True)
    squares = sum((gradient**2).sum() for gradient in first)
    assert_close(squares, sum((gradient**2).sum() for gradient in gradients(loss, weights)), **CLOSE)
    with pytest.raises(RuntimeError, match="packed attention has no second derivatives.*'eager'"):
        gradients(squares, weights_of(model))


# Per sample

SAMPLES = {
    MiniBertForMaskedLM: "labels",
    MiniBertForSequenceClassification: "class",
    MiniBertForTokenClassification: "labels",
    MiniBertForQuestionAnswering: "span",
    MiniGPTForCausalLM: "labels",
    MiniGPTForSequenceClassification: "class",
    MiniGPTForTokenClassification: "labels",
}


def sample_labels(model, kind, ids):
    classes = getattr(model, "num_labels", 101)
    if kind == "span":
        return {"start_positions": torch.tensor([1, 4, 0]), "end_positions": torch.tensor([2, 5, 6])}
    return {"labels": torch.tensor([0, 3, 2]) if kind == "class" else ids % classes}


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # of the kernels of sdpa
@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
@pytest.mark.parametrize("model_class", SAMPLES)
def test_vmap_gives_the_gradient_of_each_sample(model_class, implementation):
    make = random_gpt if model_class.__name__.startswith("MiniGPT") else random_model
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = make(model_class, **no_dropout).double().train()
    model.set_attn_implementation(implementation)
    ids = torch.randint(1, 101, (3, 7))
    labels = sample_labels(model, SAMPLES[model_class], ids)
    values = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(values, row, label):
        label = {name: value[None] for name, value in label.items()}
        return functional_call(model, values, (row[None],), label, tie_weights=True).loss

    together = vmap(grad(loss), in_dims=(None, 0, 0))(values, ids, labels)
    for row in range(3):
        model.zero_grad()
        model(ids[row : row + 1], **{name: value[row : row + 1] for name, value in labels.items()}).loss.backward()
        for name, parameter in model.named_parameters():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            assert_close(together[name][row], expected, rtol=1e-8, atol=1e-10, msg=lambda text, name=name: name + text)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # ids have no gradients
@pytest.mark.parametrize("model_class", [MiniBertForMaskedLM, MiniBertForSequenceClassification, MiniGPTForCausalLM])
def test_opacus_counts_the_gradient_of_each_sample(model_class):
    opacus = pytest.importorskip("opacus.grad_sample")
    make = random_gpt if model_class is MiniGPTForCausalLM else random_model
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = make(model_class, tie_word_embeddings=False, **no_dropout).double().train()
    ids = torch.randint(1, 101, (3, 7))
    # Opacus counts one sample per row of what a module is given, so ids of one row for all would be refused.
    inputs = {"input_ids": ids, "position_ids": torch.arange(7)[None].expand(3, -1)}
    if model_class is not MiniGPTForCausalLM:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    inputs |= sample_labels(model, SAMPLES[model_class], ids)
    expected = []
    for row in range(3):
        model.zero_grad()
        model(**{name: value[row : row + 1] for name, value in inputs.items()}).loss.backward()
        expected.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    model.zero_grad(set_to_none=True)
    labelled = inputs["labels"]
    count = labelled.numel() - (len(labelled) if model_class is MiniGPTForCausalLM else 0)
    wrapped = opacus.GradSampleModule(model, loss_reduction="mean")
    wrapped(**inputs, num_items_in_batch=torch.tensor(count)).loss.backward()
    for name, parameter in model.named_parameters():
        if name in expected[0]:
            each = torch.stack([gradient[name] for gradient in expected])
            assert_close(parameter.grad_sample, each, rtol=1e-8, atol=1e-10, msg=lambda text, name=name: name + text)

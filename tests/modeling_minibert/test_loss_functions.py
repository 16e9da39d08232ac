"""Focal and contrastive loss: the values of torch and transformers, and the gradients of one batch when accumulated."""

import copy
import math

import numpy as np
import pytest
import torch
from helpers.minibert import CLASSES, random_batch, random_model
from torch.nn.functional import cross_entropy, normalize
from torch.testing import assert_close
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.loss.loss_for_object_detection import sigmoid_focal_loss

from modeling_minibert import MiniBertForSequenceClassification, MiniBertForTokenClassification
from modeling_minibert.training import contrastive_loss, focal_loss, supervised_contrastive_loss

LABELS = torch.tensor([2, 0, -100, 4, 1, 2, 2])


def logits_of(rows=7, classes=CLASSES):
    return torch.randn(rows, classes, dtype=torch.double).mul(3).requires_grad_()


@pytest.mark.lecture("S4-22")
def test_gamma_zero_is_the_cross_entropy_of_torch():
    logits, weights = logits_of(), [0.3, 1.0, 2.5, 0.1, 1.7]
    plain = focal_loss(gamma=0)({"logits": logits}, LABELS)
    assert_close(plain, cross_entropy(logits, LABELS))
    weighted = focal_loss(gamma=0, alpha=weights)({"logits": logits}, LABELS, num_items_in_batch=11)
    assert_close(weighted, cross_entropy(logits, LABELS, torch.tensor(weights).double(), reduction="sum") / 11)


@pytest.mark.lecture("S4-22")
@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_loss_is_that_of_transformers_with_its_gradients(gamma, alpha):
    """Theirs is over sigmoids; two classes with the logits (0, z) are the same question."""
    scores = torch.randn(6, dtype=torch.double).mul(2).requires_grad_()
    labels = torch.tensor([1, 0, 0, 1, 1, 0])
    theirs = sigmoid_focal_loss(scores[:, None], labels[:, None].double(), 6, -1 if alpha is None else alpha, gamma)
    two_classes = torch.stack([torch.zeros_like(scores), scores], dim=1)
    weights = None if alpha is None else [1 - alpha, alpha]
    ours = focal_loss(gamma, weights)({"logits": two_classes}, labels)
    several = focal_loss(gamma, alpha)({"logits": scores[:, None]}, labels[:, None].double())
    expected = torch.autograd.grad(theirs, scores)
    for loss in (ours, several):
        assert_close(loss, theirs)
        assert_close(torch.autograd.grad(loss, scores), expected)


@pytest.mark.lecture("S4-22")
def test_an_example_that_the_model_gets_right_counts_less():
    logits = torch.tensor([[4.0, 0.0], [0.0, 0.1]])
    sure, unsure = (
        [focal_loss(gamma)({"logits": logits[row : row + 1]}, torch.tensor([0])).item() for gamma in (0, 2)]
        for row in (0, 1)
    )
    p = 1 / (1 + math.exp(-4))
    assert sure[1] == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-4)  # float32
    assert sure[1] / sure[0] < 1e-3 < 0.2 < unsure[1] / unsure[0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_certain_answers_give_finite_losses_and_gradients(gamma):
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    labels = torch.tensor([0, 0])
    for targets in (labels, torch.eye(2)[labels]):
        loss = focal_loss(gamma)({"logits": logits}, targets)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and gradient.isfinite().all()
    nothing = focal_loss(gamma)({"logits": logits}, torch.tensor([-100, -100]))
    assert nothing.item() == 0.0


def contrastive_by_hand(vectors, labels, temperature):
    """The formula of Khosla et al., text by text and pair by pair."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    terms = []
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        total = sum(math.exp(vectors[i] @ vectors[j] / temperature) for j in others)
        same = [j for j in others if labels[j] == label]
        shares = [math.log(math.exp(vectors[i] @ vectors[j] / temperature) / total) for j in same]
        terms.append(-sum(shares) / len(same) if same else 0.0)
    return sum(terms) / len(labels)


@pytest.mark.lecture("S4-22")
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_contrastive_loss_is_that_of_the_paper(temperature):
    vectors, labels = torch.randn(7, 5, dtype=torch.double), torch.tensor([0, 1, 0, 2, 1, 0, 0])  # 2 is alone
    expected = contrastive_by_hand(vectors.numpy(), labels.tolist(), temperature)
    assert contrastive_loss(vectors, labels, temperature).item() == pytest.approx(expected, abs=1e-12)
    more = torch.cat([torch.randn(1, 5, dtype=torch.double), 3 * vectors])  # cosines; a text without a label
    again = contrastive_loss(more, torch.cat([torch.tensor([-100]), labels]), temperature)
    assert again.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.lecture("S4-22")
def test_with_two_texts_per_class_it_is_the_cross_entropy_of_finding_the_other_one():
    vectors = torch.randn(6, 4, dtype=torch.double, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    cosines = normalize(vectors, dim=1) @ normalize(vectors, dim=1).T / 0.3
    without_itself = cosines.masked_fill(torch.eye(6, dtype=torch.bool), -1e9)
    expected = cross_entropy(without_itself, (torch.arange(6) + 3) % 6)
    ours = contrastive_loss(vectors, labels)
    assert_close(ours, expected)
    assert_close(torch.autograd.grad(ours, vectors), torch.autograd.grad(expected, vectors))


@pytest.mark.lecture("S4-22")
def test_the_two_parts_are_weighted_and_read_the_first_token():
    model = random_model(output_hidden_states=True)
    outputs, labels = model(**random_batch()), torch.tensor([1, 1, 3])
    loss = supervised_contrastive_loss(weight=0.4, temperature=0.2)(outputs, labels)
    apart = contrastive_loss(outputs.hidden_states[-1][:, 0], labels, 0.2)
    assert_close(loss, 0.4 * apart + 0.6 * cross_entropy(outputs.logits, labels))


class KeepGradients(TrainerCallback):
    """The gradients of the first update, before they are used."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {name: value.grad.clone() for name, value in model.named_parameters()}


def collate(rows):
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def gradients_of_an_update(model, rows, loss, folder, batch_size):
    """Train a copy for one update of all rows, in batches."""
    keep, model = KeepGradients(), copy.deepcopy(model).double()
    args = TrainingArguments(
        str(folder), per_device_train_batch_size=batch_size, gradient_accumulation_steps=len(rows) // batch_size,
        max_steps=1, max_grad_norm=0.0, optim="sgd", report_to="none", use_cpu=True, disable_tqdm=True,
        save_strategy="no", dataloader_pin_memory=False, train_sampling_strategy="sequential",
    )  # fmt: skip
    Trainer(model, args, collate, rows, compute_loss_func=loss, callbacks=[keep]).train()
    return keep.gradients


def rows_of(model_class, count=6):
    """Rows with unequal numbers of labels, so that a mean of means is not the mean of all."""
    rows = []
    for row in range(count):
        ids = torch.randint(1, 100, (7,)).tolist()
        label = row % 2
        if model_class is MiniBertForTokenClassification:
            label = [place % CLASSES if place < 1 + row else -100 for place in range(7)]
        rows.append({"input_ids": ids, "labels": label})
    return rows


@pytest.mark.lecture("S4-22")
@pytest.mark.parametrize("model_class", [MiniBertForSequenceClassification, MiniBertForTokenClassification])
def test_accumulated_batches_have_the_gradients_of_one_batch(model_class, tmp_path):
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model, rows, loss = random_model(model_class, **no_dropout), rows_of(model_class), focal_loss(1.5)
    whole, parts = (gradients_of_an_update(model, rows, loss, tmp_path, size) for size in (6, 2))
    assert max(value.abs().max() for value in whole.values()) > 1e-3
    for name, value in whole.items():
        assert_close(parts[name], value, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.lecture("S4-22")
def test_accumulated_contrastive_losses_are_averaged_over_all_texts(tmp_path):
    model = random_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, output_hidden_states=True)
    rows, loss = rows_of(MiniBertForSequenceClassification, 8), supervised_contrastive_loss()
    gradients = gradients_of_an_update(model, rows, loss, tmp_path, 4)
    twin = copy.deepcopy(model).double().train()
    for start in (0, 4):  # texts see only those of their own batch
        batch = collate(rows[start : start + 4])
        labels = batch.pop("labels")
        (loss(twin(**batch), labels) / 2).backward()  # four of eight texts
    for name, value in twin.named_parameters():
        assert_close(gradients[name], value.grad, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: focal_loss(-1), r"gamma \(-1\) must be 0 or above"),
        (lambda: focal_loss(2, [1, -0.5]), r"alpha \(\[1, -0.5\]\) must hold numbers of 0 or above"),
        (lambda: supervised_contrastive_loss(1.2), r"weight \(1.2\) must be from 0 to 1"),
        (lambda: supervised_contrastive_loss(temperature=0), r"temperature \(0\) must be above 0"),
        (
            lambda: focal_loss(2, [1, 2])({"logits": logits_of()}, LABELS),
            "alpha has 2 weights, and the model 5 classes",
        ),
        (lambda: focal_loss()({"logits": logits_of(1)}, torch.tensor([7])), "label 7 is out of range"),
        (lambda: focal_loss()({"logits": logits_of(2)}, torch.ones(3)), r"labels of shape \(3,\) do not fit logits"),
        (
            lambda: focal_loss(2, [1.0])({"logits": logits_of(2)}, torch.ones(2, CLASSES)),
            r"alpha \(\[1.0\]\) must be one number from 0 to 1",
        ),
        (
            lambda: supervised_contrastive_loss()({"logits": logits_of(2)}, torch.tensor([0, 1])),
            "no hidden states; set",
        ),
        (
            lambda: supervised_contrastive_loss()({"hidden_states": (torch.ones(2, 3, 4),)}, torch.ones(2)),
            "are no class ids; give one whole number per text",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()

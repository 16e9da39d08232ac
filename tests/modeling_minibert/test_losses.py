"""The losses of all heads: equal to torch's, honest about labels, and unchanged by gradient accumulation."""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.minibert import CLASSES, HEADS, B, L, V, random_batch, random_model
from torch.testing import assert_close
from transformers import Trainer, TrainingArguments

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
)
from modeling_minibert.losses import cross_entropy, sequence_classification_loss, span_loss


@pytest.mark.lecture("S1-17")
def test_cross_entropy_equals_torch_and_the_closed_form():
    logits, labels = torch.randn(B, L, V), torch.randint(V, (B, L))
    labels[0, 2:] = -100
    assert_close(cross_entropy(logits, labels), F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
    real = labels != -100
    manual = -logits.log_softmax(-1)[real].gather(1, labels[real][:, None]).mean()
    assert_close(cross_entropy(logits, labels), manual)


@pytest.mark.lecture("S1-17", "S1-18")
@pytest.mark.parametrize("classes", [2, 3])
def test_equal_scores_cost_the_logarithm_of_the_number_of_classes(classes):
    loss = cross_entropy(torch.full((B, classes), 7.0), torch.arange(B) % classes)
    assert loss.item() == pytest.approx(math.log(classes), abs=1e-6)


@pytest.mark.lecture("S1-18")
def test_an_untrained_classifier_knows_nothing():
    model = MiniBertForSequenceClassification(random_model(num_labels=2).config).eval()
    batch = random_batch()
    assert model(**batch, labels=torch.tensor([0, 1, 1])).loss.item() == pytest.approx(math.log(2), abs=0.1)


@pytest.mark.lecture("S5-71")
def test_no_label_at_all_costs_nothing_and_is_not_nan():
    logits = torch.randn(B, V, requires_grad=True)
    loss = cross_entropy(logits, torch.full((B,), -100))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


@pytest.mark.lecture("S1-32", "S3-43", "S5-77")
def test_huge_logits_give_a_finite_loss_and_stay_as_they_are():
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    before = logits.clone()
    assert cross_entropy(logits, torch.tensor([1])).item() == pytest.approx(2e4)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("label", [5, 17, -1])
def test_a_label_out_of_range_is_named(label):
    labels = torch.tensor([0, label, 2])
    with pytest.raises(ValueError, match=rf"label {label} is out of range.*has 5 of them \(0 to 4\)"):
        random_model()(**random_batch(), labels=labels)


def test_a_masked_word_beyond_the_vocabulary_is_named():
    labels = torch.full((B, L), -100)
    labels[0, 0] = V
    with pytest.raises(ValueError, match=f"masked-LM label {V}.*has {V} of them"):
        random_model(MiniBertForMaskedLM)(**random_batch(), labels=labels)


@pytest.mark.lecture("S4-09")
def test_problem_types_have_their_losses():
    logits, batch = torch.randn(B, CLASSES), random_batch()
    numbers, flags = torch.randn(B, CLASSES), torch.randint(2, (B, CLASSES))
    assert_close(sequence_classification_loss(logits, numbers, "regression"), F.mse_loss(logits, numbers))
    expected = F.binary_cross_entropy_with_logits(logits, flags.float())
    assert_close(sequence_classification_loss(logits, flags, "multi_label_classification"), expected)
    # One logit and a sigmoid, as the Keras lecture ends: labels of shape (B,).
    single = random_model(num_labels=1, problem_type="multi_label_classification")
    outputs = single(**batch, labels=torch.tensor([1, 0, 1]))
    expected = F.binary_cross_entropy_with_logits(outputs.logits[:, 0], torch.tensor([1.0, 0.0, 1.0]))
    assert_close(outputs.loss, expected)


@pytest.mark.lecture("S4-09")
@pytest.mark.parametrize(
    ("num_labels", "labels", "expected"),
    [
        (1, torch.randn(B), "regression"),
        (CLASSES, torch.randint(CLASSES, (B,)), "single_label_classification"),
        (CLASSES, torch.rand(B, CLASSES).round(), "multi_label_classification"),
    ],
)
def test_the_problem_type_is_read_from_the_first_labels(num_labels, labels, expected):
    model = random_model(num_labels=num_labels)
    assert model(**random_batch(), labels=labels).loss.isfinite()
    assert model.config.problem_type == expected


def test_wrong_problem_types_and_shapes_are_refused():
    with pytest.raises(ValueError, match="'ranking'.*'regression'"):
        sequence_classification_loss(torch.randn(B, 2), torch.zeros(B), "ranking")
    with pytest.raises(ValueError, match=r"\(3, 5\).*\(3,\)"):
        sequence_classification_loss(torch.randn(B, 5), torch.zeros(B), "multi_label_classification")


@pytest.mark.lecture("S2-05")
def test_an_answer_that_was_cut_off_is_left_out():
    start, end = torch.randn(2, B, L)
    positions = torch.tensor([2, L, 4])  # the second one lies past the end
    kept = torch.tensor([0, 2])
    expected = (F.cross_entropy(start[kept], positions[kept]) + F.cross_entropy(end[kept], positions[kept])) / 2
    assert_close(span_loss(start, end, positions, positions), expected)


def labelled_rows(model_class, rows):
    """One dictionary per row, with labels that the head understands."""
    ids = torch.randint(1, V, (rows, 2, L) if model_class is MiniBertForMultipleChoice else (rows, L))
    mlm = torch.where(torch.rand(rows, L) < 0.3, ids[:, -1] if ids.dim() == 3 else ids, -100)
    labels = {
        MiniBertForMaskedLM: {"labels": mlm},
        MiniBertForNextSentencePrediction: {"labels": torch.randint(2, (rows,))},
        MiniBertForSequenceClassification: {"labels": torch.randint(CLASSES, (rows,))},
        MiniBertForTokenClassification: {"labels": torch.where(torch.rand(rows, L) < 0.6, ids % CLASSES, -100)
                                         if ids.dim() == 2 else ids},
        MiniBertForMultipleChoice: {"labels": torch.randint(2, (rows,))},
        MiniBertForQuestionAnswering: {"start_positions": torch.randint(L, (rows,)),
                                       "end_positions": torch.randint(L, (rows,))},
    }  # fmt: skip
    columns = {"input_ids": ids, **labels[model_class]}
    return [{name: column[row] for name, column in columns.items()} for row in range(rows)]


@pytest.mark.lecture("S3-35")
@pytest.mark.parametrize("model_class", [*(h for h in HEADS[2:]), MiniBertForMultipleChoice])
def test_accumulating_four_batches_of_eight_equals_one_batch_of_32(model_class, tmp_path):
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    start = random_model(model_class, **dropouts).state_dict()
    rows = labelled_rows(model_class, 32)
    ends = []
    for steps, size in ((4, 8), (1, 32)):
        model = random_model(model_class, **dropouts)
        model.load_state_dict(start)
        arguments = TrainingArguments(
            tmp_path, per_device_train_batch_size=size, gradient_accumulation_steps=steps, max_steps=1, optim="sgd",
            learning_rate=1.0, lr_scheduler_type="constant", max_grad_norm=0, use_cpu=True, save_strategy="no",
            disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(model, arguments, train_dataset=rows)
        trainer.train()
        ends.append(model.state_dict())
    moved = max((ends[0][name] - start[name]).abs().max().item() for name in start)
    assert moved > 1e-3  # the premise: a gradient four times too large would be seen
    for name in start:
        # float32 sums in another order, on steps of order 0.1 to 1.
        assert_close(ends[0][name], ends[1][name], rtol=1e-4, atol=2e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_pretraining_adds_its_two_losses_and_shares_them_over_accumulated_batches():
    model = random_model(MiniBertForPreTraining).double()
    ids, pairs = torch.randint(1, V, (8, L)), torch.randint(2, (8,))
    labels = torch.full((8, L), -100)
    labels[:, 1:3] = ids[:, 1:3]  # two masks a row: equal shares
    whole = model(ids, labels=labels, next_sentence_label=pairs)
    assert_close(whole.loss, whole.masked_lm_loss + whole.next_sentence_loss)
    assert_close(whole.next_sentence_loss, F.cross_entropy(whole.seq_relationship_logits, pairs))
    parts = [
        model(ids[half], labels=labels[half], next_sentence_label=pairs[half], num_items_in_batch=16).loss
        for half in (slice(0, 4), slice(4, 8))
    ]
    assert_close(sum(parts), whole.loss, rtol=0, atol=1e-6)

"""The cross-entropy without its logits equals torch's, value and gradients, and needs little memory."""

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch.testing import assert_close

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM, linear_cross_entropy
from modeling_minibert.linear_cross_entropy import linear_cross_entropy as linear_loss

N, E, V = 70, 6, 31


def draw(n=N, dtype=torch.float64):
    torch.manual_seed(0)
    shapes = ((n, E), (V, E), (V,))
    tensors = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]
    return *tensors, torch.randint(V, (n,))


def gradients_of(loss, tensors):
    return torch.autograd.grad(loss, tensors)


@pytest.mark.parametrize("rows", [(64, 512), (7, 20)])  # one piece of gradients, and several with a remainder
@pytest.mark.parametrize("num_items", [None, 123, torch.tensor(45)])
def test_equals_torchs_cross_entropy(num_items, rows, monkeypatch):
    monkeypatch.setattr(linear_cross_entropy, "rows_of_logits", lambda vocab_size: rows[0])
    monkeypatch.setattr(linear_cross_entropy, "ROWS_OF_GRADIENTS", rows[1])
    hidden, weight, bias, labels = draw()
    expected = F.cross_entropy(hidden @ weight.T + bias, labels, reduction="sum")
    expected = expected / (N if num_items is None else num_items)
    loss = linear_loss(hidden, weight, bias, labels, num_items)
    assert_close(loss, expected, rtol=0, atol=1e-12)
    tensors = (hidden, weight, bias)
    for scale in (1.0, 0.3):  # only the first goes without another pass over the gradients
        for ours, theirs in zip(
            gradients_of(scale * linear_loss(hidden, weight, bias, labels, num_items), tensors),
            torch.autograd.grad(scale * expected, tensors, retain_graph=True),
            strict=True,
        ):
            assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_no_label_at_all_gives_zero():
    hidden, weight, bias, labels = draw(0)
    loss = linear_loss(hidden, weight, bias, labels)
    assert loss == 0
    assert all((gradient == 0).all() for gradient in gradients_of(loss, (weight, bias)))


@pytest.mark.parametrize("num_items", [None, 0, torch.tensor(0)])
@pytest.mark.parametrize("training", [True, False])
def test_an_update_without_labels_has_the_loss_zero_and_finite_gradients(training, num_items):
    model = small_masked_lm().train(training)
    ids = torch.randint(V, (2, 5))
    loss = model(ids, labels=torch.full_like(ids, -100), num_items_in_batch=num_items).loss
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or (p.grad == 0).all() for p in model.parameters())


def test_autocast_computes_in_half_precision_and_sums_in_float32():
    hidden, weight, bias, labels = draw(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear_loss(hidden, weight, bias, labels)
    assert loss.dtype == torch.float32
    expected = F.cross_entropy(hidden @ weight.T + bias, labels)
    assert_close(loss, expected, rtol=0.01, atol=0)  # bfloat16: 8 bits
    gradients = gradients_of(loss, (hidden, weight, bias))
    assert [gradient.dtype for gradient in gradients] == [torch.float32] * 3
    for ours, theirs in zip(gradients, gradients_of(expected, (hidden, weight, bias)), strict=True):
        assert_close(ours, theirs, rtol=0.05, atol=1e-3)


def small_masked_lm():
    torch.manual_seed(0)
    sizes = dict(vocab_size=V, hidden_size=8, num_attention_heads=2, num_hidden_layers=1, intermediate_size=9)
    return MiniBertForMaskedLM(MiniBertConfig(**sizes, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))


def test_logits_are_computed_in_evaluation_and_when_asked():
    model = small_masked_lm()
    ids = torch.randint(V, (2, 5))
    labels = ids.masked_fill(torch.rand(2, 5) < 0.5, -100)
    count = {"num_items_in_batch": (labels != -100).sum()}  # as `Trainer` gives it, which looks at the loss only
    training = model.train()(ids, labels=labels, **count)
    asked = model(ids, labels=labels, return_logits=True, **count)
    unasked = model(ids, labels=labels)
    assert training.logits is None and asked.logits.shape == unasked.logits.shape == (2, 5, V)
    assert model(ids).logits.shape == (2, 5, V)
    evaluation = model.eval()(ids, labels=labels)
    assert evaluation.logits.shape == (2, 5, V)
    without = model(ids, labels=labels, return_logits=False)
    for outputs in (asked, unasked, evaluation, without):
        assert_close(outputs.loss, training.loss, rtol=0, atol=1e-6)


def test_an_adapter_on_the_decoder_is_part_of_the_loss():
    model = get_peft_model(small_masked_lm(), LoraConfig(target_modules=["decoder"], init_lora_weights=False))
    ids = torch.randint(V, (2, 5))
    training = model.train()(input_ids=ids, labels=ids).loss
    assert_close(training, model(input_ids=ids, labels=ids, return_logits=True).loss, rtol=0, atol=1e-6)


def test_a_label_out_of_range_is_named():
    with pytest.raises(ValueError, match="masked-LM label 31 is out of range: the model has 31"):
        small_masked_lm()(torch.ones(1, 3, dtype=torch.long), labels=torch.tensor([[-100, 31, 2]]))

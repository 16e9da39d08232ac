"""Packed batches compute what padded ones do: every head, values and gradients, however the batch comes.

The yardsticks are the padded computation under the eager formula, torch's own gradients, and what transformers'
flattening collator makes of the same rows. float64 throughout, where two orders of summation differ by some 1e-15.
"""

from types import SimpleNamespace

import pytest
import torch
import torch._dynamo.testing
from helpers.checkpointing import enable_checkpointing
from helpers.packing import EXACT, HEADS, LENGTHS, PER_TOKEN, B, L, T, V, build, padded_batch
from torch.testing import assert_close
from transformers import BertConfig, BertModel, DataCollatorWithFlattening

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    heads,
)
from modeling_minibert import batch as modeling_batch
from modeling_minibert.configuration_minibert import CLASSIFIER_POOLINGS
from modeling_minibert.dropout import kept_scale
from modeling_minibert.packed_attention import attend_backward, attend_forward, packed_attention, runs_of_equal_length
from modeling_minibert.packing import Packing, rows_to_round_up


def flatten(batch):
    """The same rows as one stream."""
    mask = batch["attention_mask"].bool()
    stream = {name: tensor[mask][None] if name in PER_TOKEN else tensor for name, tensor in batch.items()}
    del stream["attention_mask"]
    ends = torch.tensor(LENGTHS).cumsum(0)
    return stream | {"cu_seq_lens_q": torch.nn.functional.pad(ends, (1, 0)).int(), "max_length_q": max(LENGTHS)}


def for_forward(batch):
    return {"labels" if name.endswith(("_labels", "_classes")) else name: value for name, value in batch.items()}


def loss_and_gradients(model, batch):
    model.zero_grad()
    outputs = model(**for_forward(batch))
    outputs.loss.backward()
    return outputs, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def padded_yardstick(model_class, batch):
    """Loss and gradients of the eager formula; question answering row by row, since stock BERT lets pads compete."""
    model = build(model_class, "eager")
    if model_class is not MiniBertForQuestionAnswering:
        return loss_and_gradients(model, batch)
    losses = []
    for row, length in enumerate(LENGTHS):
        alone = {name: value[row : row + 1, :length] if value.dim() > 1 else value[row : row + 1]
                 for name, value in batch.items()}  # fmt: skip
        losses.append(model(**alone).loss)
    loss = torch.stack(losses).mean()
    loss.backward()
    return SimpleNamespace(loss=loss), {name: parameter.grad for name, parameter in model.named_parameters()}


CASES = [
    (model_class, form, implementation)
    for model_class in HEADS
    for form, implementation in (("padded", "packed"), ("stream", "packed"), ("stream", "sdpa"), ("stream", "eager"))
]


@pytest.mark.parametrize(("model_class", "form", "implementation"), CASES)
def test_every_head_gives_the_padded_loss_and_gradients(model_class, form, implementation):
    batch = padded_batch(HEADS[model_class])
    expected, expected_gradients = padded_yardstick(model_class, batch)
    given = flatten(batch) if form == "stream" else batch
    outputs, gradients = loss_and_gradients(build(model_class, implementation), given)
    assert_close(outputs.loss, expected.loss, **EXACT)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        assert_close(gradient, expected_gradients[name], **EXACT, msg=name)


@pytest.mark.parametrize("pooling", CLASSIFIER_POOLINGS)
@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_variants_pool_each_sequence_by_itself(pooling, norm_position):
    fields = {"classifier_pooling": pooling, "norm_position": norm_position, "position_embedding_type": "sinusoidal"}
    batch = padded_batch([])
    model = build(MiniBertForSequenceClassification, "eager", **fields).eval()
    expected = model(**batch).logits
    model.set_attn_implementation("packed")
    assert_close(model(**batch).logits, expected, **EXACT)
    assert_close(model(**flatten(batch)).logits, expected, **EXACT)


def test_outputs_of_a_padded_batch_keep_its_shape_with_zeros_for_pads():
    batch = padded_batch([])
    eager, packed = (build(MiniBertForMaskedLM, name).eval() for name in ("eager", "packed"))
    expected = eager(**batch, output_hidden_states=True)
    outputs = packed(**batch, output_hidden_states=True)
    real = batch["attention_mask"].bool()
    assert_close(outputs.logits[real], expected.logits[real], **EXACT)
    for states, expected_states in zip(outputs.hidden_states, expected.hidden_states, strict=True):
        assert states.shape == (B, L, 20) and (states[~real] == 0).all()
        assert_close(states[real], expected_states[real], **EXACT)


@pytest.mark.parametrize("mask", ["left", "holes", None])
def test_pads_may_stand_anywhere(mask):
    batch = padded_batch([])
    if mask == "left":
        batch = {name: tensor.flip(1) for name, tensor in batch.items()}
    elif mask == "holes":
        batch["attention_mask"] = torch.tensor([[1, 0, 1, 1, 0, 0, 1, 0, 1]]).expand(B, L)
    else:
        del batch["attention_mask"]
    expected = build(MiniBertForTokenClassification, "eager")(**batch).logits
    logits = build(MiniBertForTokenClassification, "packed")(**batch).logits
    real = batch.get("attention_mask", torch.ones(B, L)).bool()
    assert_close(logits[real], expected[real], **EXACT)


@pytest.mark.parametrize("pooling", CLASSIFIER_POOLINGS)
def test_with_pads_on_the_left_each_row_is_answered_by_its_own_text(pooling):
    batch = padded_batch([])
    left = {name: torch.stack([row.roll(L - length) for row, length in zip(tensor, LENGTHS, strict=True)])
            for name, tensor in batch.items()}  # fmt: skip
    left["position_ids"] = (left["attention_mask"].cumsum(1) - 1).clamp(min=0)
    model = build(MiniBertForSequenceClassification, "packed", classifier_pooling=pooling)
    assert_close(model(**left).logits, model(**batch).logits, **EXACT)


@pytest.mark.parametrize("implementation", ["packed", "sdpa"])
@pytest.mark.parametrize("pooling", CLASSIFIER_POOLINGS)
def test_a_row_of_nothing_but_pads_leaves_the_others_alone(pooling, implementation):
    batch = padded_batch([])
    model = build(MiniBertForSequenceClassification, implementation, classifier_pooling=pooling)
    expected = model(**batch).logits[1:]
    batch["attention_mask"][0] = 0
    logits = model(**batch).logits
    assert logits.abs().max() < 1e3
    assert_close(logits[1:], expected, **EXACT)


def test_positions_may_be_given_once_for_all_rows():
    batch = padded_batch([]) | {"position_ids": torch.arange(L).flip(0)[None]}
    expected = build(MiniBertForTokenClassification, "eager")(**batch).logits
    logits = build(MiniBertForTokenClassification, "packed")(**batch).logits
    real = batch["attention_mask"].bool()
    assert_close(logits[real], expected[real], **EXACT)


def test_multiple_choice_is_packed_inside():
    batch = {name: tensor[:4].unflatten(0, (2, 2)) for name, tensor in padded_batch([]).items()}
    logits = [build(MiniBertForMultipleChoice, name)(**batch).logits for name in ("eager", "packed")]
    assert_close(*logits, **EXACT)


def test_a_mask_per_query_and_asked_attentions_are_computed_without_packing():
    batch = padded_batch([])
    square = batch["attention_mask"][:, None, :].expand(B, L, L)
    eager, packed = (build(MiniBertForTokenClassification, name).eval() for name in ("eager", "packed"))
    expected = eager(**{**batch, "attention_mask": square}).logits
    assert_close(packed(**{**batch, "attention_mask": square}).logits, expected, **EXACT)
    stream = packed(**flatten(batch), output_attentions=True)
    assert stream.attentions[0].shape == (1, 4, T, T)
    blocks = torch.block_diag(*(torch.ones(length, length) for length in LENGTHS)).bool()
    assert ((stream.attentions[0][0] > 0) == blocks).all()


@pytest.mark.parametrize("with_lengths", [True, False])
def test_the_output_of_transformers_flattening_collator_goes_in_as_it_is(with_lengths):
    batch = padded_batch([])
    rows = [{"input_ids": ids[:length].tolist()} for ids, length in zip(batch["input_ids"], LENGTHS, strict=True)]
    collate = DataCollatorWithFlattening(return_flash_attn_kwargs=with_lengths)
    flat = collate(rows)
    flat.pop("labels")
    model = build(MiniBertForTokenClassification, "packed")
    expected = model(batch["input_ids"], batch["attention_mask"]).logits
    assert_close(model(**flat).logits[0], expected[batch["attention_mask"].bool()], **EXACT)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_dropout_of_attention_weights_is_the_formula_with_the_same_mask(has_bias, is_causal):
    torch.manual_seed(0)
    cu_seq_lens, length, dropout, scaling = torch.tensor([0, 5, 14, 23], dtype=torch.int32), 9, 0.3, 0.37
    query, key, value, d_mixed = (torch.randn(23, 3, 4, dtype=torch.float64) for _ in range(4))
    bias = torch.randn(1, 3, 9, 9, dtype=torch.float64) if has_bias else None
    mixed, weights, drops = attend_forward(
        query, key, value, cu_seq_lens, length, scaling, dropout, is_causal, bias=bias
    )
    d_mixed[:5] = 0  # only the second and third sequence, which are one run; its mask begins behind the first
    tensors = (d_mixed, query, key, value, weights, drops)
    *gradients, d_bias = attend_backward(*tensors, cu_seq_lens, length, scaling, dropout, bias=bias)
    part, size = slice(5, 23), 2 * 3 * 9 * 9
    mask = ~drops[5 * 3 * 9 : 5 * 3 * 9 + size].view(2, 3, 9, 9)
    inputs = [tensor[part].clone().requires_grad_() for tensor in (query, key, value)]
    heads = [tensor.view(2, 9, 3, 4).transpose(1, 2) for tensor in inputs]
    scores = heads[0] @ heads[1].mT * scaling
    if has_bias:
        bias.requires_grad_()
        scores = scores + bias
    if is_causal:
        scores = scores.masked_fill(torch.ones(9, 9, dtype=torch.bool).triu(1), -torch.inf)
    dropped = scores.softmax(-1) * mask * kept_scale(dropout)
    expected = (dropped @ heads[2]).transpose(1, 2).reshape(18, 3, 4)
    assert_close(mixed[part], expected, **EXACT)
    expected.backward(d_mixed[part])
    for gradient, tensor in zip(gradients, inputs, strict=True):
        assert_close(gradient[part], tensor.grad, **EXACT)
    if has_bias:
        assert_close(d_bias, bias.grad, **EXACT)
    else:
        assert not d_bias.numel()
    # Binomial: 486 weights, kept with 0.7; three standard deviations are 0.062.
    assert abs(mask.double().mean() - 0.7) < 0.062


def test_hand_derived_gradients_equal_numerical_ones():
    torch.manual_seed(0)
    query, key, value = (torch.randn(11, 3, 5, dtype=torch.float64, requires_grad=True) for _ in range(3))
    cu_seq_lens = torch.tensor([0, 2, 4, 4, 11], dtype=torch.int32)  # with an empty sequence

    def attend(*tensors):
        return packed_attention(*tensors, cu_seq_lens, 7, 0.3, 0.0)[0]

    assert torch.autograd.gradcheck(attend, (query, key, value))


@pytest.mark.parametrize("has_bias", [False, True])
def test_hand_derived_gradients_from_one_sequence_to_another_equal_numerical_ones(has_bias):
    query, key, value = (torch.randn(length, 3, 5, dtype=torch.float64, requires_grad=True) for length in (11, 9, 9))
    bias = torch.randn(1, 3, 7, 5, dtype=torch.float64, requires_grad=True) if has_bias else None
    ends = [torch.tensor(ends, dtype=torch.int32) for ends in ([0, 2, 4, 4, 11, 11], [0, 2, 4, 4, 9, 9])]

    def attend(query, key, value, bias):
        return packed_attention(query, key, value, ends[0], 5, 0.3, 0.0, False, ends[1], bias)[0]

    assert torch.autograd.gradcheck(attend, (query, key, value, bias))


def test_the_operator_keeps_torchs_contract():
    arguments = (*(torch.randn(11, 3, 5, requires_grad=True) for _ in range(3)), torch.tensor([0, 4, 11]), 7, 0.3)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    for dropout in (0.0, 0.2):
        torch.library.opcheck(packed_attention, (*arguments, dropout), test_utils=checks)
    bias = torch.randn(1, 3, 7, 7, requires_grad=True)
    torch.library.opcheck(packed_attention, (*arguments, 0.0, False, torch.tensor([0, 6, 11]), bias), test_utils=checks)


@pytest.mark.slow
def test_compiles_without_a_graph_break_and_not_again_for_each_batch():
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    model = build(MiniBertForPreTraining, "packed").float()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    for lengths in ((5, 9, 3), (7, 2, 8, 6), (4, 4), (3, 9, 9, 1, 2)):
        tokens = sum(lengths)
        labels = torch.where(torch.rand(1, tokens) < 0.3, torch.randint(V, (1, tokens)), -100)
        labels[0, 0] = 7
        batch = {
            "input_ids": torch.randint(V, (1, tokens)),
            "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
            "labels": labels,
            "next_sentence_label": torch.randint(2, (len(lengths),)),
            "cu_seq_lens_q": torch.tensor((0, *lengths)).cumsum(0).int(),
            "max_length_q": max(lengths),
        }
        loss = compiled(**batch).loss
        assert_close(loss, model(**batch).loss, rtol=0, atol=1e-5)
        loss.backward()
    assert counter.frame_count <= 3  # static, then dynamic sizes


@pytest.mark.parametrize("fields", [{}, {"attention_probs_dropout_prob": 0.2}])
def test_gradient_checkpointing_gives_the_same_gradients(fields):
    batch = padded_batch(["labels"])
    model = build(MiniBertForMaskedLM, "packed", **fields)
    torch.manual_seed(3)
    _, expected = loss_and_gradients(model, batch)
    enable_checkpointing(model)
    torch.manual_seed(3)
    _, gradients = loss_and_gradients(model, batch)
    for name, gradient in gradients.items():
        assert_close(gradient, expected[name], **EXACT, msg=name)


def test_bfloat16_autocast_stays_near_float32():
    batch = padded_batch(["labels", "next_sentence_label"])
    model = build(MiniBertForPreTraining, "packed").float()
    expected, _ = loss_and_gradients(model, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(**batch)
    assert outputs.loss.dtype == torch.float32
    assert outputs.seq_relationship_logits.dtype == torch.bfloat16
    outputs.loss.backward()
    # bfloat16 keeps 8 bits: 0.4 % at each of some forty roundings, of a loss near 7.
    assert_close(outputs.loss, expected.loss, rtol=0.02, atol=0)


@pytest.mark.parametrize("rounded", [False, True])
def test_rounding_the_number_of_tokens_up_changes_nothing(rounded, monkeypatch):
    """Half precision rounds the shapes up on a CPU; here float64 does, where equality can be seen."""
    if rounded:
        for module in (modeling_batch, heads):
            monkeypatch.setattr(module, "rows_to_round_up", lambda count, _: -count % 16)
    batch = padded_batch(["labels", "next_sentence_label"])
    expected, expected_gradients = loss_and_gradients(build(MiniBertForPreTraining, "eager"), batch)
    for given in (batch, flatten(batch)):
        outputs, gradients = loss_and_gradients(build(MiniBertForPreTraining, "packed"), given)
        assert_close(outputs.loss, expected.loss, **EXACT)
        for name, gradient in gradients.items():
            assert_close(gradient, expected_gradients[name], **EXACT, msg=name)


def test_half_precision_meets_few_shapes():
    half, full = torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1)
    assert {count + rows_to_round_up(count, half) for count in range(1985, 2049)} == {2048}
    assert [rows_to_round_up(count, half) for count in (16, 17, 512, 513)] == [0, 15, 0, 63]
    assert rows_to_round_up(17, full) == 0


def test_runs_are_neighbours_of_one_length():
    ends = [0, 2, 4, 7]
    assert runs_of_equal_length(ends, ends) == [(0, 0, 2, 2, 2), (4, 4, 1, 3, 3)]
    ends = [0, 3, 3, 6, 7]
    assert runs_of_equal_length(ends, ends) == [(0, 0, 2, 3, 3), (6, 6, 1, 1, 1)]
    assert runs_of_equal_length([0, 2, 4, 6], [0, 5, 10, 13]) == [(0, 0, 2, 2, 5), (4, 10, 1, 2, 3)]
    assert runs_of_equal_length([0], [0]) == []


def test_splitting_a_stream_gives_one_row_per_sequence():
    packing = Packing(torch.tensor([0, 2, 5], dtype=torch.int32), 3)
    rows = packing.split(torch.arange(5.0)[None], fill=-1.0)
    assert rows.tolist() == [[0, 1, -1], [2, 3, 4]]
    assert packing.mask().tolist() == [[True, True, False], [True, True, True]]
    assert packing.position_ids(5).tolist() == [[0, 1, 0, 1, 2]]


def test_errors_name_what_was_given():
    model = build(MiniBertForSequenceClassification, "packed")
    with pytest.raises(ValueError, match=r"one row \(1, T\), got 5 rows"):
        model(**{**padded_batch([]), "cu_seq_lens_q": torch.tensor([0, 9])})
    stream = flatten(padded_batch([]))
    with pytest.raises(ValueError, match="ends at 20, but the packed row has 27 tokens"):
        model(**{**stream, "cu_seq_lens_q": torch.tensor([0, 20])})
    for lengths, longest, message in (
        ([0, 9, 5, 27], 9, r"never fall, got \[0, 9, 5, 27\]"),
        ([2, 9, 27], 18, "must begin with 0"),
        ([0, 9, 27], 9, "max_length_q is 9, but a sequence has 18 tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            model(**{**stream, "cu_seq_lens_q": torch.tensor(lengths), "max_length_q": longest})
    model.set_attn_implementation("flex_attention")
    with pytest.raises(ValueError, match="not for flex_attention"):
        model(**stream)
    model.set_attn_implementation("packed")
    with pytest.raises(ValueError, match="input is 24 tokens long but this model was built for 23"):
        model(torch.ones(2, 24, dtype=torch.long))
    stock = BertModel(BertConfig(vocab_size=V, hidden_size=20, num_attention_heads=4, num_hidden_layers=1))
    stock.config._attn_implementation = "packed"
    with pytest.raises(ValueError, match="works on packed batches"):
        stock(torch.ones(2, 4, dtype=torch.long))


@pytest.mark.gpu
def test_on_a_gpu_half_precision_takes_torchs_kernel():
    batch = {name: tensor.cuda() for name, tensor in padded_batch(["labels"]).items()}
    fields = {"hidden_size": 64, "num_attention_heads": 4}
    losses = []
    for implementation in ("eager", "packed"):
        model = build(MiniBertForMaskedLM, implementation, **fields).to("cuda", torch.bfloat16)
        losses.append(model(**batch).loss.float())
    assert_close(*losses, rtol=0.02, atol=0)

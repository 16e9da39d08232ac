"""Gradient caching, against the gradients of the whole batch at once."""

import copy

import pytest
import torch
from helpers.minibert import random_batch, random_model
from torch import nn
from transformers import Trainer

from modeling_minibert import MiniBertModel
from modeling_minibert.retrieval.contrastive import in_batch_loss
from modeling_minibert.retrieval.gradient_cache import RandomState, cached_loss, split_batch

SIZES = (7, 17)  # queries, passages
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}  # float64; the issue asks for 1e-6


class Encode(nn.Module):
    """Two encoders, and the sizes of all batches they saw."""

    def __init__(self, **fields):
        super().__init__()
        self.models = nn.ModuleList([random_model(MiniBertModel, **fields).double().train() for _ in SIZES])
        self.seen = []

    def forward(self, queries, passages):
        self.seen.append((len(queries["input_ids"]), len(passages["input_ids"])))
        return tuple(model(**side).pooler_output for model, side in zip(self.models, (queries, passages), strict=True))


def features(count, length):
    ids = torch.randint(1, 101, (count, length))
    mask = (torch.arange(length) < torch.randint(1, length + 1, (count, 1))).long()
    return {"input_ids": ids, "attention_mask": mask}


def gradients(encode):
    found = {name: weight.grad for name, weight in encode.named_parameters() if weight.grad is not None}
    assert len(found) > 60
    return found


@pytest.mark.lecture("S5-36")
@pytest.mark.parametrize("chunk_size", [3, 4, 17, 99])
@pytest.mark.parametrize("implementation", ["packed", "sdpa"])
def test_gradients_are_those_of_the_whole_batch(implementation, chunk_size):
    encode = Encode(
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation=implementation,
        classifier_pooling="mean",
    )  # fmt: skip
    plain, batch = copy.deepcopy(encode), (features(SIZES[0], 5), features(SIZES[1], 9))
    loss = cached_loss(encode, *batch, in_batch_loss, chunk_size)
    expected = in_batch_loss(*plain(*batch))
    torch.testing.assert_close(loss, expected, **TOLERANCE)
    loss.backward()
    expected.backward()
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(encode.get_parameter(name).grad, gradient, msg=name, **TOLERANCE)
    assert max(sizes[1] for sizes in encode.seen) <= chunk_size
    assert sum(sizes[1] for sizes in encode.seen) == 2 * SIZES[1] and all(min(sizes) for sizes in encode.seen)


@pytest.mark.parametrize("implementation", ["packed", "sdpa", "eager"])
def test_the_second_encoding_drops_what_the_first_dropped(implementation):
    encode = Encode(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2, attn_implementation=implementation)
    plain, batch = copy.deepcopy(encode), (features(SIZES[0], 5), features(SIZES[1], 9))
    torch.manual_seed(3)
    cached_loss(encode, *batch, in_batch_loss, 4).backward()
    torch.manual_seed(3)
    vectors = [plain(*chunk) for chunk in split_batch(*batch, 4)]
    in_batch_loss(*map(torch.cat, zip(*vectors, strict=True))).backward()
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(encode.get_parameter(name).grad, gradient, msg=name, **TOLERANCE)
    # The premise: other random numbers give other gradients.
    plain.zero_grad()
    vectors = [plain(*chunk) for chunk in split_batch(*batch, 4)]
    in_batch_loss(*map(torch.cat, zip(*vectors, strict=True))).backward()
    name = "models.0.layers.1.attention.query.weight"
    assert (plain.get_parameter(name).grad - encode.get_parameter(name).grad).abs().max() > 1e-6


def test_a_scaled_loss_scales_the_gradients_and_two_losses_add_up():
    encode = Encode(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="sdpa")
    plain = copy.deepcopy(encode)
    for _ in range(2):
        batch = features(SIZES[0], 5), features(SIZES[1], 9)
        (cached_loss(encode, *batch, in_batch_loss, 5) / 2).backward()
        (in_batch_loss(*plain(*batch)) / 2).backward()
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(encode.get_parameter(name).grad, gradient, msg=name, **TOLERANCE)


def test_random_numbers_go_on_after_the_backward_pass():
    encode = Encode(hidden_dropout_prob=0.3)
    loss = cached_loss(encode, features(SIZES[0], 5), features(SIZES[1], 9), in_batch_loss, 4)
    state = torch.get_rng_state()
    loss.backward()
    assert torch.equal(torch.get_rng_state(), state)
    saved, expected = RandomState(), torch.rand(3)
    with saved.restored():
        assert torch.equal(torch.rand(3), expected)
    assert not torch.equal(torch.rand(3), expected)


def test_without_gradients_it_is_the_plain_loss():
    encode = Encode(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    batch = features(SIZES[0], 5), features(SIZES[1], 9)
    with torch.no_grad():
        loss = cached_loss(encode, *batch, in_batch_loss, 4)
        torch.testing.assert_close(loss, in_batch_loss(*encode(*batch)), **TOLERANCE)
    assert not loss.requires_grad


def test_the_second_encoding_runs_in_the_precision_of_the_first():
    encode = Encode(attn_implementation="sdpa").float()
    kinds = []
    encode.models[0].register_forward_hook(lambda *_: kinds.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cached_loss(encode, features(SIZES[0], 5), features(SIZES[1], 9), in_batch_loss, 9)
    loss.backward()
    assert kinds == [True] * 4


def test_a_chunk_smaller_than_the_passages_of_a_query_is_refused():
    with pytest.raises(ValueError, match=r"chunk_size \(2\) is less than the 3 passages of one query; give a larger"):
        split_batch(random_batch(), {"input_ids": torch.ones(7, 2)}, 2)


class CachedTrainer(Trainer):
    chunk_size = None

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.chunk_size is None:
            return in_batch_loss(*model(**inputs))
        return cached_loss(model, inputs["queries"], inputs["passages"], in_batch_loss, self.chunk_size)


def test_trainer_takes_the_same_steps_with_accumulation_and_clipping(tmp_path):
    from modeling_minibert.training import AnyDeviceArguments

    first = Encode(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="sdpa")
    rows = [(features(1, 5), features(2, 9)) for _ in range(24)]

    def collate(rows):
        sides = zip(*rows, strict=True)
        return {
            name: {key: torch.cat([row[key] for row in side]) for key in side[0]}
            for name, side in zip(("queries", "passages"), sides, strict=True)
        }

    weights = []
    for chunk_size in (None, 5):
        encode = copy.deepcopy(first)
        args = AnyDeviceArguments(
            tmp_path, per_device_train_batch_size=6, gradient_accumulation_steps=2, max_steps=2, max_grad_norm=0.1,
            report_to=[], save_strategy="no", remove_unused_columns=False, learning_rate=1e-3, disable_tqdm=True,
        )  # fmt: skip
        trainer = CachedTrainer(encode, args, train_dataset=rows, data_collator=collate)
        trainer.chunk_size = chunk_size
        trainer.train()
        weights.append(encode.state_dict())
    moved = max((weights[0][name] - weight).abs().max() for name, weight in first.state_dict().items())
    assert moved > 1e-4
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=1e-6, msg=name)

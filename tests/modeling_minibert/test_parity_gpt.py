"""MiniGPT computes what GPT-2, the first GPT and nanoGPT compute: same weights, same inputs, side by side.

As in `test_parity_bert.py` all parameters are random and the sizes odd and unequal; float32 stays below 1e-5, float64
below 1e-10. nanoGPT's model is written down here from its formulas, since it is no package.
"""

from dataclasses import fields

import pytest
import torch
import transformers
from helpers.compare import assert_same_weights
from helpers.gpt_twins import FIELDS, C, E, H, L, V, make_ours, make_stock
from helpers.minigpt import pad_rows
from helpers.pairs import pairwise
from torch import nn
from torch.testing import assert_close
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from modeling_minibert import MiniGPTConfig
from modeling_minibert.embeddings import rotary_angles, rotate
from modeling_minibert.stock import from_stock, to_stock
from modeling_minibert.stock_families import GPT1, GPT1_FIELDS, GPT2, GPT2_FIELDS

PAIRS = [(family.stock, name) for family in (GPT2, GPT1) for name in family.classes]
TWINS = {family.stock: family.classes for family in (GPT2, GPT1)}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make_pair(family, name, dtype=torch.float64, **choices):
    ours = make_ours(family, name, **choices).to(dtype)
    return ours, ours.to_stock()


def make_batch(name, side="right", labels=True):
    rows = [torch.randint(1, V, (length,)) for length in (7, 5, 2)]
    batch = pad_rows(rows, side)
    batch["input_ids"] *= batch["attention_mask"]  # stock classifiers know padding by its id alone
    if side == "left":
        batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
    real = batch["attention_mask"].bool()
    if labels and name.endswith("CausalLM"):
        batch["labels"] = batch["input_ids"].where(real & (torch.rand(real.shape) < 0.8), -100)
        if side == "left":  # what stock models take for a prediction of the first word is one made by a pad
            batch["labels"][torch.arange(3), real.int().argmax(1)] = -100
    elif labels and name.endswith("TokenClassification"):
        batch["labels"] = torch.randint(C, real.shape).where(real, -100)
    elif labels and name.endswith("SequenceClassification"):
        batch["labels"] = torch.tensor([2, 0, 1])
    return batch


def named_gradients(model, weights_of):
    """The gradients, as a model in the names of the other side."""
    for parameter in model.parameters():
        parameter.data = parameter.grad
    return weights_of(model).state_dict()


@pytest.mark.lecture("S5-45")
@pytest.mark.parametrize(("implementation", "side", "dtype"), pairwise(["eager", "sdpa"], ["right", "left"], TOLERANCE))
@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_outputs_and_losses_are_those_of_the_stock_model(family, name, implementation, dtype, side):
    if family == "openai-gpt" and side == "left" and name.endswith("Model"):
        pytest.skip("the first GPT of transformers takes a single row of positions")
    ours, stock = make_pair(family, name, dtype)
    ours.set_attn_implementation(implementation)
    if family == "gpt2":
        stock.set_attn_implementation(implementation)
    batch = make_batch(name, side)
    mine, theirs = (model(**batch, output_hidden_states=True) for model in (ours, stock))
    real = batch["attention_mask"].bool()
    close = {"rtol": 0, "atol": TOLERANCE[dtype]}
    if "labels" in batch:
        assert_close(mine.loss, theirs.loss, check_dtype=False, rtol=0, atol=1e-5)  # stock: float32 at most
        assert_close(mine.logits[real] if mine.logits.dim() == 3 else mine.logits,
                     theirs.logits[real] if mine.logits.dim() == 3 else theirs.logits, **close)  # fmt: skip
    for states, expected in zip(mine.hidden_states, theirs.hidden_states, strict=True):
        assert_close(states[real], expected[real], **close)
    assert theirs.hidden_states[-1].abs().max() > 0.5


@pytest.mark.parametrize(("family", "name"), [pair for pair in PAIRS if not pair[1].endswith("Model")])
def test_gradients_are_those_of_the_stock_model(family, name):
    ours, stock = make_pair(family, name)
    batch = make_batch(name)
    for model in (ours, stock):
        logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits.flatten(0, -2)
        targets = batch["labels"].flatten()
        nn.functional.cross_entropy(logits, targets).backward()
    expected = named_gradients(stock, from_stock)
    gradients = {parameter: tensor.grad for parameter, tensor in ours.named_parameters()}
    for parameter, gradient in gradients.items():
        assert_close(gradient, expected[parameter], rtol=0, atol=1e-10, msg=parameter)
        # A key bias adds the same to all scores of a row, which softmax does not see.
        assert gradient.abs().max() > 1e-6 or parameter.endswith("key.bias")


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_both_directions_come_back_bit_equal(family, name):
    ours = make_ours(family, name, id2label={0: "sad", 1: "glad"}, label2id={"sad": 0, "glad": 1})
    twin = to_stock(ours)
    assert twin.config.model_type == family and type(twin).__name__ == TWINS[family][name]
    back = from_stock(twin)
    assert type(back) is type(ours) and back.config.to_dict() == ours.config.to_dict() | {
        "embedding_dropout_prob": ours.config.hidden_dropout_prob
    }
    assert_same_weights(ours, back)
    stock = make_stock(family, TWINS[family][name])
    again = from_stock(stock).to_stock()
    assert_same_weights(stock, again)
    wanted = stock.config.to_dict() | ({"n_inner": 4 * E} if family == "gpt2" else {})
    assert again.config.to_dict() == wanted


@pytest.mark.parametrize("family", FIELDS)
def test_the_stock_twin_writes_the_same_text(family):
    ours, stock = make_pair(family, "MiniGPTForCausalLM", tie_word_embeddings=False)
    batch = make_batch("none", "left", labels=False)
    del batch["position_ids"]
    for options in ({}, {"num_beams": 3}, {"no_repeat_ngram_size": 2}):
        for row in range(3):  # row by row: the first GPT knows no left padding
            ids = batch["input_ids"][row : row + 1, batch["attention_mask"][row] == 1]
            arguments = {"max_new_tokens": 9, "do_sample": False, "eos_token_id": None, **options}
            expected = stock.generate(ids, **arguments)
            assert torch.equal(ours.generate(ids, **arguments), expected)
    if family == "gpt2":
        arguments = {"max_new_tokens": 9, "do_sample": False, **batch}
        assert torch.equal(ours.generate(**arguments), stock.generate(**arguments))


def test_rotary_positions_are_those_of_llama():
    query, key = torch.randn(2, H, L, 10), torch.randn(2, H, L, 10)
    positions = torch.stack([torch.arange(L), torch.arange(L) * 117])
    config = transformers.LlamaConfig(
        hidden_size=40, num_attention_heads=H, rope_parameters={"rope_type": "default", "rope_theta": 500.0}
    )
    expected = apply_rotary_pos_emb(query, key, *LlamaRotaryEmbedding(config)(query, positions))
    angles = rotary_angles(positions, 10, 500.0)
    for vectors, turned in zip((query, key), expected, strict=True):
        assert_close(rotate(vectors, *angles), turned, rtol=0, atol=1e-5)


# What cannot be converted


@pytest.mark.parametrize(
    ("family", "choices", "message"),
    [
        ("gpt2", {"norm_type": "rmsnorm"}, r"norm_type is 'rmsnorm' \(a twin needs 'layernorm'\)"),
        ("gpt2", {"position_embedding_type": "sinusoidal"}, "position_embedding_type is 'sinusoidal'.*'learned'"),
        ("gpt2", {"scale_embedding": True}, r"scale_embedding is True \(a twin needs False\)"),
        ("gpt2", {"embedding_norm": True}, r"embedding_norm is True \(a twin needs False\)"),
        ("gpt2", {"type_vocab_size": 2}, r"type_vocab_size is 2 \(a twin needs 0\)"),
        ("gpt2", {"attention_bias": False}, r"attention_bias is False \(a twin needs True\)"),
        ("gpt2", {"head_dim": 7}, r"head_dim is 7 \(a twin needs 5.0\)"),
        ("openai-gpt", {"intermediate_size": 37}, r"intermediate_size is 37 \(a twin needs 80\)"),
        ("openai-gpt", {"hidden_act": "tanh"}, r"hidden_act is 'tanh' \(a twin needs 'gelu_new'\)"),
    ],
)
def test_what_has_no_twin_is_refused_by_field_and_value(family, choices, message):
    with pytest.raises(ValueError, match=message):
        make_ours(family, "MiniGPTForCausalLM", **choices).to_stock()


def test_classes_and_choices_of_theirs_without_a_twin_are_refused():
    with pytest.raises(ValueError, match="MiniGPTForMultipleChoice has no twin; choose one of.*MiniGPTForCausalLM"):
        make_ours("gpt2", "MiniGPTForMultipleChoice").to_stock()
    with pytest.raises(ValueError, match="GPT2DoubleHeadsModel has no twin.*GPT2LMHeadModel"):
        from_stock(make_stock("gpt2", "GPT2DoubleHeadsModel"))
    with pytest.raises(ValueError, match="scale_attn_by_inverse_layer_idx is True"):
        from_stock(make_stock("gpt2", "GPT2LMHeadModel", scale_attn_by_inverse_layer_idx=True))


@pytest.mark.parametrize(
    ("family", "names", "config_class"), [(GPT2, GPT2_FIELDS, GPT2Config), (GPT1, GPT1_FIELDS, OpenAIGPTConfig)]
)
def test_every_choice_that_gpt_does_not_have_is_checked(family, names, config_class):
    """A new field of MiniGPTConfig needs a line in `_gpt_needs`, or a twin would silently compute something else."""
    ours, theirs = ({field.name for field in fields(c)} for c in (MiniGPTConfig, config_class))
    checked = family.stock_needs(make_ours(family.stock, "MiniGPTForTokenClassification")).keys() | family.fixed.keys()
    harmless = {"auto_map", "rotary_base", "use_cache", "classifier_dropout"}
    assert ours - theirs - names.keys() <= checked | harmless


def test_a_small_stock_vocabulary_with_gpt2s_own_end_token_converts():
    """GPT2Config keeps 50256 for its start and end, however few words there are."""
    config = GPT2Config(vocab_size=101, n_embd=12, n_layer=1, n_head=2, n_positions=9)
    assert config.bos_token_id == 50256
    assert from_stock(GPT2LMHeadModel(config)).config.bos_token_id == 50256

"""Arguments, outputs and attributes that the library reads: compared with the stock twins, or refused by name."""

import logging

import pytest
import torch
from helpers.compare import assert_same_weights
from helpers.families import FAMILIES, batch_of, build_family
from helpers.minibert import random_model, small_config
from helpers.minigpt import NO_DROPOUT, random_gpt, small_gpt_config
from helpers.seq2seq import random_seq2seq, small_seq2seq_config
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModel, AutoModelForQuestionAnswering

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
    MiniGPTModel,
    batch,
)
from modeling_minibert.batch import choose_implementation

EXACT = {"rtol": 1e-10, "atol": 1e-10}  # one computation in float64, summed in two orders
IMPLEMENTATIONS = ["eager", "sdpa", "packed"]
CONFIGS = {"encoder": small_config, "decoder": small_gpt_config, "encoder-decoder": small_seq2seq_config}
MODELS = {
    "encoder": lambda **fields: random_model(MiniBertModel, **NO_DROPOUT, **fields).double(),
    "decoder": lambda **fields: random_gpt(MiniGPTModel, **NO_DROPOUT, **fields),
    "encoder-decoder": lambda **fields: random_seq2seq(preset="t5", **fields),  # Marian's last state is not selected
}


def inputs_of(model):
    inputs, labels, _ = batch_of(model)
    if model.config.is_encoder_decoder:
        inputs |= {"decoder_input_ids": labels.clamp(min=0), "decoder_attention_mask": (labels != -100).long()}
    return inputs


# Hidden states


def state_gradients(model):
    """Each hidden state and its gradient, without pads."""
    inputs = inputs_of(model)
    outputs = model(**inputs, output_hidden_states=True)
    mask = inputs.get("decoder_attention_mask", inputs["attention_mask"]).bool()
    torch.manual_seed(5)
    states = [*(outputs.get("encoder_hidden_states") or ()), *(outputs.get("decoder_hidden_states") or ())]
    states = states or list(outputs.hidden_states)
    for state in states:
        state.retain_grad()
    (outputs[0] * torch.randn_like(outputs[0]))[mask].sum().backward()
    real = [inputs["attention_mask"].bool() if state.shape[1] == 7 else mask for state in states]
    return [(s[m], s.grad[m]) for s, m in zip(states, real, strict=True)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_have_the_gradients_of_the_stock_twin(family, implementation):
    model = MODELS[family]().eval()
    twin = model.to_stock().eval()
    model.set_attn_implementation(implementation)
    ours, theirs = state_gradients(model), state_gradients(twin)
    assert len(ours) == len(theirs) >= 4
    for index, (actual, expected) in enumerate(zip(ours, theirs, strict=True)):
        assert expected[1].abs().sum() > 0
        # T5 computes its norms in float32.
        tolerance = 2e-5 if family == "encoder-decoder" else 1e-9
        assert_close(
            actual, expected, rtol=tolerance, atol=tolerance, msg=lambda text, index=index: f"state {index}: {text}"
        )


@pytest.mark.parametrize("asked", [[0, -1], [1], 1, -1, -2, [9, -1], (0, 2), [], True, False], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_output_hidden_states_selects_as_stock_models_do(family, asked):
    model = MODELS[family]().eval()
    twin = model.to_stock().eval()
    for implementation in IMPLEMENTATIONS:
        model.set_attn_implementation(implementation)
        ours, theirs = (side(**inputs_of(model), output_hidden_states=asked) for side in (model, twin))
        for name in ("hidden_states", "encoder_hidden_states", "decoder_hidden_states"):
            actual, expected = ours.get(name), theirs.get(name)
            assert (actual is None) == (expected is None), name
            if expected is not None:
                assert [state is None for state in actual] == [state is None for state in expected], name


# Masks


def added(keep, lowest=None):
    """The mask in the form that is added to the scores."""
    lowest = torch.finfo(torch.float64).min if lowest is None else lowest
    return torch.zeros(keep.shape, dtype=torch.float64).masked_fill(~keep, lowest)


@pytest.mark.parametrize("implementation", [*IMPLEMENTATIONS, "flex_attention", "flash_attention_2"])
@pytest.mark.parametrize("family", ["encoder", "decoder"])
def test_masks_of_four_dimensions_are_those_of_the_stock_twin(family, implementation):
    model = MODELS[family]().eval()
    twin = model.to_stock().eval()
    twin.set_attn_implementation("eager")
    ids = torch.randint(5, 83, (3, 7))
    keep = torch.rand(3, 1, 7, 7) < 0.6
    keep |= torch.eye(7, dtype=torch.bool)
    expected = twin(ids, attention_mask=added(keep))[0]
    model.config._attn_implementation = implementation  # flex and flash have no kernel here, and need none
    masks = [keep, keep.long(), added(keep), added(keep, -torch.inf), added(keep).float()]
    masks.append(added(keep).clamp(min=torch.finfo(torch.float32).min).float())
    for mask in masks:
        assert_close(model(ids, attention_mask=mask)[0], expected, **EXACT)
    if family == "encoder":
        assert_close(model(ids, attention_mask=keep[:, 0])[0], expected, **EXACT)
        assert_close(model(ids, attention_mask=added(keep[:, 0]))[0], expected, **EXACT)
    for wrong in (keep.double(), added(keep, -1.0), added(keep) + 0.5):
        with pytest.raises(ValueError, match="float attention_mask is added to the scores.*give a bool mask"):
            model(ids, attention_mask=wrong)


@pytest.mark.parametrize("name", ["flex_attention", "flash_attention_2", "packed", "sdpa"])
def test_implementations_without_masks_per_query_leave_them_to_sdpa(name):
    config = small_config(attn_implementation="eager")
    config._attn_implementation = name
    for shape in [(3, 7, 7), (3, 1, 7, 7)]:
        assert choose_implementation(config, torch.ones(shape), False, False) == "sdpa"
    assert choose_implementation(config, torch.ones(3, 7), False, False) == name


# Labels


@pytest.mark.parametrize("training", [False, True])
def test_shift_labels_are_the_labels_of_the_stock_twin(training):
    model = random_gpt(**NO_DROPOUT).train(training)
    twin = model.to_stock().train(training)
    ids = torch.randint(5, 83, (3, 7))
    targets = torch.randint(5, 83, (3, 7)).masked_fill(torch.rand(3, 7) < 0.3, -100)
    losses = []
    for more in ({"labels": ids}, {}, {"num_items_in_batch": torch.tensor(29)}):
        ours = model(ids, shift_labels=targets, **more)
        if more:  # stock models compute no loss from shift_labels alone
            expected = twin(ids, shift_labels=targets, **{"labels": ids, **more}).loss
            assert_close(ours.loss.float(), expected, rtol=1e-6, atol=1e-6)  # stock losses are float32
        losses.append(ours.loss)
    assert_close(losses[0], losses[1], **EXACT)
    assert (ours.logits is None) == training
    with pytest.raises(ValueError, match="label 101 is out of range"):
        model(ids, shift_labels=targets.clamp(min=101))


# Names


REFUSING = [
    MiniBertModel,
    MiniBertForPreTraining,
    MiniBertForMaskedLM,
    MiniBertForNextSentencePrediction,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertForQuestionAnswering,
    MiniBertForMultipleChoice,
    MiniGPTModel,
    MiniGPTForCausalLM,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
    MiniGPTForMultipleChoice,
]


@pytest.mark.parametrize("model_class", REFUSING)
def test_encoder_hidden_states_are_refused_by_name(model_class):
    is_gpt = model_class.__name__.startswith("MiniGPT")
    model = (random_gpt if is_gpt else random_model)(model_class).double()
    ids = torch.randint(5, 83, (3, 2, 7) if "Choice" in model_class.__name__ else (3, 7))
    expected = r"has no cross-attention: encoder_hidden_states .*use MiniSeq2SeqForConditionalGeneration"
    with pytest.raises(ValueError, match=expected):
        model(ids, encoder_hidden_states=torch.randn(3, 4, 20).double())
    model.config.add_cross_attention = True
    with pytest.raises(ValueError, match=expected):
        model(ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_head_dim_is_a_number_and_follows(family, tmp_path):
    config = CONFIGS[family](hidden_size=24, num_attention_heads=4)
    assert config.head_dim == 6 and config.to_dict()["head_dim"] == 6
    config.num_attention_heads = 3
    assert config.head_dim == 8
    config.hidden_size = 27
    assert config.head_dim == 9 and config.attention_head_size == 9
    config.save_pretrained(tmp_path)
    assert type(config).from_pretrained(tmp_path).head_dim == 9
    assert type(config).from_pretrained(tmp_path, hidden_size=36).head_dim == 12
    config.num_attention_heads = 5
    with pytest.raises(ValueError, match=r"\(27\) is not a multiple of num_attention_heads \(5\)"):
        AutoModel.from_config(config)
    config.hidden_size = 35
    assert config.head_dim == 7
    config.check()
    own = CONFIGS[family](hidden_size=24, num_attention_heads=4, head_dim=10)
    own.num_attention_heads = 3
    assert own.head_dim == 10


def test_names_that_the_library_reads_are_lists():
    for family in FAMILIES:
        model_class = type(build_family(family))  # transformers makes sets of them in each model
        assert isinstance(model_class._skip_keys_device_placement, list)
        assert isinstance(model_class._no_split_modules, list)


@pytest.mark.parametrize("family", ["decoder", "encoder-decoder"])
def test_no_call_of_ours_reads_an_output_by_a_deprecated_name(family, caplog, monkeypatch):
    from transformers.utils import logging as library

    monkeypatch.setattr(library.get_logger("transformers"), "propagate", True)
    library.warning_once.cache_clear() if hasattr(library.warning_once, "cache_clear") else None
    model = build_family(family).eval()
    inputs = inputs_of(model)
    with caplog.at_level(logging.WARNING, logger="transformers"):
        model(**inputs)
        model.generate(inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=3, do_sample=False)
        if family == "decoder":
            random_gpt(MiniGPTForSequenceClassification, pad_token_id=0)(**inputs)
    assert not [record for record in caplog.records if "deprecated" in record.getMessage()]


def test_the_stack_names_what_it_may_select():
    assert batch.select_hidden_states([0, -1, 4, -5], 4) == {0, 3}
    assert batch.select_hidden_states(-4, 4) == {0} and batch.select_hidden_states(4, 4) == set()
    assert batch.select_hidden_states(True, 4) is None


# Names of weights


def by_old_name(weights):
    return {name.replace("qa_outputs", "span_head"): value for name, value in weights.items()}


def test_question_answering_reads_the_older_name_of_its_head(tmp_path):
    model = random_model(MiniBertForQuestionAnswering)
    names = set(model.state_dict())
    assert {"qa_outputs.weight", "qa_outputs.bias"} <= names
    model.save_pretrained(tmp_path / "old")
    weights = load_file(tmp_path / "old" / "model.safetensors")
    save_file(by_old_name(weights), tmp_path / "old" / "model.safetensors", metadata={"format": "pt"})
    opened, info = MiniBertForQuestionAnswering.from_pretrained(tmp_path / "old", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    for loaded in (opened, AutoModelForQuestionAnswering.from_pretrained(tmp_path / "old")):
        assert_same_weights(loaded, model)
    opened.save_pretrained(tmp_path / "new")
    assert set(load_file(tmp_path / "new" / "model.safetensors")) == names
    fresh = random_model(MiniBertForQuestionAnswering)
    fresh.load_state_dict(by_old_name(model.state_dict()))
    assert_same_weights(fresh, model)
    holder = torch.nn.ModuleDict({"inner": random_model(MiniBertForQuestionAnswering)})
    holder.load_state_dict({f"inner.{name}": value for name, value in by_old_name(model.state_dict()).items()})
    assert_same_weights(holder["inner"], model)

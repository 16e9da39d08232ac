"""Adapters of PEFT on every head: the same parts are trained as of the stock twin, saved, loaded and merged."""

import copy
import re

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import NO_DROPOUT, random_gpt
from helpers.seq2seq import random_seq2seq
from torch.testing import assert_close

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
    MiniSeq2SeqForConditionalGeneration,
)
from modeling_minibert.transformers_internals import CACHE_NAME

peft = pytest.importorskip("peft")

EXACT = {"rtol": 1e-10, "atol": 1e-10}  # one computation in float64, summed in two orders
TASKS = {
    MiniBertModel: "FEATURE_EXTRACTION",
    MiniBertForPreTraining: None,
    MiniBertForMaskedLM: None,
    MiniBertForNextSentencePrediction: None,
    MiniBertForSequenceClassification: "SEQ_CLS",
    MiniBertForTokenClassification: "TOKEN_CLS",
    MiniBertForQuestionAnswering: "QUESTION_ANS",
    MiniBertForMultipleChoice: "SEQ_CLS",
    MiniGPTModel: "FEATURE_EXTRACTION",
    MiniGPTForCausalLM: "CAUSAL_LM",
    MiniGPTForSequenceClassification: "SEQ_CLS",
    MiniGPTForTokenClassification: "TOKEN_CLS",
    MiniGPTForMultipleChoice: "SEQ_CLS",
    MiniSeq2SeqForConditionalGeneration: "SEQ_2_SEQ_LM",
}
WITHOUT_TWIN = (MiniGPTForMultipleChoice,)
IDS = torch.randint(5, 83, (3, 7), generator=torch.Generator().manual_seed(3))


def build(model_class, **fields):
    if model_class is MiniSeq2SeqForConditionalGeneration:
        return random_seq2seq(model_class, **fields)
    if model_class is MiniBertForQuestionAnswering:
        fields["num_labels"] = 2
    make = random_gpt if model_class.__name__.startswith("MiniGPT") else random_model
    return make(model_class, **NO_DROPOUT, **fields).double()


def inputs_of(model_class):
    ids = IDS[:, None].expand(-1, 2, -1).clone() if "Choice" in model_class.__name__ else IDS
    if model_class is MiniSeq2SeqForConditionalGeneration:
        return {"input_ids": ids, "decoder_input_ids": ids.flip(1)}
    return {"input_ids": ids}


def logits(model, model_class):
    outputs = model(**inputs_of(model_class))
    if model_class is MiniBertForQuestionAnswering:
        return torch.stack([outputs.start_logits, outputs.end_logits])
    return outputs[0]


def train(model, model_class, steps=2):
    """Move all that is trained, adapters and heads."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        logits(model.train(), model_class).square().mean().backward()
        optimizer.step()
    return model.eval()


def heads_of(model):
    """The modules that are trained and saved whole, by name."""
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    return {name.split(".modules_to_save")[0] for name in trained if "modules_to_save" in name}


def config_of(kind, task):
    if kind == "LoRA":
        return peft.LoraConfig(task_type=task, r=3)
    return peft.IA3Config(task_type=task)


@pytest.mark.parametrize("kind", ["LoRA", "IA3"])
@pytest.mark.parametrize("model_class", TASKS)
def test_default_targets_train_save_load_and_merge(model_class, kind, tmp_path):
    model = build(model_class)
    fresh = copy.deepcopy(model)
    before = logits(model.eval(), model_class)
    tuned = peft.get_peft_model(model, config_of(kind, TASKS[model_class]))
    trained = [name for name, p in tuned.named_parameters() if p.requires_grad and "modules_to_save" not in name]
    adapters = {re.split(r"\.(lora|ia3)_", name)[0].rpartition(".")[2] for name in trained}
    assert adapters == ({"query", "value"} if kind == "LoRA" else {"key", "value", "down"})
    train(tuned, model_class)
    expected = logits(tuned, model_class)
    assert (expected - before).abs().max() > 1e-4
    tuned.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path).double().eval()
    assert_close(logits(loaded, model_class), expected, **EXACT)
    assert_close(logits(loaded.merge_and_unload(), model_class), expected, **EXACT)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning")  # of stock GPT-2
@pytest.mark.parametrize("kind", ["LoRA", "IA3"])
@pytest.mark.parametrize("model_class", [head for head in TASKS if head not in WITHOUT_TWIN])
def test_the_trained_head_is_that_of_the_stock_twin(model_class, kind):
    model = build(model_class)
    twin = model.to_stock()
    config = config_of(kind, TASKS[model_class])
    ours = heads_of(peft.get_peft_model(model, copy.deepcopy(config)))
    if model_class is MiniSeq2SeqForConditionalGeneration:  # Marian has no default targets
        config.target_modules, config.feedforward_modules = ["q_proj", "fc2"], ["fc2"]
    theirs = heads_of(peft.get_peft_model(twin, config))
    assert ours == theirs
    has_head = TASKS[model_class] in ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
    assert bool(ours) == has_head


WHOLE_HEADS = [MiniBertForTokenClassification, MiniGPTForTokenClassification]


@pytest.mark.parametrize("model_class", [head for head in TASKS if head is not MiniBertForQuestionAnswering])
def test_every_linear_layer_learns_and_is_loaded_again(model_class, tmp_path):
    model = build(model_class)
    fresh = copy.deepcopy(model)
    config = peft.LoraConfig(task_type=TASKS[model_class], r=3, target_modules="all-linear")
    if model_class in WHOLE_HEADS:  # refused by PEFT for stock twins: it trains their heads whole
        with pytest.raises(ValueError, match="modules_to_save=.'classifier'.*"):
            train(peft.get_peft_model(copy.deepcopy(model), config), model_class)
        config = peft.LoraConfig(
            task_type=TASKS[model_class], target_modules="all-linear", modules_to_save=["classifier"]
        )
    tuned = train(peft.get_peft_model(model, config), model_class)
    expected = logits(tuned, model_class)
    tuned.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path).double().eval()
    assert_close(logits(loaded, model_class), expected, **EXACT)


@pytest.mark.parametrize("model_class", WHOLE_HEADS)
@pytest.mark.parametrize("width", [None, 11])
def test_layers_inside_a_head_that_is_trained_whole_are_refused_before_training(model_class, width):
    model = build(model_class, classifier_hidden_size=width)
    config = peft.LoraConfig(task_type=TASKS[model_class], target_modules=["query", "dense" if width else "output"])
    with pytest.raises(ValueError, match="modules_to_save=.'classifier'.*"):
        train(peft.get_peft_model(model, config), model_class)


# Embeddings

TABLES = {
    "words, encoder": (MiniBertForMaskedLM, {}, ["word_embeddings"]),
    "words, decoder": (MiniGPTForCausalLM, {}, ["word_embeddings"]),
    "words, encoder-decoder": (MiniSeq2SeqForConditionalGeneration, {}, ["word_embeddings"]),
    "token types": (MiniBertForSequenceClassification, {}, ["query", "token_type_embeddings"]),
    "positions": (MiniGPTForSequenceClassification, {}, ["position_embeddings"]),
    "position biases": (MiniGPTForCausalLM, {"token_mixer": "aft_full"}, ["query", "position_bias"]),
    "relative scores": (MiniSeq2SeqForConditionalGeneration, {"preset": "t5"}, ["scores"]),
    "decoder": (MiniGPTForCausalLM, {"tie_word_embeddings": False}, ["lm_head"]),
}


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings=True.:UserWarning")
@pytest.mark.parametrize("table", TABLES)
def test_lora_on_every_table_learns_and_merges(table, tmp_path):
    model_class, fields, targets = TABLES[table]
    model = build(model_class, **fields)
    fresh = copy.deepcopy(model)
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=3, target_modules=targets))
    before = logits(tuned.eval(), model_class)
    train(tuned, model_class)
    idle = [n for n, p in tuned.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not idle
    expected = logits(tuned, model_class)
    assert (expected - before).abs().max() > 1e-6
    tuned.save_pretrained(tmp_path, save_embedding_layers=False)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path).double().eval()
    assert_close(logits(loaded, model_class), expected, **EXACT)
    if "words" not in table:  # tied tables cannot be merged without the decoder's
        assert_close(logits(loaded.merge_and_unload(), model_class), expected, **EXACT)


@pytest.mark.parametrize("model_class", [MiniBertForMaskedLM, MiniGPTForCausalLM, MiniSeq2SeqForConditionalGeneration])
def test_trainable_tokens_are_trained_and_no_others(model_class, tmp_path):
    model = build(model_class)
    fresh = copy.deepcopy(model)
    words = model.get_input_embeddings().weight.detach().clone()
    name = "encoder.embeddings.word_embeddings" if model.config.is_encoder_decoder else "word_embeddings"
    chosen = IDS[0, :3].unique().tolist()
    options = {"target_modules": ["query"], "trainable_token_indices": {name: chosen}}
    tuned = train(peft.get_peft_model(model, peft.LoraConfig(**options)), model_class)
    expected = logits(tuned, model_class)
    tuned.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path).double().eval()
    assert_close(logits(loaded, model_class), expected, **EXACT)
    if model_class is MiniBertForMaskedLM:  # stock or ours: PEFT forgets the decoder's share of the table
        return
    merged = tuned.merge_and_unload()
    assert_close(logits(merged, model_class), expected, **EXACT)
    changed = (merged.get_input_embeddings().weight != words).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == chosen


# Prefixes

PREFIXED = {
    MiniBertForSequenceClassification: "SEQ_CLS",
    MiniBertForTokenClassification: "TOKEN_CLS",
    MiniBertForQuestionAnswering: "QUESTION_ANS",
    MiniGPTForCausalLM: "CAUSAL_LM",
}


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
@pytest.mark.parametrize("model_class", PREFIXED)
def test_prefix_tuning_gives_the_values_of_the_stock_twin(model_class, implementation):
    model = build(model_class)
    twin = model.to_stock().eval()
    model.set_attn_implementation(implementation)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 2 + [0] * 5])
    plain = model(IDS, attention_mask=mask)
    config = peft.PrefixTuningConfig(task_type=PREFIXED[model_class], num_virtual_tokens=4)
    tuned = peft.get_peft_model(model, config).double().eval()
    weight = tuned.prompt_encoder["default"].embedding.weight
    torch.nn.init.normal_(weight, std=0.5)
    actual = tuned(input_ids=IDS, attention_mask=mask)
    # The twin is given the prefixes as they are: PEFT does not know stock models' name of the cache since 5.24.
    whole = torch.cat([torch.ones(3, 4, dtype=torch.long), mask], dim=1)
    past = {CACHE_NAME: tuned.get_prompt(batch_size=3)}
    expected = twin(IDS, attention_mask=whole, **past)
    real = mask.bool()
    if model_class is MiniBertForQuestionAnswering:
        pairs = [(actual[n][real], expected[n][real]) for n in ("start_logits", "end_logits")]
        before = plain.start_logits[real]
    elif model_class is MiniBertForSequenceClassification:
        pairs, before = [(actual.logits, expected.logits)], plain.logits
    else:
        pairs, before = [(actual.logits[real], expected.logits[real])], plain.logits[real]
    for pair in pairs:
        assert_close(*pair, **EXACT)
    assert (pairs[0][0] - before).abs().max() > 1e-3
    gradients = [
        torch.autograd.grad(sum(value.sum() for value in side), weight)[0] for side in zip(*pairs, strict=True)
    ]
    assert gradients[0].abs().sum() > 0
    assert_close(*gradients, **EXACT)

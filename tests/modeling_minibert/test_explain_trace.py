"""A trace is what the model itself computed: every step is computed once more from the step before, with the model's
own weights, and the ends are held against the model's outputs, and against stock models of transformers.

float64, where two orders of summation differ by some 1e-15; odd and unequal sizes; biases and gains are random.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.compare import assert_same_outputs
from helpers.traces import CLOSE, EXACT, PAIR, TEXT, WORDS, random_model, word_tokenizer
from torch.testing import assert_close
from transformers import AutoModel, AutoTokenizer, pipeline

from modeling_minibert.configuration_minibert import AUTO_MAP as BERT_CLASSES
from modeling_minibert.configuration_minigpt import AUTO_MAP as GPT_CLASSES
from modeling_minibert.explain import trace
from modeling_minibert.feed_forward import ACTIVATIONS

BERT_HEADS = sorted({path.rpartition(".")[2] for path in BERT_CLASSES.values()} - {"MiniBertConfig"})
GPT_HEADS = sorted({path.rpartition(".")[2] for path in GPT_CLASSES.values()} - {"MiniGPTConfig"})
VARIANTS = {
    "bert": ("MiniBertForPreTraining", {"type_vocab_size": 3}),
    "pre-norm bert": ("MiniBertForMaskedLM", {"norm_position": "pre", "norm_type": "rmsnorm", "hidden_act": "relu"}),
    "2017": (
        "MiniBertForSequenceClassification",
        {"position_embedding_type": "sinusoidal", "scale_embedding": True, "type_vocab_size": 0},
    ),
    "gpt2": ("MiniGPTForCausalLM", {}),
    "post-norm gpt": ("MiniGPTForCausalLM", {"norm_position": "post", "embedding_norm": True, "type_vocab_size": 2}),
    "rotary": ("MiniGPTForCausalLM", {"position_embedding_type": "rotary", "head_dim": 6, "attention_bias": False}),
}


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(WORDS)


def check_attention(attention, module):
    """The formula step by step, from what the queries are made of to the output."""
    heads, _, size = attention.query.shape
    scores = attention.query @ attention.key.transpose(1, 2) / math.sqrt(size)
    assert_close(attention.scores, scores, **CLOSE)
    weights = attention.scores.masked_fill(~attention.visible, -math.inf).softmax(-1)
    assert_close(attention.weights, weights, **CLOSE)
    assert_close(attention.head_outputs, attention.weights @ attention.value, **CLOSE)
    concatenated = torch.cat(list(attention.head_outputs), dim=-1)
    assert concatenated.shape[1] == heads * size
    assert_close(attention.output, F.linear(concatenated, module.output.weight, module.output.bias), **CLOSE)


def check_projections(attention, module, rotary):
    for name in ("value",) if rotary else ("query", "key", "value"):
        linear = getattr(module, name)
        projected = F.linear(attention.input, linear.weight, linear.bias)
        size = attention.query.shape[-1]
        expected = torch.stack([projected[:, h * size : (h + 1) * size] for h in range(len(attention.query))])
        assert_close(getattr(attention, name), expected, **CLOSE)


def check_layer(layer, module, activation):
    attention, feed_forward = layer.attention, module.feed_forward
    assert_close(layer.attention_residual, layer.input + attention.output, **CLOSE)
    if layer.pre_norm:
        assert_close(layer.attention_norm, module.attention_norm(layer.input), **CLOSE)
        assert_close(layer.feed_forward_norm, module.feed_forward_norm(layer.attention_residual), **CLOSE)
        read, before, result = layer.feed_forward_norm, layer.attention_residual, layer.feed_forward_residual
        assert_close(attention.input, layer.attention_norm, **EXACT)
    else:
        assert_close(layer.attention_norm, module.attention_norm(layer.attention_residual), **CLOSE)
        assert_close(layer.feed_forward_norm, module.feed_forward_norm(layer.feed_forward_residual), **CLOSE)
        read, before, result = layer.attention_norm, layer.attention_norm, layer.feed_forward_norm
        assert_close(attention.input, layer.input, **EXACT)
    assert_close(layer.feed_forward_up, F.linear(read, feed_forward.up.weight, feed_forward.up.bias), **CLOSE)
    assert_close(layer.feed_forward_activation, ACTIVATIONS[activation](layer.feed_forward_up), **CLOSE)
    down = F.linear(layer.feed_forward_activation, feed_forward.down.weight, feed_forward.down.bias)
    assert_close(layer.feed_forward_output, down, **CLOSE)
    assert_close(layer.feed_forward_residual, before + layer.feed_forward_output, **CLOSE)
    assert_close(layer.output, result, **EXACT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_step_follows_from_the_one_before(variant, tokenizer):
    name, fields = VARIANTS[variant]
    model = random_model(name, **fields)
    traced = trace(model, tokenizer, TEXT, PAIR)
    base, (kind, stack) = model.base_model, next(iter(traced.stacks.items()))
    assert kind == ("encoder" if "Bert" in name else "decoder")

    parts = stack.embeddings
    word = base.embeddings.word_embeddings.weight[stack.input_ids] * base.embeddings.scale
    assert_close(parts.word, word, **EXACT)
    assert (parts.position is None) == (model.config.position_embedding_type == "rotary")
    assert (parts.token_type is None) == (model.config.type_vocab_size == 0)
    if parts.token_type is not None:  # the segments of the pair
        segments = [0] * 7 + [1] * 3
        assert_close(parts.token_type, base.embeddings.token_type_embeddings.weight[segments], **EXACT)
    added = [part for part in (parts.word, parts.position, parts.token_type) if part is not None]
    assert_close(parts.sum, sum(added), **CLOSE)
    assert_close(parts.norm, base.embeddings.norm(parts.sum), **CLOSE)

    before = parts.norm
    for layer, module in zip(stack.layers, base.layers, strict=True):
        assert_close(layer.input, before, **EXACT)
        check_projections(layer.attention, module.attention, rotary=variant == "rotary")
        check_attention(layer.attention, module.attention)
        check_layer(layer, module, model.config.hidden_act)
        before = layer.output
    assert_close(stack.output, base.final_norm(before), **CLOSE)
    tokens = len(stack.tokens)
    causal = torch.ones(tokens, tokens).tril().bool() if kind == "decoder" else torch.ones(tokens, tokens).bool()
    assert torch.equal(stack.layers[0].attention.visible, causal)


@pytest.mark.parametrize("name", BERT_HEADS + GPT_HEADS)
def test_every_head_gives_the_logits_of_the_model(name, tokenizer):
    model = random_model(name)
    traced = trace(model, tokenizer, TEXT)
    outputs = model(**traced.inputs, output_attentions=True, output_hidden_states=True)
    logits = {key: value[0] for key, value in outputs.items() if "logits" in key}
    assert traced.logits.keys() == logits.keys()
    model.set_attn_implementation("eager")
    plainly = model(**traced.inputs)
    model.set_attn_implementation("sdpa")
    fused = model(**traced.inputs)
    for key, value in logits.items():
        assert_same_outputs(traced.logits[key], value)
        assert_same_outputs(traced.logits[key], plainly[key][0])
        assert_close(traced.logits[key], fused[key][0], rtol=0, atol=1e-10)
    stack = next(iter(traced.stacks.values()))
    found = [stack.embeddings.norm, *(layer.output for layer in stack.layers[:-1]), stack.output]
    for mine, theirs in zip(found, outputs.hidden_states, strict=True):
        assert_same_outputs(mine, theirs[0])
    for layer, weights in zip(stack.layers, outputs.attentions, strict=True):
        assert_same_outputs(layer.attention.weights, weights[0])
    assert bool(traced.predictions) == (not name.endswith("Model"))


@pytest.mark.parametrize("name", ["MiniBertForSequenceClassification", "MiniGPTForCausalLM"])
def test_a_stock_model_is_traced_as_what_it_computes(name, tokenizer):
    stock = random_model(name).float().to_stock()
    stock.set_attn_implementation("eager")
    traced = trace(stock, tokenizer, TEXT)
    outputs = stock(**traced.inputs, output_attentions=True, output_hidden_states=True)
    stack = next(iter(traced.stacks.values()))
    # float32 sums of some forty terms of order 1
    assert_close(traced.logits["logits"], outputs.logits[0], rtol=0, atol=2e-5)
    for layer, weights, states in zip(stack.layers, outputs.attentions, outputs.hidden_states, strict=False):
        assert_close(layer.attention.weights, weights[0], rtol=0, atol=1e-5)
        assert_close(layer.input, states[0], rtol=0, atol=1e-5)


def test_a_trace_leaves_the_model_as_it_was(tokenizer):
    model = random_model("MiniBertForMaskedLM", hidden_dropout_prob=0.5).train()
    first, again = trace(model, tokenizer, TEXT), trace(model, tokenizer, TEXT)
    assert model.training
    assert_same_outputs(first.logits["logits"], again.logits["logits"])  # no dropout
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(ValueError, match="positions"):
        trace(model, tokenizer, "suka " * 22)
    assert model.training


def test_words_for_a_mask_are_those_of_the_fill_mask_pipeline(tokenizer):
    model = random_model("MiniBertForMaskedLM").float()
    traced = trace(model, tokenizer, "aku [MASK] film ini")
    theirs = pipeline("fill-mask", model=model, tokenizer=tokenizer)("aku [MASK] film ini")
    (prediction,) = traced.predictions
    assert (prediction.question, prediction.token) == ("masked token", 2)
    for (word, probability), expected in zip(prediction.candidates, theirs, strict=True):
        assert word == expected["token_str"]
        assert probability == pytest.approx(expected["score"], abs=1e-6)


def test_predictions_are_the_softmax_of_the_logits(tokenizer):
    labels = {"id2label": {0: "buruk", 1: "biasa", 2: "bagus"}}
    traced = trace(random_model("MiniBertForSequenceClassification", **labels), tokenizer, TEXT)
    expected = dict(zip(labels["id2label"].values(), traced.logits["logits"].softmax(-1).tolist(), strict=True))
    assert dict(traced.predictions[0].candidates) == pytest.approx(expected, abs=1e-12)
    assert list(dict(traced.predictions[0].candidates).values()) == sorted(expected.values(), reverse=True)
    several = random_model("MiniBertForSequenceClassification", problem_type="multi_label_classification", **labels)
    traced = trace(several, tokenizer, TEXT)
    assert dict(traced.predictions[0].candidates)["biasa"] == pytest.approx(traced.logits["logits"].sigmoid()[1].item())
    number = trace(random_model("MiniGPTForSequenceClassification", num_labels=1), tokenizer, TEXT)
    assert number.predictions[0].candidates == [("LABEL_0", number.logits["logits"].item())]
    assert not number.predictions[0].is_probability


@pytest.mark.pretrained
@pytest.mark.lecture("S5-21")
def test_it_looks_at_the_animal(pretrained_dir):
    """In a trained encoder a head links the pronoun to its noun: more than other words, and less where it fits less."""
    model, tokenizer = AutoModel.from_pretrained(pretrained_dir), AutoTokenizer.from_pretrained(pretrained_dir)
    weights = {}
    for word in ("tired", "wide"):
        traced = trace(model, tokenizer, f"The animal didn't cross the street because it was too {word}")
        weights[word] = torch.stack([layer.attention.weights for layer in traced.encoder.layers])  # (layers, H, L, L)
    it, animal, street = (traced.encoder.tokens.index(name) for name in ("it", "animal", "street"))
    # In some heads every word looks at the animal, which says nothing about "it".
    others = [place for place in range(len(traced.encoder.tokens)) if place not in (it, animal)]
    to_animal = weights["tired"][:, :, :, animal]
    excess = to_animal[:, :, it] - to_animal[:, :, others].mean(dim=-1)
    head = divmod(int(excess.argmax()), excess.shape[1])
    tired, wide = (weights[word][head][it] for word in ("tired", "wide"))
    # Measured in layer 3, head 1: 0.64 of the attention of "it", 0.09 of that of the others; 0.05 to the street.
    assert tired[animal] > 0.6 and tired.argmax() == animal and to_animal[head][others].mean() < 0.15
    assert tired[street] < 0.1
    # What is wide is rather the street: 0.27 to the animal, 0.13 to the street.
    assert wide[animal] < 0.5 * tired[animal] and wide[street] > 2 * tired[street]


@pytest.mark.parametrize(
    ("fields", "text", "pair", "message"),
    [
        ({}, " \n", None, r"text is empty \(' \\n'\)"),
        ({}, TEXT, "", r"text_pair is empty \(''\)"),
        ({}, "suka " * 22, None, "24 tokens long but this model was built for 23"),
        ({"token_mixer": "linear"}, TEXT, None, "token_mixer='linear' has no queries and keys"),
    ],
)
def test_what_cannot_be_traced_is_said(fields, text, pair, message, tokenizer):
    model = random_model("MiniGPTForCausalLM", **fields)
    with pytest.raises(ValueError, match=message):
        trace(model, tokenizer, text, pair)


def test_a_stack_without_layers_has_nothing_to_show(tokenizer):
    with pytest.raises(ValueError, match="no layers, and so no attention"):
        trace(random_model("MiniBertModel", num_hidden_layers=0), tokenizer, TEXT)


def test_other_families_are_named(tokenizer):
    model = random_model("MiniGPTModel")
    model.config.model_type = "bloom"
    with pytest.raises(ValueError, match=r"model_type 'bloom'; choose one of \['minibert', 'minigpt'.*'bert', 'gpt2'"):
        trace(model, tokenizer, TEXT)

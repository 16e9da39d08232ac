"""MiniBert computes what stock BERT computes: same weights, same inputs, outputs and gradients side by side.

All parameters are random, the gains of the norms too, and the sizes are odd and unequal, so that a swapped axis or a
forgotten term cannot hide. Tolerances are absolute and the outputs of order 1: float32 sums of some twenty terms
through three layers stay below 1e-5, float64 below 1e-10.
"""

import pytest
import torch
from helpers.pairs import pairwise
from torch import nn
from transformers import AlbertConfig, AlbertModel, AutoTokenizer, BertModel

import modeling_minibert
from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.attention import MultiHeadAttention
from modeling_minibert.modeling_minibert import MiniBertLayer
from modeling_minibert.normalization import LayerNorm, layer_norm
from modeling_minibert.stock import FAMILIES, from_stock

B, L, H, D, M, V = 3, 7, 4, 5, 37, 101
E, C = H * D, 3
CHOICES = 2
LENGTHS = (7, 5, 2)
SIZES = {
    "vocab_size": V,
    "hidden_size": E,
    "num_hidden_layers": 3,
    "num_attention_heads": H,
    "intermediate_size": M,
    "max_position_embeddings": 23,
    "type_vocab_size": 3,
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NAMES = list(FAMILIES[0].classes)


def randomize(model, seed=0):
    """Every parameter normal; weights keep the variance of their input, gains stay around 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
            if name.endswith("norm.weight"):
                parameter.add_(1.0)
    return model


def make_pair(name, dtype=torch.float32, attention="eager", **fields):
    """A random model of ours and its stock twin, both in eval mode."""
    config = MiniBertConfig(**{**SIZES, **fields})
    ours = randomize(getattr(modeling_minibert, name)(config).to(dtype)).eval()
    stock = ours.to_stock()
    ours.set_attn_implementation(attention)
    stock.set_attn_implementation(attention)
    return ours, stock


def make_inputs(name, padded=True, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (B, CHOICES, L) if name.endswith("MultipleChoice") else (B, L)
    inputs = {"input_ids": torch.randint(1, V, shape, generator=generator)}
    inputs["token_type_ids"] = torch.randint(3, shape, generator=generator)
    if padded:
        mask = (torch.arange(L) < torch.tensor(LENGTHS)[:, None]).long()
        inputs["attention_mask"] = mask[:, None].expand(shape).contiguous() if len(shape) == 3 else mask
        inputs["input_ids"] = inputs["input_ids"] * inputs["attention_mask"]  # the pad id is 0
    return inputs


def make_labels(name):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(C, (B, L), generator=generator)
    tokens[:, 1::2] = -100  # no label here
    pairs = torch.tensor([0, 1, 1])
    return {
        "MiniBertModel": {},
        "MiniBertForPreTraining": {"labels": tokens, "next_sentence_label": pairs},
        "MiniBertForMaskedLM": {"labels": tokens},
        "MiniBertForNextSentencePrediction": {"labels": pairs},
        "MiniBertForSequenceClassification": {"labels": torch.tensor([2, 0, 1])},
        "MiniBertForTokenClassification": {"labels": tokens},
        # The last answer was cut off: its positions are past the end.
        "MiniBertForQuestionAnswering": {
            "start_positions": torch.tensor([0, 3, L]),
            "end_positions": torch.tensor([2, 4, 9]),
        },
        "MiniBertForMultipleChoice": {"labels": pairs},
    }[name]


def assert_close(ours, theirs, tolerance, what):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance, msg=lambda message: f"{what}: {message}")


def real_tokens(tensor, mask):
    """Only the rows of real tokens, wherever the tensor has its length axis; everything where it has none."""
    if mask is None:
        return tensor
    mask = mask.flatten(0, -2).bool()
    if tensor.dim() == 4:  # attention weights (B, H, L, S)
        return tensor.transpose(1, 2)[mask]
    return tensor[mask] if tensor.dim() >= 2 and tensor.shape[:2] == mask.shape else tensor


def tensors(output):
    """The fields of an output, by name; those that only ours has (the two single losses) left out."""
    named = {}
    for field, value in output.items():
        if isinstance(value, tuple):
            named.update({f"{field}[{i}]": tensor for i, tensor in enumerate(value)})
        elif field not in ("masked_lm_loss", "next_sentence_loss"):
            named[field] = value
    return named


def assert_same_outputs(ours, theirs, mask, tolerance):
    ours, theirs = tensors(ours), tensors(theirs)
    assert ours.keys() == theirs.keys()
    for field in ours:
        assert_close(real_tokens(ours[field], mask), real_tokens(theirs[field], mask), tolerance, field)


def assert_same_gradients(ours, stock, tolerance):
    """Every parameter of both; names are translated by the table of `stock.py`."""
    table, seen = FAMILIES[0].weights, set()
    theirs = dict(stock.named_parameters(remove_duplicate=False))
    for name, parameter in ours.named_parameters(remove_duplicate=False):
        module, _, leaf = name.rpartition(".")
        parts = module.split(".")
        number = next((part for part in parts if part.isdigit()), "*")
        twin = table[".".join("*" if part.isdigit() else part for part in parts)].replace("*", number) + f".{leaf}"
        assert parameter.grad is not None, name
        assert_close(parameter.grad, theirs[twin].grad, tolerance, f"gradient of {name}")
        seen.add(twin)
    assert theirs.keys() - seen <= {"cls.predictions.bias"}  # that one is the decoder's bias by another name


def backward(output, mask):
    """Gradients of a scalar that depends differently on every number of the output, padding left out."""
    total = 0.0
    for field, tensor in tensors(output).items():
        if "[" not in field and field != "loss":
            real = real_tokens(tensor, mask)
            signal = torch.linspace(-1, 1, real.numel(), dtype=real.dtype).view_as(real)
            total = total + (real * signal).sum() / real.numel() ** 0.5  # gradients of order 1
    total.backward()


@pytest.mark.parametrize(("attention", "padded", "dtype"), pairwise(["eager", "sdpa"], [True, False], TOLERANCE))
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_those_of_stock_bert(name, attention, padded, dtype):
    ours, stock = make_pair(name, dtype, attention, num_labels=2 if "Question" in name else C)
    inputs = make_inputs(name, padded)
    keep = {"output_hidden_states": True, "output_attentions": attention == "eager"}
    our_output, stock_output = ours(**inputs, **keep), stock(**inputs, **keep)
    mask = inputs.get("attention_mask")
    assert_same_outputs(our_output, stock_output, mask, TOLERANCE[dtype])
    backward(our_output, mask)
    backward(stock_output, mask)
    assert_same_gradients(ours, stock, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "MiniBertModel"])
def test_losses_and_their_gradients_are_those_of_stock_bert(name, dtype):
    ours, stock = make_pair(name, dtype, num_labels=2 if "Question" in name else C)
    inputs = {**make_inputs(name), **make_labels(name)}
    our_loss, stock_loss = ours(**inputs).loss, stock(**inputs).loss
    assert_close(our_loss, stock_loss, TOLERANCE[dtype], "loss")
    our_loss.backward()
    stock_loss.backward()
    assert_same_gradients(ours, stock, TOLERANCE[dtype])


@pytest.mark.parametrize("told", [True, False], ids=["told", "inferred"])
@pytest.mark.parametrize(
    "problem_type, labels",
    [
        ("regression", torch.tensor([0.5, -1.0, 2.0])),
        ("single_label_classification", torch.tensor([2, -100, 1])),
        ("multi_label_classification", torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0]])),
    ],
    ids=["regression", "single", "multi"],
)
def test_problem_types_give_the_loss_of_stock_bert(problem_type, labels, told):
    assert_same_classification_loss(problem_type, labels, told, num_labels=1 if problem_type == "regression" else 3)


def test_regression_of_several_numbers_gives_the_loss_of_stock_bert():
    assert_same_classification_loss("regression", torch.linspace(-1, 2, 9).view(3, 3), told=True, num_labels=3)


def assert_same_classification_loss(problem_type, labels, told, num_labels):
    name = "MiniBertForSequenceClassification"
    ours, stock = make_pair(name, num_labels=num_labels, problem_type=problem_type if told else None)
    inputs = {**make_inputs(name), "labels": labels}
    our_loss, stock_loss = ours(**inputs).loss, stock(**inputs).loss
    assert ours.config.problem_type == stock.config.problem_type == problem_type
    assert_close(our_loss, stock_loss, 1e-5, "loss")
    our_loss.backward()
    stock_loss.backward()
    assert_same_gradients(ours, stock, 1e-5)


@pytest.mark.parametrize("name", ["MiniBertForPreTraining", "MiniBertForMultipleChoice"])
@pytest.mark.parametrize("given", ["no token_type_ids", "position_ids", "inputs_embeds"])
def test_other_inputs_mean_what_they_mean_to_stock_bert(name, given):
    ours, stock = make_pair(name, torch.float64)
    inputs = make_inputs(name)
    default = tensors(ours(**inputs))
    if given == "no token_type_ids":
        del inputs["token_type_ids"]
    elif given == "position_ids":
        order = torch.randperm(23, generator=torch.Generator().manual_seed(4))[:L]
        inputs["position_ids"] = order.expand(inputs["input_ids"].shape).contiguous()
    else:
        shape = inputs.pop("input_ids").shape
        inputs["inputs_embeds"] = torch.randn(*shape, E, generator=torch.Generator().manual_seed(5)).double()
    our_output, stock_output = ours(**inputs), stock(**inputs)
    mask = inputs["attention_mask"]
    assert_same_outputs(our_output, stock_output, mask, 1e-10)
    for field, tensor in tensors(our_output).items():
        assert (tensor - default[field]).abs().max() > 1e-3, f"premise: {given} changes {field}"


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh"])
def test_every_activation_is_that_of_stock_bert(activation):
    ours, stock = make_pair("MiniBertForPreTraining", torch.float64, hidden_act=activation)
    inputs = make_inputs("MiniBertForPreTraining")
    assert_same_outputs(ours(**inputs), stock(**inputs), inputs["attention_mask"], 1e-10)


@pytest.mark.usefixtures("torchs_masks")
@pytest.mark.parametrize("name", NAMES)
def test_dropout_falls_on_the_same_numbers(name):
    dropouts = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2, "classifier_dropout": 0.4}
    ours, stock = make_pair(name, num_labels=2, **dropouts)
    inputs = make_inputs(name)
    still = tensors(ours(**inputs))
    torch.manual_seed(6)
    our_output = ours.train()(**inputs)
    torch.manual_seed(6)
    stock_output = stock.train()(**inputs)
    assert_same_outputs(our_output, stock_output, inputs["attention_mask"], 1e-5)
    for field, tensor in tensors(our_output).items():
        assert (tensor - still[field]).abs().max() > 1e-2, "premise: dropout is on"


@pytest.mark.parametrize("name", NAMES)
def test_changing_any_one_tensor_is_noticed(name):
    """The premise of all the above: the comparison can fail."""
    ours, stock = make_pair(name, num_labels=2)
    inputs = make_inputs(name)
    with torch.no_grad():
        expected = [t for t in tensors(stock(**inputs)).values()]
        for parameter_name, parameter in ours.named_parameters():
            if parameter_name.endswith("key.bias"):
                continue  # softmax cancels it: the same number is added to every score of a row
            before = parameter.clone()
            # Not by a constant: a norm would take that away again.
            parameter.add_(torch.linspace(-0.1, 0.2, parameter.numel()).view_as(parameter))
            got = tensors(ours(**inputs)).values()
            difference = max((a - b).abs().max().item() for a, b in zip(got, expected, strict=True))
            parameter.copy_(before)
            assert difference > 1e-4, f"{parameter_name}: only {difference:.1e}"


SENTENCES = [
    "The ferry leaves at dawn, and nobody on the pier has slept.",
    "Kapal itu berangkat saat fajar.",
    "Rain!",
    "Ibu menyimpan resep sambal itu di dalam buku tua yang tidak pernah dibaca siapa pun, kecuali oleh adik bungsunya.",
    "Which of the two answers is the better one, and why?",
]


@pytest.mark.slow
@pytest.mark.pretrained
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_real_checkpoint_gives_the_vectors_of_stock_bert(pretrained_dir, attention):
    stock = BertModel.from_pretrained(pretrained_dir, attn_implementation=attention)
    ours = from_stock(stock)
    assert ours.config._attn_implementation == attention
    batch = AutoTokenizer.from_pretrained(pretrained_dir)(SENTENCES, padding=True, return_tensors="pt")
    assert 0 in batch["attention_mask"], "premise: something is padded"
    keep = {"output_hidden_states": True, "output_attentions": attention == "eager"}
    with torch.no_grad():
        our_output, stock_output = ours(**batch, **keep), stock(**batch, **keep)
    assert stock_output.last_hidden_state.abs().max() > 0.5, "premise: the numbers are of order 1"
    assert_same_outputs(our_output, stock_output, batch["attention_mask"], 1e-5)
    with torch.no_grad():
        alone = ours(**AutoTokenizer.from_pretrained(pretrained_dir)(SENTENCES[1], return_tensors="pt"))
    length = alone.last_hidden_state.shape[1]
    assert_close(alone.last_hidden_state[0], our_output.last_hidden_state[1, :length], 1e-5, "sentence 1 unpadded")


@pytest.mark.slow
@pytest.mark.pretrained
def test_a_real_checkpoint_gives_the_gradients_of_stock_bert(pretrained_dir):
    stock = BertModel.from_pretrained(pretrained_dir, dtype=torch.float64)
    ours = from_stock(stock)
    batch = AutoTokenizer.from_pretrained(pretrained_dir)(SENTENCES[:3], padding=True, return_tensors="pt")
    our_output, stock_output = ours(**batch), stock(**batch)
    assert_same_outputs(our_output, stock_output, batch["attention_mask"], 1e-10)
    backward(our_output, batch["attention_mask"])
    backward(stock_output, batch["attention_mask"])
    assert_same_gradients(ours, stock, 1e-10)


@pytest.mark.lecture("S2-34")
def test_layer_norm_is_that_of_torch_and_takes_eps_inside_the_root():
    x = torch.randn(B, L, E, generator=torch.Generator().manual_seed(7)).double() * 1e-3  # so small that eps matters
    theirs = nn.LayerNorm(E, eps=1e-5).double()
    ours = randomize(LayerNorm(E, eps=1e-5).double())
    theirs.load_state_dict(ours.state_dict())
    expected = theirs(x)
    assert_close(ours(x), expected, 1e-12, "module")
    assert_close(layer_norm(x, ours.weight, ours.bias, 1e-5), expected, 1e-12, "formula")
    centred = x - x.mean(-1, keepdim=True)
    eps_outside = centred / (x.std(-1, unbiased=False, keepdim=True) + 1e-5) * ours.weight + ours.bias
    assert (eps_outside - expected).abs().max() > 0.1, "premise: eps outside the root is another formula"


@pytest.mark.lecture("S5-17")
@pytest.mark.parametrize("norm_position", ["post", "pre"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_layer_is_the_encoder_layer_of_torch(norm_position, activation):
    config = MiniBertConfig(**SIZES, norm_position=norm_position, hidden_act=activation, layer_norm_eps=1e-5,
                            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # fmt: skip
    config._attn_implementation = "eager"
    ours = randomize(MiniBertLayer(config).double())
    theirs = nn.TransformerEncoderLayer(E, H, M, dropout=0.0, activation=activation, batch_first=True,
                                        norm_first=norm_position == "pre").double()  # fmt: skip
    attention = ours.attention
    packed = {kind: [getattr(p, kind) for p in (attention.query, attention.key, attention.value)]
              for kind in ("weight", "bias")}  # fmt: skip
    pairs = {
        "self_attn.out_proj": attention.output,
        "linear1": ours.feed_forward.up,
        "linear2": ours.feed_forward.down,
        "norm1": ours.attention_norm,
        "norm2": ours.feed_forward_norm,
    }
    weights = {f"{name}.{kind}": value for name, m in pairs.items() for kind, value in m.state_dict().items()}
    weights.update({f"self_attn.in_proj_{kind}": torch.cat(values).detach() for kind, values in packed.items()})
    theirs.load_state_dict(weights)

    x = torch.randn(B, L, E, generator=torch.Generator().manual_seed(8)).double()
    mask = torch.arange(L) < torch.tensor(LENGTHS)[:, None]
    our_output = ours(x, mask[:, None, None, :])[0][mask]
    their_output = theirs(x, src_key_padding_mask=~mask)[mask]
    assert_close(our_output, their_output, 1e-10, "output")

    signal = torch.randn(our_output.shape, generator=torch.Generator().manual_seed(9)).double()
    (our_output * signal).sum().backward()
    (their_output * signal).sum().backward()
    for name, module in pairs.items():
        for kind in ("weight", "bias"):
            expected = theirs.get_parameter(f"{name}.{kind}").grad
            assert_close(getattr(module, kind).grad, expected, 1e-10, f"gradient of {name}.{kind}")
    for kind, values in packed.items():
        expected = theirs.get_parameter(f"self_attn.in_proj_{kind}").grad
        assert_close(torch.cat([value.grad for value in values]), expected, 1e-10, f"gradient of in_proj_{kind}")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


LECTURE = {"hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048}


@pytest.mark.lecture("S3-11")
def test_attention_has_the_parameters_of_the_lecture_and_of_torch():
    with torch.device("meta"):
        assert count(MultiHeadAttention(MiniBertConfig(**LECTURE))) == 1_050_624
        assert count(nn.MultiheadAttention(512, 8)) == 1_050_624


@pytest.mark.lecture("S3-12")
def test_a_layer_has_the_parameters_of_the_lecture_and_of_torch():
    with torch.device("meta"):
        assert count(MiniBertLayer(MiniBertConfig(**LECTURE))) == 3_152_384
        assert count(nn.TransformerEncoderLayer(512, 8, 2048)) == 3_152_384


@pytest.mark.lecture("S3-13")
def test_the_encoder_of_2017_has_the_parameters_of_the_lecture():
    config = MiniBertConfig(**LECTURE, num_hidden_layers=6, vocab_size=10_000, position_embedding_type="sinusoidal",
                            scale_embedding=True, embedding_norm=False, type_vocab_size=0)  # fmt: skip
    with torch.device("meta"):
        model = MiniBertModel(config, add_pooling_layer=False)
    assert count(model) == 24_034_304
    assert model.embeddings.scale == 512**0.5 and model.embeddings.dropout.p == 0.1


@pytest.mark.lecture("S3-19")
def test_published_models_have_their_published_sizes():
    roberta = {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1}
    with torch.device("meta"):
        millions = {
            "BERT base": count(MiniBertModel(MiniBertConfig.from_preset("base"))),
            "BERT large": count(MiniBertModel(MiniBertConfig.from_preset("large"))),
            "RoBERTa large": count(MiniBertModel(MiniBertConfig.from_preset("large", **roberta))),
            "DistilBERT": count(
                MiniBertModel(
                    MiniBertConfig.from_preset("base", num_hidden_layers=6, type_vocab_size=0), add_pooling_layer=False
                )
            ),
            # Shares one layer among all, which no model of ours does.
            "ALBERT base": count(
                AlbertModel(
                    AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072, embedding_size=128)
                )
            ),
        }
    assert {name: round(number / 1e6, 2) for name, number in millions.items()} == {
        "BERT base": 109.48,
        "BERT large": 335.14,
        "RoBERTa large": 355.36,
        "DistilBERT": 66.36,
        "ALBERT base": 11.68,
    }


def test_classes_compared_here_are_all_that_the_package_has():
    public = {name for name in modeling_minibert.__all__ if name.startswith("MiniBert")}
    assert {name for name in public if "For" in name or name == "MiniBertModel"} == set(NAMES)

"""Stock twins: nothing is lost on the way to a plain BERT and back, and what has no twin is refused by name."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import transformers
from helpers.compare import assert_same_weights
from transformers import AutoTokenizer, BertConfig, BertTokenizer, DistilBertConfig, DistilBertModel

import modeling_minibert
from modeling_minibert import MiniBertConfig, stock, stock_families, stock_families_seq2seq
from modeling_minibert.configuration_minibert import AUTO_MAP
from modeling_minibert.conversion import convert_folder
from modeling_minibert.conversion.__main__ import main
from modeling_minibert.stock import from_stock, to_stock
from modeling_minibert.stock_families import FAMILIES, TRAINING_ONLY

SIZES = {
    "vocab_size": 101,
    "hidden_size": 20,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 23,
}
LABELS = {"id2label": {0: "sad", 1: "glad"}, "label2id": {"sad": 0, "glad": 1}}
NAMES = FAMILIES[0].classes
IDS = torch.tensor([[2, 40, 9, 3], [2, 100, 3, 0]])
PADDING = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def randomize(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def make_ours(name, add_pooling_layer=None, **config):
    model_class = getattr(modeling_minibert, name)
    options = {} if add_pooling_layer is None else {"add_pooling_layer": add_pooling_layer}
    return randomize(model_class(MiniBertConfig(**{**SIZES, **config}), **options))


def make_stock(name, **config):
    return randomize(getattr(transformers, name)(BertConfig(**{**SIZES, **config})))


@pytest.fixture
def tokenizer():
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] kapal itu ber ##lay ##ar the ship sails".split()
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + list("abcdefghijklmnopqrstuvwxyz.,!")
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=23)


SENTENCES = ["Kapal itu berlayar.", "The ship sails, kapal!"]


# Models


@pytest.mark.parametrize("name", NAMES)
def test_ours_comes_back_bit_equal(name):
    model = make_ours(name, **LABELS)
    twin = to_stock(model)
    assert type(twin).__name__ == NAMES[name] and type(twin).__module__.startswith("transformers.models.bert")
    back = from_stock(twin)
    assert type(back) is type(model)
    assert_same_weights(model, back)
    assert back.config.to_dict() == model.config.to_dict()


@pytest.mark.parametrize("name", NAMES.values())
def test_theirs_comes_back_bit_equal(name):
    model = make_stock(name, **LABELS)
    twin = from_stock(model)
    assert NAMES[type(twin).__name__] == name
    back = twin.to_stock()
    assert_same_weights(model, back)
    assert back.config.to_dict() == model.config.to_dict()


def test_the_configuration_is_carried_over():
    choices = {
        **LABELS,
        "problem_type": "multi_label_classification",
        "hidden_dropout_prob": 0.2,
        "attention_probs_dropout_prob": 0.3,
        "classifier_dropout": 0.4,
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu_new",
        "initializer_range": 0.05,
        "type_vocab_size": 3,
        "pad_token_id": 5,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "note_of_mine": "trained on Tuesday",
    }
    twin = make_ours("MiniBertForSequenceClassification", **choices).to_stock()
    for config in (twin.config, from_stock(twin).config):
        assert {field: getattr(config, field) for field in choices} == choices
    assert twin.config.model_type == "bert"
    assert not {"norm_position", "classifier_pooling", "head_dim", "auto_map"} & twin.config.to_dict().keys()
    assert from_stock(twin).config.auto_map == AUTO_MAP


@pytest.mark.parametrize("name", ["MiniBertForMaskedLM", "MiniBertForPreTraining"])
def test_tied_weights_stay_one_tensor(name):
    twin = make_ours(name).to_stock()
    head = twin.cls.predictions
    assert head.decoder.weight is twin.bert.embeddings.word_embeddings.weight
    assert head.bias is head.decoder.bias
    back = from_stock(twin)
    assert back.mlm_head.decoder.weight is back.minibert.embeddings.word_embeddings.weight


def test_untied_weights_stay_two_tensors():
    model = make_ours("MiniBertForMaskedLM", tie_word_embeddings=False)
    twin = model.to_stock()
    assert not torch.equal(twin.cls.predictions.decoder.weight, twin.bert.embeddings.word_embeddings.weight)
    back = from_stock(twin)
    assert_same_weights(model, back)
    assert back.config.tie_word_embeddings is twin.config.tie_word_embeddings is False


def test_weights_that_were_pulled_apart_are_not_tied_again():
    model = make_ours("MiniBertForMaskedLM")
    model.mlm_head.decoder.weight = torch.nn.Parameter(model.mlm_head.decoder.weight + 1.0)
    assert model.config.tie_word_embeddings, "premise: the configuration still says tied"
    twin = model.to_stock()
    assert twin.config.tie_word_embeddings is False
    assert_same_weights(model, from_stock(twin))


def test_a_model_without_pooler_stays_without():
    model = make_ours("MiniBertModel", add_pooling_layer=False)
    twin = model.to_stock()
    assert twin.pooler is None
    back = from_stock(twin)
    assert back.pooler is None
    assert_same_weights(model, back)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_the_dtype_is_kept(dtype):
    model = make_ours("MiniBertForMaskedLM").to(dtype)
    twin = model.to_stock()
    assert {parameter.dtype for parameter in twin.parameters()} == {dtype}
    assert_same_weights(model, from_stock(twin))


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_kept(training):
    twin = make_ours("MiniBertForMaskedLM").train(training).to_stock()
    assert twin.training is twin.bert.encoder.layer[2].training is training
    assert from_stock(twin).minibert.training is training


def test_the_twin_is_a_copy_and_draws_no_random_numbers():
    model = make_ours("MiniBertForMaskedLM")
    before, state = model.mlm_head.dense.weight.clone(), torch.get_rng_state()
    twin = model.to_stock()
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        twin.cls.predictions.transform.dense.weight.zero_()
    assert torch.equal(model.mlm_head.dense.weight, before)
    assert all(parameter.requires_grad for parameter in twin.parameters())


# Tables


def test_every_name_of_ours_has_one_name_of_theirs():
    for twins in FAMILIES:
        assert len(set(twins.weights.values())) == len(twins.weights)
        assert len(set(twins.classes.values())) == len(twins.classes)


def test_every_choice_that_bert_does_not_have_is_checked():
    """A new field of MiniBertConfig needs a line in `_bert_needs`, or a twin would silently compute something else."""
    ours, theirs = ({field.name for field in fields(c)} for c in (MiniBertConfig, BertConfig))
    checked = FAMILIES[0].stock_needs(make_ours("MiniBertForSequenceClassification"))
    harmless = {"auto_map", "rotary_base"}  # the second is of rotary positions alone, which are refused
    assert ours - theirs <= checked.keys() | TRAINING_ONLY | harmless


def test_the_files_import_nothing_of_ours_but_each_other_and_so_travel_alone():
    for module in (stock, stock_families, stock_families_seq2seq):
        text = Path(module.__file__).read_text(encoding="utf-8")
        imports = re.findall(r"^\s*(?:from|import)\s+(\.\w*|modeling_minibert|tokenization)", text, flags=re.MULTILINE)
        assert set(imports) <= {".stock_families", ".stock_families_seq2seq"}


# Refusals


@pytest.mark.parametrize(
    "name, field, value, needed",
    [
        ("MiniBertModel", "norm_position", "pre", "'post'"),
        ("MiniBertModel", "norm_type", "rmsnorm", "'layernorm'"),
        ("MiniBertModel", "position_embedding_type", "sinusoidal", "'learned'"),
        ("MiniBertModel", "position_embedding_type", "none", "'learned'"),
        ("MiniBertModel", "scale_embedding", True, "False"),
        ("MiniBertModel", "embedding_norm", False, "True"),
        ("MiniBertModel", "type_vocab_size", 0, "1"),
        ("MiniBertModel", "attention_bias", False, "True"),
        ("MiniBertModel", "head_dim", 7, "5.0"),
        ("MiniBertModel", "classifier_pooling", "mean", "'cls'"),
        ("MiniBertForPreTraining", "classifier_pooling", "max", "'cls'"),
        ("MiniBertForNextSentencePrediction", "classifier_pooling", "max", "'cls'"),
        ("MiniBertForMultipleChoice", "classifier_pooling", "mean", "'cls'"),
        ("MiniBertForSequenceClassification", "classifier_hidden_size", 11, "None"),
        ("MiniBertForTokenClassification", "classifier_hidden_size", 11, "None"),
        ("MiniBertForQuestionAnswering", "num_labels", 3, "2"),
    ],
)
def test_what_has_no_twin_is_refused_by_field_and_value(name, field, value, needed):
    with pytest.raises(ValueError, match=re.escape(f"{field} is {value!r} (a twin needs {needed})")):
        make_ours(name, **{field: value}).to_stock()


def test_all_obstacles_are_named_at_once():
    with pytest.raises(ValueError, match="(?s)MiniBertModel cannot become BertModel.*post.*layernorm.*learned"):
        make_ours("MiniBertModel", norm_position="pre", norm_type="rmsnorm", position_embedding_type="none").to_stock()


@pytest.mark.parametrize(
    "name, choices",
    [
        ("MiniBertForMaskedLM", {"classifier_pooling": "mean", "classifier_hidden_size": 11}),
        ("MiniBertForQuestionAnswering", {"classifier_pooling": "mean"}),
        ("MiniBertModel", {"head_dim": 5, "embedding_dropout_prob": 0.1, "classifier_hidden_size": 11}),
    ],
)
def test_choices_that_a_class_does_not_use_do_not_stand_in_the_way(name, choices):
    model = make_ours(name, **choices)
    assert_same_weights(model, from_stock(model.to_stock()))


def test_dropouts_that_only_training_knows_do_not_stand_in_the_way():
    model = make_ours(
        "MiniBertForSequenceClassification", word_dropout_prob=0.2, mask_token_id=4, embedding_dropout_prob=0.3
    )
    ids = torch.randint(1, model.config.vocab_size, (2, 5))
    torch.testing.assert_close(model.to_stock().eval()(ids).logits, model.eval()(ids).logits, rtol=0, atol=1e-5)


def test_a_pooler_that_is_not_there_may_be_of_any_kind():
    assert make_ours("MiniBertModel", add_pooling_layer=False, classifier_pooling="mean").to_stock().pooler is None


@pytest.mark.parametrize(
    "name, config, message",
    [
        ("BertLMHeadModel", {"is_decoder": True}, "BertLMHeadModel has no twin.*BertForMaskedLM"),
        ("BertModel", {"is_decoder": True}, r"is_decoder is True \(a twin needs False\)"),
        ("BertModel", {"position_embedding_type": "relative_key"}, "embedding_type is 'relative_key'.*'absolute'"),
        ("BertForQuestionAnswering", {"num_labels": 3}, r"num_labels is 3 \(a twin needs 2\)"),
        ("BertModel", {"hidden_act": "mish"}, "unknown hidden_act 'mish'.*gelu"),
    ],
)
def test_a_bert_without_a_twin_is_refused(tmp_path, name, config, message):
    model = make_stock(name, **config)
    with pytest.raises(ValueError, match=message):
        from_stock(model)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        from_stock(tmp_path)


def test_other_families_and_changed_models_are_refused(tmp_path):
    other = DistilBertModel(DistilBertConfig(vocab_size=101, dim=20, n_layers=1, n_heads=4, hidden_dim=37))
    with pytest.raises(ValueError, match="'distilbert' has no twin.*'bert'"):
        from_stock(other)
    other.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'distilbert' has no twin.*'minibert'"):
        convert_folder(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="'bert' has no twin.*'minibert'"):
        to_stock(make_stock("BertModel"))
    changed = make_ours("MiniBertModel")
    changed.adapter = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="2 weights have no name in the twin, the first is adapter.weight"):
        to_stock(changed)


# Folders


def test_a_folder_is_opened_as_the_class_it_was_saved_from(tmp_path):
    for name in ("BertForTokenClassification", "BertForMaskedLM", "BertModel"):
        model = make_stock(name)
        model.save_pretrained(tmp_path / name)
        twin = from_stock(str(tmp_path / name))
        assert NAMES[type(twin).__name__] == name
        assert_same_weights(model, twin.to_stock())


def test_a_folder_that_lacks_weights_is_refused_instead_of_filled_with_random_ones(tmp_path):
    make_stock("BertModel").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["BertForSequenceClassification"]}))
    with pytest.raises(ValueError, match=r"lacks weights of BertForSequenceClassification.*'classifier.bias', 'cl"):
        from_stock(tmp_path)


def test_a_folder_without_pooler_is_opened_without(tmp_path):
    model = transformers.BertModel(BertConfig(**SIZES), add_pooling_layer=False)
    model.save_pretrained(tmp_path / "theirs")
    twin = from_stock(tmp_path / "theirs")
    assert twin.pooler is None
    convert_folder(tmp_path / "theirs", tmp_path / "ours")
    assert convert_folder(tmp_path / "ours", tmp_path / "back").pooler is None


@pytest.mark.lecture("S2-10")
def test_loading_says_exactly_which_weights_are_new_and_which_are_unused(tmp_path):
    pretrained = make_ours("MiniBertForPreTraining")
    pretrained.save_pretrained(tmp_path)
    model_class = modeling_minibert.MiniBertForSequenceClassification
    model, info = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert set(info["missing_keys"]) == {"classifier.output.weight", "classifier.output.bias"}
    # The decoder's weight is the embedding matrix, so the file does not hold it a second time.
    head = {f"mlm_head.{part}" for part in ("dense.weight", "dense.bias", "norm.weight", "norm.bias", "decoder.bias")}
    assert set(info["unexpected_keys"]) == head | {"nsp_head.weight", "nsp_head.bias"}
    for name, tensor in pretrained.minibert.state_dict().items():
        assert torch.equal(model.minibert.state_dict()[name], tensor), name
    _, info = modeling_minibert.MiniBertForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(info["unexpected_keys"]) == head | {"nsp_head.weight", "nsp_head.bias"} | {
        "minibert.pooler.dense.weight",
        "minibert.pooler.dense.bias",
    }
    _, info = modeling_minibert.MiniBertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_goes_there_and_back(tmp_path, capsys, name):
    model = make_ours(name, **LABELS)
    model.save_pretrained(tmp_path / "ours")
    convert_folder(tmp_path / "ours", tmp_path / "stock")
    said = capsys.readouterr().out
    auto_class = "AutoModel" + (name[name.index("For") :] if "For" in name else "")
    assert name in said and NAMES[name] in said and f"{model.num_parameters():,} parameters" in said
    assert f"{auto_class}.from_pretrained('{tmp_path / 'stock'}')" in said
    assert float(re.search(r"differ by (\S+)", said)[1]) < 1e-5
    saved = json.loads((tmp_path / "stock" / "config.json").read_text())
    assert saved["model_type"] == "bert" and saved["architectures"] == [NAMES[name]] and "auto_map" not in saved
    assert {path.name for path in (tmp_path / "stock").iterdir()} == {"config.json", "model.safetensors"}

    back = convert_folder(tmp_path / "stock", tmp_path / "back")
    assert_same_weights(model, back)
    saved = json.loads((tmp_path / "back" / "config.json").read_text())
    assert saved["auto_map"] == AUTO_MAP and saved["architectures"] == [name]
    code = {path.name for path in (tmp_path / "back").glob("*.py")}
    assert {"modeling_minibert.py", "configuration_minibert.py", "attention.py", "stock.py"} <= code
    assert code == {path.name for path in (tmp_path / "ours").glob("*.py")}


def test_the_tokenizer_travels(tmp_path, tokenizer):
    make_ours("MiniBertForMaskedLM").save_pretrained(tmp_path / "ours")
    tokenizer.save_pretrained(tmp_path / "ours")
    convert_folder(tmp_path / "ours", tmp_path / "stock")
    convert_folder(tmp_path / "stock", tmp_path / "back")
    expected = tokenizer(SENTENCES)["input_ids"]
    assert expected[0][1:5] == [5, 6, 7, 8], "premise: the vocabulary is in use"
    for folder in ("stock", "back"):
        carried = AutoTokenizer.from_pretrained(tmp_path / folder)
        assert type(carried) is BertTokenizer and carried.model_max_length == 23
        assert carried(SENTENCES)["input_ids"] == expected


def test_a_folder_with_another_model_is_not_overwritten(tmp_path):
    make_ours("MiniBertForMaskedLM").save_pretrained(tmp_path / "ours")
    make_ours("MiniBertForMaskedLM", num_hidden_layers=2).save_pretrained(tmp_path / "smaller")
    (tmp_path / "out").mkdir()
    convert_folder(tmp_path / "ours", tmp_path / "out")
    convert_folder(tmp_path / "ours", tmp_path / "out")  # the same again is welcome
    with pytest.raises(ValueError, match=r"files \(BertForMaskedLM\).*num_hidden_layers 3 there and 2 here"):
        convert_folder(tmp_path / "smaller", tmp_path / "out")
    with pytest.raises(ValueError, match=r"files \(MiniBertForMaskedLM\); .* becomes BertForMaskedLM"):
        convert_folder(tmp_path / "ours", tmp_path / "ours")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-a-friend.txt").write_text("Dear friend")
    with pytest.raises(ValueError, match=r"files \(no model\)"):
        convert_folder(tmp_path / "ours", tmp_path / "letters")
    assert transformers.BertForMaskedLM.from_pretrained(tmp_path / "out").config.num_hidden_layers == 3


ELSEWHERE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("modeling_minibert", "tokenization"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent())
try:
    import modeling_minibert
    raise SystemExit("premise: the package must be absent")
except ModuleNotFoundError:
    pass

import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, pipeline

ids, padding, expected = torch.load("expected.pt")
logits = AutoModelForSequenceClassification.from_pretrained("classifier")(ids, attention_mask=padding).logits
torch.testing.assert_close(logits, expected["classifier"], rtol=0, atol=1e-6)
print(pipeline("text-classification", "classifier")("Kapal itu berlayar."))
logits = AutoModelForMaskedLM.from_pretrained("words")(ids, attention_mask=padding).logits
torch.testing.assert_close(logits, expected["words"], rtol=0, atol=1e-6)
print(pipeline("fill-mask", "words")("Kapal [MASK] berlayar.", top_k=3))

# Code that came with the checkpoint can make the twin, too.
remote = AutoModelForSequenceClassification.from_pretrained("mine", trust_remote_code=True)
assert type(remote).__module__.startswith("transformers_modules."), type(remote)
twin = remote.to_stock()
assert type(twin).__module__ == "transformers.models.bert.modeling_bert"
torch.testing.assert_close(twin(ids, attention_mask=padding).logits, expected["classifier"], rtol=0, atol=1e-6)
again = sys.modules[type(remote).to_stock.__module__.replace("modeling_minibert", "stock")].from_stock(twin)
assert type(again).__name__ == type(remote).__name__
assert all(torch.equal(a, b) for a, b in zip(remote.parameters(), again.parameters(), strict=True))
print("done")
"""


@pytest.mark.slow
def test_a_converted_folder_opens_where_the_package_is_not_installed(tmp_path, monkeypatch, tokenizer):
    models = {
        "classifier": make_ours("MiniBertForSequenceClassification", **LABELS).eval(),
        "words": make_ours("MiniBertForMaskedLM").eval(),
    }
    for name, model in models.items():
        model.save_pretrained(tmp_path / f"our-{name}")
        tokenizer.save_pretrained(tmp_path / f"our-{name}")
    command = [sys.executable, "-m", "modeling_minibert.conversion", "our-classifier", "classifier"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "MiniBertForSequenceClassification in our-classifier → BertForSequenceClassification" in done.stdout
    assert "BertTokenizer of" in done.stdout and "AutoModelForSequenceClassification" in done.stdout
    assert "RuntimeWarning" not in done.stderr
    convert_folder(tmp_path / "our-words", tmp_path / "words")

    (tmp_path / "our-classifier").rename(tmp_path / "mine")
    expected = {name: model(IDS, attention_mask=PADDING).logits.detach() for name, model in models.items()}
    torch.save((IDS, PADDING, expected), tmp_path / "expected.pt")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    done = subprocess.run([sys.executable, "-I", "-c", ELSEWHERE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search("'label': '(sad|glad)'", done.stdout) and "token_str" in done.stdout and "done" in done.stdout


@pytest.mark.slow
def test_the_command_says_what_is_wrong_in_one_line(tmp_path, monkeypatch):
    make_ours("MiniBertModel", norm_type="rmsnorm").save_pretrained(tmp_path / "ours")
    monkeypatch.setattr(sys, "argv", ["conversion", str(tmp_path / "ours"), str(tmp_path / "out")])
    with pytest.raises(ValueError, match="^MiniBertModel cannot become BertModel: norm_type is 'rmsnorm'"):
        main()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.pretrained
def test_a_real_checkpoint_goes_there_and_back(tmp_path, pretrained_dir):
    convert_folder(pretrained_dir, tmp_path / "ours")
    back = convert_folder(tmp_path / "ours", tmp_path / "back")
    assert_same_weights(transformers.BertModel.from_pretrained(pretrained_dir), back)
    sentences = ["Hujan turun sejak pagi.", "It has been raining since the morning."]
    expected = AutoTokenizer.from_pretrained(pretrained_dir)(sentences)["input_ids"]
    for folder in ("ours", "back"):
        assert AutoTokenizer.from_pretrained(tmp_path / folder)(sentences)["input_ids"] == expected


@pytest.mark.parametrize("direction", ["to-stock", "from-stock"])
def test_each_direction_is_a_command_and_the_wrong_one_names_the_other(
    direction, tokenizer, tmp_path, monkeypatch, capsys
):
    from modeling_minibert.__main__ import main as command

    torch.manual_seed(0)
    model = make_ours("MiniBertModel") if direction == "to-stock" else make_stock("BertModel")
    model.save_pretrained(tmp_path / "in")
    tokenizer.save_pretrained(tmp_path / "in")
    source, target = str(tmp_path / "in"), str(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["minibert", direction, source, target])
    command()
    twin = transformers.AutoModel.from_pretrained(target)
    assert type(twin).__name__ == ("BertModel" if direction == "to-stock" else "MiniBertModel")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["minibert", direction, target, str(tmp_path / "again")])
    with pytest.raises(SystemExit):
        command()
    other = "from-stock" if direction == "to-stock" else "to-stock"
    error = capsys.readouterr().err
    assert "already" in error and f"for the other direction use minibert {other}" in error and error.count("\n") == 1
    assert not (tmp_path / "again").exists()

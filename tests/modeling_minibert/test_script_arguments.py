"""The arguments that the scripts share: inherited help texts, files, overrides, lengths."""

from dataclasses import dataclass, fields

import pytest
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from modeling_minibert.training import load_checkpoint
from modeling_minibert.training import script_arguments as base


@dataclass
class Narrowed(base.CheckpointArguments):
    preset: str = "char"
    config_overrides: str | None = base.overrides_argument("hidden_size=8")


def test_a_new_default_keeps_the_help_text_and_leaves_the_base_alone():
    help_of = {field.name: field.metadata["help"] for field in fields(Narrowed)}
    assert Narrowed().preset == "char" and base.CheckpointArguments().preset == "tiny"
    assert help_of["preset"] == base.CheckpointArguments.__dataclass_fields__["preset"].metadata["help"]
    assert help_of["config_overrides"].endswith("hidden_size=8")


def test_overrides_are_those_given_or_from_scratch_those_of_the_script():
    assert Narrowed().parse_overrides("a=1") == {"a": 1}
    assert Narrowed(config_overrides="b=2").parse_overrides("a=1") == {"b": 2}
    assert Narrowed(config_overrides="").parse_overrides("a=1") == {}
    assert Narrowed(model_name_or_path="x").parse_overrides("a=1") == {}


def test_files_are_those_given_and_bundled_ones_only_without_a_data_set():
    bundled = {"train": "bundled.csv"}
    assert base.TestedFileArguments().files(bundled) == bundled
    assert base.TestedFileArguments(dataset_name="x").files(bundled) == {}
    given = base.TestedFileArguments(train_file="a.csv", test_file="b.csv")
    assert given.files(bundled) == {"train": "a.csv", "test": "b.csv"}


def test_learning_rate_and_epochs_are_filled_in_where_they_were_not_given():
    args = base.FineTuningRunArguments(num_train_epochs=2)
    args.fill_in(from_scratch=False, learning_rate=5e-5)
    assert (args.learning_rate, args.num_train_epochs) == (5e-5, 2)


def test_too_long_an_input_names_the_argument_and_both_numbers():
    base.check_length("max_length", 500, None)
    with pytest.raises(ValueError, match=r"max_length \(33\) is more than the 32 tokens .*; set --max_length to 32"):
        base.check_length("max_length", 33, 32)


@pytest.mark.parametrize("implementation", [None, "mini"])
def test_a_checkpoint_takes_the_attention_of_its_overrides(implementation, tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    BertForMaskedLM(BertConfig(vocab_size=11, **sizes)).save_pretrained(tmp_path)
    overrides = {"attn_implementation": "eager", "hidden_dropout_prob": 0.3}
    model = load_checkpoint(AutoModelForMaskedLM, tmp_path, implementation, overrides)
    assert model.config._attn_implementation == "eager" and model.config.hidden_dropout_prob == 0.3
    assert overrides["attn_implementation"] == "eager"  # the dictionary of the caller stays as it was

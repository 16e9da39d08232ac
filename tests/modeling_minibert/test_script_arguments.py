"""The arguments that the scripts share: inherited help texts, files, overrides, lengths."""

from dataclasses import dataclass, fields

import pytest
from datasets import Dataset
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

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


def test_samples_are_drawn_at_random_and_keep_their_order():
    rows = Dataset.from_dict({"number": list(range(97))})
    splits = {"train": rows, "validation": rows, "test": rows.select(range(5))}
    args = base.SampleArguments(max_train_samples=7, max_eval_samples=31, max_predict_samples=50)
    args.sample(splits, seed=0)
    drawn = splits["validation"]["number"][:]
    assert len(splits["train"]) == 97 and len(drawn) == 31 and len(splits["test"]) == 5
    assert drawn == sorted(set(drawn)) and drawn != list(range(31))
    again, other = {"validation": rows}, {"validation": rows}
    args.sample(again, seed=0)
    args.sample(other, seed=1)
    assert again["validation"]["number"][:] == drawn != other["validation"]["number"][:]
    stream = {"train": rows.to_iterable_dataset()}
    args.sample(stream, 0, ("train",))
    assert [row["number"] for row in stream["train"]] == list(range(7))
    with pytest.raises(ValueError, match=r"max_predict_samples \(0\) must be at least 1"):
        base.SampleArguments(max_predict_samples=0).sample({"test": rows}, 0)


def test_the_checkpoints_revision_and_code_reach_every_call(monkeypatch):
    calls = []
    for loader in (AutoConfig, AutoTokenizer, AutoModelForMaskedLM):
        monkeypatch.setattr(loader, "from_pretrained", lambda *a, **k: calls.append(k) or BertConfig())
    args = base.CheckpointArguments(model_name_or_path="x", model_revision="v2", trust_remote_code=True)
    args.load_tokenizer()
    load_checkpoint(AutoModelForMaskedLM, "x", hub=args.hub)
    assert len(calls) == 3 and all(call["revision"] == "v2" and call["trust_remote_code"] for call in calls)
    assert base.CheckpointArguments().hub == {} and base.CheckpointArguments().load_tokenizer() is None

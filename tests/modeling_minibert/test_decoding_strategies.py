"""Strategies by name, everything checked first."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from modeling_minibert.decoding import STRATEGIES, encode_prompts, prepare_generation

WORDS = ["[PAD]", "[EOS]", *"abcdefghij"]


def word_tokenizer(words=WORDS, **special):
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[EOS]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "[PAD]", "eos_token": "[EOS]", **special}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.fixture
def tokenizer():
    return word_tokenizer()


@pytest.fixture
def model():
    config = GPT2Config(
        vocab_size=12, n_embd=12, n_layer=1, n_head=3, n_positions=16, eos_token_id=1, pad_token_id=0,
        bos_token_id=None, initializer_range=0.4,
    )  # fmt: skip
    return GPT2LMHeadModel(config).double().eval()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_generates_for_a_batch_what_it_generates_alone(strategy, model, tokenizer):
    prompts = ["a b c", "j"]
    inputs, arguments = prepare_generation(model, tokenizer, prompts, strategy, max_new_tokens=6)
    if arguments["do_sample"]:
        arguments |= {"temperature": 1e-5}  # so that a draw has one outcome
    output = model.generate(**inputs, **arguments)
    assert inputs["input_ids"].tolist() == [[2, 3, 4], [0, 0, 11]] and 3 < output.shape[1] <= 9
    for row, prompt in zip(output.tolist(), prompts, strict=True):
        alone = encode_prompts(tokenizer, [prompt])
        new = model.generate(**alone, **arguments)[0, alone["input_ids"].shape[1] :].tolist()
        assert row[3 : 3 + len(new)] == new and not any(row[3 + len(new) :])


def test_pure_sampling_keeps_all_tokens(model, tokenizer):
    """Premise: what generate does by itself with do_sample is top-k 50; here the vocabulary would be cut to 2."""
    model.generation_config.top_k = 2
    inputs, arguments = prepare_generation(model, tokenizer, ["a"], "sampling", 1, num_return_sequences=300)
    assert len(set(model.generate(**inputs, **arguments)[:, -1].tolist())) > 6
    default = model.generate(**inputs, do_sample=True, max_new_tokens=1, num_return_sequences=300)
    assert len(set(default[:, -1].tolist())) == 2


@pytest.mark.lecture("S5-48")
@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        ("topp", {}, "unknown strategy 'topp'; choose one of greedy, .*top_p"),
        ("greedy", {"top_p": 0.9}, "the strategy greedy does not use top_p; it takes"),
        ("top_p", {"top_p": 0.0}, r"top_p \(0.0\) must be above 0 and at most 1"),
        ("top_p", {"top_p": 1.1}, r"top_p \(1.1\) must be above 0 and at most 1"),
        ("top_p", {"top_p": float("nan")}, r"top_p \(nan\) must be above 0"),
        ("temperature", {"temperature": 0}, r"temperature \(0\) must be above 0.*greedy"),
        ("temperature", {"temperature": -0.5}, r"temperature \(-0.5\) must be above 0"),
        ("temperature", {"temperature": "hot"}, r"temperature \(hot\) must be above 0"),
        ("top_k", {"top_k": 0}, r"top_k \(0\) must be at least 1"),
        ("beam", {"num_beams": 0}, r"num_beams \(0\) must be at least 1"),
        ("beam", {"num_beams": 2.5}, r"num_beams \(2.5\) must be a whole number"),
        ("top_p", {"num_return_sequences": 1.5}, r"num_return_sequences \(1.5\) must be a whole number"),
        ("diverse_beam", {"num_beam_groups": 5}, r"num_beams \(16\) is not a multiple of num_beam_groups \(5\)"),
        ("diverse_beam", {"num_beam_groups": 0}, r"num_beam_groups \(0\) must be at least 1"),
        ("diverse_beam", {"diversity_penalty": -1}, r"diversity_penalty \(-1\) must be 0 or more"),
        ("contrastive", {"penalty_alpha": 2}, r"penalty_alpha \(2\) must be from 0 to 1"),
        ("greedy", {"num_return_sequences": 3}, r"num_return_sequences \(3\) is too many: greedy always .* one text"),
        ("beam", {"num_return_sequences": 17}, r"num_return_sequences \(17\) is too many: .* 16 texts"),
        ("greedy", {"max_new_tokens": 0}, r"max_new_tokens \(0\) must be at least 1"),
        ("greedy", {"max_new_tokens": 15}, r"prompt 0 has 2 tokens; with max_new_tokens \(15\).*16 .*at most 14"),
        ("greedy", {"prompts": [" ".join("a" * 16)]}, "prompt 0 has 16 tokens, and the model reads 16 in all"),
        ("greedy", {"prompts": ["a", " ".join("a" * 40)]}, "prompt 1 has 40 tokens, and the model reads 16 in all"),
        ("greedy", {"prompts": ["a", ""]}, r"prompt 1 is empty \(''\)"),
        ("greedy", {"prompts": ["  "]}, r"prompt 0 is empty \('  '\)"),
        ("greedy", {"prompts": []}, "there is no prompt"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(strategy, options, message, model, tokenizer):
    arguments = {"prompts": ["a b"], "max_new_tokens": 5, **options}
    with pytest.raises(ValueError, match=message):
        prepare_generation(model, tokenizer, strategy=strategy, **arguments)


def test_the_last_position_can_be_used(model, tokenizer):
    inputs, arguments = prepare_generation(model, tokenizer, ["a b"], "greedy", max_new_tokens=14)
    assert model.generate(**inputs, **arguments, eos_token_id=None).shape == (1, 16)


def test_a_tokenizer_of_another_model_is_refused(model):
    stranger = word_tokenizer([*WORDS, "k", "l"])
    with pytest.raises(ValueError, match="does not belong to this model: it has 14 tokens, the model knows 12"):
        prepare_generation(model, stranger, ["a"], "greedy", 3)


def test_end_tokens_are_taken_off_and_pads_are_found():
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [EOS]", special_tokens=[("[EOS]", 1)]
    )
    assert tokenizer("a b")["input_ids"] == [2, 3, 1]
    assert encode_prompts(tokenizer, ["a b"])["input_ids"].tolist() == [[2, 3]]
    without_pad = word_tokenizer(pad_token=None)
    assert encode_prompts(without_pad, ["a b", "c"])["input_ids"].tolist() == [[2, 3], [1, 4]]
    with_nothing = word_tokenizer(pad_token=None, eos_token=None)
    assert encode_prompts(with_nothing, ["a b", "c d"])["input_ids"].tolist() == [[2, 3], [4, 5]]
    with pytest.raises(ValueError, match="no pad token, needed for prompts of different lengths"):
        encode_prompts(with_nothing, ["a b", "c"])

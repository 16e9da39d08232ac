"""`generate` gives with our models what it gives with their stock twins: tokens, scores, attentions, states and errors.

The calls are those of the library's common generation tests.
"""

import pytest
import torch
from helpers.gpt_twins import make_ours
from helpers.seq2seq import random_seq2seq
from torch.testing import assert_close
from transformers import DynamicCache
from transformers.utils import ModelOutput

from modeling_minibert.transformers_internals import CACHE_NAME

EXACT = {"rtol": 0, "atol": 1e-10}  # float64
IDS = torch.randint(3, 83, (2, 5), generator=torch.Generator().manual_seed(4))
PADDED = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
ALL = {name: True for name in ("output_scores", "output_logits", "output_attentions", "output_hidden_states")}
ALL |= {"return_dict_in_generate": True}
NEW = {"max_new_tokens": 6, "min_new_tokens": 6}
CALLS = {
    "greedy": {},
    "greedy, ends anywhere": {"min_new_tokens": 0},
    "without a cache": {"use_cache": False},
    "sampling": {"do_sample": True, "top_k": 7, "temperature": 0.7},
    "sampling by mass": {"do_sample": True, "top_p": 0.8, "top_k": 0},
    "beams": {"num_beams": 3},
    "beams, several": {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.3},
    "beams, early": {"num_beams": 3, "early_stopping": True, "min_new_tokens": 0},
    "beams without a cache": {"num_beams": 3, "use_cache": False},
    "beams sampled": {"num_beams": 3, "do_sample": True, "top_k": 9},
    "repetition": {"repetition_penalty": 1.8, "no_repeat_ngram_size": 2},
    "bad words": {"bad_words_ids": [[5], [7, 8]], "suppress_tokens": [9, 11]},
    "forced end": {"forced_eos_token_id": 2},
    "static": {"cache_implementation": "static"},
    "static, beams": {"cache_implementation": "static", "num_beams": 2},
    "prompt lookup": {"prompt_lookup_num_tokens": 2},
    "one token": {"max_new_tokens": 1, "min_new_tokens": 1},
    "no beams": {"num_beams": 0},
    "too many sequences": {"num_return_sequences": 2},
    "unknown argument": {"nothing": 1},
    "too long": {"max_length": 3, "max_new_tokens": None, "min_new_tokens": None},
}


def pair_of(family):
    if family == "gpt":
        ours = make_ours("gpt2", "MiniGPTForCausalLM", bos_token_id=1, eos_token_id=2).double()
    else:
        ours = random_seq2seq(eos_token_id=2)
    twin = ours.to_stock().double().eval()
    for model in (ours, twin):
        model.generation_config.update(pad_token_id=0, eos_token_id=2, max_length=20)
        model.set_attn_implementation("eager")  # has weights to give
    return ours.eval(), twin


def inputs_of(family, padded):
    """Padding on the left of a prompt, and on the right of a source."""
    mask = PADDED if padded else torch.ones_like(PADDED)
    mask = mask if family == "gpt" else mask.flip(1)
    return {"input_ids": IDS * mask, "attention_mask": mask}


def run(model, **call):
    torch.manual_seed(3)
    try:
        return model.generate(**call)
    except Exception as error:
        return error


def assert_same(ours, theirs, name="output", skipped=0):
    if isinstance(theirs, ModelOutput):
        assert ours.keys() == theirs.keys()
        for key in theirs.keys() - {"cache", "past_key_values"}:
            # Where pads are among the tokens of a step, they have vectors and weights too, which mean nothing.
            steps = slice(skipped if key in ("attentions", "hidden_states") else 0, None)
            assert_same(ours[key][steps], theirs[key][steps], key)
    elif isinstance(theirs, tuple):
        assert len(ours) == len(theirs), name
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert_same(ours_part, theirs_part, name)
    elif theirs.is_floating_point():
        assert_close(ours.double(), theirs.double(), **EXACT, msg=lambda text: f"{name}: {text}")
    else:
        assert torch.equal(ours, theirs), name


@pytest.mark.filterwarnings("ignore")  # advice of `generate` on settings
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("family", ["gpt", "seq2seq"])
def test_generate_gives_what_the_stock_twin_gives(family, call, padded):
    models = pair_of(family)
    drafted = "lookup" in call  # one text only
    inputs = {name: value[1:] if drafted else value for name, value in inputs_of(family, padded).items()}
    how = {**inputs, **NEW, "do_sample": False, **CALLS[call]}
    ours, theirs = (run(model, **how, **ALL) for model in models)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs) | ValueError), ours
    elif isinstance(ours, Exception):
        assert call == "no beams", ours  # the stock twin searches greedily
    else:
        steps = 1 if how.get("use_cache", True) else NEW["max_new_tokens"]
        assert_same(ours, theirs, skipped=steps if padded and family == "gpt" else 0)


@pytest.mark.parametrize("beams", [1, 2])
def test_embeddings_of_the_prompt_continue_as_its_ids(beams):
    how = {**NEW, "do_sample": False, "num_beams": beams, **ALL}
    written = []
    for model in pair_of("gpt"):
        vectors = model.get_input_embeddings()(IDS)
        by_ids = model.generate(IDS, **how)
        for cache in ({}, {"cache_implementation": "static"}):
            by_vectors = model.generate(inputs_embeds=vectors, **how, **cache)
            assert torch.equal(by_vectors.sequences, by_ids.sequences[:, 5:])
            assert_same(by_vectors.scores, by_ids.scores)
        with_both = model.generate(IDS, inputs_embeds=vectors, **how)
        assert torch.equal(with_both.sequences, by_ids.sequences)
        written.append(by_ids)
    assert_same(*written)


def test_a_search_continues_from_the_cache_of_a_shorter_one():
    how = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    for model in pair_of("gpt"):
        whole = model.generate(IDS, **how | {"max_new_tokens": 6, "min_new_tokens": 6})
        first = model.generate(IDS, **how, return_dict_in_generate=True)
        kept = first["cache" if CACHE_NAME in first else "past_key_values"]
        assert isinstance(kept, DynamicCache)
        assert torch.equal(model.generate(first.sequences, **{CACHE_NAME: kept}, **how), whole)


# A static cache of an encoder-decoder cannot be cropped, stock or ours.
@pytest.mark.parametrize(("family", "static"), [("gpt", False), ("gpt", True), ("seq2seq", False)])
def test_an_assistant_changes_nothing(family, static):
    for model in pair_of(family):
        how = {**NEW, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
        how |= {"cache_implementation": "static"} if static else {}
        one = {name: value[:1] for name, value in inputs_of(family, False).items()}
        plain, assisted = model.generate(**one, **how), model.generate(**one, assistant_model=model, **how)
        assert torch.equal(plain.sequences, assisted.sequences)
        assert_same(plain.scores, assisted.scores)

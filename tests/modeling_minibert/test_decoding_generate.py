"""Contrastive and diverse beam search in `model.generate`: equal to the readable versions, for every row of a batch."""

import functools

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MarianConfig, MarianMTModel

from modeling_minibert.decoding import (
    causal_lm,
    contrastive_search,
    diverse_beam_search,
    no_repeated_ngrams,
    search,
)

EOS, PAD = 2, 0
PROMPTS = ([5, 3, 8], [11], [7, 7, 9, 4, 12])


@functools.cache
def tiny_gpt2(seed=3):
    """Random weights, far from 0, so that the distributions are far from flat; seed 3 ends some texts early."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=13, n_embd=12, n_layer=2, n_head=3, n_positions=40, bos_token_id=1, eos_token_id=EOS,
        pad_token_id=PAD, initializer_range=0.35,
    )  # fmt: skip
    return GPT2LMHeadModel(config).double().eval()


def left_padded(prompts=PROMPTS):
    longest = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[PAD] * (longest - len(prompt)) + prompt for prompt in prompts]),
        "attention_mask": torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts]),
    }


def new_tokens(row, start):
    """Up to the end token."""
    new = row[start:].tolist()
    return new[: new.index(EOS) + 1] if EOS in new else new


def last_states(model):
    return lambda ids: model(ids, output_hidden_states=True).hidden_states[-1].detach()


@pytest.mark.lecture("S5-75")
@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(("alpha", "top_k"), [(0.6, 4), (0.0, 3), (1.0, 2), (0.3, 99)])
def test_contrastive_search_of_a_batch_equals_the_readable_one(alpha, top_k, use_cache):
    model, batch = tiny_gpt2(), left_padded()
    output = model.generate(
        **batch, custom_generate=contrastive_search, penalty_alpha=alpha, top_k=top_k, max_new_tokens=12,
        use_cache=use_cache,
    )  # fmt: skip
    lengths = set()
    for prompt, row in zip(PROMPTS, output, strict=True):
        readable = search.contrastive_search(
            causal_lm(model), last_states(model), prompt, 12, alpha, min(top_k, 13), eos_token_id=EOS
        )
        assert new_tokens(row, 5) == list(readable.ids[len(prompt) :])
        lengths.add(len(readable.ids) - len(prompt))
        assert set(row[5:].tolist()[len(readable.ids) - len(prompt) :]) <= {PAD}
    assert alpha > 0 or len(lengths) > 1  # the premise: some texts end before others


@pytest.mark.parametrize("penalty", [0.0, 0.7, 30.0])
@pytest.mark.parametrize(
    "options",
    [{}, {"length_penalty": 0.0, "early_stopping": "never"}, {"length_penalty": 2.0, "early_stopping": True}],
)
def test_diverse_beams_of_a_batch_equal_the_readable_ones(penalty, options):
    model = tiny_gpt2()
    output = model.generate(
        **left_padded(), custom_generate=diverse_beam_search, num_beams=6, num_beam_groups=3, diversity_penalty=penalty,
        num_return_sequences=5, max_new_tokens=7, return_dict_in_generate=True, **options,
    )  # fmt: skip
    for number, prompt in enumerate(PROMPTS):
        readable = search.diverse_beam_search(causal_lm(model), prompt, 7, 6, 3, penalty, EOS, **options)[:5]
        rows = output.sequences[5 * number : 5 * number + 5]
        assert [new_tokens(row, 5) for row in rows] == [list(text.ids[len(prompt) :]) for text in readable]
        scores = output.sequences_scores[5 * number : 5 * number + 5].tolist()
        assert scores == pytest.approx([text.score for text in readable], abs=1e-5)  # float32


def test_one_group_equals_the_beam_search_of_transformers():
    """Batched, left-padded, and without a cache as well."""
    model, options = tiny_gpt2(), {"num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 8}
    ours = [
        model.generate(
            **left_padded(), custom_generate=diverse_beam_search, num_beam_groups=1, diversity_penalty=0.0,
            use_cache=use_cache, **options,
        )
        for use_cache in (True, False)
    ]  # fmt: skip
    theirs = model.generate(**left_padded(), **options)
    for output in ours:
        assert [new_tokens(row, 5) for row in output] == [new_tokens(row, 5) for row in theirs]


def test_logits_processors_are_respected():
    model, prompt = tiny_gpt2(1), [5, 3, 8, 5]
    arguments = {"input_ids": torch.tensor([prompt]), "max_new_tokens": 10, "no_repeat_ngram_size": 2}
    arguments["attention_mask"] = torch.ones(1, 4, dtype=torch.long)
    blocked = no_repeated_ngrams(causal_lm(model), 2)
    output = model.generate(
        **arguments, custom_generate=diverse_beam_search, num_beams=4, num_beam_groups=2, diversity_penalty=0.5
    )
    assert new_tokens(output[0], 0) == list(search.diverse_beam_search(blocked, prompt, 10, 4, 2, 0.5, EOS)[0].ids)
    output = model.generate(**arguments, custom_generate=contrastive_search, penalty_alpha=0.2, top_k=3)[0].tolist()
    pairs = list(zip(output, output[1:], strict=False))
    assert len(set(pairs)) == len(pairs)


def test_what_the_searches_cannot_do_is_refused():
    model, batch = tiny_gpt2(), left_padded()
    with pytest.raises(TypeError, match="penalty_alpha"):
        model.generate(**batch, custom_generate=contrastive_search, top_k=4, max_new_tokens=3)
    with pytest.raises(ValueError, match=r"penalty_alpha \(1.5\) must be from 0 to 1, top_k \(4\) at least 1"):
        model.generate(**batch, custom_generate=contrastive_search, penalty_alpha=1.5, top_k=4, max_new_tokens=3)
    diverse = functools.partial(model.generate, **batch, custom_generate=diverse_beam_search, max_new_tokens=3)
    with pytest.raises(ValueError, match=r"num_beams \(6\) is not a multiple of num_beam_groups \(4\)"):
        diverse(num_beams=6, num_beam_groups=4, diversity_penalty=1.0)
    with pytest.raises(ValueError, match=r"diversity_penalty \(-1.0\) must be 0 or more"):
        diverse(num_beams=6, num_beam_groups=3, diversity_penalty=-1.0)
    with pytest.raises(ValueError, match=r"not by \['MaxTimeCriteria'\]"):
        diverse(num_beams=6, num_beam_groups=3, diversity_penalty=1.0, max_time=9.0)
    seq2seq = MarianMTModel(
        MarianConfig(vocab_size=13, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                     decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, pad_token_id=0,
                     decoder_start_token_id=0, max_position_embeddings=16)
    )  # fmt: skip
    with pytest.raises(ValueError, match="MarianMTModel is an encoder-decoder"):
        seq2seq.generate(
            torch.tensor([[3, 4]]), max_new_tokens=3, custom_generate=contrastive_search, penalty_alpha=0.5, top_k=2
        )


def test_transformers_still_wants_the_network_for_them():
    """When this fails, transformers has them built in again, and ours can be dropped."""
    with pytest.raises(ValueError, match="requires `trust_remote_code=True`"):
        tiny_gpt2().generate(**left_padded(), penalty_alpha=0.6, top_k=4, max_new_tokens=2)

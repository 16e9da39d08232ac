"""What MiniGPT refuses: each message names what was given and what is allowed, and comes before any work."""

import pytest
import torch
from helpers.minigpt import B, L, V, random_gpt, random_ids, small_gpt_config

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM, MiniGPTForMultipleChoice, MiniGPTModel


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 18}, r"hidden_size \(18\) is not a multiple of num_attention_heads \(4\)"),
        ({"hidden_act": "swoosh"}, r"hidden_act 'swoosh'.*'gelu_new'"),
        ({"norm_position": "middle"}, r"norm_position 'middle'.*'post', 'pre'"),
        ({"norm_type": "batchnorm"}, r"norm_type 'batchnorm'.*'layernorm', 'rmsnorm'"),
        ({"position_embedding_type": "relative"}, r"'relative'.*'learned', 'sinusoidal', 'rotary', 'none'"),
        ({"position_embedding_type": "rotary", "head_dim": 5}, "turn pairs of features, but a head has 5"),
        ({"position_embedding_type": "rotary", "hidden_size": 20}, "a head has 5; make it even"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob \(1.0\)"),
        ({"embedding_dropout_prob": -0.1}, r"embedding_dropout_prob \(-0.1\)"),
        ({"pad_token_id": 101}, r"pad_token_id \(101\).*vocab_size \(101\)"),
        ({"max_position_embeddings": 0}, r"max_position_embeddings \(0\) must be at least 1"),
    ],
)
def test_contradictions_in_the_config_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        small_gpt_config(**fields)


def test_presets_and_changed_configs_are_checked_too():
    with pytest.raises(ValueError, match="'gigantic'.*'char'.*'gpt1'.*'gpt2'"):
        MiniGPTConfig.from_preset("gigantic")
    with pytest.raises(ValueError, match=r"\['n_embd'\].*'hidden_size'"):
        MiniGPTConfig.from_preset("gpt2", n_embd=64)
    config = small_gpt_config()
    config.num_attention_heads = 5
    with pytest.raises(ValueError, match=r"\(24\).*\(5\)"):
        MiniGPTModel(config)


@pytest.mark.lecture("S5-48")
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_too_long_an_input_is_refused_with_both_lengths(positions):
    model = random_gpt(position_embedding_type=positions)
    with pytest.raises(ValueError, match="29 tokens.*23 positions"):
        model(random_ids(1, 29))
    past = model(random_ids(1, 20)).past_key_values
    with pytest.raises(ValueError, match="24 tokens.*23 positions"):
        model(random_ids(1, 4), past_key_values=past)
    with pytest.raises(ValueError, match="25 tokens.*23 positions"):
        model(random_ids(2, 27), attention_mask=torch.tensor([[0] * 2 + [1] * 25, [1] * 4 + [0] * 23]))
    with pytest.raises(ValueError, match="position id 23.*size 23"):
        model(random_ids(), position_ids=torch.arange(17, 24)[None])


@pytest.mark.parametrize("positions", ["rotary", "none"])
def test_without_a_table_of_positions_there_is_no_longest_input(positions):
    assert random_gpt(position_embedding_type=positions)(random_ids(1, 29)).logits.shape == (1, 29, V)


@pytest.mark.parametrize(("token", "where"), [(101, "101.*size 101"), (-1, "-1")])
def test_a_token_or_label_beyond_the_vocabulary_is_refused(token, where):
    model, ids = random_gpt(), random_ids()
    wrong = ids.clone()
    wrong[1, 2] = token
    with pytest.raises(ValueError, match=f"input id {where}"):
        model(wrong)
    for training in (False, True):
        with pytest.raises(ValueError, match=f"label {token} is out of range"):
            model.train(training)(ids, labels=wrong)


def test_a_mask_that_does_not_cover_the_texts_is_refused():
    model, ids = random_gpt(), random_ids()
    for length in (5, 9):
        with pytest.raises(ValueError, match=rf"covers {length} tokens, but there are 7 and 0 in .*; give \(batch, 7"):
            model(ids, attention_mask=torch.ones(B, length))
    past = model(ids[:, :4]).past_key_values
    with pytest.raises(ValueError, match=r"covers 3 tokens, but there are 3 and 4 in the cache.*\(batch, 7\)"):
        model(ids[:, 4:], attention_mask=torch.ones(B, 3), past_key_values=past)


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
def test_a_mask_of_ones_own_is_taken_as_bools_and_integers_and_what_is_added_to_the_scores(implementation):
    model, ids = random_gpt(attn_implementation=implementation), random_ids()
    window = torch.ones(L, L).tril().triu(-1)[None, None]  # each token sees itself and the one before
    for dtype in (torch.bool, torch.long):
        logits = model(ids, attention_mask=window.to(dtype)).logits
        assert (logits[:, 2:] - model(ids).logits[:, 2:]).abs().min() > 0
        assert torch.allclose(logits[:, :2], model(ids).logits[:, :2], rtol=0, atol=1e-10)
    for lowest in (torch.finfo(torch.float32).min, -torch.inf):
        added = torch.zeros(1, 1, L, L).masked_fill(window == 0, lowest)
        assert torch.allclose(model(ids, attention_mask=added).logits, logits, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match=r"float attention_mask is added.*0 \(attend\).*got 1; give a bool mask"):
        model(ids, attention_mask=window)
    with pytest.raises(ValueError, match=r"shape \(3, 7, 7\); give \(batch, keys\)"):
        model(ids, attention_mask=torch.ones(B, L, L))


def test_ids_and_vectors_exclude_each_other():
    for model_class in (MiniGPTForCausalLM, MiniGPTForMultipleChoice):
        model = random_gpt(model_class)
        for both in ({}, {"input_ids": random_ids(), "inputs_embeds": torch.zeros(B, L, 24)}):
            with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
                model(**both)


def test_packed_batches_do_not_go_with_a_cache():
    model = random_gpt(attn_implementation="packed")
    stream = {"input_ids": random_ids(1, 9), "cu_seq_lens_q": torch.tensor([0, 4, 9])}
    assert model(**stream).past_key_values is None
    with pytest.raises(ValueError, match="nor for a cache; use_cache=False"):
        model(**stream, use_cache=True)
    with pytest.raises(ValueError, match=r"one row \(1, T\), got 3 rows"):
        model(random_ids(), cu_seq_lens_q=torch.tensor([0, 7]))
    with pytest.raises(ValueError, match="ends at 4, but the packed row has 9 tokens"):
        model(random_ids(1, 9), cu_seq_lens_q=torch.tensor([0, 4]))
    with pytest.raises(ValueError, match="24 tokens.*23 positions"):
        model(random_ids(2, 24))


# Generation


@pytest.fixture
def untouched(monkeypatch):
    """A model with 23 positions whose layers must not be asked."""
    model = random_gpt()
    monkeypatch.setattr(model.minigpt, "forward", lambda *args, **kwargs: pytest.fail("work was done"))
    return model


@pytest.mark.lecture("S5-48")
def test_a_continuation_past_the_last_position_is_refused_before_any_work(untouched):
    with pytest.raises(ValueError, match="7 tokens and generation may go on to 24.*23 positions; .*to 16 at most"):
        untouched.generate(random_ids(), max_new_tokens=17)
    with pytest.raises(ValueError, match="7 tokens.*go on to 30.*to 16 at most"):
        untouched.generate(random_ids(), max_length=30)
    vectors = torch.zeros(1, 9, 24)
    with pytest.raises(ValueError, match="9 tokens.*go on to 24.*to 14 at most"):
        untouched.generate(inputs_embeds=vectors, max_new_tokens=15)
    for options in ({"max_new_tokens": 2}, {}):
        with pytest.raises(ValueError, match="prompt has 30 tokens.*23 positions; shorten the prompt, or"):
            untouched.generate(random_ids(1, 30), **options)
        with pytest.raises(ValueError, match="prompt has 23 tokens"):
            untouched.generate(random_ids(1, 23), **options)


def test_an_empty_prompt_is_refused(untouched):
    with pytest.raises(ValueError, match="the prompt has no tokens"):
        untouched.generate(torch.zeros(2, 0, dtype=torch.long), max_new_tokens=3)
    with pytest.raises(ValueError, match="`bos_token_id` has to be defined"):
        untouched.generate(max_new_tokens=3)


@pytest.mark.lecture("S5-48")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 0}, "num_beams is 0; give 1 for greedy search"),
        ({"do_sample": True, "top_p": 1.5}, "top_p is 1.5; give more than 0 and at most 1"),
        ({"do_sample": True, "top_p": 0.0}, "top_p is 0.0; give more than 0"),
        ({"do_sample": True, "temperature": 0.0}, "temperature is 0.0; give more than 0, or do_sample=False"),
        ({"do_sample": True, "temperature": -0.5}, "temperature is -0.5; give more than 0"),
    ],
)
def test_settings_of_generate_that_mean_nothing_are_refused(options, message, untouched):
    with pytest.raises(ValueError, match=message):
        untouched.generate(random_ids(), max_new_tokens=3, **options)


def test_what_greedy_search_does_not_read_is_not_looked_at():
    """Premise: it is common to say temperature=0 for greedy search."""
    output = random_gpt().generate(random_ids(), max_new_tokens=3, do_sample=False, temperature=0.0, top_p=2.0)
    assert output.shape == (B, L + 3)

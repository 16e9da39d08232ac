"""Generation in every mode: with gradient checkpointing, in continuous batches, and from caches whose rows move."""

import copy

import pytest
import torch
from helpers.checkpointing import enable_checkpointing
from helpers.minigpt import NO_DROPOUT, random_gpt
from helpers.seq2seq import random_seq2seq, source_batch
from torch.testing import assert_close
from transformers import DynamicCache, EncoderDecoderCache, GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from modeling_minibert import MiniGPTForCausalLM, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.caches import SourceLayer

EXACT = {"rtol": 1e-10, "atol": 1e-10}  # one computation in float64, summed in two orders
MAKERS = {
    "attention": lambda **fields: random_gpt(**NO_DROPOUT, **fields),
    "rotary": lambda **fields: random_gpt(position_embedding_type="rotary", **NO_DROPOUT, **fields),
    "linear": lambda **fields: random_gpt(token_mixer="linear", **NO_DROPOUT, **fields),
    "aft_simple": lambda **fields: random_gpt(token_mixer="aft_simple", **NO_DROPOUT, **fields),
    "aft_full": lambda **fields: random_gpt(token_mixer="aft_full", **NO_DROPOUT, **fields),
    "encoder-decoder": random_seq2seq,
    "relative": lambda **fields: random_seq2seq(preset="t5", **fields),
}


def prompts():
    """Prompts of unequal lengths, padded on the left."""
    mask = torch.tensor([[1] * 7, [0] * 3 + [1] * 4, [0] + [1] * 6])
    return {"input_ids": torch.randint(5, 83, (3, 7)), "attention_mask": mask}


def inputs_of(model):
    return source_batch() if model.config.is_encoder_decoder else prompts()


# Gradient checkpointing


@pytest.mark.parametrize("search", [{}, {"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}], ids=str)
@pytest.mark.parametrize("kind", MAKERS)
def test_generate_writes_the_same_in_train_mode_with_checkpointing(kind, search):
    model = MAKERS[kind]().eval()
    inputs, how = inputs_of(model), {"max_new_tokens": 6, "do_sample": False, **search}
    expected = model.generate(**inputs, **how)
    without_cache = model.generate(**inputs, **how, use_cache=False)
    assert torch.equal(expected, without_cache)
    enable_checkpointing(model)
    assert torch.equal(model.train().generate(**inputs, **how), expected)


@pytest.mark.parametrize("kind", MAKERS)
def test_an_empty_cache_is_left_out_where_layers_run_twice(kind):
    model = MAKERS[kind]().train()
    ids = torch.randint(5, 83, (3, 7))
    inputs = {"input_ids": ids}
    empty = DynamicCache(config=model.config)
    if model.config.is_encoder_decoder:
        inputs |= {"decoder_input_ids": ids}
        empty = EncoderDecoderCache(empty, DynamicCache(config=model.config))
    enable_checkpointing(model)

    def gradient(**more):
        model.zero_grad()
        torch.manual_seed(0)
        model(**inputs, **more).logits.square().sum().backward()
        return model.get_input_embeddings().weight.grad.clone()

    assert_close(gradient(past_key_values=empty), gradient(use_cache=False), **EXACT)
    assert empty.get_seq_length() == 0


@pytest.mark.parametrize("kind", MAKERS)
def test_a_filled_cache_is_refused_where_layers_run_twice(kind):
    model = MAKERS[kind]().eval()
    ids = torch.randint(5, 83, (3, 7))
    more = {"encoder_outputs": model.miniseq2seq.encoder(ids)} if model.config.is_encoder_decoder else {}
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    whole = model(**{name: ids}, **more).logits

    def next_logits():
        past = model(**{name: ids[:, :4]}, **more, use_cache=True)
        past = past.get("cache", past.get("past_key_values"))
        return model(**{name: ids[:, 4:]}, **more, past_key_values=past).logits

    enable_checkpointing(model)
    with torch.no_grad():
        assert_close(next_logits(), whole[:, 4:], **EXACT)
        cache = model(**{name: ids[:, :4]}, **more, use_cache=True)
    cache = cache.get("cache", cache.get("past_key_values"))
    model.train()
    with pytest.raises(ValueError, match="gradient checkpointing .* cannot be used with past_key_values that hold 4"):
        model(**{name: ids[:, 4:]}, **more, past_key_values=cache)
    with torch.no_grad():
        assert_close(model(**{name: ids[:, 4:]}, **more, past_key_values=cache).logits, whole[:, 4:], **EXACT)
    empty = EncoderDecoderCache(DynamicCache(), DynamicCache()) if more else DynamicCache(config=model.config)
    assert_close(model(**{name: ids}, **more, past_key_values=empty).logits, whole, **EXACT)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("kind", MAKERS)
def test_checkpointing_gives_the_same_gradients(kind, reentrant):
    model = MAKERS[kind]().train()
    ids = torch.randint(5, 83, (3, 7))

    def gradients():
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    expected = gradients()
    enable_checkpointing(model, {"use_reentrant": reentrant})
    actual = gradients()
    assert actual.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(actual[name], gradient, **EXACT)


# Continuous batching


@pytest.mark.slow
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_generate_batch_writes_what_generate_writes(positions):
    model = random_gpt(position_embedding_type=positions, **NO_DROPOUT).float().eval()
    texts = [[5, 6, 7, 8, 9], [11], [21, 22, 23]]
    config = GenerationConfig(max_new_tokens=6, do_sample=False, eos_token_id=-1, pad_token_id=0)
    how = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    expected = [model.generate(torch.tensor([text]), **how)[0, len(text) :].tolist() for text in texts]
    assert len({tuple(text) for text in expected}) == 3
    # By itself the cache takes nearly all free memory, of which other programs and workers want a part.
    small = ContinuousBatchingConfig(page_size=16, num_blocks=16, max_batch_tokens=64)
    results = model.generate_batch(texts, generation_config=config, continuous_batching_config=small).values()
    written = {tuple(result.prompt_ids): result.generated_tokens for result in results}
    assert [written[tuple(text)] for text in texts] == expected
    assert torch.equal(model.generate(torch.tensor([texts[0]]), **how)[0, 5:], torch.tensor(expected[0]))


@pytest.mark.parametrize("mixer", ["linear", "aft_simple", "aft_full"])
def test_a_paged_cache_is_refused_by_mixers_that_have_none(mixer):
    model = random_gpt(token_mixer=mixer)
    with pytest.raises(ValueError, match=f"token_mixer='{mixer}' has no paged cache; use generate"):
        model(torch.tensor([[5, 6, 7]]), read_index=[torch.arange(3)], cu_seq_lens_q=torch.tensor([0, 3]))


# Rows of a source


def source_cache(model, source, beams):
    """A cache after the first target token, for `beams` rows of each source, and the encoder's output."""
    encoded = model.miniseq2seq.encoder(**source).last_hidden_state
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    cache.cross_attention_cache.layers = [SourceLayer(beams) for _ in model.miniseq2seq.decoder.layers]
    return cache, encoded.repeat_interleave(beams, 0), source["attention_mask"].repeat_interleave(beams, 0)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("preset", ["vanilla", "t5"])
@pytest.mark.parametrize("move", ["select", "reorder"])
@pytest.mark.parametrize("rows", [[0, 2], [4, 5, 1, 1, 0, 3], [5, 4, 3, 2, 1, 0], [1, 0, 2, 3, 5, 4]], ids=str)
@torch.no_grad()
def test_rows_of_a_cache_take_their_source_along(rows, move, preset, implementation):
    model = random_seq2seq(preset=preset, attn_implementation=implementation)
    source, first, second = source_batch(), torch.randint(5, 83, (6, 1)), torch.randint(5, 83, (len(rows), 1))
    cache, encoded, mask = source_cache(model, source, beams=2)
    model(
        encoder_outputs=(encoded,), attention_mask=mask, decoder_input_ids=first, past_key_values=cache, use_cache=True
    )
    assert len(cache.cross_attention_cache.layers[0].keys) == 3, "premise: two rows share a source"
    index = torch.tensor(rows)
    cache.batch_select_indices(index) if move == "select" else cache.reorder_cache(index)
    actual = model(encoder_outputs=(encoded[index],), attention_mask=mask[index], decoder_input_ids=second,
                   past_key_values=cache, use_cache=True).logits  # fmt: skip
    expected = model(encoder_outputs=(encoded[index],), attention_mask=mask[index], use_cache=False,
                     decoder_input_ids=torch.cat([first[index], second], dim=1)).logits[:, 1:]  # fmt: skip
    assert_close(actual, expected, **EXACT)


@torch.no_grad()
def test_beams_within_a_sentence_copy_nothing():
    model = random_seq2seq()
    cache, encoded, mask = source_cache(model, source_batch(), beams=2)
    first = torch.randint(5, 83, (6, 1))
    model(
        encoder_outputs=(encoded,), attention_mask=mask, decoder_input_ids=first, past_key_values=cache, use_cache=True
    )
    layer = cache.cross_attention_cache.layers[0]
    before = layer.keys
    layer.reorder_cache(torch.tensor([1, 0, 2, 2, 5, 4]))
    assert layer.keys is before and layer.beams == 2


@pytest.mark.parametrize("model_class", [MiniGPTForCausalLM, MiniSeq2SeqForConditionalGeneration])
@torch.no_grad()
def test_a_copy_of_a_cache_shares_nothing_with_it(model_class):
    model = random_gpt() if model_class is MiniGPTForCausalLM else random_seq2seq()
    ids = torch.randint(5, 83, (3, 7))
    more = {} if model_class is MiniGPTForCausalLM else {"encoder_outputs": model.miniseq2seq.encoder(ids)}
    name = "decoder_input_ids" if more else "input_ids"

    def read(tokens, cache=None):
        outputs = model(**{name: tokens}, **more, past_key_values=cache, use_cache=True)
        return outputs.logits, outputs.get("cache", outputs.get("past_key_values"))

    _, cache = read(ids[:, :4])
    _, cache = read(ids[:, 4:5], cache)  # the second call appends in place
    fork = copy.deepcopy(cache)
    other = torch.randint(5, 83, (3, 2))
    ours, _ = read(ids[:, 5:], cache)
    theirs, _ = read(other, fork)
    assert_close(ours, read(ids)[0][:, 5:], **EXACT)
    assert_close(theirs, read(torch.cat([ids[:, :5], other], dim=1))[0][:, 5:], **EXACT)
    cache.crop(-4)
    fork = copy.deepcopy(cache)
    ours, _ = read(ids[:, 3:5], cache)
    theirs, _ = read(other, fork)
    assert_close(ours, read(ids[:, :5])[0][:, 3:], **EXACT)
    assert_close(theirs, read(torch.cat([ids[:, :3], other], dim=1))[0][:, 3:], **EXACT)

"""The growing cache against transformers' DynamicCache: the same keys and values, whatever is done to them between."""

import pytest
import torch
from transformers import DynamicCache

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.caches import ROOM, growing_cache
from modeling_minibert.masks import prepare_causal_mask
from modeling_minibert.transformers_internals import CACHE_NAME

CONFIG = {"vocab_size": 61, "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20}
CONFIG |= {"num_hidden_layers": 2, "max_position_embeddings": 300}


def keys_and_values(batch_size, length):
    return torch.randn(2, batch_size, 3, length, 4).unbind()


def assert_same(cache, twin):
    for ours, theirs in zip(cache.layers, twin.layers, strict=True):
        torch.testing.assert_close(ours.keys, theirs.keys, rtol=0, atol=0)
        torch.testing.assert_close(ours.values, theirs.values, rtol=0, atol=0)
    assert cache.get_seq_length() == twin.get_seq_length()


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.reorder_cache(torch.tensor([1, 1, 0])),
        lambda cache: cache.reorder_cache(torch.tensor([1, 1, 0, 2, 2])),
        lambda cache: cache.reorder_cache(torch.tensor([2, 0])),
        lambda cache: cache.batch_select_indices(torch.tensor([2, 0])),
        lambda cache: cache.batch_repeat_interleave(2),
        lambda cache: cache.crop(-3),
        lambda cache: cache.reset(),
    ],
    ids=["reorder", "to more rows", "to fewer rows", "select", "repeat", "crop", "reset"],
)
@pytest.mark.filterwarnings("error")  # torch warns of what it writes into a tensor of another shape
@torch.no_grad()
def test_it_holds_what_a_dynamic_cache_holds(change):
    config = MiniGPTConfig(**CONFIG)
    caches = growing_cache(config), DynamicCache(config=config)
    batch_size = 3
    for length in (5, 1, 1, None, 1, ROOM, 1, 2 * ROOM, 1):  # past the first room and the second
        if length is None:
            for cache in caches:
                change(cache)
            batch_size = 3 if caches[1].get_seq_length() == 0 else len(caches[1].layers[0].keys)
            continue
        for index in range(2):
            new = keys_and_values(batch_size, length)
            given = [cache.update(*new, index) for cache in caches]
            for ours, theirs in zip(*given, strict=True):
                assert torch.equal(ours, theirs)
        assert_same(*caches)


@torch.no_grad()
def test_a_token_is_written_beside_the_others_and_nothing_is_copied():
    cache = growing_cache(MiniGPTConfig(**CONFIG))
    keys, _ = cache.update(*keys_and_values(2, 7), 0)
    later, _ = cache.update(*keys_and_values(2, 1), 0)
    assert later.data_ptr() == keys.data_ptr() and later.shape == (2, 3, 8, 4)


def test_gradients_flow_through_it():
    cache = growing_cache(MiniGPTConfig(**CONFIG))
    first, second = (torch.randn(1, 3, 2, 4, requires_grad=True) for _ in range(2))
    for new in (first, second):
        keys, _ = cache.update(new, new, 0)
    keys.square().sum().backward()
    torch.testing.assert_close(first.grad, 2 * first)
    torch.testing.assert_close(second.grad, 2 * second)


def test_what_inference_mode_began_goes_on_without_it():
    cache = growing_cache(MiniGPTConfig(**CONFIG))
    first, second = keys_and_values(1, 2)
    with torch.inference_mode():
        cache.update(first, first, 0)
    with torch.no_grad():
        keys, _ = cache.update(second, second, 0)
    assert torch.equal(keys, torch.cat([first, second], dim=2))


@pytest.mark.parametrize("beams", [1, 3])
def test_generate_uses_it_and_writes_what_it_writes_with_a_dynamic_cache(beams):
    torch.manual_seed(0)
    model = MiniGPTForCausalLM(MiniGPTConfig(**CONFIG, initializer_range=0.3)).eval()
    prompt = {"input_ids": torch.randint(61, (2, 5)), "attention_mask": torch.tensor([[0, 0, 1, 1, 1], [1] * 5])}
    options = {"max_new_tokens": 2 * ROOM + 10, "num_beams": beams, "pad_token_id": 0, "do_sample": False}
    written = model.generate(**prompt, **options, return_dict_in_generate=True)
    assert all(hasattr(layer, "key_room") for layer in written.past_key_values.layers)
    again = model.generate(**prompt, **options, **{CACHE_NAME: DynamicCache(config=model.config)})
    assert torch.equal(written.sequences, again)


@pytest.mark.parametrize(
    ("length", "past", "pads", "needed"),
    [(4, 0, 0, False), (4, 0, 1, True), (1, 6, 0, False), (1, 6, 1, True), (3, 6, 0, True), (1, 0, 0, False)],
)
def test_a_mask_is_made_only_where_there_is_something_to_hide(length, past, pads, needed):
    config = MiniGPTConfig(**CONFIG)
    cache = growing_cache(config)
    if past:
        cache.update(*keys_and_values(2, past), 0)
    attention_mask = torch.ones(2, past + length, dtype=torch.long)
    attention_mask[0, :pads] = 0
    mask = prepare_causal_mask(config, torch.zeros(2, length, 12), attention_mask, "sdpa", None, cache)
    assert (mask is not None) == needed

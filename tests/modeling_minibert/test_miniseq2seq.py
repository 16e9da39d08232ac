"""MiniSeq2Seq keeps its promises: masks, cache, padding, packing, attentions, and what `generate` does with them.

The yardstick is mostly the model itself, asked in another way: row by row, token by token, with other words behind;
float64, where two orders of summation differ by some 1e-15. What it computes is held against transformers in
`test_parity_seq2seq.py`, how it learns is in `test_miniseq2seq_training.py`.
"""

import pytest
import torch
from helpers.seq2seq import (
    EXACT,
    IMPLEMENTATIONS,
    SIZES,
    VARIANTS,
    B,
    E,
    H,
    L,
    S,
    random_seq2seq,
    source_batch,
    target_ids,
)
from torch.testing import assert_close
from transformers import StaticCache
from transformers.cache_utils import EncoderDecoderCache

from modeling_minibert import (
    MiniGPTConfig,
    MiniGPTModel,
    MiniSeq2SeqConfig,
    MiniSeq2SeqForConditionalGeneration,
    MiniSeq2SeqModel,
)
from modeling_minibert.configuration_miniseq2seq import PRESETS


@pytest.mark.lecture("S5-22", "S5-30", "S3-14")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_target_token_sees_a_later_one_and_each_sees_the_whole_source(variant, implementation):
    model = random_seq2seq(attn_implementation=implementation, **VARIANTS[variant])
    batch, target = source_batch((9, 9, 9)), target_ids()
    before = model(**batch, decoder_input_ids=target, use_cache=False).logits
    for place in (1, 4, L - 1):
        changed = torch.cat([target[:, :place], target[:, place:] % 80 + 3], dim=1)
        after = model(**batch, decoder_input_ids=changed, use_cache=False).logits
        assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-12)
        assert ((after[:, place:] - before[:, place:]).abs().amax(-1) > 1e-4).all()
    for place in (0, S - 1):
        changed = batch["input_ids"].clone()
        changed[:, place] = changed[:, place] % 80 + 3
        after = model(changed, batch["attention_mask"], decoder_input_ids=target, use_cache=False).logits
        assert ((after - before).abs().amax(-1) > 1e-6).all()


@pytest.mark.lecture("S5-28")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_padded_batch_gives_what_its_rows_give_alone(variant, implementation):
    model = random_seq2seq(attn_implementation=implementation, **VARIANTS[variant])
    batch, target = source_batch(), target_ids()
    target_mask = (torch.arange(L) < torch.tensor([4, 7, 1])[:, None]).long()
    outputs = model(**batch, decoder_input_ids=target, decoder_attention_mask=target_mask, use_cache=False)
    assert outputs.logits.isfinite().all()
    for row in range(B):
        source = batch["input_ids"][row, batch["attention_mask"][row].bool()][None]
        alone = model(source, decoder_input_ids=target[row, target_mask[row].bool()][None], use_cache=False)
        assert_close(outputs.logits[row, target_mask[row].bool()], alone.logits[0], **EXACT)
        memory = outputs.encoder_last_hidden_state[row, batch["attention_mask"][row].bool()]
        assert_close(memory, alone.encoder_last_hidden_state[0], **EXACT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_hidden_states_are_those_of_the_padded_batch(variant):
    model = random_seq2seq(MiniSeq2SeqModel, **VARIANTS[variant])
    batch, target = source_batch(), target_ids()
    batch["decoder_attention_mask"] = (torch.arange(L) < torch.tensor([4, 7, 1])[:, None]).long()
    expected = model(**batch, decoder_input_ids=target, use_cache=False, output_hidden_states=True)
    model.set_attn_implementation("packed")
    packed = model(**batch, decoder_input_ids=target, use_cache=False, output_hidden_states=True)
    for stack, mask in (("encoder", batch["attention_mask"]), ("decoder", batch["decoder_attention_mask"])):
        pairs = zip(packed[f"{stack}_hidden_states"], expected[f"{stack}_hidden_states"], strict=True)
        for states, padded in pairs:
            assert states.shape == padded.shape
            assert_close(states[mask.bool()], padded[mask.bool()], **EXACT)
            assert not states[~mask.bool()].any()


@pytest.mark.lecture("S5-29", "S5-75")
@pytest.mark.parametrize("variant", VARIANTS)
def test_with_the_cache_as_without(variant):
    """One token at a time, and several after a past; in the cache that the model makes, and in a static one."""
    model, batch, target = random_seq2seq(**VARIANTS[variant]), source_batch(), target_ids()
    expected = model(**batch, decoder_input_ids=target, use_cache=False).logits
    for implementation in IMPLEMENTATIONS:
        model.set_attn_implementation(implementation)
        static = EncoderDecoderCache(*(StaticCache(model.config, max_cache_len=length) for length in (11, S)))
        for cache, steps in ((None, [1] * L), (None, [2, 1, 4]), (static, [2, 1, 4])):
            pieces, memory = [], None
            for piece in target.split(steps, dim=1):
                # Once the keys of the source are in the cache, only its shape is looked at.
                outputs = model(
                    **batch, encoder_outputs=memory, decoder_input_ids=piece, past_key_values=cache, use_cache=True
                )
                cache = outputs.past_key_values
                memory = (torch.full_like(outputs.encoder_last_hidden_state, torch.nan),)
                pieces.append(outputs.logits)
            assert_close(torch.cat(pieces, dim=1), expected, **EXACT)


@pytest.mark.lecture("S4-03", "S5-20")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_attentions_of_all_three_kinds_on_every_implementation(implementation):
    model, batch = random_seq2seq(attn_implementation=implementation), source_batch()
    target = target_ids()
    plain = model(**batch, decoder_input_ids=target)
    asked = model(**batch, decoder_input_ids=target, output_attentions=True, output_hidden_states=True)
    assert_close(asked.logits, plain.logits, **EXACT)
    assert [tuple(w.shape) for w in asked.encoder_attentions] == [(B, H, S, S)] * 2
    assert [tuple(w.shape) for w in asked.decoder_attentions] == [(B, H, L, L)] * 3
    assert [tuple(w.shape) for w in asked.cross_attentions] == [(B, H, L, S)] * 3
    assert len(asked.encoder_hidden_states) == 3 and len(asked.decoder_hidden_states) == 4
    for weights in asked.cross_attentions:
        assert_close(weights.sum(-1), torch.ones(B, H, L, dtype=torch.float64), **EXACT)
        assert not weights[1, :, :, 6:].any()  # pads of the source
    model.config.output_attentions = True
    assert len(model(**batch, decoder_input_ids=target).cross_attentions) == 3


@pytest.mark.lecture("S5-45")
def test_without_cross_attention_the_decoder_is_a_gpt():
    model = random_seq2seq(MiniSeq2SeqModel, preset="t5", position_embedding_type="learned", scale_attention=True)
    shared = {name: getattr(model.config, name) for name in ("norm_type", "layer_norm_eps", "hidden_act", *SIZES)
              if not name.startswith("num_encoder") and not name.startswith("num_decoder")}  # fmt: skip
    gpt = MiniGPTModel(MiniGPTConfig(**shared, num_hidden_layers=3)).eval().double()
    weights = {name: tensor for name, tensor in model.decoder.state_dict().items() if "cross" not in name}
    missing, unexpected = gpt.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("bias") for name in missing)
    with torch.no_grad():
        for name in missing:
            gpt.get_parameter(name).zero_()
        target, batch = target_ids(), source_batch()
        expected = gpt(target).last_hidden_state
        assert (model(**batch, decoder_input_ids=target).last_hidden_state - expected).abs().max() > 0.1
        for layer in model.decoder.layers:
            layer.cross_attention.output.weight.zero_()
    assert_close(model(**batch, decoder_input_ids=target).last_hidden_state, expected, **EXACT)


def count_calls(module):
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def lecture_greedy(model, input_ids, max_len):
    """`translate_a_doc` of the lectures (S5): no cache, one sentence, the whole target read anew for every token."""
    memory = model.get_encoder()(input_ids)
    decoder_input = torch.tensor([[model.config.decoder_start_token_id]])
    while decoder_input.shape[1] < max_len:
        logits = model(encoder_outputs=memory, decoder_input_ids=decoder_input, use_cache=False).logits
        decoder_input = torch.cat([decoder_input, logits[:, -1:].argmax(-1)], dim=1)
        if decoder_input[0, -1] == model.config.eos_token_id:
            break
    return decoder_input[0]


@pytest.mark.lecture("S5-28", "S5-29", "S5-75")
@pytest.mark.parametrize("variant", VARIANTS)
def test_greedy_search_is_the_loop_of_the_lectures_and_reads_the_source_once(variant):
    """In a batch, with cache and without: what the loop writes for each sentence alone."""
    fields = VARIANTS[variant]
    model, batch = random_seq2seq(**fields), source_batch()
    with torch.no_grad():  # the end of a text in reach
        model.lm_head.weight[model.config.eos_token_id] *= 3.0
    rows = zip(batch["input_ids"], batch["attention_mask"].bool(), strict=True)
    expected = [lecture_greedy(model, ids[real][None], 10) for ids, real in rows]
    for implementation, use_cache in (("sdpa", True), ("packed", False)):
        model.set_attn_implementation(implementation)
        calls = count_calls(model.get_encoder())
        written = model.generate(**batch, max_length=10, use_cache=use_cache)
        assert len(calls) == 1
        for row, tokens in zip(written, expected, strict=True):
            assert row[: len(tokens)].tolist() == tokens.tolist()
            assert (row[len(tokens) :] == model.config.pad_token_id).all()


@pytest.mark.lecture("S5-76")
@pytest.mark.parametrize("variant", VARIANTS)
def test_beam_search_writes_for_a_batch_what_it_writes_for_each_sentence(variant):
    model, batch = random_seq2seq(**VARIANTS[variant]), source_batch()
    with torch.no_grad():
        model.lm_head.weight[model.config.eos_token_id] *= 2.0
    options = {"num_beams": 4, "max_length": 9, "length_penalty": 0.6}
    calls = count_calls(model.get_encoder())
    together = model.generate(**batch, **options)
    assert len(calls) == 1
    assert torch.equal(model.generate(**batch, **options, use_cache=False), together)
    for row in range(B):
        source = batch["input_ids"][row, batch["attention_mask"][row].bool()][None]
        alone = model.generate(source, **options)[0]
        assert together[row, : len(alone)].tolist() == alone.tolist()


def test_beams_share_their_source_and_its_keys_are_never_moved():
    """Held once for each sentence; the attention of each beam is the one that it has without a cache."""
    model, batch = random_seq2seq(), source_batch()
    options = {"num_beams": 4, "max_length": 7, "output_attentions": True, "return_dict_in_generate": True}
    cached, plain = (model.generate(**batch, **options, use_cache=use_cache) for use_cache in (True, False))
    assert torch.equal(cached.sequences, plain.sequences)
    for layer in cached.past_key_values.cross_attention_cache.layers:
        assert layer.keys.shape == (B, H, S, E // H)
    assert cached.past_key_values.self_attention_cache.layers[0].keys.shape[0] == 4 * B
    for weights, expected in zip(cached.cross_attentions, plain.cross_attentions, strict=True):
        assert weights[2].shape == (4 * B, H, 1, S)
        assert_close(weights[2], expected[2][:, :, -1:], **EXACT)


def test_presets_have_the_published_sizes():
    def parameters(name, **fields):
        with torch.device("meta"):
            model = MiniSeq2SeqForConditionalGeneration(MiniSeq2SeqConfig.from_preset(name, **fields))
            model.tie_weights()
        return model.num_parameters()

    assert parameters("t5") == 60_506_624  # t5-small, as its model card and transformers count it
    # Vaswani et al. 2017, table 3, base: 65 million parameters, of which 37,000 word pieces of 512 features.
    assert parameters("vanilla", vocab_size=37_000) == pytest.approx(65e6, rel=0.04)
    lecture = MiniSeq2SeqConfig.from_preset("lecture")
    sizes = ("hidden_size", "num_attention_heads", "num_encoder_layers", "num_decoder_layers", "intermediate_size")
    assert [getattr(lecture, size) for size in sizes] == [32, 4, 2, 2, 64]
    for name in PRESETS:
        MiniSeq2SeqConfig.from_preset(name)

"""The token mixers in a model: causal, and interchangeable with attention wherever it can be used."""

import pytest
import torch
from helpers.checkpointing import enable_checkpointing
from transformers import DynamicCache, StaticCache, Trainer, TrainingArguments

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM, MiniGPTForSequenceClassification, MiniGPTModel

NAMES = ["aft_full", "aft_simple", "linear"]
RUNNING = ["aft_simple", "linear"]  # those with a state of constant size
PAD, VOCABULARY, LONGEST = 0, 17, 90
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
         "intermediate_size": 20, "max_position_embeddings": LONGEST, "pad_token_id": PAD}  # fmt: skip
# Two orders of the same sums in float64 differ by some 1e-15 per term.
CLOSE = {"atol": 1e-10, "rtol": 1e-10}


def tiny(token_mixer, model_class=MiniGPTForCausalLM, **overrides):
    """Weights far from 0, so that what comes before matters; no dropout, in float64."""
    fields = {"initializer_range": 0.4, "hidden_dropout_prob": 0.0, "token_mixer": token_mixer, **overrides}
    return model_class(MiniGPTConfig(**SIZES, **fields)).double().eval()


def draw_ids(*shape):
    return torch.randint(1, VOCABULARY, shape)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_keeps_the_sums_in_float32(name):
    """bf16 has 8 bits: a sum over 80 tokens of one size would stand still at 256 of them; 2 % are left by the rest."""
    model = tiny(name, MiniGPTModel, initializer_range=0.1).float()
    ids = draw_ids(2, 80)
    expected = model(ids).last_hidden_state
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = model(ids).last_hidden_state
    for output in (under_autocast, model.bfloat16()(ids).last_hidden_state):
        assert output.isfinite().all()
        assert (output.float() - expected).norm() / expected.norm() < 0.03


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0, 15, 16, 40])
def test_no_token_sees_a_later_one(name, place):
    model, ids = tiny(name), draw_ids(2, 71)
    changed = ids.clone()
    changed[:, place] = ids[:, place] % (VOCABULARY - 1) + 1
    difference = (model(ids).logits - model(changed).logits).abs().amax(dim=(0, 2))
    assert (difference[:place] < 1e-12).all()
    assert (difference[place : place + 5] > 1e-6).all()  # and the tokens after it do remember it


@pytest.mark.parametrize("name", NAMES)
def test_padding_on_either_side_changes_nothing(name):
    model, lengths = tiny(name), (38, 5, 71)
    texts = [draw_ids(length) for length in lengths]
    alone = [model(text[None]).logits[0] for text in texts]
    for side in ("left", "right"):
        ids, mask = torch.full((3, 71), PAD), torch.zeros(3, 71, dtype=torch.long)
        for row, text in enumerate(texts):
            places = slice(71 - len(text), 71) if side == "left" else slice(0, len(text))
            ids[row, places], mask[row, places] = text, 1
        logits = model(ids, attention_mask=mask).logits
        assert logits.isfinite().all()  # at pads too, where there is nothing to mix
        for row, expected in enumerate(alone):
            torch.testing.assert_close(logits[row, mask[row].bool()], expected, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_packed_sequences_do_not_see_each_other(name):
    model, lengths = tiny(name), (38, 5, 1, 44)
    texts = [draw_ids(length) for length in lengths]
    expected = torch.cat([model(text[None]).logits[0] for text in texts])
    flat = torch.cat(texts)[None]
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    ends = torch.tensor([0, 38, 43, 44, 88], dtype=torch.int32)
    packed = model(flat, position_ids=positions, cu_seq_lens_q=ends, max_length_q=44).logits[0]
    torch.testing.assert_close(packed, expected, **CLOSE)
    torch.testing.assert_close(model(flat, position_ids=positions, use_cache=False).logits[0], expected, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_packs_padded_batches_itself(name):
    model, ids, mask = tiny(name), draw_ids(3, 21), torch.ones(3, 21)
    mask[0, :4] = mask[2, -9:] = 0
    expected = model(ids, attention_mask=mask).logits
    model.config._attn_implementation = "packed"
    packed = model(ids, attention_mask=mask).logits
    torch.testing.assert_close(packed[mask.bool()], expected[mask.bool()], **CLOSE)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # adds empty tokens behind the last sequence
        assert model.float()(ids, attention_mask=mask).logits.shape == expected.shape


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight_and_none_is_lost_in_pads(name):
    model, ids, mask = tiny(name).train(), draw_ids(2, 40), torch.ones(2, 40)
    mask[0, :11] = 0
    model(ids, attention_mask=mask, labels=ids.where(mask.bool(), -100)).loss.backward()
    without = {n for n, p in model.named_parameters() if not (p.grad.isfinite().all() and p.grad.abs().max() > 0)}
    assert without <= {f"minigpt.layers.{i}.attention.key.bias" for i in (0, 1)}  # adds the same to all logits of AFT
    expected = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    enable_checkpointing(model)
    model(ids, attention_mask=mask, labels=ids.where(mask.bool(), -100)).loss.backward()
    for n, p in model.named_parameters():
        torch.testing.assert_close(p.grad, expected[n], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_reads_texts_padded_on_either_side(name):
    model = tiny(name, MiniGPTForSequenceClassification, num_labels=3)
    text = draw_ids(1, 23)
    left = torch.cat([torch.full((1, 6), PAD), text], dim=1)
    right = torch.cat([text, torch.full((1, 6), PAD)], dim=1)
    for ids in (left, right):
        logits = model(ids, attention_mask=(ids != PAD).long()).logits
        torch.testing.assert_close(logits, model(text).logits, **CLOSE)


# --- Decoding


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("name", NAMES)
def test_with_cache_equals_without(name):
    model, ids, mask = tiny(name), draw_ids(3, 60), torch.ones(3, 60, dtype=torch.long)
    mask[1, :9] = 0
    whole = model(ids, attention_mask=mask).logits
    cache, start, parts = None, 0, []
    for stop in (20, 21, 22, 55, 60):
        part = model(ids[:, start:stop], attention_mask=mask[:, :stop], past_key_values=cache, use_cache=True)
        cache, start = part.past_key_values, stop
        parts.append(part.logits)
        assert cache.get_seq_length() == stop
    torch.testing.assert_close(torch.cat(parts, dim=1)[mask.bool()], whole[mask.bool()], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options",
    [{}, {"do_sample": True, "top_k": 9}, {"num_beams": 4}, {"num_beams": 3, "num_return_sequences": 2},
     {"do_sample": True, "num_return_sequences": 3}],
)  # fmt: skip
def test_generate_writes_the_same_with_and_without_cache(name, options):
    model, prompts = tiny(name), draw_ids(2, 8)
    prompts[0, :3] = PAD
    mask, texts = (prompts != PAD).long(), []
    for use_cache in (True, False):
        torch.manual_seed(5)
        texts.append(model.generate(prompts, attention_mask=mask, max_new_tokens=15, use_cache=use_cache, **options))
    assert texts[0].tolist() == texts[1].tolist()
    if not options:
        alone = model.generate(prompts[:1, 3:], max_new_tokens=15)
        assert texts[0][0, 8:].tolist() == alone[0, 5:].tolist()  # batch = single, left-padded = unpadded


@pytest.mark.parametrize(("name", "numbers"), [("aft_simple", 2 * 12), ("linear", 3 * 4 * 4)])
def test_the_state_does_not_grow(name, numbers):
    model = tiny(name)
    for length in (1, 80):
        layers = model(draw_ids(1, length), use_cache=True).past_key_values.layers
        stored = [t.untyped_storage().nbytes() for layer in layers for t in (layer.keys, layer.values)]
        assert sum(stored) == len(layers) * numbers * 8


@pytest.mark.parametrize("name", RUNNING)
def test_a_state_is_repeated_selected_cleared_and_static(name):
    model, ids = tiny(name), draw_ids(2, 9)
    cache = model(ids[:, :8], use_cache=True).past_key_values
    cache.batch_repeat_interleave(2)
    cache.batch_select_indices(torch.tensor([3, 0]))
    logits = model(ids[[1, 0], 8:], past_key_values=cache).logits
    torch.testing.assert_close(logits, model(ids[[1, 0]]).logits[:, 8:], **CLOSE)
    cache.reset()
    torch.testing.assert_close(model(ids, past_key_values=cache).logits, model(ids).logits, **CLOSE)
    static = StaticCache(config=model.config, max_cache_len=20)
    torch.testing.assert_close(model(ids, past_key_values=static).logits, model(ids).logits, **CLOSE)
    with pytest.raises(ValueError, match="cannot take 2 tokens out"):
        cache.crop(-2)


# --- Training, saving, errors


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("name", NAMES)
def test_trainer_learns_a_text_and_the_saved_model_recites_it(name, tmp_path):
    torch.manual_seed(2)
    text = torch.randperm(VOCABULARY - 1) + 1
    model = MiniGPTForCausalLM(MiniGPTConfig(**SIZES, token_mixer=name, hidden_dropout_prob=0.0))
    before = model(text[None], labels=text[None]).loss.item()
    arguments = TrainingArguments(
        output_dir=tmp_path / "run", max_steps=60, per_device_train_batch_size=2, learning_rate=0.02,
        lr_scheduler_type="constant", report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    Trainer(model, arguments, train_dataset=[{"input_ids": text, "labels": text}] * 2).train()
    model.eval()
    assert model(text[None], labels=text[None]).loss < 0.1 < 2.5 < before
    model.save_pretrained(tmp_path / "saved")
    loaded = MiniGPTForCausalLM.from_pretrained(tmp_path / "saved")
    assert loaded.config.token_mixer == name
    recited = loaded.generate(text[None, :2], max_new_tokens=14, do_sample=False)
    assert recited[0].tolist() == text.tolist()
    files = {path.name for path in (tmp_path / "saved").glob("*.py")}
    assert {"token_mixers.py", "linear_attention.py", "caches.py"} <= files


def test_what_the_configuration_refuses():
    with pytest.raises(ValueError, match=r"unknown token_mixer 'mamba'.*'attention', 'aft_full', 'aft_simple', 'line"):
        MiniGPTConfig(token_mixer="mamba")
    for name in ("aft_full", "aft_simple"):
        with pytest.raises(ValueError, match=f"rotary positions.*token_mixer='{name}'"):
            MiniGPTConfig(token_mixer=name, position_embedding_type="rotary")
    assert MiniGPTConfig(token_mixer="linear", position_embedding_type="rotary").layer_types
    with pytest.raises(ValueError, match="token_mixer is 'linear' .a twin needs 'attention'"):
        tiny("linear").to_stock()


def test_rotary_positions_turn_queries_and_keys_of_linear_attention():
    plain, rotary = (tiny("linear", position_embedding_type=kind) for kind in ("none", "rotary"))
    rotary.load_state_dict(plain.state_dict())
    ids = draw_ids(1, 50)
    cache = rotary(ids[:, :30], use_cache=True).past_key_values
    expected = rotary(ids).logits
    torch.testing.assert_close(rotary(ids[:, 30:], past_key_values=cache).logits, expected[:, 30:], **CLOSE)
    assert (plain(ids).logits - expected).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_what_a_mixer_cannot_do_is_refused(name):
    model, ids = tiny(name), draw_ids(1, 6)
    with pytest.raises(ValueError, match=f"token_mixer='{name}' has no attention weights"):
        model(ids, output_attentions=True)
    with pytest.raises(ValueError, match=r"shape \(1, 1, 6, 6\)"):
        model(ids, attention_mask=torch.ones(1, 1, 6, 6))
    with pytest.raises(ValueError, match="packed batches are not for a cache"):
        model(ids, cu_seq_lens_q=torch.tensor([0, 2, 6]), use_cache=True)
    if name in RUNNING:
        for cache in (DynamicCache(), DynamicCache(config=tiny("attention").config)):
            with pytest.raises(ValueError, match="keeps a state.*DynamicCache.config=model.config"):
                model(ids, past_key_values=cache)


def test_aft_full_refuses_static_caches_and_texts_beyond_its_biases():
    model = tiny("aft_full", position_embedding_type="none")
    with pytest.raises(ValueError, match="no use for a static cache"):
        model.generate(draw_ids(1, 5), max_new_tokens=4, cache_implementation="static")
    with pytest.raises(ValueError, match="input is 91 tokens long but aft_full has position biases for 90"):
        model(draw_ids(1, 91))
    with pytest.raises(ValueError, match="the prompt has 5 tokens.*built for 90 positions"):
        model.generate(draw_ids(1, 5), max_new_tokens=86)
    padded = torch.cat([torch.full((1, 3), PAD), draw_ids(1, 90)], dim=1)
    assert model(padded, attention_mask=(padded != PAD).long()).logits.isfinite().all()  # pads do not count

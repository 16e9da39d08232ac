"""The token mixers: equal to the definitions of their papers, causal, and interchangeable with attention everywhere."""

import math

import pytest
import torch
from transformers import DynamicCache, StaticCache, Trainer, TrainingArguments

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM, MiniGPTForSequenceClassification, MiniGPTModel
from modeling_minibert.linear_attention import gated_linear_attention
from modeling_minibert.token_mixers import MIXERS, aft_full, aft_simple

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


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


# --- The formulas, against the definitions


def aft_by_definition(key, value, bias):
    """Zhai et al. 2021, section 3.1, token by token; the last L of the S tokens are queries."""
    length, past = bias.shape[1], key.shape[1] - bias.shape[1]
    rows = []
    for t in range(length):
        logits = key[:, : past + t + 1] + bias[:, t, : past + t + 1, None]
        weights = (logits - logits.amax(dim=1, keepdim=True)).exp()
        rows.append((weights * value[:, : past + t + 1]).sum(dim=1) / weights.sum(dim=1))
    return torch.stack(rows, dim=1)


def linear_by_definition(query, key, value, gate, state):
    """Yang et al. 2023: S_t = diag(α_t) S_{t-1} + k_t v_tᵀ, o_t = S_tᵀ q_t / √D, token by token."""
    outputs = []
    for t in range(query.shape[2]):
        state = gate[:, :, t, :, None] * state + key[:, :, t, :, None] * value[:, :, t, None, :]
        outputs.append((state * query[:, :, t, :, None]).sum(dim=2) / math.sqrt(query.shape[-1]))
    return torch.stack(outputs, dim=2), state


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("length", [1, 2, 3, 6, 13, 77])
def test_aft_simple_is_its_definition(length):
    key, value = 3 * draw(2, length, 5), draw(2, length, 5)
    log_weight, average = aft_simple(key, value)
    torch.testing.assert_close(log_weight, key.logcumsumexp(dim=1), **CLOSE)
    expected = aft_by_definition(key, value, torch.zeros(1, length, length, dtype=torch.float64))
    torch.testing.assert_close(average, expected, **CLOSE)


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize(("length", "past", "rows"), [(1, 0, 1), (7, 0, 2), (77, 0, 1), (33, 40, 2), (1, 76, 2)])
def test_aft_full_is_its_definition(length, past, rows):
    key, value, bias = 3 * draw(2, past + length, 5), draw(2, past + length, 5), 2 * draw(rows, length, past + length)
    torch.testing.assert_close(aft_full(key, value, bias), aft_by_definition(key, value, bias), **CLOSE)


@pytest.mark.lecture("S5-60")
@pytest.mark.parametrize("chunk_size", [1, 5, 16, 100])
@pytest.mark.parametrize("length", [1, 16, 37])
def test_linear_attention_in_chunks_is_the_recurrence(length, chunk_size):
    query, key, value, raw, state = *(draw(2, 3, length, 4) for _ in range(4)), draw(2, 3, 4, 4)
    outputs, last = gated_linear_attention(query, key, value, raw.sigmoid().log(), state, chunk_size)
    expected, expected_last = linear_by_definition(query, key, value, raw.sigmoid(), state)
    torch.testing.assert_close(outputs, expected, **CLOSE)
    torch.testing.assert_close(last, expected_last, **CLOSE)


def test_gates_of_one_are_plain_linear_attention():
    """Then every past token counts alike: (Q Kᵀ, looking back only) V (Katharopoulos et al. 2020)."""
    query, key, value = (draw(2, 3, 37, 4) for _ in range(3))
    outputs, _ = gated_linear_attention(query, key, value, torch.zeros_like(key))
    torch.testing.assert_close(outputs, (query @ key.transpose(-1, -2) / 2).tril() @ value, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_its_definition(name):
    """The projections, gates, biases and norms around the formula."""
    torch.manual_seed(1)
    config = MiniGPTConfig(**SIZES, token_mixer=name, hidden_dropout_prob=0.0)
    mixer, x = MIXERS[name](config, 0).double(), draw(2, 21, 12)
    query, key, value = mixer.query(x), mixer.key(x), mixer.value(x)
    if name == "linear":
        gate = mixer.gate_up(mixer.gate_down(x)).sigmoid() ** (1 / 16)
        heads = [part.view(2, 21, 3, 4).transpose(1, 2) for part in (query, key, value, gate)]
        mixed, _ = linear_by_definition(*heads, torch.zeros(2, 3, 4, 4, dtype=torch.float64))
        mixed = torch.nn.functional.layer_norm(mixed, (4,), eps=1e-5).transpose(1, 2).reshape(2, 21, 12)
    else:
        bias = mixer.position_bias.weight[None, :21, :21] if name == "aft_full" else torch.zeros(1, 21, 21)
        mixed = query.sigmoid() * aft_by_definition(key, value, bias)
    output, weights = mixer(x)
    torch.testing.assert_close(output, mixer.output(mixed), **CLOSE)
    assert weights is None


def test_gradients_are_those_of_differences():
    length = 35  # more than one block of AFT, more than one chunk of linear attention
    key, value, bias = (2 * draw(*shape).requires_grad_() for shape in ((1, length, 1), (1, length, 1), (1, 3, length)))
    heads = [draw(1, 1, length, 2).requires_grad_() for _ in range(4)]
    check = {"fast_mode": True}
    assert torch.autograd.gradcheck(aft_simple, (key, value), **check)
    assert torch.autograd.gradcheck(aft_full, (key, value, bias), **check)
    assert torch.autograd.gradcheck(lambda q, k, v, g: gated_linear_attention(q, k, v, -g.exp()), heads, **check)


def test_large_keys_do_not_overflow():
    """exp(1e4) is far out of range, also of float64; later keys a thousand times as large hide none of the earlier."""
    key, value = (draw(2, 77, 3) * torch.linspace(1, 1e4, 77)[:, None]).float(), draw(2, 77, 3).float()
    bias = 5 * draw(1, 77, 77).float()
    zeros = torch.zeros_like(bias)
    # float32 keeps 1e4 to 1e-3, which as an exponent is a relative error of 1e-3.
    for output, used in ((aft_full(key, value, bias), bias), (aft_simple(key, value)[1], zeros)):
        expected = aft_by_definition(key.double(), value.double(), used.double())
        torch.testing.assert_close(output.double(), expected, atol=5e-3, rtol=0)


def test_gates_that_close_at_once_do_not_overflow():
    """A gate of e^-300: products of e^300, which a chunk would need if it were split into two factors, are inf."""
    query, key, value = (draw(2, 3, 37, 4).float() for _ in range(3))
    log_gate = (-300 * torch.rand(2, 3, 37, 4)).requires_grad_()
    outputs, _ = gated_linear_attention(query, key, value, log_gate)
    zeros = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    expected, _ = linear_by_definition(*(t.double() for t in (query, key, value, log_gate.detach().exp())), zeros)
    # float32 keeps the sums of logarithms, up to 16 · 300, to 3e-4.
    torch.testing.assert_close(outputs.double(), expected, atol=1e-3, rtol=0)
    outputs.sum().backward()
    assert log_gate.grad.isfinite().all()


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


# --- In the model


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
    model.gradient_checkpointing_enable()
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
    assert {"token_mixers.py", "linear_attention.py", "running_state.py"} <= files


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

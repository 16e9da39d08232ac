"""MiniGPT keeps its promises: no look ahead, cache, padding on either side, attentions, tying, heads, compilers.

The yardstick is mostly the model itself, asked in another way: row by row, token by token, with other words behind.
float64, where two orders of summation differ by some 1e-15; what it computes is held against transformers in
`test_parity_gpt.py`, what it refuses is in `test_minigpt_errors.py`.
"""

import math

import pytest
import torch
from helpers.checkpointing import enable_checkpointing
from helpers.compare import assert_same_outputs, assert_same_weights
from helpers.minigpt import (
    EXACT,
    HEADS,
    IMPLEMENTATIONS,
    LAYERS,
    NO_DROPOUT,
    VARIANTS,
    B,
    E,
    H,
    L,
    V,
    pad_rows,
    random_gpt,
    random_ids,
    small_gpt_config,
)
from helpers.pairs import pairwise
from safetensors import safe_open
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, DynamicCache, StaticCache

from modeling_minibert import (
    MiniGPTConfig,
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTModel,
)
from modeling_minibert.configuration_minigpt import PRESETS


@pytest.mark.lecture("S3-20", "S5-18", "S5-44")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_later_token_never_changes_an_earlier_logit(variant, implementation):
    model, ids = random_gpt(attn_implementation=implementation, **VARIANTS[variant]), random_ids()
    for use_cache in (False, True):
        before = model(ids, use_cache=use_cache).logits
        for place in (1, 4, L - 1):
            changed = torch.cat([ids[:, :place], ids[:, place:] % (V - 1) + 1], dim=1)
            after = model(changed, use_cache=use_cache).logits
            assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-12)
            # The premise: from there on it matters, and so does every token before.
            assert ((after[:, place:] - before[:, place:]).abs().amax(-1) > 1e-4).all()


@pytest.mark.lecture("S5-75")
@pytest.mark.parametrize("variant", VARIANTS)
def test_with_the_cache_as_without(variant):
    """One token at a time, several after a past, and several at once in a static cache with room to spare."""
    ids = random_ids()
    for implementation in IMPLEMENTATIONS:
        model = random_gpt(attn_implementation=implementation, **VARIANTS[variant])
        expected = model(ids, use_cache=False).logits
        for steps in ([1] * L, [2, 1, 4]):
            for cache in (DynamicCache(config=model.config), StaticCache(model.config, max_cache_len=11)):
                pieces = []
                for piece in ids.split(steps, dim=1):
                    outputs = model(piece, past_key_values=cache, use_cache=True)
                    cache = outputs.past_key_values
                    pieces.append(outputs.logits)
                assert_close(torch.cat(pieces, dim=1), expected, **EXACT)


@pytest.mark.parametrize("static", [False, True])
def test_the_cache_remembers_which_tokens_were_padding(static):
    model, rows = random_gpt(), [torch.randint(1, V, (length,)) for length in (7, 4, 1)]
    batch, new = pad_rows(rows, "left"), random_ids(length=3)
    cache = StaticCache(model.config, max_cache_len=20) if static else None
    cache = model(**batch, past_key_values=cache, use_cache=True).past_key_values
    mask = torch.cat([batch["attention_mask"], torch.ones(B, 3)], dim=1)
    together = model(new, attention_mask=mask, past_key_values=cache).logits
    for row, tokens in enumerate(rows):
        alone = model(torch.cat([tokens, new[row]])[None]).logits
        assert_close(together[row], alone[0, -3:], **EXACT)


@pytest.mark.lecture("S3-36")
@pytest.mark.parametrize(("variant", "implementation", "side"), pairwise(VARIANTS, IMPLEMENTATIONS, ["left", "right"]))
def test_a_padded_batch_gives_what_its_rows_give_alone(variant, implementation, side):
    model = random_gpt(attn_implementation=implementation, **VARIANTS[variant])
    rows = [torch.randint(1, V, (length,)) for length in (7, 4, 1)]
    batch = pad_rows(rows, side)
    for use_cache in (False, True):
        logits = model(**batch, use_cache=use_cache).logits
        assert logits.isfinite().all()
        for row, tokens in enumerate(rows):
            real = batch["attention_mask"][row].bool()
            assert_close(logits[row, real], model(tokens[None]).logits[0], **EXACT)


def test_padding_may_take_a_batch_beyond_the_last_position():
    model, rows = random_gpt(), [random_ids(1, 22)[0], random_ids(1, 3)[0]]
    batch = pad_rows(rows, "left")
    assert batch["input_ids"].shape[1] == 24 > model.config.max_position_embeddings
    assert_close(model(**batch).logits[0, 2:], model(rows[0][None]).logits[0], **EXACT)


@pytest.mark.lecture("S4-03")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_attentions_are_returned_under_every_implementation(implementation, training):
    model = random_gpt(attn_implementation=implementation, **NO_DROPOUT).train(training)
    batch = pad_rows([row[: L - 2] for row in random_ids()], "left")
    outputs = model(**batch, output_attentions=True)
    assert len(outputs.attentions) == LAYERS and model(**batch).attentions is None
    for weights in outputs.attentions:
        assert weights.shape == (B, H, L, L)
        assert (weights.triu(1) == 0).all() and (weights[..., :2] == 0).all()
        assert_close(weights[:, :, 2:].sum(-1), torch.ones(B, H, L - 2, dtype=torch.double), **EXACT)
    assert_close(outputs.logits[:, 2:], model(**batch).logits[:, 2:], **EXACT)


def test_attentions_count_the_tokens_in_the_cache_and_can_be_asked_for_in_the_config():
    model, ids = random_gpt(attn_implementation="sdpa"), random_ids()
    whole = model(ids, output_attentions=True).attentions
    model.config.output_attentions = True
    past = model(ids[:, :4]).past_key_values
    for weights, expected in zip(model(ids[:, 4:], past_key_values=past).attentions, whole, strict=True):
        assert weights.shape == (B, H, 3, L)
        assert_close(weights, expected[:, :, 4:], **EXACT)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_hidden_states_begin_with_the_embeddings_and_end_with_the_output(norm_position):
    model, ids = random_gpt(MiniGPTModel, norm_position=norm_position), random_ids()
    outputs = model(ids, output_hidden_states=True)
    assert len(outputs.hidden_states) == LAYERS + 1
    assert_same_outputs(outputs.hidden_states[0], model.embeddings(ids))
    assert torch.equal(outputs.hidden_states[-1], outputs.last_hidden_state)
    if norm_position == "pre":
        last, _ = model.layers[-1](outputs.hidden_states[-2])
        assert_close(model.final_norm(last), outputs.last_hidden_state, **EXACT)


@pytest.mark.parametrize("model_class", HEADS)
def test_word_vectors_can_be_given_instead_of_ids_and_tuples_asked_for(model_class):
    model, ids = random_gpt(model_class), random_ids()
    expected = model(ids)[0]
    vectors = model.get_input_embeddings()(ids)
    assert_same_outputs(model(inputs_embeds=vectors)[0], expected)
    outputs = model(ids, return_dict=False)
    assert isinstance(outputs, tuple)
    assert_same_outputs(outputs[0], expected)
    model.config.return_dict = False
    assert isinstance(model(ids), tuple)


@pytest.mark.parametrize("implementation", ["sdpa", "packed"])
@pytest.mark.parametrize("variant", ["gpt2", "post-norm", "rotary"])
def test_gradient_checkpointing_gives_the_same_gradients(variant, implementation):
    model = random_gpt(attn_implementation=implementation, **NO_DROPOUT, **VARIANTS[variant]).train()
    batch = pad_rows(list(random_ids()), "right")
    batch["labels"] = batch["input_ids"].where(batch["attention_mask"] == 1, -100)
    model(**batch).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    enable_checkpointing(model)
    assert all(layer.gradient_checkpointing for layer in model.minigpt.layers)
    for use_cache in (None, True):
        model.zero_grad()
        model(**batch, use_cache=use_cache).loss.backward()
        for name, parameter in model.named_parameters():
            assert_close(parameter.grad, expected[name], rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant):
    model = random_gpt(**VARIANTS[variant]).train()
    model(random_ids(), labels=random_ids()).loss.backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert silent == []


@pytest.mark.lecture("S5-44")
def test_the_output_layer_is_the_embedding_matrix_and_saved_once(tmp_path):
    model = random_gpt()
    assert model.lm_head.weight is model.minigpt.embeddings.word_embeddings.weight
    hidden = model.minigpt(ids := random_ids()).last_hidden_state
    assert_close(model(ids).logits, hidden @ model.get_input_embeddings().weight.T, **EXACT)
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert [name for name in file.keys() if file.get_slice(name).get_shape() == [V, E]] == [  # noqa: SIM118
            "minigpt.embeddings.word_embeddings.weight"
        ]
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.minigpt.embeddings.word_embeddings.weight
    assert again.dtype == torch.double
    assert_same_weights(again, model)
    assert_same_outputs(again(ids).logits, model(ids).logits)
    untied = random_gpt(tie_word_embeddings=False)
    assert untied.lm_head.weight is not untied.minigpt.embeddings.word_embeddings.weight


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_projections_back_into_the_residual_stream_begin_smaller(norm_position):
    """GPT-2 divides by √(2 · layers); GPT-1 does not. transformers skips container modules in packages like this."""
    config = small_gpt_config(hidden_size=256, intermediate_size=512, num_hidden_layers=8, norm_position=norm_position)
    model = AutoModelForCausalLM.from_config(config)
    residual = 0.02 / math.sqrt(2 * 8) if norm_position == "pre" else 0.02
    for layer in model.minigpt.layers:
        for linear in (layer.attention.output, layer.feed_forward.down):
            # 65,536 draws and more: three standard errors of a standard deviation are 0.8 %.
            assert linear.weight.std().item() == pytest.approx(residual, rel=0.01) and (linear.bias == 0).all()
        for linear in (layer.attention.query, layer.attention.value, layer.feed_forward.up):
            assert linear.weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_logits_can_be_kept_for_some_positions_only():
    model, ids = random_gpt(**NO_DROPOUT), random_ids()
    expected = model(ids).logits
    assert_close(model(ids, logits_to_keep=2).logits, expected[:, -2:], **EXACT)
    assert_close(model(ids, logits_to_keep=torch.tensor([0, 3])).logits, expected[:, [0, 3]], **EXACT)
    model.train()
    count = {"num_items_in_batch": torch.tensor(B * (L - 1))}  # as `Trainer` gives it, which looks at the loss only
    assert model(ids, labels=ids, **count).logits is None
    assert model(ids, labels=ids, return_logits=False).logits is None
    for inputs in ({}, {"labels": ids}, {"labels": ids, "return_logits": True, **count}):
        assert_close(model(ids, **inputs).logits, expected, **EXACT)


@pytest.mark.lecture("S5-61")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("head", ["sequence", "choice"])
def test_the_last_real_token_answers_wherever_the_padding_stands(head, implementation):
    sequence = head == "sequence"
    model_class = MiniGPTForSequenceClassification if sequence else MiniGPTForMultipleChoice
    model = random_gpt(model_class, pad_token_id=0, attn_implementation=implementation)
    rows = [torch.randint(1, V, (length,)) for length in (7, 4, 1, 6)]
    score = [model.score(model.minigpt(tokens[None]).last_hidden_state[:, -1]) for tokens in rows]
    expected = torch.cat(score) if sequence else torch.cat(score).view(2, 2)
    for side in ("left", "right"):
        batch = pad_rows(rows, side)
        batch["input_ids"] *= batch["attention_mask"]
        if not sequence:
            batch = {name: tensor.unflatten(0, (2, 2)) for name, tensor in batch.items()}
        assert_close(model(**batch).logits, expected, **EXACT)
        if side == "right":  # without a mask the pad id tells; pads on the left are read as words then
            assert_close(model(batch["input_ids"]).logits, expected, **EXACT)
    labels = torch.tensor([4, 0, 2, 1] if sequence else [1, 0])
    assert_close(model(**batch, labels=labels).loss, torch.nn.functional.cross_entropy(expected, labels), **EXACT)


def test_a_classifier_continues_from_a_cache_and_chooses_with_segments():
    model, ids = random_gpt(MiniGPTForSequenceClassification), random_ids()
    past = model(ids[:, :4]).past_key_values
    logits = model(ids[:, 4:], attention_mask=torch.ones(B, L), past_key_values=past).logits
    assert_close(logits, model(ids).logits, **EXACT)
    model = random_gpt(MiniGPTForMultipleChoice, type_vocab_size=2)
    choices, segments = torch.randint(1, V, (2, 3, L)), torch.randint(2, (2, 3, L))
    logits = model(choices, token_type_ids=segments).logits
    assert_close(logits[1, 2], model(choices[1:, 2:], token_type_ids=segments[1:, 2:]).logits[0, 0], **EXACT)
    assert (logits - model(choices).logits).abs().min() > 1e-4


def test_the_vocabulary_can_grow():
    model, ids = random_gpt(), random_ids()
    before = model(ids).logits
    model.resize_token_embeddings(V + 8, mean_resizing=False)
    assert model.lm_head.weight is model.minigpt.embeddings.word_embeddings.weight
    assert_close(model(ids).logits[..., :V], before, **EXACT)
    new = torch.full((1, 2), V + 7)
    assert model(new, labels=new).logits.shape == (1, 2, V + 8)


def test_half_precision_runs_with_and_without_the_cache():
    for variant in ("gpt2", "sinusoidal", "rotary"):
        model, ids = random_gpt(**VARIANTS[variant]), random_ids()
        expected = model(ids).logits.float()
        model = model.bfloat16()
        past = model(ids[:, :4], use_cache=True).past_key_values
        logits = torch.cat([model(ids[:, :4]).logits, model(ids[:, 4:], past_key_values=past).logits], dim=1)
        assert logits.dtype == torch.bfloat16
        # bfloat16 keeps 8 bits, 0.4 % at each of some forty roundings.
        assert (logits.float() - expected).abs().max() < 0.05 * expected.abs().max()
        assert model.train()(ids, labels=ids).loss.dtype == torch.float32


@pytest.mark.slow
def test_the_whole_model_compiles_without_a_graph_break():
    torch._dynamo.reset()
    model, batch = random_gpt(**NO_DROPOUT, num_hidden_layers=1), pad_rows(list(random_ids()), "left")
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert_close(compiled(**batch).logits, model(**batch).logits, **EXACT)
    model.train()
    labels = batch["input_ids"]
    assert_close(compiled(labels, labels=labels).loss, model(labels, labels=labels).loss, **EXACT)
    ends = torch.tensor([0, 2, 2, 9], dtype=torch.int32)
    stream = {"input_ids": random_ids(1, 9), "labels": random_ids(1, 9), "cu_seq_lens_q": ends, "max_length_q": 7}
    model.set_attn_implementation("packed")
    assert_close(compiled(**stream).loss, model(**stream).loss, **EXACT)


@pytest.mark.parametrize(("preset", "parameters"), [("gpt2", 124_439_808), ("gpt1", 116_534_784)])
def test_parameter_counts_are_the_published_ones(preset, parameters):
    with torch.device("meta"):
        assert MiniGPTForCausalLM(MiniGPTConfig.from_preset(preset)).num_parameters() == parameters


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_changed_field_by_field(preset):
    config = MiniGPTConfig.from_preset(preset, vocab_size=77, num_labels=3)
    assert config.vocab_size == 77 and config.num_labels == 3

"""Contracts of the library's common tests: recordable outputs, export, compiled steps, caches, drafts, resizing."""

import copy

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import V, random_gpt, random_ids
from helpers.seq2seq import random_seq2seq
from torch.export import Dim
from torch.testing import assert_close
from transformers import BertModel, DynamicCache, EncoderDecoderCache, GPT2Config, GPT2LMHeadModel, GPT2Model
from transformers.generation.configuration_utils import CompileConfig
from transformers.models.marian.modeling_marian import MarianDecoder, MarianEncoder
from transformers.utils.output_capturing import OutputRecorder

from modeling_minibert import (
    MiniBertForMultipleChoice,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertModel,
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTModel,
)
from modeling_minibert.caches import growing_cache
from modeling_minibert.seq2seq_stacks import MiniSeq2SeqDecoder, MiniSeq2SeqEncoder
from modeling_minibert.transformers_internals import CACHE_NAME

EXACT = {"rtol": 0, "atol": 1e-10}  # float64


# Recordable outputs.


TWINS = [
    (MiniBertModel, BertModel),
    (MiniGPTModel, GPT2Model),
    (MiniSeq2SeqEncoder, MarianEncoder),
    (MiniSeq2SeqDecoder, MarianDecoder),
]


@pytest.mark.parametrize(("ours", "stock"), TWINS)
def test_recordable_outputs_have_the_names_of_the_stock_model(ours, stock):
    recorders = ours._can_record_outputs
    absent = set() if ours is MiniSeq2SeqDecoder else {"cross_attentions"}
    assert recorders.keys() == stock._can_record_outputs.keys() - absent
    assert all(isinstance(recorder, (type, OutputRecorder)) for recorder in recorders.values())


@pytest.mark.parametrize("build", [lambda: random_model(MiniBertModel).double(), lambda: random_gpt(MiniGPTModel)])
def test_recordable_outputs_name_the_modules_that_give_them(build):
    model = build()
    ids, outputs, handles = random_ids(), {"hidden_states": [], "attentions": []}, []
    for name, recorder in model._can_record_outputs.items():
        target, index = (recorder, int(name == "attentions")) if isinstance(recorder, type) else (
            recorder.target_class, recorder.index)  # fmt: skip
        for module in model.modules():
            if isinstance(module, target):
                keep = outputs[name].append
                handles.append(module.register_forward_hook(lambda *call, i=index, keep=keep: keep(call[2][i])))
    given = model(ids, output_hidden_states=True, output_attentions=True)
    for recorded, attention in zip(outputs["attentions"], given.attentions, strict=True):
        assert_close(recorded, attention, **EXACT)
    for recorded, states in zip(outputs["hidden_states"][:-1], given.hidden_states[1:-1], strict=True):
        assert_close(recorded, states, **EXACT)


# Export with any batch and length.


POOLINGS = ["cls", "mean", "max", "attention"]
EXPORTED = {pooling: (MiniBertForSequenceClassification, {"classifier_pooling": pooling}) for pooling in POOLINGS}
EXPORTED |= {"choice": (MiniBertForMultipleChoice, {}), "span": (MiniBertForQuestionAnswering, {})}
DECODERS = {"last token": MiniGPTForSequenceClassification, "gpt choice": MiniGPTForMultipleChoice}
DECODERS |= {"next token": MiniGPTForCausalLM}
MIXERS = ["aft_full", "aft_simple", "linear"]


@pytest.mark.parametrize("case", [*EXPORTED, *DECODERS, *MIXERS])
def test_an_exported_model_takes_any_batch_and_length(case):
    fields = {"token_mixer": case, "max_position_embeddings": 50} if case in MIXERS else {}
    model_class, fields = EXPORTED[case] if case in EXPORTED else (DECODERS.get(case, MiniGPTForCausalLM), fields)
    model = random_model(model_class, **fields).double() if case in EXPORTED else random_gpt(model_class, **fields)
    model.config.use_cache = False
    choices, longest = (4,) if "choice" in case else (), 40 if case in MIXERS else 20  # more than a block of a mixer

    def batch(rows, length):
        ids = torch.randint(1, V, (rows, *choices, length))
        mask = torch.ones_like(ids)
        mask[:1, ..., -2:] = 0
        return {"input_ids": ids, "attention_mask": mask}

    dynamic = {0: Dim("batch", min=2, max=50), 1 + len(choices): Dim("length", min=3, max=longest)}
    shapes = {"input_ids": dynamic, "attention_mask": dynamic}
    program = torch.export.export(model, (), batch(3, 6), dynamic_shapes=shapes, strict=False).module()
    for other in (batch(5, 9), batch(2, longest)):
        actual, expected = program(**other)[0], model(**other)[0]
        if case in MIXERS:  # aft_full numbers the places of pads in another way
            actual, expected = (logits[other["attention_mask"].bool()] for logits in (actual, expected))
        assert_close(actual, expected, **EXACT)


def test_an_exported_seq2seq_takes_any_batch_and_lengths():
    model = random_seq2seq()
    model.config.use_cache = False

    def batch(rows, source, target):
        ids, mask = torch.randint(4, 60, (rows, source)), torch.ones(rows, source, dtype=torch.long)
        mask[0, -2:] = 0
        return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": torch.randint(4, 60, (rows, target))}

    rows, source, target = Dim("batch", min=2, max=50), Dim("source", min=3, max=20), Dim("target", min=3, max=20)
    shapes = {name: {0: rows, 1: source} for name in ("input_ids", "attention_mask")}
    shapes["decoder_input_ids"] = {0: rows, 1: target}
    program = torch.export.export(model, (), batch(3, 6, 5), dynamic_shapes=shapes, strict=False).module()
    other = batch(5, 9, 4)
    assert_close(program(**other)[0], model(**other)[0], **EXACT)


# A compiled step serves batches with pads and without.


def count_compilations(build):
    """How often the step of `generate` was compiled after each of four batches, of which two have pads."""
    compilations, counts = [], []

    def backend(graph, example_inputs):
        compilations.append(graph)
        return graph

    model = build()
    config = CompileConfig(fullgraph=True, backend=backend, mode=None)
    config._compile_all_devices = True
    torch._dynamo.reset()
    for pads in (0, 2, 0, 1):
        ids = torch.randint(4, 60, (2, 6))
        mask = torch.ones_like(ids)
        mask[0, :pads] = 0
        if model.config.is_encoder_decoder:
            mask = mask.flip(1)
        how = {"attention_mask": mask, "max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
        written = model.generate(ids, cache_implementation="static", compile_config=config, **how)
        assert torch.equal(written, model.generate(ids, **how))
        counts.append(len(compilations))
    return counts


@pytest.mark.parametrize("build", [random_gpt, random_seq2seq], ids=["gpt", "seq2seq"])
def test_generate_does_not_compile_again_when_pads_come_and_go(build):
    assert count_compilations(build) == [1, 1, 1, 1]


@pytest.mark.parametrize("token_mixer", ["aft_simple", "linear"])
def test_a_mixer_does_not_compile_again_when_pads_come_and_go(token_mixer):
    model, compilations = random_gpt(token_mixer=token_mixer), []

    def backend(graph, example_inputs):
        compilations.append(graph)
        return graph

    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    for pads in (0, 2, 0):
        ids, mask = random_ids(), torch.ones(3, 7, dtype=torch.long)
        mask[0, :pads] = 0
        call = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
        assert_close(compiled(**call).logits, model(**call).logits, **EXACT)
    assert len(compilations) == 1


# Caches that were forked, cropped or selected.


def fork(cache):
    forked = copy.copy(cache)
    forked.layers = [copy.copy(layer) for layer in cache.layers]
    return forked


def tensors_of(cache):
    return [tensor.clone() for layer in cache.layers for tensor in (layer.keys, layer.values)]


@pytest.mark.parametrize("token_mixer", ["attention", "aft_full", "aft_simple", "linear"])
@pytest.mark.parametrize("forked", [fork, copy.deepcopy], ids=["copy", "deep copy"])
@torch.no_grad()
def test_a_fork_and_its_origin_do_not_see_each_others_tokens(token_mixer, forked):
    model = random_gpt(token_mixer=token_mixer)
    texts = random_ids(2, 12)
    prompt, first, second, beams = texts[:, :6], texts[:, 6:9], texts[:, 9:], torch.tensor([1, 0])
    cache = model(prompt[:, :5], use_cache=True).past_key_values
    model(prompt[:, 5:], past_key_values=cache)
    cache.reorder_cache(beams)  # leaves a spare buffer, which the next order takes
    other = forked(cache)
    prompt = prompt[beams]
    model(first, past_key_values=cache)
    before = tensors_of(cache)
    written = model(second, past_key_values=other).logits
    other.reorder_cache(beams)
    other.reorder_cache(beams)
    assert all(map(torch.equal, before, tensors_of(cache)))
    before = tensors_of(other)
    cache.reorder_cache(beams)
    cache.reorder_cache(beams)
    assert all(map(torch.equal, before, tensors_of(other)))
    assert_close(written, model(torch.cat([prompt, second], dim=1), use_cache=False).logits[:, 6:], **EXACT)


@pytest.mark.parametrize("cropped", ["crop", "by hand"])
@torch.no_grad()
def test_tokens_behind_a_crop_stay_for_those_who_hold_them(cropped):
    cache = growing_cache(random_gpt().config)
    new = torch.randn(2, 4, 6, 6)
    for index in range(3):
        cache.update(new, new, index)
    held = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    before = tensors_of(cache)
    if cropped == "crop":
        cache.crop(-2)
    else:
        for layer in cache.layers:
            layer.keys, layer.values = layer.keys[:, :, :4], layer.values[:, :, :4]
    for index in range(3):
        keys, _ = cache.update(new[:, :, :1] + 1, new[:, :, :1], index)
    assert torch.equal(keys, torch.cat([new[:, :, :4], new[:, :, :1] + 1], dim=2))
    assert all(map(torch.equal, before, held))


@pytest.mark.parametrize(
    "kept", [lambda keys: keys, lambda keys: keys[0, 1], lambda keys: torch.from_numpy(keys.numpy())]
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_keys_that_were_kept_stay_when_beams_move(mode, kept):
    model, beams = random_gpt(), torch.tensor([1, 2, 0])
    with mode():
        cache = model(random_ids(3), use_cache=True).past_key_values
        views, copies = [], []
        for _ in range(4):
            model(random_ids(3, 1), past_key_values=cache)
            views += [kept(tensor) for layer in cache.layers for tensor in (layer.keys, layer.values)]
            copies += [view.clone() for view in views[len(copies) :]]
            cache.reorder_cache(beams)
        assert all(map(torch.equal, views, copies))


@torch.no_grad()
def test_buffers_are_used_again_when_beams_move():
    cache, beams = random_gpt()(random_ids(2), use_cache=True).past_key_values, torch.tensor([1, 0])
    rooms = []
    for _ in range(4):
        cache.update(torch.randn(2, 4, 1, 6), torch.randn(2, 4, 1, 6), 0)
        rooms.append(cache.layers[0].keys.data_ptr())
        cache.layers[0].reorder_cache(beams)
    assert rooms[2:] == rooms[:2]


@pytest.mark.parametrize("rows", [torch.tensor([4, 0]), torch.tensor([True, False, False, False, True, False])])
@pytest.mark.parametrize("build", [random_gpt, random_seq2seq], ids=["gpt", "seq2seq"])
@torch.no_grad()
def test_rows_of_the_cache_of_a_beam_search_can_be_selected(build, rows):
    model = build()
    ids = torch.randint(4, 60, (2, 5))
    how = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 4, "min_new_tokens": 4}
    written = model.generate(ids, return_dict_in_generate=True, do_sample=False, **how)
    cache = written["cache" if CACHE_NAME in written else "past_key_values"]
    chosen = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
    if build is random_seq2seq:  # the beams of a sentence share the keys of its source
        target, source = (
            DynamicCache([(layer.keys[places], layer.values[places]) for layer in part.layers])
            for part, places in ((cache.self_attention_cache, chosen), (cache.cross_attention_cache, chosen // 3))
        )
        whole = EncoderDecoderCache(target, source)
    else:
        whole = DynamicCache([(layer.keys[chosen], layer.values[chosen]) for layer in cache.layers])
    cache.batch_select_indices(rows)
    call = {"decoder_input_ids" if build is random_seq2seq else "input_ids": torch.randint(4, 60, (2, 1))}
    if build is random_seq2seq:
        encoded = model.miniseq2seq.encoder(ids).last_hidden_state.repeat_interleave(3, dim=0)
        call["encoder_outputs"] = (encoded[chosen],)
    expected = model(**call, past_key_values=whole).logits
    assert_close(model(**call, past_key_values=cache).logits, expected, **EXACT)


# Drafts that a model cannot take back.


DRAFTS = {
    "assistant": {"assistant_model": ...},
    "prompt lookup": {"prompt_lookup_num_tokens": 2},
    "early exit": {"assistant_early_exit": 1},
}


def refuse_before_work(model, *others, **how):
    calls = []
    for each in (model, *others):
        each.register_forward_pre_hook(lambda *call: calls.append(call))
    with pytest.raises(ValueError, match="running state .*assistant_model, prompt_lookup_num_tokens"):
        model.generate(torch.tensor([[5, 6, 7, 5, 6, 7, 5]]), max_new_tokens=6, do_sample=False, **how)
    assert not calls


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("token_mixer", ["aft_simple", "linear"])
def test_drafts_for_a_running_state_are_refused_before_work_begins(token_mixer, draft):
    model, assistant = random_gpt(token_mixer=token_mixer), random_gpt()
    how = {name: assistant if value is ... else value for name, value in DRAFTS[draft].items()}
    refuse_before_work(model, assistant, **how)


@pytest.mark.parametrize("token_mixer", ["aft_simple", "linear"])
def test_an_assistant_with_a_running_state_is_refused_before_work_begins(token_mixer):
    assistant = random_gpt(token_mixer=token_mixer)
    refuse_before_work(random_gpt(), assistant, assistant_model=assistant)
    sizes = {"n_embd": 24, "n_head": 4, "n_layer": 1, "n_positions": 23, "bos_token_id": 0, "eos_token_id": 0}
    stock = GPT2LMHeadModel(GPT2Config(vocab_size=V, **sizes)).double()
    refuse_before_work(stock, assistant, assistant_model=assistant)


@pytest.mark.parametrize("draft", ["assistant", "prompt lookup"])
@pytest.mark.parametrize("token_mixer", ["attention", "aft_full"])
def test_drafts_change_no_token_of_a_model_with_keys(token_mixer, draft):
    model, assistant = random_gpt(token_mixer=token_mixer), random_gpt()
    how = {name: assistant if value is ... else value for name, value in DRAFTS[draft].items()}
    prompt = torch.tensor([[5, 6, 7, 5, 6, 7, 5]])
    plain = {"max_new_tokens": 8, "do_sample": False}
    assert torch.equal(model.generate(prompt, **plain), model.generate(prompt, **plain, **how))


# The vocabulary of the target.


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("tokens", [90, 70])
def test_a_target_vocabulary_is_resized_with_its_head(tokens, tied):
    model = random_seq2seq(decoder_vocab_size=83, tie_word_embeddings=tied, output_bias=True)
    source, before = model.get_input_embeddings(), model.miniseq2seq.get_decoder_input_embeddings().weight.clone()
    call = {"input_ids": torch.randint(4, 60, (2, 5)), "decoder_input_ids": torch.randint(4, 60, (2, 3))}
    logits = model(**call).logits
    embeddings = model.resize_decoder_token_embeddings(tokens)
    kept = min(tokens, 83)
    assert embeddings is model.miniseq2seq.get_decoder_input_embeddings() and embeddings.num_embeddings == tokens
    assert torch.equal(embeddings.weight[:kept], before[:kept]) and model.get_input_embeddings() is source
    assert model.config.target_vocab_size == tokens and (model.lm_head.weight is embeddings.weight) == tied
    resized = model(**call).logits
    assert resized.shape[-1] == tokens
    assert_close(resized[..., :kept], logits[..., :kept], **EXACT)


def test_a_shared_vocabulary_has_no_part_for_the_decoder():
    model = random_seq2seq()
    for part in (model, model.miniseq2seq):
        with pytest.raises(ValueError, match="use resize_token_embeddings"):
            part.resize_decoder_token_embeddings(90)

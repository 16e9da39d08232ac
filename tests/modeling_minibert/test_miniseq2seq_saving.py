"""A saved MiniSeq2Seq is complete: it opens in a fresh process without the package, and writes the same."""

import pytest
import torch
from helpers.compare import assert_same_buffers, assert_same_outputs, assert_same_weights, weights_and_buffers
from helpers.processes import WITHOUT_PACKAGE, run_fresh
from helpers.seq2seq import VARIANTS, random_seq2seq, source_batch, target_ids
from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from modeling_minibert import MiniSeq2SeqForConditionalGeneration, MiniSeq2SeqModel
from modeling_minibert.configuration_miniseq2seq import AUTO_MAP


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_model_reloads_bit_equal_with_its_waves(variant, tmp_path):
    model = random_seq2seq(dtype=torch.float32, **VARIANTS[variant])
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert type(loaded) is MiniSeq2SeqForConditionalGeneration
    assert_same_weights(loaded, model)
    assert_same_buffers(loaded, model)
    batch = source_batch()
    assert torch.equal(*(m.generate(**batch, num_beams=3, max_length=9) for m in (model, loaded)))
    assert loaded.config.to_dict() == model.config.to_dict() | {"_name_or_path": str(tmp_path)}


@pytest.mark.parametrize(("fields", "tables"), [({}, 1), ({"decoder_vocab_size": 83}, 2),
                                                ({"tie_word_embeddings": False}, 3)])  # fmt: skip
def test_tied_weights_are_saved_once_and_tied_after_loading(fields, tables, tmp_path):
    """One table for source, target and output; one for each vocabulary; or three."""
    random_seq2seq(dtype=torch.float32, **fields).save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        large = [name for name in file.keys() if file.get_tensor(name).shape[0] in (101, 83)]
    assert len(large) == tables
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    stacks = (model.get_encoder(), model.get_decoder())
    words = [stack.embeddings.word_embeddings.weight for stack in stacks]
    assert (words[0] is words[1]) == (tables == 1)
    assert (words[1] is model.lm_head.weight) == (tables < 3)
    assert model.get_input_embeddings().weight is words[0]


def test_a_shared_vocabulary_grows_on_both_sides():
    model = random_seq2seq(dtype=torch.float32)
    model.resize_token_embeddings(110)
    assert model.config.vocab_size == model.config.target_vocab_size == 110
    words = model.get_input_embeddings().weight
    assert words is model.lm_head.weight and words is model.get_decoder().embeddings.word_embeddings.weight
    assert model(torch.full((1, 4), 109), labels=torch.full((1, 3), 109)).logits.shape == (1, 3, 110)


@pytest.mark.slow
def test_a_saved_folder_opens_without_the_package(tmp_path):
    model = random_seq2seq(dtype=torch.float32, preset="t5")
    folder = tmp_path / "saved"
    model.save_pretrained(folder)
    assert AutoConfig.from_pretrained(folder).auto_map == AUTO_MAP
    batch = source_batch() | {"decoder_input_ids": target_ids(), "use_cache": False}
    torch.save(batch, folder / "batch.pt")
    module, state, outputs = run_fresh(folder, "AutoModelForSeq2SeqLM", WITHOUT_PACKAGE, tmp_path)
    assert module.startswith("transformers_modules")
    assert_same_weights(state, weights_and_buffers(model))
    assert_same_outputs(outputs[0], model(**batch).logits)
    bare = AutoModel.from_pretrained(folder)
    assert type(bare) is MiniSeq2SeqModel
    memory = model(**batch).encoder_last_hidden_state
    assert_same_outputs(bare(**batch).encoder_last_hidden_state, memory)


def test_a_fresh_model_begins_at_a_steady_scale():
    """Xavier weights, 1/√E embeddings, the padding row zero; T5's queries make up for scores without scaling."""
    for preset in ("vanilla", "t5"):
        torch.manual_seed(0)
        model = MiniSeq2SeqForConditionalGeneration(
            random_seq2seq(preset=preset, vocab_size=3001, hidden_size=128, intermediate_size=512).config
        )
        layer = model.get_decoder().layers[0]
        expected = (2 / 256) ** 0.5
        assert layer.attention.key.weight.std().item() == pytest.approx(expected, rel=0.05)
        unscaled = preset == "t5"
        gain = 32**-0.5 if unscaled else 1.0
        assert layer.attention.query.weight.std().item() == pytest.approx(expected * gain, rel=0.05)
        words = model.get_input_embeddings().weight
        assert words[1:].std().item() == pytest.approx(1.0 if unscaled else 128**-0.5, rel=0.05)
        assert unscaled or not words[0].any()  # T5 begins its targets with the padding token, which is learned
        batch = source_batch()
        logits = model.eval()(**batch, decoder_input_ids=target_ids()).logits
        assert 0.3 < logits.std().item() < 3.0

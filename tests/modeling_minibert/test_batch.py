"""Results of a call are kept only where they were asked for, in every stack of layers."""

import gc
import weakref

import pytest
import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from modeling_minibert import (
    MiniBertConfig,
    MiniBertModel,
    MiniGPTConfig,
    MiniGPTModel,
    MiniSeq2SeqConfig,
    MiniSeq2SeqModel,
)

SIZES = {"vocab_size": 29, "hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 20}
IDS = torch.arange(5, 26).reshape(3, 7)


def small_models():
    layers = {"num_hidden_layers": 4, **SIZES}
    seq2seq = MiniSeq2SeqConfig(num_encoder_layers=4, num_decoder_layers=4, **SIZES)
    return {
        "encoder": (MiniBertModel(MiniBertConfig(**layers)), {"input_ids": IDS}),
        "decoder": (MiniGPTModel(MiniGPTConfig(**layers)), {"input_ids": IDS}),
        "encoder-decoder": (MiniSeq2SeqModel(seq2seq), {"input_ids": IDS, "decoder_input_ids": IDS}),
    }


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", ["encoder", "decoder", "encoder-decoder"])
def test_hidden_states_live_on_only_where_they_were_asked_for(name, asked, implementation):
    model, batch = small_models()[name]
    model.set_attn_implementation(implementation)
    alive, outputs_of_layers = [], []

    def count(layer, inputs, output):
        gc.collect()
        alive.append(sum(reference() is not None for reference in outputs_of_layers))
        outputs_of_layers.append(weakref.ref(output[0]))

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.register_forward_hook(count)
    if name != "encoder":
        batch["use_cache"] = False
    with torch.no_grad():
        outputs = model.eval()(**batch, output_hidden_states=asked)
    kept = outputs.get("hidden_states") or outputs.get("decoder_hidden_states")
    assert (kept is not None) == asked
    if asked:
        assert len(kept) == 5
        if implementation != "packed":  # which keeps the padded form, another tensor
            assert max(alive) >= 3
    else:
        # At most the input of the layer that has just been computed, and the source of a decoder.
        assert max(alive) <= 2

"""MiniSeq2Seq under `torch.compile`, and in the static cache that a compiled `generate` needs.

The yardstick of a compiled training step is the one that is not compiled, that of the static cache the dynamic one.
"""

import pytest
import torch
import torch._dynamo.testing
from helpers.seq2seq import VARIANTS, random_seq2seq, source_batch
from torch.testing import assert_close
from transformers import CompileConfig, StaticCache

ONE_LAYER = {"num_encoder_layers": 1, "num_decoder_layers": 1}


def pairs_of_lengths(source_lengths, target_lengths):
    """A padded batch with labels."""
    ends = torch.tensor(target_lengths)[:, None]
    labels = torch.randint(3, 83, (len(ends), int(ends.max())))
    return source_batch(source_lengths) | {"labels": labels.where(torch.arange(labels.shape[1]) < ends, -100)}


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "implementation"), [("vanilla", "packed"), ("t5", "sdpa")])
def test_training_compiles_without_a_graph_break_and_not_again_for_each_batch(variant, implementation):
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    fields = {**VARIANTS[variant], **ONE_LAYER, "attn_implementation": implementation}
    model = random_seq2seq(dtype=torch.float32, **fields).train()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    for source_lengths, target_lengths in (
        ((5, 9, 3), (4, 7, 1)),
        ((7, 2, 8, 6), (3, 3, 5, 9)),
        ((4, 4), (6, 6)),
        ((3, 9, 9, 1), (2, 8, 5, 5)),
    ):
        batch, gradients = pairs_of_lengths(source_lengths, target_lengths), []
        losses = [model(**batch).loss, compiled(**batch).loss]
        for loss in losses:
            model.zero_grad()
            loss.backward()
            gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        assert_close(losses[1], losses[0], rtol=0, atol=1e-5)
        for gradient, expected in zip(*reversed(gradients), strict=True):
            assert_close(gradient, expected, rtol=0, atol=1e-5)
    assert counter.frame_count <= 3  # static, then dynamic sizes


@pytest.mark.parametrize("options", [{}, {"num_beams": 4, "num_return_sequences": 2}], ids=["greedy", "beams"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_in_a_static_cache_the_same_is_written(variant, options):
    """Batch after batch of other sizes; with a beginning of the target given, too."""
    model = random_seq2seq(**VARIANTS[variant])
    with torch.no_grad():  # the end of a text in reach
        model.lm_head.weight[model.config.eos_token_id] *= 2.0
    start = torch.full((3, 1), model.config.decoder_start_token_id)
    beginning = {"decoder_input_ids": torch.cat([start, torch.randint(3, 83, (3, 2))], dim=1)}
    for batch in (source_batch(), source_batch((5, 3, 7, 4)), source_batch((9, 2, 6)) | beginning):
        expected = model.generate(**batch, **options, max_length=12)
        written = model.generate(
            **batch, **options, max_length=12, cache_implementation="static", return_dict_in_generate=True
        )
        assert torch.equal(written.sequences, expected)
        assert isinstance(written.past_key_values.self_attention_cache, StaticCache)


@pytest.mark.slow
def test_generate_compiles_its_step_for_a_static_cache():
    """As `generate` does by itself on a GPU; greedily, for transformers compiles no beam search."""
    torch._dynamo.reset()
    model, batch = random_seq2seq(**ONE_LAYER), source_batch()
    expected = model.generate(**batch, max_length=12)
    compile_config = CompileConfig(fullgraph=True, backend="aot_eager", mode=None)
    compile_config._compile_all_devices = True
    torch._dynamo.utils.counters.clear()
    written = model.generate(**batch, max_length=12, cache_implementation="static", compile_config=compile_config)
    assert torch.equal(written, expected)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

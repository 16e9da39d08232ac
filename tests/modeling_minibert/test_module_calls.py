"""Weights are used through the modules that own them: hooks, pruning, parametrizations and offloading take effect."""

import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune as prune
from helpers.families import FAMILIES, MAKERS, batch_of, build_family, logits_of
from helpers.minibert import random_model
from helpers.minigpt import random_gpt
from helpers.seq2seq import random_seq2seq
from torch.nn.utils import parametrizations
from torch.testing import assert_close
from transformers.integrations.neftune import neftune_post_forward_hook

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
    MiniGPTModel,
    MiniSeq2SeqForConditionalGeneration,
)

EXACT = {"rtol": 1e-10, "atol": 1e-10}  # one computation in float64, summed in two orders


def labelled(model):
    inputs, labels, targets = batch_of(model)
    return inputs | {"labels": labels, "num_items_in_batch": (targets != -100).sum()}


def both_losses(model):
    """While training, as `Trainer` asks for it, and in evaluation, where the logits are computed."""
    return [model.train(mode)(**labelled(model)).loss for mode in (True, False)]


def loss_of_the_logits(model):
    _, _, targets = batch_of(model)
    return F.cross_entropy(logits_of(model.eval()(**labelled(model))).flatten(0, 1), targets.flatten())


# The vocabulary's decoder


def soften(module, inputs, output):
    return 3.0 * torch.tanh(output / 3.0)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", MAKERS)
def test_hooks_on_the_decoder_count_while_training(family, tied):
    model = build_family(family, tie_word_embeddings=tied)
    before, _ = both_losses(model)
    decoder = model.get_output_embeddings()
    handles = [
        decoder.register_forward_hook(soften),
        decoder.register_forward_pre_hook(lambda module, inputs: (1.5 * inputs[0],)),
    ]
    training, evaluation = both_losses(model)
    assert_close(training, evaluation, **EXACT)
    assert_close(training, loss_of_the_logits(model), **EXACT)
    assert abs(training - before) > 1e-4
    for handle in handles:
        handle.remove()
    assert_close(both_losses(model)[0], before, **EXACT)


@pytest.mark.parametrize("place", ["dense", "norm", "decoder", ""])
def test_hooks_within_the_masked_language_head_see_whole_batches(place):
    model, seen = build_family("encoder").train(), []
    model.mlm_head.get_submodule(place).register_forward_hook(lambda module, inputs, out: seen.append(out.shape[:-1]))
    loss = model(**labelled(model)).loss
    assert seen == [(3, 7)]
    assert_close(loss, loss_of_the_logits(model), **EXACT)


@pytest.mark.parametrize("family", MAKERS)
def test_backward_hooks_on_the_decoder_fire(family):
    model, seen = build_family(family).train(), []
    model.get_output_embeddings().register_full_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0]))
    model(**labelled(model)).loss.backward()
    assert len(seen) == 1 and seen[0].abs().sum() > 0


CHANGES = {
    "prune": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
    "old weight norm": torch.nn.utils.weight_norm,
    "weight norm": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.filterwarnings("ignore:.torch.nn.utils.weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("family", MAKERS)
def test_a_changed_decoder_trains_for_several_steps(family, change):
    model = build_family(family, tie_word_embeddings=False)
    decoder = model.get_output_embeddings()
    CHANGES[change](decoder)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        training, evaluation = both_losses(model)
        assert_close(training, evaluation, **EXACT)
        training.backward()
        assert all(p.grad.abs().sum() > 0 for n, p in decoder.named_parameters() if "weight" in n)
        optimizer.step()
        losses.append(training.item())
    assert losses[2] < losses[0]
    if change == "prune":
        assert (decoder.weight == 0).float().mean() == pytest.approx(0.5, abs=0.001)


TABLES = {
    "token types": (lambda: random_model(MiniBertForMaskedLM), "token_type_embeddings"),
    "words": (lambda: random_gpt(tie_word_embeddings=False), "word_embeddings"),
    "positions": (random_gpt, "position_embeddings"),
    "position biases": (lambda: random_gpt(token_mixer="aft_full"), "position_bias"),
    "relative scores": (lambda: random_seq2seq(preset="t5"), "scores"),
}


@pytest.mark.parametrize("table", TABLES)
def test_hooks_and_pruning_of_every_embedding_table_count(table):
    make, name = TABLES[table]
    model = make().double().eval()
    inputs, labels, _ = batch_of(model)
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = labels.clamp(min=0)
    owners = [module for path, module in model.named_modules() if path.endswith(name)]
    handles = [owner.register_forward_hook(lambda module, inputs, output: 0 * output) for owner in owners]
    hooked = model(**inputs).logits
    for handle in handles:
        handle.remove()
    plain = model(**inputs).logits
    for owner in owners:
        prune.l1_unstructured(owner, "weight", amount=1.0)
    assert_close(model(**inputs).logits, hooked, **EXACT)
    assert (hooked - plain).abs().max() > 0.01


# Weights that are elsewhere

OFFLOADED = {
    **{head.__name__: (random_model, head, {}) for head in (
        MiniBertModel, MiniBertForPreTraining, MiniBertForMaskedLM, MiniBertForNextSentencePrediction,
        MiniBertForSequenceClassification, MiniBertForTokenClassification, MiniBertForQuestionAnswering,
        MiniBertForMultipleChoice,
    )},
    **{head.__name__: (random_gpt, head, {}) for head in (
        MiniGPTModel, MiniGPTForCausalLM, MiniGPTForSequenceClassification, MiniGPTForTokenClassification,
        MiniGPTForMultipleChoice,
    )},
    "MiniSeq2Seq": (random_seq2seq, MiniSeq2SeqForConditionalGeneration, {}),
    "relative": (random_seq2seq, MiniSeq2SeqForConditionalGeneration, {"preset": "t5"}),
    "aft_full": (random_gpt, MiniGPTForCausalLM, {"token_mixer": "aft_full"}),
    "linear": (random_gpt, MiniGPTForCausalLM, {"token_mixer": "linear"}),
    "attention pooling": (random_model, MiniBertForSequenceClassification, {"classifier_pooling": "attention"}),
}  # fmt: skip


def offload_inputs(model):
    ids = torch.randint(5, 83, (3, 2, 7) if "MultipleChoice" in type(model).__name__ else (3, 7))
    return {"input_ids": ids} | ({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})


@pytest.mark.parametrize("kind", OFFLOADED)
def test_weights_on_disk_give_the_same_outputs(kind, tmp_path):
    make, head, fields = OFFLOADED[kind]
    model = make(head, **fields).float().eval()
    inputs = offload_inputs(model)
    model.save_pretrained(tmp_path / "saved")
    twin = head.from_pretrained(tmp_path / "saved", device_map={"": "disk"}, offload_folder=tmp_path / "spilled").eval()
    assert all(parameter.is_meta for parameter in twin.parameters()), "premise: nothing stays in memory"
    assert_close(twin(**inputs)[0], model(**inputs)[0], rtol=1e-5, atol=1e-5)  # float32


@pytest.mark.parametrize("family", MAKERS)
def test_the_loss_with_weights_off_the_device_is_the_same(family):
    from accelerate import cpu_offload

    model = build_family(family).train()
    batch = labelled(model)
    expected = model(**batch).loss
    assert_close(cpu_offload(model, torch.device("cpu"))(**batch).loss, expected, **EXACT)


@pytest.fixture
def mesh(tmp_path):
    """A group of this process alone."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view tensor:UserWarning")  # also of stock BERT
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", MAKERS)
def test_fsdp2_as_accelerate_wraps_gives_the_same_gradients(family, tied, mesh):
    from torch.distributed.fsdp import fully_shard

    def train(model):
        loss = model(**labelled(model)).loss
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        grads = [grad.full_tensor() if hasattr(grad, "full_tensor") else grad for grad in grads]
        return torch.stack([loss.detach(), sum((grad**2).sum() for grad in grads)])

    model = build_family(family, tie_word_embeddings=tied).train()
    expected = train(model)
    model.zero_grad()
    for module in list(model.modules())[:0:-1]:
        if type(module).__name__ in model._no_split_modules:
            fully_shard(module, mesh=mesh)
    # accelerate joins the first and the last; of an encoder-decoder with one vocabulary, as of stock ones, torch wants
    # the decoder's table there too.
    words = model.get_input_embeddings()
    joined = [module for module in model.modules() if getattr(module, "weight", None) is words.weight]
    assert len(joined) == (1 if not tied else 3 if family == "encoder-decoder" else 2)
    fully_shard(joined, mesh=mesh, reshard_after_forward=False)
    fully_shard(model, mesh=mesh)
    assert_close(train(model), expected, **EXACT)


# Words


def test_word_dropout_changes_ids_before_the_embeddings_are_called():
    model = random_model(MiniBertForMaskedLM, word_dropout_prob=0.5, mask_token_id=4, hidden_dropout_prob=0.0,
                         attention_probs_dropout_prob=0.0).double()  # fmt: skip
    ids, seen = torch.randint(5, 83, (3, 7)), []
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    dropped = model.train()(ids).logits
    assert set(seen[0][seen[0] != ids].tolist()) == {4} and (seen[0] == ids).any()
    assert_close(dropped, model.eval()(seen[0]).logits, **EXACT)
    assert torch.equal(seen[1], seen[0])  # nothing is dropped in evaluation


def test_word_dropout_of_given_vectors_uses_the_embedding_module():
    model = random_model(MiniBertForMaskedLM, word_dropout_prob=0.5, mask_token_id=4, hidden_dropout_prob=0.0,
                         attention_probs_dropout_prob=0.0).double()  # fmt: skip
    words = model.get_input_embeddings()
    words.register_forward_hook(lambda module, inputs, output: 2 * output)
    ids = torch.randint(5, 83, (3, 7))
    vectors = words(ids)
    torch.manual_seed(3)
    from_vectors = model.train()(inputs_embeds=vectors).logits
    torch.manual_seed(3)
    assert_close(from_vectors, model(ids).logits, **EXACT)


def flat(inputs, labels):
    """The same texts in one row (1, T), with where each begins."""
    real = inputs["attention_mask"].bool()
    lengths = real.sum(dim=1)
    ends = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int()
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    return {
        "input_ids": inputs["input_ids"][real][None], "position_ids": positions, "labels": labels[real][None],
        "cu_seq_lens_q": ends, "max_length_q": int(lengths.max()),
    }  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_noise_of_neftune_is_that_of_padded_batches(family):
    def loss(implementation, came_packed=False):
        model = build_family(family, implementation).train()
        words = model.get_input_embeddings()
        words.neftune_noise_alpha = 20.0
        words.register_forward_hook(neftune_post_forward_hook)
        inputs, labels, _ = batch_of(model)
        batch = flat(inputs, labels) if came_packed else inputs | {"labels": labels}
        torch.manual_seed(4)
        noisy = model(**batch).loss
        words.neftune_noise_alpha = 0.0
        return noisy, model(**batch).loss

    expected, without = loss("sdpa")
    assert abs(expected - without) > 1e-4
    for implementation in ("eager", "packed"):
        assert_close(loss(implementation)[0], expected, **EXACT)
        if family != "encoder-decoder":
            assert_close(loss(implementation, came_packed=True)[0], expected, **EXACT)

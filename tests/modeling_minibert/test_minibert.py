"""MiniBert keeps its promises: padding, shapes, attentions, pooling, tying, checkpointing, clear errors."""

import pytest
import torch
from helpers.checkpointing import enable_checkpointing
from helpers.compare import assert_same_outputs
from helpers.minibert import CLASSES, HEADS, LAYERS, VARIANTS, B, E, H, L, V, random_batch, random_model, small_config
from torch.testing import assert_close

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForPreTraining,
    MiniBertForSequenceClassification,
    MiniBertModel,
)
from modeling_minibert.configuration_minibert import PRESETS


def first_output(outputs):
    return next(value for name, value in outputs.items() if name != "loss")


@pytest.mark.lecture("S1-29", "S2-39", "S4-23", "S4-08", "S5-72")
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_extra_padding_never_changes_a_logit(variant, implementation):
    model = random_model(attn_implementation=implementation, **VARIANTS[variant]).double()
    batch = random_batch()
    padded = {name: torch.nn.functional.pad(tensor, (0, 9)) for name, tensor in batch.items()}
    with torch.no_grad():
        alone, with_padding = model(**batch).logits, model(**padded).logits
        # The premise: pads that are not masked do change the logits.
        unmasked = model(padded["input_ids"], token_type_ids=padded["token_type_ids"]).logits
    assert_close(with_padding, alone, rtol=0, atol=1e-10)
    if VARIANTS[variant].get("classifier_pooling") != "max":
        assert (unmasked - alone).abs().max() > 1e-4


@pytest.mark.lecture("S1-29")
def test_what_stands_in_the_padding_does_not_matter():
    model, batch = random_model(), random_batch()
    batch["attention_mask"][:, 4:] = 0
    other = {**batch, "input_ids": batch["input_ids"].clone()}
    other["input_ids"][:, 4:] = torch.randint(V, (B, L - 4))
    assert_close(model(**batch).logits, model(**other).logits, rtol=0, atol=1e-6)


@pytest.mark.lecture("S3-36")
@pytest.mark.parametrize("model_class", HEADS)
def test_a_batch_gives_what_its_rows_give_alone(model_class):
    model = random_model(model_class).double()
    batch = random_batch()
    lengths = [7, 4, 2]
    for row, length in enumerate(lengths):
        batch["attention_mask"][row, length:] = 0
    together = first_output(model(**batch))
    for row, length in enumerate(lengths):
        alone = first_output(model(**{name: tensor[row : row + 1, :length] for name, tensor in batch.items()}))
        expected = together[row : row + 1]
        assert_close(alone, expected[:, :length] if expected.shape[1] == L else expected, rtol=0, atol=1e-10)


@pytest.mark.lecture("S4-03")
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("training", [False, True])
def test_attentions_are_returned_under_every_implementation(implementation, training):
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = random_model(attn_implementation=implementation, **dropouts).train(training)
    batch = random_batch()
    batch["attention_mask"][0, 5:] = 0
    outputs = model(**batch, output_attentions=True)
    assert len(outputs.attentions) == LAYERS
    for weights in outputs.attentions:
        assert weights.shape == (B, H, L, L)
        assert_close(weights.sum(-1), torch.ones(B, H, L), rtol=0, atol=1e-5)
        assert (weights[0, :, :, 5:] == 0).all()
    assert_close(outputs.logits, model(**batch).logits, rtol=0, atol=1e-5)
    assert model(**batch).attentions is None


def test_attentions_can_be_asked_for_in_the_config():
    model = random_model(attn_implementation="sdpa")
    model.config.output_attentions = True
    assert len(model(**random_batch()).attentions) == LAYERS


@pytest.mark.lecture("S2-06")
def test_hidden_states_begin_with_the_embeddings_and_end_with_the_output():
    model, batch = random_model(MiniBertModel, norm_position="pre"), random_batch()
    outputs = model(**batch, output_hidden_states=True)
    assert len(outputs.hidden_states) == LAYERS + 1
    assert outputs.pooler_output.shape == (B, E)
    embedded = model.embeddings(batch["input_ids"], batch["token_type_ids"])
    assert_same_outputs(outputs.hidden_states[0], embedded)
    assert torch.equal(outputs.hidden_states[-1], outputs.last_hidden_state)
    plain = MiniBertModel(small_config(), add_pooling_layer=False)(**batch)
    assert plain.pooler_output is None


def test_return_dict_false_gives_a_tuple():
    model, batch = random_model(), random_batch()
    outputs = model(**batch, labels=torch.tensor([0, 4, 2]), return_dict=False)
    assert isinstance(outputs, tuple) and outputs[0].dim() == 0 and outputs[1].shape == (B, CLASSES)


@pytest.mark.lecture("S3-18")
def test_a_later_token_changes_an_earlier_state():
    model, batch = random_model(MiniBertModel), random_batch()
    before = model(**batch).last_hidden_state
    batch["input_ids"][:, -1] = (batch["input_ids"][:, -1] + 1) % V
    assert (model(**batch).last_hidden_state[:, 0] - before[:, 0]).abs().max() > 1e-4


@pytest.mark.lecture("S3-18", "S2-39")
def test_the_segment_of_a_token_matters():
    model, batch = random_model(MiniBertModel), random_batch()
    before = model(**batch).last_hidden_state
    batch["token_type_ids"] = 1 - batch["token_type_ids"]
    assert (model(**batch).last_hidden_state - before).abs().max() > 1e-3


@pytest.mark.lecture("S3-15")
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "none"])
def test_the_order_of_words_matters_only_with_positions(positions):
    options = {"position_embedding_type": positions, "classifier_pooling": "mean", "head_dim": 6}
    model = random_model(MiniBertModel, **options).double()
    ids = torch.randint(1, V, (B, L))
    difference = (model(ids).pooler_output - model(ids[:, torch.randperm(L)]).pooler_output).abs().max()
    assert difference < 1e-10 if positions == "none" else difference > 1e-3


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
def test_rotary_positions_count_distances_alone_under_every_attention(implementation):
    """The same texts after pads, between pads and at other positions give the same vectors; another base does not."""
    sizes = {"position_embedding_type": "rotary", "rotary_base": 50.0, "head_dim": 6}
    model = random_model(MiniBertModel, **sizes).double()
    model.set_attn_implementation(implementation)
    ids = torch.randint(1, V, (2, 5))
    expected = model(ids).last_hidden_state
    moved = model(ids, position_ids=torch.arange(40, 45)[None].expand(2, 5)).last_hidden_state
    assert_close(moved, expected, rtol=0, atol=5e-6)  # angles are float32
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 0, 0, 0]])
    padded = torch.zeros(2, 8, dtype=torch.long)
    padded[mask.bool()] = ids.flatten()
    found = model(padded, attention_mask=mask).last_hidden_state[mask.bool()].reshape(expected.shape)
    assert_close(found, expected, rtol=0, atol=5e-6)
    other = random_model(MiniBertModel, **sizes | {"rotary_base": 5.0}).double()
    other.load_state_dict(model.state_dict())
    assert (other(ids).last_hidden_state - expected).abs().max() > 1e-4
    with pytest.raises(ValueError, match="rotary positions turn pairs of features, but a head has 3; make it even"):
        MiniBertConfig(position_embedding_type="rotary", head_dim=3)


def test_word_vectors_can_be_given_instead_of_ids():
    model, batch = random_model(), random_batch()
    expected = model(**batch).logits
    vectors = model.get_input_embeddings()(batch.pop("input_ids"))
    assert_same_outputs(model(**batch, inputs_embeds=vectors).logits, expected)
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model(**batch)


@pytest.mark.lecture("S4-08", "S5-34", "S5-72")
def test_mean_and_max_pooling_equal_a_loop_over_the_real_tokens():
    batch = random_batch()
    lengths = [7, 4, 1]
    for row, length in enumerate(lengths):
        batch["attention_mask"][row, length:] = 0
    for pooling in ("mean", "max"):
        outputs = random_model(MiniBertModel, classifier_pooling=pooling)(**batch)
        for row, length in enumerate(lengths):
            real = outputs.last_hidden_state[row, :length]
            expected = real.mean(0) if pooling == "mean" else real.max(0).values
            assert_close(outputs.pooler_output[row], expected, rtol=0, atol=1e-6)


def test_attention_pooling_is_attention_with_one_learned_query_and_begins_as_the_mean():
    batch = random_batch()
    batch["attention_mask"][1, 4:] = 0
    model = MiniBertModel(small_config(classifier_pooling="attention")).eval()
    real = batch["attention_mask"][:, :, None]
    outputs = model(**batch)
    mean = (outputs.last_hidden_state * real).sum(1) / real.sum(1)
    assert_close(outputs.pooler_output, mean, rtol=0, atol=1e-6)

    torch.nn.init.normal_(model.pooler.query, std=0.3)
    outputs = model(**batch)
    states = outputs.last_hidden_state
    query = model.pooler.query.expand(B, 1, -1)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, states, states, attn_mask=batch["attention_mask"].bool()[:, None], scale=1.0
    )
    assert_close(outputs.pooler_output, expected[:, 0], rtol=0, atol=1e-6)
    assert (outputs.pooler_output - mean).abs().max() > 0.01


def test_attention_pooling_begins_as_the_mean_on_a_checkpoint_that_has_none(tmp_path):
    random_model(MiniBertForMaskedLM, classifier_pooling="attention").save_pretrained(tmp_path)
    model = MiniBertForSequenceClassification.from_pretrained(tmp_path)
    assert not model.minibert.pooler.query.any()


@pytest.mark.parametrize("model_class", [MiniBertForMaskedLM, MiniBertForPreTraining])
def test_the_decoder_is_the_word_embedding_matrix(model_class):
    model = model_class(small_config())
    assert model.mlm_head.decoder.weight is model.minibert.embeddings.word_embeddings.weight
    untied = model_class(small_config(tie_word_embeddings=False))
    assert untied.mlm_head.decoder.weight is not untied.minibert.embeddings.word_embeddings.weight


def test_the_vocabulary_can_grow():
    model = random_model(MiniBertForMaskedLM)
    ids = torch.randint(1, V, (B, L))
    before = model(ids).logits
    model.resize_token_embeddings(V + 8, mean_resizing=False)
    assert model.mlm_head.decoder.weight is model.minibert.embeddings.word_embeddings.weight
    after = model(torch.cat([ids, torch.full((B, 1), V + 7)], dim=1)[:, :L]).logits
    assert after.shape[-1] == V + 8
    assert_close(after[..., :V], before, rtol=0, atol=1e-6)
    model(torch.full((1, 2), V + 7))  # a new id is no longer out of range


@pytest.mark.parametrize("variant", ["bert", "pre-norm"])
def test_gradient_checkpointing_gives_the_same_gradients(variant):
    fields = {**VARIANTS[variant], "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = random_model(**fields).double().train()
    batch = {**random_batch(), "labels": torch.tensor([0, 4, 2])}
    model(**batch).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    enable_checkpointing(model)
    assert all(layer.gradient_checkpointing for layer in model.minibert.layers)
    model(**batch).loss.backward()
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, expected[name], rtol=0, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.lecture("S1-38")
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant):
    model = random_model(**VARIANTS[variant])
    batch = {**random_batch(), "labels": torch.tensor([0, 4, 2])}
    batch["input_ids"][0, 0] = 5
    model(**batch).loss.backward()
    # A key bias adds the same to all scores of a row, which softmax does not see: its gradient is only rounding.
    silent = [n for n, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert silent == []


def test_multiple_choice_scores_each_choice_by_itself():
    model = random_model(MiniBertForMultipleChoice).double()
    ids = torch.randint(1, V, (2, 3, L))
    logits = model(ids, labels=torch.tensor([2, 0])).logits
    assert logits.shape == (2, 3)
    alone = model(ids[1:, 2:]).logits
    assert_close(alone[0, 0], logits[1, 2], rtol=0, atol=1e-12)


@pytest.mark.lecture("S2-11", "S4-06", "S3-19", "S3-05")
@pytest.mark.parametrize(
    ("preset", "fields", "model_class", "parameters"),
    [
        ("imdb-tiny", {"num_labels": 1}, MiniBertForSequenceClassification, 1_578_881),  # the Keras lecture
        ("tiny", {}, MiniBertModel, 4_385_920),  # google/bert_uncased_L-2_H-128_A-2
        ("minilm", {}, MiniBertModel, 22_713_216),  # sentence-transformers/all-MiniLM-L6-v2
        ("base", {}, MiniBertModel, 109_482_240),  # bert-base-uncased
        ("large", {}, MiniBertModel, 335_141_888),  # bert-large-uncased
    ],
)
def test_parameter_counts_of_the_presets(preset, fields, model_class, parameters):
    with torch.device("meta"):
        model = model_class(MiniBertConfig.from_preset(preset, **fields))
    assert model.num_parameters() == parameters


@pytest.mark.lecture("S3-12", "S3-13")
def test_parameter_counts_of_the_books_encoder():
    config = MiniBertConfig(
        vocab_size=10_000, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048,
        position_embedding_type="sinusoidal", scale_embedding=True, embedding_norm=False, type_vocab_size=0,
    )  # fmt: skip
    with torch.device("meta"):
        model = MiniBertModel(config, add_pooling_layer=False)
    assert sum(p.numel() for p in model.layers[0].parameters()) == 3_152_384
    assert sum(p.numel() for p in model.parameters()) == 24_034_304


@pytest.mark.lecture("S2-19")
def test_base_size_gives_the_shape_that_the_notebook_prints():
    with torch.device("meta"):
        model = MiniBertModel(MiniBertConfig.from_preset("base", vocab_size=3000))
        assert model(torch.zeros(2, 6, dtype=torch.long)).last_hidden_state.shape == (2, 6, 768)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_changed_field_by_field(preset):
    config = MiniBertConfig.from_preset(preset, vocab_size=77, num_labels=3)
    assert config.vocab_size == 77 and config.num_labels == 3


# Errors: each names what was given and what is allowed.


@pytest.mark.lecture("S2-17")
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 18}, r"hidden_size \(18\) is not a multiple of num_attention_heads \(4\)"),
        ({"hidden_act": "swoosh"}, r"hidden_act 'swoosh'.*'gelu'.*'relu'"),
        ({"norm_position": "middle"}, r"norm_position 'middle'.*'post', 'pre'"),
        ({"norm_type": "batchnorm"}, r"norm_type 'batchnorm'.*'layernorm', 'rmsnorm'"),
        ({"position_embedding_type": "binary"}, r"'binary'.*'learned', 'sinusoidal', 'rotary', 'none'"),
        ({"classifier_pooling": "last"}, r"'last'.*'cls', 'mean', 'max', 'attention'"),
        ({"hidden_dropout_prob": 1.5}, r"hidden_dropout_prob \(1.5\)"),
        ({"pad_token_id": 101}, r"pad_token_id \(101\).*vocab_size \(101\)"),
        ({"intermediate_size": 0}, r"intermediate_size \(0\)"),
    ],
)
def test_contradictions_in_the_config_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        small_config(**fields)


def test_a_config_changed_into_a_contradiction_is_refused_by_the_model():
    config = small_config()
    config.num_attention_heads = 3
    with pytest.raises(ValueError, match=r"\(20\).*\(3\)"):
        MiniBertModel(config)


def test_a_field_of_the_wrong_type_is_refused():
    with pytest.raises(Exception, match="hidden_size.*expected int, got str"):
        small_config(hidden_size="20")


def test_an_unknown_preset_lists_the_presets():
    with pytest.raises(ValueError, match="'gigantic'.*'base'.*'imdb-tiny'.*'tiny'"):
        MiniBertConfig.from_preset("gigantic")


@pytest.mark.lecture("S3-47", "S5-69")
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_too_long_an_input_is_refused_with_both_lengths(positions):
    with pytest.raises(ValueError, match="29 tokens.*23 positions"):
        random_model(position_embedding_type=positions)(torch.randint(1, V, (1, 29)))


def test_without_positions_there_is_no_longest_input():
    assert random_model(position_embedding_type="none")(torch.randint(1, V, (1, 29))).logits.shape == (1, CLASSES)


@pytest.mark.parametrize(("token", "where"), [(101, "101.*size 101"), (5000, "5000.*size 101"), (-1, "-1")])
def test_a_token_id_beyond_the_vocabulary_is_refused_with_both_numbers(token, where):
    ids = torch.randint(1, V, (B, L))
    ids[1, 2] = token
    with pytest.raises(ValueError, match=f"input id {where}"):
        random_model()(ids)


def test_a_segment_or_position_out_of_range_is_refused():
    ids = torch.randint(1, V, (B, L))
    with pytest.raises(ValueError, match="token type id 2.*size 2"):
        random_model()(ids, token_type_ids=torch.full((B, L), 2))
    with pytest.raises(ValueError, match="position id 23.*size 23"):
        random_model()(ids, position_ids=torch.arange(17, 24)[None])


# Fused implementations and compilers.


@pytest.mark.slow
def test_the_whole_model_compiles_without_a_graph_break():
    model, batch = random_model(), random_batch()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert_close(compiled(**batch).logits, model(**batch).logits, rtol=0, atol=1e-6)
    labels = torch.tensor([0, 4, 2])
    assert_close(compiled(**batch, labels=labels).loss, model(**batch, labels=labels).loss, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_flex_attention_gives_what_eager_gives():
    # Its kernel wants a head size that is a power of two, and has no backward pass on a CPU.
    model = random_model(hidden_size=32, attn_implementation="eager").requires_grad_(False)
    batch = random_batch()
    batch["attention_mask"][0, 4:] = 0
    expected = model(**batch).logits
    model.set_attn_implementation("flex_attention")
    assert_close(model(**batch).logits, expected, rtol=0, atol=1e-5)  # float32, logits of order 5
    assert len(model(**batch, output_attentions=True).attentions) == LAYERS


def test_a_config_that_asks_for_tuples_gets_tuples():
    for model_class in HEADS:
        model = random_model(model_class, return_dict=False)
        assert isinstance(model(**random_batch()), tuple), model_class


def test_a_misspelt_field_of_a_preset_is_refused():
    with pytest.raises(ValueError, match=r"\['hiden_size'\].*'hidden_size'"):
        MiniBertConfig.from_preset("tiny", hiden_size=64)

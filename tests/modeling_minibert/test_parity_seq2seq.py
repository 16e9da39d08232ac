"""MiniSeq2Seq computes what stock Marian and stock T5 compute: same weights, same inputs, side by side.

As in `test_parity_bert.py` all parameters are random and the sizes odd and unequal; float32 stays below 1e-5, float64
below 1e-10; but T5 of transformers takes the variance in float32 in any case. What both write, greedily and with four
beams, is the same token for token.
"""

import re
from dataclasses import fields

import pytest
import torch
from helpers.compare import assert_same_weights
from helpers.seq2seq import SIZES, random_seq2seq, source_batch, target_ids
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import nn
from torch.testing import assert_close
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    pipeline,
)

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration, MiniSeq2SeqModel, feed_forward
from modeling_minibert.conversion import convert_folder
from modeling_minibert.relative_positions import distance_buckets
from modeling_minibert.stock import from_stock, to_stock
from modeling_minibert.stock_families_seq2seq import ACTIVATIONS, MARIAN, MARIAN_FIELDS, T5_CHOICES, T5_FIELDS

NARROW = {"num_decoder_layers": 2, "head_dim": 7, "scale_output": False, "hidden_act": "gelu_new"}
# T5 of transformers 5.23 sizes its cache by the encoder, so that here the decoder is no deeper.
VARIANTS = {
    "marian": {},
    "marian, two vocabularies": {"decoder_vocab_size": 83, "output_bias": True, "hidden_act": "silu"},
    "marian, untied": {"decoder_vocab_size": 83, "tie_word_embeddings": False, "scale_embedding": False},
    "t5": {"preset": "t5", "num_decoder_layers": 2},
    "t5, unscaled": {"preset": "t5", **NARROW},
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make_batch():
    batch = source_batch()
    batch["input_ids"] *= batch["attention_mask"]
    labels = target_ids()
    labels[1, 4:] = -100
    return batch | {"labels": labels}


def make_stock(name):
    if name == "marian":
        sizes = dict(vocab_size=101, d_model=20, encoder_layers=2, decoder_layers=3, max_position_embeddings=23)
        sizes |= dict(encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37)
        tokens = dict(pad_token_id=100, eos_token_id=0, decoder_start_token_id=100, forced_eos_token_id=0)
        config = MarianConfig(**sizes, **tokens, activation_function="swish", scale_embedding=True, num_beams=3)
        model = MarianMTModel(config)
    else:
        sizes = dict(vocab_size=101, d_model=20, d_kv=7, d_ff=37, num_layers=3, num_decoder_layers=2, num_heads=4)
        model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.25)
        if isinstance(model, MarianMTModel):
            model.final_logits_bias.normal_()
    return model.eval()


@pytest.mark.lecture("S5-22", "S5-30")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_and_losses_are_those_of_the_stock_model(variant, dtype):
    ours, batch = random_seq2seq(dtype=dtype, **VARIANTS[variant]), make_batch()
    stock = ours.to_stock()
    assert type(stock).__name__ == ("MarianMTModel" if "marian" in variant else "T5ForConditionalGeneration")
    close = {"rtol": 0, "atol": 1e-5 if "t5" in variant else TOLERANCE[dtype]}
    for implementation in ("eager", "sdpa", "packed"):
        ours.set_attn_implementation(implementation)
        stock.set_attn_implementation("eager" if implementation == "eager" else "sdpa")
        mine, theirs = ours(**batch), stock(**batch)
        asked = batch["labels"] != -100
        assert theirs.logits.abs().max() > 0.5
        assert_close(mine.logits[asked], theirs.logits[asked], **close)
        assert_close(mine.loss, theirs.loss, **close)
        real = batch["attention_mask"].bool()
        assert_close(mine.encoder_last_hidden_state[real], theirs.encoder_last_hidden_state[real], **close)
    ours.set_attn_implementation("eager")
    stock.set_attn_implementation("eager")
    mine, theirs = (model(**batch, output_attentions=True, output_hidden_states=True) for model in (ours, stock))
    for name in ("decoder_attentions", "cross_attentions", "decoder_hidden_states"):
        for tensor, expected in zip(mine[name], theirs[name], strict=True):
            assert_close(tensor, expected, **close)
    for weights, expected in zip(mine.encoder_attentions, theirs.encoder_attentions, strict=True):
        assert_close(weights.transpose(1, 2)[real], expected.transpose(1, 2)[real], **close)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_those_of_the_stock_model(variant):
    """Without dropout; the token that the decoder begins with may be learned in ours, also where Marian freezes it."""
    ours, batch = random_seq2seq(**VARIANTS[variant]), make_batch()
    stock = ours.to_stock()
    for model in (ours, stock):
        model(**batch).loss.backward()
    for parameter in stock.parameters():
        if parameter.grad is not None:
            parameter.data = parameter.grad
    expected = from_stock(stock)
    close = {"rtol": 1e-4, "atol": 1e-5} if "t5" in variant else {"rtol": 0, "atol": 1e-10}
    for name, parameter in ours.named_parameters():
        if name != "lm_head.bias":  # a buffer in Marian, that is not learned
            assert_close(parameter.grad, expected.get_parameter(name), msg=name, **close)
            assert parameter.grad.abs().max() > 1e-6 or name.endswith("key.bias")


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_write_the_same_greedily_and_with_beams(variant):
    ours, batch = random_seq2seq(dtype=torch.float32, **VARIANTS[variant]), source_batch()
    stock = ours.to_stock()
    for options in ({}, {"num_beams": 4}, {"num_beams": 4, "length_penalty": 0.5, "num_return_sequences": 2}):
        mine, theirs = (model.generate(**batch, max_new_tokens=12, **options) for model in (ours, stock))
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("variant", VARIANTS)
def test_ours_comes_back_bit_equal(variant):
    ours = random_seq2seq(dtype=torch.float32, label_smoothing=0.0, **VARIANTS[variant])
    back = from_stock(to_stock(ours))
    assert type(back) is MiniSeq2SeqForConditionalGeneration
    assert_same_weights(back, ours)
    differing = {k for k, v in back.config.to_dict().items() if v != ours.config.to_dict()[k]}
    # T5 has one dropout for all, gives the size of a head in any case, and knows no limit of its own.
    dropouts = {"attention_probs_dropout_prob", "activation_dropout_prob", "final_dropout_prob"}
    assert differing <= (dropouts | {"head_dim", "max_position_embeddings"} if "t5" in variant else set())


@pytest.mark.parametrize("name", ["marian", "t5"])
def test_theirs_computes_the_same_and_comes_back_bit_equal(name, tmp_path, capsys):
    stock, batch = make_stock(name), make_batch()
    ours = from_stock(stock)
    assert_close(ours(**batch).logits, stock(**batch).logits, rtol=0, atol=1e-5)
    sources = {name: batch[name] for name in ("input_ids", "attention_mask")}
    written = [model.generate(**sources, max_new_tokens=11, num_beams=3) for model in (ours, stock)]
    assert torch.equal(*written)
    assert_same_weights(to_stock(ours), stock)
    assert to_stock(ours).generation_config.to_dict() == stock.generation_config.to_dict()
    stock.save_pretrained(tmp_path / "stock")
    convert_folder(tmp_path / "stock", tmp_path / "ours")
    convert_folder(tmp_path / "ours", tmp_path / "back")
    said = capsys.readouterr().out
    assert said.count("AutoModelForSeq2SeqLM") == 4
    differences = [float(number) for number in re.findall(r"differ by (\S+)", said)]
    assert len(differences) == 2 and max(differences) < 1e-5
    assert_same_weights(type(stock).from_pretrained(tmp_path / "back"), stock)


@pytest.fixture
def two_vocabularies(tmp_path):
    """A folder with a tokenizer for the source, and in `target_tokenizer` one for the target; what it was made of."""
    sides = []
    for words in ("saya pergi ke depok", "i go with a car to depok"):
        vocabulary = {word: place for place, word in enumerate(f"[PAD] [SOS] [EOS] [UNK] {words}".split())}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = WhitespaceSplit()
        sides.append(PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]"))
    sizes = {"vocab_size": len(sides[0]), "decoder_vocab_size": len(sides[1]), "target_tokenizer": "target_tokenizer"}
    model = random_seq2seq(dtype=torch.float32, **sizes)
    for saved, folder in ((model, ""), (sides[0], ""), (sides[1], "target_tokenizer")):
        saved.save_pretrained(tmp_path / "ours" / folder)
    return model, *sides


def test_a_folder_with_two_vocabularies_keeps_both_tokenizers(two_vocabularies, tmp_path, capsys):
    model, source, target = two_vocabularies
    assert (len(source), len(target)) == (8, 11), "premise: the sizes differ"
    convert_folder(tmp_path / "ours", tmp_path / "stock")
    convert_folder(tmp_path / "stock", tmp_path / "back")
    said = capsys.readouterr().out
    assert said.count("of 8 tokens") == said.count("of 11 tokens in target_tokenizer") == 2
    batch = source(["saya pergi", "ke depok saya"], padding=True, return_tensors="pt", return_token_type_ids=False)
    decoder_input_ids = torch.randint(4, len(target), (2, 5))
    expected = pipeline("translation", str(tmp_path / "ours"))("saya pergi ke", max_length=9)
    assert all(word in target.get_vocab() for word in expected[0]["translation_text"].split())
    for folder in ("stock", "back"):
        twin = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / folder)
        mine, theirs = (m(**batch, decoder_input_ids=decoder_input_ids).logits for m in (model, twin))
        assert_close(theirs, mine, rtol=0, atol=1e-5)
        assert torch.equal(*(m.generate(**batch, max_length=9) for m in (model, twin)))
        for subfolder, tokenizer in (("", source), ("target_tokenizer", target)):
            carried = AutoTokenizer.from_pretrained(tmp_path / folder, subfolder=subfolder)
            assert carried.get_vocab() == tokenizer.get_vocab()
        assert pipeline("translation", str(tmp_path / folder))("saya pergi ke", max_length=9) == expected
    assert type(twin) is MiniSeq2SeqForConditionalGeneration and twin.config.target_tokenizer == "target_tokenizer"


def test_one_vocabulary_leaves_no_trace_of_a_second_tokenizer():
    assert "target_tokenizer" not in random_seq2seq().to_stock().config.to_dict()


def test_a_bare_model_is_a_bare_marian():
    ours, batch = random_seq2seq(MiniSeq2SeqModel), source_batch()
    stock, target = ours.to_stock(), target_ids()
    assert type(stock).__name__ == "MarianModel"
    mine, theirs = (model(**batch, decoder_input_ids=target).last_hidden_state for model in (ours, stock))
    assert_close(mine, theirs, rtol=0, atol=1e-10)
    assert_same_weights(from_stock(stock), ours)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"norm_position": "pre"}, "norm_position is 'pre' (a twin needs 'post')"),
        ({"position_embedding_type": "learned"}, "position_embedding_type is 'learned' (a twin needs 'sinusoidal')"),
        ({"preset": "t5", "scale_attention": True}, "scale_attention is True (a twin needs False)"),
        ({"preset": "t5", "decoder_vocab_size": 83}, "decoder_vocab_size is 83 (a twin needs None)"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is False (a twin needs True)"),
    ],
)
def test_what_has_no_twin_is_refused_by_field_and_value(fields, message):
    with pytest.raises(ValueError) as error:
        random_seq2seq(**fields).to_stock()
    assert message in str(error.value)


def test_what_ours_cannot_do_is_refused():
    gated = T5Config(
        vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )
    with pytest.raises(ValueError, match="feed_forward_proj is 'gated-gelu'"):
        from_stock(T5ForConditionalGeneration(gated))
    sizes = dict(
        vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1, pad_token_id=0, max_position_embeddings=9
    )
    heads = MarianConfig(**sizes, encoder_attention_heads=2, decoder_attention_heads=4)
    with pytest.raises(ValueError, match="decoder_attention_heads is 4"):
        from_stock(MarianMTModel(heads))


def test_every_choice_that_a_twin_does_not_have_is_checked():
    """A new field needs a line in `stock_families_seq2seq.py`, or a twin would silently compute something else."""
    ours = {field.name for field in fields(MiniSeq2SeqConfig)}
    # What is not computed with, or only while training.
    training = {"final_dropout_prob", "label_smoothing", "initializer_range", "auto_map", "target_tokenizer"}
    marian = set(MARIAN_FIELDS) | {field.name for field in fields(MarianConfig)} | {"output_bias"}
    checked = MARIAN.stock_needs(random_seq2seq()).keys()
    assert ours - marian - training <= checked | {"relative_buckets", "relative_max_distance"}
    t5 = set(T5_FIELDS) | {field.name for field in fields(T5Config)} | {"scale_output", "decoder_start_token_id"}
    dropouts = {"attention_probs_dropout_prob", "activation_dropout_prob"}
    unused = {"max_position_embeddings", "bos_token_id"}
    assert ours - t5 - training - dropouts <= T5_CHOICES.keys() | unused
    assert set(ACTIVATIONS) == set(feed_forward.ACTIVATIONS)


@pytest.mark.parametrize("is_causal", [True, False])
def test_distances_share_scores_as_in_t5(is_causal):
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = torch.arange(-300, 301)
    for buckets, farthest in ((32, 128), (12, 40), (4, 3)):
        mine = distance_buckets(distances, is_causal, buckets, farthest)
        theirs = T5Attention._relative_position_bucket(distances, not is_causal, buckets, farthest)
        assert torch.equal(mine, theirs)
        assert mine.max() == buckets - 1


def test_waves_of_positions_are_those_of_marian():
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    for size in (20, 7):
        table = MarianSinusoidalPositionalEmbedding(23, size).create_weight()
        config = {**SIZES, "hidden_size": size, "num_attention_heads": 1}
        ours = random_seq2seq(MiniSeq2SeqModel, **config).encoder.embeddings.position_embeddings.table
        assert_close(ours.float(), table, rtol=0, atol=1e-6)
        assert nn.functional.cosine_similarity(ours[1], ours[2], dim=0) > 0.7

"""Head roles: the shares against sums written out, toy heads with known answers, and a real checkpoint's heads."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from modeling_minibert import MiniBertConfig, MiniBertModel, MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.explain.head_roles import HeadRoles, attention_shares, attention_weights, head_roles

WORDS = "the cat sat on a mat and slept".split()
TEXTS = ["the cat sat on a mat and slept", "a mat", "the cat and the mat sat"]


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(vocab={token: n for n, token in enumerate("[PAD] [UNK] [CLS] [SEP] [MASK]".split() + WORDS)})


@pytest.fixture(scope="module")
def causal_tokenizer(tokenizer):
    """The same words, with nothing added before or after the text, as in GPT-2."""
    backend = tokenizer.backend_tokenizer
    copy = type(backend).from_str(backend.to_str())
    copy.post_processor = None
    return PreTrainedTokenizerFast(tokenizer_object=copy, unk_token="[UNK]")


def spread_out(model):
    """Larger weights than at the start of training, so that heads differ from a plain average."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.4)
    return model.eval()


@pytest.fixture
def bert():
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 7}
    return spread_out(MiniBertModel(MiniBertConfig(vocab_size=13, max_position_embeddings=16, **sizes)))


@pytest.fixture
def gpt():
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 48}
    return spread_out(MiniGPTForCausalLM(MiniGPTConfig(vocab_size=13, max_position_embeddings=16, **sizes)))


def summed_up(weights, ids, causal, separator=3):
    """The shares of one head of one text, (L, L), as lists over its queries, written as loops."""
    found = {name: [] for name in ("previous", "next", "same", "first", "separator", "entropy", "spread")}
    length = len(ids)
    for i in range(length):
        seen = i + 1 if causal else length
        if seen == 1:
            continue
        row = [float(w) for w in weights[i]]
        if i > 0:
            found["previous"].append(row[i - 1])
        if i + 1 < length and not causal:
            found["next"].append(row[i + 1])
        found["same"].append(row[i])
        found["first"].append(row[0])
        found["separator"].append(sum(w for w, token in zip(row, ids, strict=True) if token == separator))
        entropy = -sum(w * math.log(w) for w in row if w > 0)
        found["entropy"].append(entropy)
        found["spread"].append(entropy / math.log(seen))
    return found


def means(weights_and_ids, causal):
    """The loops for all texts: name → mean; None where no query has such a key."""
    rows = [summed_up(weights, ids, causal) for weights, ids in weights_and_ids]
    joined = {name: [value for row in rows for value in row[name]] for name in rows[0]}
    return {name: sum(values) / len(values) if values else None for name, values in joined.items()}


def assert_same_shares(roles, weights_and_ids, causal, tolerance):
    for layer, head in np.ndindex(roles.shares["same"].shape):
        texts = [(weights[layer, head], ids) for weights, ids in weights_and_ids]
        for name, expected in means(texts, causal).items():
            share = roles.shares[name][layer, head]
            assert np.isnan(share) if expected is None else share == pytest.approx(expected, abs=tolerance), name


@pytest.mark.lecture("S3-10")
def test_the_shares_of_toy_heads_are_known():
    length = 5
    previous, following, same = (np.eye(length, k=k) for k in (-1, 1, 0))
    previous[0, 0] = following[-1, -1] = 1.0
    first, last, alike = np.zeros((length, length)), np.zeros((length, length)), np.full((length, length), 0.2)
    first[:, 0] = last[:, -1] = 1.0
    half = 0.5 * (same + first)
    heads = np.stack([previous, following, same, first, last, alike, half])
    shares = attention_shares(heads, separators=np.arange(length) == 4)
    mean = {name: np.nanmean(values, axis=1) for name, values in shares.items()}
    # A query has a previous (next) token in 4 of 5 cases; [CLS] is previous to one of them, and same to one of 5.
    np.testing.assert_allclose(mean["previous"], [1, 0, 0, 1 / 4, 0, 0.2, 1 / 8], atol=1e-15)
    np.testing.assert_allclose(mean["next"], [0, 1, 0, 0, 1 / 4, 0.2, 0], atol=1e-15)
    np.testing.assert_allclose(mean["same"], [1 / 5, 1 / 5, 1, 1 / 5, 1 / 5, 0.2, (0.5 * 4 + 1) / 5], atol=1e-15)
    np.testing.assert_allclose(mean["first"], [2 / 5, 0, 1 / 5, 1, 0, 0.2, (0.5 * 4 + 1) / 5], atol=1e-15)
    np.testing.assert_allclose(mean["separator"], [0, 2 / 5, 1 / 5, 0, 1, 0.2, 0.1], atol=1e-15)
    entropies = [0, 0, 0, 0, 0, math.log(5), 4 / 5 * math.log(2)]
    np.testing.assert_allclose(mean["entropy"], entropies, atol=1e-15)
    np.testing.assert_allclose(mean["spread"], np.array(entropies) / math.log(5), atol=1e-15)

    roles = HeadRoles({name: values[None] for name, values in mean.items()}, dict.fromkeys(mean, 0.2))
    names = ["previous", "next", "same", "first", "separator", "broad"]
    assert [roles.role(0, head) for head in range(6)] == names
    mixed = {name: np.full((1, 1), 0.3) for name in mean}  # nothing has half of the attention
    assert HeadRoles(mixed, {}).role(0, 0) == ""
    two = mixed | {"previous": np.full((1, 1), 0.6), "first": np.full((1, 1), 0.8), "same": np.full((1, 1), 0.5)}
    assert HeadRoles(two, {}).role(0, 0) == "first"  # the larger one


def test_a_decoder_s_first_query_and_next_tokens_are_left_out():
    alike = np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]
    shares = attention_shares(alike[None])
    assert np.isnan(shares["next"]).all()
    assert np.isnan([values[0, 0] for values in shares.values()]).all()
    np.testing.assert_allclose(shares["previous"][0, 1:], [1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(shares["spread"][0, 1:], 1.0)


def test_texts_are_averaged_by_their_tokens_and_padding_never_counts(bert, tokenizer):
    roles = head_roles(bert, tokenizer, TEXTS)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert (batch["attention_mask"].sum(dim=1) == torch.tensor([10, 4, 8])).all()
    layers = torch.stack(bert(**batch, output_attentions=True).attentions, dim=1).detach()  # (B, N, H, L, L)
    rows = [
        (weights[:, :, :n, :n], ids[:n].tolist())
        for weights, ids, n in zip(layers, batch["input_ids"], (10, 4, 8), strict=True)
    ]
    assert_same_shares(roles, rows, causal=False, tolerance=1e-6)  # float32 sums of ten terms
    alike = means([(np.full((n, n), 1 / n), ids) for (_, ids), n in zip(rows, (10, 4, 8), strict=True)], causal=False)
    assert roles.alike == pytest.approx(alike, abs=1e-12)
    lines = str(roles).splitlines()
    assert len(lines) == 1 + 2 * 3 + 1
    assert lines[1].split()[:3] == ["1", "1", f"{roles.shares['previous'][0, 0]:.0%}"]


def test_a_decoder_is_measured_over_what_each_query_sees(gpt, causal_tokenizer):
    roles = head_roles(gpt, causal_tokenizer, TEXTS)
    rows = []
    for text in TEXTS:
        inputs = causal_tokenizer(text, return_tensors="pt")
        layers = gpt(input_ids=inputs["input_ids"], output_attentions=True).attentions
        rows.append((torch.cat(layers).detach(), inputs["input_ids"][0].tolist()))
    assert_same_shares(roles, rows, causal=True, tolerance=1e-6)
    assert "–" in str(roles).splitlines()[1]  # there is no next token to look at


@pytest.mark.parametrize("kind", ["bert", "gpt"])
def test_stock_models_give_the_same_and_are_left_as_they_were(kind, request, tokenizer, causal_tokenizer):
    ours, words = request.getfixturevalue(kind), tokenizer if kind == "bert" else causal_tokenizer
    stock = ours.to_stock()
    stock.train().set_attn_implementation("sdpa")
    theirs = head_roles(stock, words, TEXTS)
    assert stock.training and stock.config._attn_implementation == "sdpa"
    for name, values in head_roles(ours, words, TEXTS).shares.items():
        np.testing.assert_allclose(theirs.shares[name], values, atol=1e-5)


def test_what_cannot_be_measured_is_refused(gpt, bert, tokenizer, causal_tokenizer):
    with pytest.raises(ValueError, match="1 texts were given, none with two tokens"):
        head_roles(gpt, causal_tokenizer, ["cat"])
    with pytest.raises(ValueError, match="0 texts were given"):
        head_roles(bert, tokenizer, [])
    with pytest.raises(ValueError, match="'' has no tokens"):
        attention_weights(gpt, causal_tokenizer, "")


@pytest.fixture(scope="module")
def pretrained(request):
    folder = request.getfixturevalue("pretrained_dir")
    return AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


@pytest.mark.pretrained
@pytest.mark.lecture("S3-10")
def test_heads_of_a_real_checkpoint_have_specialised(pretrained):
    """Six layers of MiniLM: some heads look at the token before or after, many at [CLS], none of that by chance."""
    texts = [
        "The quick brown fox jumps over the lazy dog.",
        "Open source software is free to use, study and change.",
        "She gave him a book about the history of mathematics.",
    ]
    roles = head_roles(*pretrained, texts)
    names = [[roles.role(layer, head) for head in range(12)] for layer in range(6)]
    assert names[0][2] == "previous" and roles.shares["previous"][0, 2] > 0.99
    assert names[1][8] == "next"
    assert sum(row.count("first") for row in names) > 20
    assert roles.alike["previous"] < 0.1

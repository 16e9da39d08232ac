"""What the lectures say about the parts of an encoder, each beside an implementation that is not ours."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.minibert import B, E, L, V, random_batch, random_model, small_config
from torch import nn
from torch.testing import assert_close
from transformers import (
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    RobertaConfig,
    RobertaModel,
)

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForTokenClassification,
    MiniBertModel,
    MiniSeq2SeqConfig,
    MiniSeq2SeqModel,
    MultiHeadAttention,
    scaled_dot_product_attention,
)
from modeling_minibert.embeddings import Embeddings
from modeling_minibert.explain import head_roles
from modeling_minibert.feed_forward import FeedForward
from modeling_minibert.heads import Classifier, mean_pooling
from tokenization import train_tokenizer

EXACT = {"rtol": 0, "atol": 1e-12}


def random_parameters(module, std=0.3):
    """The module in float64, all parameters random."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=std)
    return module.double()


@pytest.mark.lecture("S2-06")
@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_the_pooled_vector_is_a_dense_layer_and_a_tanh_over_the_first_token(norm_position):
    model, batch = random_model(MiniBertModel, norm_position=norm_position), random_batch()
    outputs = model(**batch)
    assert outputs.last_hidden_state.shape == (B, L, E)
    dense = model.pooler.dense
    expected = torch.tanh(F.linear(outputs.last_hidden_state[:, 0], dense.weight, dense.bias))
    assert_close(outputs.pooler_output, expected, rtol=0, atol=1e-6)
    assert expected.abs().max() > 0.8, "premise: the tanh bends"
    without = MiniBertModel(model.config, add_pooling_layer=False)
    assert without(**batch).pooler_output is None
    assert not [name for name, _ in without.named_parameters() if "pooler" in name]


@pytest.mark.lecture("S3-24", "S5-32")
def test_auto_classes_load_a_folder_and_give_the_vectors_of_stock_bert(tmp_path):
    words = "bisa ular itu berbahaya saya bisa berenang".split()
    tokenizer = train_tokenizer(words, kind="wordlevel", vocab_size=V, min_frequency=1, show_progress=False)
    ours = random_model(MiniBertModel, vocab_size=len(tokenizer))
    for model, folder in ((ours, tmp_path / "ours"), (ours.to_stock(), tmp_path / "stock")):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    outputs = {}
    for name in ("ours", "stock"):
        model = AutoModel.from_pretrained(tmp_path / name)
        loaded = AutoTokenizer.from_pretrained(tmp_path / name)
        assert loaded.vocab_size == len(set(words)) + 5 == model.config.vocab_size
        batch = loaded(["bisa ular itu berbahaya", "saya bisa berenang"], padding=True, return_tensors="pt")
        assert loaded.decode(batch["input_ids"][1], skip_special_tokens=True) == "saya bisa berenang"
        outputs[name] = model(**batch)
        outputs[name, "parameters"] = model.num_parameters()
    assert outputs["ours", "parameters"] == outputs["stock", "parameters"]
    real = batch["attention_mask"].bool()
    theirs = outputs["stock"]
    assert theirs.last_hidden_state.shape == (2, 6, E) and theirs.pooler_output.shape == (2, E)
    assert_close(outputs["ours"].last_hidden_state[real], theirs.last_hidden_state[real], rtol=0, atol=1e-5)
    assert_close(outputs["ours"].pooler_output, theirs.pooler_output, rtol=0, atol=1e-5)
    # "bisa" means venom in the one text and can in the other.
    venom, can = outputs["ours"].last_hidden_state[0, 1], outputs["ours"].last_hidden_state[1, 2]
    assert batch["input_ids"][0, 1] == batch["input_ids"][1, 2] and (venom - can).abs().max() > 0.1


@pytest.mark.lecture("S2-16")
def test_positions_are_learned_vectors_or_the_waves_of_the_formula():
    ids = torch.randint(1, V, (B, L))
    fields = {"embedding_norm": False, "type_vocab_size": 0, "hidden_dropout_prob": 0.0}
    angles = np.arange(L)[:, None] / 10000 ** (2 * (np.arange(E) // 2) / E)
    waves = torch.tensor(np.where(np.arange(E) % 2 == 0, np.sin(angles), np.cos(angles)))
    for kind in ("learned", "sinusoidal"):
        block = random_parameters(Embeddings(small_config(position_embedding_type=kind, **fields)))
        added = block(ids) - F.embedding(ids, block.word_embeddings.weight)
        parameters = dict(block.named_parameters())
        if kind == "learned":
            table = parameters["position_embeddings.weight"]
            assert_close(added, table[:L].expand(B, L, E), **EXACT)
            added.square().sum().backward()
            assert table.grad[:L].abs().min() > 0 and (table.grad[L:] == 0).all()
        else:
            assert_close(added, waves.expand(B, L, E), rtol=0, atol=1e-7)  # the table is float32
            assert list(parameters) == ["word_embeddings.weight"]


@pytest.mark.usefixtures("torchs_masks")
@pytest.mark.lecture("S2-39")
@pytest.mark.parametrize("training", [False, True])
def test_the_embeddings_are_summed_normalized_and_dropped_as_in_bert(training):
    config = small_config(hidden_dropout_prob=0.3, layer_norm_eps=1e-5)
    block = random_parameters(Embeddings(config)).train(training)
    ids, segments = torch.randint(V, (B, L)), torch.randint(2, (B, L))
    total = block.word_embeddings(ids) + block.position_embeddings.weight[:L] + block.token_type_embeddings(segments)
    normed = F.layer_norm(total, (E,), block.norm.weight, block.norm.bias, 1e-5)
    torch.manual_seed(1)
    ours = block(ids, segments)
    torch.manual_seed(1)
    assert_close(ours, F.dropout(normed, 0.3, training), **EXACT)


@pytest.mark.lecture("S4-02")
@pytest.mark.parametrize("training", [False, True])
def test_attention_weights_are_dropped_as_in_torchs_multihead_attention(training):
    heads, size, dropout = 4, 20, 0.3
    config = MiniBertConfig(
        hidden_size=size, num_attention_heads=heads, attention_probs_dropout_prob=dropout, hidden_dropout_prob=0.0,
        attn_implementation="eager",
    )  # fmt: skip
    ours = random_parameters(MultiHeadAttention(config)).train(training)
    theirs = nn.MultiheadAttention(size, heads, dropout=dropout, batch_first=True).double().train(training)
    projections = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
        theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x = torch.randn(2, 7, size).double()
    # The same seed drops the same weights where both draw for the same tensor (B, H, L, S).
    torch.manual_seed(1)
    mixed, weights = ours(x)
    torch.manual_seed(1)
    assert_close(mixed, theirs(x, x, x)[0], rtol=0, atol=1e-10)
    assert_close(weights.sum(-1), torch.ones(2, heads, 7).double(), **EXACT)


@pytest.mark.lecture("S5-11", "S5-22", "S1-31")
def test_projections_begin_separate_with_the_deviation_asked_for_and_without_bias():
    size, heads = 128, 4
    sizes = dict(vocab_size=50, hidden_size=size, num_attention_heads=heads, num_hidden_layers=1)
    bert = MiniBertModel(MiniBertConfig(**sizes, intermediate_size=256, initializer_range=0.05))
    preset = MiniSeq2SeqConfig.from_preset("lecture")
    assert (preset.hidden_size, preset.num_attention_heads, preset.hidden_dropout_prob) == (32, 4, 0.1)
    assert preset.num_encoder_layers == preset.num_decoder_layers == 2
    lecture = MiniSeq2SeqModel(MiniSeq2SeqConfig.from_preset("lecture", hidden_size=size, num_attention_heads=heads))
    # Xavier: uniform with the variance 2 / (in + out), in the slides for all matrices.
    xavier = math.sqrt(2 / (size + size))
    for attention, deviation in (
        (bert.layers[0].attention, 0.05),
        (lecture.encoder.layers[0].attention, xavier),
        (lecture.decoder.layers[0].cross_attention, xavier),
    ):
        parts = [attention.query, attention.key, attention.value, attention.output]
        for part in parts:
            # The deviation of an estimate from n draws is about 1 / √(2n), 0.6 %; five of them.
            assert part.weight.std().item() == pytest.approx(deviation, rel=0.03)
            assert abs(part.weight.mean()) < 5 * deviation / size and not part.bias.any()
            if deviation == xavier:
                assert part.weight.abs().max() <= math.sqrt(3) * xavier
        assert all(not torch.equal(a.weight, b.weight) for a, b in zip(parts, parts[1:], strict=False))


@pytest.mark.lecture("S2-38")
@pytest.mark.parametrize("ratio", [2, 4])
@pytest.mark.parametrize(
    ("name", "function"),
    [("relu", F.relu), ("gelu", F.gelu), ("gelu_new", lambda x: F.gelu(x, approximate="tanh"))],
)
def test_activation_and_width_of_the_feed_forward_network_are_those_of_the_configuration(name, function, ratio):
    block = random_parameters(FeedForward(small_config(hidden_act=name, intermediate_size=ratio * E))).eval()
    first, second = [module for module in block.modules() if isinstance(module, nn.Linear)]  # two layers, not three
    assert first.weight.shape == (ratio * E, E) and second.weight.shape == (E, ratio * E)
    x = torch.randn(B, L, E).double()
    expected = F.linear(function(F.linear(x, first.weight, first.bias)), second.weight, second.bias)
    assert_close(block(x), expected, **EXACT)


@pytest.mark.lecture("S5-07")
def test_scores_keep_the_variance_one_and_unscaled_ones_saturate():
    """Var(q · k) = D for entries of variance 1: log weights are scores minus a number for each row."""
    for size in (4, 64, 1024):
        query, key, value = torch.randn(3, 1, 1, 400, size, dtype=torch.double)
        peaks = []
        for scaling, variance in ((None, 1), (1.0, size)):
            _, weights = scaled_dot_product_attention(query, key, value, scaling=scaling)
            peaks.append(weights.amax(-1).mean())
            if variance <= 64:  # beyond, most weights are too small for a logarithm
                # 400 rows of 400 scores, which share keys: a few per cent.
                assert weights.log().var(dim=-1).mean().item() == pytest.approx(variance, rel=0.15)
    assert peaks[0] < 0.1 and peaks[1] > 0.9, "unscaled, one key of 400 gets nearly everything"


ENCODERS = {
    "roberta": lambda size: RobertaModel(
        RobertaConfig(**size, max_position_embeddings=20, pad_token_id=0), add_pooling_layer=False
    ),
    "distilbert": lambda size: DistilBertModel(
        DistilBertConfig(
            vocab_size=size["vocab_size"],
            dim=size["hidden_size"],
            hidden_dim=64,
            n_layers=2,
            n_heads=2,
            max_position_embeddings=20,
            pad_token_id=0,
        )
    ),
    "electra": lambda size: ElectraModel(ElectraConfig(**size, embedding_size=24, max_position_embeddings=20)),
}


@pytest.mark.lecture("S5-31")
@pytest.mark.parametrize("name", ENCODERS)
def test_our_pooling_and_head_classify_with_another_encoder_than_bert(name):
    """The slides: "jangan hanya persempit konsep Encoder pada BERT"."""
    torch.manual_seed(2)
    size = dict(vocab_size=30, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    encoder = ENCODERS[name](size)
    head = Classifier(MiniBertConfig(hidden_size=32, num_attention_heads=2, hidden_dropout_prob=0.0), 2)
    ids, labels = torch.randint(5, 30, (12, 9)), torch.arange(12) % 2
    ids[:, 0], lengths = 3 + labels, torch.arange(12) % 5 + 4  # the first word tells
    mask = (torch.arange(9) < lengths[:, None]).long()

    def classify(ids, mask):
        return head(mean_pooling(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask))

    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    for _ in range(30):
        F.cross_entropy(classify(ids, mask), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    encoder.eval()
    logits = classify(ids, mask)
    assert (logits.argmax(-1) == labels).all() and F.cross_entropy(logits, labels) < 0.1
    for row in range(3):  # each text alone, without pads
        alone = classify(ids[row : row + 1, : lengths[row]], mask[row : row + 1, : lengths[row]])
        assert_close(alone[0], logits[row], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.lecture("S3-10")
def test_heads_that_learn_a_task_look_where_the_task_needs_it():
    """Each token is to be named by the one before it: a head learns to look there, which no untrained head does."""
    words = [f"w{number}" for number in range(12)]
    tokenizer = train_tokenizer(words, kind="wordlevel", vocab_size=20, min_frequency=1, show_progress=False)
    torch.manual_seed(1)
    config = MiniBertConfig(
        vocab_size=len(tokenizer), num_labels=len(tokenizer), hidden_size=32, num_attention_heads=2,
        num_hidden_layers=1, intermediate_size=64, max_position_embeddings=16, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )  # fmt: skip
    model = MiniBertForTokenClassification(config)
    texts = [" ".join(np.random.default_rng(seed).choice(words, 9)) for seed in range(6)]
    before = head_roles(model, tokenizer, texts).shares["previous"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(250):
        ids = torch.randint(5, len(tokenizer), (16, 11))
        loss = model(ids, labels=F.pad(ids[:, :-1], (1, 0), value=-100)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    roles = head_roles(model.eval(), tokenizer, texts)
    assert loss < 0.5 and before.max() < 0.3
    assert "previous" in [roles.role(0, head) for head in range(2)] and roles.shares["previous"].max() > 0.6
    assert roles.alike["previous"] < 0.15

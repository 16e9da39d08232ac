"""A trace as text: a golden printout whose numbers can be worked out by hand, the same from a real checkpoint, and the
document's printout of each sentence before and after training.
"""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from helpers.traces import PAIR, SENTENCES, SIZES, TEXT, random_model, word_tokenizer
from torch import nn
from torch.testing import assert_close
from transformers import AutoModel, AutoTokenizer

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification, MiniBertModel
from modeling_minibert.explain import trace

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "aku", "suka", "film"]
# One row per word: head 0 reads the first two features, head 1 the others.
NOTHING = [0, 0, 0, 0]
VECTORS = [NOTHING, NOTHING, [1, 0, 0, 0], [0, 0, 0, 1], NOTHING, [0, 1, 1, 0], [1, 1, 0, 2], [0, 2, 0, 0]]

# Queries are twice the word vectors, keys and values the word vectors themselves: in head 0 the query of "suka" is
# (2, 2), its scores are 2/√2, 2/√2, 4/√2, 4/√2, 0, and with e = exp(√2) its softmax e, e, e², e², 1 over their sum.
GOLDEN = """\
MiniBertModel: aku suka film

Encoder with 4 features, layers: 1
Tokens: [CLS] aku suka film [SEP]
Ids   : [2, 5, 6, 7, 3]

Layer 0, self-attention, head 0
  Token  2 | suka       | id 6
    Input : [ 1.0000  1.0000  0.0000  2.0000]
    Q (D=2): [ 2.0000  2.0000]
    K (D=2): [ 1.0000  1.0000]
    V (D=2): [ 1.0000  1.0000]
    Attention to:
      ↳ Token  0 [[CLS]     ] | Score:   1.4142 | Softmax:  0.0955
      ↳ Token  1 [aku       ] | Score:   1.4142 | Softmax:  0.0955
      ↳ Token  2 [suka      ] | Score:   2.8284 | Softmax:  0.3929
      ↳ Token  3 [film      ] | Score:   2.8284 | Softmax:  0.3929
      ↳ Token  4 [[SEP]     ] | Score:   0.0000 | Softmax:  0.0232
    Head output: [ 0.4884  1.2741]"""


@pytest.fixture(scope="module")
def by_hand():
    """A model whose attention can be followed on paper; no positions, no segments, no norm of the embeddings."""
    config = MiniBertConfig(
        vocab_size=len(WORDS),
        hidden_size=4,
        num_attention_heads=2,
        num_hidden_layers=1,
        intermediate_size=3,
        position_embedding_type="none",
        type_vocab_size=0,
        embedding_norm=False,
    )
    model = MiniBertModel(config).eval()
    attention = model.layers[0].attention
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.copy_(torch.tensor(VECTORS))
        for linear, factor in ((attention.query, 2.0), (attention.key, 1.0), (attention.value, 1.0)):
            linear.weight.copy_(factor * torch.eye(4))
    return trace(model, word_tokenizer(WORDS), "aku suka film")


@pytest.mark.lecture("S1-12")
def test_one_query_of_one_head_is_printed_as_in_the_document(by_hand):
    assert by_hand.describe(layer=0, head=0, token=2) == GOLDEN
    e = math.exp(math.sqrt(2.0))
    total = 2 * e + 2 * e**2 + 1
    assert by_hand.encoder.layers[0].attention.weights[0, 2].tolist() == pytest.approx(
        [e / total, e / total, e**2 / total, e**2 / total, 1 / total], abs=1e-6
    )


def test_everything_is_printed_in_the_order_of_the_computation(by_hand):
    text = by_hand.describe()
    headings = re.findall(r"^(Embeddings|Layer .*|Pooler|Text)", text, re.MULTILINE)
    assert headings == [
        "Embeddings",
        "Layer 0, self-attention, head 0",
        "Layer 0, self-attention, head 1",
        "Layer 0, all heads together",
        "Text",
        "Pooler",
    ]
    assert text.count("↳ Token") == 2 * 5 * 5 and text.count("Head output") == 2 * 5
    block = text.partition("all heads together")[2].partition("  Token  1")[0]
    names = re.findall(r"^    (.*?) *:", block, re.MULTILINE)
    assert names == [
        *("Heads side by side", "Output projection", "Residual sum", "Norm"),
        *("Feed-forward up", "Activation", "Feed-forward down", "Residual sum", "Norm"),
    ]
    layer = by_hand.encoder.layers[0]
    rows = [[float(number) for number in re.findall(r"-?\d+\.\d+", line)] for line in block.split("\n")[2:-1]]
    for row, tensor in zip(
        rows[1:4], (layer.attention.output, layer.attention_residual, layer.attention_norm), strict=True
    ):
        assert row == pytest.approx(tensor[0].tolist(), abs=5e-5)


def test_a_decoder_prints_only_what_a_token_sees():
    tokenizer = word_tokenizer(list(WORDS))
    text = trace(random_model("MiniGPTForCausalLM"), tokenizer, "aku suka film").describe(layer=1, head=3)
    blocks = text.split("\n  Token ")[1:]
    assert [block.count("↳") for block in blocks] == [1, 2, 3, 4, 5]
    assert "Layer 1, causal self-attention, head 3" in text
    text = trace(random_model("MiniGPTModel"), tokenizer, "film").describe(layer=0, token=1)
    names = re.findall(r"^    (.*?) *:", text, re.MULTILINE)
    assert names[-9:] == [
        *("Norm", "Heads side by side", "Output projection", "Residual sum"),
        *("Norm", "Feed-forward up", "Activation", "Feed-forward down", "Residual sum"),
    ]


@pytest.mark.parametrize(("chosen", "message"), [({"layer": 1}, "no layer 1; choose 0 to 0"),
                                                 ({"head": -1}, "no head -1; choose 0 to 1"),
                                                 ({"token": 5}, "no token 5; choose 0 to 4")])  # fmt: skip
def test_a_part_that_is_not_there(by_hand, chosen, message):
    with pytest.raises(ValueError, match=message):
        by_hand.describe(**chosen)


@pytest.mark.pretrained
@pytest.mark.lecture("S1-12")
def test_a_trained_checkpoint_is_printed_with_its_own_numbers(pretrained_dir):
    stock, tokenizer = AutoModel.from_pretrained(pretrained_dir), AutoTokenizer.from_pretrained(pretrained_dir)
    traced = trace(stock, tokenizer, TEXT)
    stock.set_attn_implementation("eager")
    weights = stock(**tokenizer(TEXT, return_tensors="pt"), output_attentions=True).attentions[3][0, 7, 2]
    text = traced.describe(layer=3, head=7, token=2)
    printed = [float(number) for number in re.findall(r"Softmax: +(\S+)", text)]
    assert printed == pytest.approx(weights.tolist(), abs=6e-5)  # four places, and float32
    layer = stock.encoder.layer[3].attention.self
    query = layer.query(traced.encoder.layers[3].input)[2, 7 * 32 : 7 * 32 + 8]
    shown = re.search(r"Q \(D=32\): \[ *(.*?) …\] \(32 values\)", text)[1]
    assert [float(number) for number in shown.split()] == pytest.approx(query.tolist(), abs=6e-5)


@pytest.mark.lecture("S1-18")
def test_each_sentence_is_printed_with_prediction_and_loss():
    """The document's untrained model says 0 everywhere with losses up to 5.08; trained, ours says what is true."""
    labels = {0: "negatif", 1: "positif"}
    words = WORDS[:5] + sorted({word for sentence in SENTENCES for word in sentence.split()})
    sizes = {**SIZES, "vocab_size": len(words), "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = MiniBertForSequenceClassification(MiniBertConfig(**sizes, id2label=labels))
    tokenizer = word_tokenizer(words)

    def printed():
        texts = [trace(model, tokenizer, s).describe_prediction(labels[y]) for s, y in SENTENCES.items()]
        losses = [float(re.search(r"Loss \(CE\) +: (\S+)", text)[1]) for text in texts]
        said = [re.search(r"^Class +: (\S+)", text, re.MULTILINE)[1] for text in texts]
        return losses, said, texts

    losses, _, texts = printed()
    assert losses == pytest.approx([math.log(2)] * 6, abs=0.1)
    batch = tokenizer(list(SENTENCES), padding=True, return_tensors="pt")
    truth = torch.tensor(list(SENTENCES.values()))
    expected = F.cross_entropy(model.eval()(**batch).logits, truth, reduction="none")
    assert losses == pytest.approx(expected.tolist(), abs=6e-5)
    assert texts[0].startswith("Text          : aku suka banget sama film ini\nPooler        : [")
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=5e-3)
    for _ in range(30):
        optimizer.zero_grad()
        model(**batch, labels=truth).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    losses, said, _ = printed()
    assert said == [labels[y] for y in SENTENCES.values()]
    assert max(losses) < 0.05


def test_a_label_needs_a_classifier_that_knows_it():
    tokenizer = word_tokenizer(list(WORDS))
    classifier = trace(random_model("MiniBertForSequenceClassification"), tokenizer, TEXT, PAIR)
    with pytest.raises(ValueError, match=r"unknown label 'baik'; choose one of \['LABEL_0', 'LABEL_1', 'LABEL_2'\]"):
        classifier.describe_prediction("baik")
    with pytest.raises(ValueError, match="MiniGPTForCausalLM gives a text no classes"):
        trace(random_model("MiniGPTForCausalLM"), tokenizer, TEXT).describe_prediction("LABEL_0")


def test_words_that_follow_are_listed_with_their_probabilities():
    traced = trace(random_model("MiniGPTForCausalLM"), word_tokenizer(list(WORDS)), "aku suka")
    lines = traced.describe_prediction().split("\n")[1:]
    assert [line.partition(":")[0].strip() for line in lines] == [
        *("Next token 0 ([CLS])", "Next token 1 (aku)", "Next token 2 (suka)", "Next token 3 ([SEP])")
    ]
    probabilities = traced.logits["logits"].softmax(-1)
    numbers = torch.tensor([[float(n) for n in re.findall(r" (\d\.\d{4})", line)] for line in lines])
    assert_close(numbers.double(), probabilities.topk(5).values, rtol=0, atol=5e-5)

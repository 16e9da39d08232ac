"""`DualEncoder`: one folder for two encoders, each an ordinary checkpoint; and that it learns to retrieve."""

import json

import numpy as np
import pytest
import torch
from helpers.minibert import random_model
from transformers import AutoModel, AutoTokenizer, BertTokenizer

from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.retrieval.contrastive import false_negatives, in_batch_loss
from modeling_minibert.retrieval.dual_encoder import DualEncoder
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder
from modeling_minibert.retrieval.sentence_transformers_folder import EncoderSettings

NAMES = "ani budi cici dedi eka fani gita hadi".split()
PLACES = "bali bogor medan solo malang padang kupang ambon".split()
ASKED, TOLD = ["di mana rumah {}", "kota asal {} apa"], ["{} tinggal di {}", "rumah {} ada di {}"]
WORDS = sorted({*" ".join([*ASKED, *TOLD]).replace("{}", "").split(), *NAMES, *PLACES})
QUERIES = ["di mana rumah ani", "kota asal budi apa", "ani"]
PASSAGES = ["ani tinggal di bali", "rumah budi ada di solo", "di", "gita tinggal di kupang hadi"]


def make_tokenizer():
    return BertTokenizer(
        vocab={word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    )


def make_encoder(**settings):
    return SentenceEncoder(random_model(MiniBertModel), make_tokenizer(), EncoderSettings(**settings))


@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_one_folder_holds_it_and_each_encoder_is_an_ordinary_checkpoint(tmp_path, similarity, shared, stock):
    encoder = DualEncoder(make_encoder(), None if shared else make_encoder(pooling="cls"), similarity)
    queries, passages = encoder.encode_queries(QUERIES), encoder.encode_passages(PASSAGES)
    norms = np.linalg.norm(queries, axis=1)
    assert np.allclose(norms, 1.0, atol=1e-5) == (similarity == "cosine")
    encoder.save(tmp_path, stock)
    loaded = DualEncoder.load(tmp_path)
    assert loaded.similarity == similarity and loaded.is_shared == shared
    assert (loaded.fingerprint == encoder.fingerprint) != stock  # the twin has other names of weights
    atol = 1e-5 * norms.max()
    np.testing.assert_allclose(loaded.encode_queries(QUERIES), queries, atol=atol)
    np.testing.assert_allclose(loaded.encode_passages(PASSAGES), passages, atol=atol)
    for kind, vectors in (("query", queries), ("document", passages)):
        texts = QUERIES if kind == "query" else PASSAGES
        np.testing.assert_allclose(loaded.encode(texts, kind=kind), vectors, atol=atol)
    if not shared:
        with pytest.raises(ValueError, match="holds an encoder for queries and one for passages; open it with Dual"):
            SentenceEncoder.load(tmp_path)
        with pytest.raises(ValueError, match="kind is None, and there are two encoders"):
            loaded.encode(QUERIES)
    for name in [""] if shared else ["query_encoder", "passage_encoder"]:
        model = AutoModel.from_pretrained(tmp_path / name)
        assert type(model).__name__ == ("BertModel" if stock else "MiniBertModel")
        assert AutoTokenizer.from_pretrained(tmp_path / name)("ani tinggal")["input_ids"][1] > 4
        assert SentenceEncoder.load(tmp_path / name).encode(QUERIES).shape == (3, 20)


def test_a_forward_pass_gives_the_vectors_of_encode_and_gradients_to_both():
    encoder = DualEncoder(make_encoder(), make_encoder(), "dot").eval()
    vectors = encoder(encoder.query_encoder.tokenize(QUERIES), encoder.passage_encoder.tokenize(PASSAGES))
    np.testing.assert_allclose(vectors[0].detach().numpy(), encoder.encode_queries(QUERIES), atol=1e-5)
    np.testing.assert_allclose(vectors[1].detach().numpy(), encoder.encode_passages(PASSAGES), atol=1e-5)
    in_batch_loss(*vectors).backward()
    for part in (encoder.query_encoder, encoder.passage_encoder):
        assert part.model.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_two_encoders_from_one_start_as_copies_and_no_weight_is_saved_twice():
    encoder = make_encoder()
    dual = DualEncoder(encoder, encoder)
    assert dual.passage_encoder is not encoder
    np.testing.assert_array_equal(dual.encode_queries(QUERIES), dual.encode_passages(QUERIES))
    addresses = [tensor.data_ptr() for tensor in dual.state_dict().values()]
    assert len(set(addresses)) == len(addresses)
    assert len(DualEncoder(encoder).state_dict()) == len(addresses) / 2


def test_an_ordinary_checkpoint_opens_as_a_shared_encoder(tmp_path):
    encoder = make_encoder()
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    dual = DualEncoder.load(tmp_path)
    assert dual.is_shared and dual.similarity == "cosine"
    np.testing.assert_allclose(dual.encode_queries(QUERIES), encoder.encode(QUERIES), atol=1e-6)


def test_encoders_that_do_not_fit_together_are_refused(tmp_path):
    other = MiniBertModel(MiniBertConfig.from_preset("tiny", vocab_size=60, num_hidden_layers=1))
    with pytest.raises(ValueError, match="queries have 20 features, passages 128; give encoders of one size"):
        DualEncoder(make_encoder(), SentenceEncoder(other, make_tokenizer()))
    with pytest.raises(ValueError, match="similarity is 'euclid'; choose one of cosine, dot"):
        DualEncoder(make_encoder(), similarity="euclid")
    DualEncoder(make_encoder()).save(tmp_path)
    assert json.loads((tmp_path / "dual_encoder.json").read_text())["shared"]
    with pytest.raises(ValueError, match="holds one shared encoder, this is two encoders; choose another folder"):
        DualEncoder(make_encoder(), make_encoder()).save(tmp_path)


@pytest.mark.slow
@pytest.mark.lecture("S5-36")
@pytest.mark.parametrize("shared", [False, True])
def test_in_batch_negatives_teach_questions_their_passages(shared):
    torch.manual_seed(0)
    config = MiniBertConfig.from_preset(
        "tiny", vocab_size=len(make_tokenizer()), hidden_size=32, intermediate_size=64, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    encoder = SentenceEncoder(MiniBertModel(config), make_tokenizer())
    encoder = DualEncoder(encoder, None if shared else encoder)
    facts = [(name, place) for name, place in zip(NAMES, PLACES, strict=True)]
    # One question of each name and one passage are held out together, so that no pair of them was seen.
    train = [(ASKED[kind].format(name), TOLD[kind].format(name, place)) for name, place in facts for kind in range(2)]
    asked = [ASKED[0].format(name) for name in NAMES]
    told = [TOLD[1].format(name, place) for name, place in facts]

    def recall():
        scores = encoder.encode_queries(asked) @ encoder.encode_passages(told).T
        return float(np.mean(scores.argmax(axis=1) == np.arange(len(told))))

    assert recall() < 0.9
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    queries, passages = ([pair[side] for pair in train] for side in range(2))
    relevant = {query: {told for other, told in train if other.split()[-1] in query} for query in queries}
    mask = false_negatives(queries, passages, relevant)
    batch = encoder.query_encoder.tokenize(queries), encoder.passage_encoder.tokenize(passages)
    for _ in range(60):
        in_batch_loss(*encoder(*batch), temperature=0.1, not_negative=mask).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert recall() == 1.0

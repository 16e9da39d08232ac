"""Word vectors from counts, against counting by hand, the formula, and numpy's own decomposition."""

import math

import numpy as np
import pytest
import torch
from helpers.compare import assert_same_outputs
from scipy.sparse import csr_matrix

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.training import word_vectors as module
from modeling_minibert.training.word_vectors import count_neighbours, count_word_vectors, positive_pmi, set_word_vectors

SPECIAL = [0, 1]
VOCABULARY = 23


def draw_rows(count=40, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.integers(VOCABULARY, size=draw.integers(1, 30)).tolist() for _ in range(count)]


def count_by_hand(rows, window):
    counts = np.zeros((VOCABULARY, VOCABULARY))
    for row in rows:
        row = [token for token in row if token not in SPECIAL]
        for place, token in enumerate(row):
            for other in row[max(0, place - window) : place] + row[place + 1 : place + 1 + window]:
                counts[token, other] += 1
    return counts


@pytest.mark.parametrize("block", [7, 10_000])  # a block ends within rows, or never
@pytest.mark.parametrize("window", [1, 5])
def test_counts_are_those_by_hand(block, window, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    rows = draw_rows()
    counts = count_neighbours(rows, VOCABULARY, SPECIAL, window, frequent=math.inf)
    assert np.array_equal(counts.toarray(), count_by_hand(rows, window))


def test_frequent_tokens_are_thinned_and_rare_ones_kept():
    rows = [[2, 2, 2, 2, 2, 2, 2, 2, 3, 4]] * 5000  # shares 0.8, 0.1, 0.1
    counts = count_neighbours(rows, VOCABULARY, [], window=1, frequent=0.2).toarray()
    assert counts[3, 4] == 5000
    # A 2 stays with √(0.2 / 0.8) = 1/2; none stays of a row with 2^-8, otherwise the last one stands beside the 3.
    expected = 5000 * (1 - 2**-8)
    assert abs(counts[2, 3] - expected) < 3 * math.sqrt(expected * 2**-8)


def test_ppmi_is_the_formula():
    counts = count_by_hand(draw_rows(), 3)
    counts[5] = counts[:, 5] = 0  # a token without neighbours
    totals = counts.sum(axis=1)
    contexts = totals**0.75 / (totals**0.75).sum()
    expected = np.zeros_like(counts)
    for i, j in zip(*np.nonzero(counts), strict=True):
        expected[i, j] = max(0.0, math.log(counts[i, j] / totals[i] / contexts[j]))
    result = positive_pmi(csr_matrix(counts))
    assert np.allclose(result.toarray(), expected, atol=1e-12, rtol=0)
    assert result.nnz == np.count_nonzero(expected)


def test_vectors_span_the_largest_directions_of_numpys_decomposition():
    rows = draw_rows(400, seed=1)
    vectors = count_word_vectors(rows, VOCABULARY, 5, SPECIAL, window=5, frequent=math.inf).double()
    assert not vectors[SPECIAL].any()
    assert torch.allclose(vectors[2:].mean(dim=0), torch.zeros(5).double(), atol=1e-6)
    assert torch.allclose(vectors[2:].var(dim=0, correction=0), torch.ones(5).double(), atol=1e-5)
    weighted = positive_pmi(csr_matrix(count_by_hand(rows, 5))).toarray()[2:]
    exact = np.linalg.svd(weighted)[0][:, :4]
    exact -= exact.mean(axis=0)
    alike = np.abs(np.corrcoef(exact.T, vectors[2:, :4].numpy().T)[:4, 4:])
    assert np.allclose(np.diag(alike), 1, atol=1e-3)  # the randomized algorithm, after three iterations


def test_the_last_feature_is_how_rare_a_token_is():
    rows = [[2, 3, 4, 5] * 3, [3, 4, 5], [4, 5, 4, 5], [5, 6]]  # 3, 4, 6, 7 times and once
    rarity = count_word_vectors(rows, VOCABULARY, 2, SPECIAL, frequent=math.inf)[2:7, -1]
    expected = -np.log(np.array([3, 4, 6, 7, 1]) / 21)
    assert np.allclose(rarity, (expected - expected.mean()) / expected.std(), atol=1e-6)
    same = count_word_vectors([[2, 3, 4, 5]], VOCABULARY, 2, SPECIAL, frequent=math.inf)
    assert not same[:, -1].any()  # all are equally rare


def test_words_of_one_topic_are_neighbours():
    """Two topics that never meet: the direction to one's own topic is the nearer one, for every word."""
    draw = np.random.default_rng(0)
    rows = [(2 + topic * 10 + draw.integers(10, size=12)).tolist() for topic in (0, 1) for _ in range(300)]
    vectors = count_word_vectors(rows, VOCABULARY, 3, SPECIAL, frequent=math.inf)[2:22]
    alike = torch.nn.functional.normalize(vectors, dim=1) @ torch.nn.functional.normalize(vectors, dim=1).T
    assert alike[:10, :10].mean() > alike[:10, 10:].mean() + 0.3


def test_the_same_seed_gives_the_same_vectors():
    first, second = (count_word_vectors(draw_rows(), VOCABULARY, 3, SPECIAL, frequent=0.01, seed=5) for _ in range(2))
    assert_same_outputs(first, second)


def test_a_model_begins_with_them_and_keeps_what_they_lack():
    torch.manual_seed(0)
    config = MiniBertConfig.from_preset("tiny", vocab_size=VOCABULARY, hidden_size=12, num_attention_heads=2)
    model = MiniBertForMaskedLM(config)
    before = model.get_input_embeddings().weight.detach().clone()
    vectors = torch.randn(VOCABULARY, 12)
    vectors[[0, 1, 7]] = 0
    assert set_word_vectors(model, vectors) == VOCABULARY - 3
    after = model.get_input_embeddings().weight
    assert torch.equal(after[[0, 1, 7]], before[[0, 1, 7]])
    known = vectors.any(dim=1)
    assert torch.allclose(after[known], vectors[known] * before[known].std())
    assert model.get_output_embeddings().weight is after  # tied as before


def test_errors_tell_the_sizes():
    with pytest.raises(ValueError, match="vectors of 30 features need more than 30 tokens with neighbours, got 21"):
        count_word_vectors(draw_rows(), VOCABULARY, 30, SPECIAL, frequent=math.inf)
    with pytest.raises(ValueError, match="need more than 2 tokens with neighbours, got 2"):
        count_word_vectors([[2, 3], [2], []], VOCABULARY, 2, SPECIAL, frequent=math.inf)  # shorter than the window
    model = MiniBertForMaskedLM(MiniBertConfig.from_preset("tiny", vocab_size=VOCABULARY))
    with pytest.raises(ValueError, match=r"the vectors are \(23, 5\), the word embeddings \(23, 128\)"):
        set_word_vectors(model, torch.ones(VOCABULARY, 5))

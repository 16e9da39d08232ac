"""Initialise word embeddings from co-occurrence counts: PPMI, then a truncated SVD.

A small model needs many steps to learn from masked words what counts show at once: that "boring" and "dull" have the
same neighbours. The method is that of Levy, Goldberg and Dagan (2015, TACL, "Improving Distributional Similarity with
Lessons Learned from Word Embeddings"):

    count     how often token j is within `window` tokens of token i, after subsampling frequent tokens
    PPMI      max(0, ln p(i, j) / (p(i) q(j))), q(j) ~ p(j)^0.75: how much more often than by chance
    SVD       the leading singular vectors, scaled to equal variance
    rarity    one more feature, -ln p(i): rare words say more about a text than frequent ones (Spärck Jones 1972)

    vectors = count_word_vectors(rows, vocab_size=len(tokenizer), size=128, special_ids=tokenizer.all_special_ids)
    set_word_vectors(model, vectors)

Read `count_neighbours`, `positive_pmi`, `count_word_vectors` in this order.
"""

import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd
from transformers import PreTrainedModel

BLOCK = 2_000_000  # tokens counted at once


def _concatenate(rows) -> np.ndarray:
    """Join the tokens of all rows: (T,)."""
    return np.concatenate([np.asarray(row, dtype=np.int32) for row in rows])


def count_neighbours(
    rows, vocab_size: int, special_ids: list[int], window: int = 8, frequent: float = 1e-4, seed: int = 0
) -> csr_matrix:
    """Count the co-occurrences of every two tokens within a window.

    Subsampled tokens are removed before the window is applied, so that it always holds counted tokens.

    Args:
        rows: lists of token ids, of any lengths.
        vocab_size: V.
        special_ids: tokens that are never counted.
        window: largest distance between two tokens.
        frequent: a token with the share f of the text is kept with probability √(frequent / f), at most 1.
        seed: of the subsampling.

    Returns:
        (V, V), symmetric.
    """
    lengths = np.array([len(row) for row in rows])
    tokens = _concatenate(rows)
    row_of = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    shares = np.bincount(tokens, minlength=vocab_size) / len(tokens)
    with np.errstate(divide="ignore"):
        probabilities = np.minimum(1.0, np.sqrt(frequent / shares))
    probabilities[special_ids] = 0.0
    kept = np.random.default_rng(seed).random(len(tokens), dtype=np.float32) < probabilities[tokens]
    tokens, row_of = tokens[kept], row_of[kept]
    counts = csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for start in range(0, len(tokens), BLOCK):
        pairs = []
        for distance in range(1, window + 1):
            first = slice(start, max(start, min(start + BLOCK, len(tokens) - distance)))
            second = slice(start + distance, first.stop + distance)
            same = row_of[first] == row_of[second]
            pairs.append(np.stack([tokens[first][same], tokens[second][same]]))
        pairs = np.concatenate(pairs, axis=1)
        counts += coo_matrix((np.ones(pairs.shape[1], dtype=np.float32), tuple(pairs)), shape=counts.shape).tocsr()
    return counts + counts.T


def positive_pmi(counts: csr_matrix, context_power: float = 0.75) -> csr_matrix:
    """Turn co-occurrence counts into positive pointwise mutual information.

    Args:
        counts: (V, V).
        context_power: exponent that smooths the frequencies of neighbours; with 1, rare ones get the largest values.

    Returns:
        (V, V), zero if two tokens co-occur no more often than by chance.
    """
    totals = np.asarray(counts.sum(axis=1)).ravel()
    contexts = totals**context_power
    contexts /= contexts.sum()
    result = counts.tocoo()
    result.data = np.maximum(0.0, np.log(result.data / (totals[result.row] * contexts[result.col])))
    result = result.tocsr()
    result.eliminate_zeros()
    return result


def count_word_vectors(
    rows, vocab_size: int, size: int, special_ids: list[int], window: int = 8, frequent: float = 1e-4, seed: int = 0
) -> torch.Tensor:
    """Compute one vector per token: counts, PPMI, SVD, and the rarity as last feature.

    Args:
        rows, vocab_size, special_ids, window, frequent, seed: as in `count_neighbours`.
        size: features of a vector (E).

    Returns:
        (V, E), float32. Each feature has mean 0 and variance 1 over the tokens with neighbours; all other tokens,
        including special ones, are zero.

    Raises:
        ValueError: there are not more tokens with neighbours than features.
    """
    weighted = positive_pmi(count_neighbours(rows, vocab_size, special_ids, window, frequent, seed))
    known = np.flatnonzero(weighted.getnnz(axis=1))
    if len(known) <= size:
        raise ValueError(
            f"vectors of {size} features need more than {size} tokens with neighbours, got {len(known)}; give more "
            f"text, or a larger frequent than {frequent}"
        )
    directions, _, _ = randomized_svd(weighted[known], n_components=size - 1, n_iter=3, random_state=seed)
    times = np.bincount(_concatenate(rows), minlength=vocab_size)
    features = np.column_stack([directions, -np.log(times[known])])
    features -= features.mean(axis=0)
    vectors = torch.zeros(vocab_size, size)
    vectors[known] = torch.tensor(features / np.maximum(features.std(axis=0), 1e-12), dtype=torch.float32)
    return vectors


@torch.no_grad()
def set_word_vectors(model: PreTrainedModel, vectors: torch.Tensor) -> int:
    """Set the word embeddings of a new model to these vectors, scaled to the standard deviation they have now.

    Args:
        model: any transformers model.
        vectors: (V, E); tokens with a zero vector keep their embedding.

    Returns:
        The number of tokens with a new vector.

    Raises:
        ValueError: the shapes differ.
    """
    embeddings = model.get_input_embeddings().weight
    if embeddings.shape != vectors.shape:
        raise ValueError(f"the vectors are {tuple(vectors.shape)}, the word embeddings {tuple(embeddings.shape)}")
    vectors = vectors.to(embeddings)
    known = vectors.any(dim=1)
    embeddings[known] = vectors[known] * embeddings[known].std()
    return int(known.sum())

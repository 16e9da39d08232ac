"""Contrastive losses, against a plain loop and sentence-transformers."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from modeling_minibert.retrieval.contrastive import false_negatives, in_batch_loss, similarity_loss

B, P, E = 5, 13, 7  # of the 13 passages 8 are hard negatives


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    sides = (torch.randn(count, E, generator=generator, dtype=torch.float64) for count in (B, P))
    return tuple(normalize(side, dim=-1).requires_grad_() for side in sides)


def loop(queries, passages, temperature, left_out, symmetric):
    """Each softmax written out, with Python's own numbers."""

    def one(rows, columns, skip):
        losses = []
        for i, row in enumerate(rows):
            scores = [sum(a * b for a, b in zip(row, column, strict=True)) / temperature for column in columns]
            total = sum(math.exp(score) for j, score in enumerate(scores) if not skip(i, j))
            losses.append(math.log(total) - scores[i])
        return sum(losses) / len(losses)

    queries, passages = queries.tolist(), passages.tolist()
    loss = one(queries, passages, lambda i, j: left_out[i][j])
    if symmetric:
        loss = (loss + one(passages[:B], queries, lambda i, j: left_out[j][i])) / 2
    return loss


@pytest.mark.lecture("S5-36")
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_loss_is_that_of_a_loop(temperature, symmetric):
    queries, passages = draw()
    left_out = torch.rand(B, P) < 0.3
    left_out.fill_diagonal_(False)
    loss = in_batch_loss(queries, passages, temperature, left_out, symmetric)
    assert loss.item() == pytest.approx(loop(queries, passages, temperature, left_out.tolist(), symmetric), abs=1e-12)


@pytest.mark.filterwarnings("ignore")  # sentence-transformers' own
@pytest.mark.parametrize("symmetric", [False, True])
def test_the_loss_is_that_of_sentence_transformers(symmetric):
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    queries, passages = draw()
    options = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"} if symmetric else {}
    theirs = MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0, **options)
    # It takes as many hard negatives for each query.
    columns = [queries, passages[:B], passages[B : 2 * B]]
    expected = theirs.compute_loss_from_embeddings(columns, None)
    loss = in_batch_loss(queries, passages[: 2 * B], temperature=0.05, symmetric=symmetric)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    ours, others = (torch.autograd.grad(value, (queries, passages)) for value in (loss, expected))
    for gradient, other, side in zip(ours, others, (queries, passages), strict=True):
        # Theirs normalizes again, which takes the part along the vector out of its gradient.
        across = gradient - (gradient * side).sum(1, keepdim=True) * side
        torch.testing.assert_close(across, other, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_the_regression_is_that_of_sentence_transformers():
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    first, second = torch.randn(2, B, E, dtype=torch.float64)
    scores = torch.rand(B, dtype=torch.float64)
    theirs = CosineSimilarityLoss(lambda features: {"sentence_embedding": features})
    torch.testing.assert_close(similarity_loss(first, second, scores), theirs([first, second], scores))
    assert similarity_loss(first, second, cosine_similarity(first, second)) == 0


def test_a_passage_that_answers_the_query_is_no_negative_wherever_it_stands():
    queries, passages = draw()
    same = passages.detach().clone()
    same[3] = same[0]  # query 3 has the positive of query 0
    same.requires_grad_()
    mask = false_negatives("abcde", ["p", "q", "r", "p", *"tuvwxyzpk"])
    assert mask.nonzero().tolist() == [[0, 3], [0, 11], [3, 0], [3, 11]]
    loss = in_batch_loss(queries, same, not_negative=mask)
    loss.backward()
    pushed = torch.autograd.grad(in_batch_loss(queries, same), same)[0]
    # With the mask, passage 0 is pulled by its own query and pushed by the others but query 3.
    scores = (queries @ same.T / 0.05).masked_fill(mask, -math.inf).softmax(1)
    expected = ((scores - torch.eye(B, P, dtype=torch.float64)).T @ queries / 0.05 / B).detach()
    torch.testing.assert_close(same.grad, expected, rtol=1e-9, atol=1e-12)
    assert (pushed[0] - expected[0]).abs().max() > 1e-3


def test_false_negatives_know_a_query_that_stands_twice_and_what_else_is_relevant():
    assert false_negatives("aab", "pqr").tolist() == [[False, True, False], [True, False, False], [False] * 3]
    relevant = {"a": {"r", "s"}}
    assert false_negatives("ab", "prs", relevant).tolist() == [[False, True, True], [False, False, False]]
    assert false_negatives("aa", "aa").tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((3, 4), (2, 4)), {}, r"queries are \(3, 4\), passages \(2, 4\); give \(B, E\) and at least as many \(P, E\)"),
        (((3, 4), (3, 5)), {}, r"queries are \(3, 4\), passages \(3, 5\)"),
        (((3, 4), (3, 4)), {"temperature": 0}, r"temperature \(0\) must be above 0"),
        (((1, 4), (1, 4)), {}, "a batch of 1 queries and 1 passages has no negatives"),
        (((2, 4), (2, 4)), {"not_negative": torch.ones(2, 2, dtype=torch.bool)}, "2 passages has no negatives"),
    ],
)
def test_batches_that_teach_nothing_are_refused(shapes, options, message):
    with pytest.raises(ValueError, match=message):
        in_batch_loss(*map(torch.ones, shapes), **options)

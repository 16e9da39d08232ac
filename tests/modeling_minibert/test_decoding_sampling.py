"""Temperature, top-k and top-p: the lecture's numbers, the warpers of transformers, and the defining properties."""

import numpy as np
import pytest
import torch
from helpers.pairs import pairwise
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import GPT2Config, GPT2LMHeadModel, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from modeling_minibert.decoding import (
    TableLanguageModel,
    apply_temperature,
    causal_lm,
    greedy_search,
    keep_top_k,
    keep_top_p,
    sample,
)

SLIDE_LOGITS = [1.3, 2.1, 1.0]
SLIDE_TABLE = {
    0.01: [1.80485139e-35, 1.00000000e00, 1.68891188e-48],
    0.1: [3.35344532e-04, 9.99647960e-01, 1.66958211e-05],
    0.5: [0.15380252, 0.76178887, 0.08440861],
    0.9: [0.24102444, 0.58627399, 0.17270156],
    1.0: [0.25212039, 0.56110424, 0.18677538],
}


def random_logits(seed, rows=5, vocabulary=37):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(rows, vocabulary, dtype=torch.float64, generator=generator)


@pytest.mark.lecture("S5-55")
@pytest.mark.parametrize("temperature", SLIDE_TABLE)
def test_temperature_gives_the_numbers_on_the_slide(temperature):
    """They are printed with eight digits or more."""
    ours = apply_temperature(torch.tensor(SLIDE_LOGITS, dtype=torch.float64), temperature).softmax(-1)
    assert ours.tolist() == pytest.approx(SLIDE_TABLE[temperature], rel=6e-8, abs=0)


@pytest.mark.lecture("S5-55", "S5-77")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1e-3, 1e-6, 1e-40, 1e-300])
def test_tiny_temperatures_end_in_the_likeliest_token(temperature, dtype):
    """The slide's softmax(x, t) overflows: exp(2.1 / 0.001) is inf, and inf / inf is nan. Ours tends to greedy."""
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(np.array(SLIDE_LOGITS) / temperature)
        assert np.isnan(powers / powers.sum()).any()  # the lecture's formula
    ours = apply_temperature(torch.tensor(SLIDE_LOGITS, dtype=dtype), temperature).softmax(-1)
    assert ours.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.lecture("S5-55")
def test_sampling_at_a_tiny_temperature_is_greedy_search():
    """Where no two words are equally likely."""
    words = "ABCD"
    table = {context: torch.rand(4).add(0.1).tolist() for context in ("A", *("A" + word for word in words))}
    model = TableLanguageModel(words, {context: [p / sum(row) for p in row] for context, row in table.items()})
    drawn = sample(model, [0], 2, temperature=1e-9, num_samples=20)
    assert {text.ids for text in drawn} == {greedy_search(model, [0], 2).ids}
    assert drawn[0].log_prob == pytest.approx(greedy_search(model, [0], 2).log_prob)
    assert len({text.ids for text in sample(model, [0], 2, num_samples=20)}) > 3  # the premise: t = 1 draws many


@pytest.mark.lecture("S5-55", "S5-56", "S5-57")
@pytest.mark.parametrize(
    ("top_k", "top_p", "temperature"),
    pairwise([1, 5, 36, 37, 640], [1e-9, 0.5, 0.92, 0.95, 1.0], [0.3, 0.7, 1.0, 2.5]),
)
def test_filtered_distributions_equal_those_of_transformers(temperature, top_k, top_p):
    """The settings of Holtzman's table among them (k = 640 and 40, t = 0.7 and 0.9, p = 0.95)."""
    logits = random_logits(7)
    ours = keep_top_p(keep_top_k(apply_temperature(logits, temperature), top_k), top_p)
    theirs = TemperatureLogitsWarper(temperature)(None, logits)
    theirs = TopPLogitsWarper(top_p)(None, TopKLogitsWarper(top_k)(None, theirs))
    torch.testing.assert_close(ours.softmax(-1), theirs.softmax(-1), rtol=0, atol=1e-12)
    assert torch.equal(ours.isinf(), theirs.isinf())


@pytest.mark.lecture("S5-56")
@settings(max_examples=60)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=30), st.integers(1, 40))
def test_top_k_keeps_exactly_k_and_shares_the_rest_out(logits, top_k):
    """Also where values are equal; transformers' warper then keeps more than k."""
    logits = torch.tensor(logits, dtype=torch.float64)
    kept = keep_top_k(logits, top_k)
    support = ~kept.isinf()
    assert support.sum() == min(top_k, len(logits))
    assert not (~support).any() or logits[support].min() >= logits[~support].max()
    shares = logits.softmax(-1) * support
    torch.testing.assert_close(kept.softmax(-1), shares / shares.sum(), rtol=0, atol=1e-12)


def test_equal_logits_are_where_transformers_keeps_more_than_k():
    logits = torch.zeros(1, 5)
    assert (~keep_top_k(logits, 2).isinf()).sum() == 2
    assert (~TopKLogitsWarper(2)(None, logits).isinf()).sum() == 5


@pytest.mark.lecture("S5-57")
@settings(max_examples=100)
@given(st.lists(st.floats(-8, 8), min_size=1, max_size=30), st.floats(0.001, 1))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, top_p):
    """Its sum is at least p, without its least likely token it is below (1e-12: sums in another order)."""
    logits = torch.tensor(logits, dtype=torch.float64)
    probabilities, kept = logits.softmax(-1), keep_top_p(logits, top_p)
    support = ~kept.isinf()
    mass = float(probabilities[support].sum())
    assert mass >= top_p - 1e-12
    assert top_p == 1 or mass - float(probabilities[support].min()) < top_p + 1e-12
    assert not (~support).any() or probabilities[support].min() >= probabilities[~support].max()
    torch.testing.assert_close(kept.softmax(-1), probabilities * support / mass, rtol=0, atol=1e-12)


@pytest.mark.lecture("S5-57")
def test_top_p_on_an_example_done_by_hand():
    """The formula says "at least p", a sentence beside it "exceeds p": at p = 0.5 the formula holds."""
    logits = torch.tensor([0.3, 0.05, 0.5, 0.15], dtype=torch.float64).log()
    for top_p, wanted in ((0.4, [2]), (0.79, [0, 2]), (0.81, [0, 2, 3]), (0.96, [0, 1, 2, 3])):
        assert (~keep_top_p(logits, top_p).isinf()).nonzero().flatten().tolist() == wanted
    # Powers of two have exact sums.
    exact = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64).log2() * np.log(2)
    assert (~keep_top_p(exact, 0.5).isinf()).nonzero().flatten().tolist() == [0]


@pytest.mark.lecture("S5-54")
@pytest.mark.parametrize("options", [{}, {"temperature": 0.6}, {"top_k": 4}, {"top_p": 0.8, "temperature": 1.5}])
def test_drawn_texts_have_the_frequencies_of_their_probabilities(options):
    """χ² over all texts of two new words, 4,000 drawn with a seed; the same seed draws the same."""
    model = TableLanguageModel.random("ABCDE", max_length=3, seed=4)

    def distribution(ids):
        logits = apply_temperature(model(torch.tensor([ids])), options.get("temperature", 1.0))
        return keep_top_p(keep_top_k(logits, options.get("top_k", 5)), options.get("top_p", 1.0)).softmax(-1)[0]

    expected = torch.stack([distribution([0])[w] * distribution([0, w]) for w in range(5)]).flatten() * 4000
    drawn = sample(model, [0], 2, num_samples=4000, generator=torch.Generator().manual_seed(3), **options)
    counts = np.bincount([5 * text.ids[1] + text.ids[2] for text in drawn], minlength=25)
    possible = expected.numpy() > 0
    assert counts[~possible].sum() == 0 and counts.sum() == 4000
    assert chisquare(counts[possible], expected.numpy()[possible]).pvalue > 0.01
    again = sample(model, [0], 2, num_samples=4000, generator=torch.Generator().manual_seed(3), **options)
    assert drawn == again
    # The premise: the test tells this distribution from an even one.
    assert chisquare(counts).pvalue < 1e-6


@pytest.mark.lecture("S5-75")
def test_samples_end_with_the_end_token_and_know_their_probability():
    model = TableLanguageModel.random("ABC", max_length=6, seed=0)
    drawn = sample(model, [0], 5, num_samples=50, eos_token_id=2)
    assert {len(text.ids) for text in drawn} == {2, 3, 4, 5, 6}
    for text in drawn:
        assert 2 not in text.ids[1:-1] and (text.ids[-1] == 2 or len(text.ids) == 6)
        steps = [model(torch.tensor([text.ids[:i]]))[0, text.ids[i]] for i in range(1, len(text.ids))]
        assert text.log_prob == pytest.approx(float(sum(steps)))


def test_sampling_from_a_model_equals_generate():
    """The same draws from the same seed."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=29, n_embd=12, n_layer=1, n_head=3, n_positions=32, initializer_range=0.4)
    model = GPT2LMHeadModel(config).double().eval()
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = None
    ids = torch.tensor([[4, 9]])
    options = {"temperature": 0.9, "top_k": 12, "top_p": 0.9}
    torch.manual_seed(5)
    theirs = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, max_new_tokens=12, **options)
    torch.manual_seed(5)
    ours = sample(causal_lm(model), [4, 9], 12, **options)
    assert list(ours[0].ids) == theirs[0].tolist()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_of_zero_is_refused(temperature):
    with pytest.raises(ValueError, match=rf"temperature \({temperature}\) must be above 0.*greedy"):
        apply_temperature(torch.zeros(3), temperature)


def test_impossible_filters_are_refused():
    with pytest.raises(ValueError, match=r"top_k \(0\) must be at least 1"):
        keep_top_k(torch.zeros(3), 0)
    for top_p in (0.0, -0.1, 1.01):
        with pytest.raises(ValueError, match=rf"top_p \({top_p}\) must be above 0 and at most 1"):
            keep_top_p(torch.zeros(3), top_p)

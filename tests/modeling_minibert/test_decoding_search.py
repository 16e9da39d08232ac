"""The searches written from scratch find what `generate` of transformers finds, and what trying everything finds."""

import functools
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from modeling_minibert.decoding import (
    Beams,
    TableLanguageModel,
    beam_search,
    causal_lm,
    draw_beam_tree,
    exhaustive_search,
    greedy_search,
    no_repeated_ngrams,
)
from modeling_minibert.decoding.search import contrastive_search, diverse_beam_search

EOS = 2
LETTERS = "ABCDEFG"


@functools.cache
def tiny_gpt2(seed):
    """Random weights, far from 0, so that the distributions are far from flat."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=13, n_embd=12, n_layer=2, n_head=3, n_positions=40, bos_token_id=1, eos_token_id=EOS,
        pad_token_id=0, initializer_range=0.35,
    )  # fmt: skip
    return GPT2LMHeadModel(config).double().eval()


def generate(model, prompt, **arguments):
    """`model.generate` for one prompt: the ids without pads, and the scores of the beams."""
    ids = torch.tensor([prompt])
    arguments |= {"return_dict_in_generate": True, "output_scores": True, "do_sample": False}
    output = model.generate(ids, attention_mask=torch.ones_like(ids), **arguments)
    rows = []
    for row in output.sequences.tolist():
        new = row[len(prompt) :]
        rows.append(tuple(prompt + (new[: new.index(EOS) + 1] if EOS in new else new)))
    return rows, getattr(output, "sequences_scores", None)


def log_prob_of(next_log_probs, prompt, ids):
    """The chain rule, one token after the other."""
    steps = range(len(prompt), len(ids))
    return sum(float(next_log_probs(torch.tensor([ids[:step]]))[0, ids[step]]) for step in steps)


@pytest.fixture(scope="module")
def toy():
    """A table like the lecture's, 7 letters and texts of up to 5, but not of whole numbers: no two texts are equal."""
    contexts = TableLanguageModel.random(LETTERS, max_length=5, seed=1).table
    rows = torch.rand(len(contexts), 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = (rows / rows.sum(dim=1, keepdim=True)).tolist()
    return TableLanguageModel(LETTERS, dict(zip(contexts, rows, strict=True)))


@pytest.fixture
def dog():
    """The tree on the slides, "The …"; they take it from the blog post "How to generate text" (von Platen 2020)."""
    words = "The nice dog car woman house guy has and runs is drives turns".split()

    def row(**probabilities):
        return [probabilities.get(word, 0.0) for word in words]

    return TableLanguageModel(
        words,
        {
            ("The",): row(nice=0.5, dog=0.4, car=0.1),
            ("The", "nice"): row(woman=0.4, house=0.3, guy=0.3),
            ("The", "dog"): row(has=0.9, runs=0.05, **{"and": 0.05}),
            ("The", "car"): row(drives=0.5, turns=0.2, **{"is": 0.3}),
        },
    )


@pytest.mark.lecture("S5-51", "S5-75")
@pytest.mark.parametrize("seed", [1, 3])
def test_greedy_equals_generate_and_stops_at_the_end_token(seed):
    """The lecture's loop for a GPT knows no end token and always adds max_len words."""
    model, lengths = tiny_gpt2(seed), set()
    for prompt in ([5, 3, 8], [11], [7, 7, 9, 4, 12]):
        ours = greedy_search(causal_lm(model), prompt, max_new_tokens=20, eos_token_id=EOS)
        theirs, _ = generate(model, prompt, max_new_tokens=20)
        assert [ours.ids] == theirs
        assert ours.log_prob == pytest.approx(log_prob_of(causal_lm(model), prompt, ours.ids), abs=1e-12)
        lengths.add(len(ours.ids) - len(prompt))
    assert (min(lengths) < 20) == (seed == 3)  # the premise: with one model texts end early


@pytest.mark.lecture("S5-51", "S5-76")
@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -0.7])
def test_beam_search_equals_generate(length_penalty, early_stopping):
    """Ids and scores, with an end token and every way to stop; `generate` sums in float32, hence 1e-5.

    The lecture's beam search knows neither an end token nor a length penalty.
    """
    for seed, prompt, num_beams in ((2, [5, 3, 8], 4), (3, [11], 7)):
        model, options = tiny_gpt2(seed), {"length_penalty": length_penalty, "early_stopping": early_stopping}
        ours = beam_search(causal_lm(model), prompt, 9, num_beams, eos_token_id=EOS, **options)
        ids, scores = generate(
            model, prompt, max_new_tokens=9, num_beams=num_beams, num_return_sequences=num_beams, **options
        )
        assert [hypothesis.ids for hypothesis in ours] == ids
        assert [hypothesis.score for hypothesis in ours] == pytest.approx(scores.tolist(), abs=1e-5)
        for hypothesis in ours:
            total = log_prob_of(causal_lm(model), prompt, hypothesis.ids)
            assert hypothesis.score == pytest.approx(total / (len(hypothesis.ids) - len(prompt)) ** length_penalty)


@pytest.mark.lecture("S5-76")
def test_the_length_penalty_decides_between_short_and_long():
    """End at once with 0.4, or go on for three tokens with 0.6 each: 0.216 in all, but 0.6 per token."""
    model = TableLanguageModel("AB", {"A": [0.6, 0.4], "AA": [0.6, 0.4], "AAA": [0.6, 0.4]})  # B ends a text
    short, long = (model.encode(text) for text in ("AB", "AAAA"))
    for penalty, best in ((0.0, short), (1.0, long)):
        found = beam_search(model, [0], 3, 3, eos_token_id=1, length_penalty=penalty, early_stopping="never")
        assert list(found[0].ids) == best
        assert found == exhaustive_search(model, [0], 3, 1, penalty)[:3]


@pytest.mark.lecture("S5-51")
def test_greedy_finds_the_text_and_the_number_on_the_slide():
    """'ADCGE', 5.709277227357884: the lecture's -Σ ln p, called a log-likelihood there; it is that times -1.

    The random table behind it is lost. It had whole numbers from 1 to 10 over their sum; 10/26 · 10/43 · 6/31 · 9/47 is
    one of the few ways in which four such fractions give this number, all largest in their rows.
    """
    counts = {
        "A": (4, 2, 1, 10, 5, 3, 1),
        "AD": (2, 7, 10, 8, 9, 4, 3),
        "ADC": (3, 5, 5, 4, 3, 5, 6),
        "ADCG": (7, 8, 6, 5, 9, 4, 8),
    }
    table = {context: [count / sum(row) for count in row] for context, row in counts.items()}
    assert [(max(row), sum(row)) for row in counts.values()] == [(10, 26), (10, 43), (6, 31), (9, 47)]
    model = TableLanguageModel(LETTERS, table)
    found = greedy_search(model, model.encode("A"), max_new_tokens=4)
    assert "".join(model.decode(found.ids)) == "ADCGE"
    assert -found.log_prob == pytest.approx(5.709277227357884, abs=1e-14)


@pytest.mark.lecture("S5-51")
@pytest.mark.parametrize("seed", range(5))
def test_one_beam_is_greedy_search(seed):
    toy = TableLanguageModel.random(LETTERS, max_length=5, seed=seed)
    greedy = greedy_search(toy, [0], 4)
    assert beam_search(toy, [0], 4, num_beams=1, length_penalty=0.0) == [greedy]


@pytest.mark.lecture("S5-50", "S5-51")
@pytest.mark.parametrize("eos", [None, 3])
def test_beams_as_many_as_beginnings_find_what_trying_everything_finds(toy, eos):
    """V^(T-1) beams lose nothing: 343 of them, for 7 letters and 4 new ones. With `eos` also texts that end early."""
    everything = exhaustive_search(toy, [0], 4, eos)
    assert len(everything) == (7**4 if eos is None else 6**3 * 7 + 6**2 + 6 + 1)
    for text in everything[::100]:
        assert text.log_prob == pytest.approx(log_prob_of(toy, [0], text.ids))
    found = beam_search(toy, [0], 4, 343, eos_token_id=eos, early_stopping="never")
    assert [(text.ids, pytest.approx(text.score)) for text in found] == [
        (text.ids, text.score) for text in everything[:343]
    ]
    if eos is None:  # their probabilities sum up to 1: nothing was left out or tried twice
        assert math.fsum(math.exp(text.log_prob) for text in everything) == pytest.approx(1)


@pytest.mark.lecture("S5-50")
def test_trying_everything_is_refused_when_there_is_too_much():
    with pytest.raises(ValueError, match=r"1,002,001 continuations of 2 tokens are too many.*1,000,000"):
        exhaustive_search(lambda ids: torch.zeros(len(ids), 1001), [0], 3)


def test_more_beams_find_likelier_texts_on_average():
    """In the mean over 40 tables; the best there is comes out last."""
    means = []
    toys = [TableLanguageModel.random("ABCD", max_length=5, seed=seed) for seed in range(40)]
    for num_beams in (1, 2, 4, 64):
        means.append(sum(beam_search(toy, [0], 4, num_beams)[0].log_prob for toy in toys) / len(toys))
    best = sum(exhaustive_search(toy, [0], 4)[0].log_prob for toy in toys) / len(toys)
    assert means == sorted(means) and means[0] < means[1] and means[-1] == pytest.approx(best)


@pytest.mark.lecture("S5-51")
def test_beam_search_can_miss_what_greedy_search_finds():
    """The slide says that beam search always finds a likelier text than greedy search. It does not.

    Greedy search goes A, AA, AAA: 0.4 · 0.4 · 1. With two beams, both extensions of AB (0.39 · 0.5) push AA (0.4 · 0.4)
    out before its certain end, and end badly themselves.
    """
    table = {"A": [0.4, 0.39, 0.21], "AA": [0.4, 0.3, 0.3], "AB": [0.5, 0.5, 0.0], "AC": [0.4, 0.3, 0.3]}
    table |= {"AAA": [1.0, 0.0, 0.0]}
    table |= {"A" + "".join(pair): [0.4, 0.3, 0.3] for pair in itertools.product("ABC", repeat=2) if pair != ("A", "A")}
    model = TableLanguageModel("ABC", table)
    greedy = greedy_search(model, [0], 3)
    two = beam_search(model, [0], 3, num_beams=2)
    assert math.exp(greedy.log_prob) == pytest.approx(0.4 * 0.4)
    assert math.exp(two[0].log_prob) == pytest.approx(0.39 * 0.5 * 0.4)
    assert exhaustive_search(model, [0], 3)[0].ids == greedy.ids


@pytest.mark.lecture("S5-51", "S5-52")
def test_two_beams_find_the_dog(dog):
    """The slide's example: greedy takes "The nice woman" with 0.2, two beams find "The dog has" with 0.36."""
    prompt = dog.encode(["The"])
    greedy = greedy_search(dog, prompt, 2)
    assert dog.decode(greedy.ids) == ["The", "nice", "woman"] and math.exp(greedy.log_prob) == pytest.approx(0.2)
    beams = Beams(prompt, max_new_tokens=2, width=2)
    beams.advance(dog(beams.prefixes()))
    assert [dog.decode(text.ids) for text in beams.running] == [["The", "nice"], ["The", "dog"]]
    beams.advance(dog(beams.prefixes()))
    assert beams.done()
    assert [dog.decode(text.ids) for text in beams.finished] == [["The", "dog", "has"], ["The", "nice", "woman"]]
    assert [math.exp(text.log_prob) for text in beams.finished] == pytest.approx([0.36, 0.2])
    assert beams.finished[0].ids == exhaustive_search(dog, prompt, 2)[0].ids


@pytest.mark.lecture("S5-52")
def test_the_tree_of_the_slide_is_drawn(dog):
    drawn = draw_beam_tree(dog, dog.encode(["The"]), 2, 2, lambda ids: " ".join(dog.decode(ids)))
    assert drawn.split("\n") == [
        "The",
        "├─ 50% nice",
        "│  └─ 40% woman   = 0.2",
        "└─ 40% dog",
        "   └─ 90% has   = 0.36 ★",
    ]


def diverse_by_definition(next_log_probs, prompt, steps, width, groups, penalty):
    """Vijayakumar et al. 2016, algorithm 1, without an end token: texts of one length, everything spelled out."""
    beams = [[(tuple(prompt), 0.0)] for _ in range(groups)]
    for _ in range(steps):
        taken = []
        for group in range(groups):
            candidates = []
            for ids, total in beams[group]:
                for token, log_prob in enumerate(next_log_probs(torch.tensor([ids]))[0].tolist()):
                    candidates.append(((*ids, token), total + log_prob - penalty * taken.count(token)))
            beams[group] = sorted(candidates, key=lambda candidate: -candidate[1])[:width]
            taken += [ids[-1] for ids, _ in beams[group]]
    return sorted((text for group in beams for text in group), key=lambda text: -text[1])


@pytest.mark.parametrize("penalty", [0.0, 0.4, 50.0])
def test_diverse_beam_search_equals_its_definition(toy, penalty):
    ours = diverse_beam_search(toy, [0], 4, 6, 3, penalty, length_penalty=0.0)
    theirs = diverse_by_definition(toy, [0], 4, 2, 3, penalty)
    assert [(text.ids, pytest.approx(text.score)) for text in ours] == theirs
    if penalty == 0:  # three times the same
        assert ours[0] == ours[1] == ours[2] == beam_search(toy, [0], 4, 2, length_penalty=0.0)[0]
    if penalty == 50:  # every group has first letters of its own: 2 + 2 + 2 of 7
        assert len({text.ids for text in ours}) == 6


def test_one_group_of_diverse_beams_is_beam_search():
    model = causal_lm(tiny_gpt2(3))
    ours = diverse_beam_search(model, [11], 8, 4, 1, diversity_penalty=9.0, eos_token_id=EOS)
    assert ours == beam_search(model, [11], 8, 4, eos_token_id=EOS)


def last_states(model):
    return lambda ids: model(ids, output_hidden_states=True).hidden_states[-1].detach()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_contrastive_search_equals_its_definition(alpha):
    """Su et al. 2022, equation 5, one candidate, one earlier token at a time."""
    model, prompt = tiny_gpt2(1), [5, 3, 8]
    ours = contrastive_search(causal_lm(model), last_states(model), prompt, 8, alpha, top_k=4)
    ids = list(prompt)
    for _ in range(8):
        probabilities = model(torch.tensor([ids])).logits[0, -1].softmax(-1).detach()
        values = {}
        for token in probabilities.topk(4).indices.tolist():
            states = last_states(model)(torch.tensor([[*ids, token]]))[0]
            similar = max(float(F.cosine_similarity(states[-1], states[j], dim=0)) for j in range(len(ids)))
            values[token] = (1 - alpha) * float(probabilities[token]) - alpha * similar
        ids.append(max(values, key=values.get))
    assert list(ours.ids) == ids
    greedy = greedy_search(causal_lm(model), prompt, 8)
    assert (ours.ids == greedy.ids) == (alpha == 0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocked_ngrams_equal_generate_and_do_not_repeat(size):
    model, prompt, steps = tiny_gpt2(1), [5, 3, 8, 5], 8
    free = greedy_search(causal_lm(model), prompt, steps)
    blocked = greedy_search(no_repeated_ngrams(causal_lm(model), size), prompt, steps)
    assert [blocked.ids] == generate(model, prompt, max_new_tokens=steps, no_repeat_ngram_size=size, eos_token_id=None)[
        0
    ]

    def repeats(ids):
        grams = [ids[i : i + size] for i in range(len(ids) - size + 1)]
        return len(grams) - len(set(grams))

    assert repeats(free.ids) > 1 and repeats(blocked.ids) == (size == 1)  # the prompt has 5 twice


def test_impossible_tokens_are_never_taken(dog):
    """Three beams find only what has a probability; the lecture's code takes the logarithm of 0 and crashes."""
    found = beam_search(dog, dog.encode(["The"]), 2, 12)
    assert len(found) == 9 and all(math.isfinite(text.score) for text in found)


def test_the_table_says_what_is_missing(dog):
    with pytest.raises(ValueError, match=r"no row for \['The', 'dog', 'has'\]; its longest context has 2 words"):
        greedy_search(dog, dog.encode(["The", "dog"]), 2)
    with pytest.raises(ValueError, match="has 1 probabilities for 2 words"):
        TableLanguageModel("AB", {"A": [1.0]})
    with pytest.raises(ValueError, match=r"size \(0\) of the n-grams must be at least 1"):
        no_repeated_ngrams(dog, 0)

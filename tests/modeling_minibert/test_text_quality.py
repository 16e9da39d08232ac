"""The measures of generated text: repetition, self-BLEU, probabilities."""

import math
import random

import pytest
import torch
from nltk.translate.bleu_score import sentence_bleu
from scipy import stats
from transformers import GPT2Config, GPT2LMHeadModel

from modeling_minibert.evaluation import (
    distinct_ngrams,
    mean_entropy,
    perplexity,
    plot_token_probabilities,
    repeated_ngrams,
    self_bleu,
    token_log_probs,
)


@pytest.fixture
def model():
    config = GPT2Config(
        vocab_size=12, n_embd=12, n_layer=1, n_head=3, n_positions=16, eos_token_id=1, pad_token_id=0,
        bos_token_id=None, initializer_range=0.4,
    )  # fmt: skip
    return GPT2LMHeadModel(config).double().eval()


@pytest.mark.lecture("S5-53")
def test_repetition_is_measured():
    """By hand: a b a b a b has the pairs ab ba ab ba ab, two different ones of five."""
    assert repeated_ngrams([1, 2, 1, 2, 1, 2], 2) == pytest.approx(3 / 5)
    assert repeated_ngrams([1, 2, 1, 2, 1, 2], 4) == pytest.approx(1 / 3)
    assert repeated_ngrams(list(range(20)), 4) == 0 and repeated_ngrams([7] * 20, 4) == pytest.approx(1 - 1 / 17)
    assert repeated_ngrams([1, 2], 4) == 0
    # Two texts: pairs 12 23 and 12 24; none spans 3 and 1.
    assert distinct_ngrams([[1, 2, 3], [1, 2, 4]], 2) == pytest.approx(3 / 4)
    assert distinct_ngrams([[1, 2, 1, 2, 1, 2]], 2) == pytest.approx(1 - repeated_ngrams([1, 2, 1, 2, 1, 2], 2))
    assert distinct_ngrams([[1]], 2) == 0


@pytest.mark.lecture("S5-58")
def test_self_bleu_equals_that_of_nltk():
    draw = random.Random(0)
    texts = [[draw.choices([1, 2, 3], weights=[6, 3, 1])[0] for _ in range(length)] for length in (23, 31, 17, 26)]
    words = [list(map(str, ids)) for ids in texts]
    expected = [sentence_bleu(words[:n] + words[n + 1 :], words[n]) for n in range(4)]
    assert 0.1 < self_bleu(texts) < 0.9 and self_bleu(texts) == pytest.approx(sum(expected) / 4, rel=1e-9)
    assert self_bleu([texts[0]] * 3) == pytest.approx(1) and self_bleu([[1, 2, 3, 4], [5, 6, 7, 8]]) == 0
    with pytest.raises(ValueError, match="got 1, give at least 2"):
        self_bleu(texts[:1])


@pytest.mark.lecture("S5-53")
def test_probabilities_and_perplexity_equal_the_loss_of_transformers(model, tmp_path):
    prompt, continuation = [2, 3, 4], [5, 5, 9, 1, 11]
    log_probs = token_log_probs(model, prompt, continuation)
    ids = torch.tensor([prompt + continuation])
    labels = ids.clone()
    labels[:, :3] = -100
    assert log_probs.shape == (5,)
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=labels).loss)  # in float32, hence 1e-6
    assert perplexity(log_probs) == pytest.approx(math.exp(loss), rel=1e-6)
    picture = plot_token_probabilities({"beam": log_probs, "human": log_probs[:2]}, tmp_path / "p.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="the prompt is empty"):
        token_log_probs(model, [], continuation)


@pytest.mark.lecture("S5-78")
def test_the_entropy_is_scipys_and_falls_with_the_temperature(model):
    prompt, continuation = [2, 3, 4], [5, 5, 9, 1, 11]
    logits = model(torch.tensor([prompt + continuation])).logits[0, 2:-1].detach()
    temperatures = [1e-3, 0.1, 0.6, 0.9, 1.0, 2.0, 1e3]
    found = [mean_entropy(model, prompt, continuation, value) for value in temperatures]
    expected = [stats.entropy((logits / value).softmax(-1).numpy(), axis=1).mean() for value in temperatures]
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == sorted(found) and found[2] < found[4] - 0.01
    assert found[-1] == pytest.approx(math.log(12), abs=1e-4)  # all twelve tokens alike
    assert mean_entropy(model, prompt, continuation, 1e-300) == 0
    for arguments, message in (
        (([], continuation), "the prompt is empty"),
        ((prompt, []), "the continuation is empty"),
        ((prompt, continuation, 0), r"temperature \(0\) must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            mean_entropy(model, *arguments)

"""Attribution against sums over paths, closed forms, scipy's quadrature and central differences; and its own sum."""

import itertools
import re
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import quad_vec
from transformers import AutoModel, AutoTokenizer, BertTokenizer, PreTrainedTokenizerFast

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForSequenceClassification,
    MiniGPTConfig,
    MiniGPTForCausalLM,
)
from modeling_minibert.explain.attribution import (
    Attribution,
    attention_rollout,
    gradient_times_input,
    integrate,
    integrated_gradients,
    to_html,
    to_terminal,
)
from modeling_minibert.explain.head_roles import attention_weights
from modeling_minibert.stock import from_stock

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the film was dull ##er not boring &".split()
TEXT = "The film was not duller"
SIZES = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "max_position_embeddings": 16}


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(vocab={token: n for n, token in enumerate(VOCABULARY)})


@pytest.fixture(scope="module")
def causal_tokenizer(tokenizer):
    """The same words, with no special tokens around the text, as in GPT-2."""
    backend = tokenizer.backend_tokenizer
    copy = type(backend).from_str(backend.to_str())
    copy.post_processor = None
    return PreTrainedTokenizerFast(tokenizer_object=copy, unk_token="[UNK]")


def build(model_class, config_class, **fields):
    """A random model with larger weights than at the start of training, so that it is not nearly linear."""
    fields |= {"intermediate_size": 48, "vocab_size": len(VOCABULARY)}
    model = model_class(config_class(**SIZES, **fields))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.7)
    return model.eval()


@pytest.fixture
def classifier():
    return build(MiniBertForSequenceClassification, MiniBertConfig, num_labels=3)


@pytest.fixture
def masked_lm():
    return build(MiniBertForMaskedLM, MiniBertConfig)


@pytest.fixture
def causal_lm():
    return build(MiniGPTForCausalLM, MiniGPTConfig)


@pytest.mark.parametrize("residual", [0.5, 0.2])
def test_rollout_is_the_sum_over_all_paths_through_the_layers(residual):
    layers = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1)).softmax(dim=-1).numpy()
    expected = np.zeros((4, 4))
    for top, second, first, bottom in itertools.product(range(4), repeat=4):
        share = 1.0
        for layer, (above, below) in zip(layers[::-1], ((top, second), (second, first), (first, bottom)), strict=True):
            attention = sum(head[above, below] for head in layer) / len(layer)
            share *= (1 - residual) * attention + residual * (above == below)
        expected[top, bottom] += share
    rollout = attention_rollout(layers, residual)
    np.testing.assert_allclose(rollout, expected, atol=1e-7)  # the layers are float32
    np.testing.assert_allclose(rollout.sum(axis=1), 1.0, atol=1e-6)


def test_rollout_of_heads_that_look_at_the_token_before_is_binomial():
    before = np.eye(5, k=-1)
    before[0, 0] = 1.0
    rollout = attention_rollout([before[None]] * 3)
    np.testing.assert_allclose(rollout[4], [0, 1 / 8, 3 / 8, 3 / 8, 1 / 8])  # three tosses: stay or step back
    with pytest.raises(ValueError, match=r"residual \(1.5\) is a share"):
        attention_rollout([before[None]], residual=1.5)


def test_integrated_gradients_of_simple_functions_are_exact():
    generator = torch.Generator().manual_seed(2)
    vectors, baseline, weight = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    linear = integrate(lambda x: (x * weight).sum(dim=(1, 2)), vectors, baseline, steps=1)
    torch.testing.assert_close(linear, weight * (vectors - baseline), rtol=0, atol=1e-14)
    # A product is shared equally: ∫ t·y dt · x = x·y / 2. Its gradient is of degree 1, so that one point suffices.
    product = integrate(lambda x: x[:, 0, 0] * x[:, 1, 1], vectors, torch.zeros_like(vectors), steps=1)
    expected = torch.zeros_like(vectors)
    expected[0, 0] = expected[1, 1] = vectors[0, 0] * vectors[1, 1] / 2
    torch.testing.assert_close(product, expected, rtol=0, atol=1e-14)


def test_integrated_gradients_agree_with_an_independent_quadrature():
    """A net with one hidden layer of tanh, its gradient by hand, integrated by scipy's adaptive rule."""
    random = np.random.default_rng(3)
    first, second = random.normal(size=(7, 10)), random.normal(size=7)
    vectors, baseline = random.normal(size=(2, 5, 2))

    def slope(time):
        hidden = np.tanh(first @ (baseline + time * (vectors - baseline)).ravel())
        return ((second * (1 - hidden**2)) @ first).reshape(5, 2)

    expected = (vectors - baseline) * quad_vec(slope, 0.0, 1.0, epsabs=1e-12)[0]

    def score(x):
        return torch.tanh(x.flatten(start_dim=1) @ torch.tensor(first).T) @ torch.tensor(second)

    ours = integrate(score, torch.tensor(vectors), torch.tensor(baseline), steps=64)
    np.testing.assert_allclose(ours, expected, atol=1e-9)


@pytest.mark.parametrize("kind, text, baseline", [
    ("classifier", TEXT, "pad"), ("classifier", TEXT, "mask"), ("masked_lm", "the film was [MASK] boring", "zero"),
    ("causal_lm", TEXT, "zero"),
])  # fmt: skip
def test_the_scores_sum_to_the_difference_for_ours_and_for_stock(
    kind, text, baseline, request, tokenizer, causal_tokenizer
):
    ours, words = request.getfixturevalue(kind), causal_tokenizer if kind == "causal_lm" else tokenizer
    results = [integrated_gradients(model, words, text, baseline=baseline) for model in (ours, ours.to_stock().eval())]
    for model, found in zip((ours, ours.to_stock().eval()), results, strict=True):
        ids = words(text, return_tensors="pt")["input_ids"]
        place = {"masked_lm": 4, "causal_lm": -1}.get(kind)  # [CLS] the film was [MASK]
        logits = model(ids).logits[0] if place is None else model(ids).logits[0, place]
        assert found.output == pytest.approx(logits.max().item(), abs=1e-5)
        embed = model.get_input_embeddings()
        replaced = embed(ids)
        for position, token in enumerate(ids[0].tolist()):
            if token > 4:  # a word, not a special token
                blank = {"pad": embed.weight[0], "mask": embed.weight[4], "zero": torch.zeros(12)}[baseline]
                replaced[0, position] = blank
        without = model(inputs_embeds=replaced).logits[0]
        without = without[logits.argmax()] if place is None else without[place, logits.argmax()]
        assert found.baseline_output == pytest.approx(without.item(), abs=1e-5)
        difference = found.output - found.baseline_output
        assert abs(difference) > 0.05
        assert abs(found.scores.sum() - difference) <= 0.01 * abs(difference)
        assert found.gap == pytest.approx(abs(found.scores.sum() - difference) / abs(difference))
        kept = [score for token, score in zip(ids[0].tolist(), found.scores, strict=True) if token <= 4]
        assert kept == [0.0] * len(kept)
    np.testing.assert_allclose(results[0].scores, results[1].scores, atol=1e-4)
    assert results[0].target == results[1].target


def test_gradient_times_input_is_the_change_when_a_word_vector_grows(classifier, tokenizer):
    classifier.double()
    found = gradient_times_input(classifier, tokenizer, TEXT, target=1)
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    vectors = classifier.get_input_embeddings()(ids)[0].detach()
    for position in range(len(vectors)):
        logits = []
        for factor in (1 + 1e-5, 1 - 1e-5):
            scaled = vectors.clone()
            scaled[position] *= factor
            logits.append(classifier(inputs_embeds=scaled[None]).logits[0, 1].item())
        assert found.scores[position] == pytest.approx((logits[0] - logits[1]) / 2e-5, abs=1e-7)
    assert found.target == "LABEL_1"
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_pieces_are_added_into_the_words_of_the_text(classifier, tokenizer):
    found = integrated_gradients(classifier, tokenizer, TEXT, target="LABEL_2")
    assert found.tokens == ["[CLS]", "the", "film", "was", "not", "dull", "##er", "[SEP]"]
    assert found.words == ["[CLS]", "The", "film", "was", "not", "duller", "[SEP]"]
    assert found.word_scores[5] == found.scores[5] + found.scores[6]
    assert found.word_scores.sum() == pytest.approx(found.scores.sum(), abs=1e-12)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_by_default_the_sum_is_right_with_and_without_positions_in_the_sum(positions, tokenizer):
    model = build(MiniBertForSequenceClassification, MiniBertConfig, num_labels=3, position_embedding_type=positions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = integrated_gradients(model, tokenizer, TEXT)
    assert found.baseline == ("mask" if positions == "rotary" else "pad") and found.gap <= 0.01


def test_steps_are_doubled_while_the_sum_is_off_and_then_it_is_said(classifier, tokenizer):
    probe = integrated_gradients(classifier, tokenizer, TEXT, target=0)
    middle, difference = (probe.output + probe.baseline_output) / 2, probe.output - probe.baseline_output

    def jump(steepness):
        """From 0 to 1, within about 4 / steepness of the way from the baseline to the text."""
        return lambda outputs: torch.sigmoid(steepness * (outputs.logits[:, 0] - middle) / difference)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steep = integrated_gradients(classifier, tokenizer, TEXT, target=jump(200.0))
    assert 16 < steep.steps <= 512 and steep.gap <= 0.01
    with pytest.warns(UserWarning, match=r"a gap of 100.0% after 512 steps"):
        cliff = integrated_gradients(classifier, tokenizer, TEXT, target=jump(1e9))
    assert (cliff.output, cliff.baseline_output, cliff.steps) == (1.0, 0.0, 512)


def test_words_are_coloured_and_markup_in_them_is_shown():
    scores = np.array([0.5, -1.0, 0.0])
    found = Attribution(["a", "<b>", "c"], scores, ["a", "<b>", "c"], [0, 1, 2], "R&D", output=1.0)
    green, red, none = re.findall(r"\033\[48;2;(\d+;\d+;\d+)m\033\[30m(.*?)\033\[0m", to_terminal(found))
    assert (green, red, none) == (("128;255;128", "a"), ("255;0;0", "<b>"), ("255;255;255", "c"))
    page = to_html(found)
    assert re.findall(r"rgba\((.*?)\).*?>(.*?)</span>", page) == [
        ("0,160,0,0.50", "a"), ("220,0,0,1.00", "&lt;b&gt;"), ("0,160,0,0.00", "c"),
    ]  # fmt: skip
    assert "R&amp;D" in page and 'title="-1.000"' in page


def test_what_cannot_be_explained_is_refused(classifier, masked_lm, causal_lm, tokenizer, causal_tokenizer):
    cases = [
        (
            (classifier, tokenizer, TEXT, "good"),
            {},
            r"no class 'good'; the model knows 'LABEL_0', 'LABEL_1', 'LABEL_2'",
        ),
        ((classifier, tokenizer, TEXT), {"baseline": "blur"}, "'blur' is not one of pad, mask, zero"),
        ((causal_lm, causal_tokenizer, TEXT), {}, "no pad token for the baseline 'pad'; take 'zero'"),
        ((masked_lm, tokenizer, TEXT), {}, r"the text has 0 mask tokens; write \[MASK\] once"),
        ((masked_lm, tokenizer, "the [MASK]", "film was"), {}, "'film was' is 2 tokens"),
        ((masked_lm, tokenizer, "the [MASK]", 13), {}, "an id from 0 to 12"),
        ((classifier.minibert, tokenizer, TEXT), {}, "MiniBertModel gives no logits"),
        ((causal_lm, causal_tokenizer, ""), {"baseline": "zero"}, "the text '' has no tokens"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(ValueError, match=message):
            integrated_gradients(*arguments, **options)
    with pytest.raises(ValueError, match=r"in training mode, .* call model.eval\(\)"):
        integrated_gradients(classifier.train(), tokenizer, TEXT)


PAIRS = [
    ("The trophy doesn't fit in the suitcase because it is too {}.", "big", "small", "trophy", "suitcase"),
    ("The ball broke the table because it was made of {}.", "steel", "glass", "ball", "table"),
    ("The dog couldn't pass the door because it was too {}.", "sleepy", "narrow", "dog", "door"),
    ("The horse didn't drink the water because it was too {}.", "nervous", "dirty", "horse", "water"),
    ("The cat didn't climb the tree because it was too {}.", "scared", "tall", "cat", "tree"),
    ("The bird didn't leave the nest because it was too {}.", "young", "comfortable", "bird", "nest"),
    ("The boy couldn't lift the box because it was too {}.", "weak", "heavy", "boy", "box"),
    ("The truck couldn't cross the bridge because it was too {}.", "heavy", "weak", "truck", "bridge"),
    ("The child didn't eat the soup because it was too {}.", "sleepy", "salty", "child", "soup"),
    ("The man couldn't read the letter because it was too {}.", "drunk", "long", "man", "letter"),
]
LECTURE_PAIR = ("The animal didn't cross the street because it was too {}.", "tired", "wide", "animal", "street")


def preference(model, tokenizer, text, first, second):
    """(N, H): how much more "it" looks at the first noun than at the second."""
    tokens, weights = attention_weights(model, tokenizer, text)
    row = weights[:, :, tokens.index("it")]
    return row[:, :, tokens.index(first)] - row[:, :, tokens.index(second)]


@pytest.mark.pretrained
@pytest.mark.lecture("S5-21")
def test_one_head_of_a_real_checkpoint_looks_from_it_to_what_it_means(pretrained_dir):
    """The head that moves most between "tired" and "wide" also moves most in ten other sentences like it.

    Measured: by 0.45 of its attention there, by 0.13 on the average of the ten, to the right noun in 6 of them.
    By its gradient, "tired" turns the head towards the animal (+0.04), "wide" towards the street (-0.09).
    """
    model, tokenizer = AutoModel.from_pretrained(pretrained_dir).eval(), AutoTokenizer.from_pretrained(pretrained_dir)
    moves = []
    for sentence, for_first, for_second, *nouns in (LECTURE_PAIR, *PAIRS):
        texts = sentence.format(for_first), sentence.format(for_second)
        moves.append(np.subtract(*(preference(model, tokenizer, text, *nouns) for text in texts)))
    layer, head = np.unravel_index(moves[0].argmax(), moves[0].shape)
    others = np.mean(moves[1:], axis=0)
    assert moves[0][layer, head] > 0.3
    assert others[layer, head] == others.max() > 0.1

    text = LECTURE_PAIR[0].format("tired")
    tokens, weights = attention_weights(model, tokenizer, text)
    it, animal, street = map(tokens.index, ("it", "animal", "street"))
    assert weights[layer, head, it].argmax() == animal and weights[layer, head, it, animal] > 0.5
    model.set_attn_implementation("eager")
    model.config.output_attentions = True

    def animal_not_street(outputs):
        row = outputs.attentions[layer][:, head, it]
        return row[:, animal] - row[:, street]

    scores = {}
    for word in ("tired", "wide"):
        found = integrated_gradients(model, tokenizer, LECTURE_PAIR[0].format(word), animal_not_street, baseline="mask")
        scores[word] = found.word_scores[found.words.index(word)]
    assert scores["tired"] > 0 > scores["wide"]


@pytest.mark.pretrained
def test_a_real_checkpoint_in_our_class_gives_the_scores_of_the_stock_class(pretrained_dir):
    stock, tokenizer = AutoModel.from_pretrained(pretrained_dir).eval(), AutoTokenizer.from_pretrained(pretrained_dir)

    def length(outputs):
        return outputs.last_hidden_state.mean(dim=1).norm(dim=1)

    ours, theirs = (
        integrated_gradients(model, tokenizer, "an unbelievably dull film", length, baseline="mask")
        for model in (from_stock(stock).eval(), stock)
    )
    assert max(ours.gap, theirs.gap) <= 0.01
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)

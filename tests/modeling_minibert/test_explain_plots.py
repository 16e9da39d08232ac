"""Pictures are tested by what they say: the array behind an image, the lengths of bars, the labels of the axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.special import softmax

from modeling_minibert import scaled_dot_product_attention
from modeling_minibert.explain.plots import (
    attention_heat_map,
    compare_position_codes,
    head_grid,
    heat_map,
    line_chart,
    position_codes,
    position_curves,
    position_heat_map,
    query_bars,
    step_sizes,
)


def random_weights(*shape, seed=0):
    return softmax(np.random.default_rng(seed).normal(size=shape), axis=-1)


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.fixture
def lecture_weights():
    """The three words of the lecture with its seed, by scipy."""
    np.random.seed(42)
    query, key, value = (np.random.randn(3, 4) for _ in range(3))
    return softmax(query @ key.T / 2.0, axis=-1), (query, key, value)


@pytest.mark.lecture("S3-07")
def test_the_lecture_s_three_words_as_picture_and_bars(lecture_weights, tmp_path):
    words = ["The", "cat", "sat"]
    expected, inputs = lecture_weights
    output, weights = scaled_dot_product_attention(*(torch.tensor(part)[None, None] for part in inputs))
    np.testing.assert_allclose(weights[0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(output[0, 0], expected @ inputs[2], atol=1e-6)

    heat_map = attention_heat_map(weights[0, 0], words)
    np.testing.assert_array_equal(heat_map.axes[0].images[0].get_array(), weights[0, 0])
    heat_map.savefig(tmp_path / "heat_map.png")
    assert (tmp_path / "heat_map.png").read_bytes().startswith(b"\x89PNG")

    panels = query_bars(weights[0, 0], words).axes
    assert [axes.get_title() for axes in panels] == ["query: The", "query: cat", "query: sat"]
    for axes, row in zip(panels, expected, strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], row, atol=1e-12)
    assert labels(panels[0].yaxis) == words
    assert panels[0].get_ylim()[0] > panels[0].get_ylim()[1]  # the first word stands on top


@pytest.mark.lecture("S3-09")
@pytest.mark.parametrize("cmap", ["YlOrRd", "Blues"])
def test_a_heat_map_shows_tokens_numbers_and_one_scale(cmap):
    weights, queries, keys = random_weights(3, 5), ["le", "chat", "dort"], ["[CLS]", "the", "cat", "sleeps", "[SEP]"]
    axes = attention_heat_map(weights, queries, keys, title="layer 2", cmap=cmap).axes[0]
    image = axes.images[0]
    np.testing.assert_array_equal(image.get_array(), weights)
    assert (image.get_cmap().name, image.get_clim()) == (cmap, (0.0, 1.0))
    assert (labels(axes.xaxis), labels(axes.yaxis)) == (keys, queries)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("key", "query", "layer 2")
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(column, row): f"{weights[row, column]:.2f}" for row in range(3) for column in range(5)}


def test_more_queries_than_fit_in_a_row_go_below():
    weights = random_weights(6, 6)
    panels = query_bars(weights, list("abcdef")).axes
    assert [axes.get_title()[-1] for axes in panels] == list("abcdef")
    shown = [[bar.get_width() for bar in axes.patches] for axes in panels]
    np.testing.assert_allclose(shown, weights, atol=1e-12)


def test_the_grid_has_a_picture_for_every_head():
    attentions, tokens = random_weights(2, 3, 4, 4), list("abcd")
    figure = head_grid(attentions, tokens)
    assert [axes.get_title() for axes in figure.axes] == [f"layer {n}, head {h}" for n in (1, 2) for h in (1, 2, 3)]
    shown = np.array([axes.images[0].get_array() for axes in figure.axes])
    np.testing.assert_array_equal(shown, attentions.reshape(6, 4, 4))
    assert labels(figure.axes[0].yaxis) == labels(figure.axes[3].xaxis) == tokens
    assert not plt.get_fignums()  # no window, nothing for pyplot to keep


def test_a_table_of_probabilities_is_a_heat_map_with_its_own_names():
    table = [[0.25, 1.0], [0.5, 0.0], [0.125, 0.875]]
    axes, scale = heat_map(table, ["a", "b", "c"], ["x", "y"], "probability", title="pairs").axes
    np.testing.assert_array_equal(axes.images[0].get_array(), table)
    assert (labels(axes.yaxis), labels(axes.xaxis)) == (["a", "b", "c"], ["x", "y"])
    assert (axes.get_title(), scale.get_ylabel()) == ("pairs", "probability")


@pytest.mark.parametrize(("log", "scales"), [(True, ("log", "log")), (False, ("linear", "linear"))])
def test_a_line_chart_draws_each_curve_over_its_places(log, scales):
    curves = {"first": [1.0, 3.0, 9.0], "second": [2.0, 2.5, 0.1]}
    (axes,) = line_chart(curves, [4, 64, 1024], "D", "variance", log=log).axes
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel(), axes.get_ylabel()) == (*scales, "D", "variance")
    assert {line.get_label(): line.get_xydata().tolist() for line in axes.lines} == {
        name: [[place, value] for place, value in zip([4, 64, 1024], values, strict=True)]
        for name, values in curves.items()
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)


@pytest.mark.parametrize("draw", [attention_heat_map, query_bars, lambda weights, *args: head_grid([[weights]], *args)])
def test_weights_that_do_not_fit_the_tokens_are_refused(draw):
    with pytest.raises(ValueError, match=r"shape \(3, 5\) do not fit 3 queries and 4 keys"):
        draw(random_weights(3, 5), list("abc"), list("vwxy"))


def lecture_positions(length, size):
    """The lecture's loop-free NumPy function, written as loops."""
    table = np.zeros((length, size))
    for position in range(length):
        for dimension in range(size):
            angle = position / 10000 ** (2 * (dimension // 2) / size)
            table[position, dimension] = np.cos(angle) if dimension % 2 else np.sin(angle)
    return table


@pytest.mark.lecture("S3-16")
def test_the_position_table_as_colours_and_as_waves():
    table = position_codes(100, 128)["sinusoid"]
    expected = lecture_positions(100, 128)
    image = position_heat_map(table).axes[0].images[0]
    assert image.get_array().shape == (100, 128)
    np.testing.assert_allclose(image.get_array(), expected, atol=1e-7)  # the table is float32
    assert image.get_clim() == (-1.0, 1.0)
    curves = position_curves(table).axes[0].lines
    assert [line.get_label() for line in curves] == [f"dimension {n}" for n in (4, 5, 32, 33)]
    for line, dimension in zip(curves, (4, 5, 32, 33), strict=True):
        np.testing.assert_allclose(line.get_ydata(), expected[:, dimension], atol=1e-7)


def test_a_table_without_that_dimension_is_named():
    with pytest.raises(ValueError, match=r"\[4, 5, 32, 33\] asked for, but the table has 8, from 0 to 7"):
        position_curves(lecture_positions(10, 8))


@pytest.mark.lecture("S5-13")
def test_why_positions_are_waves():
    short, long = position_codes(16, 6), position_codes(40, 6)
    # Integers grow without end.
    assert (short["integer"].max(), long["integer"].max()) == (15, 39)
    # A fraction means another position in each text: 0.4 is the seventh of 16, and no position of 40.
    assert np.isclose(short["fraction"], 0.4).argmax() == 6
    assert not np.isclose(long["fraction"], 0.4).any()
    # Binary digits do not depend on the length and stay small, but one step is √(digits that change): 1 to √6.
    assert ["".join(str(int(digit)) for digit in code[::-1]) for code in long["binary"]] == [
        f"{n:06b}" for n in range(40)
    ]
    changed = [(n ^ (n + 1)).bit_count() for n in range(39)]
    np.testing.assert_allclose(step_sizes(long["binary"]), np.sqrt(changed))
    # Waves stay small, do not depend on the length, and every step is the same: √Σ 2(1 - cos ω).
    np.testing.assert_array_equal(short["sinusoid"], long["sinusoid"][:16])
    assert np.abs(long["sinusoid"]).max() <= 1.0
    step = np.sqrt(sum(2 - 2 * np.cos(10000 ** (-2 * i / 6)) for i in range(3)))
    np.testing.assert_allclose(step_sizes(long["sinusoid"]), step, atol=1e-6)
    # A digit repeats after 2, 4, 8, …; so does a wave, more slowly from pair to pair.
    for digit, column in enumerate(long["binary"].T[:4]):
        period = 2 ** (digit + 1)
        np.testing.assert_array_equal(column[period:], column[:-period])


def test_the_comparison_draws_the_four_codes_and_their_steps():
    axes = [axes for axes in compare_position_codes((8, 20)).axes if axes.get_xlabel()]  # without the colour scales
    codes = {length: position_codes(length) for length in (8, 20)}
    for picture, step, name in zip(axes[:4], axes[4:], codes[8], strict=True):
        assert picture.get_title() == name
        np.testing.assert_array_equal(picture.images[0].get_array(), codes[20][name])
        for line, length in zip(step.lines, (8, 20), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), step_sizes(codes[length][name]))
    with pytest.raises(ValueError, match="text of 1 tokens"):
        position_codes(1)

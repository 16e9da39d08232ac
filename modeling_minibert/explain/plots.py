"""Plot attention weights and position codes from plain arrays.

    heat_map                a table of numbers from 0 to 1 as colours, with numbers
    line_chart              curves over the same places
    attention_heat_map      the weights of one head as a heat map
    query_bars              the weights of one head, with a panel of bars per query
    head_grid               every head of every layer
    position_heat_map       a table of position codes as colours; `position_curves`: some of its columns as curves
    compare_position_codes  integers, fractions, binary digits and sinusoids side by side

Each function returns a matplotlib `Figure` without pyplot state: notebooks show it, `figure.savefig("page.png")` saves
it. Letters: L query length, S key length, H heads, P positions, E features.

Sources: the lectures' plots (rows S3-07, S3-09, S3-16, S5-13); sinusoidal positions, Vaswani et al. 2017, section 3.5.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..embeddings import sinusoidal_positions

SHOWN_DIMENSIONS = (4, 5, 32, 33)  # those of the lecture: two sines, each with its cosine
WHITE_FROM = 0.5  # cells with a larger number have white numbers, the others black ones


def _check_shape(
    weights, queries: Sequence[str], keys: Sequence[str] | None
) -> tuple[np.ndarray, list[str], list[str]]:
    """Check that weights and tokens fit; return the weights as an array, and the labels of both axes."""
    weights = np.asarray(weights, dtype=float)
    queries, keys = list(queries), list(queries if keys is None else keys)
    if weights.shape != (len(queries), len(keys)):
        raise ValueError(
            f"weights of shape {weights.shape} do not fit {len(queries)} queries and {len(keys)} keys; give those of "
            "one text and one head, for example outputs.attentions[layer][0, head]"
        )
    return weights, queries, keys


def heat_map(
    table, rows: Sequence[str], columns: Sequence[str], label: str, title: str = "", cmap: str = "YlOrRd"
) -> Figure:
    """Plot a table of numbers from 0 to 1 as colours, with the number in each cell.

    Args:
        table: (rows, columns).
        rows, columns: their names.
        label: what the numbers are, beside the scale.
        title: of the figure.
        cmap: colour map; the lectures use "YlOrRd" and "Blues".
    """
    figure = Figure(figsize=(2 + 0.55 * len(columns), 1.5 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(table, cmap=cmap, vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_title(title)
    for (row, column), number in np.ndenumerate(table):
        color = "white" if number > WHITE_FROM else "black"
        axes.text(column, row, f"{number:.2f}", ha="center", va="center", fontsize=8, color=color)
    figure.colorbar(image, label=label)
    return figure


def line_chart(
    curves: Mapping[str, Sequence[float]], places: Sequence[float], xlabel: str, ylabel: str, log: bool = False
) -> Figure:
    """Plot curves over the same places.

    Args:
        curves: name → values, one per place.
        places: the values of the x axis.
        xlabel, ylabel: names of the axes.
        log: whether both axes are logarithmic (base 2 and 10), with a mark and a tick at each place.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(places, values, label=name, marker="o" if log else "")
    if log:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend()
    return figure


def attention_heat_map(
    weights, queries: Sequence[str], keys: Sequence[str] | None = None, title: str = "", cmap: str = "YlOrRd"
) -> Figure:
    """Plot the attention weights of one head as a heat map with numbers, one row per query.

    Args:
        weights: (L, S); each row sums to 1.
        queries: L tokens.
        keys: S tokens; the queries by default.
        title, cmap: as in `heat_map`.

    Raises:
        ValueError: the weights do not fit the tokens.
    """
    weights, queries, keys = _check_shape(weights, queries, keys)
    figure = heat_map(weights, queries, keys, "attention weight", title, cmap)
    figure.axes[0].set(xlabel="key", ylabel="query")
    return figure


def query_bars(weights, queries: Sequence[str], keys: Sequence[str] | None = None) -> Figure:
    """Plot the attention weights of one head as bars, one panel per query. Arguments as in `attention_heat_map`."""
    weights, queries, keys = _check_shape(weights, queries, keys)
    columns = min(len(queries), 4)
    rows = math.ceil(len(queries) / columns)
    figure = Figure(figsize=(2.6 * columns + 0.6, rows * (0.9 + 0.24 * len(keys))), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for axes, query, row in zip(panels, queries, weights, strict=False):
        axes.barh(range(len(keys)), row, color="tab:orange")
        axes.set(title=f"query: {query}", xlim=(0.0, 1.0), xlabel="attention weight")
        axes.set_yticks(range(len(keys)), keys)
    panels[0].invert_yaxis()  # the first key on top; the panels share this axis
    for axes in panels[len(queries) :]:
        axes.remove()
    return figure


def head_grid(attentions: Sequence, queries: Sequence[str], keys: Sequence[str] | None = None) -> Figure:
    """Plot every head as a small heat map, one row per layer and one column per head.

    Args:
        attentions: one array (H, L, S) per layer, for example `[layer[0] for layer in outputs.attentions]`.
        queries, keys: as in `attention_heat_map`.
    """
    layers = [[_check_shape(head, queries, keys)[0] for head in layer] for layer in attentions]
    queries, keys = list(queries), list(queries if keys is None else keys)
    height, width = len(layers), len(layers[0])
    size = 2.0 + 1.6 * width, 1.6 + 1.6 * height  # inches
    figure = Figure(figsize=size)  # with fixed margins, because automatic layout is slow for a hundred panels
    margins = {"left": 1.2 / size[0], "right": 1 - 0.2 / size[0], "bottom": 1.1 / size[1], "top": 1 - 0.3 / size[1]}
    grid = figure.subplots(
        height, width, sharex=True, sharey=True, squeeze=False, gridspec_kw=margins | {"hspace": 0.3}
    )
    for (layer, head), axes in np.ndenumerate(grid):
        axes.imshow(layers[layer][head], cmap="YlOrRd", vmin=0.0, vmax=1.0, aspect="auto")
        axes.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=8)
    grid[0, 0].set_xticks(range(len(keys)), keys)  # the panels share both axes
    grid[0, 0].set_yticks(range(len(queries)), queries)
    for axes in grid.flat:
        axes.tick_params(axis="x", labelsize=6, rotation=90)
        axes.tick_params(axis="y", labelsize=6)
    figure.supxlabel("key")
    figure.supylabel("query")
    return figure


def position_heat_map(table) -> Figure:
    """Plot a table of position codes (P, E) as a heat map: negative values are red, positive ones blue.

    Examples: `sinusoidal_positions(100, 128)`, or the position embeddings of a model.
    """
    table = np.asarray(table, dtype=float)
    limit = max(1.0, np.abs(table).max())
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(table, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set(xlabel="dimension", ylabel="position")
    figure.colorbar(image)
    return figure


def position_curves(table, dimensions: Sequence[int] = SHOWN_DIMENSIONS) -> Figure:
    """Plot some columns of a table of position codes (P, E) over the positions.

    Raises:
        ValueError: a dimension is not in the table.
    """
    table = np.asarray(table, dtype=float)
    if max(dimensions) >= table.shape[1] or min(dimensions) < 0:
        raise ValueError(
            f"dimensions {list(dimensions)} asked for, but the table has {table.shape[1]}, from 0 to "
            f"{table.shape[1] - 1}; choose among these"
        )
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for dimension in dimensions:
        axes.plot(table[:, dimension], label=f"dimension {dimension}")
    axes.set(xlabel="position", ylabel="value")
    axes.legend()
    return figure


def position_codes(length: int, size: int = 16) -> dict[str, np.ndarray]:
    """Compute four position codes for a text of `length` tokens (2 or more).

    Returns:
        `integer` (length, 1): 0, 1, 2, …; `fraction` (length, 1): from 0 to 1; `binary` (length, digits): least
        significant digit first; `sinusoid` (length, size).
    """
    if length < 2:
        raise ValueError(f"a text of {length} tokens has no order to encode; give a length of 2 or more")
    positions = np.arange(length)
    digits = (length - 1).bit_length()
    return {
        "integer": positions[:, None].astype(float),
        "fraction": positions[:, None] / (length - 1),
        "binary": (positions[:, None] >> np.arange(digits) & 1).astype(float),
        "sinusoid": sinusoidal_positions(length, size).double().numpy(),
    }


def step_sizes(codes: np.ndarray) -> np.ndarray:
    """Euclidean distance of each position code to the next: (P, E) → (P - 1,)."""
    return np.linalg.norm(np.diff(codes, axis=0), axis=1)


def compare_position_codes(lengths: Sequence[int] = (16, 40)) -> Figure:
    """Plot `position_codes` (top) and the distances between neighbours (bottom) for texts of several lengths.

    Integers grow without bound. The step of a fraction depends on the length. Binary digits repeat with doubling
    periods, but their distances jump. Sinusoids repeat too, stay between -1 and 1, and have equal distances.
    """
    figure = Figure(figsize=(13, 6), layout="constrained")
    pictures, steps = figure.subplots(2, 4)
    codes = {length: position_codes(length) for length in lengths}
    for name, picture, step in zip(codes[lengths[0]], pictures, steps, strict=True):
        image = picture.imshow(codes[max(lengths)][name], aspect="auto", cmap="viridis", interpolation="nearest")
        picture.set(title=name, xlabel="dimension", ylabel="position")
        picture.xaxis.get_major_locator().set_params(integer=True)
        figure.colorbar(image)
        for length in lengths:
            step.plot(step_sizes(codes[length][name]), marker=".", label=f"{length} tokens")
        step.set(xlabel="position", ylabel="distance to the next", ylim=(0.0, 1.2 * step.dataLim.y1))
        step.legend()
    return figure

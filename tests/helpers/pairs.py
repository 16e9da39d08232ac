"""Fewer combinations of parameters: every pair of values meets, not every triple."""


def pairwise(first, second, third):
    """All pairs of three lists of values, in len(first) · len(second) triples.

    `third` may be no longer than `first` and `second`.

    Returns:
        Triples in the order of the arguments.
    """
    first, second, third = list(first), list(second), list(third)
    assert len(third) <= min(len(first), len(second))
    return [(a, b, third[(i + j) % len(third)]) for i, a in enumerate(first) for j, b in enumerate(second)]

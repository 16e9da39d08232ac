"""Filling blanks by counting, against a count over all places by hand."""

from collections import Counter

import numpy as np
import pytest

from modeling_minibert.evaluation import NeighbourCounts

ROWS = [[1, 5, 6, 7, 2], [1, 5, 8, 7, 2], [1, 5, 6, 7, 2], [1, 9, 6, 4, 4, 2]]


def test_the_nearest_context_that_was_seen_decides():
    counts = NeighbourCounts(ROWS, special_ids=[1, 2])
    assert counts.fill([1, 5, 3, 7, 2], 2) == 6  # between 5 and 7: twice 6, once 8
    assert counts.fill([1, 9, 3, 7, 2], 2) == 6  # 9 _ 7 was never seen; after 9 stands 6
    assert counts.fill([1, 99, 3, 4, 2], 2) in (6, 4)  # after 99 nothing; before 4 stand 6 and 4
    assert (
        counts.fill([98, 3, 97], 1) == Counter(token for row in ROWS for token in row if token > 2).most_common(1)[0][0]
    )
    assert NeighbourCounts([[1, 2]], special_ids=[1, 2]).fill([1, 3, 2], 1) is None
    masked = [{"input_ids": [1, 5, 3, 7, 2], "labels": [-100, -100, 8, -100, -100]},
              {"input_ids": [1, 9, 3, 7, 2], "labels": [-100, -100, 6, -100, -100]}]  # fmt: skip
    assert counts.accuracy(masked) == 0.5 and counts.accuracy([]) == 0


def test_the_accuracy_is_that_of_looking_at_all_places():
    random = np.random.default_rng(0)
    rows = [random.integers(3, 9, size=random.integers(3, 12)).tolist() for _ in range(60)]
    tests = [random.integers(3, 9, size=9).tolist() for _ in range(40)]
    counts = NeighbourCounts(rows, special_ids=[])
    right = total = 0
    for ids in tests:
        place = int(random.integers(1, 8))
        seen = Counter(row[i] for row in rows for i in range(1, len(row) - 1)
                       if (row[i - 1], row[i + 1]) == (ids[place - 1], ids[place + 1]))  # fmt: skip
        if (
            len(seen)
            and len(seen.most_common(2)) == 1
            or (len(seen) > 1 and len({n for _, n in seen.most_common(2)}) == 2)
        ):
            total += 1
            right += seen.most_common(1)[0][0] == counts.fill(ids, place)
    assert total > 10 and right == total


@pytest.mark.parametrize("limit, known", [(5, {6}), (100, {6, 8})])
def test_counting_stops_after_so_many_tokens(limit, known):
    rows = [[5, 6, 7, 2, 2], [5, 8, 9, 2, 2]]
    assert set(NeighbourCounts(rows, [2], limit).best.values()) & {6, 8} == known

"""`NeighbourCounts`: fill masked tokens by counting, to compare a masked language model with.

A trigram model of blanks: the commonest token between the two neighbours; where that pair was never seen, the commonest
after the left one, then before the right one, then of all. The masked rows that it fills are those of the model.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from ..losses import IGNORE_INDEX


class NeighbourCounts:
    """Counts of tokens by their neighbours.

    Args:
        rows: token ids, a row per text, unmasked.
        special_ids: ids that are never filled in.
        max_tokens: stop counting after so many tokens.
    """

    def __init__(self, rows: Iterable[Sequence[int]], special_ids: Sequence[int], max_tokens: int = 5_000_000):
        counts: dict[Hashable, Counter] = defaultdict(Counter)
        special, total = set(special_ids), 0
        for row in rows:
            ids = np.asarray(row).tolist()
            for place, token in enumerate(ids):
                if token not in special:
                    for context in self.contexts(ids, place):
                        counts[context][token] += 1
            total += len(ids)
            if total >= max_tokens:
                break
        self.best = {context: seen.most_common(1)[0][0] for context, seen in counts.items()}

    @staticmethod
    def contexts(ids: Sequence[int], place: int) -> list[tuple]:
        """List what is looked up for a place, from the most to the least telling."""
        left = ids[place - 1] if place > 0 else None
        right = ids[place + 1] if place + 1 < len(ids) else None
        return [(left, right), ("left", left), ("right", right), ()]

    def fill(self, ids: Sequence[int], place: int) -> int | None:
        """Return the token for a place; None if nothing was counted."""
        return next((self.best[context] for context in self.contexts(ids, place) if context in self.best), None)

    def accuracy(self, rows: Iterable[dict[str, Sequence[int]]]) -> float:
        """Return the share of masked tokens that are filled right; rows have `input_ids` and `labels` (-100: none)."""
        right = total = 0
        for row in rows:
            ids, labels = (np.asarray(row[name]).tolist() for name in ("input_ids", "labels"))
            for place, label in enumerate(labels):
                if label != IGNORE_INDEX:
                    total += 1
                    right += self.fill(ids, place) == label
        return right / max(total, 1)

"""Exercise 1: scaled dot-product attention from scratch, with NumPy alone.

    python examples/lessons/check_exercises.py examples/lessons/exercises/exercise_1_attention.py

Vaswani et al. 2017, section 3.2:  softmax(query · keyᵀ / √D) · value
"""

import numpy as np  # noqa: F401  (for you)


def attention(query, key, value, mask=None):
    """Average the values, each weighted by how well its key matches the query.

    Args:
        query: (…, L, D), with any number of leading axes, for example batch and heads.
        key: (…, S, D).
        value: (…, S, E).
        mask: (L, S) bool, True where a query may look at a key; None: everywhere.

    Returns:
        Two arrays: the output (…, L, E), and the weights (…, L, S), whose rows sum to 1.
    """
    raise NotImplementedError("write this function")

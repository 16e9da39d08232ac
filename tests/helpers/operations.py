"""Work counted in operations, where a lecture claims seconds: the same number on every machine."""

# Multiplications and additions that any processor of today does in a second on one core, in matrices as small as these.
OPERATIONS_PER_SECOND = 1e9


def seconds_of_training(model, tokens: int, steps: int) -> float:
    """Seconds of one slow core for `steps` updates on batches of `tokens` tokens, pads included.

    Forward and backward take 6 operations for each weight and token (Kaplan et al. 2020, section 2.1).
    """
    return 6 * model.num_parameters() * tokens * steps / OPERATIONS_PER_SECOND

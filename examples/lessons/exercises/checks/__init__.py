"""The checks of the five exercises, in order: functions that take the student's module and raise `WrongAnswerError`.

They compare with torch, transformers and scikit-learn on small random inputs. They also compute the results of typical
mistakes, so that a hint can name the mistake.
"""

from . import attention, comparison, fine_tuning, generation, visualisation
from .common import WrongAnswerError

CHECKS = {
    "exercise_1": [
        attention.check_weights,
        attention.check_output,
        attention.check_batches,
        attention.check_mask,
        attention.check_large_scores,
    ],
    "exercise_2": [fine_tuning.check_long_texts, fine_tuning.check_fine_tuning],
    "exercise_3": [comparison.check_comparison],
    "exercise_4": [
        generation.check_greedy_search,
        generation.check_end_of_text,
        generation.check_temperature,
        generation.check_top_k,
    ],
    "exercise_5": [visualisation.check_picture, visualisation.check_labels],
}

__all__ = ["CHECKS", "WrongAnswerError"]

"""Score the outputs of a text classifier for its three tasks: a class, several labels, or a number per text."""

import numpy as np
from scipy.special import softmax

from .classification import ClassificationMetrics, MultiLabelMetrics
from .regression import RegressionMetrics


def score_outputs(
    outputs: np.ndarray, references: list, task: str, interval: bool = False, threshold: float = 0.0, auc: bool = False
) -> dict:
    """Score logits, or outputs averaged over windows.

    Args:
        outputs: (N, C); C is 1 for "regression".
        references: class ids for "classification", rows of 0 and 1 for "multi_label", numbers for "regression".
        task: one of `data.TASKS`.
        interval: whether to add bootstrap intervals.
        threshold: a label of "multi_label" is predicted above it: 0 for logits, 0.5 for probabilities.
        auc: whether to add the area under the ROC curve; for "classification".

    Raises:
        ValueError: `auc` with another task.
    """
    if auc and task != "classification":
        raise ValueError(f"auc is for the task classification, not for {task}; leave it out")
    if task == "regression":
        return RegressionMetrics(keep_in_memory=True).compute(
            predictions=outputs[:, 0], references=references, interval=interval
        )
    metrics = MultiLabelMetrics if task == "multi_label" else ClassificationMetrics
    found = (outputs > threshold).astype(int) if task == "multi_label" else outputs.argmax(axis=-1)
    options = {"probabilities": outputs if threshold else softmax(outputs, axis=-1)} if auc else {}
    return metrics(keep_in_memory=True).compute(predictions=found, references=references, interval=interval, **options)


def guess_without_reading(references: list, task: str) -> dict[str, float]:
    """Score the best constant guess: `mean_mse` for "regression", otherwise `majority_accuracy`."""
    if task == "regression":
        return {"mean_mse": float(np.var(references))}
    _, counts = np.unique(np.array(references), axis=0, return_counts=True)
    return {"majority_accuracy": float(counts.max() / counts.sum())}

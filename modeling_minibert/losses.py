"""Losses of all heads, and the labels that they compare with.

All of them divide by `num_items_in_batch` where it is given. `Trainer` passes it under gradient accumulation and on
several processes: the number of labels in the whole optimizer step, of which this batch is a part. A loss that
ignores it gives gradients that are too large by the number of accumulation steps.
"""

import torch
import torch.nn.functional as F

from .transformers_internals import can_read

IGNORE_INDEX = -100  # the label of a position where no prediction is asked, as everywhere in Hugging Face


def check_labels(labels: torch.Tensor, num_labels: int, what: str = "label", ignore_index: int = IGNORE_INDEX) -> None:
    """Raise a ValueError that names the label which is out of range, and the valid range.

    Looks only at CPU tensors: reading a value back from an accelerator would stall it.
    """
    if not can_read(labels):
        return
    wrong = labels[((labels < 0) | (labels >= num_labels)) & (labels != ignore_index)]
    if wrong.numel():
        raise ValueError(
            f"{what} {wrong[0].item()} is out of range: the model has {num_labels} of them (0 to {num_labels - 1}); "
            f"set num_labels, or map the labels; {ignore_index} marks a position without a label"
        )


def cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
    what: str = "label",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean of -log softmax(logits)[label] over the positions that have a label.

    Args:
        logits: (..., C).
        labels: (...), class ids; -100 is left out.
        num_items_in_batch: what to divide the sum by; the number of labels here where not given.
        what: how an error message calls a label.
        label_smoothing: the share of a label that is spread evenly over all classes (Szegedy et al. 2016, section 7).

    Returns:
        A scalar, 0 where no position has a label (and not NaN).

    Raises:
        ValueError: a label outside 0 … C - 1.
    """
    check_labels(labels, logits.shape[-1], what)
    logits = _at_least_float32(logits)
    total = F.cross_entropy(
        logits.flatten(0, -2),
        labels.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return total / divisor(labels, num_items_in_batch)


def divisor(labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
    """The number that a summed loss is divided by: `num_items_in_batch`, or else the number of labels here.

    At least 1: an update without any label has the loss 0, and not NaN.
    """
    count = (labels != IGNORE_INDEX).sum() if num_items_in_batch is None else num_items_in_batch
    return torch.as_tensor(count, device=labels.device).clamp(min=1)


def next_token_labels(
    labels: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    cu_seq_lens: torch.Tensor | None = None,
) -> torch.Tensor:
    """Shift the labels: each position predicts the label of the next one; -100 at the end of a sequence.

    Args:
        labels: (B, L), as the user gives them: the label of a token is the token itself.
        attention_mask: (B, past + L); padding predicts nothing, also where it stands before the first token.
        position_ids, cu_seq_lens: of a packed batch (1, T), where no token predicts the first of the next sequence.
    """
    targets = F.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)
    if attention_mask is not None and attention_mask.dim() == 2:
        targets.masked_fill_(attention_mask[:, -labels.shape[1] :] == 0, IGNORE_INDEX)
    if cu_seq_lens is not None:
        targets[:, cu_seq_lens[1:].long() - 1] = IGNORE_INDEX
    elif labels.shape[0] == 1 and position_ids is not None:
        targets[:, :-1].masked_fill_(position_ids[:, 1:] == 0, IGNORE_INDEX)
    return targets


def problem_type(config, labels: torch.Tensor) -> str:
    """`config.problem_type`; where it is None it is set from the first labels, by Hugging Face's rule."""
    if config.problem_type is None:
        is_class_id = not labels.is_floating_point() and labels.dtype != torch.bool
        kind = "single_label_classification" if is_class_id else "multi_label_classification"
        config.problem_type = "regression" if config.num_labels == 1 else kind
    return config.problem_type


def sequence_classification_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    problem_type: str,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """The loss of a problem type.

    Args:
        logits: (B, C).
        labels: (B,) class ids for "single_label_classification"; (B, C), or (B,) if C is 1, of numbers for
            "regression" (squared error) and of 0 and 1 for "multi_label_classification" (binary cross-entropy).
        num_items_in_batch: the number of labels in the whole optimizer step.

    Raises:
        ValueError: an unknown problem type (names the three), labels of the wrong shape or out of range.
    """
    if problem_type == "single_label_classification":
        return cross_entropy(logits, labels, num_items_in_batch)
    if problem_type not in ("regression", "multi_label_classification"):
        raise ValueError(
            f"unknown problem_type {problem_type!r}; choose one of "
            f"['multi_label_classification', 'regression', 'single_label_classification']"
        )
    if labels.numel() != logits.numel():
        raise ValueError(
            f"{problem_type} takes labels of the shape of the logits {tuple(logits.shape)}, got {tuple(labels.shape)}"
        )
    logits = _at_least_float32(logits)
    targets = labels.reshape(logits.shape).to(logits.dtype)
    loss = F.mse_loss if problem_type == "regression" else F.binary_cross_entropy_with_logits
    if num_items_in_batch is None:
        return loss(logits, targets)
    total = loss(logits, targets, reduction="sum")
    return total / divisor(labels, num_items_in_batch)


def span_loss(
    start_logits: torch.Tensor, end_logits: torch.Tensor, start_positions: torch.Tensor, end_positions: torch.Tensor
) -> torch.Tensor:
    """Mean of the cross-entropies of the first and the last token of an answer (Devlin et al. 2019, section 4.2).

    Args:
        start_logits, end_logits: (B, L).
        start_positions, end_positions: (B,) or (B, 1); a position past the end (answer cut off) is left out.
    """
    length = start_logits.shape[1]

    def one_end(logits, positions):
        positions = positions.reshape(-1).clamp(0, length)
        return cross_entropy(logits, positions.masked_fill(positions == length, IGNORE_INDEX))

    return (one_end(start_logits, start_positions) + one_end(end_logits, end_positions)) / 2


def _at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """Convert half precision to float32: bfloat16's mantissa of 8 bits is too short to sum thousands of terms."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))

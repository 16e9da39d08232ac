"""Losses for the `compute_loss_func` of `Trainer`: focal loss and supervised contrastive loss.

    Trainer(model=model, ..., compute_loss_func=focal_loss(gamma=2.0))

`Trainer` passes `num_items_in_batch`, the number of labels in the whole optimizer step: a sum divided by it has the
gradients of one large batch under gradient accumulation, and on several processes. Letters: B texts, C classes, E
features.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from ..losses import IGNORE_INDEX, check_labels, cross_entropy, divisor

LossFunction = Callable[..., torch.Tensor]  # (outputs, labels, num_items_in_batch=None) → scalar


def focal_loss(gamma: float = 2.0, alpha: Sequence[float] | float | None = None) -> LossFunction:
    """Build the focal loss, -α (1 - p)^γ ln p with p the probability of the right answer (Lin et al. 2017, eq. 5).

    Examples that the model already gets right count less. Labels are class ids, -100 for none; or rows of 0 and 1 in
    floats, several labels of a text, for each of which p is a sigmoid.

    Args:
        gamma: 0 gives cross-entropy; Lin et al. took 2.
        alpha: weights of the classes (C,), or for rows of 0 and 1 the weight of a 1, that of a 0 being 1 - alpha.

    Raises:
        ValueError: gamma is negative, a weight is negative, or (when the loss is computed) alpha does not fit the
            labels.
    """
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ValueError(f"gamma ({gamma}) must be 0 or above; 0 gives cross-entropy")
    weights = [] if alpha is None else [alpha] if isinstance(alpha, int | float) else list(alpha)
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"alpha ({alpha}) must hold numbers of 0 or above")

    def loss(outputs, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        logits = outputs["logits"]
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if labels.is_floating_point():
            log_p, weight = _of_several_labels(logits, labels, alpha)
        else:
            log_p, weight = _of_one_class(logits, labels, weights)
        # 1 - p from ln p without cancellation; its smallest value keeps the power's derivative finite at p = 1.
        miss = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(weight * miss**gamma * log_p).sum() / divisor(labels, num_items_in_batch)

    return loss


def _of_one_class(logits, labels, weights: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """ln p of the right class, and its weight: two vectors over the positions with a label."""
    classes = logits.shape[-1]
    check_labels(labels, classes)
    if len(weights) not in (0, classes):
        raise ValueError(f"alpha has {len(weights)} weights, and the model {classes} classes; give one per class")
    chosen = labels != IGNORE_INDEX
    targets = labels[chosen]
    log_p = logits[chosen].log_softmax(-1).gather(-1, targets[:, None])[:, 0]
    return log_p, logits.new_tensor(weights or [1.0] * classes)[targets]


def _of_several_labels(logits, labels, alpha) -> tuple[torch.Tensor, torch.Tensor]:
    """ln p of every 0 and 1, and its weight: of the shape of the logits (B, C)."""
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}; give rows of 0 and 1, or "
            "class ids as whole numbers"
        )
    if alpha is not None and not (isinstance(alpha, int | float) and alpha <= 1):
        raise ValueError(f"alpha ({alpha}) must be one number from 0 to 1 where a text has several labels")
    weight = torch.ones_like(logits) if alpha is None else alpha * labels + (1 - alpha) * (1 - labels)
    return F.logsigmoid(logits * (2 * labels - 1)), weight


def supervised_contrastive_loss(weight: float = 0.9, temperature: float = 0.3) -> LossFunction:
    """Build weight · contrastive + (1 - weight) · cross-entropy over class ids (Gunel et al. 2021, eq. 1).

    The contrastive part (`contrastive_loss`) pulls the [CLS] vectors of texts of one class together. It compares the
    texts of one batch: accumulated batches are averaged, and do not see each other. The model must return its hidden
    states (`model.config.output_hidden_states = True`); evaluate with `ignore_keys=["hidden_states"]`.

    Args:
        weight: from 0, cross-entropy alone, to 1.
        temperature: τ, above 0.

    Raises:
        ValueError: weight or temperature is out of range, or (when the loss is computed) there are no hidden states.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight ({weight}) must be from 0 to 1")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature ({temperature}) must be above 0")

    def loss(outputs, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None) -> torch.Tensor:
        states = outputs.get("hidden_states")
        if states is None:
            raise ValueError("the model returned no hidden states; set model.config.output_hidden_states = True")
        if labels.dim() != 1 or labels.is_floating_point():
            raise ValueError(
                f"labels of shape {tuple(labels.shape)} and {labels.dtype} are no class ids; give one whole number "
                "per text"
            )
        apart = contrastive_loss(states[-1][:, 0], labels, temperature, num_items_in_batch)
        return weight * apart + (1 - weight) * cross_entropy(outputs["logits"], labels, num_items_in_batch)

    return loss


def contrastive_loss(
    vectors: torch.Tensor,
    labels: torch.Tensor,
    temperature: float = 0.3,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, eq. 2), divided by the number of labels.

    Each text is classified among the others of the batch: -ln of the share of exp(cosine / τ) that one of its class
    has, averaged over those. A text that is alone in its class adds 0.

    Args:
        vectors: (B, E), of any length; cosines are taken.
        labels: (B,) class ids, -100 for a text to leave out.
        temperature: τ.
        num_items_in_batch: the number to divide by; the number of labels here where None.

    Returns:
        A scalar.
    """
    count, chosen = divisor(labels, num_items_in_batch), labels != IGNORE_INDEX
    vectors = F.normalize(vectors[chosen].to(torch.promote_types(vectors.dtype, torch.float32)), dim=-1)
    same = labels[chosen][:, None] == labels[chosen]
    itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
    scores = (vectors @ vectors.T / temperature).masked_fill(itself, torch.finfo(vectors.dtype).min)
    others = same & ~itself
    log_shares = scores.log_softmax(-1).masked_fill(~others, 0.0)
    return -(log_shares.sum(-1) / others.sum(-1).clamp(min=1)).sum() / count

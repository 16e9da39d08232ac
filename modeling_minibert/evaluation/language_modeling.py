"""Language-modeling scores for `Trainer`, computed per batch so that logits are not accumulated.

    Trainer(..., preprocess_logits_for_metrics=count_right, compute_metrics=pretraining_scores)      one process

`count_right` (masked words and sentence pairs) and `count_next` (next words) reduce the logits of a batch to sums.
`pretraining_scores` and `language_modeling_scores` add the sums of all batches, so that all tokens have equal weight.
"""

import math

import torch
import torch.nn.functional as F

from ..losses import IGNORE_INDEX


def count_right(outputs, labels) -> torch.Tensor:
    """Reduce the logits of a batch to (1, 6): number of masked tokens, correct ones, summed loss; the same for pairs.

    Args:
        outputs: the vocabulary logits (B, L, V), alone or followed by the next-sentence logits (B, 2).
        labels: the token labels (B, L), alone or followed by the pair labels (B,).
    """
    outputs, labels = (value if isinstance(value, tuple) else (value,) for value in (outputs, labels))
    sums = []
    for logits, targets in zip(outputs[:2], labels, strict=False):
        is_target = targets != IGNORE_INDEX
        logits, targets = logits[is_target].float(), targets[is_target]
        loss = F.cross_entropy(logits, targets, reduction="sum")
        sums += [torch.tensor(float(len(targets))), (logits.argmax(-1) == targets).sum(), loss]
    sums += [torch.tensor(0.0)] * (6 - len(sums))
    return torch.stack([value.float().cpu() for value in sums])[None].to(outputs[0].device)


def pretraining_scores(output) -> dict[str, float]:
    """Compute mlm_loss, masked_accuracy and, with pairs, nsp_loss, nsp_accuracy from `count_right` (batches, 6)."""
    masked, right, loss, pairs, pairs_right, pairs_loss = output.predictions.sum(axis=0).tolist()
    scores = {"mlm_loss": loss / max(masked, 1), "masked_accuracy": right / max(masked, 1)}
    if pairs:
        scores |= {"nsp_loss": pairs_loss / pairs, "nsp_accuracy": pairs_right / pairs}
    return scores


def count_next(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Reduce the logits of a batch to (1, 3): number of predicted tokens, correct ones, summed loss in nats.

    Args:
        logits: (B, L, V); position i scores token i + 1.
        labels: (B, L), the input ids; -100 is ignored, e.g. at the first token of a sequence in a packed batch.
    """
    return count_right(logits[:, :-1], labels[:, 1:])[:, :3]


def language_modeling_scores(output) -> dict[str, float]:
    """Compute clm_loss (nats per token), perplexity, next_token_accuracy from `count_next` (batches, 3)."""
    tokens, right, loss = output.predictions.sum(axis=0).tolist()
    loss, accuracy = loss / max(tokens, 1), right / max(tokens, 1)
    return {"clm_loss": loss, "perplexity": math.exp(min(loss, 700)), "next_token_accuracy": accuracy}

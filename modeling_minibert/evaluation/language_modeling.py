"""Scores of held-out text for `Trainer`, computed batch by batch so that no logits are kept.

    Trainer(..., preprocess_logits_for_metrics=count_right, compute_metrics=pretraining_scores)      one process

`count_right` (masked words and sentence pairs) and `count_next` (the next word) turn the logits of a batch into sums;
`pretraining_scores` and `language_modeling_scores` add the sums of all batches, so that every token counts the same.
"""

import math

import torch
import torch.nn.functional as F

from ..losses import IGNORE_INDEX


def count_right(outputs, labels) -> torch.Tensor:
    """The logits of one batch → (1, 6): masked tokens, those predicted, their summed loss; the same for pairs.

    Args:
        outputs: the vocabulary logits (B, L, V), alone or followed by the next-sentence logits (B, 2).
        labels: the token labels (B, L), alone or followed by the pair labels (B,).
    """
    outputs, labels = (value if isinstance(value, tuple) else (value,) for value in (outputs, labels))
    sums = []
    for logits, wanted in zip(outputs[:2], labels, strict=False):
        asked = wanted != IGNORE_INDEX
        logits, wanted = logits[asked].float(), wanted[asked]
        loss = F.cross_entropy(logits, wanted, reduction="sum")
        sums += [torch.tensor(float(len(wanted))), (logits.argmax(-1) == wanted).sum(), loss]
    sums += [torch.tensor(0.0)] * (6 - len(sums))
    return torch.stack([value.float().cpu() for value in sums])[None].to(outputs[0].device)


def pretraining_scores(output) -> dict[str, float]:
    """The sums of all batches (batches, 6) → mlm_loss, masked_accuracy and, with pairs, nsp_loss, nsp_accuracy."""
    masked, right, loss, pairs, pairs_right, pairs_loss = output.predictions.sum(axis=0).tolist()
    scores = {"mlm_loss": loss / max(masked, 1), "masked_accuracy": right / max(masked, 1)}
    if pairs:
        scores |= {"nsp_loss": pairs_loss / pairs, "nsp_accuracy": pairs_right / pairs}
    return scores


def count_next(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The logits of one batch → (1, 3): tokens that were to be predicted, those that were, their summed loss in nats.

    Args:
        logits: (B, L, V); position i scores the token after it.
        labels: (B, L), the tokens themselves; -100 is left out, as the first token of a sequence in a packed batch.
    """
    return count_right(logits[:, :-1], labels[:, 1:])[:, :3]


def language_modeling_scores(output) -> dict[str, float]:
    """The sums of all batches (batches, 3) → clm_loss in nats per token, perplexity, next_token_accuracy."""
    tokens, right, loss = output.predictions.sum(axis=0).tolist()
    loss, accuracy = loss / max(tokens, 1), right / max(tokens, 1)
    return {"clm_loss": loss, "perplexity": math.exp(min(loss, 700)), "next_token_accuracy": accuracy}

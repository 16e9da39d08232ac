"""How well does a causal language model predict held-out text? For `Trainer`, without keeping the logits of a corpus.

`count_next` turns the logits of a batch into three sums, `language_modeling_scores` adds those of all batches up, so
every token counts alike, whatever batch it was in.
"""

import math

import torch

from .pretraining import count_right


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

"""Gated linear attention: a recurrent state matrix of constant size instead of all past keys and values.

Letters: B batch, L length, H heads, D head size.

Sources: Katharopoulos et al. 2020, Transformers are RNNs (arXiv 2006.16236); Yang et al. 2023, Gated Linear Attention
Transformers (arXiv 2312.06635).
"""

import torch
from torch.nn import functional as F

from .transformers_internals import records_any_length

CHUNK_SIZE = 16  # a larger chunk means fewer steps in Python and more memory: (chunk, chunk) factors for every feature


def gated_linear_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    log_gate: torch.Tensor,
    state: torch.Tensor | None = None,
    chunk_size: int = CHUNK_SIZE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention without the softmax, as a recurrence over a matrix S whose rows decay by data-dependent gates.

        S_t = diag(α_t) S_{t-1} + k_t v_tᵀ,   o_t = S_tᵀ q_t / √D          Yang et al. 2023, section 4

    With all gates 1 it is linear attention (Katharopoulos et al. 2020, section 3.4) without its normalizer. A chunk
    of tokens is computed at once (Yang et al., section 4): what it reads from the state before it, and, with
    b_t = log α_1 + … + log α_t counted from its beginning, what its tokens read from each other:

        o_t √D = S₀ᵀ (q_t ∘ exp(b_t)) + Σ_{s ≤ t} (Σ_d q_td k_sd exp(b_td - b_sd)) v_s

    No exponent is ever positive. With chunk_size 1 this is the recurrence itself. An exporter records one chunk, whose
    memory grows with L².

    Args:
        query, key, value: (B, H, L, D).
        log_gate: log α, (B, H, L, D), at most 0.
        state: (B, H, D, D) from the tokens before; zeros where not given.
        chunk_size: tokens computed at once.

    Returns:
        o, (B, H, L, D), and the last state.
    """
    length, head_dim = query.shape[2:]
    parts = (query * head_dim**-0.5, key, value, log_gate)
    if records_any_length(length):
        chunk = length
        query, key, value, log_gate = (tensor[:, :, None] for tensor in parts)  # (B, H, 1, L, D)
    else:
        # Empty tokens fill up the last chunk: with key 0 and log gate 0 they leave the state as it is.
        chunk = min(chunk_size, length)
        query, key, value, log_gate = (
            F.pad(tensor, (0, 0, 0, -length % chunk)).unflatten(2, (-1, chunk)) for tensor in parts
        )  # (B, H, chunks, chunk, D)
    decay = log_gate.cumsum(dim=-2)  # b
    last = decay[..., -1:, :]

    added = (key * (last - decay).exp()).transpose(-1, -2) @ value  # what each chunk adds to the state
    kept = last.exp().transpose(-1, -2)
    states = [torch.zeros_like(added[:, :, 0]) if state is None else state]
    for number in range(added.shape[2]):
        states.append(kept[:, :, number] * states[-1] + added[:, :, number])
    from_before = (query * decay.exp()) @ torch.stack(states[:-1], dim=2)

    later = torch.ones(chunk, chunk, dtype=torch.bool, device=query.device).triu(1)
    exponents = (decay[..., :, None, :] - decay[..., None, :, :]).masked_fill(later[..., None], -torch.inf)
    scores = (query[..., :, None, :] * key[..., None, :, :] * exponents.exp()).sum(dim=-1)
    return (from_before + scores @ value).flatten(2, 3)[:, :, :length], states[-1]

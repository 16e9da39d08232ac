"""Packed attention: every sequence of a batch attends to itself, and no pad is ever computed.

The pads of a batch are removed (see `packing.py`): the tokens of all sequences stand in one stream of T tokens, and
`cu_seq_lens` says where each sequence begins and ends. Sequences of equal length that stand side by side are one
batched matrix product. On a CPU this is the fastest attention there is for texts of up to some 500 tokens.

The backward pass is derived by hand. With S = Q Kᵀ / √D, P = softmax(S), O = P V, and dO given:

    dV = Pᵀ dO
    dP = dO Vᵀ
    dS = P ∘ (dP - rowsum(dP ∘ P))          the softmax rule
    dQ = dS K / √D,   dK = dSᵀ Q / √D

Read `attend_forward` and `attend_backward` side by side; below them they become one operator that autograd and
`torch.compile` can use.

Sources: Vaswani et al. 2017, eq. 1; the gradients are those of the lectures (S1), for many heads at once.
"""

import torch
from torch import nn
from transformers import AttentionInterface

PACKED = "packed"  # the name for attn_implementation


def runs_of_equal_length(cu_seq_lens: list[int]) -> list[tuple[int, int, int]]:
    """Neighbouring sequences of one length: [0, 2, 4, 7] → [(0, 2, 2), (4, 1, 3)], as (start, count, length)."""
    runs = []
    for start, end in zip(cu_seq_lens, cu_seq_lens[1:], strict=False):
        length = end - start
        if runs and runs[-1][2] == length:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, length)
        elif length:
            runs.append((start, 1, length))
    return runs


class _Run:
    """The part of the packed tensors that belongs to `count` sequences of `length` tokens, as (count, H, length, …)."""

    def __init__(self, run: tuple[int, int, int], heads: int, max_length: int):
        self.start, self.count, self.length = run
        self.heads, self.max_length = heads, max_length

    def tokens(self, packed: torch.Tensor) -> torch.Tensor:
        rows = packed[self.start : self.start + self.count * self.length]
        return rows.unflatten(0, (self.count, self.length)).transpose(1, 2)

    def weights(self, buffer: torch.Tensor) -> torch.Tensor:
        # Each token owns H · max_length places in the buffer, so that no run needs to know what came before it.
        first = self.start * self.heads * self.max_length
        size = self.count * self.heads * self.length * self.length
        return buffer[first : first + size].view(self.count, self.heads, self.length, self.length)


def _runs(cu_seq_lens: torch.Tensor, heads: int, max_length: int) -> list[_Run]:
    return [_Run(run, heads, max_length) for run in runs_of_equal_length(cu_seq_lens.tolist())]


def _clear_behind(cu_seq_lens: torch.Tensor, *tensors: torch.Tensor) -> None:
    """Zeros for rows that belong to no sequence; see `packing.rows_to_round_up`."""
    for tensor in tensors:
        tensor[int(cu_seq_lens[-1]) :].zero_()


def attend_forward(query, key, value, cu_seq_lens, max_length, scaling, dropout, is_causal=False):
    """Attention within each sequence.

    Args:
        query, key, value: (T, H, D).
        cu_seq_lens: (B + 1,), where each sequence begins, and where the last one ends.
        max_length: tokens of the longest sequence.
        scaling: what the scores are multiplied by.
        dropout: the share of attention weights that are dropped.
        is_causal: whether a token attends to itself and what came before it only.

    Returns:
        The mixed values (T, H, D); the weights, flat, for the backward pass; and which of them were kept (empty
        without dropout).
    """
    tokens, heads, _ = query.shape
    mixed = torch.empty_like(query, memory_format=torch.contiguous_format)
    weights = query.new_empty(tokens * heads * max_length)
    kept = query.new_empty(weights.numel() if dropout else 0, dtype=torch.bool)
    for run in _runs(cu_seq_lens, heads, max_length):
        scores = run.tokens(query) @ run.tokens(key).transpose(-2, -1)
        if is_causal:  # the backward pass needs no mask: where a weight is 0, so is the gradient of its score
            later = torch.ones(run.length, run.length, dtype=torch.bool, device=scores.device).triu_(1)
            scores.masked_fill_(later, torch.finfo(scores.dtype).min)
        probabilities = torch.softmax(scores.mul_(scaling), dim=-1, out=run.weights(weights))
        if dropout:
            mask = run.weights(kept).bernoulli_(1.0 - dropout)
            probabilities = (probabilities * mask).div_(1.0 - dropout)
        run.tokens(mixed).copy_(probabilities @ run.tokens(value))
    _clear_behind(cu_seq_lens, mixed)
    return mixed, weights, kept


def attend_backward(d_mixed, query, key, value, weights, kept, cu_seq_lens, max_length, scaling, dropout):
    """The gradients of `attend_forward` with respect to query, key and value, each (T, H, D)."""
    d_query, d_key, d_value = (
        torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (query, key, value)
    )
    for run in _runs(cu_seq_lens, query.shape[1], max_length):
        probabilities, d_output = run.weights(weights), run.tokens(d_mixed)
        d_probabilities = d_output @ run.tokens(value).transpose(-2, -1)
        dropped = probabilities
        if dropout:
            mask = run.weights(kept)
            dropped = (probabilities * mask).div_(1.0 - dropout)
            d_probabilities = d_probabilities.mul_(mask).div_(1.0 - dropout)
        run.tokens(d_value).copy_(dropped.transpose(-2, -1) @ d_output)
        # torch's kernel for P ∘ (dP - rowsum(dP ∘ P)).
        d_scores = torch._softmax_backward_data(d_probabilities, probabilities, -1, probabilities.dtype).mul_(scaling)
        run.tokens(d_query).copy_(d_scores @ run.tokens(key))
        run.tokens(d_key).copy_(d_scores.transpose(-2, -1) @ run.tokens(query))
    _clear_behind(cu_seq_lens, d_query, d_key, d_value)
    return d_query, d_key, d_value


@torch.library.custom_op("minibert::packed_attention", mutates_args=())
def packed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_lens: torch.Tensor,
    max_length: int,
    scaling: float,
    dropout: float,
    is_causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`attend_forward` as an operator that autograd and `torch.compile` know."""
    return attend_forward(query, key, value, cu_seq_lens, max_length, scaling, dropout, is_causal)


@torch.library.custom_op("minibert::packed_attention_backward", mutates_args=())
def _packed_attention_backward(
    d_mixed: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    weights: torch.Tensor,
    kept: torch.Tensor,
    cu_seq_lens: torch.Tensor,
    max_length: int,
    scaling: float,
    dropout: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return attend_backward(d_mixed, query, key, value, weights, kept, cu_seq_lens, max_length, scaling, dropout)


# What the compiler needs to know of an operator that it cannot look into: the shapes of its results.
@packed_attention.register_fake
def _(query, key, value, cu_seq_lens, max_length, scaling, dropout, is_causal=False):
    places = query.shape[0] * query.shape[1] * max_length
    kept = query.new_empty(places if dropout else 0, dtype=torch.bool)
    return torch.empty_like(query, memory_format=torch.contiguous_format), query.new_empty(places), kept


@_packed_attention_backward.register_fake
def _(d_mixed, query, key, value, *rest):
    return tuple(torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (query, key, value))


def _keep_for_backward(ctx, inputs, output):
    query, key, value, cu_seq_lens, *ctx.options, _ = inputs
    _, weights, kept = output
    ctx.save_for_backward(query, key, value, weights, kept, cu_seq_lens)
    ctx.mark_non_differentiable(weights, kept)
    ctx.set_materialize_grads(False)  # no zeros for the gradients of the weights, which nobody asks for


def _backward(ctx, d_mixed, *_):
    if d_mixed is None:
        return (None,) * 8
    gradients = _packed_attention_backward(d_mixed, *ctx.saved_tensors, *ctx.options)
    return *gradients, None, None, None, None, None


packed_attention.register_autograd(_backward, setup_context=_keep_for_backward)


def _has_flash_kernel(query: torch.Tensor) -> bool:
    """Whether torch's variable-length flash attention takes this (T, H, D): a recent GPU, half precision, D by 8."""
    if not query.is_cuda or query.dtype not in (torch.float16, torch.bfloat16):
        return False
    size = query.shape[-1]
    return size % 8 == 0 and size <= 256 and torch.cuda.get_device_capability(query.device) >= (8, 0)


def packed_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """Packed attention with the signature that Hugging Face's attention functions share.

    Args:
        query, key, value: (1, H, T, D), the tokens of all sequences.
        cu_seq_lens_q: (B + 1,) int32, where each sequence begins, and T at the end.
        max_length_q: tokens of the longest sequence.

    Returns:
        (1, T, H, D), and None: the weights are not returned.

    Raises:
        ValueError: the batch is not packed.
    """
    if cu_seq_lens_q is None or query.shape[0] != 1:
        raise ValueError(
            f"attn_implementation='packed' works on packed batches (1, T) with cu_seq_lens_q, got a batch of "
            f"{query.shape[0]}; our models pack their batches themselves, others take 'sdpa'"
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    query, key, value = (tensor[0].transpose(0, 1) for tensor in (query, key, value))  # (T, H, D)
    if not dropout and _has_flash_kernel(query):
        from torch.nn.attention.varlen import varlen_attn  # needs a GPU, and torch 2.10

        ends = cu_seq_lens_q.to(query.device)
        window = (-1, 0 if module.is_causal else -1)  # how far to look back and ahead; -1: as far as there is
        lengths = (ends, ends, max_length_q, max_length_q)
        return varlen_attn(query, key, value, *lengths, scale=scaling, window_size=window)[None], None
    mixed, _, _ = packed_attention(query, key, value, cu_seq_lens_q, max_length_q, scaling, dropout, module.is_causal)
    return mixed[None], None


AttentionInterface.register(PACKED, packed_attention_forward)

"""Attention over packed sequences: no pads are computed.

The pads of a batch are removed (`packing.py`): the tokens of all sequences form one stream of T tokens, and
`cu_seq_lens` says where each sequence begins and ends. Neighbouring sequences of equal length are one batched matrix
product. In cross-attention, sequence i of the queries attends to sequence i of the keys.

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

from .dropout import drop_limit, kept_scale, random_numbers
from .transformers_internals import softmax_backward

PACKED = "packed"  # the name for attn_implementation


def runs_of_equal_length(cu_seq_lens_q: list[int], cu_seq_lens_k: list[int]) -> list[tuple[int, int, int, int, int]]:
    """Group neighbouring sequences of equal lengths, so that a group is one batched matrix product.

    [0, 2, 4, 7] on both sides → [(0, 0, 2, 2, 2), (4, 4, 1, 3, 3)]: the first query, the first key, the number of
    sequences, the queries and the keys of each.
    """
    runs = []
    for i in range(len(cu_seq_lens_q) - 1):
        start_q, start_k = cu_seq_lens_q[i], cu_seq_lens_k[i]
        lengths = (cu_seq_lens_q[i + 1] - start_q, cu_seq_lens_k[i + 1] - start_k)
        if runs and runs[-1][3:] == lengths:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1, *lengths)
        elif lengths[0]:
            runs.append((start_q, start_k, 1, *lengths))
    return runs


class _Run:
    """Views of the packed tensors for a run of `count` sequences of equal lengths: (count, H, length, …)."""

    def __init__(self, run: tuple[int, int, int, int, int], heads: int, max_length: int):
        self.start_q, self.start_k, self.count, self.length_q, self.length_k = run
        self.heads, self.max_length = heads, max_length

    def queries(self, packed: torch.Tensor) -> torch.Tensor:
        return self._tokens(packed, self.start_q, self.length_q)

    def keys(self, packed: torch.Tensor) -> torch.Tensor:
        return self._tokens(packed, self.start_k, self.length_k)

    def _tokens(self, packed: torch.Tensor, start: int, length: int) -> torch.Tensor:
        rows = packed[start : start + self.count * length]
        return rows.view(self.count, length, *rows.shape[1:]).transpose(1, 2)

    def weights(self, buffer: torch.Tensor) -> torch.Tensor:
        # Each query owns H · max_length places in the buffer, so that no run needs to know what came before it.
        first = self.start_q * self.heads * self.max_length
        size = self.count * self.heads * self.length_q * self.length_k
        return buffer[first : first + size].view(self.count, self.heads, self.length_q, self.length_k)


def _runs(cu_seq_lens_q, cu_seq_lens_k, heads: int, max_length: int) -> list[_Run]:
    ends_q = cu_seq_lens_q.tolist()
    ends_k = ends_q if cu_seq_lens_k is None else cu_seq_lens_k.tolist()
    return [_Run(run, heads, max_length) for run in runs_of_equal_length(ends_q, ends_k)]


def _clear_behind(cu_seq_lens: torch.Tensor, *tensors: torch.Tensor) -> None:
    """Set the rows behind the last sequence to zero; see `packing.rows_to_round_up`."""
    for tensor in tensors:
        tensor[int(cu_seq_lens[-1]) :].zero_()


def attend_forward(
    query, key, value, cu_seq_lens, max_length, scaling, dropout, is_causal=False, cu_seq_lens_k=None, bias=None
):
    """Attention within each sequence, or from each sequence to the one of the same number.

    Args:
        query: (T, H, D).
        key, value: (T, H, D), or of another number of tokens with `cu_seq_lens_k`.
        cu_seq_lens: (B + 1,), where each sequence begins, and where the last one ends.
        max_length: tokens of the longest sequence of keys.
        scaling: what the scores are multiplied by.
        dropout: the share of attention weights that are dropped.
        is_causal: whether a token attends to itself and what came before it only.
        cu_seq_lens_k: (B + 1,), the same for keys and values; as for the queries where None.
        bias: (1, H, L, S), added to the scores of every sequence, by place; L and S at least the longest lengths.

    Returns:
        The mixed values (T, H, D); the weights, flat, for the backward pass; and where they were dropped (empty
        without dropout).
    """
    tokens, heads, _ = query.shape
    mixed = torch.empty_like(query, memory_format=torch.contiguous_format)
    weights = query.new_empty(tokens * heads * max_length)
    drops = query.new_empty(weights.numel() if dropout else 0, dtype=torch.bool)
    query = query * scaling  # rather than every score
    for run in _runs(cu_seq_lens, cu_seq_lens_k, heads, max_length):
        scores = run.queries(query) @ run.keys(key).transpose(-2, -1)
        if bias is not None:
            scores.add_(bias[:, :, : run.length_q, : run.length_k])
        if is_causal:  # the backward pass needs no mask: where a weight is 0, so is the gradient of its score
            later = torch.ones(run.length_q, run.length_k, dtype=torch.bool, device=scores.device).triu_(1)
            scores.masked_fill_(later, torch.finfo(scores.dtype).min)
        probabilities = torch.softmax(scores, dim=-1, out=run.weights(weights))
        if dropout:
            numbers = random_numbers(scores.shape, scores.device)
            places = torch.lt(numbers, drop_limit(dropout), out=run.weights(drops))
            probabilities = probabilities.masked_fill(places, 0.0)
        run.queries(mixed).copy_(probabilities @ run.keys(value))
    if dropout:
        mixed.mul_(kept_scale(dropout))  # rather than every weight
    _clear_behind(cu_seq_lens, mixed)
    return mixed, weights, drops


def attend_backward(
    d_mixed, query, key, value, weights, drops, cu_seq_lens, max_length, scaling, dropout, cu_seq_lens_k=None, bias=None
):
    """The gradients of `attend_forward` with respect to query, key, value and bias (empty without one)."""
    d_query, d_key, d_value = (
        torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (query, key, value)
    )
    d_bias = query.new_empty(0) if bias is None else torch.zeros_like(bias)
    if dropout:
        d_mixed = d_mixed * kept_scale(dropout)
    for run in _runs(cu_seq_lens, cu_seq_lens_k, query.shape[1], max_length):
        probabilities, d_output = run.weights(weights), run.queries(d_mixed)
        d_probabilities = d_output @ run.keys(value).transpose(-2, -1)
        used = probabilities
        if dropout:
            places = run.weights(drops)
            used = probabilities.masked_fill(places, 0.0)
            d_probabilities.masked_fill_(places, 0.0)
        run.keys(d_value).copy_(used.transpose(-2, -1) @ d_output)
        # torch's kernel for P ∘ (dP - rowsum(dP ∘ P)).
        d_scores = softmax_backward(d_probabilities, probabilities)
        if bias is not None:
            d_bias[0, :, : run.length_q, : run.length_k] += d_scores.sum(dim=0)
        run.queries(d_query).copy_(d_scores @ run.keys(key))
        run.keys(d_key).copy_(d_scores.transpose(-2, -1) @ run.queries(query))
    d_query.mul_(scaling)
    d_key.mul_(scaling)
    _clear_behind(cu_seq_lens, d_query)
    _clear_behind(cu_seq_lens if cu_seq_lens_k is None else cu_seq_lens_k, d_key, d_value)
    return d_query, d_key, d_value, d_bias


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
    cu_seq_lens_k: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`attend_forward` as a registered operator, for autograd and `torch.compile`."""
    options = (cu_seq_lens, max_length, scaling, dropout, is_causal, cu_seq_lens_k, bias)
    return attend_forward(query, key, value, *options)


@torch.library.custom_op("minibert::packed_attention_backward", mutates_args=())
def _packed_attention_backward(
    d_mixed: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    weights: torch.Tensor,
    drops: torch.Tensor,
    cu_seq_lens: torch.Tensor,
    max_length: int,
    scaling: float,
    dropout: float,
    cu_seq_lens_k: torch.Tensor | None,
    bias: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    options = (cu_seq_lens, max_length, scaling, dropout, cu_seq_lens_k, bias)
    return attend_backward(d_mixed, query, key, value, weights, drops, *options)


# What the compiler needs to know of an operator that it cannot look into: the shapes of its results.
@packed_attention.register_fake
def _(query, key, value, cu_seq_lens, max_length, scaling, dropout, is_causal=False, cu_seq_lens_k=None, bias=None):
    places = query.shape[0] * query.shape[1] * max_length
    drops = query.new_empty(places if dropout else 0, dtype=torch.bool)
    return torch.empty_like(query, memory_format=torch.contiguous_format), query.new_empty(places), drops


@_packed_attention_backward.register_fake
def _(d_mixed, query, key, value, weights, drops, cu_seq_lens, max_length, scaling, dropout, cu_seq_lens_k, bias):
    like_inputs = (torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in (query, key, value))
    return *like_inputs, query.new_empty(0) if bias is None else torch.empty_like(bias)


def _keep_for_backward(ctx, inputs, output):
    query, key, value, cu_seq_lens, *ctx.options, _, cu_seq_lens_k, bias = inputs
    _, weights, drops = output
    ctx.save_for_backward(query, key, value, weights, drops, cu_seq_lens, cu_seq_lens_k, bias)
    ctx.mark_non_differentiable(weights, drops)
    ctx.set_materialize_grads(False)  # no zeros for the gradients of the weights, which nobody asks for


def _backward(ctx, d_mixed, *_):
    if d_mixed is None:
        return (None,) * 10
    *tensors, cu_seq_lens_k, bias = ctx.saved_tensors
    *gradients, d_bias = _packed_attention_backward(d_mixed, *tensors, *ctx.options, cu_seq_lens_k, bias)
    return *gradients, None, None, None, None, None, None, None if bias is None else d_bias


def _refuse_second_derivatives(ctx, *_):
    raise RuntimeError(
        "packed attention has no second derivatives; take attn_implementation='eager', for example with "
        "model.set_attn_implementation('eager')"
    )


packed_attention.register_autograd(_backward, setup_context=_keep_for_backward)
_packed_attention_backward.register_autograd(_refuse_second_derivatives)


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
    cu_seq_lens_k: torch.Tensor | None = None,
    max_length_k: int | None = None,
    position_bias: torch.Tensor | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """Packed attention with the signature that Hugging Face's attention functions share.

    Args:
        query, key, value: (1, H, T, D), the tokens of all sequences.
        cu_seq_lens_q: (B + 1,) int32, where each sequence begins, and T at the end.
        max_length_q: tokens of the longest sequence.
        cu_seq_lens_k, max_length_k: the same for keys and values, which may be those of other sequences.
        position_bias: (1, H, max_length_q, max_length_k), added to the scores, by places within a sequence.

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
    query, key, value = (tensor.squeeze(0).transpose(0, 1) for tensor in (query, key, value))  # (T, H, D)
    if cu_seq_lens_k is None:
        cu_seq_lens_k, max_length_k = cu_seq_lens_q, max_length_q
    if not dropout and position_bias is None and _has_flash_kernel(query):
        from torch.nn.attention.varlen import varlen_attn  # needs a GPU, and torch 2.10

        window = (-1, 0 if module.is_causal else -1)  # how far to look back and ahead; -1: as far as there is
        ends = (cu_seq_lens_q.to(query.device), cu_seq_lens_k.to(query.device))
        lengths = (*ends, max_length_q, max_length_k)
        return varlen_attn(query, key, value, *lengths, scale=scaling, window_size=window)[None], None
    options = (cu_seq_lens_q, max_length_k, scaling, dropout, module.is_causal, cu_seq_lens_k, position_bias)
    return packed_attention(query, key, value, *options)[0][None], None


AttentionInterface.register(PACKED, packed_attention_forward)

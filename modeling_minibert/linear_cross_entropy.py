"""The cross-entropy of a linear layer, computed in chunks so that the full logits never exist.

A vocabulary of 30,000 makes the logits the largest tensor of a small model by far: (N, V), once for the values and
once for the gradients. Here they exist only for a few tokens at a time. While they are at hand their gradient is taken
too (softmax minus one at the label), so the backward pass has nothing left to do but scale.

    loss = Σ logsumexp(hᵢ Wᵀ + b) - (hᵢ Wᵀ + b)[yᵢ]
    dlogits = softmax - onehot(y),   dh = dlogits W,   dW = dlogitsᵀ h,   db = Σ dlogits

Used by `heads.vocabulary_loss`. Source: the softmax gradient of the lectures (S1); computing it in
pieces in the forward pass: Wijmans et al. 2024, *Cut Your Losses in Large-Vocabulary Language Models*.
"""

import torch

from .losses import IGNORE_INDEX, divisor
from .precision import autocast_dtype
from .transformers_internals import can_read

# Tokens whose gradients of the logits are kept for one large product with the hidden states.
ROWS_OF_GRADIENTS = 512


def rows_of_logits(vocab_size: int) -> int:
    """The chunk size in tokens, chosen so that the logits of a chunk stay in the processor's cache."""
    return max(64, 2**21 // vocab_size)


def linear_cross_entropy(
    hidden_states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean of -log softmax(hidden_states Wᵀ + b)[label].

    Args:
        hidden_states: (N, E).
        weight, bias: (V, E) and (V,), the decoder; the bias may be None.
        labels: (N,), each from 0 to V - 1; -100 is left out.
        num_items_in_batch: what to divide the sum by; the number of labels where not given.
        label_smoothing: the share ε of each label that is spread evenly: the loss is 1 - ε of the above plus ε times
            the mean of -log softmax over all V words.

    Returns:
        A scalar, float32 also for half-precision input; 0 where there is no label.
    """
    dtype = autocast_dtype(weight.device) or weight.dtype
    if dtype == torch.float16:  # gradients are taken here, before the loss is scaled: 1e-8 would be 0
        dtype = torch.float32
    count = divisor(labels, num_items_in_batch)
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    return _linear_cross_entropy(hidden_states.to(dtype), weight, bias, labels, count, label_smoothing)[0]


def loss_and_gradients(hidden_states, weight, bias, labels, count, label_smoothing=0.0):
    """The loss (a sum divided by `count`), and its gradients with respect to hidden_states, weight and bias.

    The products are computed in the dtype of hidden_states; the gradients of the parameters have the parameters' dtype.
    """
    precise = torch.promote_types(hidden_states.dtype, torch.float32)
    total = torch.zeros((), dtype=precise, device=weight.device)
    d_hidden = torch.empty_like(hidden_states)
    d_weight, d_bias = None, torch.zeros_like(bias, dtype=precise)
    decoder, offset = weight.to(hidden_states.dtype), bias.to(hidden_states.dtype)
    share = 1.0 / count.to(precise)
    for start in range(0, len(labels), ROWS_OF_GRADIENTS):
        part = slice(start, start + ROWS_OF_GRADIENTS)
        hidden, asked = hidden_states[part], labels[part, None] != IGNORE_INDEX
        targets = labels[part, None].clamp(min=0)
        d_logits = hidden.new_empty(len(hidden), len(weight))
        pieces = (
            tensor.split(rows_of_logits(len(weight))) for tensor in (d_logits, hidden, targets, asked.to(precise))
        )
        for d_piece, tokens, target, weigh in zip(*pieces, strict=True):
            logits = torch.addmm(offset, tokens, decoder.t())
            log_probabilities = torch.log_softmax(logits, dim=-1, dtype=precise)
            log_likelihood = log_probabilities.gather(1, target)
            if label_smoothing:
                evenly = log_probabilities.mean(dim=1, keepdim=True)
                log_likelihood = torch.lerp(log_likelihood, evenly, label_smoothing)
            total -= (log_likelihood * weigh).sum()
            gradient = log_probabilities.exp_()  # in place: the softmax, then minus one at the label
            if label_smoothing:
                gradient -= label_smoothing / len(weight)
            gradient.scatter_add_(1, target, gradient.new_full(target.shape, label_smoothing - 1.0))
            torch.mul(gradient, weigh * share, out=d_piece)
            d_bias += (weigh.T @ gradient)[0]
        torch.mm(d_logits, decoder, out=d_hidden[part])
        product = d_logits.t() @ hidden
        d_weight = product.to(weight.dtype) if d_weight is None else d_weight.add_(product)
    d_weight = torch.zeros_like(weight) if d_weight is None else d_weight
    return total * share, d_hidden, d_weight, (d_bias * share).to(bias.dtype)


def differentiable_gradients(hidden_states, weight, bias, labels, count, label_smoothing):
    """The same gradients as functions that autograd can follow, for second derivatives; holds all logits at once."""
    precise = torch.promote_types(hidden_states.dtype, torch.float32)
    decoder, offset = weight.to(hidden_states.dtype), bias.to(hidden_states.dtype)
    probabilities = torch.softmax(hidden_states @ decoder.t() + offset, dim=-1, dtype=precise)
    targets = torch.full_like(probabilities, label_smoothing / len(weight))
    targets.scatter_add_(1, labels[:, None].clamp(min=0), targets.new_full((len(labels), 1), 1.0 - label_smoothing))
    share = (labels != IGNORE_INDEX).to(precise)[:, None] / count.to(precise)
    d_logits = ((probabilities - targets) * share).to(hidden_states.dtype)
    return [d_logits @ decoder, (d_logits.t() @ hidden_states).to(weight.dtype), d_logits.sum(dim=0).to(bias.dtype)]


@torch.library.custom_op("minibert::linear_cross_entropy", mutates_args=())
def _linear_cross_entropy(
    hidden_states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    labels: torch.Tensor,
    count: torch.Tensor,
    label_smoothing: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.autocast(weight.device.type, enabled=False):
        return loss_and_gradients(hidden_states, weight, bias, labels, count, label_smoothing)


@_linear_cross_entropy.register_fake
def _(hidden_states, weight, bias, labels, count, label_smoothing=0.0):
    total = weight.new_empty((), dtype=torch.promote_types(hidden_states.dtype, torch.float32))
    return total, torch.empty_like(hidden_states), torch.empty_like(weight), torch.empty_like(bias)


def _keep_for_backward(ctx, inputs, output):
    _, *gradients = output
    hidden_states, weight, bias, labels, count, ctx.label_smoothing = inputs
    ctx.save_for_backward(hidden_states, weight, bias, labels, count, *gradients)
    ctx.mark_non_differentiable(*gradients)
    ctx.set_materialize_grads(False)  # no zeros in the size of the vocabulary for gradients of gradients


def _backward(ctx, d_total, *_):
    if d_total is None:
        return (None,) * 6
    *inputs, d_hidden, d_weight, d_bias = ctx.saved_tensors
    gradients = [d_hidden, d_weight, d_bias]
    if torch.is_grad_enabled():  # create_graph=True: somebody asks for second derivatives
        gradients = differentiable_gradients(*inputs, ctx.label_smoothing)
    # The loss itself is what is usually differentiated: d_total is 1, and the largest gradients need no other pass.
    if torch.is_grad_enabled() or not can_read(d_total) or d_total != 1:
        gradients = [gradient * d_total.to(gradient.dtype) for gradient in gradients]
    return *gradients, None, None, None


_linear_cross_entropy.register_autograd(_backward, setup_context=_keep_for_backward)

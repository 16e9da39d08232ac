"""Gradient caching: the exact gradient of a contrastive loss over a large batch, at the memory of a small one.

In-batch negatives couple all rows of a batch, so it cannot be cut into micro-batches. But the loss needs the texts'
vectors alone:

    1  encode every chunk without a graph, and keep its state of the random numbers     vectors (B, E), (P, E)
    2  loss of all vectors, and its gradient with respect to them                       (B, E), (P, E)
    3  encode every chunk again, with the same dropout, and propagate its rows of that gradient

Source: Gao, Zhang, Han and Callan 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup
(arXiv 2101.06983).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch.utils.checkpoint import get_device_states, set_device_states

Features = dict[str, torch.Tensor]
Encode = Callable[[Features, Features], tuple[torch.Tensor, torch.Tensor]]


def cached_loss(
    encode: Encode,
    queries: Features,
    passages: Features,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    chunk_size: int,
) -> torch.Tensor:
    """Compute the loss of a batch; its `backward()` runs step 3, and adds to the gradients of the encoder's weights.

    Args:
        encode: maps queries and passages to their vectors; each call gets a chunk of both.
        queries, passages: token ids and masks, (B, L) and (P, S), P ≥ B.
        loss: of all vectors, (B, E) and (P, E); it has no weights to train.
        chunk_size: the most passages of a chunk.

    Returns:
        A scalar. Only `backward()` gives gradients; `torch.autograd.grad` does not see the weights.

    Raises:
        ValueError: a chunk too small for one query and its passages.
    """
    chunks = split_batch(queries, passages, chunk_size)
    autocast = _current_autocast(queries)
    states, vectors = [], []
    for chunk in chunks:
        states.append(RandomState(*chunk[0].values()))
        with torch.no_grad():
            vectors.append(encode(*chunk))
    if not torch.is_grad_enabled():
        return loss(*map(torch.cat, zip(*vectors, strict=True)))
    parts = [part.requires_grad_() for rows in vectors for part in rows]
    value = loss(*map(torch.cat, zip(*vectors, strict=True)))
    gradients = iter(torch.autograd.grad(value, parts))
    pairs = list(zip(gradients, gradients, strict=True))
    value = value.detach().requires_grad_()

    def propagate(scale: torch.Tensor) -> None:
        for chunk, state, rows in zip(chunks, states, pairs, strict=True):
            with torch.enable_grad(), state.restored(), autocast():
                encoded = encode(*chunk)
            torch.autograd.backward(encoded, [gradient * scale.to(gradient) for gradient in rows])

    value.register_hook(propagate)
    return value


def split_batch(queries: Features, passages: Features, chunk_size: int) -> list[tuple[Features, Features]]:
    """Split a batch into chunks of about equal size, each with queries and passages.

    Raises:
        ValueError: `chunk_size` is too small for one query and its share of the passages.
    """
    sizes = [len(side["input_ids"]) for side in (queries, passages)]
    least = -(-sizes[1] // sizes[0])
    if chunk_size < least:
        raise ValueError(f"chunk_size ({chunk_size}) is less than the {least} passages of one query; give a larger one")
    count = min(-(-sizes[1] // chunk_size), sizes[0])
    parts = []
    for side in (queries, passages):
        pieces = {name: tensor.tensor_split(count) for name, tensor in side.items()}
        parts.append([{name: piece[place] for name, piece in pieces.items()} for place in range(count)])
    return list(zip(*parts, strict=True))


class RandomState:
    """The state of torch's random numbers, on the CPU and on the devices of some tensors."""

    def __init__(self, *tensors: torch.Tensor):
        self.tensors = tensors
        self.cpu = torch.get_rng_state()
        self.devices, self.states = get_device_states(*tensors)

    def restore(self) -> None:
        """Continue with the random numbers of this state."""
        torch.set_rng_state(self.cpu)
        set_device_states(self.devices, self.states)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore the state inside the block, and the current one afterwards."""
        current = RandomState(*self.tensors)
        self.restore()
        try:
            yield
        finally:
            current.restore()


def _current_autocast(features: Features) -> Callable[[], AbstractContextManager]:
    """Return a factory of contexts with the present mixed precision, which a hook of `backward` does not inherit."""
    kind = next(iter(features.values())).device.type
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    return lambda: torch.autocast(kind, dtype=dtype, enabled=enabled)

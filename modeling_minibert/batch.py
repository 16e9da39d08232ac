"""Prepare one call of a stack of layers, and collect the results that the caller asked for.

`Batch.of` decides what would hide the computation in a forward: which attention function this call uses, whether pads
are taken out (`packing.py`), where each token stands, and which intermediate results are kept. `embed` gives the first
hidden states, `record` keeps what was asked for, `restore` puts the pads back.

Letters: B batch, L length, S source length, T tokens of a packed batch, E hidden size.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from transformers import Cache

from .masks import check_mask_length
from .packed_attention import PACKED
from .packing import Packing, find_packing, pack_pairs, rows_to_round_up
from .precision import autocast_dtype
from .transformers_internals import has_hooks, transforms_active


@dataclass
class Batch:
    """The prepared inputs of one call of a stack, and the results that `record` collects.

    Args:
        implementation: name of the attention function.
        inputs: the arguments of `Embeddings.forward`; without pads where the batch is packed.
        attention_mask: as the caller gave it.
        length: tokens in each row of the inputs, pads included (L).
        packing: where the sequences of a packed batch begin and end; None for a padded batch.
        cache: keys and values of earlier tokens, or None.
        source: the vectors that cross-attention reads, (B, S, E), or (1, T, E) where packed.
        source_packing: the packing of the source.
        states, weights, source_weights: what `record` has kept; None where it was not asked for.
        selected: the numbers of the hidden states to keep; None for all.
        paged_arguments: the lengths that continuous batching gives to its attention function; None elsewhere.
    """

    implementation: str
    inputs: dict[str, torch.Tensor | None]
    attention_mask: torch.Tensor | None
    length: int
    packing: Packing | None = None
    cache: Cache | None = None
    source: torch.Tensor | None = None
    source_packing: Packing | None = None
    states: list[torch.Tensor] | None = None
    weights: list[torch.Tensor] | None = None
    source_weights: list[torch.Tensor] = field(default_factory=list)
    selected: set[int] | None = None
    paged_arguments: dict | None = None
    tokens: int = 0  # without the rows that `embed` adds

    @classmethod
    def of(
        cls,
        stack: nn.Module,
        inputs: dict[str, torch.Tensor | None],
        attention_mask: torch.Tensor | None,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
        cu_seq_lens: torch.Tensor | None = None,
        max_length: int | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = False,
        source: torch.Tensor | None = None,
        source_mask: torch.Tensor | None = None,
        paged: bool = False,
    ) -> "Batch":
        """Prepare a call of `stack`, a module with a `config` and a method `place_tokens` for position ids.

        Args:
            stack: an encoder or a decoder; with `use_cache` it also has `new_cache`.
            inputs: `input_ids` or `inputs_embeds`, `position_ids`, `token_type_ids`.
            attention_mask: (B, past + L), or more dimensions; or None.
            output_attentions, output_hidden_states: as the call says, or None for what the configuration says.
            cu_seq_lens, max_length: of a batch that came packed.
            cache, use_cache: the cache of earlier calls, and whether a new one is made where there is none; None: as
                the configuration says, but not while training, and not on packed batches.
            source, source_mask: (B, S, E) and (B, S), what a decoder attends to.
            paged: whether `generate_batch` calls: its packed batch, mask and cache go to the attention function as
                they are.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds; no tokens, or too many; a mask of another
                length.
        """
        config, given = stack.config, _given(inputs, getattr(stack, "input_prefix", ""))
        output_attentions = config.output_attentions if output_attentions is None else output_attentions
        output_hidden_states = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        check_mask_length(attention_mask, given.shape[1], cache)
        if is_checkpointing(stack):
            refuse_filled_cache(cache)
            cache, use_cache = None, False
        has_cache = bool(use_cache) or cache is not None
        implementation = config._attn_implementation
        if not paged:
            implementation = choose_implementation(config, attention_mask, output_attentions, has_cache)
        batch = cls(implementation, inputs, attention_mask, given.shape[1], cache=cache, source=source)
        batch.weights = [] if output_attentions else None
        if output_hidden_states:  # a number other than 0, or a list, selects
            batch.states, batch.selected = [], select_hidden_states(output_hidden_states, len(stack.layers) + 1)
        if paged:
            batch.paged_arguments = {"cu_seq_lens_q": cu_seq_lens, "max_length_q": max_length}
        else:
            batch._pack(given, cu_seq_lens, max_length, source_mask, stack.embeddings.word_embeddings)
        if use_cache is None:
            use_cache = config.use_cache and not stack.training and batch.packing is None
        if use_cache and cache is None:
            batch.cache = stack.new_cache()
        if inputs["position_ids"] is None:
            batch.inputs["position_ids"] = stack.place_tokens(given, batch)
        return batch

    def _pack(self, given, cu_seq_lens, max_length, source_mask, word_embeddings) -> None:
        """Set the packing of the batch, and remove the pads from its inputs."""
        pack_padded = self.implementation == PACKED
        if self.source is None:
            positions = self.inputs["position_ids"]
            self.packing = find_packing(given, self.attention_mask, positions, cu_seq_lens, max_length, pack_padded)
        elif pack_padded:
            self.packing, self.source_packing = pack_pairs(given, self.attention_mask, self.source, source_mask)
            self.source = _round_up(self.source_packing.remove_pads(self.source))
        if self.packing is not None:
            if self.inputs["input_ids"] is not None and has_hooks(word_embeddings):
                self._embed_rows(word_embeddings)
            self.inputs = {name: self.packing.remove_pads(tensor) for name, tensor in self.inputs.items()}

    def _embed_rows(self, word_embeddings: nn.Module) -> None:
        """Look words up before pads are removed: hooks see rows of texts, whose length scales NEFTune's noise."""
        ids = self.inputs["input_ids"]
        if self.packing.came_padded:
            vectors = word_embeddings(ids)
        else:
            vectors = self.packing.join(word_embeddings(self.packing.split(ids)))
        self.inputs = self.inputs | {"input_ids": None, "inputs_embeds": vectors}

    @property
    def layer_arguments(self) -> dict:
        """The keyword arguments of every self-attention."""
        packed = {} if self.packing is None else self.packing.attention_arguments()
        return {"implementation": self.implementation, **packed, **(self.paged_arguments or {})}

    @property
    def source_arguments(self) -> dict:
        """The keyword arguments that differ for cross-attention: the lengths of packed sources."""
        if self.source_packing is None:
            return {}
        return {"cu_seq_lens_k": self.source_packing.cu_seq_lens, "max_length_k": self.source_packing.max_length}

    def embed(self, embeddings: nn.Module) -> torch.Tensor:
        """Compute the first hidden states: (B, L, E), or (1, T, E) where packed, with T rounded up."""
        hidden_states = embeddings(**self.inputs)
        # Under autocast half precision from here on; otherwise each linear map would convert its input again.
        hidden_states = hidden_states.to(autocast_dtype(hidden_states.device) or hidden_states.dtype)
        self.tokens = hidden_states.shape[1]
        if self.implementation != PACKED:
            return hidden_states
        hidden_states = _round_up(hidden_states)
        positions, more = self.inputs["position_ids"], hidden_states.shape[1] - self.tokens
        if positions is not None and more:
            self.inputs["position_ids"] = nn.functional.pad(positions, (0, more))
        return hidden_states

    def record(
        self,
        states: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        source_weights: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """Collect the hidden states before a layer, or its attention weights, if the caller asked for them.

        Returns:
            The hidden states to go on with: computed from the collected ones, so that these have gradients.
        """
        if self.weights is not None and weights is not None:
            self.weights.append(weights)
            self.source_weights.append(source_weights)
        if self.states is None or states is None:
            return states
        if self.selected is not None and len(self.states) not in self.selected:
            self.states.append(None)
            return states
        self.states.append(self.restore(states))
        return states if self.packing is None else self._pack_again(self.states[-1], states.shape[1])

    def _pack_again(self, restored: torch.Tensor, rows: int) -> torch.Tensor:
        """Undo `restore`: (1, T, E) with the empty rows that `embed` has added."""
        packed = self.packing.remove_pads(restored)
        return nn.functional.pad(packed, (0, 0, 0, rows - packed.shape[1]))

    def restore(self, states: torch.Tensor) -> torch.Tensor:
        """Undo the packing: (B, L, E) with zeros for pads, or (1, T, E) if the batch came packed."""
        return states if self.packing is None else self.packing.restore(states[:, : self.tokens])

    def recorded(self, last: torch.Tensor) -> dict[str, tuple | None]:
        """The collected results, by the field names of the model's output; `last` is the output of the stack."""
        last_states = last if self.selected is None or len(self.states) in self.selected else None
        outputs = {
            "hidden_states": None if self.states is None else (*self.states, last_states),
            "attentions": None if self.weights is None else tuple(self.weights),
        }
        if self.source is not None:
            outputs["cross_attentions"] = None if self.weights is None else tuple(self.source_weights)
        return outputs


def refuse_cross_attention(model: nn.Module, encoder_hidden_states: torch.Tensor | None) -> None:
    """Raise a ValueError for `encoder_hidden_states`, and for configurations that ask for cross-attention."""
    config = model.config
    if encoder_hidden_states is not None or getattr(config, "add_cross_attention", False):
        raise ValueError(
            f"{type(model).__name__} has no cross-attention: encoder_hidden_states and add_cross_attention would have "
            f"no effect; use MiniSeq2SeqForConditionalGeneration for an encoder with a decoder"
        )


def is_checkpointing(stack: nn.Module) -> bool:
    """Whether the backward pass will run the layers again: a cache would then hold their keys twice."""
    training = stack.training and torch.is_grad_enabled()
    return training and any(getattr(layer, "gradient_checkpointing", False) for layer in stack.layers)


def refuse_filled_cache(cache: Cache | None) -> None:
    """Raise a ValueError for a cache that holds tokens, under gradient checkpointing; an empty one is left out."""
    if cache is not None and cache.get_seq_length():
        raise ValueError(
            f"gradient checkpointing computes every layer twice and cannot be used with past_key_values that hold "
            f"{cache.get_seq_length()} tokens; switch it off, or leave past_key_values out"
        )


def select_hidden_states(asked: bool | int | list[int], count: int) -> set[int] | None:
    """The numbers that `output_hidden_states` selects of `count` hidden states; negative ones count from the end.

    Returns:
        Numbers from 0 to count - 1, those out of range left out as in transformers; None for all (True).
    """
    if isinstance(asked, bool):
        return None
    return {number % count for number in ([asked] if isinstance(asked, int) else asked) if -count <= number < count}


def _given(inputs: dict[str, torch.Tensor | None], prefix: str) -> torch.Tensor:
    """The input ids (B, L) or vectors (B, L, E), whichever the caller gave."""
    names = f"{prefix}input_ids or {prefix}inputs_embeds"
    ids, vectors = inputs["input_ids"], inputs["inputs_embeds"]
    if (ids is None) == (vectors is None):
        raise ValueError(f"give either {names}, and not both")
    given = ids if vectors is None else vectors
    if not given.shape[1]:
        raise ValueError(f"a text without tokens, shape {tuple(given.shape)}; give at least one token in {names}")
    return given


def _round_up(packed: torch.Tensor) -> torch.Tensor:
    """Add empty rows to (1, T, E) where few different shapes are faster; see `rows_to_round_up`."""
    more = rows_to_round_up(packed.shape[1], packed)
    return nn.functional.pad(packed, (0, 0, 0, more)) if more else packed


def choose_implementation(config, attention_mask: torch.Tensor | None, output_attentions: bool, caching: bool) -> str:
    """Choose the attention function of one call: only some return weights, use a cache, or take a mask per query.

    Raises:
        ValueError: flash attention, which adds nothing to the scores, with relative positions.
    """
    implementation = config._attn_implementation
    if "flash" in implementation and config.position_embedding_type == "relative":
        raise ValueError(
            f"relative positions are added to the attention scores, which {implementation} cannot do; choose "
            f"attn_implementation 'sdpa', 'packed', 'eager' or 'flex_attention'"
        )
    if output_attentions:
        return "eager"
    # Masks per query are made for eager and sdpa; packed attention has no cache, and no transforms of torch.func.
    if implementation == PACKED and transforms_active():
        return "eager"  # the kernels of sdpa have no derivatives in forward mode
    if attention_mask is not None and attention_mask.dim() > 2:
        return implementation if implementation == "eager" else "sdpa"
    return "sdpa" if implementation == PACKED and caching else implementation

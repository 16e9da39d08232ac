"""Named decoding strategies: their arguments for `model.generate`, validated before any work.

    inputs, arguments = prepare_generation(model, tokenizer, ["Once upon a time"], "top_p", 50, top_p=0.9)
    model.generate(**inputs, **arguments)

The settings in `STRATEGIES` are those of Holtzman et al. 2020, table 1 (S5, "Example generations"), and of the papers
on the searches; all can be overridden.
"""

from collections.abc import Sequence

import torch
from transformers import BatchEncoding

from ..limits import check_vocabulary
from .custom_generate import contrastive_search, diverse_beam_search

# top_k 0 keeps all tokens; the default of generate is 50.
SAMPLING = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
BEAMS = {"do_sample": False, "num_beams": 16, "length_penalty": 1.0, "early_stopping": False}
STRATEGIES: dict[str, dict] = {
    "greedy": {"do_sample": False},
    "no_repeat_ngram": {"do_sample": False, "no_repeat_ngram_size": 3},
    "beam": BEAMS,
    "diverse_beam": {
        **BEAMS, "custom_generate": diverse_beam_search, "num_beam_groups": 4, "diversity_penalty": 1.0,
    },
    "contrastive": {"do_sample": False, "custom_generate": contrastive_search, "penalty_alpha": 0.6, "top_k": 4},
    "sampling": SAMPLING,
    "temperature": {**SAMPLING, "temperature": 0.9},
    "top_k": {**SAMPLING, "top_k": 640},
    "top_k_temperature": {**SAMPLING, "top_k": 40, "temperature": 0.7},
    "top_p": {**SAMPLING, "top_p": 0.95},
}  # fmt: skip
COMMON_OPTIONS = {"num_return_sequences", "no_repeat_ngram_size"}

# Allowed values, many of which generate checks late or never.
COUNTS = ("max_new_tokens", "num_return_sequences", "num_beams", "num_beam_groups")
WHOLE_NUMBERS = {
    **dict.fromkeys(COUNTS, (lambda value: value >= 1, "at least 1")),
    "no_repeat_ngram_size": (lambda value: value >= 0, "at least 1, or 0 for none"),
    "top_k": (lambda value: value >= 1, "at least 1; leave it out to keep all tokens"),
}
RULES = {
    **WHOLE_NUMBERS,
    "diversity_penalty": (lambda value: value >= 0, "0 or more"),
    "penalty_alpha": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "temperature": (lambda value: value > 0, "above 0; for its limit, choose the strategy greedy"),
    "top_p": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
}


def prepare_generation(
    model, tokenizer, prompts: Sequence[str], strategy: str, max_new_tokens: int | None = None, **options
) -> tuple[BatchEncoding, dict]:
    """Validate the settings, and return the inputs and arguments of `model.generate`.

    Args:
        model, tokenizer: a causal language model and its tokenizer.
        prompts: one or more texts to continue.
        strategy: a key of `STRATEGIES`.
        max_new_tokens: the longest continuation; None for 100, or less if the model has fewer positions left.
        options: values of the strategy to override, like top_p=0.9, and num_return_sequences, no_repeat_ngram_size.

    Returns:
        input_ids and attention_mask (B, L), padded on the left; the arguments.

    Raises:
        ValueError: the strategy is unknown or does not use an option, a value is out of range, the tokenizer has more
            tokens than the model, or a prompt is empty or too long.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}")
    known = set(STRATEGIES[strategy]) - {"do_sample", "custom_generate"} | COMMON_OPTIONS
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"the strategy {strategy} does not use {name}; it takes {', '.join(sorted(known))}")
        _check_value(name, value)
    if max_new_tokens is not None:
        _check_value("max_new_tokens", max_new_tokens)
    arguments = {**STRATEGIES[strategy], **options}
    _check_counts(strategy, arguments)
    check_vocabulary(tokenizer, len(model.get_input_embeddings().weight))
    inputs = encode_prompts(tokenizer, prompts)
    room = _check_room(model, inputs, max_new_tokens or 1)
    arguments |= {"max_new_tokens": max_new_tokens or min(100, room), "pad_token_id": _pad_id(tokenizer)}
    return inputs, arguments


def _check_value(name: str, value) -> None:
    """Raise a ValueError if the value breaks its rule in `RULES`."""
    holds, wanted = RULES.get(name, (lambda value: True, ""))
    if name in RULES and (isinstance(value, bool) or not isinstance(value, (int, float)) or not holds(value)):
        raise ValueError(f"{name} ({value}) must be {wanted}")
    if name in WHOLE_NUMBERS and not isinstance(value, int):
        raise ValueError(f"{name} ({value}) must be a whole number")


def _check_counts(strategy: str, arguments: dict) -> None:
    """Check that the numbers of beams, groups and texts are consistent."""
    texts, beams = arguments.get("num_return_sequences", 1), arguments.get("num_beams", 1)
    groups = arguments.get("num_beam_groups", 1)
    if beams % groups:
        raise ValueError(f"num_beams ({beams}) is not a multiple of num_beam_groups ({groups})")
    if not arguments["do_sample"] and texts > beams:
        most = "one text" if beams == 1 else f"{beams} texts, one for each of num_beams"
        raise ValueError(f"num_return_sequences ({texts}) is too many: {strategy} always finds the same {most}")


def _check_room(model, inputs: BatchEncoding, max_new_tokens: int) -> int | float:
    """Check that prompts and new tokens fit the model's positions; return the number of positions left."""
    positions = getattr(model.config, "max_position_embeddings", None) or float("inf")
    lengths = inputs["attention_mask"].sum(dim=1).tolist()
    for number, length in enumerate(lengths):
        if length >= positions:
            raise ValueError(
                f"prompt {number} has {length} tokens, and the model reads {positions} in all, including new ones; "
                "shorten it"
            )
        if length + max_new_tokens > positions:
            raise ValueError(
                f"prompt {number} has {length} tokens; with max_new_tokens ({max_new_tokens}) that is more than the "
                f"{positions} that the model reads; ask for at most {positions - length}"
            )
    return positions - max(lengths)


def _pad_id(tokenizer) -> int | None:
    """The pad token, or the end token if there is none."""
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def encode_prompts(tokenizer, prompts: Sequence[str]) -> BatchEncoding:
    """Encode prompts as input_ids and attention_mask (B, L), padded on the left so that all end together.

    An end token added by the tokenizer is removed, because the text continues.

    Raises:
        ValueError: there is no prompt, one is empty, or padding is needed and the tokenizer has no pad token.
    """
    if not prompts:
        raise ValueError("there is no prompt; give at least one")
    ends = {tokenizer.eos_token_id, tokenizer.sep_token_id} - {None}
    rows = []
    for number, prompt in enumerate(prompts):
        ids = tokenizer(prompt)["input_ids"] if prompt else []
        if ids and ids[-1] in ends:
            ids = ids[:-1]
        if not ids:
            raise ValueError(f"prompt {number} is empty ({prompt!r}); give at least one token")
        rows.append(ids)
    longest = max(map(len, rows))
    pad = _pad_id(tokenizer)
    if pad is None and any(len(row) < longest for row in rows):
        raise ValueError("the tokenizer has no pad token, needed for prompts of different lengths; give one at a time")
    return BatchEncoding(
        {
            "input_ids": torch.tensor([[pad] * (longest - len(row)) + row for row in rows]),
            "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
        }
    )

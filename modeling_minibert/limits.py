"""Limits of a model: its longest input, and the size of its vocabulary."""


def position_limit(model) -> int | None:
    """The longest input of a model in tokens; None without a limit (T5)."""
    if not getattr(model.config, "has_position_limit", True):
        return None
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:  # XLNet says -1
        return None
    # RoBERTa's positions begin after its pad: of its 514 a text has 512.
    tables = (module for name, module in model.named_modules() if name.endswith("embeddings.position_embeddings"))
    pad = getattr(next(tables, None), "padding_idx", None)
    return positions if pad is None else positions - pad - 1


def check_vocabulary(tokenizer, known: int, name: str = "the tokenizer") -> None:
    """Raise a ValueError for a tokenizer with more than the `known` tokens of a model; `name` is for the message."""
    if len(tokenizer) > known:
        raise ValueError(
            f"{name} does not belong to this model: it has {len(tokenizer):,} tokens, the model knows {known:,}; take "
            f"the one that was saved with it"
        )

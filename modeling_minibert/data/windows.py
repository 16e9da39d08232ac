"""Windows: a text longer than the model, read piece by piece.

A classifier built for 200 tokens sees only a part of a long review. Cut into overlapping windows, every part is
seen, and the predictions of a text's windows are averaged (`evaluation.classification.average_by_text`,
`pipeline_windowed_classification.py`).
"""


def tokenize_windows(tokenizer, texts: list[str], max_length: int, stride: int | None = None) -> tuple[dict, list[int]]:
    """Encode texts as windows of at most `max_length` tokens, special tokens included.

    Args:
        tokenizer: a fast tokenizer; one with `truncation_side="left"` gives a text's last window first.
        texts: one or more texts.
        max_length: tokens in a window.
        stride: how many tokens two neighbouring windows share; half a window where not given, as the pipeline does.

    Returns:
        The encoding (lists, one entry per window), and for each window the index of its text. Every text has at
        least one window.

    Raises:
        ValueError: the stride leaves no room for new tokens in a window.
    """
    room = max_length - tokenizer.num_special_tokens_to_add()
    stride = room // 2 if stride is None else stride
    if not 0 <= stride < room:
        raise ValueError(f"stride ({stride}) must be at least 0 and below {room}, the text tokens of a window")
    encoding = tokenizer(texts, truncation=True, max_length=max_length, stride=stride, return_overflowing_tokens=True)
    return encoding, encoding.pop("overflow_to_sample_mapping")

"""Features for question answering: overlapping windows of tokens, with the start and end token of the answer.

    [CLS] question [SEP] the first part of the context [SEP]
    [CLS] question [SEP]       the next part, which shares doc_stride tokens with the first [SEP]

A context longer than the model is split into windows; the question is never truncated. The tokens of the answer are
found by their character offsets in the context, which is not stripped, as that would shift the offsets. Each feature
has one start and one end position. If the window lacks a part of the answer, or the question has none, both are the
[CLS] token, or token 0 if the tokenizer has no [CLS].

    features = rows.map(question_features, batched=True, remove_columns=rows.column_names,
                        fn_kwargs={"tokenizer": tokenizer, "max_length": 384, "doc_stride": 128})

Positions are counted from the left, so pad on the right: `tokenizer.padding_side = "right"` with
`DataCollatorWithPadding(tokenizer)`, or pack with `DataCollatorWithPacking()`.

Source: Devlin et al. 2019, sections 4.2 and 4.3.
"""

import numpy as np


def question_features(
    batch: dict[str, list], tokenizer, max_length: int = 384, doc_stride: int = 128, with_offsets: bool = False
) -> dict[str, list]:
    """Encode rows of `load_question_answering` as one or more features each.

    If a row has several answers, the first is used.

    Args:
        batch: columns `question`, `context`, `answers`, and with offsets `id`.
        tokenizer: a fast tokenizer of any kind.
        max_length: tokens in a window, special tokens included.
        doc_stride: number of context tokens that two neighbouring windows share.
        with_offsets: add the columns for `evaluation.find_answers`: `example_id`; `offset_mapping` (L, 2), the
            characters of the context that each token covers, −1 for other tokens; `no_answer_position`.

    Returns:
        The columns of the tokenizer, `start_positions` and `end_positions`.

    Raises:
        ValueError: a tokenizer that is not fast, or a question that leaves no room for new tokens in a window.
    """
    # Some questions of SQuAD begin with many spaces.
    questions = [question.lstrip() for question in batch["question"]]
    _check_room(questions, tokenizer, max_length, doc_stride)
    encoding = tokenizer(
        questions,
        batch["context"],
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = np.array(encoding.pop("overflow_to_sample_mapping"))
    offsets = [_context_offsets(window, encoding) for window in range(len(rows))]
    del encoding["offset_mapping"]
    no_answer = [_no_answer_position(ids, tokenizer) for ids in encoding["input_ids"]]
    spans = [(position, position) for position in no_answer]
    for row, (texts, starts) in enumerate((answers["text"], answers["answer_start"]) for answers in batch["answers"]):
        if texts:
            windows = np.flatnonzero(rows == row)
            found = locate(texts[0], starts[0], [offsets[window] for window in windows], doc_stride)
            for window, span in zip(windows, found, strict=True):
                spans[window] = span or spans[window]
    features = dict(encoding)
    features["start_positions"], features["end_positions"] = (list(ends) for ends in zip(*spans, strict=True))
    if with_offsets:
        features["example_id"] = [batch["id"][row] for row in rows]
        features["offset_mapping"] = [window.tolist() for window in offsets]
        features["no_answer_position"] = no_answer
    return features


def locate(text: str, start: int, windows: list[np.ndarray], doc_stride: int) -> list[tuple[int, int] | None]:
    """Find the first and last token of an answer in each window of its context.

    A token belongs to the answer if it covers any of its characters: the whole of "1920s" for the answer "1920", and
    all tokens of a character that has several (an emoji in byte-level BPE).

    Args:
        text: the answer; surrounding spaces are ignored, as many tokenizers have no tokens for them.
        start: index of its first character in the context.
        windows: for each window (L, 2), the characters of each token, −1 for tokens outside the context.
        doc_stride: number of context tokens that two neighbouring windows share.

    Returns:
        For each window (first, last), or None if it lacks a token of the answer.
    """
    end = start + len(text.rstrip())
    start += len(text) - len(text.lstrip())
    spans, parts = [], []  # parts: the answer's tokens in each window, as token numbers in the context
    for window, shift in zip(windows, _context_shifts(windows, doc_stride), strict=True):
        tokens = np.flatnonzero((window[:, 0] < end) & (window[:, 1] > start))
        spans.append((int(tokens[0]), int(tokens[-1])) if len(tokens) else None)
        parts.append(set((tokens + shift).tolist()))
    whole = set.union(*parts)
    return [span if part == whole else None for span, part in zip(spans, parts, strict=True)]


def _context_shifts(windows: list[np.ndarray], doc_stride: int) -> list[int]:
    """Return for each window the difference between a token's number in the context and in the window."""
    firsts = [int(np.argmax(window[:, 1] >= 0)) for window in windows]
    sizes = [int((window[:, 1] >= 0).sum()) for window in windows]
    steps = np.cumsum([0, *(size - doc_stride for size in sizes[:-1])]).tolist()
    if windows[-1][firsts[-1], 0] < windows[0][firsts[0], 0]:  # truncation_side="left" gives the last window first
        steps = [-step - size for step, size in zip(steps, sizes, strict=True)]
    return [step - first for step, first in zip(steps, firsts, strict=True)]


def _context_offsets(window: int, encoding) -> np.ndarray:
    """Return (L, 2), the characters that each token of the context covers, −1 for other tokens."""
    is_context = np.array([sequence == 1 for sequence in encoding.sequence_ids(window)])
    return np.where(is_context[:, None], np.array(encoding["offset_mapping"][window]), -1)


def _no_answer_position(ids: list[int], tokenizer) -> int:
    return ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in ids else 0


def _check_room(questions: list[str], tokenizer, max_length: int, doc_stride: int) -> None:
    """Raise if a question is too long; the tokenizer's own error does not name the question."""
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} is not a fast tokenizer; load one with AutoTokenizer")
    if doc_stride < 0:
        raise ValueError(f"doc_stride is {doc_stride}; it must be at least 0")
    lengths = [len(ids) for ids in tokenizer(questions, add_special_tokens=False)["input_ids"]]
    longest = int(np.argmax(lengths))
    special = tokenizer.num_special_tokens_to_add(pair=True)
    room = max_length - special - lengths[longest]
    if room <= doc_stride:
        raise ValueError(
            f"the question {questions[longest]!r:.60} has {lengths[longest]} tokens; with {special} special tokens it "
            f"leaves room for {room} tokens of the context, which must be more than doc_stride ({doc_stride}): raise "
            f"max_length ({max_length}), lower doc_stride, or shorten the question"
        )

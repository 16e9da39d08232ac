"""From question and context to features: overlapping windows of tokens, and the answer's first and last token in each.

    [CLS] question [SEP] the first part of the context [SEP]
    [CLS] question [SEP]       the next part, which shares doc_stride tokens with the first [SEP]

A context longer than the model is read in windows; the question is never cut. Which tokens are the answer is found by
the characters that they cover (offsets) in the context as it was given: nothing is stripped from it, as that would move
every answer. Each feature has exactly one start and one end. A window that does not hold the whole answer, and a
question without one, have both at the [CLS] token, and at token 0 where a tokenizer has no such token.

    features = rows.map(question_features, batched=True, remove_columns=rows.column_names,
                        fn_kwargs={"tokenizer": tokenizer, "max_length": 384, "doc_stride": 128})

Pads come later, per batch, and on the right, as answers are counted from the left: `tokenizer.padding_side = "right"`
and `DataCollatorWithPadding(tokenizer)`, or no pads at all with `DataCollatorWithPacking()`.

Source: Devlin et al. 2019, sections 4.2 and 4.3.
"""

import numpy as np


def question_features(
    batch: dict[str, list], tokenizer, max_length: int = 384, doc_stride: int = 128, with_offsets: bool = False
) -> dict[str, list]:
    """Features of a batch of rows as `load_question_answering` gives them; one row gives one or more.

    Of several answers the first one counts.

    Args:
        batch: columns `question`, `context`, `answers`, and `id` where offsets are asked for.
        tokenizer: a fast tokenizer of any kind.
        max_length: tokens of a window, special tokens included.
        doc_stride: tokens of the context that two neighbouring windows share.
        with_offsets: also what `evaluation.find_answers` needs: `example_id`; `offset_mapping` (L, 2), the characters
            of the context that each token covers, −1 for tokens of something else; `no_answer_position`.

    Returns:
        The columns of the tokenizer, `start_positions` and `end_positions`.

    Raises:
        ValueError: a tokenizer that is not fast, or a question that leaves no room for new tokens in a window.
    """
    # A leading space is nothing to answer from, and some questions of SQuAD have many of them.
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
    nowhere = [_no_answer_position(ids, tokenizer) for ids in encoding["input_ids"]]
    spans = [(position, position) for position in nowhere]
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
        features["no_answer_position"] = nowhere
    return features


def locate(text: str, start: int, windows: list[np.ndarray], doc_stride: int) -> list[tuple[int, int] | None]:
    """The first and the last token of an answer in each of the windows of one context.

    These are the first and the last token that cover any character of it: an answer that ends within a token
    ("1920" of "1920s") gets the whole token, and a character of several tokens (an emoji under byte-level BPE) all.

    Args:
        text: the answer; spaces around it do not count, as many tokenizers have no token for them.
        start: its first character in the context.
        windows: for each window (L, 2), the characters of each token, −1 where it is none of the context.
        doc_stride: tokens of the context that two neighbouring windows share.

    Returns:
        For each window (first, last), or None where it does not hold all of the answer's tokens.
    """
    end = start + len(text.rstrip())
    start += len(text) - len(text.lstrip())
    found, numbers = [], []
    for window, shift in zip(windows, _shifts(windows, doc_stride), strict=True):
        tokens = np.flatnonzero((window[:, 0] < end) & (window[:, 1] > start))
        found.append((int(tokens[0]), int(tokens[-1])) if len(tokens) else None)
        numbers.append(set((tokens + shift).tolist()))
    whole = set.union(*numbers)  # the answer's tokens, by their numbers in the context
    return [span if part == whole else None for span, part in zip(found, numbers, strict=True)]


def _shifts(windows: list[np.ndarray], doc_stride: int) -> list[int]:
    """What to add to the places of a window's tokens so that a token of the context has one number in all windows."""
    firsts = [int(np.argmax(window[:, 1] >= 0)) for window in windows]
    sizes = [int((window[:, 1] >= 0).sum()) for window in windows]
    steps = np.cumsum([0, *(size - doc_stride for size in sizes[:-1])]).tolist()
    if windows[-1][firsts[-1], 0] < windows[0][firsts[0], 0]:  # truncation_side="left" gives the last window first
        steps = [-step - size for step, size in zip(steps, sizes, strict=True)]
    return [step - first for step, first in zip(steps, firsts, strict=True)]


def _context_offsets(window: int, encoding) -> np.ndarray:
    """(L, 2): the characters that each token of the context covers, −1 for all other tokens."""
    is_context = np.array([sequence == 1 for sequence in encoding.sequence_ids(window)])
    return np.where(is_context[:, None], np.array(encoding["offset_mapping"][window]), -1)


def _no_answer_position(ids: list[int], tokenizer) -> int:
    return ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in ids else 0


def _check_room(questions: list[str], tokenizer, max_length: int, doc_stride: int) -> None:
    """Refuse questions that are too long before the tokenizer stops with an error that names none."""
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} is no fast tokenizer; load one with AutoTokenizer")
    if doc_stride < 0:
        raise ValueError(f"doc_stride is {doc_stride}, must be at least 0")
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

"""Examples for causal language modeling: windows of documents, in which each token is predicted once.

    document     <eos> a b c d e f g <eos>            an end token marks both ends of a text
    windows      <eos> a b c | c d e f | f g <eos>    max_length 4; neighbours share one token

By default no window crosses a document, as one text is no context for the next. Short windows waste no computation,
because batches are packed (see `packing.py`). Labels equal the input ids; `MiniGPTForCausalLM` shifts them.

Source: Radford et al. 2018, section 3.1; the lectures' windows (S5) cross documents and have no end tokens.
"""

from collections.abc import Iterator
from itertools import chain

from datasets import Dataset, Features, IterableDataset, List, Value

from ..losses import IGNORE_INDEX
from .flat_batches import FlatRows, single_rows

DOCUMENTS_AT_ONCE = 1000


def build_causal_examples(
    documents: Dataset | IterableDataset,
    tokenizer,
    max_length: int = 256,
    cross_documents: bool = False,
    num_proc: int | None = None,
) -> Dataset | IterableDataset:
    """Cut documents into windows of tokens, in a column `input_ids`. The result is cached by `datasets`.

    Args:
        documents: one split with a column `text`, from `load_documents`.
        tokenizer: with an end token; documents begin with its start token if it has one, otherwise with the end token.
        max_length: largest number of tokens in a window.
        cross_documents: let windows cross documents, so that all have `max_length` tokens.
        num_proc: number of processes; ignored for streamed documents.

    Raises:
        ValueError: several splits, a tokenizer without an end token, or a max_length below 2.
    """
    if isinstance(documents, dict):
        raise ValueError(f"got several splits {sorted(documents)}; give one, such as documents['train']")
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no eos_token; documents end with one, so that generation can end too")
    if max_length < 2:
        raise ValueError(f"max_length ({max_length}) must be at least 2: a token, and the one it predicts")
    options = {
        "function": _windows_of_documents,
        "batched": True,
        "batch_size": DOCUMENTS_AT_ONCE,
        "remove_columns": documents.column_names or ["text"],  # a stream may not know its columns
        "features": Features({"input_ids": List(Value("int32"))}),
        "fn_kwargs": {"tokenizer": tokenizer, "max_length": max_length, "cross_documents": cross_documents},
    }
    if isinstance(documents, IterableDataset):
        return documents.map(**options)
    num_proc = min(num_proc, len(documents)) if num_proc else None
    return documents.map(**options, num_proc=num_proc, desc="Cutting windows")


def _windows_of_documents(batch: dict[str, list], tokenizer, max_length: int, cross_documents: bool) -> dict:
    end = tokenizer.eos_token_id
    start = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    # verbose=False: no warning about documents longer than the model, as they are cut below.
    texts = tokenizer(batch["text"], add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    streams = [[start, *ids, end] for ids in texts]
    if cross_documents:
        streams = [list(chain.from_iterable(streams))]
    return {"input_ids": [window for stream in streams for window in cut(stream, max_length)]}


def cut(stream: list[int], max_length: int) -> Iterator[list[int]]:
    """Cut ids into windows that share one token with their neighbours: [a b c d e], 3 → [a b c], [c d e]."""
    for place in range(0, len(stream) - 1, max_length - 1):
        yield stream[place : place + max_length]


class DataCollatorForCausalLM:
    """Pack windows into one stream, with their tokens as labels.

    The first token of each window has the label -100: nothing precedes it, and `Trainer` must not count it.
    """

    def __call__(self, features: list) -> dict:
        """Collate rows with `input_ids`, or lists of rows: the columns of `FlatRows.flatten`, and `labels` (1, T)."""
        batch = FlatRows.of([{"input_ids": row["input_ids"]} for row in single_rows(features)]).flatten()
        batch["labels"] = batch["input_ids"].masked_fill(batch["position_ids"] == 0, IGNORE_INDEX)
        return batch

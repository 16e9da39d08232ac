"""The pipeline `question-answering`, which transformers 5 removed.

    answer = pipeline("question-answering", folder)
    answer(question="What is the capital of France?", context="Paris is the capital of France.")
        {"score": 0.98, "start": 0, "end": 5, "answer": "Paris"}
    answer([{"question": …, "context": …}, …], batch_size=32, top_k=3)

Arguments and outputs are those of version 4, for our models and the stock ones. The answer is the best span of context
tokens (`answer_spans.py`; Devlin et al. 2018, section 4.2). A long context is read in overlapping windows. With a
`batch_size`, windows of like lengths are computed together, whatever order the texts come in.
"""

import inspect
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForQuestionAnswering
from transformers.pipelines.base import ChunkPipeline

from .answer_spans import best_answer_spans
from .limits import position_limit
from .pipeline_common import SavedPipeline, given, is_several

# So many batches are put in the order of their lengths at once; the rest of a stream has not been read by then.
BATCHES_SORTED_TOGETHER = 32

DEFAULT_MAX_SEQ_LEN, DEFAULT_DOC_STRIDE = 384, 128


class QuestionAnsweringPipeline(SavedPipeline, ChunkPipeline):
    """Find the answer to a question in a context.

    Args of a call (all but the first two also of the pipeline, for all calls):
        question, context: strings; several questions to one context; or as many contexts as questions. Or instead, as
            the only argument: a dict with these two keys, a list of such dicts, or a generator or Dataset of them.
        top_k: how many answers to return; fewer where there are fewer.
        max_answer_len: tokens that an answer may have.
        max_seq_len: tokens of a window, question included; 384 where not given, or what the model reads.
        doc_stride: tokens of the context that two neighbouring windows share; 128 where not given, or half a window.
        max_question_len: a longer question is cut to its first so many tokens.
        handle_impossible_answer: "", from 0 to 0, may be an answer; its score is that of the CLS token, in the window
            where that is least.
        align_to_words: an answer that begins or ends within a word is widened to the whole word.
        batch_size: windows that are computed together; 1 where not given.
        padding, num_workers: version 4 had them; nothing depends on them.

    Returns:
        For one question, and for a list of one, a dict with `score` (the probability of the start token times that of
        the end token, among the context of its window and CLS), `start` and `end` (characters of the context) and
        `answer` (`context[start:end]`); a list of such dicts, best first and no two of one wording, where `top_k` is
        above 1 and there are several. For a list a list of these; for a generator or Dataset an iterator.

    Raises:
        ValueError: the model has no question-answering head, the tokenizer knows no offsets; a question or context is
            missing or empty; windows that the model cannot read, or that leave no room for the context.
    """

    _load_tokenizer = True
    _load_processor = _load_image_processor = _load_video_processor = _load_feature_extractor = False
    default_task = "question-answering"
    auto_model = AutoModelForQuestionAnswering

    def __init__(self, model, tokenizer=None, task: str = "", **kwargs):
        self.readable = inspect.signature(model.forward).parameters
        if "start_positions" not in self.readable:
            raise ValueError(
                f"question-answering needs a model with a head for answer spans (AutoModelForQuestionAnswering), got "
                f"{type(model).__name__}"
            )
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"question-answering needs a tokenizer with character offsets (is_fast), got {type(tokenizer).__name__}"
            )
        self.max_positions = position_limit(model)
        super().__init__(model=model, tokenizer=tokenizer, task=task or self.default_task, **kwargs)

    def __call__(self, *args, **kwargs):
        """Answer questions; see the class."""
        examples = _read_examples(args, kwargs)
        if isinstance(examples, list):
            for place, example in enumerate(examples):
                _check_example(example, f"example {place}")
            if not examples:
                return []
            if len(examples) == 1:
                examples = examples[0]
        return super().__call__(examples, **kwargs)

    def _sanitize_parameters(
        self,
        top_k: int | None = None,
        max_answer_len: int | None = None,
        max_seq_len: int | None = None,
        doc_stride: int | None = None,
        max_question_len: int | None = None,
        handle_impossible_answer: bool | None = None,
        align_to_words: bool | None = None,
        padding: bool | str | None = None,
    ) -> tuple[dict, dict, dict]:
        """Sort the arguments of a call: for `preprocess`, for the model (none), for `postprocess`."""
        preprocess = given(max_seq_len=max_seq_len, doc_stride=doc_stride, max_question_len=max_question_len)
        postprocess = given(top_k=top_k, max_answer_len=max_answer_len)
        for name, value in (preprocess | postprocess).items():
            lowest = 0 if name == "doc_stride" else 1
            if value < lowest:
                raise ValueError(f"{name} is {value}, must be at least {lowest}")
        if max_seq_len and self.max_positions and max_seq_len > self.max_positions:
            raise ValueError(
                f"max_seq_len is {max_seq_len}, but {type(self.model).__name__} has {self.max_positions} positions; "
                f"longer contexts are read in several windows"
            )
        if handle_impossible_answer and self.tokenizer.cls_token_id is None:
            raise ValueError(
                f"handle_impossible_answer=True needs a CLS token, and {type(self.tokenizer).__name__} has none"
            )
        answers = given(handle_impossible_answer=handle_impossible_answer, align_to_words=align_to_words)
        return preprocess, {}, postprocess | answers

    def get_iterator(self, inputs, num_workers, batch_size, preprocess_params, forward_params, postprocess_params):
        """Yield the answers in the order of the inputs, computed with the longest windows first."""
        inputs = iter(inputs)
        while examples := list(islice(inputs, batch_size * BATCHES_SORTED_TOGETHER)):
            windows_of = [self.preprocess(example, **preprocess_params) for example in examples]
            by_length = sorted((w for windows in windows_of for w in windows), key=lambda w: -len(w["allowed"]))
            for start in range(0, len(by_length), batch_size):
                self._score(by_length[start : start + batch_size], forward_params)
            for windows in windows_of:
                yield self.postprocess(windows, **postprocess_params)

    def preprocess(
        self,
        example: dict,
        max_seq_len: int | None = None,
        doc_stride: int | None = None,
        max_question_len: int = 64,
    ) -> list[dict]:
        """The windows of one context: the model's inputs, which tokens may be in an answer, and where they stand."""
        _check_example(example)
        question, context = example["question"], example["context"]
        asked = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(asked) > max_question_len:
            question = question[: asked[max_question_len - 1][1]]
            # Counted again: a character of several tokens is kept whole, and the end of a text may split differently.
            asked = self.tokenizer(question, add_special_tokens=False)["input_ids"]
        if max_seq_len is None:
            max_seq_len = min(
                DEFAULT_MAX_SEQ_LEN, self.tokenizer.model_max_length, self.max_positions or DEFAULT_MAX_SEQ_LEN
            )
        room = max_seq_len - len(asked) - self.tokenizer.num_special_tokens_to_add(pair=True)
        if doc_stride is None:
            doc_stride = min(DEFAULT_DOC_STRIDE, max(room, 0) // 2)
        if room <= doc_stride:
            raise ValueError(
                f"a window of {max_seq_len} tokens leaves {room} for the context beside a question of {len(asked)} "
                f"tokens, but neighbouring windows share {doc_stride}; raise max_seq_len, or lower doc_stride or "
                f"max_question_len"
            )
        # A model that is padded on the left (XLNet) has learned to read the context first.
        context_place = 1 if self.tokenizer.padding_side == "right" else 0
        encoding = self.tokenizer(
            *((question, context) if context_place else (context, question)),
            truncation="only_second" if context_place else "only_first",
            max_length=max_seq_len,
            stride=doc_stride,
            return_overflowing_tokens=True,
        )
        return [self._window(window, context, context_place) for window in encoding.encodings]

    def _window(self, encoding, context: str, context_place: int) -> dict:
        """The inputs and offsets of one window; `encoding` is an `Encoding` of the tokenizers library."""
        features = {
            "input_ids": encoding.ids,
            "token_type_ids": encoding.type_ids,
            "attention_mask": encoding.attention_mask,
        }
        wanted = [name for name in self.tokenizer.model_input_names if name in features and name in self.readable]
        ids = np.array(encoding.ids)
        candidates = np.array([place == context_place for place in encoding.sequence_ids])
        # An answer neither starts nor ends with a token of spaces (the bare word mark of SentencePiece).
        allowed = candidates & np.array([bool(context[start:end].strip()) for start, end in encoding.offsets])
        # Its score means that there is no answer; some tokenizers have no such token.
        cls = np.flatnonzero(ids == self.tokenizer.cls_token_id)[:1]
        candidates[cls] = True
        return {
            "features": {name: torch.tensor(features[name]) for name in wanted},
            "candidates": candidates,
            "allowed": allowed,
            "cls": cls,
            "encoding": encoding,
            "context": context,
            "context_place": context_place,
        }

    def _score(self, windows: list[dict], forward_params: dict) -> None:
        """Add the log-probabilities of start and end, (L,) each, to the windows of one batch."""
        if len(windows) > 1 and self.tokenizer.pad_token_id is None:
            raise ValueError(f"batch_size above 1 needs a pad token, and {type(self.tokenizer).__name__} has none")
        # On the right for every model: no token moves to another position.
        pads = {"input_ids": self.tokenizer.pad_token_id or 0}
        batch = {
            name: pad_sequence([window["features"][name] for window in windows], True, pads.get(name, 0))
            for name in windows[0]["features"]
        }
        output = self.forward(batch, **forward_params)
        for row, window in enumerate(windows):
            for name in ("start", "end"):
                scores = output[name][row, : len(window["candidates"])].double().numpy()
                window[name] = _log_softmax(np.where(window["candidates"], scores, -np.inf))

    def _forward(self, model_inputs):
        output = self.model(**model_inputs)
        return {"start": output["start_logits"], "end": output["end_logits"]}

    def postprocess(
        self,
        windows: list[dict],
        top_k: int = 1,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
    ) -> dict | list[dict]:
        """The best answers over all windows of one context."""
        answers = []
        # Several spans may be one answer, once they are widened to whole words.
        spans_per_window = 2 * top_k + 10 if align_to_words or top_k > 1 else 1
        for window in windows:
            spans = best_answer_spans(
                window["start"], window["end"], window["allowed"], spans_per_window, max_answer_len
            )
            answers += [_answer(window, span, align_to_words) for span in spans]
        if handle_impossible_answer:
            null = min(float(np.exp(window["start"] + window["end"])[window["cls"]][0]) for window in windows)
            answers.append({"score": null, "start": 0, "end": 0, "answer": ""})
        best = {}
        for answer in sorted(answers, key=lambda answer: -answer["score"]):
            best.setdefault(answer["answer"].lower(), answer)
        answers = list(best.values())[:top_k]
        return answers[0] if len(answers) == 1 else answers


def _read_examples(args: tuple, kwargs: dict):
    """Collect the examples from the arguments: a list; a generator or Dataset is returned unchanged."""
    named = {name: kwargs.pop(name) for name in ("question", "context", "data", "X") if name in kwargs}
    if len(args) == 2 and isinstance(args[0], str):
        named |= {"question": args[0], "context": args[1]}
    elif args:
        examples = args[0] if len(args) == 1 else list(args)
    elif "data" in named or "X" in named:
        examples = named.get("data", named.get("X"))
    if named.keys() & {"question", "context"}:
        return _pairs(named.get("question"), named.get("context"))
    if not args and not named:
        raise ValueError(
            "no question; call it with question=…, context=…, or with a dict that has these keys, or a list"
        )
    if isinstance(examples, dict):
        return [examples]
    if isinstance(examples, Iterator | torch.utils.data.IterableDataset):
        return (example for example in examples)  # of iterators transformers takes generators alone for streams
    if isinstance(examples, torch.utils.data.Dataset):
        return (examples[place] for place in range(len(examples)))  # iterated as it is, it need not end
    if isinstance(examples, str) or not isinstance(examples, Iterable):
        raise ValueError(
            f"expected question and context, or a dict with these keys, or a list of such, got {examples!r:.80}"
        )
    return list(examples)


def _pairs(questions, contexts) -> list[dict]:
    """Pair each question with its context, or with the only one."""
    questions = list(questions) if is_several(questions) else [questions]
    if is_several(contexts):
        if len(contexts) != len(questions):
            raise ValueError(f"{len(questions)} questions and {len(contexts)} contexts; give one context, or as many")
    else:
        contexts = [contexts] * len(questions)
    return [{"question": question, "context": context} for question, context in zip(questions, contexts, strict=True)]


def _check_example(example, name: str = "the example") -> None:
    """Raise a ValueError for an example without a question or without a context."""
    if not isinstance(example, dict):
        raise ValueError(f"{name} must be a dict with 'question' and 'context', got {example!r:.80}")
    for key in ("question", "context"):
        text = example.get(key)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name} has no {key} (it is {text!r:.80}); an answer needs a question and a context")


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    """Log-softmax of scores (L,); −inf stays −inf."""
    if not (scores > -np.inf).any():
        return scores
    shifted = scores - scores.max()
    return shifted - np.log(np.exp(shifted).sum())


def _answer(window: dict, span, align_to_words: bool) -> dict:
    """Convert a span of tokens to characters of the context."""
    encoding, place, context = window["encoding"], window["context_place"], window["context"]
    start, end = encoding.offsets[span.start][0], encoding.offsets[span.end][1]
    words = encoding.word_ids[span.start], encoding.word_ids[span.end]
    if align_to_words and None not in words:
        start, end = encoding.word_to_chars(words[0], place)[0], encoding.word_to_chars(words[1], place)[1]
    # Some tokenizers count the space before a word as part of it.
    start += len(context[start:end]) - len(context[start:end].lstrip())
    end -= len(context[start:end]) - len(context[start:end].rstrip())
    return {"score": float(np.exp(span.score)), "start": start, "end": end, "answer": context[start:end]}

"""Question answering: the pipeline against the same search done by hand with torch, window by window."""

import itertools

import datasets
import numpy as np
import pytest
import torch
from helpers.compare import assert_same_answers
from helpers.questions import CONTEXT, QUESTION, SIZES, SPECIAL, WORDS, random_pipeline, word_pieces
from tokenizers.processors import ByteLevel
from torch.utils.data import Dataset
from transformers import (
    pipeline,
)

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering, MiniBertForSequenceClassification


def answers_by_hand(pipe, question, context, max_answer_len=15, max_seq_len=96, stride=None, words=True):
    """Every answer with its score, best first, and the score of no answer: loops over all windows and all pairs."""
    tokenizer = pipe.tokenizer
    whole = tokenizer(question, context, return_offsets_mapping=True, verbose=False)
    of_context = [place for place, side in enumerate(whole.sequence_ids()) if side == 1]
    begin, total, word_ids = of_context[0], len(of_context), whole.word_ids()
    after = len(whole["input_ids"]) - begin - total
    room = max_seq_len - begin - after
    step = room - (room // 2 if stride is None else stride)
    found, nulls = {}, []
    cls = [] if tokenizer.cls_token is None else [0]
    for first in range(0, max(total - (room - step), 1), step):
        last = min(first + room, total)
        taken = [*range(begin), *of_context[first:last], *range(begin + total, begin + total + after)]
        inputs = {name: torch.tensor([[whole[name][place] for place in taken]]) for name in tokenizer.model_input_names}
        with torch.no_grad():
            output = pipe.model(**inputs)
        candidates = cls + list(range(begin, begin + last - first))
        p_start = output.start_logits[0, candidates].double().softmax(0)
        p_end = output.end_logits[0, candidates].double().softmax(0)
        if cls:
            nulls.append((p_start[0] * p_end[0]).item())
        for i, j in itertools.product(range(last - first), repeat=2):
            if i <= j < i + max_answer_len:
                begins, ends = begin + first + i, begin + first + j
                if "" in (context[slice(*whole["offset_mapping"][place])] for place in (begins, ends)):
                    continue  # a lone space of the byte-level tokenizer stands for no character
                if words:  # widened to the whole word, as far as the window has it
                    word_of = {place: word_ids[place] for place in of_context[first:last]}
                    begins = min(place for place in word_of if word_of[place] == word_of[begins])
                    ends = max(place for place in word_of if word_of[place] == word_of[ends])
                start, end = whole["offset_mapping"][begins][0], whole["offset_mapping"][ends][1]
                text = context[start:end]
                start, end = start + len(text) - len(text.lstrip()), end - (len(text) - len(text.rstrip()))
                score = (p_start[len(cls) + i] * p_end[len(cls) + j]).item()
                key = context[start:end].lower()
                if key not in found or score > found[key][0]:
                    found[key] = (score, start, end, context[start:end])
    ranked = sorted(found.values(), reverse=True)
    return [dict(zip(("score", "start", "end", "answer"), one, strict=True)) for one in ranked], min(
        nulls, default=None
    )


def assert_same(answers, expected):
    assert len(answers) == len(expected)
    for answer, right in zip(answers, expected, strict=True):
        # float32 logits, softmax in float64: the scores agree to about 1e-6 of themselves.
        assert answer == right | {"score": pytest.approx(right["score"], rel=1e-4)}


@pytest.mark.lecture("S2-08", "S2-32", "S3-25")
@pytest.mark.parametrize("kind", ["mini", "bert", "roberta", "gpt2"])
def test_equals_the_search_by_hand(kind):
    pipe = random_pipeline(kind)
    expected, null = answers_by_hand(pipe, QUESTION, CONTEXT)
    assert_same([pipe(question=QUESTION, context=CONTEXT)], expected[:1])
    assert_same(pipe(question=QUESTION, context=CONTEXT, top_k=4), expected[:4])
    short, _ = answers_by_hand(pipe, QUESTION, CONTEXT, max_answer_len=2)
    assert_same([pipe(question=QUESTION, context=CONTEXT, max_answer_len=2)], short[:1])
    for answer in pipe(question=QUESTION, context=CONTEXT, top_k=7):
        assert answer["answer"] == CONTEXT[answer["start"] : answer["end"]]
    if null is not None:
        with_null = pipe(question=QUESTION, context=CONTEXT, top_k=500, handle_impossible_answer=True)
        (empty,) = [answer for answer in with_null if answer["answer"] == ""]
        assert empty == {"score": pytest.approx(null, rel=1e-4), "start": 0, "end": 0, "answer": ""}


@pytest.mark.parametrize("kind", ["mini", "roberta"])
@pytest.mark.parametrize("stride", [None, 3])
def test_a_long_context_is_read_in_windows(kind, stride):
    pipe = random_pipeline(kind)
    context = " ".join([CONTEXT, "Where is the old city?", CONTEXT.upper(), "Paris is not a city in Lyon ."] * 2)
    size = len(pipe.tokenizer(QUESTION)["input_ids"]) + 17
    expected, null = answers_by_hand(pipe, QUESTION, context, max_seq_len=size, stride=stride)
    sizes = dict(max_seq_len=size, doc_stride=stride)
    assert_same([pipe(question=QUESTION, context=context, **sizes)], expected[:1])
    assert_same(pipe(question=QUESTION, context=context, top_k=3, batch_size=4, **sizes), expected[:3])
    impossible = pipe(question=QUESTION, context=context, top_k=500, handle_impossible_answer=True, **sizes)
    (empty,) = [answer for answer in impossible if answer["answer"] == ""]
    assert empty["score"] == pytest.approx(null, rel=1e-4)


def test_words_are_kept_whole_unless_asked_otherwise():
    pipe = random_pipeline("bert")
    expected, _ = answers_by_hand(pipe, QUESTION, CONTEXT, words=False)
    got = pipe(question=QUESTION, context=CONTEXT, top_k=20, align_to_words=False)
    assert_same(got, expected[:20])
    pieces = [answer["answer"] for answer in pipe(question=QUESTION, context=CONTEXT, top_k=500, align_to_words=False)]
    whole = [answer["answer"] for answer in pipe(question=QUESTION, context=CONTEXT, top_k=500)]
    assert any(answer.endswith(", the big") for answer in pieces)
    assert not any(answer.endswith(", the big") for answer in whole)


def random_examples(count):
    generator = np.random.default_rng(0)
    plain = [word for word in WORDS if not word.startswith("##")]
    lengths = generator.integers(1, 120, count)  # of which the long ones take two windows
    return [
        {"question": " ".join(generator.choice(plain, 5)), "context": " ".join(generator.choice(plain, length))}
        for length in lengths
    ]


@pytest.mark.parametrize("kind", ["mini", "gpt2"])
def test_batches_of_like_lengths_give_the_answers_of_single_questions_in_order(kind):
    class Examples(Dataset):
        def __len__(self):
            return len(examples)

        def __getitem__(self, place):
            return examples[place]

    pipe, examples = random_pipeline(kind), random_examples(11)
    expected = [pipe(example) for example in examples]
    for batch_size in (4, 64):
        for got, right in zip(pipe(examples, batch_size=batch_size), expected, strict=True):
            assert got == right | {"score": pytest.approx(right["score"], rel=1e-4)}
    for lazy in (Examples(), iter(examples)):
        got = [answer["answer"] for answer in pipe(lazy, batch_size=3)]
        assert got == [right["answer"] for right in expected]


def test_a_tokenizer_that_pads_on_the_left_puts_the_context_first():
    pipe = random_pipeline("bert")
    pipe.tokenizer.padding_side = "left"
    (window,) = pipe.preprocess({"question": QUESTION, "context": CONTEXT})
    ids = np.array(window["encoding"].ids)
    assert ids[window["allowed"]].tolist() == pipe.tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
    assert window["allowed"][1] and not window["allowed"][-2]
    answer = pipe(question=QUESTION, context=CONTEXT)
    assert answer["answer"] and answer["answer"] == CONTEXT[answer["start"] : answer["end"]]


def test_a_dataset_is_read_to_its_length():
    class Examples(Dataset):  # as in the documentation of transformers: no index is too large
        def __len__(self):
            return 3

        def __getitem__(self, place):
            return {"question": QUESTION, "context": CONTEXT}

    answers = random_pipeline()(Examples(), batch_size=2)
    assert len(list(itertools.islice(answers, 10))) == 3


def test_a_stream_is_read_as_it_is_needed():
    pipe = random_pipeline()
    taken = []
    endless = (
        {"question": QUESTION, "context": CONTEXT} for number in itertools.count() if taken.append(number) is None
    )
    answers = pipe(endless, batch_size=2)
    assert next(iter(answers))["answer"] == pipe(question=QUESTION, context=CONTEXT)["answer"]
    assert len(taken) <= 2 * 32 + 1


def test_all_ways_to_ask_of_version_4():
    pipe = random_pipeline()
    example = {"question": QUESTION, "context": CONTEXT}
    other = {"question": "Which city is old?", "context": "Lyon is old."}
    answer, second, crossed = pipe(example), pipe(other), pipe(question=other["question"], context=CONTEXT)
    assert answer.keys() == {"score", "start", "end", "answer"}
    asked = pipe(QUESTION, CONTEXT), pipe([example]), pipe(data=example), pipe(X=[example])
    assert_same_answers([*asked, pipe(question=[QUESTION], context=[CONTEXT])], [answer] * 5)
    both = [answer["answer"], second["answer"]]
    for asked in (pipe([example, other]), pipe(example, other), pipe(data=[example, other | {"id": 7}])):
        assert [one["answer"] for one in asked] == both
    questions = [QUESTION, other["question"]]
    asked = pipe(question=questions, context=[CONTEXT, other["context"]])
    assert [one["answer"] for one in asked] == both
    rows = datasets.Dataset.from_list([example, other])
    assert [one["answer"] for one in pipe(question=rows["question"], context=rows["context"])] == both
    assert [one["answer"] for one in pipe(question=questions, context=CONTEXT)] == [answer["answer"], crossed["answer"]]
    assert pipe([]) == []


def test_a_long_question_is_cut():
    pipe = random_pipeline()
    long = "What is the capital of France? " * 30
    cut = pipe(question=long, context=CONTEXT, max_question_len=7)
    assert_same_answers(cut, pipe(question=QUESTION, context=CONTEXT))
    assert pipe(question=long, context=CONTEXT)["answer"] in CONTEXT  # 64 of its 210 tokens, and 29 of the context


def test_a_question_cut_within_a_character_keeps_it_and_leaves_the_context_its_room():
    pipe = random_pipeline("roberta")
    emoji, special = "😀" * 9, pipe.tokenizer.num_special_tokens_to_add(pair=True)
    assert len(pipe.tokenizer("😀", add_special_tokens=False)["input_ids"]) == 4  # the premise: four bytes, four tokens
    sizes = dict(max_question_len=5, doc_stride=3, max_seq_len=8 + special + 4)
    cut = pipe(question=emoji, context=CONTEXT, **sizes)  # the fifth token is within the second emoji
    assert_same_answers(cut, pipe(question="😀😀", context=CONTEXT, **sizes | {"max_question_len": 8}))
    with pytest.raises(ValueError, match="leaves 3 for the context beside a question of 8 tokens"):
        pipe(question=emoji, context=CONTEXT, **sizes | {"max_seq_len": 8 + special + 3})


def test_a_token_of_spaces_alone_is_no_end_of_an_answer():
    pipe = random_pipeline("gpt2")
    pipe.tokenizer.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)  # as GPT-2's own
    context = "Paris is old. \n"
    (window,) = pipe.preprocess({"question": QUESTION, "context": context})
    tokens = [context[slice(*window["encoding"].offsets[place])] for place in np.flatnonzero(window["candidates"])]
    assert "" in [token.strip() for token in tokens]  # the premise
    for aligned in (True, False):
        answers = pipe(question=QUESTION, context=context, top_k=99, align_to_words=aligned)
        assert "" not in [answer["answer"] for answer in answers]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(question="", context=CONTEXT), r"example 0 has no question \(it is ''\)"),
        (dict(question=QUESTION), r"example 0 has no context \(it is None\)"),
        (dict(data=[dict(question="a", context="b"), dict(question="a", context=" ")]), "example 1 has no context"),
        (dict(data=["Paris"]), "example 0 must be a dict with 'question' and 'context', got 'Paris'"),
        (dict(data="Paris"), "expected question and context, or a dict with these keys.*got 'Paris'"),
        (dict(question=["a", "b"], context=["c"]), "2 questions and 1 contexts"),
        (dict(), "no question; call it with question=…, context=…"),
        (dict(question="a", context="b", top_k=0), "top_k is 0, must be at least 1"),
        (dict(question="a", context="b", max_answer_len=-1), "max_answer_len is -1"),
        (dict(question="a", context="b", doc_stride=-1), "doc_stride is -1, must be at least 0"),
        (dict(question="a", context="b", max_seq_len=101), "max_seq_len is 101, but MiniBert.* has 100 positions"),
        (dict(question="a b c", context="b", max_seq_len=7), "window of 7 tokens leaves 1 for.*question of 3"),
        (dict(question="a b", context="b", max_seq_len=9, doc_stride=5), "leaves 4 for.*share 5; raise max_seq_len"),
    ],
)
def test_what_cannot_be_answered_is_refused(arguments, message):
    pipe = random_pipeline()
    if "leaves 1" in message:
        arguments = arguments | {"doc_stride": 1}
    with pytest.raises(ValueError, match=message):
        pipe(**arguments)


def test_models_and_tokenizers_that_cannot_answer_are_refused():
    config = MiniBertConfig(vocab_size=len(SPECIAL + WORDS), **SIZES)
    with pytest.raises(
        ValueError, match="question-answering needs a model with a head.*MiniBertForSequenceClassification"
    ):
        pipeline("question-answering", model=MiniBertForSequenceClassification(config), tokenizer=word_pieces())
    with pytest.raises(ValueError, match="needs a tokenizer with character offsets.*NoneType"):
        modeling = MiniBertForQuestionAnswering(config)
        type(random_pipeline())(modeling)
    with pytest.raises(ValueError, match="handle_impossible_answer=True needs a CLS token"):
        random_pipeline("gpt2")(question="a", context="b", handle_impossible_answer=True)


def test_positions_that_begin_after_the_pad_are_not_counted():
    pipe = random_pipeline("roberta")  # 100 positions, of which its first token takes number 2
    long, pipe.tokenizer.model_max_length = CONTEXT * 9, int(1e30)
    answer = pipe(question=QUESTION, context=long)
    assert_same_answers(answer, pipe(question=QUESTION, context=long, max_seq_len=98))
    with pytest.raises(ValueError, match="max_seq_len is 99, but Roberta.* has 98 positions"):
        pipe(question=QUESTION, context=long, max_seq_len=99)

"""Features of questions: for any text, answer, tokenizer and stride the span is the answer, or [CLS]."""

import random
import unicodedata

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import ByteLevelBPETokenizer
from transformers import DataCollatorWithPadding, PreTrainedTokenizerFast, RobertaTokenizer

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering
from modeling_minibert.data import DataCollatorWithPacking, TokenBudgetBatches, question_features
from modeling_minibert.data.question_features import locate
from tokenization import train_tokenizer

WORDS = (
    "Ibu kota Prancis adalah Paris dan Jakarta ibukota Indonesia pada tahun 1945 berlari-lari menyebutkannya "
    "orang-orang The capital of France is in 1920s don't U.S. co-operate 3.14 $12 100% Ångström naïve São Zürich "
    "e\u0301t\u00e9 北京 東京都 한국어 مرحبا שלום हिन्दी 🙂 👩\u200d🚀 ﬁne ½ ² İstanbul ẞ — “quoted” (brackets) [CLS] "
    "x\u200by \u00adsoft"
).split()
SPACES = (" ", " ", " ", " ", "  ", "\n", "\t", "\u00a0", "")
KINDS = {
    "wordpiece": {"kind": "wordpiece"},
    "cased wordpiece, pads left": {"kind": "wordpiece", "lowercase": False, "padding_side": "left"},
    "bpe": {"kind": "bpe"},
    "bpe of bytes, cut left": {"kind": "bpe", "byte_fallback": True, "lowercase": False, "truncation_side": "left"},
    "unigram": {"kind": "unigram"},
    "characters": {"kind": "character", "lowercase": False},
}


def draw_context(draw, words):
    return "".join(draw.choice(SPACES) + draw.choice(WORDS) for _ in range(words)) + draw.choice(("", " ", ".\n"))


def draw_case(draw):
    """A question, a context of up to 30 words, and an answer: whole words, any characters of it, or none."""
    context = draw_context(draw, draw.randint(1, 30))
    question = draw.choice(("", " ", "   ")) + draw.choice(("apa?", "what is it", "di mana", "北京"))
    for _ in range(20):
        start, end = sorted(draw.sample(range(len(context) + 1), 2))
        end = min(end, start + 40)
        if draw.random() < 0.7:  # grow to whole words
            start = context.rfind(" ", 0, start + 1) + 1
            end = context.find(" ", end) if context.find(" ", end) > start else len(context)
        if context[start:end].strip() and draw.random() < 0.97:
            return question, context, context[start:end], start
    return question, context, None, None


def as_batch(cases):
    answers = [{"text": [], "answer_start": []} if text is None else {"text": [text], "answer_start": [start]}
               for *_, text, start in cases]  # fmt: skip
    questions, contexts = [case[0] for case in cases], [case[1] for case in cases]
    return {"id": list(range(len(cases))), "question": questions, "context": contexts, "answers": answers}


def byte_level(texts, folder, kind):
    """The tokenizers of RoBERTa and of GPT-2, whose tokens begin with the space before them."""
    trained = ByteLevelBPETokenizer(add_prefix_space=False)
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, vocab_size=600, special_tokens=specials, show_progress=False)
    if kind == "roberta":
        trained.save_model(str(folder))
        return RobertaTokenizer.from_pretrained(str(folder), add_prefix_space=True)
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, pad_token="<pad>")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    draw = random.Random(1)
    texts = [draw_context(draw, 40) for _ in range(200)]
    options = {"vocab_size": 700, "min_frequency": 1, "show_progress": False}
    found = {name: train_tokenizer(texts, **options, **kind) for name, kind in KINDS.items()}
    found["gpt2"] = byte_level(texts, None, "gpt2")
    found["roberta"] = byte_level(texts, tmp_path_factory.mktemp("roberta"), "roberta")
    return found


def squash(text):
    """What is left of a text when case, accents, variants of a letter and spaces are put aside."""
    text = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c)[0] not in "MZC")


def check_feature(feature, case, tokens, tokenizer):
    """Exactly one start and one end; where they are not [CLS], the characters and all the tokens are the answer's."""
    _, context, text, answer_start = case
    first, last = feature["start_positions"], feature["end_positions"]
    if (first, last) == (feature["no_answer_position"],) * 2:
        cls = tokenizer.cls_token_id
        assert first == 0 if cls is None else feature["input_ids"][first] == cls
        return False
    offsets = feature["offset_mapping"][first : last + 1]
    start, end = offsets[0][0], offsets[-1][1]
    wanted = text.strip()
    at = answer_start + text.index(wanted)
    # Every character of the answer for which there is a token, and no token that has none of them.
    assert offsets[0][1] > at and offsets[-1][0] < at + len(wanted) and last - first + 1 == tokens
    inside = squash(context[max(start, at) : min(end, at + len(wanted))])
    assert inside == squash(wanted)
    decoded = tokenizer.decode(feature["input_ids"][first : last + 1])
    if tokenizer.unk_token is None or tokenizer.unk_token not in decoded:
        assert squash(wanted) in squash(decoded) or "\ufffd" in decoded
    return True


def count_tokens(cases, tokenizer):
    """How many tokens of the uncut context touch the answer, for each case."""
    uncut = tokenizer([case[1] for case in cases], add_special_tokens=False, return_offsets_mapping=True)
    counts = []
    for (*_, text, start), offsets in zip(cases, uncut["offset_mapping"], strict=True):
        wanted = range(0) if text is None else range(start, start + len(text))
        wanted = [at for at in wanted if not text[: at - start + 1].isspace() and not text[at - start :].isspace()]
        counts.append(sum(bool(wanted) and left <= wanted[-1] and right > wanted[0] for left, right in offsets))
    return counts


@pytest.mark.slow
@pytest.mark.lecture("S2-05", "S2-30")
def test_every_span_of_ten_thousand_random_cases_is_the_answer_or_cls(tokenizers):
    draw = random.Random(0)
    cases_per_run, found, cases_seen, several = 250, 0, 0, 0  # few calls of the tokenizer
    for tokenizer in tokenizers.values():
        for _ in range(5):
            cases = [draw_case(draw) for _ in range(cases_per_run)]
            stride = draw.choice((0, 1, 9, 24))
            batch = as_batch(cases)
            longest = max(map(len, tokenizer(batch["question"], add_special_tokens=False)["input_ids"]))
            length = longest + tokenizer.num_special_tokens_to_add(True) + stride + draw.randint(1, 20)
            columns = question_features(batch, tokenizer, length, stride, with_offsets=True)
            assert len({len(column) for column in columns.values()}) == 1
            features = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            assert max(len(feature["input_ids"]) for feature in features) <= length
            holds, tokens = np.zeros(len(cases), int), count_tokens(cases, tokenizer)
            for feature in features:
                number = feature["example_id"]
                holds[number] += check_feature(feature, cases[number], tokens[number], tokenizer)
            for number, count in enumerate(tokens):
                # As many tokens as two windows share, and one more, stand together in some window.
                assert holds[number] > 0 if 0 < count <= stride + 1 else count or not holds[number]
            found, cases_seen, several = found + holds.sum(), cases_seen + len(cases), several + (holds > 1).sum()
    # The premise: most cases do have a span, and some have one in two windows.
    assert cases_seen == 10_000 and found > 7_000 and several > 300, (found, several)


def test_an_answer_gets_all_tokens_that_cover_any_of_its_characters():
    # Of "in 1920s 🙂!" under some tokenizer: in | 19 | 20s | four bytes of one emoji | !
    window = np.array([(-1, -1), (0, 2), (3, 5), (5, 8), (9, 10), (9, 10), (9, 10), (9, 10), (10, 11), (-1, -1)])
    assert locate("1920", 3, [window], 0) == [(2, 3)]
    assert locate("🙂", 9, [window], 0) == [(4, 7)]
    assert locate(" 🙂 ", 8, [window], 0) == [(4, 7)]
    assert locate("s 🙂!", 7, [window], 0) == [(3, 8)]
    # Cut within the emoji, neither window has all of it; one that shares enough with its neighbour has.
    assert locate("🙂", 9, [window[:6], window[6:]], 0) == [None, None]
    assert locate("🙂", 9, [window[:6], window[4:]], 2) == [None, (0, 3)]
    assert locate("🙂", 9, [window[4:], window[:6]], 2) == [(0, 3), None]  # truncation_side="left"
    assert locate("🙂", 9, [window[6:], window[:6]], 0) == [None, None]


def test_the_context_is_not_stripped_and_the_question_only_on_its_left(tokenizers):
    context = "  \n Paris is the capital of France. Paris is in France. "
    row = {"question": ["   What is the capital? "], "context": [context]}
    row["answers"] = [{"text": ["Paris"], "answer_start": [context.rindex("Paris")]}]
    tokenizer = tokenizers["wordpiece"]
    features = question_features(row, tokenizer)
    ids, span = features["input_ids"][0], slice(features["start_positions"][0], features["end_positions"][0] + 1)
    assert tokenizer.decode(ids[span]) == "paris" and "paris" in tokenizer.decode(ids[: span.start])
    byte_level = tokenizers["gpt2"]  # has tokens for spaces
    ids = question_features(row, byte_level)["input_ids"]
    row["question"] = ["What is the capital? "]
    assert question_features(row, byte_level)["input_ids"] == ids


@pytest.mark.lecture("S2-30")
def test_a_long_context_gives_windows_that_share_the_stride_and_padding_is_left_to_the_collator(tokenizers):
    words = [f"{number}" for number in range(200)]
    row = {"question": ["the capital?"], "context": [" ".join(words)], "id": ["x"]}
    row["answers"] = [{"text": ["150"], "answer_start": [" ".join(words).index("150")]}]
    tokenizer = tokenizers["wordpiece"]
    features = question_features(row, tokenizer, 60, 13, with_offsets=True)
    lengths = [len(ids) for ids in features["input_ids"]]
    assert len(lengths) > 3 and set(lengths[:-1]) == {60} and lengths[-1] <= 60
    places = [[tuple(pair) for pair in window if pair[0] >= 0] for window in features["offset_mapping"]]
    for left, right in zip(places, places[1:], strict=False):
        assert left[-13:] == right[:13] and left[-14] not in right
    uncut = tokenizer(row["context"][0], add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert {place for window in places for place in window} == set(uncut)
    spans = list(zip(features["start_positions"], features["end_positions"], strict=True))
    assert 0 < sum(span != (0, 0) for span in spans) < len(spans)


def test_a_packed_batch_has_the_loss_of_a_padded_one(tokenizers):
    draw, tokenizer = random.Random(3), tokenizers["wordpiece"]
    batch = as_batch([draw_case(draw) for _ in range(7)])
    features = Dataset.from_dict(question_features(batch, tokenizer, 96, 16))
    config = MiniBertConfig.from_preset("tiny", vocab_size=len(tokenizer), attn_implementation="packed")
    torch.manual_seed(0)
    model = MiniBertForQuestionAnswering(config).eval()
    budget = TokenBudgetBatches(features, max_tokens=10_000)
    packed = model(**DataCollatorWithPacking()([budget[0]]))
    padded = model(**DataCollatorWithPadding(tokenizer)(list(features)))
    torch.testing.assert_close(packed.loss, padded.loss, rtol=1e-5, atol=1e-6)  # float32 sums in another order
    assert packed.start_logits.shape[0] == len(features) > 6


def test_a_question_that_leaves_no_room_is_named(tokenizers):
    tokenizer = tokenizers["wordpiece"]
    row = {"question": ["in", "the capital of France is in"], "context": ["Paris", "Paris"]}
    row["answers"] = [{"text": [], "answer_start": []}] * 2
    with pytest.raises(ValueError, match="'the capital of France is in' has 6 tokens; with 3 special tokens it leaves "
                       r"room for 4 tokens of the context, which must be more than doc_stride \(4\)"):  # fmt: skip
        question_features(row, tokenizer, max_length=13, doc_stride=4)
    question_features(row, tokenizer, max_length=13, doc_stride=3)
    with pytest.raises(ValueError, match="doc_stride is -1"):
        question_features(row, tokenizer, doc_stride=-1)

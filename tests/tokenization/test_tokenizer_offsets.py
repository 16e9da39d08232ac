"""Offsets are the characters of the words, so that `pipeline("ner")` finds whole entities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers
from transformers import pipeline

from modeling_minibert import MiniBertConfig, MiniBertForTokenClassification

KINDS = ["wordpiece", "bpe", "unigram", "wordlevel", "bpe+bytes", "unigram+bytes"]
PARTS = [*"aeknsAEÉ é-.,!?'<>0▁\t\n", "  ", "\xa0", "\u3000", "film", "banget", "👍🏽", "की", "มี", "கா", "ꦥꦺ", "가"]


@pytest.fixture(scope="module")
def tokenizers(train, sentences):
    texts = [*sentences * 3, "की มี கா ꦥꦺ 가"]
    options = {kind: {"byte_fallback": kind.endswith("+bytes"), "min_frequency": 1} for kind in KINDS}
    return {kind: train(texts, kind.removesuffix("+bytes"), **options[kind]) for kind in KINDS}


def word_spans(tokenizer, text):
    encoding = tokenizer(text, add_special_tokens=False)
    spans = {}
    for place, word in enumerate(encoding.word_ids()):
        start, end = encoding.token_to_chars(place)
        first, last = spans.get(word, (start, end))
        spans[word] = min(first, start), max(last, end)
    return list(spans.values())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(text=st.lists(st.sampled_from(PARTS), max_size=15).map("".join))
def test_words_stand_where_berts_pre_tokenizer_finds_them(tokenizers, kind, text):
    expected = [span for _, span in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text.replace("▁", " "))]
    if kind in ("wordpiece", "wordlevel"):  # here "▁" is an ordinary character
        expected = [span for _, span in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)]
    assert word_spans(tokenizers[kind], text) == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(text=st.lists(st.sampled_from(PARTS), max_size=15).map("".join))
def test_no_piece_begins_or_ends_with_a_space(tokenizers, kind, text):
    for start, end in tokenizers[kind](text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]:
        assert start < end and text[start:end] == text[start:end].strip()


TEXT = "Kemarin  Budi Santoso, dan Siti (adik Budi), pulang ke Jakarta Selatan lewat Bogor."
ENTITIES = {"Budi Santoso": "PER", "Siti": "PER", "Jakarta Selatan": "LOC", "Bogor": "LOC"}


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("kind", KINDS[:4])
def test_the_pipeline_finds_whole_entities(tokenizers, kind, strategy, recwarn):
    # The pipeline of our models reads words and marks with one space between them, and the labels must meet its pieces.
    tokenizer, text = tokenizers[kind], TEXT.replace("  ", " ")
    if kind != "wordpiece":
        text = text.replace(",", " ,").replace(".", " .").replace("(", "( ").replace(")", " )")
    spans = {(text.index(name), text.index(name) + len(name)): label for name, label in ENTITIES.items()}
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    config = MiniBertConfig.from_preset("tiny", num_hidden_layers=1, vocab_size=len(tokenizer), pad_token_id=0)
    config.id2label, config.label2id = dict(enumerate(labels)), {label: n for n, label in enumerate(labels)}
    model = MiniBertForTokenClassification(config).eval()
    forward = model.forward

    def label_entities(*args, **kwargs):
        """Give each token the label of the entity that its characters lie in."""
        output = forward(*args, **kwargs)
        encoding, begun = tokenizer(text), set()
        for place, word in enumerate(encoding.word_ids()):
            (start, end) = (0, 0) if word is None else encoding.token_to_chars(place)
            inside = [span for span in spans if span[0] <= start < end <= span[1]]
            label = f"{'I' if inside[0] in begun else 'B'}-{spans[inside[0]]}" if inside else "O"
            begun.update(inside)
            output.logits[:, place] = torch.nn.functional.one_hot(torch.tensor(labels.index(label)), len(labels)) * 9.0
        return output

    model.forward = label_entities
    found = pipeline("ner", model=model, tokenizer=tokenizer, aggregation_strategy=strategy)(text)
    if strategy == "none":  # pieces: each lies in its entity, and the first begins where the entity does
        assert {piece["start"] for piece in found if piece["entity"][0] == "B"} == {start for start, _ in spans}
        assert all(any(a <= piece["start"] < piece["end"] <= b for a, b in spans) for piece in found)
        return
    found = [(entity["start"], entity["end"], entity["entity_group"]) for entity in found]
    assert found == [(start, end, label) for (start, end), label in spans.items()]

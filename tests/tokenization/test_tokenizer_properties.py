"""Round trips that must hold for any text, searched by hypothesis."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tokenization import BERT_SPECIAL_TOKENS

# Any character but lone surrogates, which utf-8 cannot hold; weighted towards the letters and marks of real text.
TEXT = st.text(
    st.one_of(st.sampled_from("aeknsAEÉ é-.,!?'<>0▁\t\n"), st.characters(exclude_categories=["Cs"])), max_size=40
)


def spells_a_special_token(text):
    """ "[PAD]" written out in a text is that token, in every stock tokenizer."""
    return any(token in text for token in BERT_SPECIAL_TOKENS.values())


def normalised(tokenizer, text):
    return tokenizer.backend_tokenizer.normalizer.normalize_str(text)


@pytest.mark.parametrize("kind", ["bpe+bytes", "unigram+bytes"])
@settings(max_examples=200)
@given(text=TEXT)
def test_with_bytes_decoding_gives_back_the_normalised_text(trained, kind, text):
    assume(not spells_a_special_token(text))
    tokenizer = trained[kind]
    ids = tokenizer(text).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == normalised(tokenizer, text)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@settings(max_examples=100)
@given(text=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789 ABC.,!?()-'<>"), max_size=40))
def test_ascii_survives_the_round_trip_without_bytes(trained, kind, text):
    tokenizer = trained[kind]
    ids = tokenizer(text).input_ids
    assert (
        tokenizer.decode(ids, skip_special_tokens=True) == normalised(tokenizer, text) == " ".join(text.lower().split())
    )


@pytest.mark.lecture("S1-04")
@settings(max_examples=100)
@given(data=st.data())
def test_any_sequence_of_known_words_survives_the_round_trip(trained, data):
    tokenizer = trained["wordlevel"]
    known = sorted(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens))
    words = data.draw(st.lists(st.sampled_from(known), max_size=20))
    assert tokenizer.decode(tokenizer(" ".join(words)).input_ids, skip_special_tokens=True) == " ".join(words)


@pytest.mark.lecture("S1-05", "S1-27")
@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "wordlevel"])
@settings(max_examples=100)
@given(text=TEXT, length=st.integers(3, 12))
def test_no_text_escapes_its_limits(trained, kind, text, length):
    tokenizer = trained[kind]
    assume(not spells_a_special_token(text))
    encoding = tokenizer(text, truncation=True, padding="max_length", max_length=length)
    ids = encoding.input_ids
    assert len(ids) == length and 0 <= min(ids) and max(ids) < len(tokenizer)
    real = [i for i, attended in zip(ids, encoding.attention_mask, strict=True) if attended]
    assert (real[0], real[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert tokenizer.pad_token_id not in real

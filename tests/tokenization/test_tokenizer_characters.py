"""Characters as tokens: every text comes back as it was, line ends and all, and nothing unseen takes others along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tokenization import save_tokenizer, train_tokenizer

ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[EOS]"}
TEXT = "pagi datang\nmembawa  secangkir kopi,\n\tAyo! Ayo!"
CHARACTERS = sorted(set(TEXT))


def train(texts=(TEXT, TEXT), **options):
    options = {"lowercase": False, "strip_accents": False, "wrap": False, "special_tokens": ROLES, **options}
    return train_tokenizer(list(texts), kind="character", show_progress=False, **options)


TOKENIZER = train()


@given(st.text(alphabet=CHARACTERS, max_size=40))
def test_any_text_of_known_characters_comes_back(text):
    ids = TOKENIZER(text)["input_ids"]
    assert len(ids) == len(text)
    assert TOKENIZER.decode(ids) == text


def test_the_vocabulary_is_the_characters_most_frequent_first(recwarn):
    tokenizer = train()
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert pieces[:3] == list(ROLES.values())
    assert sorted(pieces[3:]) == CHARACTERS
    counts = [TEXT.count(piece) for piece in pieces[3:]]
    assert counts == sorted(counts, reverse=True)
    assert not recwarn.list  # 8,000 were asked for, and no text has so many


def test_an_unseen_character_is_one_unknown_token():
    ids = TOKENIZER("pagi€datang")["input_ids"]
    assert [place for place, token in enumerate(ids) if token == TOKENIZER.unk_token_id] == [4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"lowercase": True, "strip_accents": None}, "ayo, cafe\n"),
        ({"lowercase": True}, "ayo, café\n"),
        ({"punctuation": "remove"}, "Ayo  Café\n"),
    ],
)
def test_text_rules_apply_and_line_ends_stay(options, expected):
    tokenizer = train(["Ayo, Cafe Café ayo, cafe café\n"] * 2, **options)
    assert tokenizer.decode(tokenizer("Ayo, Café\n")["input_ids"]) == expected


def test_it_opens_with_auto_tokenizer_and_gives_the_same(tmp_path):
    save_tokenizer(TOKENIZER, tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXT)["input_ids"] == TOKENIZER(TEXT)["input_ids"]
    assert again.decode(again(TEXT)["input_ids"]) == TEXT


def test_prompts_get_a_start_and_no_end():
    roles = {**ROLES, "bos_token": "[END]", "eos_token": "[END]"}
    tokenizer = train(special_tokens=roles, wrap="start")
    assert tokenizer("kopi")["input_ids"] == [tokenizer.bos_token_id, *TOKENIZER("kopi")["input_ids"]]
    assert tokenizer("")["input_ids"] == [tokenizer.bos_token_id]
    with pytest.raises(ValueError, match="unknown wrap 'end'; choose one of"):
        train(wrap="end")

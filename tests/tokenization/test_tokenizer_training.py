"""What every trained tokenizer promises: dense ids, special tokens in place, nothing mistaken for padding."""

import re
import subprocess
import sys

import pytest

from tokenization import KINDS, train_tokenizer

SUBWORD_KINDS = ("wordpiece", "bpe", "unigram")
WORD_KINDS = (*SUBWORD_KINDS, "wordlevel")
ALL = (*KINDS, "bpe+bytes", "unigram+bytes")


@pytest.mark.lecture("S1-25", "S1-26", "S1-28")
@pytest.mark.parametrize("kind", ALL)
def test_ids_are_dense_and_pieces_and_ids_are_a_bijection(trained, kind):
    tokenizer = trained[kind]
    vocab = tokenizer.get_vocab()
    assert sorted(vocab.values()) == list(range(len(tokenizer)))
    assert len(tokenizer) == tokenizer.vocab_size
    assert all(tokenizer.convert_ids_to_tokens(i) == piece for piece, i in vocab.items())


@pytest.mark.parametrize("kind", ALL)
def test_special_tokens_have_the_ids_0_to_4(trained, kind):
    tokenizer = trained[kind]
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 1, 2, 3, 4]
    ids = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert (*ids, tokenizer.mask_token_id) == (0, 1, 2, 3, 4)


@pytest.mark.lecture("S1-06", "S1-27", "S4-17")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unseen_becomes_unknown_and_never_padding(trained, kind):
    tokenizer = trained[kind]
    ids = tokenizer("漢", add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id in ids
    assert tokenizer.pad_token_id not in ids


@pytest.mark.lecture("S3-26", "S4-17")
@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_subword_kinds_spell_a_word_that_no_text_had(trained, kind):
    tokenizer = trained[kind]
    word = "Supercalifragilisticexpialidocious"
    ids = tokenizer(word, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == word.lower()
    whole = trained["wordlevel"]
    assert whole(word, add_special_tokens=False).input_ids == [whole.unk_token_id], "whole words lose it"


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_ascii_never_becomes_unknown_however_small_the_corpus(train, kind):
    tokenizer = train(["satu dua tiga"] * 3, kind)
    ids = tokenizer("".join(map(chr, range(32, 127))) + " xX0").input_ids
    assert tokenizer.unk_token_id not in ids


@pytest.mark.lecture("S4-21")
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_with_byte_fallback_an_unseen_character_becomes_its_utf8_bytes(trained, kind):
    tokenizer = trained[f"{kind}+bytes"]
    ids = tokenizer("漢", add_special_tokens=False).input_ids
    pieces = tokenizer.convert_ids_to_tokens(ids)
    assert pieces == ["▁", *(f"<0x{byte:02X}>" for byte in "漢".encode())]
    assert tokenizer.decode(ids) == "漢"
    assert trained[kind].unk_token_id in trained[kind]("漢").input_ids, "without it the character is lost"


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_text_that_spells_a_byte_piece_stays_text(trained, kind):
    tokenizer = trained[f"{kind}+bytes"]
    ids = tokenizer("<0x41>", add_special_tokens=False).input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<0x41>"


@pytest.mark.lecture("S4-18")
def test_unseen_words_are_built_from_the_pieces_of_seen_ones(train):
    texts = ["low " * 12, "newer harder thicker " * 2, "newest hardest thickest " * 2]
    tokenizer = train(texts, "bpe", vocab_size=80)
    assert tokenizer.tokenize("low") == ["▁low"]
    assert tokenizer.tokenize("lower") == ["▁low", "er"] and tokenizer.tokenize("lowest") == ["▁low", "est"]


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_a_frequent_word_becomes_one_piece_even_if_no_other_word_contains_it(train, kind):
    tokenizer = train(["xylofon merdu", "zebra kuning", "xylofon zebra", "harimau"] * 20, kind, vocab_size=150)
    assert len(tokenizer.tokenize("xylofon")) == 1


@pytest.mark.parametrize("kind", WORD_KINDS)
def test_word_ids_group_the_pieces_of_each_word(trained, kind):
    encoding = trained[kind]("aku membosankan, aku")
    words = encoding.word_ids()
    assert words[0] is None and words[-1] is None
    inner = words[1:-1]
    assert inner == sorted(inner) and set(inner) == {0, 1, 2, 3}, "aku | membosankan | , | aku"


def test_pairs_get_token_types_0_and_1(trained):
    for tokenizer in trained.values():
        encoding = tokenizer("aku suka", "film ini")
        ids = encoding.input_ids
        assert ids.count(tokenizer.cls_token_id) == 1 and ids.count(tokenizer.sep_token_id) == 2
        first_end = ids.index(tokenizer.sep_token_id)
        assert encoding.token_type_ids == [0] * (first_end + 1) + [1] * (len(ids) - first_end - 1)


@pytest.mark.lecture("S3-27", "S1-05")
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_truncation_keep_length_and_end_tokens(trained, kind):
    tokenizer = trained[kind]
    short = tokenizer("aku suka", padding="max_length", truncation=True, max_length=10)
    assert len(short.input_ids) == 10
    assert short.attention_mask == [int(i != tokenizer.pad_token_id) for i in short.input_ids]
    long = tokenizer("aku suka film ini " * 9, padding="max_length", truncation=True, max_length=10)
    assert len(long.input_ids) == 10 and long.attention_mask == [1] * 10
    assert (long.input_ids[0], long.input_ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert len(tokenizer("aku " * 999, truncation=True).input_ids) == tokenizer.model_max_length == 512


@pytest.mark.lecture("S4-25")
def test_sides_are_explicit_and_both_can_be_turned(train, trained, sentences):
    assert all((t.padding_side, t.truncation_side) == ("right", "right") for t in trained.values())
    tokenizer = train(sentences, "wordlevel", padding_side="left", truncation_side="left", min_frequency=1)
    ids = tokenizer("aku suka film", padding="max_length", max_length=7).input_ids
    assert ids[:2] == [tokenizer.pad_token_id] * 2 and ids[-1] == tokenizer.sep_token_id
    cut = tokenizer("aku suka film", truncation=True, max_length=4).input_ids
    assert tokenizer.convert_ids_to_tokens(cut) == ["[CLS]", "suka", "film", "[SEP]"], "the start is cut, not the end"


def test_accents_and_capitals_follow_the_arguments(train, sentences):
    for kind in KINDS:
        folded = train(sentences * 3, kind)
        assert folded("KAFÉ").input_ids == folded("kafe").input_ids
        kept = train(sentences * 3, kind, lowercase=False)
        assert kept("Kafé").input_ids not in (kept("kafé").input_ids, kept("Kafe").input_ids)
        only_capitals = train(sentences * 3, kind, strip_accents=False)
        assert only_capitals("KAFÉ").input_ids == only_capitals("kafé").input_ids != only_capitals("kafe").input_ids


def test_html_tags_become_spaces_only_on_request(train, sentences):
    for kind in KINDS:
        stripped = train(sentences * 3, kind, strip_html=True)
        spaces = "  " if kind == "character" else " "  # one for each tag, and characters keep both
        assert stripped("aku<br /><br />suka").input_ids == stripped(f"aku{spaces}suka").input_ids
        assert stripped("3 < 4 > 2").input_ids != stripped("3 2").input_ids, "a comparison is no tag"
    plain = train(sentences * 3)
    assert plain("aku<br />suka").input_ids != plain("aku suka").input_ids


def test_start_and_end_tokens_can_be_left_out_for_prompts(train, sentences):
    roles = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<end>", "eos_token": "<end>"}
    bare = train(sentences * 3, "bpe", special_tokens=roles, wrap=False)
    assert bare.convert_ids_to_tokens(bare("aku").input_ids) == bare.tokenize("aku")
    assert bare.bos_token_id == bare.eos_token_id == 2, "one token with two roles takes one id"
    wrapped = train(sentences * 3, "bpe", special_tokens=roles)
    assert wrapped("aku").input_ids == [2, *bare("aku").input_ids, 2]


_TRAIN_TWICE = """
import sys, hashlib, warnings
warnings.simplefilter("ignore")
from tokenization import KINDS, train_tokenizer
texts = open(sys.argv[1], encoding="utf-8").read().splitlines()
for kind in KINDS:
    print(kind, hashlib.sha256(repr(sorted(
        train_tokenizer(texts, kind, vocab_size=300, show_progress=False).get_vocab().items())).encode()).hexdigest())
"""


def test_the_same_text_gives_the_same_vocabulary_in_every_process(tmp_path, sentences):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(sentences * 2), encoding="utf-8")
    command = [sys.executable, "-c", _TRAIN_TWICE, str(path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and runs[0].count("\n") == len(KINDS)


# ---- errors and warnings: each names what was given and what is allowed ----


def test_a_vocabulary_that_cannot_hold_the_alphabet_is_refused_with_the_size_that_could(train):
    with pytest.raises(ValueError, match=r"vocab_size \(20\) is too small.*5 special.*7 characters.*need 12|need \d+"):
        train(["satu dua"] * 3, "bpe", vocab_size=20)
    with pytest.raises(ValueError, match=r"vocab_size \(9\).*5 special tokens.*need") as error:
        train(["satu dua"] * 3, "unigram", vocab_size=9, initial_alphabet="")
    needed = int(re.search(r"need (\d+)", str(error.value)).group(1))
    assert needed == 5 + len(set("satudua▁"))
    assert len(train(["satu dua"] * 3, "bpe", vocab_size=needed, initial_alphabet="")) == needed


def test_unknown_choices_list_the_known_ones(train):
    with pytest.raises(ValueError, match=r"unknown kind 'wordpeice'.*wordpiece.*bpe.*unigram.*wordlevel"):
        train(["a"], "wordpeice")
    with pytest.raises(ValueError, match=r"unknown punctuation 'keep'.*isolate.*remove.*attached"):
        train(["a"], punctuation="keep")
    with pytest.raises(ValueError, match=r"unknown truncation_side 'top'.*right.*left"):
        train(["aku aku"], truncation_side="top")
    with pytest.raises(ValueError, match=r"model_max_length \(2\).*2 special"):
        train(["aku aku"], model_max_length=2)
    with pytest.raises(ValueError, match=r"unknown special token role 'padding'.*pad_token"):
        train(["a"], special_tokens={"padding": "[PAD]"})
    with pytest.raises(ValueError, match=r"both '\[PAD\]'.*unseen word"):
        train(["a"], special_tokens={"pad_token": "[PAD]", "unk_token": "[PAD]"})
    with pytest.raises(ValueError, match=r"lacks \['unk_token'\]"):
        train(["a"], special_tokens={"pad_token": "[PAD]"})


@pytest.mark.lecture("S4-21")
@pytest.mark.parametrize("kind", ["wordpiece", "wordlevel"])
def test_byte_fallback_is_refused_by_name_where_there_is_none(train, kind):
    with pytest.raises(ValueError, match=rf"byte_fallback.*bpe.*unigram.*'{kind}'"):
        train(["a"], kind, byte_fallback=True)


def test_a_vocabulary_smaller_than_asked_is_announced(sentences):
    with pytest.warns(UserWarning, match=r"has \d+ entries, not the 9000 asked for"):
        tokenizer = train_tokenizer(sentences, vocab_size=9000, show_progress=False)
    assert len(tokenizer) < 9000


def test_rare_characters_do_not_fill_the_vocabulary(train, sentences):
    rare = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    for kind in SUBWORD_KINDS:
        tokenizer = train([*sentences * 3, rare], kind, limit_alphabet=30)
        assert not set(rare) & set(tokenizer.get_vocab())

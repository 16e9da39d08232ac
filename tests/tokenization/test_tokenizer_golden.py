"""Published vocabularies give the published ids."""

import pytest
from transformers import AutoTokenizer, GPT2Tokenizer, LlamaConfig, T5Config

from tokenization import wordpiece_from_vocab


@pytest.fixture(scope="module")
def bert(data_dir):
    return wordpiece_from_vocab(data_dir / "tokenizers/bert-base-uncased/vocab.txt")


@pytest.mark.data
def test_all_10570_questions_get_the_reference_ids(bert, data_dir):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = data_dir / "tokenizers/bert-base-uncased"
    golden = parquet.read_table(folder / "golden_squad_dev_questions.parquet").to_pydict()
    ids = bert(golden["text"], add_special_tokens=False).input_ids
    assert len(ids) == 10_570
    different = [q for q, a, b in zip(golden["text"], ids, golden["input_ids"], strict=True) if a != list(b)]
    assert not different, f"{len(different)} of {len(ids)}, first {different[:3]}"


@pytest.mark.data
@pytest.mark.lecture("S4-19", "S4-18")
def test_the_lectures_sentence_gives_the_lectures_ids(bert, tmp_path):
    assert bert.tokenize("I love TensorFlow programming") == ["i", "love", "tensor", "##flow", "programming"]
    assert bert("I love TensorFlow").input_ids == [101, 1045, 2293, 23435, 12314, 102]
    assert bert.tokenize("unbelievable") == ["unbelievable"], "whole, not the lecture's un ##believ ##able"
    bert.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("I love TensorFlow").input_ids[3:5] == [23435, 12314]


@pytest.mark.data
@pytest.mark.lecture("S4-20")
def test_vocabulary_sizes_are_the_published_ones(bert, data_dir):
    gpt2 = GPT2Tokenizer(
        vocab=str(data_dir / "tokenizers/gpt2/vocab.json"), merges=str(data_dir / "tokenizers/gpt2/merges.txt")
    )
    assert (len(bert), len(gpt2)) == (30_522, 50_257)
    # T5's table has 32,000 pieces, 100 sentinels and 28 rows of padding to a multiple of 128.
    assert (LlamaConfig().vocab_size, T5Config().vocab_size - 100 - 28) == (32_000, 32_000)


def test_a_vocabulary_may_be_a_file_a_list_or_a_mapping(tmp_path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##believ", "##able"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    for vocab in (tmp_path / "vocab.txt", str(tmp_path / "vocab.txt"), pieces, {p: i for i, p in enumerate(pieces)}):
        tokenizer = wordpiece_from_vocab(vocab)
        assert tokenizer("Unbelievable").input_ids == [2, 5, 6, 7, 3]


def test_vocabularies_with_holes_doubles_or_missing_special_tokens_are_refused():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    with pytest.raises(ValueError, match=r"'banget' at 5 and again at 7"):
        wordpiece_from_vocab([*special, "banget", "film", "banget"])
    with pytest.raises(ValueError, match=r"without holes; 'film' has 7, not 6"):
        wordpiece_from_vocab({**{t: i for i, t in enumerate(special)}, "banget": 5, "film": 7})
    with pytest.raises(ValueError, match=r"6 pieces but lacks.*\[MASK\]"):
        wordpiece_from_vocab([*special[:4], "a", "b"])

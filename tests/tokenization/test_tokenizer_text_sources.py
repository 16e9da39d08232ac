"""Files, iterators and data sets give the same vocabulary; what cannot be read is named."""

from pathlib import Path

import datasets
import pytest

from tokenization import open_texts


@pytest.fixture
def corpus(tmp_path, sentences):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(sentences * 2) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "wordlevel"])
def test_every_source_of_the_same_text_gives_the_same_vocabulary(train, kind, corpus, tmp_path, sentences):
    texts = sentences * 2
    expected = train(texts, kind).get_vocab()
    half = len(texts) // 2
    for name, part in (("one.txt", texts[:half]), ("two.txt", texts[half:])):
        (tmp_path / name).write_text("\r\n".join(part), encoding="utf-8-sig")
    table = datasets.Dataset.from_dict({"kalimat": [*texts, None]})
    table.to_parquet(str(tmp_path / "table.parquet"))
    sources = [corpus, [tmp_path / "one.txt", tmp_path / "two.txt"], iter(texts), (t for t in texts)]
    for source in (*sources, table, table.to_iterable_dataset(), tmp_path / "table.parquet"):
        assert train(source, kind, text_column="kalimat").get_vocab() == expected, source


def test_a_wrong_encoding_names_the_file_and_the_byte(tmp_path, train):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"satu\nkaf" + "é".encode("latin-1") + b" dua\n")
    with pytest.raises(ValueError, match=r"latin\.txt: byte 8 \(0xe9\) is not UTF-8"):
        train(path)


def test_empty_files_and_corpora_are_named(tmp_path, train):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text("  \n\n")
    with pytest.raises(ValueError, match=r"empty\.txt holds no text: 0 bytes"):
        train(tmp_path / "empty.txt")
    with pytest.raises(ValueError, match=r"blank\.txt holds no text: 4 bytes"):
        train([tmp_path / "blank.txt"], "wordlevel")
    for nothing in ([], [" "], iter(())):
        for kind in ("wordpiece", "unigram", "wordlevel"):
            with pytest.raises(ValueError, match="texts holds no text"):
                train(nothing, kind)
    with pytest.raises(FileNotFoundError, match=r"nothere\.txt"):
        train(tmp_path / "nothere.txt")


def test_a_missing_column_names_those_there_are(train):
    table = datasets.Dataset.from_dict({"judul": ["a"], "isi": ["b"]})
    for source in (table, table.to_iterable_dataset()):
        with pytest.raises(ValueError, match=r"no column 'text'.*'isi', 'judul'"):
            train(source)
    with pytest.raises(ValueError, match=r"several splits \['test', 'train'\]"):
        train(datasets.DatasetDict({"train": table, "test": table}))


def test_common_mistakes_are_named():
    with pytest.raises(ValueError, match=r"one string of 10 characters.*Path"):
        open_texts("corpus.txt")
    with pytest.raises(TypeError, match=r"item 1 is a int"):
        list(open_texts(["satu", 2]))
    assert list(open_texts(["satu", None, "dua"])) == ["satu", "dua"]
    assert open_texts(Path(__file__)).name.endswith(Path(__file__).name)


def test_a_tsv_is_a_table_too_and_the_word_none_is_a_word(tmp_path):
    path = tmp_path / "reviews.TSV"
    path.write_text("text\tlabel\nkopi enak\t1\nNone\t0\n", encoding="utf-8")
    assert list(open_texts(path)) == ["kopi enak", "None"]

"""Documents come in whole, from every kind of file, and sentences lose no character."""

import json
import re

import pandas
import pytest
from datasets import Dataset, IterableDataset, load_dataset
from datasets.distributed import split_dataset_by_node
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling_minibert.data import load_documents, split_sentences

DOCUMENTS = ["Aku suka film ini.\nCeritanya lucu!", "Kopi pahit.", "Kereta terlambat.\nKami menunggu.\nLalu pulang."]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def texts(documents):
    return [row["text"] for row in documents["train"]]


def load(path, **options):
    return load_documents(data_files={"train": str(path)}, **options)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("gap", ["\n\n", "\n\n\n", "\n \t\n"])
def test_blank_lines_separate_documents(tmp_path, gap, streaming):
    path = tmp_path / "corpus.txt"
    path.write_text("\n" + gap.join(DOCUMENTS) + "\n\n", encoding="utf-8")
    documents = load(path, streaming=streaming)
    assert texts(documents) == DOCUMENTS
    assert isinstance(documents["train"], IterableDataset if streaming else Dataset)


@pytest.mark.parametrize("streaming", [False, True])
def test_without_blank_lines_every_line_is_a_document(tmp_path, streaming):
    path = tmp_path / "corpus.txt"
    # A byte-order mark, blank lines at the ends only, and line ends of Windows.
    path.write_bytes(b"\xef\xbb\xbf\r\n" + "\r\n".join(["satu é", "dua", "tiga"]).encode() + b"\r\n\r\n")
    assert texts(load(path, streaming=streaming)) == ["satu é", "dua", "tiga"]


def test_several_files_and_a_validation_split(tmp_path, capsys):
    for name, text in (("a", "satu\n\n\n"), ("b", "dua\ntiga\n\nempat"), ("c", "lima\nenam\n   \n")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    files = {"train": [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], "validation": str(tmp_path / "c.txt")}
    documents = load_documents(data_files=files)
    assert texts(documents) == ["satu", "dua\ntiga", "empat"]
    assert documents["validation"]["text"] == ["lima", "enam"]
    assert "train: left out 2 empty documents of 5" in capsys.readouterr().out


def test_a_text_file_that_has_changed_is_read_anew(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("lama\n", encoding="utf-8")
    assert texts(load(path)) == ["lama"]
    path.write_text("baru sekali\n", encoding="utf-8")
    assert texts(load(path)) == ["baru sekali"]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl", "parquet"])
def test_tables_give_their_text_column_alone(tmp_path, extension, streaming, capsys):
    rows = [*DOCUMENTS, "None", "  ", 'kata, "kutip" é']
    frame = pandas.DataFrame({"isi": rows, "nomor": range(len(rows))})
    path = tmp_path / f"corpus.{extension}"
    if extension == "parquet":
        frame.to_parquet(path)
    elif extension == "jsonl":
        path.write_text("\n".join(json.dumps({"isi": text, "nomor": 1}) for text in rows), encoding="utf-8")
    else:
        frame.to_csv(path, sep="\t" if extension == "tsv" else ",", index=False)
    documents = load(path, text_column="isi", streaming=streaming)
    assert texts(documents) == [row for row in rows if row.strip()]
    assert set(next(iter(documents["train"]))) == {"text"}
    assert streaming or "left out 1 empty documents of 6" in capsys.readouterr().out


def test_a_local_folder_keeps_all_its_splits(tmp_path):
    for split in ("train", "test"):
        Dataset.from_dict({"text": [f"{split} satu", f"{split} dua"]}).to_parquet(tmp_path / f"set/{split}.parquet")
    documents = load_documents(str(tmp_path / "set"))
    assert {split: documents[split]["text"][:] for split in documents} == {
        split: load_dataset(str(tmp_path / "set"), split=split)["text"][:] for split in ("train", "test")
    }


@pytest.mark.parametrize("streaming", [False, True])
def test_ranks_share_the_documents_without_overlap(tmp_path, streaming):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(f"dokumen {i}" for i in range(11)), encoding="utf-8")
    documents = load(path, streaming=streaming)["train"]
    shares = [[row["text"] for row in split_dataset_by_node(documents, rank, 2)] for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(f"dokumen {i}" for i in range(11)) and all(shares)


def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path):
    good, bad, empty = tmp_path / "good.txt", tmp_path / "bad.txt", tmp_path / "blank.txt"
    good.write_text("satu\n", encoding="utf-8")
    bad.write_bytes(b"satu\ndua \xe9\n")
    empty.write_text(" \n\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad.txt: byte 9 \(0xe9\) is not UTF-8"):
        load(bad)
    with pytest.raises(ValueError, match=r"train split has 3 rows, and no text in any"):
        load(empty)
    with pytest.raises(ValueError, match=r"unknown extension '.doc'.*'.csv'.*'.txt'"):
        load(tmp_path / "corpus.doc")
    with pytest.raises(FileNotFoundError, match="none.txt: no such file"):
        load(tmp_path / "none.txt")
    with pytest.raises(ValueError, match=r"no train split; the splits are \['test'\]"):
        load_documents(data_files={"test": str(good)})
    with pytest.raises(ValueError, match="either dataset_name or data_files"):
        load_documents()
    table = tmp_path / "table.csv"
    table.write_text("isi,nomor\na,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no column 'text'; its columns are \['isi', 'nomor'\]"):
        load(table)
    with pytest.warns(UserWarning, match=r"every text in the column 'nomor' of the train split is a number \(1\)"):
        assert texts(load(table, text_column="nomor")) == ["1"]  # a csv has no numbers
    typed = tmp_path / "table.jsonl"
    typed.write_text('{"isi": "a", "nomor": 1}\n', encoding="utf-8")
    for streaming in (False, True):
        with pytest.raises(ValueError, match=r"column 'nomor' of the train split holds .*int64.*, not text"):
            load(typed, text_column="nomor", streaming=streaming)
    with pytest.raises(ValueError, match=r"files of the kinds \['.csv', '.txt'\]"):
        load_documents(data_files={"train": [str(good), str(table)]})


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Sari datang. Kami senang!", ["Dr. Sari datang.", "Kami senang!"]),
        ("Harganya 3.5 juta. Mahal?", ["Harganya 3.5 juta.", "Mahal?"]),
        ("Kopi, teh, dll. ada di Jl. Melati No. 5. Enak!", ["Kopi, teh, dll. ada di Jl. Melati No. 5.", "Enak!"]),
        ("Mr. J. K. Brown, e.g. here, i.e. now. He left.", ["Mr. J. K. Brown, e.g. here, i.e. now.", "He left."]),
        ('He said "Stop!" Then (quietly.) he left...', ['He said "Stop!"', "Then (quietly.)", "he left..."]),
        ("well... maybe. Well... Maybe", ["well... maybe.", "Well...", "Maybe"]),
        ("one<br /><br />two\nthree <BR>four", ["one", "two", "three", "four"]),
        ("1. Satu hal. 2. Dua hal.", ["1. Satu hal.", "2. Dua hal."]),
        ("It was in 1999. It rained?! Yes", ["It was in 1999.", "It rained?!", "Yes"]),
        ("東京です。雨です！", ["東京です。", "雨です！"]),
        ("i liked it. it was fun", ["i liked it.", "it was fun"]),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_says(text, sentences):
    assert split_sentences(text) == sentences


@settings(max_examples=200)
@given(st.text(st.one_of(st.sampled_from("aB1 .!?…\n\"')("), st.characters(exclude_categories=["Cs"])), max_size=60))
def test_no_character_is_lost_but_spaces_and_line_breaks(text):
    sentences = split_sentences(text)
    kept = re.sub(r"<br\s*/?>", "", text, flags=re.IGNORECASE)
    assert "".join("".join(sentences).split()) == "".join(kept.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)

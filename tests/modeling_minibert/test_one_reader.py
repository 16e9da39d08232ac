"""Every loading function reads tables alike: the cells of the file as text, or a refusal with file, row and advice."""

import json
from functools import partial
from pathlib import Path

import pandas
import pytest
from datasets import Dataset

from modeling_minibert.data import (
    load_documents,
    load_pretraining_text,
    load_question_answering,
    load_text_classification,
    load_text_pairs,
)
from modeling_minibert.data.files import read_table
from tokenization import open_texts


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def classify(path, **options):
    """The texts, in the order of the file: with a validation split, train keeps its order."""
    splits, _ = load_text_classification(data_files={"train": str(path), "validation": str(path)}, **options)
    return list(splits["train"]["text"])


def classify_folder(path, **options):
    folder = path.parent / f"folder of {path.name}"
    folder.mkdir(exist_ok=True)
    for split in ("train", "validation"):
        (folder / f"{split}{path.suffix}").write_bytes(path.read_bytes())
    splits, _ = load_text_classification(str(folder), **options)
    return list(splits["train"]["text"])


def pair(path, **options):
    files = {"train": str(path), "validation": str(path)}
    return list(load_text_pairs(None, files, "text", "label", **options)["train"]["source"])


def documents(path, streaming=False, **options):
    return [
        row["text"] for row in load_documents(data_files={"train": str(path)}, streaming=streaming, **options)["train"]
    ]


def question(path, **options):
    return load_question_answering(data_files={"train": str(path)}, **options)


def tokenize(path, **options):
    return list(open_texts(Path(path), **options))


READERS = {
    "classification": classify,
    "a local folder": classify_folder,
    "pairs": pair,
    "documents": documents,
    "a stream": partial(documents, streaming=True),
    "tokenization": tokenize,
}
every_reader = pytest.mark.parametrize("load", READERS.values(), ids=list(READERS))
STRUCTURE = READERS | {"questions": question}

TEXTS = [
    "007",
    "1.50",
    "NA",
    "None",
    "nan",
    "true",
    "-",
    "1e5",
    "dia: \"ya\", lalu 'tidak'",
    "satu\ndua, tiga",
    " é 好 ",
]


def write(path, rows, columns=("text", "label"), delimiter=",", encoding="utf-8"):
    frame = pandas.DataFrame(rows, columns=list(columns), dtype=object)
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")), encoding=encoding)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else delimiter, index=False, encoding=encoding)
    return path


@every_reader
@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl"])
def test_every_text_comes_as_it_was_written(load, extension, tmp_path):
    rows = [(text, f"k{number % 2}") for number, text in enumerate(TEXTS)]
    assert load(write(tmp_path / f"a.{extension}", rows)) == TEXTS


@every_reader
def test_columns_of_numbers_are_text_and_the_first_rows_decide_nothing(load, tmp_path):
    """Types were guessed from the first 10,000 rows: names of classes, or texts, behind them could not be read."""
    rows = [(str(number), str(number % 2)) for number in range(10_010)]
    rows += [(f"teks {number}", "lain") for number in range(5)]
    assert load(write(tmp_path / "a.csv", rows)) == [text for text, _ in rows]


@pytest.mark.parametrize("load", STRUCTURE.values(), ids=list(STRUCTURE))
@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("a.csv", ["text,label", "a,0", "saya suka, sekali,1"], r"line 3 \(row 1\) has 3 cells, the header has 2"),
        ("a.tsv", ["text\tlabel", "a\t0", "saya\tsuka\t1"], r"line 3 \(row 1\) has 3 cells"),
        ("a.csv", ["text,label", "a,0,", "b,1,"], r"line 2 \(row 0\) has 3 cells"),
        ("a.csv", ["text,label", '"dia: \\"ya\\", lalu",1'], r"line 2 \(row 0\).*double a quotation mark"),
        ("a.csv", ["text,label", "a,0", '"Kata,1', "b,0", '"Kata,1'], r"line 3 \(row 1\).*that line 5 closes"),
        ("a.tsv", ["text\tlabel", "a\t0", '"Kata\t1', "b\t0"], r"line 3 \(row 1\).*not closed.*--quotes false"),
        ("a.csv", ["text,label", *["a,0", "b,1"] * 4, '"c,1', 'd",0'], r"line 10 \(row 8\) goes on to line 11"),
        ("a.csv", ["text;label", "a;0"], "--delimiter ';'"),
        ("a.csv", ["text\tlabel", "a\t0"], "--delimiter tab"),
        ("a.csv", ["text,label,text", "a,0,b"], "names the column 'text' twice"),
        ("a.jsonl", ['{"text": "a", "label": "0"}', '{"text": "b", "text": "c"}'], r"\(row 1\).*key 'text' twice"),
        ("a.jsonl", ['{"text": "a", "label": "0"}', '{"text": "b"'], r"line 2 \(row 1\) is not json"),
        ("a.json", ['[{"text": "a", "label": "0"},', "{]"], "cannot be read: .*line 2"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_is_refused_by_every_reader(load, name, lines, message, tmp_path):
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)


@pytest.mark.parametrize("load", STRUCTURE.values(), ids=list(STRUCTURE))
def test_utf_16_is_read_by_its_mark_and_named_without_one(load, tmp_path):
    rows = [("kopi é", "a"), ("teh", "b")]
    if load is not question:
        assert load(write(tmp_path / "a.csv", rows, encoding="utf-16")) == ["kopi é", "teh"]
        write(tmp_path / "b.csv", rows, encoding="utf-16-be")
        assert load(tmp_path / "b.csv", encoding="utf-16-be") == ["kopi é", "teh"]
    with pytest.raises(ValueError, match="UTF-16 without a byte-order mark.*--encoding utf-16-be"):
        load(write(tmp_path / "c.csv", rows, encoding="utf-16-be"))
    with pytest.raises(ValueError, match=r"byte \d+ \(0xe9\) is not UTF-8.*--encoding cp1252"):
        load(write(tmp_path / "d.csv", rows, encoding="cp1252"))


@every_reader
def test_delimiter_encoding_and_quotes_can_be_said(load, tmp_path):
    rows = [("kopi, é", "a"), ("teh", "b")]
    path = write(tmp_path / "a.csv", rows, delimiter=";", encoding="cp1252")
    assert load(path, delimiter=";", encoding="cp1252") == ["kopi, é", "teh"]
    (tmp_path / "b.tsv").write_text('text\tlabel\n"Kata\ta\n5" pipa\tb\n', encoding="utf-8")
    assert load(tmp_path / "b.tsv", quotes=False) == ['"Kata', '5" pipa']


@pytest.mark.parametrize("load", [documents, partial(documents, streaming=True), tokenize])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_plain_text_has_encodings_too(load, encoding, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("kopi é\nteh\n", encoding=encoding)
    assert load(path, encoding=encoding) == ["kopi é", "teh"]
    if encoding == "utf-16":
        assert load(path) == ["kopi é", "teh"]
    else:
        with pytest.raises(ValueError, match="--encoding"):
            load(path)


def test_a_layout_for_data_that_has_no_text_files_is_refused(tmp_path):
    Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]}).to_parquet(tmp_path / "set" / "train.parquet")
    for load in (load_documents, load_text_classification, load_question_answering):
        with pytest.raises(ValueError, match="delimiter, encoding and quotes are for csv"):
            load(str(tmp_path / "set"), delimiter=";")
    with pytest.raises(ValueError, match="delimiter, encoding and quotes are for files"):
        open_texts(["a"], encoding="cp1252")


# json: a column has one type in all rows

MIXED = {
    "a number and text": (
        [{"text": "a"}, {"text": 5}],
        r"line 2 \(row 1\): the column 'text' holds a number \(5\), but text in",
    ),
    "text and a list": ([{"text": ["a"]}, {"text": "a"}], "holds text .*, but a list in"),
    "true and 1": ([{"label": True}, {"label": 1}], r"holds a number \(1\), but a truth value"),
    "inside a list": ([{"label": ["a"]}, {"label": ["b", 2]}], r"'label' holds a number \(2\), but text"),
    "inside an object": ([{"a": {"b": "c"}}, {"a": {"b": 1}}], "the column 'a.b' holds a number"),
    "too large": ([{"id": 1}, {"id": 2**63}], r"line 2 \(row 1\): the column 'id' holds a whole number beyond"),
    "not exact": ([{"id": 2**53 + 1}, {"id": 0.5}], r"line 1 \(row 0\): the column 'id' .*not exact in float64"),
    "half a character": ([{"text": "a"}, {"text": "b \ud800"}], r"line 2 \(row 1\): the column 'text' has '\\ud800'"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("rows", "message"), MIXED.values(), ids=list(MIXED))
def test_a_column_of_two_types_is_refused_with_the_row_also_behind_ten_thousand(rows, message, streaming, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_table(str(path), "train", streaming)
    path.write_text("\n".join(map(json.dumps, [rows[0]] * 10_010 + rows[1:])), encoding="utf-8")
    late = message.replace(r"line 2 \(row 1\)", r"line 10011 \(row 10010\)")
    with pytest.raises(ValueError, match=late):
        read_table(str(path), "train", streaming)


@pytest.mark.parametrize("streaming", [False, True])
def test_json_keeps_its_types_and_a_missing_key_is_null(streaming, tmp_path):
    rows = [{"a": None}, {"a": 1, "b": "x"}, {"a": 2.5, "c": [1, None], "d": {"e": True}}, {"c": [], "d": {"f": "y"}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    read = list(read_table(str(tmp_path / "a.jsonl"), "train", streaming))
    assert read == [
        {"a": None, "b": None, "c": None, "d": None},
        {"a": 1.0, "b": "x", "c": None, "d": None},
        {"a": 2.5, "b": None, "c": [1, None], "d": {"e": True, "f": None}},
        {"a": None, "b": None, "c": [], "d": {"e": None, "f": "y"}},
    ]


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.csv"
    write(path, [("satu", "1"), ("dua", "2")])
    assert read_table(str(path), "train")["text"][:] == ["satu", "dua"]
    write(path, [("tiga", "1"), ("empat", "2")])
    assert read_table(str(path), "train")["text"][:] == ["tiga", "empat"]
    before = sorted((tmp_path / "cache" / "tables").iterdir())
    path.write_text("text,label\na,1\nb,c,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 3 \(row 1\)"):
        read_table(str(path), "train")
    assert sorted((tmp_path / "cache" / "tables").iterdir()) == before


def test_files_of_a_split_have_the_same_columns_and_kind(tmp_path):
    one, two = write(tmp_path / "a.csv", [("a", "1")]), write(tmp_path / "b.csv", [("b", "1")], ("label", "text"))
    with pytest.raises(ValueError, match=r"b.csv has the columns \['label', 'text'\].*a.csv has \['text', 'label'\]"):
        read_table([str(one), str(two)], "train")
    with pytest.raises(ValueError, match="kinds"):
        read_table([str(one), str(write(tmp_path / "a.tsv", [("a", "1")]))], "train")
    three = write(tmp_path / "c.csv", [("c", "2")])
    for streaming in (False, True):
        assert [row["text"] for row in read_table([str(one), str(three)], "train", streaming)] == ["a", "c"]


# Files of one line, and one row


def test_files_of_one_line_say_what_is_missing(tmp_path):
    (tmp_path / "a.csv").write_text("kopi ini enak\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no rows: .*its header, kopi ini enak; the first line names the columns"):
        classify(tmp_path / "a.csv")
    (tmp_path / "one.txt").write_text("sebuah buku yang panjang\n", encoding="utf-8")
    with pytest.raises(ValueError, match="there is one document, and none left over for validation"):
        load_pretraining_text(files={"train": str(tmp_path / "one.txt")})
    path = write(tmp_path / "one.csv", [("satu", "one")])
    with pytest.raises(ValueError, match="there is one train pair, and none left over for validation"):
        load_text_pairs(None, {"train": str(path)}, "text", "label")
    with pytest.raises(ValueError, match="there is one train row; give a validation split"):
        load_text_classification(
            data_files={"train": str(write(tmp_path / "r.csv", [("a", "1.5")]))}, task="regression"
        )
    (tmp_path / "list.json").write_text('[{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]', encoding="utf-8")
    assert [row["text"] for row in read_table(str(tmp_path / "list.json"), "train")] == ["a", "c"]
    for empty in ("[]", "{}"):
        (tmp_path / "list.json").write_text(empty, encoding="utf-8")
        with pytest.raises(ValueError, match="the train split has no rows"):
            read_table(str(tmp_path / "list.json"), "train")
    (tmp_path / "not.parquet").write_bytes(b"text,label")
    for load in (classify, tokenize):
        with pytest.raises(ValueError, match="not.parquet cannot be read: it does not begin as a parquet file"):
            load(tmp_path / "not.parquet")


def test_a_column_name_that_differs_in_spaces_or_case_is_suggested(tmp_path):
    path = write(tmp_path / "a.csv", [("a", "1"), ("b", "2")], ("Text", " label"))
    with pytest.raises(ValueError, match="no column 'text'.*do you mean 'Text'"):
        classify(path)
    with pytest.raises(ValueError, match="no column 'label'.*do you mean ' label'"):
        classify(path, text_column="Text")


def test_a_local_folder_names_its_separator_and_its_files_are_read_strictly(tmp_path, capsys):
    from tokenization.__main__ import main

    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: a.csv\n"
        "  - split: validation\n    path: a.csv\n  sep: ';'\n---\n"
    )
    (folder / "a.csv").write_text("text;label\n007;x\nkata, kata;y\n", encoding="utf-8")
    assert load_text_classification(str(folder))[0]["train"]["text"][:] == ["007", "kata, kata"]
    assert [row["text"] for row in load_documents(str(folder))["train"]] == ["007", "kata, kata"]
    flags = ["train", "--dataset_name", str(folder), "--output_dir", str(tmp_path / "t"), "--kind", "wordlevel"]
    flags += ["--min_frequency", "1", "--vocab_size", "9"]
    with pytest.warns(UserWarning, match="the vocabulary has"):
        assert main(flags) == 0
    assert "007" in capsys.readouterr().out
    assert main([*flags, "--dataset_split", "test"]) == 2
    assert "there is no split 'test'; the splits are ['train', 'validation']" in capsys.readouterr().err
    (folder / "a.csv").write_text("text;label\na;x\nb;c;y\n", encoding="utf-8")
    for load in (load_text_classification, load_documents, load_question_answering):
        with pytest.raises(ValueError, match=r"line 3 \(row 1\) has 3 cells"):
            load(str(folder))
    assert main(flags) == 2 and "line 3 (row 1) has 3 cells" in capsys.readouterr().err

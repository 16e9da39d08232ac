"""Collections: every layout gives the same documents, questions and judgements; what is wrong in a file is named."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modeling_minibert.retrieval.collections import Collection, bundled_collection, load_collection

DOCUMENTS = [("d1", "Ular", "Ular piton tidak berbisa."), ("d2", "", "Python untuk menulis program."), ("d3", "", "")]
QUERIES = {"q1": "Apakah piton berbisa?", "q2": "bahasa program"}
QRELS = {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 1}}
ROWS = [(query, document, grade) for query, grades in QRELS.items() for document, grade in grades.items()]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def table(path, rows, names, separator=","):
    cells = [names, *rows]
    path.write_text("\n".join(separator.join(map(str, row)) for row in cells) + "\n", encoding="utf-8")


def write_tables(folder, write_qrels):
    lines(folder / "corpus.jsonl", [{"_id": i, "title": t, "text": x, "metadata": {}} for i, t, x in DOCUMENTS])
    lines(folder / "queries.jsonl", [{"_id": i, "text": t} for i, t in QUERIES.items()])
    write_qrels(folder)
    return folder


def beir(folder):
    (folder / "qrels").mkdir()
    table(folder / "qrels" / "test.tsv", ROWS, ("query-id", "corpus-id", "score"), "\t")


def trec(folder):
    rows = [f"{query} 0 {document}\t{grade}\n" for query, document, grade in ROWS]
    (folder / "qrels_test.txt").write_text("".join(rows))


def csv(folder):
    table(folder / "qrels_test.csv", ROWS, ("qid", "docid", "relevance"))


@pytest.mark.parametrize("write_qrels", [beir, trec, csv])
def test_text_layouts_give_the_same_collection(tmp_path, write_qrels):
    collection = load_collection(write_tables(tmp_path, write_qrels))
    assert collection.ids == ["d1", "d2", "d3"] and collection.queries == QUERIES
    assert collection.qrels == {"test": QRELS} and collection.empty == ["d3"]
    # The title is put before the text, unless the text begins with it.
    assert collection.documents() == ["Ular piton tidak berbisa.", "Python untuk menulis program.", ""]
    assert "3 documents (1 of them empty), 2 questions (2 test)" in collection.describe()


def test_parquet_with_one_file_of_judgements(tmp_path):
    columns = dict(zip(("_id", "title", "text"), zip(*DOCUMENTS, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "corpus.parquet")
    pq.write_table(pa.table({"_id": list(QUERIES), "text": list(QUERIES.values())}), tmp_path / "queries.parquet")
    names = ("query-id", "corpus-id", "score")
    pq.write_table(pa.table(dict(zip(names, zip(*ROWS, strict=True), strict=True))), tmp_path / "qrels.parquet")
    collection = load_collection(tmp_path)
    assert collection.qrels == {"all": QRELS}
    assert collection.split() == (QUERIES, QRELS)
    with pytest.raises(ValueError, match=r"no judgements of the split 'dev'; it has \['all'\]"):
        collection.split("dev")


def test_text_files_and_tables_of_documents_alone(tmp_path):
    (tmp_path / "texts" / "b").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("satu\n")
    (tmp_path / "texts" / "b" / "c.txt").write_text("dua")
    found = load_collection(tmp_path / "texts")
    assert (found.ids, found.texts, found.queries) == (["a.txt", "b/c.txt"], ["satu", "dua"], {})
    table(tmp_path / "notes.csv", [("7", "satu"), ("07", "dua")], ("id", "body"))
    assert load_collection(tmp_path / "notes.csv").ids == ["7", "07"]
    table(tmp_path / "plain.tsv", [("x", "satu"), ("y", "dua")], ("topic", "words"), "\t")
    plain = load_collection(tmp_path / "plain.tsv", text_column="words", title_column="topic")
    assert (plain.ids, plain.titles, plain.documents()) == (["0", "1"], ["x", "y"], ["x. satu", "y. dua"])
    with pytest.raises(
        ValueError, match=r"row 0\): there is no column 'text' or .*the columns are \['topic', 'words'\]"
    ):
        load_collection(tmp_path / "plain.tsv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "a"}\n{"_id": "d1", "text": "b"}\n',
         r"line 2 \(row 1\): the id 'd1' is also that of .*line 1 \(row 0\)"),
        ("corpus.jsonl", '{"_id": "", "text": "a"}\n', r"row 0\): the id is empty"),
        ("queries.jsonl", '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n', "row 1.*'q1' is also that of"),
        ("queries.jsonl", '{"_id": "q1", "text": " "}\n', r"row 0\): the question 'q1' is empty"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td9\t1\n",
         r"row 1\): the document 'd9' of the judgement 'q1' → 'd9' is not among the 3 documents"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq8\td1\t1\n",
         r"row 0\): the question 'q8' of the judgement 'q8' → 'd1' is not among the 2 questions"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1.5\n", "the grade of 'q1' → 'd1' is '1.5'; give a whole"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t2\n", "has the grade 2, and 1 in a row before"),
        ("qrels.txt", "q1 0 d1\n", "line 1: 'q1 0 d1' has 3 columns; a TREC file has 4"),
        ("corpus.csv", "id,text\n1,a\n", "has corpus.jsonl and corpus.csv; keep one"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_with_row_and_values(tmp_path, name, content, message):
    write_tables(tmp_path, lambda folder: None)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_collection(tmp_path)


def test_a_folder_without_documents_and_a_collection_made_by_hand(tmp_path):
    with pytest.raises(ValueError, match="neither a corpus file .* nor one table, nor .txt files"):
        load_collection(tmp_path)
    with pytest.raises(ValueError, match="row 1: the id 'a' is also that of row 0"):
        Collection(["a", "a"], ["", ""], ["x", "y"])
    with pytest.raises(ValueError, match=r"has \(2, 1, 2\) ids, titles and texts"):
        Collection(["a", "b"], [""], ["x", "y"])
    with pytest.raises(ValueError, match="no documents"):
        Collection([], [], [])


def test_the_bundled_collection_is_whole_and_its_test_questions_are_new():
    collection = load_collection(bundled_collection())
    assert len(collection.ids) == 60 and not collection.empty
    train, test = (collection.split(name) for name in ("train", "test"))
    assert len(train[0]) == 120 and len(test[0]) == 45
    assert not set(train[0].values()) & set(test[0].values())
    assert {name.rpartition("-")[0] for name in train[0]} == set(collection.ids)
    # The ambiguous words of the lectures: a snake and a language, an animal and a device.
    assert {"piton", "python_bahasa", "sistem_operasi", "mouse_animal", "mouse_device"} <= set(collection.ids)


@pytest.mark.data
def test_the_real_collections(data_dir):
    cranfield = load_collection(data_dir / "cranfield")
    assert (len(cranfield.ids), len(cranfield.queries), cranfield.empty) == (1400, 225, ["471", "995"])
    grades = np.array([grade for row in cranfield.qrels["all"].values() for grade in row.values()])
    assert len(grades) == 1837 and (grades == 0).sum() == 225
    facqa = load_collection(data_dir / "facqa_retrieval_derived")
    assert {name: len(rows) for name, rows in facqa.qrels.items()} == {"test": 311, "train": 2495, "validation": 311}

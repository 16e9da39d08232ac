"""`examples/search.py` and `examples/train_ranker.py`: a folder is indexed, asked and scored; mistakes are one line."""

import hashlib
import json

import numpy as np
import pytest
from helpers.collections import write_collection

from modeling_minibert.retrieval import search
from modeling_minibert.retrieval.bm25 import split_words
from modeling_minibert.retrieval.collections import Collection, load_collection
from modeling_minibert.retrieval.engine import SearchEngine

TEXTS = [
    "Ular piton tidak berbisa. " + "Ia melilit mangsanya. " * 20 + "Telurnya dierami induknya sampai menetas.",
    "Python adalah bahasa untuk menulis program.",
    "Sawah diairi sebelum padi ditanam.",
    "",
]


class WordEncoder:
    """A stand-in encoder: the unit vector of the text's words, each at a place that its hash gives."""

    fingerprint = "words"

    def encode(self, texts, batch_size=32, kind=None):
        assert kind in ("query", "document")
        vectors = np.zeros((len(texts), 503), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in split_words(text):
                vectors[row, int(hashlib.md5(word.encode()).hexdigest(), 16) % 503] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


class WordRanker:
    """A stand-in cross-encoder: the share of a passage's words that the question has."""

    weight = 1.0

    def scores(self, question, documents):
        asked = set(split_words(question))
        shares = [np.mean([word in asked for word in split_words(text)] or [0]) for text in documents]
        return np.array(shares, dtype=np.float32)

    def explain(self, question, document):
        return [(word, 0.5) for word in split_words(question)]


@pytest.fixture
def collection():
    return Collection(list("abcd"), ["Piton", "", "Padi", ""], TEXTS)


@pytest.fixture
def script(load_example):
    return load_example("search")


def test_a_long_document_is_found_by_its_best_passage(collection, tmp_path):
    engine = SearchEngine.build(collection, WordEncoder(), WordRanker(), words=20, overlap=5)
    assert len(engine.passages) > len(TEXTS) and (engine.owners == 0).sum() > 1
    for method in ("bm25", "dense", "fused"):
        hit = engine.ask("Telurnya dierami induknya sampai menetas", 2, method)[0]
        assert hit.id == "a" and "menetas" in hit.passage and "piton" not in hit.passage
        assert set(hit.steps) == {method, "ranker"}
    assert [hit.id for hit in engine.ask("bahasa program", 4, "dense")][0] == "b"
    engine.save(tmp_path / "index")
    loaded = SearchEngine.load(tmp_path / "index", WordEncoder(), WordRanker())
    for method in ("bm25", "dense", "fused"):
        assert loaded.ask("padi sawah", 3, method) == engine.ask("padi sawah", 3, method)
    other = WordEncoder()
    other.fingerprint = "other words"
    with pytest.raises(ValueError, match="was built by the model words, .* encoded by other words"):
        SearchEngine.load(tmp_path / "index", other)
    plain = SearchEngine.load(tmp_path / "index")
    assert "induknya" in plain.ask("induknya", 1)[0].passage
    for wrong, message in [
        (lambda: plain.retrieve("padi", 3, "dense"), r"'dense' needs an encoder; build the index with one"),
        (lambda: plain.retrieve("padi", 3, "vector"), "unknown search method 'vector'"),
        (lambda: plain.rerank("padi", [("c", 1.0)]), "no cross-encoder"),
        (lambda: plain.ask(" "), "is empty"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()
    SearchEngine.build(collection).save(tmp_path / "index")
    with pytest.raises(ValueError, match="has no vectors; build it again with --encoder"):
        SearchEngine.load(tmp_path / "index", WordEncoder())


def test_dense_search_gives_k_documents_where_passages_crowd(collection):
    engine = SearchEngine.build(collection, WordEncoder(), words=6, overlap=1)
    assert [len(engine.retrieve("melilit mangsanya", k, "dense")) for k in (1, 2, 4)] == [1, 2, 4]


def test_a_folder_is_indexed_and_asked_on_the_command_line(script, tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    for name, text in zip(("ular.txt", "python.txt", "padi.txt"), TEXTS, strict=False):
        (tmp_path / "texts" / name).write_text(text, encoding="utf-8")
    place = str(tmp_path / "out" / "index")
    script.main(["index", str(tmp_path / "texts"), "--index", place])
    assert "saved BM25 of" in capsys.readouterr().out
    script.main(["ask", "menulis program Python", "--index", place, "--k", "2"])
    printed = capsys.readouterr().out
    assert "1. python.txt" in printed and "Python adalah bahasa" in printed
    assert "words: " in printed and "menulis" in printed and "idf" in printed
    script.main(["ask", "kucing", "--index", place])
    assert "nothing found" in capsys.readouterr().out
    with pytest.raises(ValueError, match="the question ' ' is empty"):
        script.main(["ask", " ", "--index", place])
    with pytest.raises(ValueError, match="is not a search index: it has no search.json"):
        script.main(["ask", "padi", "--index", str(tmp_path)])
    with pytest.raises(ValueError, match="has no judgements; add qrels.tsv"):
        script.main(["evaluate", str(tmp_path / "texts")])


def test_methods_are_scored_beside_bm25(script, tmp_path, capsys, monkeypatch):
    folder = write_collection(tmp_path / "c")
    monkeypatch.setattr(search, "load_models", lambda arguments: {"encoder": WordEncoder(), "ranker": WordRanker()})
    results = script.main([str(folder), "--results", str(tmp_path / "scores.json")])
    printed = capsys.readouterr().out
    for name in ("bm25", "dense", "fused", "cross-encoder over fused"):
        assert name in printed and 0 <= results[name]["nDCG@10"] <= 1
    assert json.loads(json.dumps(results)) == json.loads((tmp_path / "scores.json").read_text())
    assert results["questions"] == 24 and "dense against bm25: nDCG@10" in printed
    assert results["dense minus bm25"]["nDCG@10"]["interval"][0] <= results["dense minus bm25"]["nDCG@10"]["difference"]


def test_the_tour_tells_the_two_pythons_apart(script, capsys):
    results = script.main(["tour", "--no_training"])
    printed = capsys.readouterr().out
    assert "1. Ular piton" in printed and "1. Bahasa Python" in printed
    assert results["questions"] == 45 and set(results) == {"questions", "depth", "bm25"}


@pytest.mark.slow
def test_the_tour_trains_an_encoder_that_beats_bm25_on_questions_in_other_words(script, capsys):
    pytest.importorskip("modeling_minibert.retrieval.train_encoder")
    results = script.main([])
    assert results["dense"]["nDCG@10"] > 0.6 > results["bm25"]["nDCG@10"]
    assert results["dense minus bm25"]["nDCG@10"]["interval"][0] > 0.2
    assert "dense against bm25" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find"], "invalid choice: 'find'"),
        (["ask"], "required: question"),
        (["tour", "--kk", "3"], "unknown argument --kk"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(script, arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(arguments)
    written = capsys.readouterr().err
    assert stop.value.code == 2 and message in written and written.count("\n") == 1


@pytest.mark.slow
def test_the_ranker_script_and_the_search_script_fit_together(load_example, script, tmp_path, capsys):
    folder = write_collection(tmp_path / "c", train=12, test=6)
    train_ranker = load_example("train_ranker")
    train_ranker.main([
        "--collection", str(folder), "--output_dir", str(tmp_path / "ranker"), "--max_steps", "2",
        "--report_to", "none",
        "--config_overrides", "hidden_size=16,num_attention_heads=2,intermediate_size=32,max_position_embeddings=32",
    ])  # fmt: skip
    capsys.readouterr()
    results = script.main(["evaluate", str(folder), "--ranker", str(tmp_path / "ranker"), "--depth", "9"])
    assert "cross-encoder over bm25" in results and "cross-encoder over bm25 minus bm25" in results
    script.main(["index", str(folder), "--index", str(tmp_path / "index")])
    script.main(["ask", "topik1 isi2 isi3", "--index", str(tmp_path / "index"), "--ranker", str(tmp_path / "ranker")])
    assert "cross-encoder: " in capsys.readouterr().out
    assert len(load_collection(tmp_path / "index").ids) == 18

"""BM25, dense indexes, fusion and passages: compared with formulas, faiss and brute force; folders are saved whole."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling_minibert.retrieval import dense_index
from modeling_minibert.retrieval.bm25 import BM25, split_words
from modeling_minibert.retrieval.dense_index import KINDS, DenseIndex
from modeling_minibert.retrieval.ranking import (
    best_passages,
    fuse_by_rank,
    interpolate,
    split_passages,
    top_k,
)
from modeling_minibert.retrieval.saving import saved_whole

WORDS = "ular piton bisa python bahasa program sawah padi ÉTÉ été".split()


def texts(count, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=random.integers(1, 17))) for _ in range(count)]


def formula(question, documents, k1, b):
    """BM25 as in the module's docstring, word by word."""
    split = [re.findall(r"\w+", text.casefold()) for text in documents]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for words in split:
        score = 0.0
        for word in re.findall(r"\w+", question.casefold()):
            having = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - having + 0.5) / (having + 0.5))
            count = words.count(word)
            if count:
                score += idf * count / (count + k1 * (1 - b + b * len(words) / mean))
        scores.append(score)
    return np.array(scores)


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (2.0, 1.0), (1.2, 0.0)])
def test_bm25_is_the_formula(k1, b):
    documents = [*texts(41), "", "tidak ada"]
    index = BM25(documents, k1=k1, b=b)
    for question in ("ular piton", "Python! bahasa, python", "été kosong", "sawah"):
        expected = formula(question, documents, k1, b)
        # bm25s keeps float32: 24 bits, summed over a few words.
        np.testing.assert_allclose(index.scores(question), expected, rtol=1e-5, atol=1e-6)
        found = index.search(question, 7)
        order = sorted((row for row in range(43) if expected[row] > 0), key=lambda row: -np.float32(expected[row]))
        np.testing.assert_allclose([score for _, score in found], expected[order[:7]], rtol=1e-5)
        for name, score in found[:3]:
            parts = index.explain(question, name)
            assert sum(part.score for part in parts) == pytest.approx(score, rel=1e-5)
            for part in parts:
                assert part.in_document == split_words(documents[int(name)]).count(part.word)
                assert part.documents == sum(part.word in split_words(text) for text in documents)


def test_equal_scores_stay_in_the_order_of_the_corpus_for_every_k():
    index = BM25(["a x", "b x", "c", "d x", "e x"])
    for k in range(1, 5):
        assert [name for name, _ in index.search("x", k)] == ["0", "1", "3", "4"][:k]
    assert [name for name, _ in index.search("x", 5)] == ["0", "1", "3", "4"]  # "c" shares no word
    assert [name for name, _ in index.search("x", 5, fill=True)] == ["0", "1", "3", "4", "2"]
    assert index.search("kata lain", 3) == [] and index.explain("kata", "2") == []


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 35))
def test_top_k_sorts_stably(values, k):
    expected = sorted(range(len(values)), key=lambda row: -values[row])[:k]
    assert top_k(np.array(values, dtype=np.float32), k).tolist() == expected


def test_bm25_words_and_what_it_refuses():
    assert split_words("Bahasa-bahasa ﬁle ÉTÉ 7x!") == ["bahasa", "bahasa", "file", "été", "7x"]
    assert split_words("dan ular DAN bisa", {"dan"}) == ["ular", "bisa"]
    assert BM25(["dan ular", "dan"], stop_words=["Dan"]).search("dan") == []
    for wrong, message in [
        (lambda: BM25(["", " !"]), "none of the 2 documents has a word"),
        (lambda: BM25(["a"], ["x", "y"]), "1 documents and 2 ids"),
        (lambda: BM25(["a"], b=1.5), "k1 is 1.5 and b is 1.5; give"),
        (lambda: BM25(["a"]).search("  "), "the question '  ' is empty"),
        (lambda: BM25(["a"]).search("a", 0), r"k \(0\) is the number of results"),
        (lambda: BM25(["a"]).explain("a", "9"), "no document '9' among the 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()


def test_a_saved_bm25_index_answers_the_same(tmp_path):
    index = BM25(texts(23), [f"d{row}" for row in range(23)], k1=0.9, b=0.3, stop_words=["bisa"])
    index.save(tmp_path / "a" / "index")
    index.save(tmp_path / "a" / "index")  # replaces it
    loaded = BM25.load(tmp_path / "a" / "index")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["index"]
    assert not list((tmp_path / "a").rglob("*.pkl"))
    for question in ("ular bisa", "python python"):
        assert loaded.search(question, 9) == index.search(question, 9)
        assert loaded.explain(question, "d3") == index.explain(question, "d3")
    with pytest.raises(ValueError, match=r"is not a BM25 index: it has no bm25.json"):
        BM25.load(tmp_path)


def unit(count, size=9, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dense_index_finds_what_brute_force_finds(tmp_path, kind):
    vectors, queries, ids = unit(211), unit(5, seed=1), [f"d{row}" for row in range(211)]
    index = DenseIndex.build(vectors, ids, "model a", kind)
    index.save(tmp_path / "index")
    expected = np.sort(queries.astype(np.float64) @ vectors.T.astype(np.float64), axis=1)[:, ::-1]
    for one in (index, DenseIndex.load(tmp_path / "index", "model a")):
        names, scores = one.search(queries, 13)
        np.testing.assert_allclose(scores, expected[:, :13], atol=1e-6)
        for query, line, values in zip(queries, names, scores, strict=True):
            np.testing.assert_allclose([vectors[ids.index(name)] @ query for name in line], values, atol=1e-6)
    assert {path.suffix for path in (tmp_path / "index").iterdir()} == {".json", ".safetensors"}
    names, scores = index.search(queries, 500)
    assert scores.shape == (5, 211) and len(names[0]) == 211 if kind != "hnsw" else True


def test_large_indexes_become_graphs(monkeypatch):
    monkeypatch.setattr(dense_index, "LARGE", 30)
    assert DenseIndex.build(unit(29), range(29), "m").kind == "exact"
    assert DenseIndex.build(unit(30), range(30), "m").kind == "hnsw"


def test_an_index_of_another_model_and_other_mistakes_are_refused(tmp_path):
    DenseIndex.build(unit(3), "abc", "bert-a").save(tmp_path / "index")
    with pytest.raises(ValueError, match="was built by the model bert-a, .* encoded by bert-b; build it again"):
        DenseIndex.load(tmp_path / "index", "bert-b")
    (tmp_path / "index" / "vectors.safetensors").write_bytes(b"xx")
    for wrong, message in [
        (lambda: DenseIndex.load(tmp_path / "index"), "vectors.safetensors cannot be read"),
        (lambda: DenseIndex.load(tmp_path), "is not a dense index: it has no dense_index.json"),
        (lambda: DenseIndex.build(unit(3), "ab", "m"), r"vectors of shape \(3, 9\) do not go with 2 ids"),
        (lambda: DenseIndex.build(unit(3), "aba", "m"), "the id 'a' is given twice"),
        (lambda: DenseIndex.build(unit(2) / [[1], [0]], "ab", "m"), r"document 'b' \(row 1\) is not finite"),
        (lambda: DenseIndex.build(unit(2), "ab", "m", "tree"), "unknown kind of index 'tree'"),
        (lambda: DenseIndex.build(unit(2), "ab", "m").search(unit(2, 8)), "vectors of size 9"),
        (lambda: DenseIndex.build(unit(2), "ab", "m").search(unit(2), 0), r"k \(0\)"),
    ]:
        with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(ValueError, match=message):
            wrong()


def test_a_save_that_fails_leaves_the_old_folder_and_no_other(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "old").write_text("old")
    with pytest.raises(RuntimeError), saved_whole(tmp_path / "index") as place:
        (place / "new").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.rglob("*")] == ["index", "old"]
    with saved_whole(tmp_path / "index") as place:
        (place / "new").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["index", "new"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; name a folder"), saved_whole(tmp_path / "file"):
        pass


@given(st.integers(0, 60), st.integers(1, 9), st.data())
def test_passages_lose_no_word_and_overlap_as_asked(length, words, data):
    overlap = data.draw(st.integers(0, words - 1))
    document = " ".join(map(str, range(length)))
    passages, owners = split_passages([document, "lain"], words, overlap)
    own = [passage.split() for passage, owner in zip(passages, owners, strict=True) if owner == 0]
    assert all(len(part) <= words for part in own) and owners[-1] == 1
    for before, after in zip(own, own[1:], strict=False):
        assert before[len(before) - overlap :] == after[:overlap]
        assert len(after) > overlap  # no passage without a new word
    joined = own[0] + [word for part in own[1:] for word in part[overlap:]]
    assert joined == document.split()


def test_best_passages_fusion_and_interpolation():
    owners = np.array([0, 0, 1, 2, 2])
    ranking = [(4, 9.0), (1, 8.0), (3, 7.0), (0, 6.0), (2, 5.0)]
    assert best_passages(ranking, owners, 2) == [(4, 9.0), (1, 8.0)]
    assert [passage for passage, _ in best_passages(ranking, owners, 9)] == [4, 1, 2]
    first, second = [("a", 5.0), ("b", 3.0), ("c", 1.0)], [("c", 0.9), ("b", 0.5), ("a", 0.1)]
    fused = fuse_by_rank([first, [("c", 1.0)]], 3)
    assert fused == [("c", 1 / 63 + 1 / 61), ("a", 1 / 61), ("b", 1 / 62)]
    assert [name for name, _ in interpolate(first, second, 0.0)] == ["a", "b", "c"]
    assert [name for name, _ in interpolate(first, second, 1.0)] == ["c", "b", "a"]
    # Half and half the standardized scores cancel: ties keep the order of the first.
    assert [name for name, _ in interpolate(first, second, 0.5)] == ["a", "b", "c"]
    assert interpolate([("a", 1.0)], [("a", 3.0)], 0.3) == [("a", 0.0)]
    with pytest.raises(ValueError, match="3 and 2 documents, 2 of them in both"):
        interpolate(first, second[:2], 0.5)
    with pytest.raises(ValueError, match=r"weight \(1.2\)"):
        interpolate(first, second, 1.2)
    with pytest.raises(ValueError, match=r"overlap \(5\) must be at least 0 and below words \(5\)"):
        split_passages(["a"], 5, 5)


def test_settings_that_are_damaged_are_named(tmp_path):
    for content, message in [("{", "cannot be read"), ("[1]", "holds list, not an object")]:
        (tmp_path / "bm25.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            BM25.load(tmp_path)
    assert json.loads((tmp_path / "bm25.json").read_text()) == [1]

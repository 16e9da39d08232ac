"""The cross-encoder: what it reads, its scores against the stock class, and its training against BM25."""

import json

import ir_measures
import numpy as np
import pytest
import torch
from helpers.collections import write_collection
from huggingface_hub import ModelCard
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, pipeline

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification
from modeling_minibert.pipelines.text_ranking import TextRankingPipeline, encode_pairs, relevance
from modeling_minibert.retrieval import train_ranker
from modeling_minibert.retrieval.bm25 import BM25
from modeling_minibert.retrieval.collections import load_collection
from modeling_minibert.retrieval.cross_encoder import LOSSES, Ranker
from modeling_minibert.retrieval.ranker_data import (
    choose_weight,
    fold,
    hold_out,
    questions_of,
    search_all,
    training_pairs,
)
from modeling_minibert.training import load_checkpoint
from tokenization import train_tokenizer

DOCUMENTS = [
    "Ular piton besar tidak berbisa dan melilit mangsanya sampai tidak bernapas lagi.",
    "Python adalah bahasa untuk menulis program.",
    "",
    "ular",
    "Sistem operasi mengatur memori dan berkas, dan program berjalan di atasnya, siang dan malam.",
]
QUESTION = "Apakah ular piton berbisa?"
LENGTH = 24
SIZES = dict(hidden_size=32, num_attention_heads=2, intermediate_size=37, num_hidden_layers=2)
TINY = [
    "--config_overrides", "hidden_size=32,num_attention_heads=2,intermediate_size=64,max_position_embeddings=16,"
    "classifier_pooling=mean,initializer_range=0.2,hidden_dropout_prob=0.0,attention_probs_dropout_prob=0.0",
    "--tokenizer_options", "kind=wordlevel,min_frequency=1", "--learning_rate", "3e-3", "--negatives", "3",
    "--report_to", "none", "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false",
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    made = train_tokenizer([QUESTION, *filter(None, DOCUMENTS)], vocab_size=300, min_frequency=1, show_progress=False)
    made.model_max_length = LENGTH
    return made


@pytest.fixture(params=[1, 2], ids=["one logit", "two classes"])
def folder(request, tokenizer, tmp_path):
    """A stock BERT with random weights, all of them large enough to matter."""
    config = BertConfig(vocab_size=len(tokenizer), num_labels=request.param, max_position_embeddings=LENGTH, **SIZES)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def by_hand(folder, tokenizer):
    """Probabilities from the stock class, a pair at a time: softmax of two classes, sigmoid of one logit."""
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for document in DOCUMENTS:
        own = tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
        text = tokenizer(document, add_special_tokens=False)["input_ids"][: LENGTH - len(own) - 3]
        start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        ids = [start, *own, end, *text, end]
        types = [0] * (len(own) + 2) + [1] * (len(text) + 1)
        with torch.no_grad():
            logits = model(torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0]
        found.append((logits.softmax(-1)[1] if len(logits) == 2 else logits[0].sigmoid()).item())
    return found


@pytest.mark.lecture("S5-35")
@pytest.mark.parametrize("implementation", ["stock", "mini"])
def test_scores_are_the_softmax_or_sigmoid_of_cls_question_sep_document_sep(folder, tokenizer, implementation):
    from transformers import AutoModelForSequenceClassification

    expected = by_hand(folder, tokenizer)
    model = load_checkpoint(AutoModelForSequenceClassification, str(folder), implementation).eval()
    ranker = Ranker(model, AutoTokenizer.from_pretrained(folder))
    for size in (1, 3, 32):
        logits = ranker.scores(QUESTION, DOCUMENTS, batch_size=size)
        np.testing.assert_allclose(1 / (1 + np.exp(-logits.astype(float))), expected, atol=1e-6)
    pipe = pipeline("text-ranking", model=model, tokenizer=ranker.tokenizer)
    assert type(pipe) is TextRankingPipeline
    answers = pipe({"query": QUESTION, "documents": DOCUMENTS})
    assert [answer["text"] for answer in answers] == [DOCUMENTS[answer["corpus_id"]] for answer in answers]
    assert [answer["corpus_id"] for answer in answers] == np.argsort(-np.array(expected)).tolist()
    for answer in answers:
        assert answer["score"] == pytest.approx(expected[answer["corpus_id"]], abs=1e-6)
    both = pipe([{"query": QUESTION, "documents": DOCUMENTS}] * 2, batch_size=4, top_k=2)
    assert [[one["corpus_id"] for one in row] for row in both] == [[one["corpus_id"] for one in answers[:2]]] * 2


def test_a_saved_ranker_opens_by_the_name_of_the_task(folder):
    asked = {"query": QUESTION, "documents": DOCUMENTS}
    expected = Ranker.load(folder).scores(QUESTION, DOCUMENTS)
    pipe = pipeline("text-ranking", str(folder))
    scores = {answer["corpus_id"]: answer["score"] for answer in pipe(asked)}
    np.testing.assert_allclose([scores[row] for row in range(5)], 1 / (1 + np.exp(-expected)), atol=1e-6)


def test_the_document_is_cut_and_never_the_question(tokenizer):
    own = tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
    for ids in encode_pairs(tokenizer, QUESTION, DOCUMENTS, LENGTH)["input_ids"]:
        assert ids[1 : len(own) + 1] == own and len(ids) <= LENGTH
    with pytest.raises(ValueError, match=f"has {len(own)} tokens and leaves 5 of the {len(own) + 8} .*at least 8"):
        encode_pairs(tokenizer, QUESTION, DOCUMENTS, len(own) + 8)
    with pytest.raises(ValueError, match="the question '  ' is empty"):
        encode_pairs(tokenizer, "  ", DOCUMENTS, LENGTH)


def test_what_a_ranker_refuses(tokenizer):
    config = MiniBertConfig.from_preset("tiny", vocab_size=len(tokenizer), num_labels=3)
    model = MiniBertForSequenceClassification(config)
    with pytest.raises(ValueError, match="the model has 3 classes; a ranker has two, or one logit"):
        Ranker(model, tokenizer)
    with pytest.raises(ValueError, match="has 3 classes"):
        relevance(torch.zeros(2, 3))
    pipe = pipeline("text-ranking", model=model, tokenizer=tokenizer)
    for inputs, message in [
        ("ular", "was given str; give {'query'"),
        ({"query": "ular"}, r"was given \['query'\]"),
        ({"query": "ular", "documents": "piton"}, r"give {'query': question, 'documents': \[text"),
        ({"query": "ular", "documents": []}, "was given no documents"),
    ]:
        with pytest.raises(ValueError, match=message):
            pipe(inputs)


def test_an_explanation_is_the_fall_of_the_score_without_a_word(folder):
    ranker = Ranker.load(folder)
    whole = ranker.scores("ular piton", DOCUMENTS[:1])[0]
    parts = dict(ranker.explain("ular piton", DOCUMENTS[0]))
    assert parts["piton"] == pytest.approx(whole - ranker.scores("ular ", DOCUMENTS[:1])[0], abs=1e-6)
    assert list(parts.values()) == sorted(parts.values(), reverse=True)
    assert ranker.explain("ular", DOCUMENTS[0]) == []


def test_reranking_keeps_the_order_of_ties(folder):
    ranker = Ranker.load(folder)
    texts = {"a": DOCUMENTS[0], "b": DOCUMENTS[1], "c": DOCUMENTS[0]}
    names = [name for name, _ in ranker.rerank(QUESTION, [("c", 3.0), ("b", 2.0), ("a", 1.0)], texts)]
    assert names.index("c") + 1 == names.index("a")
    assert ranker.rerank(QUESTION, [], texts) == []


def test_negatives_are_results_without_a_grade_and_folds_hold_every_question_once(tmp_path):
    collection = load_collection(write_collection(tmp_path / "c"))
    index = BM25(collection.documents(), collection.ids)
    questions = questions_of(collection, "train")
    pairs = training_pairs(questions, search_all(index, questions, 10), negatives=2, seed=3)
    for name, grades in questions.qrels.items():
        own = [(document, label) for query, document, label in pairs if query == name]
        assert [document for document, label in own if label] == list(grades)
        negatives = [document for document, label in own if not label]
        found = [document for document, _ in index.search(questions.texts[name], 10, fill=True)]
        assert len(negatives) == min(6, len(set(found) - set(grades))) and set(negatives) <= set(found) - set(grades)
    assert training_pairs(questions, {}, 2, 0)[0][2] == 1  # no results, no negatives
    inside = [set(fold(questions, 7, number, 0)[1].texts) for number in range(7)]
    assert set().union(*inside) == set(questions.texts) and sum(map(len, inside)) == len(questions)
    assert max(map(len, inside)) - min(map(len, inside)) == 1
    for number in range(7):
        assert set(fold(questions, 7, number, 0)[0].texts) == set(questions.texts) - inside[number]
    train, validation = hold_out(questions, 0.2, 0)
    assert (len(train), len(validation)) == (48, 12) and not set(train.texts) & set(validation.texts)
    with pytest.raises(ValueError, match=r"folds \(1\) must be from 2 to the number of questions \(60\)"):
        fold(questions, 1, 0, 0)
    with pytest.raises(ValueError, match="1 questions, and none left over"):
        hold_out(questions.select(["train0"]), 0.5, 0)
    with pytest.raises(ValueError, match=r"negatives \(0\)"):
        training_pairs(questions, {}, 0, 0)


def test_the_weight_is_chosen_by_the_validation_questions():
    first = {"q": [("a", 9.0), ("b", 1.0), ("c", 0.0)]}
    second = {"q": [("b", 5.0), ("a", 0.0), ("c", -5.0)]}
    assert choose_weight(first, second, {"q": {"b": 1}}) > 0.6
    assert choose_weight(first, second, {"q": {"a": 1}}) < 0.4


@pytest.mark.slow
@pytest.mark.lecture("S5-35")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_cross_encoder_from_scratch_beats_bm25_on_questions_in_other_words(tmp_path, loss):
    arguments = ["--collection", str(write_collection(tmp_path / "c")), "--output_dir", str(tmp_path / "out")]
    arguments += [*TINY, "--num_train_epochs", "15", "--depth", "18", "--negatives_depth", "18", "--loss", loss]
    results = train_ranker.main(arguments)
    assert json.loads(json.dumps(results)) == json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["questions"] == 24 and results["bm25"]["nDCG@10"] < 0.5
    for name in ("cross_encoder", "bm25_and_cross_encoder"):
        assert results[name]["nDCG@10"] > 0.8 and results[name]["MRR@10"] > 0.8
        assert results[f"{name}_minus_bm25"]["nDCG@10"]["interval"][0] > 0
    found = list(ir_measures.read_trec_run(str(tmp_path / "out" / "cross_encoder.run")))
    judged = load_collection(tmp_path / "c").qrels["test"]
    again = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], judged, found)
    assert again[ir_measures.nDCG @ 10] == pytest.approx(results["cross_encoder"]["nDCG@10"], abs=0.01)  # but for ties
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.pipeline_tag == "text-ranking"
    assert f"{results['cross_encoder']['nDCG@10']:.3f}" in card.text and f"{results['bm25']['MRR@10']:.3f}" in card.text
    # The saved folder answers with the scores that were measured.
    collection, ranker = load_collection(tmp_path / "c"), Ranker.load(tmp_path / "out")
    assert ranker.weight == results["parts"][0]["weight"]
    questions, qrels = collection.split("test")
    hits = 0
    for name, text in questions.items():
        best = collection.ids[int(ranker.scores(text, collection.documents()).argmax())]
        hits += best in qrels[name]
    assert hits / len(questions) > 0.8


@pytest.mark.slow
def test_folds_score_every_question_and_other_splits_are_checked(tmp_path, capsys):
    folder = write_collection(tmp_path / "c", train=13, test=5)
    arguments = ["--collection", str(folder), "--output_dir", str(tmp_path / "out"), *TINY, "--max_steps", "2"]
    results = train_ranker.main([*arguments, "--folds", "3", "--depth", "5"])
    assert results["questions"] == 13 and len(results["parts"]) == 3
    assert all((tmp_path / "out" / f"fold-{number}" / "config.json").is_file() for number in range(3))
    assert "13 test questions" in capsys.readouterr().out
    with pytest.raises(ValueError, match="5 questions of the test split are also in train or validation"):
        train_ranker.main([*arguments, "--train_split", "test"])

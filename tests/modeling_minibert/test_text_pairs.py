"""Pairs of texts: read, checked, encoded, batched; and the scores of what is generated."""

import json
import random

import pytest
import torch
from datasets import Dataset
from nltk.translate.bleu_score import corpus_bleu

from modeling_minibert.data import PairCollator, TokenBudgetBatches, encode_pairs, load_text_pairs
from modeling_minibert.evaluation import GenerationMetrics
from tokenization import train_tokenizer

ROLES = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}
PAIRS = [("saya datang", "i come"), ("kamu pergi ke depok", "you go to depok"), ("kamu datang", "you come")]


def write(path, pairs, columns=("id", "en")):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(zip(columns, pair, strict=True))) + "\n" for pair in pairs)
    return str(path)


@pytest.fixture
def tokenizers():
    options = {"kind": "wordlevel", "min_frequency": 1, "special_tokens": ROLES}
    return [train_tokenizer([pair[side] for pair in PAIRS], **options) for side in (0, 1)]


# Reading


def test_train_pairs_that_are_test_pairs_are_left_out_and_a_validation_split_is_set_apart(tmp_path, capsys):
    train = [(f"sumber {n}", f"target {n % 30}") for n in range(50)]
    files = {"train": write(tmp_path / "train.jsonl", train)}
    files["test"] = write(tmp_path / "test.jsonl", [train[3], ("sumber 4", "another target")])
    splits = load_text_pairs(None, files, "id", "en")
    assert {name: rows.num_rows for name, rows in splits.items()} == {"train": 47, "validation": 2, "test": 2}
    read = [(row["source"], row["target"]) for name in ("train", "validation") for row in splits[name]]
    assert sorted(read) == sorted(pair for pair in train if pair != train[3])  # one text of a pair may come again
    printed = capsys.readouterr().out
    assert "left out 1 train pairs that are also test pairs" in printed
    assert "validation: 2 of the train pairs, set apart" in printed


def test_a_column_of_dictionaries_is_read_as_on_the_hub(tmp_path):
    rows = [{"translation": {"de": f"Satz {n}", "en": f"sentence {n}"}} for n in range(4)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = {"train": str(tmp_path / "train.jsonl"), "validation": str(tmp_path / "train.jsonl")}
    splits = load_text_pairs(None, files, "en", "de")
    assert splits["train"][1] == {"source": "sentence 1", "target": "Satz 1"}


@pytest.mark.parametrize(
    ("pairs", "columns", "message"),
    [
        (PAIRS, ("id", "fr"), r"no column 'fr'; its columns are \['id', 'en'\]"),
        (PAIRS, ("source", "en"), r"no column 'source'; its columns are \['id', 'en'\]"),
        (PAIRS, ("id", "id"), "source and target are the same column 'id'"),
        ([*PAIRS, ("  ", "nothing")], ("id", "en"), "has 1 rows without 'id', the first is row 3"),
        ([("a", None), ("b", "c"), ("d", "")], ("id", "en"), "has 2 rows without 'en', the first is row 0"),
    ],
)
def test_bad_pairs_are_refused(pairs, columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_text_pairs(None, {"train": write(tmp_path / "train.jsonl", pairs)}, *columns)


def test_splits_that_leave_nothing_to_train_on_are_refused(tmp_path):
    path = write(tmp_path / "pairs.jsonl", PAIRS)
    with pytest.raises(ValueError, match="all train pairs stand in the test split too"):
        load_text_pairs(None, {"train": path, "test": path}, "id", "en")
    with pytest.raises(ValueError, match=r"there is no train split; the splits are \['test'\]"):
        load_text_pairs(None, {"test": path}, "id", "en")
    with pytest.raises(ValueError, match="either dataset_name or data_files"):
        load_text_pairs()


# Encoding


@pytest.mark.lecture("S5-24", "S5-25")
def test_labels_are_the_target_and_its_end_without_the_start(tokenizers):
    """The lectures' Dataset: encoder [SOS] … [EOS], label … [EOS]; the decoder puts [SOS] before by itself."""
    source, target = tokenizers
    assert [source.convert_tokens_to_ids(token) for token in ("[PAD]", "[SOS]", "[EOS]")] == [0, 1, 2]
    pairs = Dataset.from_dict({"source": [pair[0] for pair in PAIRS], "target": [pair[1] for pair in PAIRS]})
    rows = encode_pairs(pairs, source, target, 16, start_token_id=1)
    for row, (text, translation) in zip(rows, PAIRS, strict=True):
        assert source.convert_ids_to_tokens(row["input_ids"]) == ["[SOS]", *text.split(), "[EOS]"]
        assert target.convert_ids_to_tokens(row["labels"]) == [*translation.split(), "[EOS]"]
    # A tokenizer that puts no start token before a text has none taken away.
    without = train_tokenizer([pair[1] for pair in PAIRS], kind="wordlevel", min_frequency=1, special_tokens=ROLES,
                              wrap=False)  # fmt: skip
    assert encode_pairs(pairs, source, without, 16, 1)["labels"][0] == without("i come")["input_ids"]


def test_long_texts_are_cut_on_both_sides_and_it_is_said(tokenizers, capsys):
    pairs = Dataset.from_dict({"source": ["kamu " * 9, "kamu"], "target": ["you go to depok you go", "you"]})
    rows = encode_pairs(pairs, *tokenizers, 5, start_token_id=1)
    assert [len(ids) for ids in rows["input_ids"]] == [5, 3] and [len(ids) for ids in rows["labels"]] == [5, 2]
    assert rows["labels"][0][-1] == 2  # it ends all the same
    assert "1 of 2 sources are cut to 5 tokens, or just as long" in capsys.readouterr().out


def test_a_prefix_stands_before_every_source(tokenizers):
    pairs = Dataset.from_dict({"source": ["datang"], "target": ["come"]})
    row = encode_pairs(pairs, *tokenizers, 16, 1, prefix="kamu ")[0]
    assert row["input_ids"] == tokenizers[0]("kamu datang")["input_ids"]


def test_batches_count_the_tokens_of_both_sides(tokenizers):
    draw = random.Random(0)
    rows = [{"input_ids": [1] * draw.randint(2, 30), "labels": [1] * draw.randint(2, 30)} for _ in range(100)]
    for dataset in (rows, Dataset.from_list(rows)):
        batches = TokenBudgetBatches(dataset, 128, bucket=1, columns=("input_ids", "labels"))
        sizes = [sum(len(row["input_ids"]) + len(row["labels"]) for row in batches[n]) for n in range(len(batches))]
        assert max(sizes) <= 128 and sum(sizes) == sum(len(row["input_ids"]) + len(row["labels"]) for row in rows)
        assert len(batches) < 1.25 * sum(sizes) / 128  # and few of them are half empty
    with pytest.raises(ValueError, match=r"more than max_tokens \(40\)"):
        TokenBudgetBatches(rows, 40, columns=("input_ids", "labels"))


@pytest.mark.lecture("S5-27")
@pytest.mark.parametrize("side", ["right", "left"])
def test_rows_and_lists_of_rows_are_padded_alike(tokenizers, side):
    source = tokenizers[0]
    source.padding_side = side
    rows = [{"input_ids": [1, 5, 2], "labels": [4, 2], "more": 3}, {"input_ids": [1, 2], "labels": [6, 7, 8, 2]}]
    for features in (rows, [rows], [rows[:1], rows[1:]]):
        batch = PairCollator(source)(features)
        left = side == "left"
        assert batch["input_ids"].tolist() == [[1, 5, 2], [0, 1, 2] if left else [1, 2, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 1, 1] if left else [1, 1, 0]]
        assert batch["labels"].tolist() == [[-100, -100, 4, 2] if left else [4, 2, -100, -100], [6, 7, 8, 2]]
        assert set(batch) == {"input_ids", "attention_mask", "labels"} and batch["labels"].dtype == torch.int64


# Scores


def test_bleu_is_that_of_nltk_and_the_other_scores_are_those_by_hand():
    draw = random.Random(0)
    references = [" ".join(draw.choices("abcdefgh", k=draw.randint(6, 15))) for _ in range(30)]
    texts = [" ".join(word if draw.random() < 0.8 else "x" for word in text.split()) for text in references]
    scores = GenerationMetrics().compute(predictions=texts, references=references)
    expected = corpus_bleu([[text.split()] for text in references], [text.split() for text in texts])
    assert 20 < scores["bleu"] < 90 and scores["bleu"] == pytest.approx(100 * expected, rel=1e-6)
    assert scores["exact_match"] == sum(a == b for a, b in zip(texts, references, strict=True)) / 30
    same = GenerationMetrics().compute(predictions=references, references=references)
    assert same == pytest.approx(
        dict.fromkeys(("bleu", "chrf", "rouge1", "rouge2", "rougeL"), 100) | {"exact_match": 1}
    )
    # Of a b c and a c d, two words are shared: precision and recall 2/3; no pair is; the longest common part is a c.
    few = GenerationMetrics().compute(predictions=["a b c"], references=["a c d"])
    assert (few["rouge1"], few["rouge2"], few["rougeL"]) == pytest.approx((200 / 3, 0, 200 / 3))

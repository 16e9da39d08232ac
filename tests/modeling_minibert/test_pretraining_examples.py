"""Pretraining examples say what their labels claim, lose no text they should keep, and are the same however made."""

import warnings

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from modeling_minibert.data import build_examples, load_documents, pretraining_examples
from modeling_minibert.data.pretraining_examples import ExampleBuilder, _truncate
from tokenization import train_tokenizer, wordpiece_from_vocab

# Every word of document 12 is "d12w0", "d12w1", …: a token says where it comes from, and what has to follow it.
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DOCUMENTS = 60
VOCAB = [*SPECIALS, *(f"d{document}w{word}" for document in range(DOCUMENTS) for word in range(200)), "."]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tokenizer():
    return wordpiece_from_vocab(VOCAB)


def document_text(number, random):
    """Up to 200 words in sentences of 1 to 20."""
    text, word, words = "", 0, int(random.integers(1, 200))
    while word < words:
        length = min(int(random.integers(1, 21)), words - word)
        text += " ".join(f"d{number}w{place}" for place in range(word, word + length)) + ". "
        word += length
    return text


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(0)
    return [document_text(number, random) for number in range(DOCUMENTS)]


def segments(example, tokenizer):
    """The tokens of A and of B, full stops left out, as (document, word)."""
    tokens = tokenizer.convert_ids_to_tokens(example["input_ids"])
    assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]"
    inner = tokens[1:-1]
    cut = inner.index("[SEP]") if "[SEP]" in inner else len(inner)
    types = [0] * (cut + 2) + [1] * (len(inner) - cut) if cut < len(inner) else [0] * len(tokens)
    assert example["token_type_ids"] == types
    parts = [[tuple(map(int, t[1:].split("w"))) for t in part if t != "."] for part in (inner[:cut], inner[cut + 1 :])]
    return parts


def is_run(part):
    return all(after == (document, word + 1) for (document, word), after in zip(part, part[1:], strict=False))


@pytest.mark.lecture("S2-24")
@pytest.mark.parametrize("max_length", [16, 64])
def test_next_sentence_pairs_are_what_their_label_says(texts, tokenizer, max_length):
    examples = build_examples(Dataset.from_dict({"text": texts}), tokenizer, "nsp", max_length)
    assert examples.column_names == ["input_ids", "token_type_ids", "next_sentence_label"]
    for example in examples:
        assert len(example["input_ids"]) <= max_length
        first, second = segments(example, tokenizer)
        assert is_run(first) and is_run(second)
        if first and second:
            if example["next_sentence_label"] == 0:
                # Truncation may have taken words from the end of A and the front of B, never their order.
                assert first[-1][0] == second[0][0] and first[-1][1] < second[0][1]
                if len(example["input_ids"]) < max_length:
                    assert second[0] == (first[-1][0], first[-1][1] + 1)
            else:
                assert first[0][0] != second[0][0]


@pytest.mark.lecture("S2-24")
def test_labels_are_balanced_although_lone_sentences_can_only_get_a_random_partner(texts, tokenizer):
    texts = [text for text in texts if text.count(".") > 1]
    labels = []
    for seed in range(20):
        examples = build_examples(Dataset.from_dict({"text": texts}), tokenizer, "nsp", 64, seed=seed)
        labels += examples["next_sentence_label"][:]
    n, random_pairs = len(labels), sum(labels)
    assert n > 3000
    assert abs(random_pairs / n - 0.5) < 3 * 0.5 / n**0.5, (random_pairs, n)


def test_a_document_with_the_same_text_is_no_other_document(tokenizer):
    same = "d1w0 d1w1. d1w2 d1w3. d1w4 d1w5."
    documents = Dataset.from_dict({"text": [same] * 30 + ["d2w0 d2w1. d2w2. d2w3."]})
    examples = build_examples(documents, tokenizer, "nsp", 12, short_sequence_probability=0)
    pairs = [segments(example, tokenizer) for example in examples]
    negatives = [pair for pair, label in zip(pairs, examples["next_sentence_label"], strict=True) if label == 1]
    assert len(negatives) > 5 and all({a[0][0], b[0][0]} == {1, 2} for a, b in negatives)


def test_documents_of_one_sentence_get_random_partners_and_a_warning(tokenizer):
    documents = Dataset.from_dict({"text": [f"d{i}w0 d{i}w1." for i in range(9)]})
    with pytest.warns(UserWarning, match="all 9 pairs have the label 1"):
        examples = build_examples(documents, tokenizer, "nsp", 16)
    assert all(a[0][0] != b[0][0] for a, b in (segments(example, tokenizer) for example in examples))
    with pytest.raises(ValueError, match="the 1 documents give no nsp example"):
        build_examples(documents.select([0]), tokenizer, "nsp", 16)


def test_sentence_order_pairs_are_neighbours_in_either_order(texts, tokenizer):
    examples = build_examples(Dataset.from_dict({"text": texts}), tokenizer, "sop", 48)
    for example in examples:
        assert len(example["input_ids"]) <= 48
        first, second = segments(example, tokenizer)
        if first and second:
            before, after = (second, first) if example["next_sentence_label"] else (first, second)
            assert is_run(first) and is_run(second)
            assert before[-1][0] == after[0][0] and before[-1][1] < after[0][1]
    labels = np.array(examples["next_sentence_label"])
    assert abs(labels.mean() - 0.5) < 3 * 0.5 / len(labels) ** 0.5


@pytest.mark.parametrize("max_length", [7, 32])
def test_full_sequences_hold_every_token_once_and_cross_no_document(texts, tokenizer, max_length):
    examples = build_examples(Dataset.from_dict({"text": texts}), tokenizer, "mlm", max_length)
    assert examples.column_names == ["input_ids", "token_type_ids"]
    words = []
    for example in examples:
        assert len(example["input_ids"]) <= max_length
        run = segments(example, tokenizer)[0]
        assert is_run(run)
        words += run
    expected = tokenizer(texts, add_special_tokens=False).input_ids
    stop = tokenizer.convert_tokens_to_ids(".")
    assert len(words) == sum(token != stop for ids in expected for token in ids)
    assert len(set(words)) == len(words)
    assert sum(len(example["input_ids"]) - 2 for example in examples) == sum(map(len, expected))


def test_most_of_the_text_is_used_by_pairs(texts, tokenizer):
    for objective in ("nsp", "sop"):
        examples = build_examples(Dataset.from_dict({"text": texts}), tokenizer, objective, 64)
        used = set()
        for example in examples:
            first, second = segments(example, tokenizer)
            used.update(first)
            if objective == "sop" or example["next_sentence_label"] == 0:
                used.update(second)
        words = sum(text.count("w") for text in texts)
        assert len(used) / words > 0.85, (objective, len(used), words)


@pytest.mark.parametrize("lengths", [(3, 9), (9, 3), (9, 9), (1, 20), (20, 1), (8, 7)])
def test_truncation_equals_taking_one_token_at_a_time_from_the_longer_segment(lengths):
    room = 10
    expected = list(lengths)
    while sum(expected) > room:
        expected[int(expected[1] > expected[0])] -= 1
    first, second = (list(range(length)) for length in lengths)
    fronts = []
    for seed in range(400):
        kept = _truncate(first, second, room, np.random.default_rng(seed))
        assert sum(map(len, kept)) == min(room, sum(lengths))
        assert abs(len(kept[0]) - expected[0]) <= 1  # equal lengths: either may lose the odd token
        assert all(part == list(range(part[0], part[0] + len(part))) for part in kept)
        fronts.append(kept[0][0])
    taken = lengths[0] - len(kept[0])
    # Each token goes from the front or the back with equal chance: binomial.
    assert abs(np.mean(fronts) - taken / 2) <= 3 * (taken / 4 / 400) ** 0.5


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_word_ids_tell_words_apart(kind):
    corpus = ["Filmnya membosankan sekali. Aku ngantuk, ceritanya panjang!", "Kopi pahit. Tehnya manis-manis."] * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so small a corpus gives no 150 pieces
        tokenizer = train_tokenizer(corpus, kind, vocab_size=150, show_progress=False)
    documents = Dataset.from_dict({"text": corpus[:2]})
    [example] = build_examples(documents.select([0]), tokenizer, "mlm", 128, 0, whole_words=True)
    expected = tokenizer(corpus[0]).word_ids()
    assert example["input_ids"] == tokenizer(corpus[0]).input_ids
    assert example["word_ids"] == [-1 if word is None else word for word in expected]
    pairs = build_examples(documents, tokenizer, "nsp", 40, 0, whole_words=True).to_list()
    # In so few tokens segments are cut inside words too.
    pairs += build_examples(documents, tokenizer, "nsp", 10, 0, whole_words=True).to_list()
    for pair in pairs:
        numbers = [number for number in pair["word_ids"] if number >= 0]
        specials = [token in (tokenizer.cls_token_id, tokenizer.sep_token_id) for token in pair["input_ids"]]
        assert [number == -1 for number in pair["word_ids"]] == specials
        assert numbers == sorted(numbers) and set(numbers) == set(range(max(numbers) + 1))


def test_one_process_several_and_streaming_give_the_same_examples(texts, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining_examples, "BLOCK_SIZE", 17)
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    documents = load_documents(data_files={"train": str(path)})["train"]
    streamed = load_documents(data_files={"train": str(path)}, streaming=True)["train"]
    alone = build_examples(documents, tokenizer, "nsp", 32, seed=3)
    together = build_examples(documents, tokenizer, "nsp", 32, seed=3, num_proc=2)
    assert alone.to_list() == together.to_list() == list(build_examples(streamed, tokenizer, "nsp", 32, seed=3))
    assert build_examples(documents, tokenizer, "nsp", 32, seed=4).to_list() != alone.to_list()


def test_a_second_call_takes_the_examples_from_the_cache(texts, tokenizer, tmp_path, monkeypatch):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    documents = load_documents(data_files={"train": str(path)})["train"]
    first = build_examples(documents, tokenizer, "nsp", 32)
    tokenizer("d1w1", truncation=True, max_length=3)  # leaves its mark in the tokenizer, not in the fingerprint

    def fail(self, rows, indices):
        raise AssertionError("built again")

    monkeypatch.setattr(ExampleBuilder, "_sentences", fail)
    again = build_examples(load_documents(data_files={"train": str(path)})["train"], tokenizer, "nsp", 32)
    assert again.cache_files == first.cache_files and again.to_list() == first.to_list()


def test_impossible_arguments_are_refused_with_their_numbers(texts, tokenizer):
    documents = Dataset.from_dict({"text": texts})
    with pytest.raises(ValueError, match=r"unknown objective 'clm'; choose one of \['nsp', 'sop', 'mlm'\]"):
        build_examples(documents, tokenizer, "clm")
    with pytest.raises(ValueError, match=r"max_length \(4\) is too small: 3 are special"):
        build_examples(documents, tokenizer, "nsp", 4)
    with pytest.raises(ValueError, match=r"short_sequence_probability \(1.5\)"):
        build_examples(documents, tokenizer, "nsp", 32, 1.5)
    with pytest.raises(ValueError, match=r"several splits \['train'\]"):
        build_examples(DatasetDict({"train": documents}), tokenizer)
    bare = train_tokenizer(
        texts, "wordlevel", special_tokens={"pad_token": "<p>", "unk_token": "<u>"}, wrap=False, show_progress=False,
        min_frequency=0, vocab_size=100,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"no \['cls_token', 'sep_token'\]"):
        build_examples(documents, bare)

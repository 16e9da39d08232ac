"""Masks have the right statistics, hit no special token, keep words whole, and follow from seed, epoch and text."""

import warnings
from functools import cache

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import DataCollatorForLanguageModeling

from modeling_minibert import MiniBertConfig, MiniBertForPreTraining
from modeling_minibert.data import DataCollatorForPretraining, build_examples, mask_tokens
from tokenization import train_tokenizer, wordpiece_from_vocab

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CORPUS = [
    "Filmnya membosankan sekali. Aku ngantuk, ceritanya kepanjangan!",
    "Pemandangannya menakjubkan: pegunungan, perkebunan, persawahan.",
    "The unbelievable storyline kept everyone wide-awake throughout.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return wordpiece_from_vocab([*SPECIALS, *(f"w{i}" for i in range(1000))])


@cache
def trained(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return train_tokenizer(CORPUS, kind, vocab_size=120, show_progress=False, min_frequency=1)


def random_rows(count, seed=0, shortest=8, longest=150):
    """[CLS] words [SEP] words [SEP] with an [UNK] now and then."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        ids = random.integers(5, 1005, random.integers(shortest, longest))
        ids[0], ids[len(ids) // 2], ids[-1] = 2, 3, 3
        ids[random.integers(1, len(ids) - 1)] = 1
        types = (np.arange(len(ids)) > len(ids) // 2).astype(int)
        label = int(random.integers(2))
        rows.append({"input_ids": ids.tolist(), "token_type_ids": types.tolist(), "next_sentence_label": label})
    return rows


def statistics(batch, originals):
    """Of a padded batch: maskable tokens, and how many became [MASK], another token, or stayed."""
    ids, labels = batch["input_ids"], batch["labels"]
    maskable = torch.isin(originals, torch.arange(5), invert=True)
    chosen = labels != -100
    assert not (chosen & ~maskable).any() and (labels[chosen] == originals[chosen]).all()
    assert (ids[~chosen] == originals[~chosen]).all()
    mask, same = (ids == 4) & chosen, (ids == originals) & chosen
    return int(maskable.sum()), int(mask.sum()), int((chosen & ~mask & ~same).sum()), int(same.sum())


def padded(rows):
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row["input_ids"]) for row in rows], batch_first=True)


@pytest.mark.lecture("S2-22", "S2-37", "S5-38", "S5-71")
@pytest.mark.parametrize("probability", [0.15, 0.4])
def test_fifteen_percent_are_chosen_and_split_eighty_ten_ten(tokenizer, probability):
    rows = random_rows(2000)
    batch = DataCollatorForPretraining(tokenizer, probability)(rows)
    maskable, mask, other, same = statistics(batch, padded(rows))
    chosen = mask + other + same
    assert maskable > 100_000
    assert abs(chosen - probability * maskable) < 3 * (probability * (1 - probability) * maskable) ** 0.5
    for count, share in ((mask, 0.8), (other, 0.1), (same, 0.1)):
        assert abs(count - share * chosen) < 3 * (share * (1 - share) * chosen) ** 0.5, (mask, other, same)
    # A replacement is drawn from 1,000 ids and may be the token itself.
    expected = np.array([0.8, 0.1 * 0.999, 0.1 + 0.1 * 0.001]) * chosen
    assert chisquare([mask, other, same], expected).pvalue > 0.001
    # A new number per branch would give 80 / 18 / 2 or 80 / 10·… : far outside.
    assert chisquare([mask, other, same], np.array([0.8, 0.18, 0.02]) * chosen).pvalue < 1e-9


def test_the_shares_are_those_of_transformers_own_collator(tokenizer):
    rows = random_rows(1500)
    stock = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
    theirs = statistics(stock([{"input_ids": row["input_ids"]} for row in rows]), padded(rows))
    ours = statistics(DataCollatorForPretraining(tokenizer)(rows), padded(rows))
    assert theirs[0] == ours[0]
    for our_count, their_count in zip(ours[1:], theirs[1:], strict=True):
        assert abs(our_count - their_count) < 4 * (our_count + their_count) ** 0.5


def test_replacements_are_spread_over_the_vocabulary_and_never_special(tokenizer):
    rows = random_rows(1500)
    batch = DataCollatorForPretraining(tokenizer, 1.0)(rows)
    originals, chosen = padded(rows), batch["labels"] != -100
    drawn = batch["input_ids"][chosen & (batch["input_ids"] != 4) & (batch["input_ids"] != originals)]
    assert len(drawn) > 5000 and drawn.min() >= 5 and drawn.max() < len(tokenizer)
    assert chisquare(np.histogram(drawn, bins=50, range=(5, 1005))[0]).pvalue > 0.001


@pytest.mark.lecture("S5-38")
def test_special_tokens_and_pads_are_never_chosen(tokenizer):
    tokenizer = wordpiece_from_vocab([*SPECIALS, *(f"w{i}" for i in range(1000)), "[NEW]"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["[NEW]"]})
    special = tokenizer.convert_tokens_to_ids("[NEW]")
    rows = random_rows(50)
    for row in rows:
        row["input_ids"][3] = special
        row["special_tokens_mask"] = [int(place == 5) for place in range(len(row["input_ids"]))]
    batch = DataCollatorForPretraining(tokenizer, 1.0)(rows)
    assert "special_tokens_mask" not in batch
    chosen = batch["labels"] != -100
    may = torch.isin(padded(rows), torch.tensor([*range(5), special]), invert=True)
    may[:, 5] = False
    assert torch.equal(chosen, may)


@pytest.mark.lecture("S5-71")
def test_every_batch_has_a_mask_if_any_token_may_be_masked_and_the_loss_is_a_number(tokenizer):
    config = MiniBertConfig(vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                            intermediate_size=8)  # fmt: skip
    model = MiniBertForPreTraining(config).eval()
    collator = DataCollatorForPretraining(tokenizer)
    counts = []
    for seed in range(300):
        [row] = random_rows(1, seed, 5, 6)
        batch = collator([row])
        counts.append(int((batch["labels"] != -100).sum()))
        assert counts[-1] >= 1
    # With 5 tokens, of which one may be masked or two, chance alone would leave most batches without a mask.
    assert counts.count(1) > 250
    nothing = collator([{"input_ids": [2, 1, 3], "token_type_ids": [0, 0, 0], "next_sentence_label": 1}])
    assert (nothing["labels"] == -100).all()
    for inputs in (batch, nothing):
        assert torch.isfinite(model(**inputs).loss)


def test_masks_follow_from_the_example_not_from_its_batch(tokenizer):
    rows = random_rows(12)
    collator = DataCollatorForPretraining(tokenizer, seed=7)
    together = collator(rows)
    packs = collator([rows[:5], rows[5:]])
    assert all(torch.equal(together[name], packs[name]) for name in together)
    fresh = DataCollatorForPretraining(tokenizer, seed=7)
    for place in (11, 3, 0):
        alone, length = fresh([rows[place]]), len(rows[place]["input_ids"])
        assert torch.equal(alone["labels"][0], together["labels"][place, :length])
        assert torch.equal(alone["input_ids"][0], together["input_ids"][place, :length])
    other = DataCollatorForPretraining(tokenizer, seed=8)(rows)
    assert not torch.equal(other["labels"], together["labels"])


@pytest.mark.lecture("S5-39")
def test_dynamic_masks_differ_between_epochs_and_static_ones_do_not(tokenizer):
    rows = random_rows(8)
    dynamic, static = DataCollatorForPretraining(tokenizer), DataCollatorForPretraining(tokenizer, dynamic=False)
    first = dynamic(rows)
    assert torch.equal(static(rows)["labels"], first["labels"])
    dynamic.set_epoch(3)
    static.set_epoch(3)
    assert not torch.equal(dynamic(rows)["labels"], first["labels"])
    assert torch.equal(static(rows)["labels"], first["labels"])
    dynamic.set_epoch(0)
    assert torch.equal(dynamic(rows)["labels"], first["labels"])


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_words_are_masked_whole(kind):
    tokenizer = trained(kind)
    examples = build_examples(Dataset.from_dict({"text": CORPUS * 4}), tokenizer, "mlm", 64, whole_words=True)
    collator = DataCollatorForPretraining(tokenizer, 0.3, whole_words=True)
    seen = {"whole": 0, "left": 0, "pieces": 0}
    for epoch in range(40):
        collator.set_epoch(epoch)
        batch = collator(examples.to_list())
        for row, ids, labels in zip(examples, batch["input_ids"], batch["labels"], strict=True):
            words = np.array(row["word_ids"])
            for word in range(words.max() + 1):
                places = np.flatnonzero(words == word)
                chosen = labels[places] != -100
                may = [row["input_ids"][place] not in tokenizer.all_special_ids for place in places]
                assert chosen.tolist() == [bool(chosen.any()) and piece for piece in may]
                if len(places) > 1 and chosen.any():
                    became_mask = ids[places][chosen] == tokenizer.mask_token_id
                    assert became_mask.all() or not became_mask.any()
                    seen["pieces"] += 1
                seen["whole" if chosen.any() else "left"] += 1
    n = seen["whole"] + seen["left"]
    assert seen["pieces"] > 100
    # The same three sentences four times over have the same masks: 1/4 as many independent draws.
    assert abs(seen["whole"] / n - 0.3) < 3 * (0.3 * 0.7 / (n / 4)) ** 0.5


def test_word_ids_of_a_tokenizer_with_none_for_special_tokens_serve_too():
    tokenizer = trained("wordpiece")
    rows = [{"input_ids": (e := tokenizer(text)).input_ids, "word_ids": e.word_ids()} for text in CORPUS]
    batch = DataCollatorForPretraining(tokenizer, whole_words=True)(rows)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_words_of_neighbouring_examples_are_not_one_word_though_their_numbers_are_equal(tokenizer):
    rows = [{"input_ids": [10 + i], "word_ids": [0]} for i in range(400)]
    collator = DataCollatorForPretraining(tokenizer, 0.5, whole_words=True, flatten=True)
    plain = DataCollatorForPretraining(tokenizer, 0.5, flatten=True)
    assert torch.equal(collator(rows)["labels"], plain([{"input_ids": row["input_ids"]} for row in rows])["labels"])


def test_where_chance_chose_none_the_nearest_token_or_word_is_chosen():
    ids, may = np.arange(5, 11), np.array([False, True, True, True, True, True])
    numbers = np.full((3, 6), 0.9)
    numbers[0] = [0.1, 0.8, 0.5, 0.9, 0.9, 0.9]
    masked, labels = mask_tokens(ids, may, numbers, 4, np.arange(5, 20))
    assert labels.tolist() == [-100, -100, 7, -100, -100, -100] and masked.tolist() == ids.tolist()
    # As words 0 1 1 1 2 2 (places 0, 1-3, 4-5): the number of a word is that of its first piece.
    masked, labels = mask_tokens(ids, may, numbers, 4, np.arange(5, 20), word_starts=np.array([0, 1, 1, 1, 4, 4]))
    assert labels.tolist() == [-100, 6, 7, 8, -100, -100]


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(3, 30), min_size=1, max_size=8), multiple=st.sampled_from([None, 8]))
def test_padded_and_flattened_batches_hold_the_same_rows(lengths, multiple):
    tokenizer = wordpiece_from_vocab([*SPECIALS, *(f"w{i}" for i in range(1000))])
    rows = [random_rows(1, seed, length, length + 1)[0] for seed, length in enumerate(lengths)]
    for row in rows:
        row |= {"weight": len(row["input_ids"]) / 2, "length": len(row["input_ids"])}
    flat = DataCollatorForPretraining(tokenizer, flatten=True)(rows)
    pads = DataCollatorForPretraining(tokenizer, pad_to_multiple_of=multiple)(rows)
    assert set(pads) == {"input_ids", "attention_mask", "token_type_ids", "labels", "next_sentence_label", "weight"}
    longest = max(lengths)
    assert pads["input_ids"].shape == (len(rows), longest if multiple is None else -(-longest // 8) * 8)
    ends = flat["cu_seq_lens_q"]
    assert ends.dtype == torch.int32 and flat["max_length_q"] == flat["max_length_k"] == longest
    assert torch.equal(ends, flat["cu_seq_lens_k"]) and torch.equal(ends.diff(), ends.diff().sort().values)
    order = sorted(range(len(rows)), key=lambda row: lengths[row])  # stable, as the collator's
    for place, row in enumerate(order):
        part = slice(int(ends[place]), int(ends[place + 1]))
        assert flat["position_ids"][0, part].tolist() == list(range(lengths[row]))
        assert flat["next_sentence_label"][place] == pads["next_sentence_label"][row]
        assert flat["weight"][place] == lengths[row] / 2
        for name in ("input_ids", "token_type_ids", "labels"):
            assert torch.equal(flat[name][0, part], pads[name][row, : lengths[row]])
    is_pad = pads["attention_mask"] == 0
    assert (pads["input_ids"][is_pad] == tokenizer.pad_token_id).all() and (pads["labels"][is_pad] == -100).all()


def test_pads_stand_on_the_side_of_the_tokenizer(tokenizer):
    rows = random_rows(3)
    tokenizer = wordpiece_from_vocab([*SPECIALS, *(f"w{i}" for i in range(1000))], padding_side="left")
    batch = DataCollatorForPretraining(tokenizer)(rows)
    expected = tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])


def test_what_is_missing_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"mlm_probability \(0\) must be above 0"):
        DataCollatorForPretraining(tokenizer, 0)
    with pytest.raises(ValueError, match=r"needs the column 'word_ids': build_examples\(..., whole_words=True\)"):
        DataCollatorForPretraining(tokenizer, whole_words=True)(random_rows(2))
    bare = wordpiece_from_vocab([*SPECIALS, "w"])
    bare.mask_token = None
    with pytest.raises(ValueError, match="the tokenizer has no mask_token"):
        DataCollatorForPretraining(bare)

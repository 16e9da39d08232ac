"""Windows for language models: every token predicted once, by what precedes it in its own document."""

import pytest
import torch
from datasets import Dataset, IterableDataset
from torch.testing import assert_close
from transformers import DataCollatorWithFlattening
from transformers.trainer_utils import EvalPrediction

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.data import DataCollatorForCausalLM, build_causal_examples
from modeling_minibert.data.causal_examples import cut
from modeling_minibert.evaluation import count_next, language_modeling_scores
from tokenization import train_tokenizer

ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[END]"}
TEXTS = ["abcab", "b", "cabcabcabc", "aa bb cc"]
TOKENIZER = train_tokenizer(TEXTS * 2, kind="character", wrap=False, special_tokens=ROLES, show_progress=False)


def windows(max_length, **options):
    documents = Dataset.from_dict({"text": TEXTS})
    return build_causal_examples(documents, TOKENIZER, max_length, **options)["input_ids"]


def stream(text):
    end = TOKENIZER.eos_token_id
    return [end, *TOKENIZER(text)["input_ids"], end]


@pytest.mark.lecture("S5-74")
@pytest.mark.parametrize("max_length", [2, 3, 7, 100])
def test_every_token_is_predicted_once_and_none_across_documents(max_length):
    """Row 74: the lectures' windows ran from one poem line into the next, and knew no end."""
    found = windows(max_length)
    assert all(2 <= len(window) <= max_length for window in found)
    predicted = [pair for window in found for pair in zip(window, window[1:], strict=False)]
    wanted = [pair for text in TEXTS for pair in zip(stream(text), stream(text)[1:], strict=False)]
    assert predicted == wanted


def test_windows_may_run_across_documents_and_are_full_then():
    found = windows(5, cross_documents=True)
    assert [len(window) for window in found[:-1]] == [5] * (len(found) - 1)
    joined = found[0] + [token for window in found[1:] for token in window[1:]]
    assert joined == [token for text in TEXTS for token in stream(text)]


def test_documents_begin_with_the_start_token_where_there_is_one():
    roles = {**ROLES, "bos_token": "[START]"}
    tokenizer = train_tokenizer(TEXTS * 2, kind="character", wrap=False, special_tokens=roles, show_progress=False)
    (window,) = build_causal_examples(Dataset.from_dict({"text": ["ab"]}), tokenizer, 9)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(window) == ["[START]", "a", "b", "[END]"]


def test_streams_give_the_same_windows():
    documents = IterableDataset.from_generator(lambda: ({"text": text} for text in TEXTS))
    assert [row["input_ids"] for row in build_causal_examples(documents, TOKENIZER, 4)] == windows(4)


def test_labels_and_positions_are_those_of_transformers_collator():
    rows = [{"input_ids": list(window)} for window in cut(list(range(5, 22)), 7)]
    rows.sort(key=lambda row: len(row["input_ids"]))  # ours lays short rows first
    ours = DataCollatorForCausalLM()(rows)
    theirs = DataCollatorWithFlattening(return_flash_attn_kwargs=True)(rows)
    for name in ("input_ids", "labels", "position_ids", "cu_seq_lens_q"):
        assert torch.equal(ours[name], theirs[name]), name


def test_refusals_name_what_is_missing():
    documents = Dataset.from_dict({"text": TEXTS})
    with pytest.raises(ValueError, match=r"max_length \(1\) must be at least 2"):
        build_causal_examples(documents, TOKENIZER, 1)
    with pytest.raises(ValueError, match="the tokenizer has no eos_token"):
        build_causal_examples(documents, train_tokenizer(TEXTS * 2, show_progress=False, min_frequency=1), 8)
    with pytest.raises(ValueError, match=r"several splits \['train'\]"):
        build_causal_examples({"train": documents}, TOKENIZER, 8)


def test_scores_of_batches_add_up_to_the_loss_of_all_tokens():
    """Two batches of unequal size: the mean of their losses would be another number."""
    config = MiniGPTConfig(vocab_size=len(TOKENIZER), hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
                           intermediate_size=20, initializer_range=0.5)  # fmt: skip
    model = MiniGPTForCausalLM(config).eval()
    rows, collate = [{"input_ids": window} for window in windows(6)], DataCollatorForCausalLM()
    counts = []
    for part in (rows[:1], rows[1:]):
        batch = collate(part)
        counts.append(count_next(model(**batch).logits, batch["labels"]))
    scores = language_modeling_scores(EvalPrediction(torch.cat(counts).detach().numpy(), None))
    whole = collate(rows)
    logits = model(**whole).logits
    assert_close(torch.tensor(scores["clm_loss"]), model(**whole).loss.detach(), rtol=0, atol=1e-5, check_dtype=False)
    assert_close(scores["perplexity"], float(torch.tensor(scores["clm_loss"]).exp()), rtol=1e-5, atol=0)
    wanted = whole["labels"][0, 1:]
    right = (logits[0, :-1].argmax(-1) == wanted)[wanted != -100]
    assert scores["next_token_accuracy"] == pytest.approx(right.float().mean().item())

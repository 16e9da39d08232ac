"""The sequences that a GPT reads for each task: as drawn in Radford et al. 2018, figure 1, and within the length."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.testing import assert_close
from transformers import (
    AutoTokenizer,
    DataCollatorForMultipleChoice,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedTokenizerFast,
    pipeline,
)

from modeling_minibert import MiniGPTConfig, MiniGPTForMultipleChoice, MiniGPTForSequenceClassification
from modeling_minibert.data import (
    add_task_tokens,
    classification_inputs,
    entailment_inputs,
    multiple_choice_inputs,
    similarity_inputs,
)
from tokenization import save_tokenizer, train_tokenizer

WORDS = "the cat sat on a mat dogs bark at night because of moon".split()
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}


def word_tokenizer():
    """Of a causal language model: it has a start token, but writes no special tokens."""
    options = {"kind": "wordlevel", "vocab_size": 16, "min_frequency": 1, "show_progress": False, "wrap": False}
    return train_tokenizer([" ".join(WORDS)], special_tokens=SPECIAL, padding_side="left", **options)


def small_model(model_class, vocab_size, **options):
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 20}
    config = MiniGPTConfig(vocab_size=vocab_size, max_position_embeddings=24, pad_token_id=0, **sizes, **options)
    model = model_class(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model


@pytest.fixture
def tokenizer():
    tokenizer = word_tokenizer()
    add_task_tokens(tokenizer, small_model(MiniGPTForSequenceClassification, len(tokenizer)))
    return tokenizer


def words(tokenizer, ids):
    return " ".join(tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.lecture("S5-61")
def test_the_four_tasks_as_in_figure_1(tokenizer):
    one = classification_inputs(["the cat sat"], tokenizer, 20)["input_ids"]
    assert [words(tokenizer, ids) for ids in one] == ["[END] the cat sat [EXTRACT]"]
    pair = entailment_inputs(["the cat sat"], ["dogs bark"], tokenizer, 20)["input_ids"]
    assert [words(tokenizer, ids) for ids in pair] == ["[END] the cat sat [DELIMITER] dogs bark [EXTRACT]"]
    (orders,) = similarity_inputs(["the cat"], ["dogs bark"], tokenizer, 20)["input_ids"]
    assert [words(tokenizer, ids) for ids in orders] == [
        "[END] the cat [DELIMITER] dogs bark [EXTRACT]",
        "[END] dogs bark [DELIMITER] the cat [EXTRACT]",
    ]
    rows = multiple_choice_inputs(["the cat sat", "dogs"], [["on", "a mat"], ["bark", "sat"]], tokenizer, 20)
    assert [[words(tokenizer, ids) for ids in row] for row in rows["input_ids"]] == [
        ["[END] the cat sat [DELIMITER] on [EXTRACT]", "[END] the cat sat [DELIMITER] a mat [EXTRACT]"],
        ["[END] dogs [DELIMITER] bark [EXTRACT]", "[END] dogs [DELIMITER] sat [EXTRACT]"],
    ]


def test_truncation_cuts_text_and_no_task_token(tokenizer):
    (ids,) = classification_inputs(["the cat sat on a mat"], tokenizer, 5)["input_ids"]
    assert words(tokenizer, ids) == "[END] the cat sat [EXTRACT]"
    (ids,) = entailment_inputs(["the cat sat on a mat"], ["dogs bark"], tokenizer, 8)["input_ids"]
    assert words(tokenizer, ids) == "[END] the cat sat [DELIMITER] dogs bark [EXTRACT]"  # from the longer one
    (ids,) = entailment_inputs(["the"], ["cat sat on a mat"], tokenizer, 5)["input_ids"]
    assert words(tokenizer, ids) == "[END] the [DELIMITER] cat [EXTRACT]"
    tokenizer.truncation_side = "left"
    (ids,) = classification_inputs(["the cat sat on a mat"], tokenizer, 5)["input_ids"]
    assert words(tokenizer, ids) == "[END] on a mat [EXTRACT]"


def test_what_is_missing_is_added_once_and_the_embeddings_grow():
    tokenizer = word_tokenizer()
    model = small_model(MiniGPTForSequenceClassification, len(tokenizer))
    before = model.get_input_embeddings().weight.detach().clone()
    assert add_task_tokens(tokenizer, model) == ["[DELIMITER]", "[EXTRACT]"]  # it has a start token
    assert model.config.vocab_size == len(tokenizer) == len(before) + 2
    assert torch.equal(model.get_input_embeddings().weight[: len(before)], before)
    assert add_task_tokens(tokenizer, model) == []
    assert model.config.vocab_size == len(before) + 2
    # A run that is resumed has the tokenizer of its checkpoint, and a model as it was before.
    model = small_model(MiniGPTForSequenceClassification, len(before))
    assert add_task_tokens(tokenizer, model) == [] and model.config.vocab_size == len(before) + 2
    # A matrix that is longer than the vocabulary, as many checkpoints have it, is not cut.
    model = small_model(MiniGPTForSequenceClassification, 40)
    add_task_tokens(tokenizer, model)
    assert model.config.vocab_size == 40


def test_a_stock_gpt2_and_a_tokenizer_without_any_special_token():
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    model = GPT2ForSequenceClassification(
        GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    )
    assert add_task_tokens(tokenizer, model) == ["[START]", "[DELIMITER]", "[EXTRACT]"]
    (ids,) = entailment_inputs(["cat"], ["mat"], tokenizer, 20)["input_ids"]
    assert [words(tokenizer, [ids[place]]) for place in (0, -1)] == ["[START]", "[EXTRACT]"]
    assert ids.count(tokenizer.sep_token_id) == 1
    model.config.pad_token_id = tokenizer.bos_token_id
    assert model(torch.tensor([ids])).logits.isfinite().all()


def test_a_pipeline_on_the_saved_folder_writes_the_same_sequence(tmp_path):
    tokenizer = word_tokenizer()
    model = small_model(MiniGPTForSequenceClassification, len(tokenizer), num_labels=3)
    add_task_tokens(tokenizer, model)
    model.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    (ids,) = entailment_inputs(["the cat sat"], ["dogs bark"], tokenizer, 20)["input_ids"]
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("the cat sat", "dogs bark")["input_ids"] == ids
    expected = model(torch.tensor([ids])).logits.softmax(-1)[0]
    answer = pipeline("text-classification", str(tmp_path))({"text": "the cat sat", "text_pair": "dogs bark"})
    assert answer["score"] == pytest.approx(expected.max().item(), abs=1e-6)


@pytest.mark.lecture("S5-61")
@pytest.mark.parametrize("implementation", ["sdpa", "packed"])
def test_similarity_is_the_same_both_ways_and_adds_the_representations(tokenizer, implementation):
    model = small_model(
        MiniGPTForSequenceClassification, len(tokenizer), num_labels=2, attn_implementation=implementation
    )
    # The third pair is cut to an odd number of tokens, so that its texts cannot have equal shares.
    first = ["the cat", "a mat", "the cat sat on a mat"]
    second = ["dogs bark at night", "moon", "dogs bark at night because of"]
    collator = DataCollatorForMultipleChoice(tokenizer)

    def batch(left, right):
        columns = similarity_inputs(left, right, tokenizer, 10)["input_ids"]
        return collator([{"input_ids": orders, "label": 1} for orders in columns])

    there, back = batch(first, second), batch(second, first)
    assert there["input_ids"].shape == (3, 2, 10) and not torch.equal(there["input_ids"], back["input_ids"])
    logits = model(**there).logits
    assert_close(logits, model(**back).logits, atol=1e-5, rtol=0)
    # Each order for itself, without pads: a linear layer of a sum is the sum of the linear layers.
    for row, orders in enumerate(similarity_inputs(first, second, tokenizer, 10)["input_ids"]):
        by_hand = sum(model(torch.tensor([ids])).logits for ids in orders)
        assert_close(logits[row], by_hand[0], atol=1e-5, rtol=0)
    assert not torch.allclose(model(there["input_ids"][:, 0], there["attention_mask"][:, 0]).logits, logits)


@pytest.mark.lecture("S5-61")
def test_the_extract_token_is_read_on_either_side_of_the_pads(tokenizer):
    model = small_model(MiniGPTForMultipleChoice, len(tokenizer))
    columns = multiple_choice_inputs(
        ["the cat sat on", "dogs"], [["a mat", "moon"], ["bark at night", "sat"]], tokenizer, 24
    )["input_ids"]
    scores = []
    for side in ("left", "right"):
        tokenizer.padding_side = side
        batch = DataCollatorForMultipleChoice(tokenizer)([{"input_ids": ids, "label": 0} for ids in columns])
        assert (batch["input_ids"][1, 1, 0 if side == "left" else -1]) == tokenizer.pad_token_id
        scores.append(model(**batch).logits)
    assert_close(scores[0], scores[1], atol=1e-5, rtol=0)
    for row, choices in enumerate(columns):
        for choice, ids in enumerate(choices):
            hidden = model.minigpt(torch.tensor([ids])).last_hidden_state[0, -1]
            assert ids[-1] == tokenizer.cls_token_id
            assert_close(scores[0][row, choice], model.score(hidden)[0], atol=1e-5, rtol=0)


def test_errors_name_the_numbers(tokenizer):
    with pytest.raises(ValueError, match=r"max_length \(2\) must be at least 3: 2 task tokens"):
        classification_inputs(["the cat"], tokenizer, 2)
    with pytest.raises(ValueError, match=r"max_length \(4\) must be at least 5: 3 task tokens"):
        similarity_inputs(["the"], ["cat"], tokenizer, 4)
    with pytest.raises(ValueError, match="2 and 1 rows"):
        entailment_inputs(["the", "a"], ["cat"], tokenizer, 9)
    with pytest.raises(ValueError, match="1 and 2 rows"):
        multiple_choice_inputs(["the"], [["a"], ["cat"]], tokenizer, 9)
    with pytest.raises(ValueError, match="row 1 has 3 choices, and row 0 has 2"):
        multiple_choice_inputs(["the", "a"], [["cat", "mat"], ["cat", "mat", "moon"]], tokenizer, 9)
    with pytest.raises(ValueError, match="row 0 has 0 choices"):
        multiple_choice_inputs(["the"], [[]], tokenizer, 9)
    with pytest.raises(ValueError, match="call add_task_tokens before"):
        classification_inputs(["the cat"], word_tokenizer(), 9)

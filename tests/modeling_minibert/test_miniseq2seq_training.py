"""MiniSeq2Seq learns: the labels and the loss, label smoothing in both ways, packing, accumulation, the nine pairs.

The loss is held against `torch.nn.functional.cross_entropy`, what `Trainer` makes of it against one large batch.
"""

import pytest
import torch
from helpers.seq2seq import EXACT, VARIANTS, random_seq2seq, source_batch, target_ids
from torch import nn
from torch.testing import assert_close
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast, Seq2SeqTrainer, Seq2SeqTrainingArguments

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.modeling_miniseq2seq import shift_right

# The parallel corpus of the lectures (S5), as it stands there.
PAIRS = {
    "saya pergi ke depok": "i go to depok",
    "saya pergi dengan mobil": "i go with a car",
    "saya datang ke depok": "i come to depok",
    "kamu pergi dengan motor": "you go with a motorcycle",
    "kamu datang dengan mobil": "you come with a car",
    "saya pergi dan kamu datang": "i go and you come",
    "kamu datang": "you come",
    "saya datang": "i come",
    "kamu pergi ke depok dengan motor": "you go to depok with a motorcycle",
}
PAD, SOS, EOS = 0, 1, 2


def labelled_batch():
    batch = source_batch()
    labels = target_ids()
    labels[0, 5:] = labels[2, 1:] = -100
    return batch | {"labels": labels}


def loss_and_gradients(model, **batch):
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.detach(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def assert_same(result, expected, **close):
    assert_close(result[0], expected[0], **close)
    for name, gradient in expected[1].items():
        assert_close(result[1][name], gradient, msg=name, **close)


@pytest.mark.lecture("S5-20", "S5-25")
def test_the_decoder_reads_the_start_token_and_all_labels_but_the_last():
    labels = torch.tensor([[7, 8, 9, EOS], [5, EOS, -100, -100]])
    assert shift_right(labels, SOS, PAD).tolist() == [[SOS, 7, 8, 9], [SOS, 5, EOS, PAD]]
    assert labels.tolist() == [[7, 8, 9, EOS], [5, EOS, -100, -100]]
    model = random_seq2seq()
    batch = labelled_batch()
    shifted = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    assert_close(model(**batch, decoder_input_ids=shifted).loss, model(**batch).loss, **EXACT)


@pytest.mark.lecture("S5-25")
def test_transformers_collator_pads_the_labels_and_asks_the_model_for_the_shift(word_tokenizer):
    model = random_seq2seq(dtype=torch.float32)
    rows = [{"input_ids": [5, 6, EOS], "labels": [7, EOS]}, {"input_ids": [8, EOS], "labels": [9, 10, EOS]}]
    batch = DataCollatorForSeq2Seq(word_tokenizer, model=model)(rows)
    assert batch["labels"].tolist() == [[7, EOS, -100], [9, 10, EOS]]
    assert batch["decoder_input_ids"].tolist() == [[SOS, 7, EOS], [SOS, 9, 10]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    batch.pop("token_type_ids", None)
    assert model(**batch).loss > 0


@pytest.fixture(scope="module")
def word_tokenizer():
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"[PAD]": PAD, "[SOS]": SOS, "[EOS]": EOS}, unk_token="[PAD]"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.37])
@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_is_torchs_with_its_label_smoothing(smoothing, bias):
    """While training without ever holding the logits, with gradients; and from the logits where they are asked."""
    model = random_seq2seq(label_smoothing=smoothing, output_bias=bias).train()
    batch = labelled_batch()
    logits = model(**batch, return_logits=True).logits
    torch_loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), label_smoothing=smoothing)
    model.zero_grad()
    torch_loss.backward()
    expected = torch_loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}
    fast = {"num_items_in_batch": batch["labels"].ne(-100).sum()}  # as `Trainer` gives it
    assert model(**batch, **fast).logits is None
    assert_same(loss_and_gradients(model, **batch, **fast), expected, **EXACT)
    assert_same(loss_and_gradients(model, **batch), expected, **EXACT)
    model.eval()  # measured without
    plain = nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
    assert_close(model(**batch).loss, plain, **EXACT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_training_has_the_loss_and_the_gradients_of_the_padded_one(variant):
    results = []
    for implementation in ("eager", "sdpa", "packed"):
        model = random_seq2seq(attn_implementation=implementation, **VARIANTS[variant]).train()
        torch.manual_seed(0)
        results.append(loss_and_gradients(model, **labelled_batch()))
    assert_same(results[1], results[0], **EXACT)
    assert_same(results[2], results[0], **EXACT)
    assert max(gradient.abs().max() for gradient in results[0][1].values()) > 0.01


@pytest.mark.parametrize("implementation", ["sdpa", "packed"])
def test_gradient_checkpointing_gives_the_same_gradients(implementation):
    model = random_seq2seq(attn_implementation=implementation, preset="t5", hidden_dropout_prob=0.2).train()
    batch = labelled_batch()
    torch.manual_seed(3)
    expected = loss_and_gradients(model, **batch)
    model.activation_checkpointing_enable()
    torch.manual_seed(3)
    assert_same(loss_and_gradients(model, **batch), expected, **EXACT)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_asking_for_a_cache_in_training_changes_no_gradient(checkpointing):
    model = random_seq2seq(preset="t5").train()
    batch = labelled_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(batch.pop("labels"))
    gradients = []
    for use_cache in (False, True):
        if use_cache and checkpointing:
            model.activation_checkpointing_enable()
        model.zero_grad()
        torch.manual_seed(3)
        model(**batch, decoder_input_ids=decoder_input_ids, use_cache=use_cache).logits.square().mean().backward()
        gradients.append({name: weight.grad.clone() for name, weight in model.named_parameters()})
    assert_close(gradients[1], gradients[0], **EXACT)


def test_half_precision_trains_packed_as_padded():
    """bfloat16 has 8 bits: two orders of summation differ by some 1e-2."""
    results = []
    for implementation in ("sdpa", "packed"):
        model = random_seq2seq(attn_implementation=implementation, dtype=torch.float32).train()
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(model(**labelled_batch()).loss)
    assert results[0].dtype == torch.float32
    assert_close(results[1], results[0], rtol=0, atol=0.05)


def make_rows(count):
    generator = torch.Generator().manual_seed(2)
    lengths = torch.randint(2, 8, (count, 2), generator=generator).tolist()
    draw = [[torch.randint(3, 83, (n,), generator=generator).tolist() for n in pair] for pair in lengths]
    return [{"input_ids": source, "attention_mask": [1] * len(source), "labels": target} for source, target in draw]


def train_one_step(folder, tokenizer, batch_size, **arguments):
    """The weights after one step of plain gradient descent on 32 rows."""
    model = random_seq2seq(dtype=torch.float32)
    options = Seq2SeqTrainingArguments(
        folder, per_device_train_batch_size=batch_size, gradient_accumulation_steps=32 // batch_size, max_steps=1,
        learning_rate=1.0, optim="sgd", max_grad_norm=0.0, use_cpu=True, save_strategy="no", logging_steps=1,
        disable_tqdm=True, lr_scheduler_type="constant", **arguments,
    )  # fmt: skip
    model.config.label_smoothing = 0.0
    collator = DataCollatorForSeq2Seq(tokenizer, model=model)
    trainer = Seq2SeqTrainer(model, options, train_dataset=make_rows(32), data_collator=collator)
    loss = trainer.train().training_loss
    return loss, model


def test_four_times_eight_rows_are_thirty_two(tmp_path, word_tokenizer):
    losses, models = zip(*(train_one_step(tmp_path, word_tokenizer, size) for size in (32, 8)), strict=True)
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert_close(one, other, rtol=0, atol=1e-5)


def test_trainers_label_smoothing_is_that_of_the_configuration(tmp_path, word_tokenizer):
    """Trainer shifts the labels of causal models by class name; ours is none, and its labels are in place."""
    loss, trained = train_one_step(tmp_path, word_tokenizer, 8, label_smoothing_factor=0.3)
    model = random_seq2seq(dtype=torch.float32, label_smoothing=0.3).train()
    batch = DataCollatorForSeq2Seq(word_tokenizer, model=model)(make_rows(32))
    batch.pop("token_type_ids", None)
    expected = model(**batch).loss
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    expected.backward()
    for one, other in zip(model.parameters(), trained.parameters(), strict=True):
        assert_close(one - one.grad, other, rtol=0, atol=1e-5)


def lecture_batch():
    """Word vocabularies by falling frequency, as the lectures make them: [PAD] 0, [SOS] 1, [EOS] 2."""

    def vocabulary(texts):
        words = " ".join(texts).split()
        return {
            word: place + 3 for place, word in enumerate(sorted(dict.fromkeys(words), key=words.count, reverse=True))
        }

    sources, targets = vocabulary(PAIRS), vocabulary(PAIRS.values())
    input_ids = [torch.tensor([SOS, *(sources[w] for w in text.split()), EOS]) for text in PAIRS]
    labels = [torch.tensor([*(targets[w] for w in text.split()), EOS]) for text in PAIRS.values()]
    input_ids = nn.utils.rnn.pad_sequence(input_ids, batch_first=True, padding_value=PAD)
    labels = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
    return sources, targets, {"input_ids": input_ids, "attention_mask": (input_ids != PAD).long(), "labels": labels}


@pytest.mark.lecture("S5-22", "S5-24", "S5-28")
def test_the_nine_pairs_of_the_lectures_are_learned_and_translated():
    sources, targets, batch = lecture_batch()
    # The order of the slides: "saya" and "kamu" stand five times each, "you" and "i" likewise.
    assert list(sources)[:2] == ["saya", "pergi"] and min(targets.values()) == 3
    sizes = {"vocab_size": len(sources) + 3, "decoder_vocab_size": len(targets) + 3}
    config = MiniSeq2SeqConfig.from_preset("lecture", **sizes)
    model = MiniSeq2SeqForConditionalGeneration(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(200):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    words = {number: word for word, number in targets.items()}
    sources_only = {name: batch[name] for name in ("input_ids", "attention_mask")}
    for options in ({}, {"num_beams": 4}):
        written = model.generate(**sources_only, max_length=12, **options)
        texts = [" ".join(words[token] for token in row if token > EOS) for row in written.tolist()]
        assert texts == list(PAIRS.values())
    assert texts[4] == "you come with a car"

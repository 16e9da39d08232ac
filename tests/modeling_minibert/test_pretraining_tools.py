"""The loss meter, the scores of held-out text, masks drawn once, and epochs that are told to those who need them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.packing import build, padded_batch
from sklearn.metrics import accuracy_score, log_loss
from transformers import BertTokenizer, Trainer, TrainingArguments

from modeling_minibert import MiniBertConfig, MiniBertForPreTraining
from modeling_minibert.data import DataCollatorForPretraining, TokenBudgetBatches
from modeling_minibert.evaluation import count_right, pretraining_scores
from modeling_minibert.training import LossMeter, SetEpoch, expected_losses, loss_meter

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [f"kata{number}" for number in range(40)]


@pytest.fixture
def tokenizer():
    return BertTokenizer(vocab={word: index for index, word in enumerate(SPECIAL + WORDS)}, model_max_length=32)


def make_rows(count=30, seed=0):
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        length = int(draw.integers(4, 15))
        rows.append({"input_ids": [2, *draw.integers(5, 45, length).tolist(), 3], "token_type_ids": [0] * (length + 2)})
    return Dataset.from_list(rows)


def test_expected_losses_of_texts_whose_entropies_are_known():
    # Eight words in a fixed circle: all equally frequent, and the next one certain.
    circle = [{"input_ids": [2, *[5 + place % 8 for place in range(800)], 3]}]
    losses = expected_losses(circle, vocab_size=20, special_ids=[2, 3])
    assert losses["uniform"] == pytest.approx(math.log(20))
    assert losses["unigram"] == pytest.approx(math.log(8), abs=1e-12)
    assert losses["bigram"] == pytest.approx(0.0, abs=0.01)  # the last word has nothing behind it
    # Independent words, one three times as frequent: knowing the word before does not help.
    draw = np.random.default_rng(0).choice([5, 6], p=[0.75, 0.25], size=200_000)
    losses = expected_losses([{"input_ids": draw.tolist()}], vocab_size=20, special_ids=[2, 3])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert losses["unigram"] == pytest.approx(entropy, abs=0.005)
    assert losses["bigram"] == pytest.approx(entropy, abs=0.005)


def test_expected_losses_count_no_pair_across_rows():
    rows = [{"input_ids": [2, 5, 3]}, {"input_ids": [2, 6, 3]}, {"input_ids": [2, 5, 6, 3]}]
    losses = expected_losses(rows, vocab_size=20, special_ids=[2, 3])
    assert losses["unigram"] == pytest.approx(math.log(2)) and losses["bigram"] == pytest.approx(0.0)


def test_scores_equal_scikit_learns():
    torch.manual_seed(0)
    batches, logits, labels = [], [], []
    for tokens, pairs in ((13, 2), (9, 3)):
        outputs = (torch.randn(1, tokens, 7), torch.randn(pairs, 2), torch.tensor(1.0))
        wanted = (torch.randint(7, (1, tokens)).masked_fill(torch.rand(1, tokens) < 0.5, -100), torch.arange(pairs) % 2)
        batches.append(count_right(outputs, wanted).numpy())
        logits.append(outputs[:2])
        labels.append(wanted)
    scores = pretraining_scores(SimpleNamespace(predictions=np.concatenate(batches)))
    for place, names in enumerate((("mlm_loss", "masked_accuracy"), ("nsp_loss", "nsp_accuracy"))):
        wanted = torch.cat([label[place].flatten() for label in labels])
        given = torch.cat([logit[place].flatten(0, -2) for logit in logits])[wanted != -100]
        wanted = wanted[wanted != -100]
        probabilities = given.double().softmax(-1)
        expected = log_loss(wanted, probabilities, labels=range(given.shape[-1]))
        assert scores[names[0]] == pytest.approx(expected, abs=1e-5)
        assert scores[names[1]] == pytest.approx(accuracy_score(wanted, given.argmax(-1)))


def test_scores_without_pairs():
    counted = count_right(torch.randn(1, 5, 7), torch.tensor([[1, -100, 3, -100, -100]]))
    scores = pretraining_scores(SimpleNamespace(predictions=counted.numpy()))
    assert set(scores) == {"mlm_loss", "masked_accuracy"}


def test_masks_drawn_once_stay_in_every_epoch(tokenizer):
    collator = DataCollatorForPretraining(tokenizer, mlm_probability=0.3, flatten=True)
    dataset = make_rows()
    frozen = collator.mask_once(dataset)
    batches = []
    for epoch in (0, 1):
        collator.set_epoch(epoch)
        batches.append((collator(list(frozen)), collator(list(dataset))))
    (first, drawn), (second, redrawn) = batches
    assert torch.equal(first["input_ids"], second["input_ids"]) and torch.equal(first["labels"], second["labels"])
    assert torch.equal(first["labels"], drawn["labels"])  # those of epoch 0
    assert not torch.equal(drawn["labels"], redrawn["labels"])


def run_trainer(tokenizer, tmp_path, callbacks, **arguments):
    torch.manual_seed(0)
    sizes = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, intermediate_size=32, vocab_size=45)
    model = MiniBertForPreTraining(MiniBertConfig(**sizes, attn_implementation="packed"))
    collator = DataCollatorForPretraining(tokenizer, flatten=True)
    batches = TokenBudgetBatches(make_rows(), 64)
    settings = {"per_device_train_batch_size": 1, "num_train_epochs": 3, "report_to": "none", "use_cpu": True}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(str(tmp_path), **{**settings, **arguments}),
        train_dataset=batches,
        data_collator=collator,
        callbacks=callbacks(batches, collator),
    )
    return trainer, model


@pytest.mark.lecture("S5-39")
def test_the_collator_is_told_the_epoch(tokenizer, tmp_path):
    seen = []
    trainer, _ = run_trainer(tokenizer, tmp_path, lambda batches, collator: [SetEpoch(batches, collator)])
    collate = trainer.data_collator
    trainer.data_collator = lambda features: seen.append(collate.epoch) or collate(features)
    trainer.train()
    count = len(trainer.train_dataset)
    assert seen == [0] * count + [1] * count + [2] * count


def test_the_meter_reports_the_losses_apart(tokenizer, tmp_path, capsys):
    trainer, model = run_trainer(tokenizer, tmp_path, lambda *_: None, logging_steps=2, gradient_accumulation_steps=2)
    meter = LossMeter(model, {"unigram": 3.7})
    trainer.callback_handler.callbacks.insert(0, meter)
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "loss" in entry]
    for entry in entries:  # without pairs the masked-LM loss is the whole loss
        assert entry["mlm_loss"] == pytest.approx(entry["loss"], abs=2e-3)
        assert entry["tokens_per_second"] > 0
    assert "(unigram 3.70: at its plateau)" in capsys.readouterr().out


def test_tokens_per_second_leave_out_the_time_of_an_evaluation(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(loss_meter, "time", SimpleNamespace(monotonic=lambda: now[0]))
    meter = LossMeter(torch.nn.Linear(1, 1), {"unigram": 3.7})
    state = SimpleNamespace(global_step=0, max_steps=100, epoch=0.0, is_world_process_zero=True, log_history=[{}])
    args = TrainingArguments(max_steps=100, report_to="none")
    meter.on_evaluate(args, state, None, {"eval_runtime": 3.0})  # before any training
    meter.on_train_begin(args, state, None)
    meter.tokens, meter.parts, state.global_step, now[0] = 1000, {"mlm_loss": 9.0}, 2, 10.0
    meter.on_evaluate(args, state, None, {"eval_mlm_loss": 5.0, "eval_runtime": 8.0})
    meter.on_log(args, state, None, {"loss": 4.5})
    assert state.log_history[-1] == {"mlm_loss": 4.5, "tokens_per_second": 500}
    assert "500 tokens/s" in capsys.readouterr().out


@pytest.mark.lecture("S2-23")
def test_a_plain_loop_gives_the_losses_of_trainer(tokenizer, tmp_path):
    """Forward, loss at the masked tokens, backward, clip, step, zero_grad: nothing else is behind Trainer."""
    arguments = {"logging_steps": 1, "lr_scheduler_type": "constant", "learning_rate": 1e-3, "max_steps": 9}
    trainer, _ = run_trainer(tokenizer, tmp_path, lambda *_: None, **arguments)
    for module in trainer.model.modules():  # dropout would draw other numbers in the two runs
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "weight_dropout"):
            module.weight_dropout = 0.0
    start = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    order = []
    collate = trainer.data_collator
    trainer.data_collator = lambda features: order.append(features) or collate(features)
    trainer.train()
    expected = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    model = trainer.model
    model.load_state_dict(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    model.train()
    losses = []
    for features in order[:9]:
        loss = model(**collate(features)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-6)


@pytest.mark.lecture("S2-20", "S5-37")
def test_the_pretraining_loss_is_the_sum_of_its_two_tasks():
    batch = padded_batch(["labels", "next_sentence_label"])
    model = build(MiniBertForPreTraining, "packed").eval()
    outputs = model(**batch)
    masked = torch.nn.functional.cross_entropy(outputs.prediction_logits.flatten(0, 1), batch["labels"].flatten())
    pairs = torch.nn.functional.cross_entropy(outputs.seq_relationship_logits, batch["next_sentence_label"])
    torch.testing.assert_close(outputs.loss, masked + pairs, rtol=0, atol=1e-12)
    torch.testing.assert_close(outputs.masked_lm_loss, masked, rtol=0, atol=1e-12)
    torch.testing.assert_close(outputs.next_sentence_loss, pairs, rtol=0, atol=1e-12)

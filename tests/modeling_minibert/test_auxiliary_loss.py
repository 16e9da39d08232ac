"""L_total = L_supervised + λ · L_unsupervised: the value, the gradients, the counts, and the same run with λ = 0."""

import copy

import pytest
import torch
from helpers.compare import assert_same_outputs, assert_same_weights
from torch.nn.functional import cross_entropy
from torch.testing import assert_close
from transformers import GPT2Config, GPT2ForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForSequenceClassification,
    MiniGPTConfig,
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
)
from modeling_minibert.data import DataCollatorWithPacking
from modeling_minibert.losses import IGNORE_INDEX
from modeling_minibert.training import AuxiliaryLossTrainer, auxiliary_loss
from modeling_minibert.training.auxiliary_loss import UnlabelledBatches

VOCABULARY, WEIGHT = 29, 0.7
HEADS = [MiniGPTForSequenceClassification, MiniGPTForTokenClassification, MiniGPTForMultipleChoice]


def small_config(**options):
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 20}
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    options = {"num_labels": 3, "pad_token_id": 0, "initializer_range": 0.3} | no_dropout | options
    return MiniGPTConfig(vocab_size=VOCABULARY, max_position_embeddings=24, **sizes, **options)


def random_ids(length):
    return torch.randint(1, VOCABULARY, (length,)).tolist()


def rows_for(head, count=8):
    """Rows of unequal lengths, so that a mean of batch means is not the mean of all."""
    rows = []
    for row in range(count):
        length = 2 + 5 * row % 11
        ids, label = random_ids(length), row % 3
        if head is MiniGPTForTokenClassification:
            label = [place % 3 for place in range(length)]
        if head is MiniGPTForMultipleChoice:
            ids, label = [ids, random_ids(length + 1)], row % 2
        rows.append({"input_ids": ids, "labels": label})
    return rows


class Pad:
    """Pads on one side, by hand: (B, L), or (B, choices, L); nested labels with -100."""

    def __init__(self, side="right"):
        self.side = side

    def fill(self, values, length, pad):
        more = [pad] * (length - len(values))
        return more + values if self.side == "left" else values + more

    def __call__(self, rows):
        nested = isinstance(rows[0]["input_ids"][0], list)
        texts = [row["input_ids"] if nested else [row["input_ids"]] for row in rows]
        length = max(len(text) for choices in texts for text in choices)
        ids = torch.tensor([[self.fill(text, length, 0) for text in choices] for choices in texts])
        labels = [row["labels"] for row in rows]
        if isinstance(labels[0], list):
            labels = [self.fill(label, length, IGNORE_INDEX) for label in labels]
        ids = ids if nested else ids[:, 0]
        return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": torch.tensor(labels)}


class KeepGradients(TrainerCallback):
    """The gradients of the first update, before they are used."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {name: value.grad.clone() for name, value in model.named_parameters()}


def train(
    model, rows, folder, trainer_class=AuxiliaryLossTrainer, collator=None, unlabelled=None, weight=WEIGHT, **more
):
    """Train a copy of the model, without clipping; returns the trainer and the gradients of its last update."""
    ours = {"auxiliary_lm_weight": weight, "unlabelled_dataset": unlabelled}
    arguments = {
        "per_device_train_batch_size": 8, "max_steps": 1, "learning_rate": 0.1, "optim": "sgd", "max_grad_norm": 0.0,
        "lr_scheduler_type": "constant", "logging_steps": 1, "report_to": "none", "use_cpu": True,
        "disable_tqdm": True, "save_strategy": "no", "dataloader_pin_memory": False,
    } | more  # fmt: skip
    resume = arguments.pop("resume_from_checkpoint", None)
    keep = KeepGradients()
    trainer = trainer_class(
        model=copy.deepcopy(model),
        args=TrainingArguments(str(folder), **arguments),
        train_dataset=rows,
        data_collator=collator or Pad(),
        callbacks=[keep],
        **(ours if trainer_class is AuxiliaryLossTrainer else {}),
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer, keep.gradients


def next_token_loss(model, texts):
    """Text by text, without pads, with torch alone."""
    weight = model.get_input_embeddings().weight
    losses = []
    for ids in texts:
        hidden = model.base_model(input_ids=torch.tensor([ids]))[0][0]
        losses.append(cross_entropy(hidden[:-1] @ weight.T, torch.tensor(ids[1:]), reduction="none"))
    return torch.cat(losses).mean()


def by_hand(model, rows, texts, collator=None):
    """Both losses and the gradients of their sum."""
    model = copy.deepcopy(model).train()
    supervised = model(**(collator or Pad())(rows)).loss
    unsupervised = next_token_loss(model, texts)
    (supervised + WEIGHT * unsupervised).backward()
    return supervised, unsupervised, {name: value.grad for name, value in model.named_parameters()}


def texts_of(rows):
    return [ids for row in rows for ids in (row["input_ids"] if isinstance(row["input_ids"][0], list)
                                            else [row["input_ids"]])]  # fmt: skip


def assert_logged(trainer, supervised, unsupervised):
    entry = trainer.state.log_history[0]
    assert entry["supervised_loss"] == pytest.approx(supervised.item(), rel=1e-5)
    assert entry["lm_loss"] == pytest.approx(unsupervised.item(), rel=1e-5)
    assert entry["loss"] == pytest.approx((supervised + WEIGHT * unsupervised).item(), rel=1e-5)


def assert_same_gradients(gradients, expected):
    assert gradients.keys() == expected.keys()
    for name, value in expected.items():
        # float32 sums in another order; gradients are of the size of 1.
        assert_close(gradients[name], value, atol=2e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.lecture("S5-61", "S5-62")
@pytest.mark.parametrize("head, side", [(HEADS[0], "right"), *((head, "left") for head in HEADS)])
def test_the_total_and_its_gradients_are_those_of_the_formula(head, side, tmp_path):
    model, rows = head(small_config()), rows_for(head)
    supervised, unsupervised, expected = by_hand(model, rows, texts_of(rows))
    trainer, gradients = train(model, rows, tmp_path, collator=Pad(side))
    assert_logged(trainer, supervised, unsupervised)
    assert_same_gradients(gradients, expected)


@pytest.mark.parametrize("implementation", ["packed", "sdpa"])
def test_packed_batches_give_the_same(implementation, tmp_path):
    rows = rows_for(MiniGPTForSequenceClassification)
    model = MiniGPTForSequenceClassification(small_config(attn_implementation=implementation))
    supervised, unsupervised, expected = by_hand(model, rows, texts_of(rows))
    trainer, gradients = train(model, rows, tmp_path, collator=DataCollatorWithPacking())
    assert_logged(trainer, supervised, unsupervised)
    assert_same_gradients(gradients, expected)


@pytest.mark.parametrize("head", HEADS)
def test_unlabelled_text_takes_the_place_of_the_labelled(head, tmp_path):
    model, rows = head(small_config()), rows_for(head)
    texts = [random_ids(length) for length in (4, 13, 2, 7, 9, 3, 5, 11)]
    supervised, unsupervised, expected = by_hand(model, rows, texts)
    trainer, gradients = train(model, rows, tmp_path, unlabelled=[{"input_ids": text} for text in texts])
    assert_logged(trainer, supervised, unsupervised)
    assert_same_gradients(gradients, expected)


@pytest.mark.parametrize("unlabelled", [False, True])
def test_four_batches_of_two_are_one_of_eight(unlabelled, tmp_path):
    """Each loss has a count of its own: 8 texts, and as many tokens as they have."""
    model, rows = MiniGPTForSequenceClassification(small_config()), rows_for(MiniGPTForSequenceClassification)
    texts = [{"input_ids": random_ids(length)} for length in (4, 13, 2, 7, 9, 3, 5, 11)] if unlabelled else None
    whole, expected = train(model, rows, tmp_path / "8", unlabelled=texts)
    parts, gradients = train(
        model, rows, tmp_path / "2", unlabelled=texts, per_device_train_batch_size=2, gradient_accumulation_steps=4
    )
    assert_same_gradients(gradients, expected)
    for name in ("loss", "supervised_loss", "lm_loss"):
        assert parts.state.log_history[0][name] == pytest.approx(whole.state.log_history[0][name], rel=1e-5)


@pytest.mark.lecture("S5-62")
def test_without_weight_it_is_a_plain_trainer_bit_for_bit(tmp_path, monkeypatch):
    """With dropout: not one random number more is drawn, and nothing of the second loss is computed."""
    model = MiniGPTForSequenceClassification(small_config(hidden_dropout_prob=0.2, classifier_dropout=0.3))
    rows, options = rows_for(MiniGPTForSequenceClassification), {"max_steps": 5, "per_device_train_batch_size": 3}
    plain, expected = train(model, rows, tmp_path / "plain", trainer_class=Trainer, **options)
    for name in ("vocabulary_loss", "next_token_targets", "tied_decoder"):
        monkeypatch.delattr(auxiliary_loss, name)
    unlabelled = [{"input_ids": [1, 2, 3]}]
    zero, gradients = train(model, rows, tmp_path / "zero", weight=0.0, unlabelled=unlabelled, **options)
    assert_same_outputs(list(gradients.values()), list(expected.values()))
    losses = [[entry["loss"] for entry in run.state.log_history if "loss" in entry] for run in (zero, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert not any("lm_loss" in entry for entry in zero.state.log_history)
    assert_same_weights(zero.model, plain.model)


def test_a_language_model_starts_with_the_loss_that_it_had(tmp_path):
    """The vocabulary is scored as in pretraining, and evaluation gives the loss of the task alone."""
    causal = MiniGPTForCausalLM(small_config())
    model = MiniGPTForSequenceClassification(small_config())
    model.minigpt.load_state_dict(causal.minigpt.state_dict())
    rows = rows_for(MiniGPTForSequenceClassification)
    trainer, _ = train(model, rows, tmp_path, learning_rate=0.0)
    batch = Pad()(rows)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORE_INDEX)
    pretraining = causal(batch["input_ids"], batch["attention_mask"], labels=labels).loss
    assert trainer.state.log_history[0]["lm_loss"] == pytest.approx(pretraining.item(), rel=1e-5)
    scores = trainer.evaluate(rows)
    assert scores["eval_loss"] == pytest.approx(model.eval()(**batch).loss.item(), rel=1e-5)
    assert trainer.predict(rows).predictions.shape == (8, 3)


def test_a_stock_gpt2_takes_it_too(tmp_path):
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=12, n_layer=1, n_head=2, n_positions=24, num_labels=3, pad_token_id=0,
        bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model, rows = GPT2ForSequenceClassification(config), rows_for(MiniGPTForSequenceClassification)
    supervised, unsupervised, expected = by_hand(model, rows, texts_of(rows))
    trainer, gradients = train(model, rows, tmp_path)
    assert_logged(trainer, supervised, unsupervised)
    assert_same_gradients(gradients, expected)


def test_a_resumed_run_sees_the_unlabelled_rows_that_come_next(tmp_path):
    model = MiniGPTForSequenceClassification(small_config(hidden_dropout_prob=0.2))
    rows = rows_for(MiniGPTForSequenceClassification)
    options = {
        "unlabelled": [{"input_ids": random_ids(length)} for length in (4, 13, 2, 7, 9)],
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "max_steps": 6, "save_steps": 3,
        "save_strategy": "steps", "optim": "adamw_torch",
    }  # fmt: skip
    straight, _ = train(model, rows, tmp_path, **options)
    resumed, _ = train(model, rows, tmp_path, **options, resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert_same_weights(resumed.model, straight.model)
    last = [entry for entry in straight.state.log_history if "lm_loss" in entry][-3:]
    again = [entry for entry in resumed.state.log_history if "lm_loss" in entry][-3:]
    assert [entry["lm_loss"] for entry in again] == pytest.approx([entry["lm_loss"] for entry in last], rel=1e-5)


def test_every_pass_over_the_unlabelled_rows_has_each_once_in_an_order_of_its_own():
    batches = UnlabelledBatches([{"input_ids": [row + 1, 0]} for row in range(21)], batch_size=3, seed=5)
    firsts = [id_ for index in range(14) for id_ in batches[index]["input_ids"][0, ::2].tolist()]
    assert sorted(firsts[:21]) == sorted(firsts[21:]) == list(range(1, 22))
    assert firsts[:21] != firsts[21:]
    assert torch.equal(batches[2]["input_ids"], batches[2]["input_ids"])


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match=rf"auxiliary_lm_weight \({weight}\) must be 0 or above"):
        AuxiliaryLossTrainer(auxiliary_lm_weight=weight)


def test_models_without_a_language_model_below_are_refused(tmp_path):
    rows = rows_for(MiniGPTForSequenceClassification)
    sizes = {"hidden_size": 12, "num_attention_heads": 3, "num_hidden_layers": 1, "intermediate_size": 20}
    encoder = MiniBertForSequenceClassification(MiniBertConfig(vocab_size=VOCABULARY, **sizes))
    with pytest.raises(ValueError, match="MiniBertForSequenceClassification reads both ways"):
        train(encoder, rows, tmp_path)
    untied = MiniGPTForSequenceClassification(small_config(tie_word_embeddings=False))
    with pytest.raises(ValueError, match="tie_word_embeddings=False"):
        train(untied, rows, tmp_path)
    with pytest.raises(ValueError, match="unlabelled_dataset has no rows"):
        train(MiniGPTForSequenceClassification(small_config()), rows, tmp_path, unlabelled=[])

"""Training in phases: what is frozen stays as it is to the last bit, and a run is the two runs that it stands for."""

import copy

import pytest
import torch
import transformers
from helpers.compare import assert_same_weights
from transformers import Trainer, TrainerCallback, TrainingArguments

import modeling_minibert
from modeling_minibert.training import PhasedTrainer, Unfreezing, UnfreezingArguments, layer_groups

SIZES = {"vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT = SIZES | {"intermediate_size": 20, "max_position_embeddings": 16, "num_labels": 3}
GPT2 = {
    "vocab_size": 31,
    "n_embd": 12,
    "n_layer": 3,
    "n_head": 2,
    "n_positions": 16,
    "num_labels": 3,
    "pad_token_id": 0,
}


def stock_bert(**fields):
    return transformers.BertForSequenceClassification(transformers.BertConfig(**BERT | fields))


def ours(**fields):
    config = modeling_minibert.MiniBertConfig(**BERT | fields)
    model = modeling_minibert.MiniBertForSequenceClassification(config)
    model.set_attn_implementation("packed")
    return model


def rows(count=20):
    """Texts of 3 to 9 tokens."""
    draw = torch.Generator().manual_seed(5)
    lengths = torch.randint(3, 10, (count,), generator=draw).tolist()
    return [{"input_ids": torch.randint(1, 31, (n,), generator=draw), "labels": n % 3} for n in lengths]


def collate(batch):
    ids = torch.nn.utils.rnn.pad_sequence([row["input_ids"] for row in batch], batch_first=True)
    labels = torch.tensor([row["labels"] for row in batch])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": labels}


def make_trainer(model, folder, unfreezing=None, trainer_class=PhasedTrainer, **options):
    """20 rows in batches of 4: 5 updates an epoch."""
    given = {"num_train_epochs": 4, "learning_rate": 2e-5, "weight_decay": 0.5, "per_device_train_batch_size": 4}
    given |= {"save_strategy": "no", "logging_steps": 1, "use_cpu": True, "disable_tqdm": True, "seed": 3}
    args = TrainingArguments(str(folder), **given | options)
    kwargs = {} if unfreezing is None else {"unfreezing": unfreezing}
    data = {"train_dataset": rows(), "eval_dataset": rows(4), "data_collator": collate}
    return trainer_class(model=model, args=args, **data, **kwargs)


class Record(TrainerCallback):
    """The weights before each update, and which of them are trained."""

    def __init__(self):
        self.weights, self.trained = [], []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.weights.append(copy.deepcopy(model.state_dict()))
        self.trained.append({name for name, weight in model.named_parameters() if weight.grad is not None})


PARTS = {
    "BertForSequenceClassification": (
        transformers.BertConfig(**BERT),
        [("bert.pooler.", "classifier."), *((f"bert.encoder.layer.{n}.",) for n in (2, 1, 0)), ("bert.embeddings.",)],
    ),
    "DistilBertForMaskedLM": (  # its decoder is the word embeddings
        transformers.DistilBertConfig(vocab_size=31, dim=12, n_layers=2, n_heads=2, hidden_dim=20),
        [
            ("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
            *((f"distilbert.transformer.layer.{n}.",) for n in (1, 0)),
            ("distilbert.embeddings.",),
        ],
    ),
    "GPT2ForSequenceClassification": (
        transformers.GPT2Config(**GPT2),
        [
            ("score.",),
            ("transformer.h.2.", "transformer.ln_f."),
            *((f"transformer.h.{n}.",) for n in (1, 0)),
            ("transformer.wte.", "transformer.wpe."),
        ],
    ),
    "AlbertForSequenceClassification": (  # three times the same layer
        transformers.AlbertConfig(**BERT, embedding_size=8),
        [("albert.pooler.", "classifier."), ("albert.embeddings.", "albert.encoder.")],
    ),
    "MiniBertForSequenceClassification": (
        modeling_minibert.MiniBertConfig(**BERT, norm_position="pre", classifier_pooling="mean"),
        [
            ("classifier.",),
            ("minibert.layers.2.", "minibert.final_norm."),
            *((f"minibert.layers.{n}.",) for n in (1, 0)),
            ("minibert.embeddings.",),
        ],
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_every_weight_is_in_one_group_from_the_head_down_to_the_embeddings(name):
    config, expected = PARTS[name]
    model = (getattr(transformers, name, None) or getattr(modeling_minibert, name))(config)
    groups = layer_groups(model)
    assert len(groups) == len(expected)
    for group, prefixes in zip(groups, expected, strict=True):
        assert group.parameters and all(weight.startswith(prefixes) for weight in group.parameters), group.name
    names = [weight for group in groups for weight in group.parameters]
    assert sorted(names) == sorted(weight for weight, _ in model.named_parameters())
    assert sum(group.size for group in groups) == sum(weight.numel() for weight in model.parameters())


def test_an_encoder_without_a_head_is_refused():
    with pytest.raises(ValueError, match="GPT2Model has no weights on top of its encoder.*AutoModelForSequence"):
        layer_groups(transformers.GPT2Model(transformers.GPT2Config(**GPT2)))


@pytest.mark.lecture("S4-15")
@pytest.mark.parametrize("build", [stock_bert, ours])
def test_the_encoder_is_bit_identical_after_phase_one_and_trained_in_phase_two(build, tmp_path, capsys):
    model, record = build(), Record()
    before = copy.deepcopy(model.state_dict())
    trainer = make_trainer(model, tmp_path, UnfreezingArguments(freeze_epochs=2), warmup_steps=0.2)
    trainer.add_callback(record)
    trainer.train()
    head = {name for name in before if "classifier" in name or "pooler" in name}
    encoder = set(before) - head
    weights = {name for name, _ in model.named_parameters()}
    for weights_then, trained in zip(record.weights[:10], record.trained[:10], strict=True):
        assert trained == head
        assert_same_weights(weights_then, before, encoder)
    assert all(trained == weights for trained in record.trained[10:])
    assert_same_weights(record.weights[10], before, encoder)  # the first update of phase two has not been made yet
    assert not any(torch.equal(record.weights[10][name], before[name]) for name in head)
    assert not any(torch.equal(model.state_dict()[name], before[name]) for name in weights)
    # Each phase: 10 updates, of which 2 are warm-up, then down to 0 in a line.
    curve = [0, 1 / 2, *((10 - step) / 8 for step in range(2, 10))]
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert rates == pytest.approx([1e-3 * share for share in curve] + [2e-5 * share for share in curve], rel=1e-9)
    said = [line for line in capsys.readouterr().out.splitlines() if "training" in line]
    size = sum(model.get_parameter(name).numel() for name in head)
    total = model.num_parameters()
    assert said == [
        f"step 0/20   training head: {size:,} weights, {total - size:,} frozen",
        f"step 10/20   training head to embeddings: {total:,} weights, 0 frozen",
    ]
    assert all(weight.requires_grad for weight in model.parameters())


def test_phase_one_is_the_run_of_a_plain_trainer_on_a_frozen_encoder(tmp_path):
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = stock_bert(**no_dropout)
    by_hand, record = copy.deepcopy(model), Record()
    for name, weight in by_hand.bert.named_parameters():
        weight.requires_grad_("pooler" in name)
    trainer = make_trainer(model, tmp_path / "a", UnfreezingArguments(freeze_epochs=3), num_train_epochs=5)
    trainer.add_callback(record)
    trainer.train()
    options = {"learning_rate": 1e-3, "num_train_epochs": 3}
    make_trainer(by_hand, tmp_path / "b", trainer_class=Trainer, **options).train()
    assert_same_weights(record.weights[15], by_hand.state_dict())


@pytest.mark.slow
def test_a_run_resumed_in_either_phase_ends_with_the_same_weights(tmp_path):
    plan = UnfreezingArguments(freeze_epochs=1, unfreeze_every=0.8, layer_lr_decay=0.7)
    start = ours()
    options = {"save_strategy": "steps", "save_steps": 3, "warmup_steps": 0.3}
    straight = make_trainer(copy.deepcopy(start), tmp_path, plan, **options)
    straight.train()
    for step in (3, 12):  # the head alone; two layers more
        resumed = make_trainer(copy.deepcopy(start), tmp_path, plan, **options)
        resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
        assert_same_weights(resumed.model.state_dict(), straight.model.state_dict())


def test_gradual_unfreezing_opens_one_layer_per_epoch_from_the_top(tmp_path):
    model, record = stock_bert(), Record()
    plan = UnfreezingArguments(freeze_epochs=1, unfreeze_every=1)
    trainer = make_trainer(model, tmp_path, plan, num_train_epochs=6)
    trainer.add_callback(record)
    trainer.train()
    opened = ["classifier", "pooler"]
    for epoch, part in enumerate([None, "layer.2.", "layer.1.", "layer.0.", "embeddings.", None]):
        opened += [part] if part else []
        expected = {name for name, _ in model.named_parameters() if any(part in name for part in opened)}
        assert record.trained[5 * epoch : 5 * epoch + 5] == [expected] * 5, epoch


def test_each_layer_moves_by_one_factor_less_than_the_one_above(tmp_path):
    """Of plain gradient descent one update is the rate times the gradient."""
    options = {"optim": "sgd", "lr_scheduler_type": "constant", "learning_rate": 10.0, "weight_decay": 0.0}
    options |= {"max_grad_norm": 0.0, "max_steps": 1}
    start = stock_bert(initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    moves = []
    for decay in (1.0, 0.6):
        model = copy.deepcopy(start)
        make_trainer(model, tmp_path, UnfreezingArguments(layer_lr_decay=decay), **options).train()
        moves.append({name: weight - start.state_dict()[name] for name, weight in model.state_dict().items()})
    depths = {"layer.2.": 1, "layer.1.": 2, "layer.0.": 3, "embeddings.": 4}
    for name in start.state_dict():
        depth = next((depth for part, depth in depths.items() if part in name), 0)
        # float32: the difference of two weights of about 1 is exact to 1e-7.
        torch.testing.assert_close(moves[1][name], 0.6**depth * moves[0][name], rtol=1e-4, atol=3e-7)
    assert moves[0]["bert.encoder.layer.0.output.dense.weight"].abs().max() > 1e-4, "premise: the layers move"


def test_frozen_layers_compute_without_dropout_and_open_ones_with_it(tmp_path):
    model = stock_bert(hidden_dropout_prob=0.4, attention_probs_dropout_prob=0.4)
    seen, at = [], {"encoder.layer.1": model.bert.encoder.layer[1], "encoder.layer.2": model.bert.encoder.layer[2]}

    def record(module, args, outputs):
        if torch.is_grad_enabled() and model.training:
            seen.append({name: any(part.training for part in layer.modules()) for name, layer in at.items()})

    model.bert.register_forward_hook(record)
    plan = UnfreezingArguments(freeze_epochs=1, unfreeze_every=1)
    make_trainer(model, tmp_path, plan, num_train_epochs=3, eval_strategy="no").train()
    assert seen[:5] == [{"encoder.layer.1": False, "encoder.layer.2": False}] * 5
    assert seen[5:10] == [{"encoder.layer.1": False, "encoder.layer.2": True}] * 5
    assert seen[10:] == [{"encoder.layer.1": True, "encoder.layer.2": True}] * 5
    assert model.dropout.training and not model.bert._forward_pre_hooks


def test_with_the_default_arguments_it_is_a_trainer_bit_for_bit(tmp_path):
    start, ends = stock_bert(), []
    for trainer_class in (PhasedTrainer, Trainer):
        trainer = make_trainer(copy.deepcopy(start), tmp_path, trainer_class=trainer_class)
        trainer.train()
        ends.append(trainer.model.state_dict())
    assert_same_weights(*ends)


def test_the_callback_alone_freezes_in_any_trainer_and_leaves_what_was_frozen_before(tmp_path):
    model, record = stock_bert(), Record()
    model.classifier.bias.requires_grad_(False)
    trainer = make_trainer(model, tmp_path, trainer_class=Trainer)
    trainer.add_callback(Unfreezing(UnfreezingArguments(freeze_epochs=1)))
    trainer.add_callback(record)
    trainer.train()
    assert record.trained[0] == {"classifier.weight", "bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    everything = {name for name, _ in model.named_parameters()} - {"classifier.bias"}
    assert record.trained[5] == everything
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == everything


@pytest.mark.slow
@pytest.mark.lecture("S5-33")
def test_an_encoder_that_is_frozen_to_the_end_never_moves_and_an_interrupted_run_leaves_nothing_frozen(tmp_path):
    class Interrupt(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 7:
                raise KeyboardInterrupt

    model = stock_bert()
    before = copy.deepcopy(model.bert.encoder.state_dict())
    trainer = make_trainer(model, tmp_path, UnfreezingArguments(freeze_epochs=4))
    interrupt = Interrupt()
    trainer.add_callback(interrupt)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    trainer.remove_callback(interrupt)
    trainer.train()
    assert_same_weights(model.bert.encoder.state_dict(), before)
    assert all(weight.requires_grad for weight in model.parameters()) and not model.bert._forward_pre_hooks


@pytest.mark.parametrize("plan", [{}, {"freeze_epochs": 1}])
@pytest.mark.parametrize("build", [stock_bert, ours])
def test_frozen_word_vectors_stay_while_everything_else_learns(build, plan, tmp_path):
    model = build()
    before = copy.deepcopy(model.state_dict())
    plan = UnfreezingArguments(freeze_word_embeddings=True, **plan)
    make_trainer(model, tmp_path, plan, learning_rate=1e-3).train()
    words = {name for name in before if "word_embeddings" in name}
    assert len(words) == 1
    assert_same_weights(model.state_dict(), before, words)
    weights = {name for name, _ in model.named_parameters()} - words
    assert not any(torch.equal(model.state_dict()[name], before[name]) for name in weights)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"freeze_epochs": -1.0}, r"freeze_epochs \(-1.0\) must be 0 or above"),
        ({"head_learning_rate": float("nan")}, r"head_learning_rate \(nan\)"),
        ({"unfreeze_every": float("inf")}, r"unfreeze_every \(inf\)"),
        ({"layer_lr_decay": 0.0}, r"layer_lr_decay \(0.0\) must be above 0 and at most 1"),
        ({"layer_lr_decay": 1.2}, r"layer_lr_decay \(1.2\)"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        UnfreezingArguments(**fields)


def test_trainings_that_cannot_be_divided_into_phases_are_refused(tmp_path):
    plan = UnfreezingArguments(freeze_epochs=1)
    with pytest.raises(ValueError, match="counted in epochs, but the training ends after 17 updates"):
        make_trainer(stock_bert(), tmp_path, plan, max_steps=17)
    with pytest.raises(ValueError, match="learning_rate is 0.0.*at least as many freeze_epochs as there are epochs"):
        make_trainer(stock_bert(), tmp_path, plan, learning_rate=0.0)
    trainer = make_trainer(stock_bert(), tmp_path, plan, lr_scheduler_type="greedy", eval_strategy="epoch")
    with pytest.raises(ValueError, match="greedy follows the scores"):
        trainer.train()

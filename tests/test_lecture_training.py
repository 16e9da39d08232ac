"""What the lectures' training runs get wrong and our scripts get right: schedule, shuffling, held-out text, order.

S5 has a cosine schedule over epochs × batch size instead of updates, which rises again after its end, and reads its
text in one order, without a validation split, with a vocabulary from all of it. S2 promises to pretrain, then to
fine-tune, then to use.
"""

import csv
import random
import re
import shlex
import sys

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Trainer, TrainingArguments, pipeline, set_seed

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification

SCRIPTS = {"training.mlm": "PretrainingArguments", "training.classifier": "ClassifierTrainingArguments"}
TINY_NET = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1"


def learning_rates(trainer, total):
    """The rates of `total` updates, and what would come next, as `Trainer` sets them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=trainer.args.learning_rate)
    trainer.lr_scheduler = None
    scheduler = trainer.create_scheduler(total, optimizer)
    rates = []
    for _ in range(total + 1):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.lecture("S5-68")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_learning_rate_rises_then_falls_to_zero_and_never_rises_again(script, load_command, tmp_path):
    args = getattr(load_command(script), SCRIPTS[script])(
        output_dir=str(tmp_path), learning_rate=1e-3, report_to="none", load_best_model_at_end=False, eval_strategy="no"
    )
    trainer = Trainer(torch.nn.Linear(1, 1), args)

    @settings(max_examples=25)
    @given(total=st.integers(2, 400), warmup=st.one_of(st.none(), st.floats(0.01, 0.9)))
    def check(total, warmup):
        args.warmup_steps = 0.1 if warmup is None else warmup  # the scripts' default is a tenth
        steps = args.get_warmup_steps(total)
        rates = learning_rates(trainer, total)
        last = min(steps, total - 1)  # a warm-up as long as the training, of which the scripts warn, never falls
        rising, falling = rates[: last + 1], rates[last:]
        assert all(before < after for before, after in zip(rising, rising[1:], strict=False))
        assert rates[steps] == max(rates) == args.learning_rate or steps == total
        assert steps == total or all(before >= after for before, after in zip(falling, falling[1:], strict=False))
        assert steps == total or rates[-1] == pytest.approx(0.0, abs=1e-12)
        # The lecture's first update has the rate 0, and so has that of transformers: one update in a whole run.
        assert rates[:total].count(0.0) <= 1

    check()


@pytest.mark.lecture("S5-68")
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_schedule_counts_updates_and_is_over_when_the_training_is(script, load_command, tmp_path):
    settings = {"gradient_accumulation_steps": 2, "num_train_epochs": 3, "learning_rate": 1e-3, "logging_steps": 1,
                "eval_strategy": "no", "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
                "load_best_model_at_end": False}  # fmt: skip
    args = getattr(load_command(script), SCRIPTS[script])(output_dir=str(tmp_path), **settings)
    args.per_device_train_batch_size = 4
    rows = [{"input": torch.ones(1), "target": torch.ones(1)} for _ in range(37)]

    class Model(torch.nn.Linear):
        def forward(self, input, target):  # noqa: A002
            return {"loss": (super().forward(input) - target).square().mean()}

    trainer = Trainer(Model(1, 1), args, train_dataset=rows)
    trainer.train()
    rates = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
    assert len(rates) == 15  # 37 rows are 10 batches and 5 updates an epoch; the lecture would count 3 × 4
    assert rates == pytest.approx(learning_rates(trainer, 15)[:15])
    assert rates[-1] < 0.15 * max(rates)


def opinions(count=40):
    """Distinct texts, two classes, one word of its own in each."""
    return Dataset.from_dict({"text": [f"kata{n} bagus" for n in range(count)], "label": ["a", "b"] * (count // 2)})


@pytest.mark.lecture("S5-73")
def test_the_classifier_shuffles_holds_text_out_and_learns_its_words_from_train_alone(load_command, tmp_path):
    script = load_command("training.classifier")
    path = tmp_path / "train.csv"
    opinions().to_csv(path)
    splits, labels = script.load_splits(script.DataArguments(train_file=str(path)), seed=0)
    train, validation = set(splits["train"]["text"]), set(splits["validation"]["text"])
    assert len(validation) == 4 and len(train) == 36 and not train & validation
    tokenizer = script.build_tokenizer(
        script.ModelArguments(tokenizer_options="kind=wordlevel,vocab_size=100,min_frequency=1"), splits, None
    )
    words = {word for text in train for word in text.split()}
    assert words <= set(tokenizer.get_vocab()) and len(tokenizer) == len(words) + 5  # and the special tokens
    orders = []
    for seed in (0, 0, 1):
        args = script.ClassifierTrainingArguments(
            output_dir=str(tmp_path), report_to="none", seed=seed, remove_unused_columns=False
        )
        encoded = script.encode(splits, tokenizer, 8)
        loader = script.build_trainer(torch.nn.Linear(1, 1), tokenizer, encoded, None, args).get_train_dataloader()
        for epoch in (0, 1):
            loader.set_epoch(epoch)
            orders.append([row for batch in loader for row in batch["input_ids"].tolist()])
    assert all(sorted(order) == sorted(encoded["train"]["input_ids"]) for order in orders)
    (first, second), again, other = orders[:2], orders[2:4], orders[4:]
    assert first != second and [first, second] == again and first != other[0]
    assert first != list(encoded["train"]["input_ids"])


@pytest.mark.lecture("S5-73")
def test_pretraining_shuffles_holds_text_out_and_learns_its_words_from_train_alone(load_command, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    script = load_command("training.mlm")
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(f"kata{n} bagus ." for n in range(120)), encoding="utf-8")
    documents = script.load_text(script.DataArguments(train_file=[str(path)]), seed=0)
    train, validation = set(documents["train"]["text"]), set(documents["validation"]["text"])
    assert len(validation) == 1 and len(train) == 119 and not train & validation
    model_args = script.ModelArguments(tokenizer_options="kind=wordlevel,vocab_size=500,min_frequency=1")
    tokenizer = script.build_tokenizer(model_args, documents["train"], None, 16)
    assert validation.pop().split()[0] not in tokenizer.get_vocab()
    # Batches are composed anew in each epoch: see test_flat_batches.py.


@pytest.mark.slow
@pytest.mark.lecture("S2-25")
def test_the_commands_of_the_tutorial_pretrain_then_finetune_then_are_used(
    repository, load_example, tmp_path, monkeypatch
):
    """The two commands as they stand there, on small files, and made short by flags behind them."""
    page = (repository / "docs/tutorials/your-language.md").read_text(encoding="utf-8")
    block = re.search(r"^python examples/pretrain_minibert\.py --train_file.*\n(python .*)$", page, re.MULTILINE)
    draw = random.Random(0)
    texts = [f"film ini {draw.choice(['bagus', 'jelek'])} sekali . kopi itu enak ." for _ in range(60)]
    (tmp_path / "corpus.txt").write_text("\n".join(texts), encoding="utf-8")
    with open(tmp_path / "train.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *[[text, "jelek" in text] for text in texts]])
    shorter = {
        "pretrain_minibert": ["--config_overrides", TINY_NET, "--tokenizer_options", "kind=wordpiece,vocab_size=120"],
        "finetune_classifier": ["--load_best_model_at_end", "false", "--eval_strategy", "no", "--save_strategy", "no"],
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for command in block[0].splitlines():
        name = re.search(r"examples/(\w+)\.py", command)[1]
        arguments = [*shlex.split(command)[1:], *shorter.pop(name), "--max_steps", "2", "--report_to", "none"]
        monkeypatch.setattr(sys, "argv", arguments)
        load_example(name).main()
    assert not shorter  # both scripts were run
    folder = shlex.split(command)[shlex.split(command).index("--output_dir") + 1]
    assert pipeline("sentiment-analysis", folder)("film ini bagus")[0]["label"] in ("True", "False")


@pytest.fixture
def _deterministic_again():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.lecture("S5-09")
def test_the_same_seed_gives_the_same_weights_to_the_last_bit(tmp_path, _deterministic_again):
    rows = Dataset.from_dict({"input_ids": [[2, n % 7 + 5, n % 5 + 12, 3] for n in range(12)], "labels": [0, 1] * 6})

    def train(seed):
        set_seed(seed, deterministic=True)
        sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
        model = MiniBertForSequenceClassification(MiniBertConfig(vocab_size=20, attn_implementation="packed", **sizes))
        args = TrainingArguments(str(tmp_path), seed=seed, max_steps=4, per_device_train_batch_size=4, use_cpu=True,
                                 report_to="none", save_strategy="no", disable_tqdm=True)  # fmt: skip
        Trainer(model, args, train_dataset=rows).train()
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    first, again, other = train(3), train(3), train(4)
    assert first.equal(again) and not first.equal(other)

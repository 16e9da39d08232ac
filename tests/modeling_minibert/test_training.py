"""What stands around `Trainer`: predictions in order, runs that resume, folders that are not overwritten, progress."""

import json
import math
import random
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from helpers.compare import assert_same_weights
from helpers.minibert import random_model, small_config
from torch.testing import assert_close
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from modeling_minibert import MiniBertForMaskedLM, MiniBertForSequenceClassification
from modeling_minibert.training import (
    ProgressLines,
    callbacks,
    check_output_folder,
    check_warmup,
    last_checkpoint,
    predict_in_order,
    show_progress_lines,
)
from modeling_minibert.training.training_curves import plot_log
from tokenization import train_tokenizer

WORDS = "film ini bagus sekali jelek tidak suka buku kopi enak pahit malam pagi".split()


@pytest.fixture(scope="module")
def tokenizer():
    options = {"kind": "wordlevel", "vocab_size": 18, "min_frequency": 1, "show_progress": False}
    return train_tokenizer([" ".join(WORDS)], **options)


def encoded_rows(tokenizer, count=40, longest=18):
    """Rows of very different lengths; the label says whether "bagus" is in the text."""
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=generator.randint(1, longest))) for _ in range(count)]
    rows = Dataset.from_dict({"text": texts, "label": ["bagus" in text for text in texts]})
    rows = rows.map(lambda batch: tokenizer(batch["text"]), batched=True, remove_columns="text")
    return rows.cast_column("label", rows.features["label"].__class__("int64"))


def small_trainer(tokenizer, output_dir, model=None, callbacks=None, **arguments):
    arguments = {
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "num_train_epochs": 1,
        "learning_rate": 5e-3,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "use_cpu": True,
        "dataloader_pin_memory": False,
        **arguments,
    }
    return Trainer(
        model=model or random_model(num_labels=2),
        args=TrainingArguments(output_dir=str(output_dir), **arguments),
        train_dataset=encoded_rows(tokenizer),
        eval_dataset=encoded_rows(tokenizer, count=9),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=callbacks,
    )


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_predictions_come_in_the_order_of_the_rows(strategy, tokenizer, tmp_path):
    rows = encoded_rows(tokenizer, count=37)
    trainer = small_trainer(tokenizer, tmp_path, train_sampling_strategy=strategy)
    with torch.no_grad():
        alone = [trainer.model(torch.tensor([ids])).logits[0] for ids in rows["input_ids"]]
    expected = torch.stack(alone).numpy()
    ours = predict_in_order(trainer, rows)
    # Float32, and padding of another length: about 1e-6 on logits of order 1.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
    assert trainer.args.train_sampling_strategy == strategy
    # The premise: with texts of like length together, Trainer.predict returns other rows first.
    plain = trainer.predict(rows)
    if strategy == "group_by_length":
        assert abs(plain.predictions - expected).max() > 1e-2
        # The labels are reordered along, which is why no score ever shows it.
        assert list(plain.label_ids) != rows["label"] and sorted(plain.label_ids) == sorted(rows["label"])
    else:
        np.testing.assert_allclose(plain.predictions, expected, rtol=0, atol=1e-5)


def test_predicting_in_order_reads_the_longest_first_and_pads_no_more_than_needed(tokenizer, tmp_path):
    # Shortest first, the heap of 25,000 reviews of up to 512 tokens grew past 12 GiB: no hole fits the next batch.
    rows = encoded_rows(tokenizer, count=37)
    trainer = small_trainer(tokenizer, tmp_path)
    widths = []
    trainer.model.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    predict_in_order(trainer, rows)
    lengths = sorted((len(ids) for ids in rows["input_ids"]), reverse=True)
    assert lengths[0] > lengths[-1] and widths == lengths[::8]


def test_the_sampling_strategy_is_put_back_after_an_error(tokenizer, tmp_path):
    trainer = small_trainer(tokenizer, tmp_path, train_sampling_strategy="group_by_length")
    rows = Dataset.from_dict({"input_ids": [[1, 2], [999]], "attention_mask": [[1, 1], [1]]})
    with pytest.raises((IndexError, ValueError)):
        predict_in_order(trainer, rows)
    assert trainer.args.train_sampling_strategy == "group_by_length"


class StopAfter(TrainerCallback):
    """Interrupts a run."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, args, state, control, **kwargs):
        control.should_training_stop = round(state.epoch) >= self.epochs


@pytest.mark.slow
@pytest.mark.lecture("S5-15")
@pytest.mark.parametrize("strategy", ["random", "group_by_length"])
def test_an_interrupted_run_resumed_ends_bit_equal_to_one_that_was_not(strategy, tokenizer, tmp_path):
    def run(folder, resume=None, stop=None):
        set_seed(3)
        model = MiniBertForSequenceClassification(
            small_config(num_labels=2, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
        )
        trainer = small_trainer(
            tokenizer, tmp_path / folder, model, [StopAfter(stop)] if stop else None, num_train_epochs=4,
            save_strategy="epoch", train_sampling_strategy=strategy, warmup_steps=3, logging_steps=1,
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = run("whole")
    half = run("half", stop=2)
    assert half.state.global_step == 10 and whole.state.global_step == 20
    checkpoint = last_checkpoint(str(tmp_path / "half"), "true")
    assert checkpoint.endswith("checkpoint-10")
    resumed = run("half", resume=checkpoint)
    weights = whole.model.state_dict()
    assert_same_weights(resumed.model, whole.model)
    losses = [[log["loss"] for log in run.state.log_history if "loss" in log] for run in (whole, resumed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and len(losses[0]) == 20
    # The negative: the second half did something, and starting over from the weights alone ends elsewhere.
    name = "minibert.embeddings.word_embeddings.weight"
    assert not torch.equal(half.model.state_dict()[name], weights[name])
    set_seed(3)
    alone = MiniBertForSequenceClassification.from_pretrained(checkpoint)
    again = small_trainer(tokenizer, tmp_path / "again", alone, num_train_epochs=2, train_sampling_strategy=strategy)
    again.train()
    assert not torch.equal(again.model.state_dict()[name], weights[name])


def test_a_folder_with_the_same_model_an_empty_one_and_none_at_all_are_fine(tmp_path):
    model = random_model()
    check_output_folder(str(tmp_path / "new"), model.config)
    check_output_folder(str(tmp_path), model.config)
    model.save_pretrained(tmp_path)
    check_output_folder(str(tmp_path), model.config)
    check_output_folder(str(tmp_path), small_config(hidden_dropout_prob=0.3))  # the weights fit


DIFFERENT = {
    "hidden_size": ({"hidden_size": 24}, r"hidden_size is 20, the new one's is 24"),
    "vocab_size": ({"vocab_size": 77}, r"vocab_size is 101, the new one's is 77"),
    "num_hidden_layers": ({"num_hidden_layers": 1}, r"num_hidden_layers is 3, the new one's is 1"),
    "id2label": ({"id2label": {0: "baik", 1: "buruk"}}, r"id2label is .*'LABEL_0'.*the new one's is .*'baik'"),
}


@pytest.mark.parametrize("fields, message", DIFFERENT.values(), ids=list(DIFFERENT))
def test_a_folder_with_another_model_is_refused_with_the_field_and_both_values(fields, message, tmp_path):
    random_model().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))} already holds a different model: its {message}"):
        check_output_folder(str(tmp_path), small_config(**fields))


def test_a_folder_with_a_model_of_another_type_is_refused(tmp_path):
    sizes = {"hidden_size": 20, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 37}
    BertForSequenceClassification(BertConfig(vocab_size=101, num_labels=5, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its model_type is bert, the new one's is minibert"):
        check_output_folder(str(tmp_path), small_config())


def test_the_checkpoints_of_an_interrupted_run_are_not_overwritten(tmp_path):
    random_model().save_pretrained(tmp_path / "checkpoint-7")
    check_output_folder(str(tmp_path), small_config())
    with pytest.raises(ValueError, match="its hidden_size is 20, the new one's is 24"):
        check_output_folder(str(tmp_path), small_config(hidden_size=24))


@pytest.mark.parametrize("torn", ["", '{"model_type": "mini', "[]"])
def test_a_configuration_that_was_not_saved_to_its_end_is_passed_over(torn, tmp_path):
    """A run may be killed between opening config.json and writing it; the next complete checkpoint still tells."""
    for step in (2, 4, 6):
        random_model().save_pretrained(tmp_path / f"checkpoint-{step}")
        if step != 4:
            (tmp_path / f"checkpoint-{step}" / "config.json").write_text(torn)
    (tmp_path / "config.json").write_text(torn)
    check_output_folder(str(tmp_path), small_config())
    with pytest.raises(ValueError, match="its hidden_size is 20, the new one's is 24"):
        check_output_folder(str(tmp_path), small_config(hidden_size=24))
    (tmp_path / "checkpoint-4" / "config.json").write_text(torn)
    check_output_folder(str(tmp_path), small_config(hidden_size=24))  # nothing is left that would be lost


def test_a_pretrained_model_is_not_overwritten_by_its_classifier(tmp_path):
    MiniBertForMaskedLM(small_config(num_labels=2)).save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())  # the premise
    with pytest.raises(ValueError, match="its id2label is .*'LABEL_0'.*the new one's is .*'baik'"):
        check_output_folder(str(tmp_path), small_config(id2label={0: "baik", 1: "buruk"}))


def test_a_pretrained_model_is_not_overwritten_by_another_head(tmp_path):
    model = MiniBertForMaskedLM(small_config())
    model.save_pretrained(tmp_path)
    check_output_folder(str(tmp_path), model.config, "MiniBertForMaskedLM")
    with pytest.raises(ValueError, match=r"its architectures is .*ForMaskedLM.*new one's is .*ForQuestionAnswering"):
        check_output_folder(str(tmp_path), model.config, "MiniBertForQuestionAnswering")


@pytest.mark.parametrize(
    "fields", [{"intermediate_size": 38}, {"norm_position": "pre"}, {"max_position_embeddings": 9}]
)
def test_a_folder_whose_weights_would_not_fit_is_refused_too(fields, tmp_path):
    random_model().save_pretrained(tmp_path)
    (name, value), = fields.items()  # fmt: skip
    with pytest.raises(ValueError, match=f"its {name} is .*, the new one's is {value}"):
        check_output_folder(str(tmp_path), small_config(**fields))


def test_the_last_checkpoint_is_the_one_with_the_highest_number(tmp_path):
    folder = str(tmp_path)
    assert last_checkpoint(folder, None) is None and last_checkpoint(folder, "False") is None
    for asked in ("true", "True", "last"):
        with pytest.raises(ValueError, match=f"cannot resume: {re.escape(folder)} has no complete checkpoint"):
            last_checkpoint(folder, asked)
    with pytest.raises(ValueError, match="has no complete checkpoint"):
        last_checkpoint(str(tmp_path / "missing"), "true")
    for step in (90, 100, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text('{"global_step": 1}')
    (tmp_path / "checkpoint-best").mkdir()
    assert last_checkpoint(folder, "true") == last_checkpoint(folder, "last") == str(tmp_path / "checkpoint-100")


def test_a_checkpoint_that_is_named_must_be_one(tmp_path):
    with pytest.raises(
        ValueError, match=f"cannot resume from {re.escape(str(tmp_path))}: it has no trainer_state.json"
    ):
        last_checkpoint(str(tmp_path), str(tmp_path))
    (tmp_path / "trainer_state.json").write_text('{"global_step": 7}')
    assert last_checkpoint("elsewhere", str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("state", [None, "", '{"epoch": 1.5, "global_st'])
def test_a_checkpoint_that_was_being_saved_when_the_run_was_killed_is_left_aside(state, tmp_path, capsys):
    for step in (10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text('{"global_step": 10}')
    if state is not None:
        (tmp_path / "checkpoint-20" / "trainer_state.json").write_text(state)
    assert last_checkpoint(str(tmp_path), "true") == str(tmp_path / "checkpoint-10")
    assert "checkpoint-20 is incomplete and was skipped" in capsys.readouterr().out
    with pytest.raises(ValueError, match="checkpoint-20: it (has no|was not saved)"):
        last_checkpoint(str(tmp_path), str(tmp_path / "checkpoint-20"))


def test_a_run_prints_one_readable_line_per_log_and_none_of_transformers_own(tokenizer, tmp_path, capsys):
    trainer = small_trainer(tokenizer, tmp_path, num_train_epochs=2, logging_steps=5, eval_strategy="epoch")
    trainer.compute_metrics = lambda output: {
        "accuracy": float((output.predictions.argmax(-1) == output.label_ids).mean())
    }
    show_progress_lines(trainer)
    trainer.train()
    printed = capsys.readouterr().out.strip().splitlines()
    steps = [line for line in printed if line.startswith("step")]
    epochs = [line for line in printed if line.startswith("epoch")]
    losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    assert len(steps) == len(losses) == 2
    for line, step, loss in zip(steps, (5, 10), losses, strict=True):
        assert re.fullmatch(rf"step {step}/10   loss {float(loss):.3f}   \d+\.\d steps/s   \d+ s left", line), line
    scores = [log["eval_accuracy"] for log in trainer.state.log_history if "eval_accuracy" in log]
    assert epochs == [f"epoch {n} of 2   validation accuracy {s:.1%}" for n, s in zip((1, 2), scores, strict=True)]
    assert len(printed) == 4


def test_a_run_that_ends_with_the_best_epoch_says_which_it_is(tokenizer, tmp_path, capsys):
    how = {"num_train_epochs": 3, "eval_strategy": "epoch", "save_strategy": "epoch", "logging_strategy": "no"}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "accuracy", "greater_is_better": True}
    trainer = small_trainer(tokenizer, tmp_path, **how, **best)
    accuracies = iter([0.6, 0.9, 0.7])
    trainer.compute_metrics = lambda output: {"accuracy": next(accuracies)}
    show_progress_lines(trainer)
    trainer.train()
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[-1] == "kept: epoch 2, with the best validation accuracy"
    figure = plot_log(trainer.state.log_history, trainer.state.best_global_step)
    (mark,) = [line for line in figure.axes[0].get_lines() if line.get_label() == "kept"]
    assert list(mark.get_xdata()) == [10, 10]
    trainer = small_trainer(tokenizer, tmp_path / "last", **how)
    show_progress_lines(trainer)
    trainer.train()
    assert "kept" not in capsys.readouterr().out


def test_the_time_left_is_in_seconds_then_in_minutes(monkeypatch, capsys):
    clock = iter([100.0, 110.0, 110.0])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = ProgressLines()
    # Resumed at step 1,000: the rate counts only the steps of this run.
    progress.on_train_begin(TrainingArguments(), SimpleNamespace(global_step=1000, max_steps=2000), None)
    for left, expected in ((500, "50 s left"), (9000, "15 min left")):
        state = SimpleNamespace(global_step=1100, max_steps=1100 + left, is_world_process_zero=True)
        progress.on_log(None, state, None, {"loss": "0.25"})
        printed = capsys.readouterr().out
        assert expected in printed and "step 1,100/" in printed and "loss 0.250   10.0 steps/s" in printed
    progress.on_log(None, state, None, {"eval_loss": 1.0})
    progress.on_log(None, SimpleNamespace(is_world_process_zero=False), None, {"loss": 1.0})
    assert capsys.readouterr().out == ""


def test_an_evaluation_is_printed_once_and_by_step_where_steps_were_asked_for(capsys):
    progress, scores = ProgressLines(), {"eval_loss": 0.3, "eval_accuracy": 0.881, "eval_runtime": 2.0}
    state = SimpleNamespace(global_step=50, max_steps=200, epoch=1.0, is_world_process_zero=True)
    for args in (TrainingArguments(num_train_epochs=4), TrainingArguments(max_steps=200)):
        for _ in range(2):  # at the last step, and once more by the script
            progress.on_evaluate(args, state, None, scores)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1 of 4   validation accuracy 88.1%", "step 50/200   validation accuracy 88.1%"
    ]  # fmt: skip
    state.global_step = 60
    progress.on_evaluate(TrainingArguments(num_train_epochs=4), state, None, scores)
    assert capsys.readouterr().out == "epoch 1 of 4   validation accuracy 88.1%\n"


@pytest.mark.lecture("S3-45", "S5-68")
def test_a_warmup_longer_than_the_training_is_warned_about_with_both_numbers(tokenizer, tmp_path):
    # The lecture: 500 steps of warm-up in a run of 189.
    args = TrainingArguments(warmup_steps=500, learning_rate=2e-5)
    with pytest.warns(UserWarning, match=r"warm-up \(500 steps\).*training \(189 steps\).*38% of 2e-05"):
        check_warmup(args, 189)
    # In a run, the warning is right: the learning rate never gets there.
    trainer = small_trainer(tokenizer, tmp_path, warmup_steps=10, logging_steps=1)
    show_progress_lines(trainer)
    with pytest.warns(UserWarning, match=r"warm-up \(10 steps\).*training \(5 steps\).*40% of 0.005"):
        trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert max(map(float, rates)) == pytest.approx(0.4 * 0.005)


@pytest.mark.parametrize("fields, steps", [({"warmup_steps": 0.1}, 189), ({"warmup_steps": 188}, 189), ({}, 1),
                                           ({"warmup_steps": 500, "lr_scheduler_type": "constant"}, 189)])  # fmt: skip
def test_a_warmup_that_ends_in_time_or_is_not_used_is_not_warned_about(fields, steps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_warmup(TrainingArguments(**fields), steps)


@pytest.mark.lecture("S2-27")
def test_batches_are_padded_to_their_longest_text_and_not_further(tokenizer, tmp_path):
    trainer = small_trainer(tokenizer, tmp_path, train_sampling_strategy="group_by_length")
    assert tokenizer.model_max_length == 512
    widths = set()
    for batch in trainer.get_train_dataloader():
        longest = int(batch["attention_mask"].sum(1).max())
        assert batch["input_ids"].shape == (8, longest)
        widths.add(longest)
    assert len(widths) > 1 and max(widths) <= 20


@pytest.mark.lecture("S2-27")
def test_short_batches_cost_less_than_batches_padded_to_512(tokenizer):
    from torch.utils.flop_counter import FlopCounterMode

    model = random_model(max_position_embeddings=512)
    rows = [{"input_ids": ids} for ids in encoded_rows(tokenizer, count=8)["input_ids"]]

    def operations(**padding):
        batch = DataCollatorWithPadding(tokenizer, **padding)(rows)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            logits = model(**batch).logits
        return counter.get_total_flops(), logits

    short, logits = operations()
    long, same = operations(padding="max_length", max_length=512)
    assert_close(logits, same, rtol=0, atol=1e-5)
    assert long > 20 * short and math.isfinite(long)

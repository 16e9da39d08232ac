"""The loss of MiniGPT, packed streams, and plain `Trainer` runs.

The yardsticks are the log-likelihood written out, transformers' own loss, one row at a time, and one large batch.
"""

import pytest
import torch
from datasets import Dataset
from helpers.minigpt import NO_DROPOUT, V, pad_rows, random_gpt, random_ids
from torch.testing import assert_close
from transformers import DataCollatorWithFlattening, Trainer, TrainingArguments
from transformers.loss.loss_utils import ForCausalLMLoss

from modeling_minibert import MiniGPTForCausalLM, MiniGPTForSequenceClassification, MiniGPTForTokenClassification
from modeling_minibert.data import DataCollatorForCausalLM

EXACT = {"rtol": 0, "atol": 1e-10}
LENGTHS = (7, 4, 7, 1, 6)


def some_labels(ids):
    return ids.where(torch.rand(ids.shape) < 0.7, -100)


@pytest.mark.lecture("S5-46")
def test_the_loss_is_the_mean_log_likelihood_of_the_next_words():
    model, ids = random_gpt(), random_ids()
    probabilities = model(ids).logits.softmax(-1)
    likelihood = sum(probabilities[row, t, ids[row, t + 1]].log() for row in range(3) for t in range(6))
    assert_close(model(ids, labels=ids).loss, -likelihood / 18, **EXACT)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("num_items", [None, 37, torch.tensor(5)])
def test_the_loss_is_that_of_transformers(num_items, training):
    model, ids = random_gpt(**NO_DROPOUT).train(training), random_ids()
    labels = some_labels(ids)
    expected = ForCausalLMLoss(model(ids).logits, labels, V, num_items)
    loss = model(ids, labels=labels, num_items_in_batch=num_items).loss
    assert_close(loss, expected, check_dtype=False, rtol=0, atol=1e-5)  # theirs is float32
    nothing = model(ids, labels=torch.full_like(ids, -100)).loss
    assert nothing == 0 and nothing.requires_grad


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
@pytest.mark.parametrize("training", [False, True])
def test_padding_on_either_side_changes_no_loss(training, implementation):
    """The pad before a first word predicts nothing, though the word has a label."""
    model = random_gpt(attn_implementation=implementation, **NO_DROPOUT).train(training)
    rows = [torch.randint(1, V, (length,)) for length in LENGTHS]
    total = sum(model(row[None], labels=row[None], num_items_in_batch=1).loss for row in rows)
    for side in ("left", "right"):
        batch = pad_rows(rows, side)
        labels = batch["input_ids"].where(batch["attention_mask"] == 1, -100)
        assert_close(model(**batch, labels=labels).loss, total / sum(length - 1 for length in LENGTHS), **EXACT)


# Packed streams


def stream_of(rows, form):
    ids = torch.cat(rows)[None]
    if form == "lengths":
        ends = torch.tensor([0, *map(len, rows)]).cumsum(0).int()
        return {"input_ids": ids, "cu_seq_lens_q": ends, "max_length_q": max(map(len, rows))}
    return {"input_ids": ids, "position_ids": torch.cat([torch.arange(len(row)) for row in rows])[None]}


@pytest.mark.parametrize("form", ["lengths", "positions"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa", "packed"])
@pytest.mark.parametrize("variant", [{}, {"norm_position": "post", "position_embedding_type": "rotary"}])
def test_a_stream_gives_the_padded_loss_and_gradients(variant, implementation, form):
    model = random_gpt(**NO_DROPOUT, **variant, attn_implementation="eager").train()
    rows = [torch.randint(1, V, (length,)) for length in LENGTHS]
    batch = pad_rows(rows, "right")
    batch["labels"] = batch["input_ids"].where(batch["attention_mask"] == 1, -100)
    stream = stream_of(rows, form)
    stream["labels"] = stream["input_ids"]  # the first word of each text has a label, and must not be predicted
    expected = model(**batch).loss
    expected.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    model.set_attn_implementation(implementation)
    loss = model(**stream).loss
    loss.backward()
    assert_close(loss, expected, **EXACT)
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, gradients[name], **EXACT, msg=name)
    model.eval()
    assert_close(model(**stream).loss, expected, **EXACT)
    logits, real = model(**batch).logits, batch["attention_mask"].bool()
    assert_close(model(**stream).logits[0], logits[real], **EXACT)


@pytest.mark.parametrize("form", ["lengths", "positions"])
@pytest.mark.parametrize("model_class", [MiniGPTForSequenceClassification, MiniGPTForTokenClassification])
def test_classifiers_read_streams_too(model_class, form):
    model = random_gpt(model_class, attn_implementation="sdpa")
    rows = [torch.randint(1, V, (length,)) for length in LENGTHS]
    alone = torch.cat([model(row[None]).logits.flatten(0, -2) for row in rows])
    for implementation in ("sdpa", "packed"):
        model.set_attn_implementation(implementation)
        logits = model(**stream_of(rows, form)).logits
        assert_close(logits.flatten(0, -2), alone, **EXACT)


# Trainer


def train(tmp_path, model, rows, **arguments):
    options = {"num_train_epochs": 1, "learning_rate": 0.1, "optim": "sgd", "max_grad_norm": 1e9, "use_cpu": True}
    options |= {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "dataloader_pin_memory": False}
    collate = arguments.pop("data_collator", None)
    arguments = TrainingArguments(str(tmp_path), lr_scheduler_type="constant", **{**options, **arguments})
    trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows, data_collator=collate)
    trainer.train()
    return trainer


def rows_for(model_class, count=16):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(1, V, (count, 9), generator=generator)
    mask = torch.arange(9) < torch.randint(2, 10, (count, 1), generator=generator)
    labels = torch.randint(5, (count,), generator=generator)
    labels = ids.where(mask, -100) if model_class is MiniGPTForCausalLM else labels
    columns = {"input_ids": ids, "attention_mask": mask.long(), "labels": labels}
    return Dataset.from_dict({name: tensor.tolist() for name, tensor in columns.items()})


@pytest.mark.parametrize("model_class", [MiniGPTForCausalLM, MiniGPTForSequenceClassification])
def test_four_small_batches_are_one_of_eight(model_class, tmp_path):
    start = {name: tensor.clone() for name, tensor in random_gpt(model_class, **NO_DROPOUT).state_dict().items()}
    after = []
    for batch_size, steps in ((8, 1), (2, 4)):
        model = random_gpt(model_class, **NO_DROPOUT)
        model.load_state_dict(start)
        options = {"per_device_train_batch_size": batch_size, "gradient_accumulation_steps": steps}
        trainer = train(tmp_path, model, rows_for(model_class), **options)
        assert trainer.state.global_step == 2
        after.append((trainer.state.log_history[-1]["train_loss"], model.state_dict()))
    assert after[0][0] == pytest.approx(after[1][0], abs=1e-6)
    for name, tensor in after[0][1].items():
        assert_close(after[1][1][name], tensor, **EXACT, msg=name)
    name = "minigpt.embeddings.word_embeddings.weight"
    assert (after[0][1][name] - start[name]).abs().max() > 1e-3, "premise: something was learned"


@pytest.mark.parametrize("packed", [False, True])
def test_label_smoothing_of_trainer_is_about_the_next_token(packed, tmp_path):
    """Trainer shifts labels for the classes that it knows to be causal; for another one it would teach copying."""
    model, rows = random_gpt(**NO_DROPOUT).eval(), [[5, 17, 3, 40], [8, 2, 9, 61]]  # one length: no pads
    collate = DataCollatorForCausalLM() if packed else None
    columns = {"input_ids": rows} if packed else {"input_ids": rows, "labels": rows}
    options = {"label_smoothing_factor": 0.2, "per_device_eval_batch_size": 2, "prediction_loss_only": True}
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", **options)
    trainer = Trainer(model, arguments, eval_dataset=Dataset.from_dict(columns), data_collator=collate)
    ids = torch.tensor(rows)
    logits, targets = model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.2)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("implementation", ["packed", "sdpa"])
def test_trainer_learns_and_evaluates_on_packed_batches(implementation, tmp_path):
    """With `DataCollatorWithFlattening` as it is: its streams carry no lengths unless they are asked for."""
    generator = torch.Generator().manual_seed(0)
    texts = [[5, 17, 3, 40, 8, 2], [9, 61, 33], [7, 12, 77, 50], [6]]
    rows = Dataset.from_dict({"input_ids": [texts[int(i)] for i in torch.randint(4, (24,), generator=generator)]})
    model = MiniGPTForCausalLM(random_gpt(attn_implementation=implementation, **NO_DROPOUT).config)
    options = {"num_train_epochs": 12, "learning_rate": 0.01, "optim": "adamw_torch", "remove_unused_columns": False}
    collate = DataCollatorWithFlattening(return_flash_attn_kwargs=implementation == "packed")
    options |= {"per_device_train_batch_size": 6, "per_device_eval_batch_size": 6, "max_grad_norm": 1.0}
    trainer = train(tmp_path, model, rows, data_collator=collate, prediction_loss_only=True, **options)
    assert trainer.evaluate()["eval_loss"] < 0.5 * torch.tensor(V).log()  # each text is determined by its first word
    # It has learned to continue, and no text from the end of another.
    model.eval()
    for text in texts[:3]:
        written = model.generate(torch.tensor([text[:1]]), max_new_tokens=len(text) - 1, do_sample=False)
        assert written[0].tolist() == text

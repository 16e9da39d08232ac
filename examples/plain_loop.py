"""Train a text classifier in a plain loop with accelerate, and without `Trainer`.

    python examples/plain_loop.py
    torchrun --nproc_per_node 2 examples/plain_loop.py --train_file train.csv --test_file test.csv
    python examples/plain_loop.py --mixed_precision bf16 --gradient_accumulation_steps 2

The first line runs offline on the opinions of `examples/data/opinions`, in half a minute on one CPU core. Copy this
file where `Trainer` is in the way; read `train` first. `Accelerator` moves tensors, averages gradients over processes
(DDP) and casts to bfloat16. Each update divides its loss by its number of texts, over all batches and processes. So two
accumulated batches, or two processes, give the losses of one batch of twice the size; on one process they are
`Trainer`'s (tests). It prints the loss of each epoch and the test scores, and writes the model and plain_loop.json
(losses, gradients, scores) into `--output_dir`.

Source: lecture row S4-22 (custom training loop, mixed precision, several devices).
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from datasets import DatasetDict
from torch.utils.data import DataLoader
from transformers import DataCollatorWithPadding, get_linear_schedule_with_warmup
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification
from modeling_minibert.data import load_text_classification
from modeling_minibert.evaluation import describe_scores, score_outputs
from modeling_minibert.training import end_processes, has_bfloat16_units, parse_options, prepare_cpu
from modeling_minibert.training import script_arguments as base
from tokenization import save_tokenizer, train_tokenizer

OPINIONS = {split: f"{Path(__file__).parent}/data/opinions/{split}.csv" for split in ("train", "validation", "test")}


@dataclass
class LoopArguments(base.TestedFileArguments):
    """The data, the model and the loop."""

    preset: str = HfArg(default="tiny", help="the preset of sizes")
    config_overrides: str = HfArg(
        default="classifier_pooling=mean,word_dropout_prob=0.1", help="as name=value,name=value"
    )
    tokenizer_options: str = HfArg(default="vocab_size=2700,min_frequency=1", help="as name=value,name=value")
    max_seq_length: int = HfArg(default=128, help="tokens of a text")
    num_train_epochs: int = HfArg(default=8, help="passes over the training data")
    per_device_train_batch_size: int = HfArg(default=32, help="texts of a batch, on each device")
    gradient_accumulation_steps: int = HfArg(default=1, help="batches of an update, on each device")
    learning_rate: float = HfArg(default=1e-3, help="the highest; it rises for a tenth of the updates, then falls to 0")
    mixed_precision: str = HfArg(
        default="auto",
        help="bf16, no, or auto: bf16 where the device has units for it",
        metadata={"choices": ["auto", "bf16", "no"]},
    )
    seed: int = HfArg(default=0, help="of weights, order and dropout")
    output_dir: str = HfArg(default="out/plain_loop", help="where the model goes")


def build_accelerator(mixed_precision: str) -> Accelerator:
    """Build the `Accelerator`; `auto` takes bfloat16 where the device has units for it."""
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    if mixed_precision == "auto":
        mixed_precision = "bf16" if has_bfloat16_units(device) else "no"
    return Accelerator(cpu=device.type == "cpu", mixed_precision=mixed_precision)


def updates(loader: DataLoader, size: int) -> Iterator[list[dict]]:
    """Group the batches of one epoch by updates; the last group may be smaller."""
    batches = iter(loader)
    while group := list(itertools.islice(batches, size)):
        yield group


def train(accelerator: Accelerator, model, loader: DataLoader, epochs: int, accumulate: int, learning_rate: float):
    """Train for some epochs: AdamW, gradients clipped to length 1, a linear schedule with a tenth of warm-up.

    Args:
        accelerator: of this process.
        model: a classifier whose loss takes `num_items_in_batch`; its parameters are changed in place.
        loader: batches with `labels`.
        epochs: passes over the loader.
        accumulate: batches of an update.
        learning_rate: the highest.

    Yields:
        For each update its number in the epoch, its loss (a mean over its texts of all processes) and the length of its
        gradient.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    model, optimizer, loader = accelerator.prepare(model.train(), optimizer, loader)
    total = epochs * -(-len(loader) // accumulate)
    schedule = get_linear_schedule_with_warmup(optimizer, round(0.1 * total), total)
    for _ in range(epochs):
        for number, batches in enumerate(updates(loader, accumulate)):
            count = accelerator.reduce(sum((batch["labels"] != -100).sum() for batch in batches))
            loss_sum = torch.zeros((), device=accelerator.device)
            for place, batch in enumerate(batches, start=1):
                # Processes exchange gradients once per update, at its last batch.
                with nullcontext() if place == len(batches) else accelerator.no_sync(model):
                    loss = model(**batch, num_items_in_batch=count).loss
                    accelerator.backward(loss * accelerator.num_processes)  # DDP averages; the sum is wanted
                loss_sum += loss.detach()
            norm = accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            yield number, accelerator.reduce(loss_sum).item(), norm.item()


@torch.no_grad()
def predict(accelerator: Accelerator, model, loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the logits (N, C) and the labels (N,) of all rows, in order, on every process."""
    model, loader = model.eval(), accelerator.prepare(loader)
    parts = []
    for batch in loader:
        with accelerator.autocast():
            logits = model(**batch).logits
        # Without the rows that were repeated to give every process as many.
        parts.append(accelerator.gather_for_metrics((logits.float(), batch["labels"])))
    logits, labels = zip(*parts, strict=True)
    return torch.cat(logits).cpu(), torch.cat(labels).cpu()


def encode(splits: DatasetDict, tokenizer, max_length: int) -> DatasetDict:
    """Encode the texts as token ids, cut to `max_length`."""
    return splits.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=max_length),
        batched=True,
        remove_columns=["text"],
    )


def main(arguments: list[str] | None = None):
    """Train, score and save."""
    (args,) = base.ScriptParser(LoopArguments).parse_args_into_dataclasses(arguments)
    accelerator = build_accelerator(args.mixed_precision)
    set_seed(args.seed)  # the same weights on every process
    prepare_cpu()

    # 1. Text, tokenizer, model
    splits, labels = load_text_classification(args.dataset_name, None, args.files(OPINIONS) or None, **args.layout)
    tokenizer = train_tokenizer(splits["train"]["text"], show_progress=False, **parse_options(args.tokenizer_options))
    tokenizer.model_max_length = args.max_seq_length
    fields = base.token_fields(tokenizer, "pad", "mask") | parse_options(args.config_overrides)
    fields |= {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    config = MiniBertConfig.from_preset(args.preset, max_position_embeddings=args.max_seq_length, **fields)
    model = MiniBertForSequenceClassification(config).to(accelerator.device)
    encoded, collate = encode(splits, tokenizer, args.max_seq_length), DataCollatorWithPadding(tokenizer)
    where = f"{accelerator.num_processes} processes on {accelerator.device.type}, {accelerator.mixed_precision}"
    accelerator.print(f"data: {base.sizes(splits)}; {model.num_parameters():,} parameters; {where}")

    # 2. Training
    order = torch.Generator().manual_seed(args.seed)
    options = {"batch_size": args.per_device_train_batch_size, "collate_fn": collate}
    loader = DataLoader(encoded["train"], shuffle=True, generator=order, **options)
    how = args.num_train_epochs, args.gradient_accumulation_steps, args.learning_rate
    losses: list[list[float]] = []
    norms: list[float] = []
    for number, loss, norm in train(accelerator, model, loader, *how):
        if number == 0:
            losses.append([])
            if len(losses) > 1:
                accelerator.print(f"epoch {len(losses) - 1}   loss {sum(losses[-2]) / len(losses[-2]):.4f}", flush=True)
        losses[-1].append(loss)
        norms.append(norm)
    accelerator.print(f"epoch {len(losses)}   loss {sum(losses[-1]) / len(losses[-1]):.4f}")

    # 3. Scores of the test split, and the folder
    judged = "test" if "test" in splits else "validation"
    logits, references = predict(accelerator, model, DataLoader(encoded[judged], batch_size=64, collate_fn=collate))
    if accelerator.is_main_process:
        scores = score_outputs(logits.numpy(), references.tolist(), "classification", interval=True, auc=True)
        print(f"{judged} split ({len(references):,} texts)")
        print("\n".join(f"  {name}: {text}" for name, text in describe_scores({"single_pass": scores}).items()))
        model.save_pretrained(args.output_dir)
        report = {"losses": losses, "gradient_norms": norms, "split": judged, "seed": args.seed, "single_pass": scores}
        (Path(args.output_dir) / "plain_loop.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        save_tokenizer(tokenizer, args.output_dir)
        print(f"saved to {args.output_dir}; use it: pipeline('sentiment-analysis', {args.output_dir!r})")
    end_processes()


if __name__ == "__main__":
    base.run_script(main, stopped="stopped before the end; the same command starts again")

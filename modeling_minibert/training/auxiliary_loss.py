"""Fine-tuning with an auxiliary language-model loss: L_total = L_supervised + λ · L_unsupervised.

    AuxiliaryLossTrainer(model=model, args=args, train_dataset=labelled, data_collator=..., auxiliary_lm_weight=0.5)

L_supervised is the loss of the task. L_unsupervised is the next-token loss, either of the same texts (Radford et al.
2018, section 3.2) or of `unlabelled_dataset` (the lectures, S5). It works for any head on a decoder: the word
embeddings score the vocabulary, as in pretraining, so there are no new weights.

Read `compute_loss` first; `get_batch_samples` adds the next-token targets to each batch.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, Trainer

from ..data.causal_examples import DataCollatorForCausalLM
from ..heads import merge_sequences, vocabulary_loss
from ..losses import IGNORE_INDEX, next_token_labels


class AuxiliaryLossTrainer(Trainer):
    """A `Trainer` that adds λ times the next-token loss to the loss of the task.

    Each loss is a mean over its own labels of the whole update: over texts, and over tokens. The log has both, as
    `supervised_loss` and `lm_loss`; evaluation reports the loss of the task alone. With λ = 0 the results and the speed
    are exactly those of `Trainer`. A resumed run continues at the same place of the unlabelled rows.

    Args:
        auxiliary_lm_weight: λ; Radford et al. took 0.5.
        unlabelled_dataset: rows with `input_ids`, from `build_causal_examples`. Each labelled batch is paired with
            `per_device_train_batch_size` of them, in random order, for as many passes as needed. None: use the
            labelled texts.

    Raises:
        ValueError: λ is negative, there are no unlabelled rows, the model is bidirectional, or its word embeddings are
            not tied.
    """

    def __init__(
        self, *args, auxiliary_lm_weight: float = 0.0, unlabelled_dataset: Sequence[dict] | None = None, **kwargs
    ):
        if not (math.isfinite(auxiliary_lm_weight) and auxiliary_lm_weight >= 0):
            raise ValueError(f"auxiliary_lm_weight ({auxiliary_lm_weight}) must be 0 or above; 0 switches the loss off")
        super().__init__(*args, **kwargs)
        self.auxiliary_lm_weight, self.unlabelled = auxiliary_lm_weight, None
        self._sums, self._updates = {}, 0
        if auxiliary_lm_weight:
            check_language_model(self.accelerator.unwrap_model(self.model))
        if unlabelled_dataset is not None:
            seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
            self.unlabelled = UnlabelledBatches(unlabelled_dataset, self.args.per_device_train_batch_size, seed)

    def get_batch_samples(self, epoch_iterator, num_batches: int, device):
        """Get the batches of one update, and add next-token targets, their count and unlabelled text to each."""
        batches, num_items_in_batch = super().get_batch_samples(epoch_iterator, num_batches, device)
        if not self.auxiliary_lm_weight:
            return batches, num_items_in_batch
        texts = batches
        if self.unlabelled is not None:
            first, processes = self.state.global_step * self.args.gradient_accumulation_steps, self.args.world_size
            places = ((first + step) * processes + self.args.process_index for step in range(len(batches)))
            texts = [self.unlabelled[place] for place in places]
        targets = [next_token_targets(text) for text in texts]
        # Counted over all processes, as `Trainer` counts the labels of the task.
        count = self._get_num_items_in_batch([{"labels": labels} for labels in targets], device)
        for batch, text, labels in zip(batches, texts, targets, strict=True):
            batch["language_model"] = {"targets": labels, "count": None if num_items_in_batch is None else count}
            if self.unlabelled is not None:
                batch["language_model"]["text"] = text
        self._updates += 1
        return batches, num_items_in_batch

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Compute the loss of the task; in training add λ times the next-token loss."""
        if "language_model" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        extra = inputs.pop("language_model")
        supervised, outputs = super().compute_loss(
            model, {**inputs, "output_hidden_states": True}, True, num_items_in_batch
        )
        hidden_states = outputs.hidden_states[-1]
        if "text" in extra:
            text = extra["text"]
            if inputs["input_ids"].dim() == 3:  # a multiple-choice head: one choice each
                text = text | {name: text[name][:, None] for name in ("input_ids", "position_ids")}
            hidden_states = model(**text, output_hidden_states=True).hidden_states[-1]
        decoder = tied_decoder(self.accelerator.unwrap_model(model))
        unsupervised = vocabulary_loss(decoder, hidden_states, extra["targets"], extra["count"])
        if extra["count"] is not None and self.args.average_tokens_across_devices:
            # As `Trainer` does with the other loss: gradients are averaged over processes, the count is their sum.
            unsupervised = unsupervised * self.accelerator.num_processes
        share = 1 / self.current_gradient_accumulation_steps if extra["count"] is None else 1
        for name, loss in (("supervised_loss", supervised), ("lm_loss", unsupervised)):
            self._sums[name] = self._sums.get(name, 0.0) + loss.detach() * share
        total = supervised + self.auxiliary_lm_weight * unsupervised
        return (total, outputs) if return_outputs else total

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the mean of each loss over the updates since the last log."""
        if "loss" in logs and self._sums:
            for name, loss in self._sums.items():
                logs[name] = self.accelerator.gather(loss).mean().item() / self._updates
            self._sums, self._updates = {}, 0
        super().log(logs, start_time)


def check_language_model(model: PreTrainedModel) -> None:
    """Raise a ValueError unless the model is causal and its word embeddings are tied."""
    if not is_causal(model):
        raise ValueError(
            f"{type(model).__name__} reads both ways, so it sees the tokens it has to predict; use "
            f"auxiliary_lm_weight with a decoder, for example MiniGPT"
        )
    if not getattr(model.config, "tie_word_embeddings", True):
        raise ValueError(
            f"{type(model).__name__} was pretrained with a separate output layer (tie_word_embeddings=False), which "
            f"this class does not have; auxiliary_lm_weight needs tied word embeddings"
        )


@torch.no_grad()
def is_causal(model: PreTrainedModel) -> bool:
    """Whether the first token ignores the second one; tested by running the model on two texts."""
    if model.config.is_encoder_decoder:
        return False
    base, was_training = getattr(model, model.base_model_prefix, model), model.training
    model.eval()
    first, second = (base(input_ids=torch.tensor([[0, last]], device=model.device))[0][0, 0] for last in (0, 1))
    model.train(was_training)
    return torch.allclose(first, second, rtol=1e-4, atol=1e-6)


def next_token_targets(inputs) -> torch.Tensor:
    """Next-token labels of a batch: the next token of each text, -100 at its last token and at pads.

    Args:
        inputs: arguments of a head: `input_ids` (B, L) or (B, R, L), with pads on either side where `attention_mask`
            is 0; or packed (1, T), with `position_ids` or `cu_seq_lens_q`.

    Returns:
        (B, L), or (B·R, L).

    Raises:
        ValueError: there are no input_ids.
    """
    if "input_ids" not in inputs:
        raise ValueError(f"the batch has {sorted(inputs)}, but the language-model loss needs input_ids; add them")
    ids, mask, positions = (inputs.get(name) for name in ("input_ids", "attention_mask", "position_ids"))
    if ids.dim() == 3:
        ids, mask, positions = map(merge_sequences, (ids, mask, positions))
    labels = ids if mask is None else ids.masked_fill(mask == 0, IGNORE_INDEX)
    return next_token_labels(labels, mask, positions, inputs.get("cu_seq_lens_q"))


def tied_decoder(model: PreTrainedModel) -> nn.Linear:
    """A linear layer (…, E) → (…, V) that shares the word-embedding matrix."""
    weight = model.get_input_embeddings().weight
    decoder = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")  # no memory, no random numbers
    decoder.weight = weight
    return decoder


class UnlabelledBatches:
    """An endless sequence of batches of unlabelled rows, reshuffled after each pass.

    Batch i depends on i and the seed alone, so a resumed run needs no other state.

    Args:
        dataset: rows with `input_ids`.
        batch_size: rows in a batch.
        seed: of the shuffling.

    Raises:
        ValueError: the data set is empty.
    """

    def __init__(self, dataset: Sequence[dict], batch_size: int, seed: int = 0):
        if len(dataset) == 0:
            raise ValueError("unlabelled_dataset has no rows; leave it out to use the labelled texts")
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.collator = DataCollatorForCausalLM()
        self._order = None

    def __getitem__(self, index: int) -> dict:
        """Return batch `index`, packed into one row (1, T), without labels."""
        places = range(index * self.batch_size, (index + 1) * self.batch_size)
        batch = self.collator([self.dataset[self._row(place)] for place in places])
        del batch["labels"]
        return batch

    def _row(self, place: int) -> int:
        epoch, place = divmod(place, len(self.dataset))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        return int(self._order[1][place])

"""Language-model losses to compare a run with, and a callback that prints them during pretraining.

An untrained model has the loss ln V. A model that knows the frequency of each word has the unigram entropy, where many
runs stay for a while (the plateau). A useful model is well below the bigram entropy, which also uses the word before.

    step 400/2,000   mlm 5.41 (unigram 5.38: at its plateau)   nsp 0.69   24,100 tokens/s   2 min left

Read `expected_losses`, then `LossMeter`.
"""

import math
import time

import numpy as np
import torch

from .callbacks import ProgressLines, time_left

PLATEAU_TOLERANCE = 0.05  # a loss this close to the unigram entropy, as a share of it, is at the plateau


def expected_losses(dataset, vocab_size: int, special_ids: list[int], max_tokens: int = 5_000_000) -> dict[str, float]:
    """Losses of three counting models (uniform, unigram, bigram), in nats per token.

    Args:
        dataset: encoded rows with a column `input_ids`.
        vocab_size: V.
        special_ids: ids that are never predicted.
        max_tokens: stop counting after so many tokens.

    Returns:
        `uniform`, ln V; `unigram`, the entropy of the tokens; `bigram`, their entropy given the token before, which is
        too low if the text is short for its vocabulary.
    """
    rows, total = [], 0
    for row in dataset:
        rows.append(np.asarray(row["input_ids"], dtype=np.int64))
        total += len(rows[-1])
        if total >= max_tokens:
            break
    tokens = np.concatenate(rows)
    counted = ~np.isin(tokens, special_ids)
    unigram = _entropy(np.bincount(tokens[counted], minlength=vocab_size))
    # Pairs without a special token, so that none spans two rows.
    pairs = counted[:-1] & counted[1:]
    first, second = tokens[:-1][pairs], tokens[1:][pairs]
    joint = _entropy(np.unique(first * vocab_size + second, return_counts=True)[1])
    return {"uniform": math.log(vocab_size), "unigram": unigram, "bigram": joint - _entropy(np.bincount(first))}


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


class LossMeter(ProgressLines):
    """Print and log each pretraining loss, tokens per second, and whether the run is at the unigram plateau.

    The values also go into `trainer.state.log_history`, TensorBoard and trainer_state.json. With several processes the
    separate losses are those of the first one.

    Args:
        model: a model whose outputs have `masked_lm_loss` and `next_sentence_loss`, or `loss` alone.
        expected: from `expected_losses`.
        objective: the name of the loss over the vocabulary: "mlm" (masked words) or "clm" (the next word).
    """

    def __init__(self, model: torch.nn.Module, expected: dict[str, float], objective: str = "mlm"):
        self.expected, self.objective = expected, objective
        self._start_interval(0)
        model.register_forward_hook(self._record_losses, with_kwargs=True)

    def _record_losses(self, module, arguments, inputs, outputs):
        if not module.training:
            return
        losses = {f"{self.objective}_loss": outputs.get("masked_lm_loss", outputs.get("loss"))}
        losses["nsp_loss"] = outputs.get("next_sentence_loss")
        for name, loss in losses.items():
            if loss is not None:
                self.parts[name] = self.parts.get(name, 0.0) + loss.detach()
        mask = inputs.get("attention_mask")
        self.tokens += inputs["input_ids"].numel() if mask is None else int(mask.sum())

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        self._start_interval(state.global_step)

    def _start_interval(self, step: int) -> None:
        self.parts, self.tokens = {}, 0
        self.interval_started, self.interval_step = time.monotonic(), step

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        updates = max(state.global_step - self.interval_step, 1)
        seconds = max(time.monotonic() - self.interval_started, 1e-9)
        # Under gradient accumulation each loss is already divided by the number of batches.
        entry = {name: float(loss) * args.world_size / updates for name, loss in self.parts.items()}
        entry["tokens_per_second"] = round(self.tokens * args.world_size / seconds)
        logs.update(entry)
        state.log_history[-1].update(entry)
        print(self._format(state, entry), flush=True)
        self._start_interval(state.global_step)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        super().on_evaluate(args, state, control, metrics, **kwargs)
        # Leave the time of the evaluation out of tokens per second.
        self.interval_started += (metrics or {}).get("eval_runtime", 0.0)

    def _format(self, state, entry: dict[str, float]) -> str:
        unigram, loss = self.expected["unigram"], entry[f"{self.objective}_loss"]
        plateau = ": at its plateau" if abs(loss - unigram) < PLATEAU_TOLERANCE * unigram else ""
        nsp = f"nsp {entry['nsp_loss']:.3f}   " if "nsp_loss" in entry else ""
        return (
            f"step {state.global_step:,}/{state.max_steps:,}   {self.objective} {loss:.3f} "
            f"(unigram {unigram:.2f}{plateau})   {nsp}{entry['tokens_per_second']:,} tokens/s   "
            f"{time_left(state, self.rate(state))}"
        )

"""Is this loss good? What a masked-LM loss should be, before and while training.

A model that knows nothing has the loss ln V. One that knows how often each word occurs has the entropy of the
vocabulary, and many runs stay there for a while: the unigram plateau. Knowing the word before gives the bigram
entropy, which a useful model is well below.

    step 400/2,000   mlm 5.41 (unigram 5.38: at its plateau)   nsp 0.69   24,100 tokens/s   2 min left

Read `expected_losses`, then `LossMeter`.
"""

import math
import time

import numpy as np
import torch

from .callbacks import ProgressLines, time_left

PLATEAU = 0.05  # within this share of the unigram entropy a run counts as on its plateau


def expected_losses(dataset, vocab_size: int, special_ids: list[int], max_tokens: int = 5_000_000) -> dict[str, float]:
    """The masked-LM losses of three models that only count, in nats per token.

    Args:
        dataset: encoded rows with a column `input_ids`; the first `max_tokens` tokens are counted.
        vocab_size: V.
        special_ids: ids that are never predicted.

    Returns:
        `uniform`, ln V; `unigram`, the entropy of the tokens; `bigram`, their entropy given the token before, which
        comes out too low where the text is short for its vocabulary.
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
    # Two neighbours, neither special: a special token stands between any two rows.
    pairs = counted[:-1] & counted[1:]
    first, second = tokens[:-1][pairs], tokens[1:][pairs]
    joint = _entropy(np.unique(first * vocab_size + second, return_counts=True)[1])
    return {"uniform": math.log(vocab_size), "unigram": unigram, "bigram": joint - _entropy(np.bincount(first))}


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


class LossMeter(ProgressLines):
    """Prints the two pretraining losses apart, tokens per second, and whether the run is at the unigram plateau.

    They also go into `trainer.state.log_history`, and with it into TensorBoard and trainer_state.json. With several
    processes the losses apart are those of the first one.

    Args:
        model: a `MiniBertForPreTraining`, or another model whose outputs have `masked_lm_loss` and
            `next_sentence_loss`, or only `loss`.
        expected: from `expected_losses`.
        objective: what the loss over the vocabulary is called: "mlm", masked words, or "clm", the next word.
    """

    def __init__(self, model: torch.nn.Module, expected: dict[str, float], objective: str = "mlm"):
        self.expected, self.objective = expected, objective
        self._start_interval(0)
        model.register_forward_hook(self._record, with_kwargs=True)

    def _record(self, module, arguments, inputs, outputs):
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
        # Under accumulation each part is already its share of the update, so parts add up.
        entry = {name: float(loss) * args.world_size / updates for name, loss in self.parts.items()}
        entry["tokens_per_second"] = round(self.tokens * args.world_size / seconds)
        logs.update(entry)
        state.log_history[-1].update(entry)
        print(self._line(state, entry), flush=True)
        self._start_interval(state.global_step)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        super().on_evaluate(args, state, control, metrics, **kwargs)
        # As if the interval had begun later: an evaluation trains on no token.
        self.interval_started += (metrics or {}).get("eval_runtime", 0.0)

    def _line(self, state, entry: dict[str, float]) -> str:
        unigram, loss = self.expected["unigram"], entry[f"{self.objective}_loss"]
        plateau = ": at its plateau" if abs(loss - unigram) < PLATEAU * unigram else ""
        nsp = f"nsp {entry['nsp_loss']:.3f}   " if "nsp_loss" in entry else ""
        return (
            f"step {state.global_step:,}/{state.max_steps:,}   {self.objective} {loss:.3f} "
            f"(unigram {unigram:.2f}{plateau})   {nsp}{entry['tokens_per_second']:,} tokens/s   "
            f"{time_left(state, self.rate(state))}"
        )

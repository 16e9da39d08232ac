"""Helpers of all checks: the error with its hint, a comparison that names mistakes, small models, inputs."""

import numpy as np
from transformers import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FILLING = "the film was so and very that day we saw it with her".split()
JUDGEMENTS = (["dull", "stale", "rude"], ["funny", "fresh", "kind"])
POSITIONS = 32


class WrongAnswerError(Exception):
    """A failed check; the message is the hint."""


def compare_with(what: str, found, right, mistakes: dict[str, np.ndarray], tolerance: float = 1e-5) -> None:
    """Raise a `WrongAnswerError` unless `found` equals `right`, with the hint of the mistake that gives `found`."""
    found, right = np.asarray(found, dtype=float), np.asarray(right, dtype=float)
    if found.shape != right.shape:
        raise WrongAnswerError(f"{what}: the shape is {found.shape}, and should be {right.shape}")
    if np.allclose(found, right, atol=tolerance):
        return
    for hint, wrong in mistakes.items():
        if wrong.shape == found.shape and np.allclose(found, wrong, atol=tolerance):
            raise WrongAnswerError(f"{what}: {hint}")
    raise WrongAnswerError(f"{what}: differs by up to {np.nanmax(np.abs(found - right)):.3g} from the reference")


def word_tokenizer(reverse=False):
    """Build a tokenizer of whole words; `reverse` reverses the ids, so that two tokenizers differ."""
    words = sorted({*FILLING, *JUDGEMENTS[0], *JUDGEMENTS[1]}, reverse=reverse)
    vocabulary = {token: number for number, token in enumerate(SPECIAL + words)}
    return BertTokenizer(vocab=vocabulary, model_max_length=POSITIONS)


def sentences(per_class, seed):
    """Draw sentences of 2 to 10 words, sorted by class, each with one word that tells its class."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for label, judgements in enumerate(JUDGEMENTS):
        for _ in range(per_class):
            words = [*draw.choice(FILLING, draw.integers(1, 10)), draw.choice(judgements)]
            texts.append(" ".join(draw.permutation(words)))
            labels.append(label)
    return texts, labels


def sizes(tokenizer, **fields):
    """Build the configuration fields of a small BERT or RoBERTa."""
    return {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 64, "max_position_embeddings": POSITIONS, **fields}  # fmt: skip


def watch(model) -> list[dict]:
    """Record of every later forward pass whether it ran in training mode and whether it read pads."""
    calls = []

    def record(module, arguments, named):
        ids = named.get("input_ids", arguments[0] if arguments else None)
        mask = named.get("attention_mask", arguments[1] if len(arguments) > 1 else None)
        pads = ids is not None and bool((ids == module.config.pad_token_id).any())
        calls.append({"training": module.training, "pads_seen": pads and mask is None})

    model.register_forward_pre_hook(record, with_kwargs=True)
    return calls


def check_calls(calls, where):
    """Raise a `WrongAnswerError` if a watched model ran in training mode, or read its pads."""
    if any(call["training"] for call in calls):
        raise WrongAnswerError(
            f"{where}: the model is in training mode, so that dropout changes the answer; call model.eval()"
        )
    if any(call["pads_seen"] for call in calls):
        raise WrongAnswerError(f"{where}: pads are read like words; give the model the tokenizer's attention_mask too")

"""One model with a vocabulary of each family, its stock twin, and a batch with labels for both."""

from functools import partial

import torch

from helpers.minibert import random_model
from helpers.minigpt import NO_DROPOUT, random_gpt
from helpers.seq2seq import random_seq2seq
from modeling_minibert import MiniBertForMaskedLM, MiniBertForPreTraining

MAKERS = {
    "encoder": partial(random_model, MiniBertForMaskedLM, **NO_DROPOUT),
    "encoder, pretraining": partial(random_model, MiniBertForPreTraining, **NO_DROPOUT),
    "decoder": partial(random_gpt, **NO_DROPOUT),
    "encoder-decoder": partial(random_seq2seq, label_smoothing=0.0),
}
FAMILIES = ("encoder", "decoder", "encoder-decoder")
VOCABULARY = 83


def build_family(family, implementation="eager", **fields):
    """A random model in float64, in eval mode, without dropout."""
    torch.manual_seed(1)
    model = MAKERS[family](**fields).double()
    model.set_attn_implementation(implementation)
    return model


def batch_of(model, rows=3, length=7):
    """Texts of unequal lengths with a label for each real token, and the targets of their logits.

    Returns:
        The arguments of the model, without labels; the labels; and the label that each row of logits is scored on.
    """
    generator = torch.Generator().manual_seed(2)
    lengths = torch.tensor([length, length - 3, length - 1, 2])[:rows]
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(5, VOCABULARY, (rows, length), generator=generator)
    labels = ids.masked_fill(mask == 0, -100)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if not model.config.is_encoder_decoder:
        is_causal = hasattr(model, "minigpt")
        return inputs, labels, torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100) if is_causal else labels
    wanted = torch.randint(5, VOCABULARY, (rows, 5), generator=generator)
    wanted[0, 3:] = -100
    return inputs, wanted, wanted


def logits_of(outputs):
    """The scores of the vocabulary, by either name."""
    return outputs.get("logits", outputs.get("prediction_logits"))

"""Random models and batches of unequal lengths, for packed and padded computation."""

import torch
import torch._dynamo.testing

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
)

V, L, CLASSES = 101, 9, 5
LENGTHS = (5, 9, 3, 9, 1)  # two of one length, one of a single token
B, T = len(LENGTHS), sum(LENGTHS)
EXACT = {"rtol": 0, "atol": 1e-12}
HEADS = {
    MiniBertForPreTraining: ("labels", "next_sentence_label"),
    MiniBertForMaskedLM: ("labels",),
    MiniBertForNextSentencePrediction: ("sentence_labels",),
    MiniBertForSequenceClassification: ("class_labels",),
    MiniBertForTokenClassification: ("token_classes",),
    MiniBertForQuestionAnswering: ("start_positions", "end_positions"),
}
PER_TOKEN = ("input_ids", "token_type_ids", "labels", "token_classes")


def build(model_class, implementation, **fields):
    """A random model in training mode without dropout; the same weights for every implementation."""
    torch.manual_seed(1)
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    sizes = dict(vocab_size=V, hidden_size=20, num_attention_heads=4, num_hidden_layers=3, intermediate_size=37)
    config = MiniBertConfig(**{**sizes, **dropouts, "max_position_embeddings": 23, "num_labels": CLASSES, **fields})
    config._attn_implementation = implementation
    model = model_class(config).double()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if name.endswith("norm.weight") else 0.0, 0.3)
    return model.train()


def padded_batch(names):
    """Rows of `LENGTHS`, with the labels that a head wants."""
    torch.manual_seed(2)
    mask = torch.arange(L) < torch.tensor(LENGTHS)[:, None]
    ids = torch.randint(1, V, (B, L)) * mask
    labels = torch.where((torch.rand(B, L) < 0.4) & mask, ids, -100)
    everything = {
        "labels": labels,
        "next_sentence_label": torch.tensor([0, 1, 1, 0, 1]),
        "sentence_labels": torch.tensor([1, 0, 1, 0, 1]),
        "class_labels": torch.tensor([4, 0, 2, 1, 3]),
        "token_classes": torch.where(mask, torch.randint(CLASSES, (B, L)), -100),
        "start_positions": torch.tensor([4, 0, 1, 7, 0]),
        "end_positions": torch.tensor([4, 3, 2, 8, 0]),
    }
    batch = {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": torch.randint(2, (B, L)) * mask}
    return batch | {name: everything[name] for name in names}

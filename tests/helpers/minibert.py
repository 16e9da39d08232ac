"""Random MiniBert models, their configurations and batches."""

import torch

from modeling_minibert import (
    MiniBertConfig,
    MiniBertForMaskedLM,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
)

B, L, E, H, M, V, LAYERS, CLASSES = 3, 7, 20, 4, 37, 101, 3, 5
VARIANTS = {
    "bert": {},
    "pre-norm": {"norm_position": "pre"},
    "rmsnorm": {"norm_type": "rmsnorm", "layer_norm_eps": 1e-6},
    "sinusoidal": {"position_embedding_type": "sinusoidal"},
    "no positions": {"position_embedding_type": "none"},
    "2017": {"embedding_norm": False, "scale_embedding": True, "type_vocab_size": 0, "hidden_act": "relu"},
    "mean pooling": {"classifier_pooling": "mean", "classifier_hidden_size": 11},
    "max pooling": {"classifier_pooling": "max"},
    "attention pooling": {"classifier_pooling": "attention"},
    "wide heads": {"head_dim": 9, "attention_bias": False},
}
HEADS = [
    MiniBertModel,
    MiniBertForPreTraining,
    MiniBertForMaskedLM,
    MiniBertForNextSentencePrediction,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertForQuestionAnswering,
]


def small_config(**fields):
    sizes = dict(vocab_size=V, hidden_size=E, num_attention_heads=H, num_hidden_layers=LAYERS, intermediate_size=M)
    labels = {} if "id2label" in fields else {"num_labels": CLASSES}
    return MiniBertConfig(**{**sizes, "max_position_embeddings": 23, **labels, **fields})


def random_model(model_class=MiniBertForSequenceClassification, **fields):
    """All parameters random, gains and biases too, so that no zero hides a mistake.

    Gains vary around 1: with small ones all tokens of a text end up alike, and hardly anything would be tested.
    """
    model = model_class(small_config(**fields)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if name.endswith("norm.weight") else 0.0, std=0.3)
    return model


def random_batch(length=L):
    ids = torch.randint(1, V, (B, length))
    return {"input_ids": ids, "attention_mask": torch.ones(B, length), "token_type_ids": torch.randint(2, (B, length))}

"""Random MiniGPT models, their configurations and batches."""

import torch

from modeling_minibert import (
    MiniGPTConfig,
    MiniGPTForCausalLM,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
    MiniGPTModel,
)

B, L, E, H, M, V, LAYERS, CLASSES = 3, 7, 24, 4, 37, 101, 3, 5
EXACT = {"rtol": 0, "atol": 1e-10}
VARIANTS = {
    "gpt2": {},
    "post-norm": {"norm_position": "post"},
    "sinusoidal": {"position_embedding_type": "sinusoidal", "scale_embedding": True, "embedding_norm": True},
    "rotary": {"position_embedding_type": "rotary", "attention_bias": False},
    "no positions": {"position_embedding_type": "none"},
    "rmsnorm": {"norm_type": "rmsnorm", "hidden_act": "silu", "tie_word_embeddings": False},
    "wide heads": {"head_dim": 10, "position_embedding_type": "rotary", "norm_position": "post"},
}
IMPLEMENTATIONS = ["eager", "sdpa", "packed"]
HEADS = [MiniGPTModel, MiniGPTForCausalLM, MiniGPTForSequenceClassification, MiniGPTForTokenClassification]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def small_gpt_config(**fields):
    sizes = dict(vocab_size=V, hidden_size=E, num_attention_heads=H, num_hidden_layers=LAYERS, intermediate_size=M)
    labels = {} if "id2label" in fields else {"num_labels": CLASSES}
    return MiniGPTConfig(**{**sizes, "max_position_embeddings": 23, **labels, **fields})


def random_gpt(model_class=MiniGPTForCausalLM, **fields):
    """All parameters random, biases and gains too, so that no zero hides a mistake; float64, in eval mode."""
    model = model_class(small_gpt_config(**fields)).eval().double()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 1.0 if name.endswith("norm.weight") else 0.0, 0.3)
    return model


def random_ids(rows=B, length=L):
    return torch.randint(1, V, (rows, length))


def pad_rows(rows, side):
    """Rows of unequal lengths → ids and mask (B, longest + 2), the pads random words on one side."""
    width = max(map(len, rows)) + 2
    ids, mask = random_ids(len(rows), width), torch.zeros(len(rows), width, dtype=torch.long)
    for row, tokens in enumerate(rows):
        place = slice(width - len(tokens), None) if side == "left" else slice(len(tokens))
        ids[row, place], mask[row, place] = tokens, 1
    return {"input_ids": ids, "attention_mask": mask}


WORDS = "<pad> <end> <unk> hujan turun sejak pagi dan kopi di meja".split()

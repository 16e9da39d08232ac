"""Random MiniSeq2Seq models, their configurations and batches."""

import torch

from modeling_minibert import (
    MiniSeq2SeqConfig,
    MiniSeq2SeqForConditionalGeneration,
)

B, S, L, E, H, V = 3, 9, 7, 20, 4, 101
SIZES = {
    "vocab_size": V,
    "hidden_size": E,
    "num_attention_heads": H,
    "num_encoder_layers": 2,
    "num_decoder_layers": 3,
    "intermediate_size": 37,
    "max_position_embeddings": 23,
}
NO_DROPOUT = {f"{where}_dropout_prob": 0.0 for where in ("hidden", "attention_probs", "activation", "final")}
EXACT = {"rtol": 0, "atol": 1e-10}
VARIANTS = {
    "vanilla": {},
    "t5": {"preset": "t5"},
    "lecture": {"preset": "lecture", "decoder_vocab_size": 83},
    "learned, pre-norm": {"position_embedding_type": "learned", "norm_position": "pre", "hidden_act": "gelu"},
    "no positions, wide heads": {"position_embedding_type": "none", "head_dim": 7, "tie_word_embeddings": False},
}
IMPLEMENTATIONS = ["eager", "sdpa", "packed"]


def small_seq2seq_config(preset="vanilla", **fields):
    return MiniSeq2SeqConfig.from_preset(preset, **{**SIZES, **NO_DROPOUT, **fields})


def random_seq2seq(model_class=MiniSeq2SeqForConditionalGeneration, dtype=torch.float64, **fields):
    """All parameters random, biases and gains too, so that no zero hides a mistake; in eval mode."""
    model = model_class(small_seq2seq_config(**fields)).eval().to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            if name.endswith("norm.weight"):
                parameter.add_(1.0)
    return model


def source_batch(lengths=(9, 6, 2)):
    """Sources of unequal lengths, and what stands in their pads is not the padding token."""
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": torch.randint(3, 83, mask.shape), "attention_mask": mask}


def target_ids(rows=B, length=L):
    return torch.randint(3, 83, (rows, length))

"""Random MiniGPT models that have a stock twin, and random stock models."""

import torch
import transformers
from transformers import GPT2Config, OpenAIGPTConfig

import modeling_minibert
from modeling_minibert import MiniGPTConfig

L, H, E, V, C = 7, 4, 20, 101, 3
SIZES = {
    "vocab_size": V,
    "hidden_size": E,
    "num_hidden_layers": 3,
    "num_attention_heads": H,
    "intermediate_size": 4 * E,
    "max_position_embeddings": 23,
    "num_labels": C,
    "pad_token_id": 0,
}
FIELDS = {"gpt2": {"intermediate_size": 37, "hidden_act": "gelu"}, "openai-gpt": {"norm_position": "post"}}


def randomize(model, seed=0):
    """Every parameter normal; gains stay around 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
            if name.endswith(("norm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight")):
                parameter.add_(1.0)
    return model


def make_ours(family, name, **choices):
    return randomize(getattr(modeling_minibert, name)(MiniGPTConfig(**{**SIZES, **FIELDS[family], **choices}))).eval()


def make_stock(family, name, **choices):
    sizes = {"vocab_size": V, "n_embd": E, "n_layer": 3, "n_head": H, "n_positions": 23, "num_labels": C}
    sizes |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} | choices
    config = GPT2Config(**sizes) if family == "gpt2" else OpenAIGPTConfig(**sizes)
    return randomize(getattr(transformers, name)(config)).eval()

"""Convert checkpoints of nanoGPT (github.com/karpathy/nanoGPT): the `ckpt.pt` that its train.py writes.

    python -m modeling_minibert.conversion out-shakespeare-char/ckpt.pt OUT

nanoGPT's model is GPT-2 with the exact GELU, and optionally without biases, which become zeros. The file has no
tokenizer.
"""

from pathlib import Path

import torch

from ..configuration_minigpt import MiniGPTConfig
from ..modeling_minigpt import MiniGPTForCausalLM

LAYER = {
    "ln_1": "attention_norm",
    "attn.c_proj": "attention.output",
    "ln_2": "feed_forward_norm",
    "mlp.c_fc": "feed_forward.up",
    "mlp.c_proj": "feed_forward.down",
}
TOP = {
    "transformer.wte.weight": "minigpt.embeddings.word_embeddings.weight",
    "transformer.wpe.weight": "minigpt.embeddings.position_embeddings.weight",
    "transformer.ln_f.weight": "minigpt.final_norm.weight",
    "transformer.ln_f.bias": "minigpt.final_norm.bias",
    "lm_head.weight": "lm_head.weight",
}


def from_nanogpt(path: str | Path) -> MiniGPTForCausalLM:
    """Load a nanoGPT checkpoint as a MiniGPT.

    Raises:
        ValueError: the file is not a nanoGPT checkpoint, or its weights do not fit a MiniGPT.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    missing = sorted({"model", "model_args"} - set(checkpoint))
    if missing:
        raise ValueError(f"{path} is no checkpoint of nanoGPT's train.py: it lacks {missing}; give its ckpt.pt")
    sizes = checkpoint["model_args"]
    model = MiniGPTForCausalLM(
        MiniGPTConfig(
            vocab_size=sizes["vocab_size"],
            hidden_size=sizes["n_embd"],
            num_hidden_layers=sizes["n_layer"],
            num_attention_heads=sizes["n_head"],
            intermediate_size=4 * sizes["n_embd"],
            max_position_embeddings=sizes["block_size"],
            hidden_act="gelu",
            hidden_dropout_prob=sizes.get("dropout", 0.0),
            attention_probs_dropout_prob=sizes.get("dropout", 0.0),
        )
    ).eval()
    weights = {}
    for name, tensor in checkpoint["model"].items():
        weights |= _rename(name.removeprefix("_orig_mod."), tensor)  # prefix of torch.compile
    biases = {name: torch.zeros_like(bias) for name, bias in model.named_parameters() if name.endswith("bias")}
    missing, unexpected = model.load_state_dict(biases | weights, strict=False)
    if missing or unexpected:
        raise ValueError(f"{path} does not fit a MiniGPT: it lacks {missing}, and there is no place for {unexpected}")
    return model


def _rename(name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """Map a nanoGPT weight to its MiniGPT names."""
    if name in TOP:
        return {TOP[name]: tensor}
    if not name.startswith("transformer.h."):
        return {name: tensor}  # reported as unexpected
    _, _, number, place = name.split(".", 3)
    module, _, leaf = place.rpartition(".")
    layer = f"minigpt.layers.{number}"
    if module == "attn.c_attn":
        parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
        return {f"{layer}.attention.{part}.{leaf}": piece.contiguous() for part, piece in parts}
    if place == "attn.bias":  # the causal mask, in old versions
        return {}
    return {f"{layer}.{LAYER.get(module, module)}.{leaf}": tensor}


def convert_nanogpt(path: str | Path, destination: str | Path) -> None:
    """Read a nanoGPT checkpoint and save it as a MiniGPT."""
    from_nanogpt(path).save_pretrained(destination)
    print(f"saved to {destination}; open it with AutoModelForCausalLM, after import modeling_minibert")

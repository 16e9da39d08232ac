"""Convert checkpoints of nanoGPT (github.com/karpathy/nanoGPT): the `ckpt.pt` that its train.py writes.

    python -m modeling_minibert.conversion out-shakespeare-char/ckpt.pt OUT --characters input.txt

nanoGPT's model is GPT-2 with the exact GELU, and optionally without biases, which become zeros. The file has no
tokenizer. The vocabulary of a character data set is rebuilt from its text; nanoGPT's own `meta.pkl` is a pickle and is
not read.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tokenization.stock_classes import save_tokenizer
from tokenization.text_rules import build_decoder, build_pre_tokenizer

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
GPT2_SIZES = (50257, 50304)  # GPT-2's vocabulary; rounded up, as in train.py


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


def character_tokenizer(path: str | Path, vocab_size: int, model_max_length: int) -> PreTrainedTokenizerFast:
    """Build the tokenizer of nanoGPT's character data sets, where the sorted characters of a text have the ids 0, 1, ….

    Encoding a character that is not in the text raises an error: nanoGPT has no unknown token.

    Args:
        path: the whole text, training and validation, in UTF-8.
        vocab_size: the number of characters that it must have.
        model_max_length: the block size.

    Raises:
        ValueError: another number of characters, or a file that is not UTF-8.
    """
    try:
        characters = sorted(set(Path(path).read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    if len(characters) != vocab_size:
        raise ValueError(
            f"{path} has {len(characters)} different characters, and the model has {vocab_size} tokens; give the whole "
            "text from which nanoGPT's prepare.py made its data"
        )
    backend = Tokenizer(models.WordLevel({character: number for number, character in enumerate(characters)}))
    backend.pre_tokenizer = build_pre_tokenizer("character", "isolate")
    backend.decoder = build_decoder("character")
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=names, model_max_length=model_max_length,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip


def convert_nanogpt(path: str | Path, destination: str | Path, characters: str | Path | None = None) -> None:
    """Read a nanoGPT checkpoint and save it as a MiniGPT.

    Args:
        path: the ckpt.pt.
        destination: new or empty folder.
        characters: the text of a character data set, for its tokenizer; None saves no tokenizer.
    """
    model = from_nanogpt(path)
    size = model.config.vocab_size
    if characters is not None:
        tokenizer = character_tokenizer(characters, size, model.config.max_position_embeddings)
        save_tokenizer(tokenizer, destination)
    model.save_pretrained(destination)
    print(f"saved to {destination}; open it with AutoModelForCausalLM, after import modeling_minibert")
    if characters is not None:
        print(f"its tokenizer has the {size} characters of {characters}")
    elif size in GPT2_SIZES:
        print(f"it has no tokenizer; for {size} tokens it is GPT-2's: AutoTokenizer.from_pretrained('gpt2')")
    else:
        print("it has no tokenizer; for a character data set add its text: --characters input.txt")

"""Convert a saved model to its stock twin or back, with its tokenizers, and compare the outputs of both."""

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from tokenization.console import check_local_folder

from ..stock import FAMILIES, FOLDER_FIELDS, from_stock, load_folder, to_stock


def convert_folder(source: str | Path, destination: str | Path, target: str | None = None) -> PreTrainedModel:
    """Convert a folder or a Hub name, reload the result, compare the outputs, and print a report.

    Args:
        source: the model to convert.
        destination: the folder of the result.
        target: what the result shall be, "ours" or "stock"; None: the other of what the model is.

    Raises:
        ValueError: the model has no twin, or `destination` holds other files than an earlier conversion of it.
        RuntimeError: the outputs differ.
    """
    check_local_folder(str(source))
    model_type = AutoConfig.from_pretrained(source).model_type
    to_ours = model_type in [twins.stock for twins in FAMILIES]
    if target is not None and to_ours != (target == "ours"):
        is_ours, other = ("a model of ours", "to-stock") if target == "ours" else ("a stock model", "from-stock")
        raise ValueError(f"{source} is {is_ours} already ({model_type}); for the other direction use minibert {other}")
    model = load_folder(source, "stock" if to_ours else "ours")
    twin = from_stock(model) if to_ours else to_stock(model)
    _check_destination(Path(destination), twin, source)
    twin.save_pretrained(destination)
    tokenizer = _copy_tokenizer(source, destination)
    if twin.config.model_type in ("gpt2", "openai-gpt"):
        tokenizer += _leave_out_token_types(Path(destination))
    subfolder = getattr(model.config, "target_tokenizer", None)
    if subfolder is not None:
        tokenizer += f", {_copy_tokenizer(source, destination, subfolder)} in {subfolder}"
    twin = load_folder(destination, "ours" if to_ours else "stock")
    difference, size = _largest_difference(model, twin)

    name = type(twin).__name__
    print(f"{type(model).__name__} in {source} → {name} in {destination}")
    print(f"{twin.num_parameters():,} parameters · {tokenizer} · outputs up to {size:.3g}, differ by {difference:.1e}")
    if not difference <= 1e-3 * max(1.0, size):
        raise RuntimeError(f"{destination} does not compute what {source} does: outputs differ by {difference:.3g}")
    auto_class = "AutoModel" + "".join(name.replace("LMHeadModel", "ForCausalLM").partition("For")[1:])
    if model.config.is_encoder_decoder:
        auto_class = "AutoModelForSeq2SeqLM"
    imports = f"{'import modeling_minibert; ' if to_ours else ''}from transformers import {auto_class}"
    print(f"open it: python -c \"{imports}; print({auto_class}.from_pretrained('{Path(destination).as_posix()}'))\"")
    return twin


def _check_destination(folder: Path, twin: PreTrainedModel, source: str | Path) -> None:
    """Raise a ValueError if the folder holds other files than an earlier conversion of this model."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    path, name = folder / "config.json", type(twin).__name__
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    holds, new = (found.get("architectures") or ["no model"])[0], json.loads(twin.config.to_json_string())
    differ = sorted(k for k in (found.keys() | new.keys()) - FOLDER_FIELDS - {"dtype"} if found.get(k) != new.get(k))
    if holds != name or differ:
        detail = "".join(f", {k} {found.get(k)!r} there and {new.get(k)!r} here" for k in differ if holds == name)
        raise ValueError(f"{folder} already holds files ({holds}); {source} becomes {name}{detail}; choose another")


def _copy_tokenizer(source: str | Path, destination: str | Path, subfolder: str = "") -> str:
    """Copy the tokenizer, and return its description for the report."""
    files = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
    there = [path for name in files if (path := Path(source) / subfolder / name).is_file()]
    if Path(source).is_dir() and not there:
        return "no tokenizer"
    tokenizer = AutoTokenizer.from_pretrained(source, subfolder=subfolder)
    tokenizer.save_pretrained(Path(destination) / subfolder)
    for path in there:  # unchanged, because transformers 5 saves a class name that transformers 4 does not know
        shutil.copy2(path, Path(destination) / subfolder)
    return f"{type(tokenizer).__name__} of {len(tokenizer):,} tokens"


def _leave_out_token_types(folder: Path) -> str:
    """Let the tokenizer of a stock GPT give no token types, which ours ignores and stock adds as words of these ids."""
    path = folder / "tokenizer_config.json"
    if not path.is_file() or "token_type_ids" not in AutoTokenizer.from_pretrained(folder).model_input_names:
        return ""
    fields = json.loads(path.read_text(encoding="utf-8")) | {"model_input_names": ["input_ids", "attention_mask"]}
    path.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return " (without token_type_ids)"


def _short_batch(config, multiple_choice: bool) -> dict[str, torch.Tensor]:
    """Make two short random texts, one of them padded, or a single one if the model has no padding token."""
    length = min(9, getattr(config, "max_position_embeddings", 9))
    shape = (1, 2, length) if multiple_choice else (2, length)
    input_ids = torch.randint(config.vocab_size, shape, generator=torch.Generator().manual_seed(0))
    attention_mask = torch.ones(shape, dtype=torch.long)
    if config.pad_token_id is None:
        return {"input_ids": input_ids[:1], "attention_mask": attention_mask[:1]}
    attention_mask[..., 1, length // 2 + 1 :] = 0
    # Stock decoders find padding by its id, so no word may have it.
    words = torch.where(input_ids == config.pad_token_id, (config.pad_token_id + 1) % config.vocab_size, input_ids)
    return {"input_ids": torch.where(attention_mask == 1, words, config.pad_token_id), "attention_mask": attention_mask}


@torch.no_grad()
def _largest_difference(model: PreTrainedModel, twin: PreTrainedModel) -> tuple[float, float]:
    """Run both on a short batch; return the largest difference of outputs and the largest output, without pads."""
    batch = _short_batch(model.config, type(model).__name__.endswith("MultipleChoice"))
    if model.config.is_encoder_decoder:
        target_words = getattr(model.config, "decoder_vocab_size", None) or model.config.vocab_size
        batch["decoder_input_ids"] = batch["input_ids"] % target_words
    real = batch["attention_mask"].bool()
    difference = size = 0.0
    for ours, theirs in zip(*(m.eval()(**batch).to_tuple() for m in (model, twin)), strict=False):
        if torch.is_tensor(ours):  # not a cache
            ours, theirs = (
                x[real] if x.shape[: real.dim()] == real.shape else x for x in (ours.float(), theirs.float())
            )
            difference = max(difference, (ours - theirs).abs().max().item())
            size = max(size, ours.abs().max().item())
    return difference, size

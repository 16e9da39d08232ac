"""Convert models of ours to stock transformers models with the same weights, and back.

A stock twin opens everywhere without code of ours. Conversion renames and rearranges weights, so a round trip is exact
to the bit. The tables of `stock_families.py` and `stock_families_seq2seq.py` map our names to stock ones.

    python -m modeling_minibert.conversion IN OUT        # ours → stock, or stock → ours, as IN's model_type says
"""

import copy
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from .stock_families import FAMILIES as ONE_STACK
from .stock_families import Twins
from .stock_families_seq2seq import FAMILIES as TWO_STACKS

FAMILIES = (*ONE_STACK, *TWO_STACKS)

# Fields of a configuration that describe one saved folder; every save writes them again.
FOLDER_FIELDS = {"model_type", "architectures", "auto_map", "custom_pipelines", "transformers_version", "_name_or_path"}


def to_stock(model: PreTrainedModel) -> PreTrainedModel:
    """Convert a model of ours to a stock transformers model, with its weights, configuration, dtype and mode.

    Raises:
        ValueError: the model has no twin; names every field that prevents it, and the value a twin needs.
    """
    twins = _family("ours", model.config)
    name = twins.twin_of("ours", type(model).__name__)
    _check_fields(model, name, twins.stock_needs(model))
    weights = _transpose(_join(_rename(model.state_dict(), twins.weights)), twins.transposed)
    for repeated, source in twins.repeated.items():
        if source in weights:
            weights[repeated] = weights[source]
    return _build(twins, "stock", name, model, twins.add_to_stock(model, weights))


def from_stock(source: str | Path | PreTrainedModel) -> PreTrainedModel:
    """Convert a stock model to one of ours, with its weights, configuration, dtype and mode.

    Args:
        source: a stock model; or a folder or a name on the Hub, opened as the class it was saved from.

    Raises:
        ValueError: no twin (says what is supported), or a file without some of the weights of its class.
    """
    if isinstance(source, str | Path):
        source = load_folder(source, "stock")
    twins = _family("stock", source.config)
    name = twins.twin_of("stock", type(source).__name__)
    _check_fields(source, name, twins.ours_needs(source))
    weights = {name: tensor for name, tensor in source.state_dict().items() if name not in twins.repeated}
    weights = twins.take_from_stock(weights)
    weights = _split(_transpose(weights, twins.transposed))
    weights = _rename(weights, {stock: ours for ours, stock in twins.weights.items()})
    return _build(twins, "ours", name, source, weights)


def _family(side: str, config) -> Twins:
    """The family of a configuration; where several stock families map to one of ours, the fixed fields decide."""
    families = [twins for twins in FAMILIES if getattr(twins, side) == config.model_type]
    if not families:
        known = sorted({getattr(twins, side) for twins in FAMILIES})
        raise ValueError(f"model_type {config.model_type!r} has no twin; choose one of {known}")
    if side == "stock":
        return families[0]
    fitting = [twins for twins in families if all(getattr(config, k) == v for k, v in twins.fixed.items())]
    return (fitting or families)[0]  # where none fits, the first one says what it needs


def _check_fields(model: PreTrainedModel, twin: str, needs: dict[str, tuple]) -> None:
    values = {field: getattr(model.config, field, None) for field in needs}
    wrong = [f"{k} is {values[k]!r} (a twin needs {needs[k][0]!r})" for k in needs if values[k] not in needs[k]]
    if wrong:
        raise ValueError(f"{type(model).__name__} cannot become {twin}: {'; '.join(wrong)}")


def _rename(weights: dict[str, torch.Tensor], table: dict[str, str]) -> dict[str, torch.Tensor]:
    renamed, unknown = {}, []
    for name, tensor in weights.items():
        module, _, leaf = name.rpartition(".")
        number = re.search(r"\.(\d+)\.", module)
        twin = table.get(module) or table.get(module.replace(number[0], ".*.", 1) if number else module)
        if twin is None:
            unknown.append(name)
        else:
            renamed[f"{twin.replace('*', number[1]) if number else twin}.{leaf}"] = tensor
    if unknown:
        raise ValueError(f"{len(unknown)} weights have no name in the twin, the first is {unknown[0]}; merge adapters "
                         f"and undo changed layers before converting")  # fmt: skip
    return renamed


def _transpose(weights: dict[str, torch.Tensor], modules: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Transpose the weights of these modules, which stock GPTs store as (in, out)."""
    turned = {}
    for name, tensor in weights.items():
        *_, module, leaf = name.split(".")
        turned[name] = tensor.t().contiguous() if module in modules and leaf == "weight" else tensor
    return turned


JOINED = ("query", "key", "value")  # one module "c_attn" in stock GPTs


def _join(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Concatenate c_attn.query, c_attn.key and c_attn.value to c_attn."""
    joined = {}
    for name, tensor in weights.items():
        before, found, leaf = name.partition("c_attn.query.")
        if found:
            tensor = torch.cat([weights[f"{before}c_attn.{part}.{leaf}"] for part in JOINED])
            name = f"{before}c_attn.{leaf}"
        if not re.search(r"c_attn\.(key|value)\.", name):
            joined[name] = tensor
    return joined


def _split(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Undo `_join`."""
    split = {}
    for name, tensor in weights.items():
        before, found, leaf = name.partition("c_attn.")
        parts = zip(JOINED, tensor.chunk(3), strict=True) if found else ()
        split |= {f"{before}c_attn.{part}.{leaf}": piece for part, piece in parts} or {name: tensor}
    return split


# What a stock model, or the pipeline that runs it, reads although its configuration does not list it.
UNLISTED_FIELDS = {"decoder_start_token_id", "target_tokenizer"}


def _twin_config(config_class: type, translate: Callable[[dict], dict], source: PreTrainedModel):
    """Copy the fields that both configurations have, and those that neither lists (a user's notes)."""
    theirs, ours = ({field.name for field in fields(c)} for c in (type(source.config), config_class))
    # A field of ours that is none of theirs says something else there, as BERT's old "absolute" positions.
    unlisted = {name for name in UNLISTED_FIELDS if getattr(source.config, name, None) is not None}
    shared = theirs | unlisted
    given = {name: value for name, value in source.config.to_dict().items() if name in shared or name not in ours}
    left_out = (theirs - ours - unlisted) | FOLDER_FIELDS
    carried = {name: value for name, value in translate(given).items() if name not in left_out}
    decoder = source.get_output_embeddings()
    if decoder is not None:  # as it is, not as the configuration says: the two may have been pulled apart
        embeddings = (module for module in source.modules() if isinstance(module, nn.Embedding))
        carried["tie_word_embeddings"] = any(decoder.weight is module.weight for module in embeddings)
    return config_class(**carried)


@torch.no_grad()
def _build(twins: Twins, side: str, name: str, source: PreTrainedModel, weights: dict) -> PreTrainedModel:
    """Build a model of class `name` with the configuration, device and mode of `source` and a copy of `weights`."""
    model_class = twins.get_class(side, name)
    translate = twins.stock_fields if side == "stock" else twins.our_fields
    config = _twin_config(model_class.config_class, translate, source)
    if side == "ours":
        config.update(twins.told_by_weights(source))
    implementation = source.config._attn_implementation.replace("packed", "sdpa")  # packing is ours alone
    config._attn_implementation = implementation if model_class._supports_sdpa else "eager"
    without_pooler = getattr(source, "pooler", True) is None
    with no_init_weights():  # also leaves the random numbers of a running experiment alone
        twin = model_class(config, add_pooling_layer=False) if without_pooler else model_class(config)
    missing, unexpected = twin.load_state_dict({k: v.clone() for k, v in weights.items()}, strict=False, assign=True)
    if missing or unexpected:
        raise ValueError(f"{model_class.__name__} would miss {missing}, and has no place for {unexpected}")
    twin.tie_weights()
    if config.is_encoder_decoder and source.can_generate():  # forced tokens, beams: how such a model is meant to write
        twin.generation_config = copy.deepcopy(source.generation_config)
    return twin.to(source.device).train(source.training)


def load_folder(path: str | Path, side: str) -> PreTrainedModel:
    """Open a folder as the class it was saved from, on the side "ours" or "stock"."""
    config = AutoConfig.from_pretrained(path)
    twins, name = _family(side, config), (config.architectures or ["a model without architectures"])[0]
    twins.twin_of(side, name)  # before anything is loaded
    model_class = twins.get_class(side, name)
    model, info = model_class.from_pretrained(path, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing and all(key.startswith("pooler.") for key in missing):  # saved without one
        return model_class.from_pretrained(path, add_pooling_layer=False)
    if missing:
        raise ValueError(f"{path} lacks weights of {name}, which would be random: {missing}")
    return model

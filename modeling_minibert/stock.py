"""Stock twins: a checkpoint of ours as a plain transformers model, and back, with the same weights.

A stock twin opens everywhere without code of ours. Conversion renames weights and computes nothing, so a round trip
gives every bit back. Read the tables first, they say which name of ours is which of theirs; then `to_stock`.

    python -m modeling_minibert.stock IN OUT        # minibert → bert, or bert → minibert, as IN's model_type says

This file travels with every saved checkpoint (`model.to_stock()` uses it), so it finds the classes of ours by name,
when they are asked for, and one family never drags in the code of another.
"""

import argparse
import importlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.initialization import no_init_weights

# MiniBert ↔ BERT. A star is the number of a layer.
BERT_ENCODER = {
    "embeddings.word_embeddings": "embeddings.word_embeddings",
    "embeddings.position_embeddings": "embeddings.position_embeddings",
    "embeddings.token_type_embeddings": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.*.attention.query": "encoder.layer.*.attention.self.query",
    "layers.*.attention.key": "encoder.layer.*.attention.self.key",
    "layers.*.attention.value": "encoder.layer.*.attention.self.value",
    "layers.*.attention.output": "encoder.layer.*.attention.output.dense",
    "layers.*.attention_norm": "encoder.layer.*.attention.output.LayerNorm",
    "layers.*.feed_forward.up": "encoder.layer.*.intermediate.dense",
    "layers.*.feed_forward.down": "encoder.layer.*.output.dense",
    "layers.*.feed_forward_norm": "encoder.layer.*.output.LayerNorm",
    "pooler.dense": "pooler.dense",
}
BERT_HEADS = {
    "mlm_head.dense": "cls.predictions.transform.dense",
    "mlm_head.norm": "cls.predictions.transform.LayerNorm",
    "mlm_head.decoder": "cls.predictions.decoder",
    "nsp_head": "cls.seq_relationship",
    "classifier.output": "classifier",
    "span_head": "qa_outputs",
}
BERT_CLASSES = ("Model", "ForPreTraining", "ForMaskedLM", "ForNextSentencePrediction", "ForSequenceClassification",
                "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")  # fmt: skip


TRAINING_ONLY = {"embedding_dropout_prob", "word_dropout_prob", "mask_token_id"}


def _bert_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """What BERT's configuration cannot say has to be what BERT always does: the values allowed, by field.

    `TRAINING_ONLY` fields are not asked about: they change nothing that a trained model computes.
    """
    config, parts = model.config, {name.rpartition(".")[2] for name, _ in model.named_modules()}
    needs = {
        "norm_position": ("post",),
        "norm_type": ("layernorm",),
        "position_embedding_type": ("learned",),
        "scale_embedding": (False,),
        "embedding_norm": (True,),
        "type_vocab_size": (config.type_vocab_size or 1,),
        "attention_bias": (True,),
        "head_dim": (config.hidden_size / config.num_attention_heads, None),
    }
    # These matter only to a class that has the part.
    if "pooler" in parts:
        needs["classifier_pooling"] = ("cls",)
    if "classifier" in parts:
        needs["classifier_hidden_size"] = (None, 0)
    if "span_head" in parts:
        needs["num_labels"] = (2,)
    return needs


def _minibert_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The same for a BERT: a decoder is no MiniBert, nor are distances in place of positions."""
    needs = {"is_decoder": (False,), "add_cross_attention": (False,), "position_embedding_type": ("absolute", None)}
    return {**needs, "num_labels": (2,)} if hasattr(model, "qa_outputs") else needs


@dataclass(frozen=True)
class Twins:
    """A family of ours and the family of transformers that computes the same."""

    ours: str  # model_type of ours, and the name of its modeling file after "modeling_"
    stock: str  # model_type of theirs
    classes: dict[str, str]
    weights: dict[str, str]
    repeated: dict[str, str]  # stock weights that only repeat another
    stock_needs: Callable[[PreTrainedModel], dict[str, tuple]]  # what to_stock asks of a model of ours
    ours_needs: Callable[[PreTrainedModel], dict[str, tuple]]  # what from_stock asks of a stock model

    def get_class(self, side: str, name: str) -> type[PreTrainedModel]:
        """The class `name` on the side "ours" or "stock"."""
        ours = f".modeling_{self.ours}"
        return getattr(importlib.import_module(ours, __package__) if side == "ours" else transformers, name)

    def twin_of(self, side: str, name: str) -> str:
        """The class on the other side; a ValueError names those that have one."""
        classes = self.classes if side == "ours" else {stock: ours for ours, stock in self.classes.items()}
        if name not in classes:
            raise ValueError(f"{name} has no twin; choose one of {list(classes)}")
        return classes[name]


FAMILIES = (
    Twins(
        ours="minibert",
        stock="bert",
        classes={f"MiniBert{suffix}": f"Bert{suffix}" for suffix in BERT_CLASSES},
        weights=BERT_ENCODER | {f"minibert.{k}": f"bert.{v}" for k, v in BERT_ENCODER.items()} | BERT_HEADS,
        repeated={"cls.predictions.bias": "cls.predictions.decoder.bias"},
        stock_needs=_bert_needs,
        ours_needs=_minibert_needs,
    ),
)
# Fields of a configuration that describe one saved folder, and are written anew for the next.
FOLDER_FIELDS = {"model_type", "architectures", "auto_map", "custom_pipelines", "transformers_version", "_name_or_path"}


def to_stock(model: PreTrainedModel) -> PreTrainedModel:
    """A stock transformers model with the weights, configuration, dtype and mode of one of ours.

    Raises:
        ValueError: the model has no twin; every field that stands in the way is named, with the value a twin needs.
    """
    twins = _family("ours", model.config.model_type)
    name = twins.twin_of("ours", type(model).__name__)
    _check_fields(model, name, twins.stock_needs(model))
    weights = _rename(model.state_dict(), twins.weights)
    for repeated, source in twins.repeated.items():
        if source in weights:
            weights[repeated] = weights[source]
    return _build(twins.get_class("stock", name), model, weights)


def from_stock(source: str | Path | PreTrainedModel) -> PreTrainedModel:
    """A model of ours with the weights, configuration, dtype and mode of a stock one.

    Args:
        source: a stock model; or a folder or a name on the Hub, opened as the class it was saved from.

    Raises:
        ValueError: no twin (says what is supported), or a file without some of the weights of its class.
    """
    if isinstance(source, str | Path):
        source = _load(source, "stock")
    twins = _family("stock", source.config.model_type)
    name = twins.twin_of("stock", type(source).__name__)
    _check_fields(source, name, twins.ours_needs(source))
    weights = {name: tensor for name, tensor in source.state_dict().items() if name not in twins.repeated}
    weights = _rename(weights, {stock: ours for ours, stock in twins.weights.items()})
    return _build(twins.get_class("ours", name), source, weights)


def _family(side: str, model_type: str) -> Twins:
    families = {getattr(twins, side): twins for twins in FAMILIES}
    if model_type not in families:
        raise ValueError(f"model_type {model_type!r} has no twin; choose one of {list(families)}")
    return families[model_type]


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
        twin = table.get(module.replace(number[0], ".*.", 1) if number else module)
        if twin is None:
            unknown.append(name)
        else:
            renamed[f"{twin.replace('*', number[1]) if number else twin}.{leaf}"] = tensor
    if unknown:
        raise ValueError(f"{len(unknown)} weights have no name in the twin, the first is {unknown[0]}; merge adapters "
                         f"and undo changed layers before converting")  # fmt: skip
    return renamed


def _twin_config(source: PreTrainedModel, config_class: type):
    """Every field that both configurations have, and those that neither has (labels of a pipeline, notes of a user)."""
    theirs, ours = ({field.name for field in fields(c)} for c in (type(source.config), config_class))
    carried = {k: v for k, v in source.config.to_dict().items() if k not in (theirs ^ ours) | FOLDER_FIELDS}
    decoder = source.get_output_embeddings()
    if decoder is not None:  # as it is, not as the configuration says: the two may have been pulled apart
        carried["tie_word_embeddings"] = decoder.weight is source.get_input_embeddings().weight
    return config_class(**carried, attn_implementation=source.config._attn_implementation)


@torch.no_grad()
def _build(model_class: type[PreTrainedModel], source: PreTrainedModel, weights: dict) -> PreTrainedModel:
    """A `model_class` with the configuration, device and mode of `source` and a copy of `weights`, nothing random."""
    config = _twin_config(source, model_class.config_class)
    without_pooler = getattr(source, "pooler", True) is None
    with no_init_weights():  # also leaves the random numbers of a running experiment alone
        twin = model_class(config, add_pooling_layer=False) if without_pooler else model_class(config)
    missing, unexpected = twin.load_state_dict({k: v.clone() for k, v in weights.items()}, strict=False, assign=True)
    if missing or unexpected:
        raise ValueError(f"{model_class.__name__} would miss {missing}, and has no place for {unexpected}")
    twin.tie_weights()
    return twin.to(source.device).train(source.training)


def _load(path: str | Path, side: str) -> PreTrainedModel:
    """Open a folder as the class it was saved from, on the side "ours" or "stock"."""
    config = AutoConfig.from_pretrained(path)
    twins, name = _family(side, config.model_type), (config.architectures or ["a model without architectures"])[0]
    twins.twin_of(side, name)  # before anything is loaded
    model_class = twins.get_class(side, name)
    model, info = model_class.from_pretrained(path, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing and all(key.startswith("pooler.") for key in missing):  # saved without one
        return model_class.from_pretrained(path, add_pooling_layer=False)
    if missing:
        raise ValueError(f"{path} lacks weights of {name}, which would be random: {missing}")
    return model


def convert_folder(source: str | Path, destination: str | Path) -> PreTrainedModel:
    """Convert a folder or a name on the Hub, with its tokenizer; open the result again, compare, say what was done.

    Raises:
        ValueError: no twin, or `destination` holds anything but an earlier conversion of the same model.
        RuntimeError: the result computes something else than the source.
    """
    to_ours = AutoConfig.from_pretrained(source).model_type in [twins.stock for twins in FAMILIES]
    model = _load(source, "stock" if to_ours else "ours")
    twin = from_stock(model) if to_ours else to_stock(model)
    _check_destination(Path(destination), twin, source)
    twin.save_pretrained(destination)
    tokenizer = _carry_tokenizer(source, destination)
    twin = _load(destination, "ours" if to_ours else "stock")
    difference, size = _largest_difference(model, twin)

    name = type(twin).__name__
    print(f"{type(model).__name__} in {source} → {name} in {destination}")
    print(f"{twin.num_parameters():,} parameters · {tokenizer} · outputs up to {size:.3g}, differ by {difference:.1e}")
    if not difference <= 1e-3 * max(1.0, size):
        raise RuntimeError(f"{destination} does not compute what {source} does: outputs differ by {difference:.3g}")
    auto_class = "AutoModel" + "".join(name.partition("For")[1:])
    imports = f"{'import modeling_minibert; ' if to_ours else ''}from transformers import {auto_class}"
    print(f"open it: python -c \"{imports}; print({auto_class}.from_pretrained('{Path(destination).as_posix()}'))\"")
    return twin


def _check_destination(folder: Path, twin: PreTrainedModel, source: str | Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    path, name = folder / "config.json", type(twin).__name__
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    holds, new = (found.get("architectures") or ["no model"])[0], json.loads(twin.config.to_json_string())
    differ = sorted(k for k in (found.keys() | new.keys()) - FOLDER_FIELDS - {"dtype"} if found.get(k) != new.get(k))
    if holds != name or differ:
        detail = "".join(f", {k} {found.get(k)!r} there and {new.get(k)!r} here" for k in differ if holds == name)
        raise ValueError(f"{folder} already holds files ({holds}); {source} becomes {name}{detail}; choose another")


def _carry_tokenizer(source: str | Path, destination: str | Path) -> str:
    files = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
    there = [Path(source) / name for name in files if (Path(source) / name).is_file()]
    if Path(source).is_dir() and not there:
        return "no tokenizer"
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.save_pretrained(destination)
    for path in there:  # to the letter: transformers 5 would save a class name that transformers 4 does not know
        shutil.copy2(path, destination)
    return f"{type(tokenizer).__name__} of {len(tokenizer):,} tokens"


@torch.no_grad()
def _largest_difference(model: PreTrainedModel, twin: PreTrainedModel) -> tuple[float, float]:
    """Run both on one short random padded batch: the largest difference of their outputs, the largest output."""
    length = min(9, model.config.max_position_embeddings)
    shape = (1, 2, length) if type(model).__name__.endswith("MultipleChoice") else (2, length)
    input_ids = torch.randint(model.config.vocab_size, shape, generator=torch.Generator().manual_seed(0))
    attention_mask = torch.ones(shape, dtype=torch.long)
    attention_mask[..., 1, length // 2 + 1 :] = 0
    ours, theirs = (m.eval()(input_ids, attention_mask).to_tuple() for m in (model, twin))
    difference = max((a.float() - b.float()).abs().max().item() for a, b in zip(ours, theirs, strict=True))
    return difference, max(a.float().abs().max().item() for a in ours)


def main() -> None:
    """`python -m modeling_minibert.stock IN OUT`."""
    parser = argparse.ArgumentParser(prog="python -m modeling_minibert.stock", description=__doc__.split("\n")[0])
    parser.add_argument("source", metavar="IN", help="folder or Hub name of a checkpoint of ours or a stock one")
    parser.add_argument("destination", metavar="OUT", help="folder for its twin, new or empty")
    try:
        convert_folder(**vars(parser.parse_args()))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()

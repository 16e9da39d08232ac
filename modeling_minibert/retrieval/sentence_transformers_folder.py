"""Write and read the json files with which sentence-transformers opens a folder; the library itself is not needed.

    write_sentence_transformer("out/encoder", settings, features=128)     # SentenceTransformer("out/encoder") opens it
    read_sentence_transformer("sentence-transformers/all-MiniLM-L6-v2")   # pooling, length, prompts of such a folder
    save_cross_encoder(model, tokenizer, "out/ranker")                    # CrossEncoder("out/ranker") opens it

`modules.json` lists the steps of a sentence encoder: transformer, pooling, and normalization where vectors have unit
length. A cross-encoder is an ordinary classifier whose config.json names the function applied to its logits.
A model of ours is opened there with `trust_remote_code=True`, its stock twin without.

Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv 1908.10084); the files of sentence-transformers 2 to 6.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel
from transformers.utils import cached_file

from tokenization import save_tokenizer

from ..stock import to_stock

POOLINGS = ("mean", "cls", "max")
SIMILARITIES = ("cosine", "dot")
ACTIVATIONS = {"sigmoid": "torch.nn.modules.activation.Sigmoid", "identity": "torch.nn.modules.linear.Identity"}
MODULES, SETTINGS, POOLING_FOLDER = "modules.json", "config_sentence_transformers.json", "1_Pooling"
# These names are understood by versions 2 to 6.
TYPES = {
    "Transformer": "sentence_transformers.models.Transformer",
    "Pooling": "sentence_transformers.models.Pooling",
    "Normalize": "sentence_transformers.models.Normalize",
}
POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
}
OTHER_POOLINGS = {
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass
class EncoderSettings:
    """The settings of a sentence encoder around its transformer.

    Attributes:
        pooling: how token vectors become one: "mean", "cls" (the first token) or "max".
        normalize: scale vectors to unit length.
        max_length: tokens of the longest text; None: the longest that tokenizer and model allow.
        prompts: texts put before a text, by kind; "query" and "document" are used for questions and documents.
        default_prompt: the prompt of texts of no particular kind, or None.
        similarity: "cosine" or "dot", the comparison that the vectors were trained for.
        subfolder: where the transformer stands in the folder.
    """

    pooling: str = "mean"
    normalize: bool = True
    max_length: int | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = "cosine"
    subfolder: str = ""

    def __post_init__(self):
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling is {self.pooling!r}; choose one of {', '.join(POOLINGS)}")
        if self.similarity not in SIMILARITIES:
            raise ValueError(f"similarity is {self.similarity!r}; choose one of {', '.join(SIMILARITIES)}")
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise ValueError(f"default_prompt is {self.default_prompt!r}; the prompts are {sorted(self.prompts)}")


def write_sentence_transformer(folder: str | Path, settings: EncoderSettings, features: int) -> None:
    """Write the files of a sentence encoder beside a saved transformer and its tokenizer.

    Args:
        folder: holds the transformer itself, whichever `settings.subfolder` it was read from.
        settings: with a `max_length`.
        features: of a vector (E).
    """
    names = ["Transformer", "Pooling", *(["Normalize"] if settings.normalize else [])]
    paths = ["", POOLING_FOLDER, "2_Normalize"]
    modules = [
        {"idx": place, "name": str(place), "path": paths[place], "type": TYPES[name]}
        for place, name in enumerate(names)
    ]
    _write(Path(folder) / MODULES, modules)
    _write(Path(folder) / "sentence_bert_config.json", {"max_seq_length": settings.max_length, "do_lower_case": False})
    flags = {flag: pooling == settings.pooling for pooling, flag in POOLING_FLAGS.items()}
    _write(Path(folder) / POOLING_FOLDER / "config.json", {"word_embedding_dimension": features} | flags)
    notes = {
        "model_type": "SentenceTransformer",
        "prompts": settings.prompts,
        "default_prompt_name": settings.default_prompt,
        "similarity_fn_name": settings.similarity,
    }
    _write(Path(folder) / SETTINGS, notes)


def read_sentence_transformer(source: str | Path) -> EncoderSettings | None:
    """Read how a folder or Hub name of sentence-transformers encodes; None if it is an ordinary checkpoint.

    Raises:
        ValueError: it has a step or a pooling that `SentenceEncoder` lacks, so that its vectors would differ.
    """
    modules = _read(source, MODULES)
    if modules is None:
        return None
    names = [module["type"].rpartition(".")[2] for module in modules]
    if names not in (["Transformer"], ["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ValueError(
            f"{source} encodes by {', '.join(names)}; SentenceEncoder reads a Transformer, a Pooling and at most a "
            "Normalize; open this one with sentence_transformers"
        )
    subfolder = modules[0]["path"]
    text = _read(source, "sentence_bert_config.json", subfolder) or {}
    notes = _read(source, SETTINGS) or {}
    if text.get("do_lower_case"):
        raise ValueError(f"{source} lowers texts before its tokenizer does; open it with sentence_transformers")
    return EncoderSettings(
        pooling=_read_pooling(source, modules[1]["path"]) if len(modules) > 1 else "mean",
        normalize="Normalize" in names,
        max_length=text.get("max_seq_length"),
        prompts={name: prompt for name, prompt in (notes.get("prompts") or {}).items() if prompt},
        default_prompt=notes.get("default_prompt_name") or None,
        similarity="dot" if notes.get("similarity_fn_name") in ("dot", "dot_score") else "cosine",
        subfolder=subfolder,
    )


def _read_pooling(source: str | Path, subfolder: str) -> str:
    """Read the one pooling of a folder; raise a ValueError for several, others, or one that leaves the prompt out."""
    config = _read(source, "config.json", subfolder) or {}
    flags = OTHER_POOLINGS | {flag: pooling for pooling, flag in POOLING_FLAGS.items()}
    given = config.get("pooling_mode") or [pooling for flag, pooling in flags.items() if config.get(flag)]
    names = [given] if isinstance(given, str) else list(given) or ["mean"]
    if len(names) > 1 or names[0] not in POOLINGS or config.get("include_prompt") is False:
        without = " without the prompt" if config.get("include_prompt") is False else ""
        raise ValueError(
            f"{source} pools by {' and '.join(names)}{without}; SentenceEncoder has {', '.join(POOLINGS)}; open this "
            "one with sentence_transformers"
        )
    return names[0]


def save_cross_encoder(
    model: PreTrainedModel,
    tokenizer,
    folder: str | Path,
    activation: str | None = None,
    max_length: int | None = None,
    stock: bool = False,
) -> Path:
    """Save a classifier of text pairs so that `sentence_transformers.CrossEncoder` opens it.

    Args:
        model: with one label, whose logit is the score, or with two, not relevant and relevant; the second is scored
            there by `predict(pairs, apply_softmax=True)[:, 1]`.
        activation: applied to the logits: "sigmoid" or "identity"; None: identity, so that scores are the logits.
        max_length: tokens of a pair; None: as the tokenizer says.
        stock: save the stock twin, which needs no `trust_remote_code`.

    Raises:
        ValueError: an unknown activation, or a model without a twin.
    """
    activation = activation or "identity"
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
    (to_stock(model) if stock else model).save_pretrained(folder)
    if max_length is not None:
        tokenizer.model_max_length = max_length
    save_tokenizer(tokenizer, folder)
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    _write(path, config | {"sentence_transformers": {"activation_fn": ACTIVATIONS[activation]}})
    return Path(folder)


def read_activation(config) -> str:
    """Return which function a cross-encoder's configuration applies to the logits: "sigmoid" or "identity".

    The default is that of `CrossEncoder`: sigmoid for one label, identity for several.

    Raises:
        ValueError: the configuration names another function.
    """
    notes = getattr(config, "sentence_transformers", None) or {}
    path = notes.get("activation_fn") or getattr(config, "sbert_ce_default_activation_function", None)
    if path is None:
        return "sigmoid" if config.num_labels == 1 else "identity"
    name = path.rpartition(".")[2].lower()
    if name not in ACTIVATIONS:
        raise ValueError(f"the cross-encoder applies {path} to its logits; only {', '.join(ACTIVATIONS)} are known")
    return name


def _read(source: str | Path, name: str, subfolder: str = ""):
    """Read a json file of a folder or of a Hub repository; None if it has none."""
    path = cached_file(
        str(source),
        name,
        subfolder=subfolder,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def _write(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

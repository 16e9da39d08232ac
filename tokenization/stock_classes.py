"""Convert trained tokenizers and published vocabularies to stock `transformers` classes, and save them.

Only stock classes are saved, so `AutoTokenizer.from_pretrained(folder)` needs no remote code.

- Plain wordpiece becomes `BertTokenizer`, which exists in transformers 4 and 5.
- All other tokenizers become `PreTrainedTokenizerFast`, also wordpiece with `strip_html`, other `punctuation`, other
  special tokens or marks of other scripts: BertTokenizer would lose these, as it rebuilds its normalizer from its
  arguments on loading.

transformers 5 saves the second class as "TokenizersBackend", which transformers 4 cannot load. `save_tokenizer` writes
the old name, which both versions load.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertTokenizer, PreTrainedTokenizerFast

from .special_tokens import BERT_SPECIAL_TOKENS, special_token_strings, wrapping_template
from .text_sources import read_lines

SIDES = ("right", "left")


def to_transformers(
    backend: Tokenizer,
    special_tokens: Mapping[str, str | list[str]],
    *,
    wrap: bool | str = True,
    model_max_length: int = 512,
    padding_side: str = "right",
    truncation_side: str = "right",
) -> PreTrainedTokenizerFast:
    """Wrap a `tokenizers.Tokenizer` in the stock class that saves it without loss.

    Args:
        backend: trained tokenizer; its post-processor is replaced.
        special_tokens: role → token.
        wrap: as for `wrapping_template`.
        model_max_length: tokens, start and end included.
        padding_side, truncation_side: "right" or "left".

    Raises:
        ValueError: another side, or a `model_max_length` that leaves no room for text.
    """
    for name, side in (("padding_side", padding_side), ("truncation_side", truncation_side)):
        if side not in SIDES:
            raise ValueError(f"unknown {name} {side!r}; choose one of {list(SIDES)}")
    vocab = backend.get_vocab()
    backend.post_processor = wrapping_template(special_tokens, vocab, wrap)
    added = backend.post_processor.num_special_tokens_to_add(False)
    if model_max_length <= added:
        raise ValueError(f"model_max_length ({model_max_length}) leaves no room for text beside {added} special tokens")
    shared: dict = {
        **special_tokens,
        "model_max_length": model_max_length,
        "padding_side": padding_side,
        "truncation_side": truncation_side,
        "clean_up_tokenization_spaces": False,  # the decoder does this
    }
    if wrap is True and is_plain_bert(backend, special_tokens, backend.normalizer):
        rules = json.loads(backend.to_str())["normalizer"]
        return BertTokenizer(
            vocab=dict(sorted(vocab.items(), key=lambda entry: entry[1])),
            do_lower_case=rules["lowercase"],
            strip_accents=rules["strip_accents"],
            tokenize_chinese_chars=rules["handle_chinese_chars"],
            **shared,
        )
    # Only BERT-like models have token types.
    names = ["input_ids", "token_type_ids", "attention_mask"]
    if "cls_token" not in special_tokens:
        names.remove("token_type_ids")
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **shared)


def is_plain_bert(backend: Tokenizer, special_tokens: Mapping, normalizer) -> bool:
    """Return whether BertTokenizer can rebuild this backend, with this normalizer, from vocabulary and arguments."""
    return (
        isinstance(backend.model, models.WordPiece)
        and isinstance(normalizer, normalizers.BertNormalizer)
        and isinstance(backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and set(BERT_SPECIAL_TOKENS) == set(special_tokens) - {"extra_special_tokens"}
    )


def wordpiece_from_vocab(
    vocab: Mapping[str, int] | list[str] | str | Path,
    lowercase: bool = True,
    *,
    strip_accents: bool | None = None,
    model_max_length: int = 512,
    special_tokens: Mapping[str, str] | None = None,
    padding_side: str = "right",
    truncation_side: str = "right",
) -> BertTokenizer:
    """Build BERT's tokenizer from an existing vocabulary, e.g. a published vocab.txt.

    Args:
        vocab: a file with one piece per line (line number = id), a list of pieces, or piece → id.
        lowercase, strip_accents: those the vocabulary was made with; for "uncased" True and None.
        model_max_length: tokens, [CLS] and [SEP] included.
        special_tokens: role → token, for all five of BERT's roles; they keep their ids in the vocabulary.
        padding_side, truncation_side: "right" or "left".

    Raises:
        ValueError: a repeated piece, ids with holes, or a missing special token.
    """
    if isinstance(vocab, str | Path):
        name, pieces = str(vocab), list(read_lines(Path(vocab)))
    else:
        name, pieces = "vocab", _pieces_by_id(vocab) if isinstance(vocab, Mapping) else list(vocab)
    ids = {piece: i for i, piece in enumerate(pieces)}
    if len(ids) != len(pieces):
        piece = next(piece for i, piece in enumerate(pieces) if ids[piece] != i)
        raise ValueError(f"{name} has {piece!r} at {pieces.index(piece)} and again at {ids[piece]}; ids must be unique")
    roles: dict = dict(special_tokens or BERT_SPECIAL_TOKENS)
    if missing := [token for token in special_token_strings(roles) if token not in ids]:
        raise ValueError(f"{name} has {len(pieces)} pieces but lacks the special tokens {missing}")
    return BertTokenizer(
        vocab=ids,
        do_lower_case=lowercase,
        strip_accents=strip_accents,
        model_max_length=model_max_length,
        padding_side=padding_side,
        truncation_side=truncation_side,
        clean_up_tokenization_spaces=False,
        **roles,
    )


def _pieces_by_id(vocab: Mapping[str, int]) -> list[str]:
    """Return the pieces by id; raise if ids have holes, which would leave untrained embeddings."""
    pieces = sorted(vocab, key=lambda piece: vocab[piece])
    for expected, piece in enumerate(pieces):
        if vocab[piece] != expected:
            raise ValueError(
                f"ids must be 0 to {len(pieces) - 1} without holes; {piece!r} has {vocab[piece]}, not {expected}"
            )
    return pieces


def save_tokenizer(tokenizer, directory: str | Path) -> Path:
    """Save a tokenizer so that AutoTokenizer of transformers 4 and 5 can load it; return the folder."""
    directory = Path(directory)
    tokenizer.save_pretrained(str(directory))
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["tokenizer_class"] == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        # transformers 4 reads only this name, transformers 5 both.
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return directory

"""From a trained backend, or a published vocabulary, to the stock classes of `transformers`, and onto disk.

On disk only stock classes stand, so `AutoTokenizer.from_pretrained(folder)` needs no code of ours, today or in years.

- Plain wordpiece becomes `BertTokenizer`, which transformers 4 and 5 both know.
- Everything else becomes `PreTrainedTokenizerFast`. So does wordpiece with `strip_html`, other `punctuation`, or other
  special tokens: on loading, BertTokenizer rebuilds its text rules from its own arguments and would forget ours.

transformers 5 writes the second class to disk under its new name, "TokenizersBackend", which transformers 4 refuses.
`save_tokenizer` writes the old name, which both versions open.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
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
    """Wrap a `tokenizers.Tokenizer` in the stock class that loses nothing of it on disk.

    Args:
        backend: trained tokenizer; its post-processor is replaced.
        special_tokens: role → token.
        wrap: put start and end tokens around each text; "start": only the first of them.
        model_max_length: tokens, start and end included.
        padding_side, truncation_side: "right" or "left".

    Raises:
        ValueError: a side that is neither, or a `model_max_length` that leaves no room for text.
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
        "clean_up_tokenization_spaces": False,  # the decoder already does what its kind needs
    }
    if wrap is True and _is_plain_bert(backend, special_tokens):
        rules = json.loads(backend.to_str())["normalizer"]
        return BertTokenizer(
            vocab=dict(sorted(vocab.items(), key=lambda entry: entry[1])),
            do_lower_case=rules["lowercase"],
            strip_accents=rules["strip_accents"],
            tokenize_chinese_chars=rules["handle_chinese_chars"],
            **shared,
        )
    # Decoder-only and translation models know no token types; BERT-like ones ask for them.
    names = ["input_ids", "token_type_ids", "attention_mask"]
    if "cls_token" not in special_tokens:
        names.remove("token_type_ids")
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **shared)


def _is_plain_bert(backend: Tokenizer, special_tokens: Mapping) -> bool:
    """True if BertTokenizer can rebuild this backend from its vocabulary and its own arguments."""
    state = json.loads(backend.to_str())
    return (
        state["model"]["type"] == "WordPiece"
        and state["normalizer"]["type"] == "BertNormalizer"
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
    """Build BERT's tokenizer from a vocabulary that exists already, such as a published vocab.txt.

    Args:
        vocab: a file with one piece per line (line number = id), a list of pieces, or piece → id.
        lowercase, strip_accents: must be those of the vocabulary; the file does not say. "uncased" means True, None.
        model_max_length: tokens, [CLS] and [SEP] included.
        special_tokens: role → token, for all five of BERT's roles; they keep the ids that the vocabulary gives them.
        padding_side, truncation_side: "right" or "left".

    Raises:
        ValueError: a piece that stands twice, ids with holes, or a special token that the vocabulary lacks.
    """
    if isinstance(vocab, str | Path):
        name, pieces = str(vocab), list(read_lines(Path(vocab)))
    else:
        name, pieces = "vocab", list(vocab) if not isinstance(vocab, Mapping) else _in_order(vocab)
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


def _in_order(vocab: Mapping[str, int]) -> list[str]:
    """List the pieces by id; refuse ids with holes, which would leave embedding rows that nothing trains."""
    pieces = sorted(vocab, key=lambda piece: vocab[piece])
    for expected, piece in enumerate(pieces):
        if vocab[piece] != expected:
            raise ValueError(
                f"ids must be 0 to {len(pieces) - 1} without holes; {piece!r} has {vocab[piece]}, not {expected}"
            )
    return pieces


def save_tokenizer(tokenizer, directory: str | Path) -> Path:
    """Save so that transformers 4 and 5 both open the folder with AutoTokenizer.

    Returns:
        The folder.
    """
    directory = Path(directory)
    tokenizer.save_pretrained(str(directory))
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["tokenizer_class"] == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        # transformers 4 knows the list under this name; transformers 5 reads both.
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    path.write_text(json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return directory

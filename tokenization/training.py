"""Train a tokenizer and return it as a stock `transformers` tokenizer.

    from tokenization import train_tokenizer
    tokenizer = train_tokenizer([Path("corpus.txt")], kind="wordpiece", vocab_size=8000)
    tokenizer.save_pretrained("my-tokenizer")          # loads with AutoTokenizer, without remote code

Five kinds:

| kind      | pieces                                  | an unseen character     | decode gives back              |
|-----------|-----------------------------------------|-------------------------|--------------------------------|
| wordpiece | BERT's: un ##believ ##able              | the whole word is [UNK] | the words; marks set by rule   |
| bpe       | frequent pairs merged: ▁low er          | one [UNK], or its bytes | the normalised text            |
| unigram   | likeliest pieces, as SentencePiece's T5 | one [UNK], or its bytes | the normalised text            |
| wordlevel | whole words, most frequent first        | the whole word is [UNK] | the words, single spaces       |
| character | single characters, line ends included   | one [UNK]               | the text                       |

BPE works on the characters of space-separated words ("▁" marks the space), not on bytes, so pieces of accented text
stay readable. So does SentencePiece, where bytes are only an optional fallback, here `byte_fallback=True`.

`train_tokenizer` checks its arguments, trains words or pieces, and wraps the result in a stock class. The same text and
arguments give the same vocabulary.
Sources: WordPiece, Schuster & Nakajima 2012; BPE, Sennrich et al. 2016; unigram, Kudo 2018; SentencePiece, Kudo &
Richardson 2018.
"""

import json
import string
import warnings
from collections.abc import Mapping

from tokenizers import Tokenizer, models, trainers
from transformers import PreTrainedTokenizerFast

from .alphabet import choose_alphabet, continuations
from .phrases import add_phrases, find_phrases
from .special_tokens import BERT_SPECIAL_TOKENS, special_token_strings
from .stock_classes import is_plain_bert, to_transformers
from .text_rules import PUNCTUATION_MODES, build_decoder, build_normalizer, build_pre_tokenizer, strips_alike
from .text_sources import Texts, open_texts
from .unigram import finish_vocab, prepare_texts

KINDS = ("wordpiece", "bpe", "unigram", "wordlevel", "character")
KINDS_WITH_BYTE_FALLBACK = ("bpe", "unigram")
KINDS_WITH_PHRASES = ("wordpiece", "wordlevel")
BYTE_PIECES = [f"<0x{byte:02X}>" for byte in range(256)]
ASCII = string.ascii_letters + string.digits + string.punctuation


def train_tokenizer(
    texts,
    kind: str = "wordpiece",
    *,
    vocab_size: int = 8000,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    min_frequency: int = 2,
    limit_alphabet: int = 1000,
    initial_alphabet: str = ASCII,
    byte_fallback: bool = False,
    model_max_length: int = 512,
    special_tokens: Mapping[str, str | list[str]] | None = None,
    wrap: bool | str = True,
    padding_side: str = "right",
    truncation_side: str = "right",
    strip_html: bool = False,
    punctuation: str = "isolate",
    phrases: int = 0,
    text_column: str = "text",
    show_progress: bool = True,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on texts.

    Args:
        texts: files, strings or a data set; see `open_texts`. Files are read line by line; to train characters with
            line ends, pass strings.
        kind: "wordpiece", "bpe", "unigram", "wordlevel" or "character".
        vocab_size: number of ids, special tokens included.
        lowercase: convert to lower case.
        strip_accents: é → e, on Latin, Greek and Cyrillic letters (й → и); marks of other scripts stay, as they are
            vowels in Thai, Hindi or Tamil. None follows `lowercase`.
        min_frequency: smallest count of a piece; for unigram, of a word that is a candidate piece as a whole.
        limit_alphabet: number of most frequent characters to keep (ignored by wordlevel and character).
        initial_alphabet: further characters of subword vocabularies. The default keeps ASCII text free of [UNK], for
            some 70 ids (110 for wordpiece); "" adds none.
        byte_fallback: encode unseen characters as utf-8 bytes instead of [UNK]; needs 256 ids; bpe and unigram only.
        model_max_length: tokens, start and end included; `truncation=True` cuts to this length.
        special_tokens: role → token, in the order of their ids; the default is BERT's five, [PAD]=0 to [MASK]=4.
        wrap: True: put start and end tokens around each text ([CLS] … [SEP], or `bos_token` and `eos_token`); "start":
            start token only, for prompts; False: neither. Without an end token, decoded text begins with the space
            before its first word, so that `pipeline("text-generation")` can append it to the prompt.
        padding_side, truncation_side: "right" or "left". Learned positions and [CLS] need padding on the right.
        strip_html: replace tags (`<br />`) by a space.
        punctuation: "isolate" (each mark is a separate piece), "remove" (all but ! and ?), "attached" (split at spaces
            only: "bener-bener" is one word).
        phrases: number of frequent runs of two or three words to add as tokens beyond `vocab_size`; see `find_phrases`.
            For wordpiece and wordlevel.
        text_column: the column of a data set.
        show_progress: show progress bars.

    Returns:
        A BertTokenizer for plain wordpiece, else a PreTrainedTokenizerFast. Ids are dense, 0 to len(tokenizer) - 1.
        A BertTokenizer strips accents by removing all marks (category Mn); if the texts contain marks of other scripts
        that would be lost, the result is a PreTrainedTokenizerFast.

    Raises:
        ValueError: an argument out of range, an empty corpus, or a `vocab_size` too small for the alphabet.

    Warns:
        UserWarning: the text gave fewer pieces than `vocab_size` (except for characters), or fewer phrases than
            `phrases`.
    """
    roles = dict(BERT_SPECIAL_TOKENS if special_tokens is None else special_tokens)
    specials = special_token_strings(roles)
    _check_choices(kind, punctuation, byte_fallback, vocab_size, min_frequency, limit_alphabet, phrases)
    source = open_texts(texts, text_column)

    backend = Tokenizer(_EMPTY_MODELS[kind](roles["unk_token"]))
    rules = (kind, lowercase, strip_accents, strip_html, punctuation)
    backend.normalizer = build_normalizer(*rules)
    backend.pre_tokenizer = build_pre_tokenizer(kind, punctuation)
    unspaced = [token for token in specials if token not in (roles["unk_token"], roles.get("mask_token"))]
    if decoder := build_decoder(kind, wrap is not True, unspaced):
        backend.decoder = decoder
    common = {"vocab_size": vocab_size, "show_progress": show_progress, "min_frequency": min_frequency}
    if phrases:
        source = source.readable_again()
    if kind in ("wordlevel", "character"):
        _learn_words(backend, source, specials, common)
    else:
        source = source.readable_again()
        bert = build_normalizer(*rules, bert=True)
        if kind == "wordpiece" and wrap is True and is_plain_bert(backend, roles, bert):
            if strips_alike(source, bert, backend.normalizer):
                backend.normalizer = bert
        alphabet = choose_alphabet(source, backend, kind, initial_alphabet, limit_alphabet)
        backend = _learn_pieces(backend, kind, source, alphabet, roles, byte_fallback, common)
    if kind != "character":
        _check_size(backend.get_vocab_size(), vocab_size, source.name)
    tokenizer = to_transformers(
        backend,
        roles,
        wrap=wrap,
        model_max_length=model_max_length,
        padding_side=padding_side,
        truncation_side=truncation_side,
    )
    if phrases:
        normalize = backend.normalizer.normalize_str
        found = find_phrases(source, phrases, normalize=normalize, show_progress=show_progress)
        _check_size(add_phrases(tokenizer, found), phrases, source.name, "phrases")
    return tokenizer


_EMPTY_MODELS = {
    "wordpiece": lambda unknown: models.WordPiece(unk_token=unknown),
    "bpe": lambda unknown: models.BPE(unk_token=unknown),
    "unigram": lambda unknown: models.Unigram(),
    "wordlevel": lambda unknown: models.WordLevel(unk_token=unknown),
    "character": lambda unknown: models.WordLevel(unk_token=unknown),
}
_TRAINERS = {
    "wordpiece": trainers.WordPieceTrainer,
    "bpe": trainers.BpeTrainer,
}


def _check_choices(kind, punctuation, byte_fallback, vocab_size, min_frequency, limit_alphabet, phrases) -> None:
    """Validate the arguments before any text is read."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose one of {list(KINDS)}")
    if punctuation not in PUNCTUATION_MODES:
        raise ValueError(f"unknown punctuation {punctuation!r}; choose one of {list(PUNCTUATION_MODES)}")
    if byte_fallback and kind not in KINDS_WITH_BYTE_FALLBACK:
        raise ValueError(f"byte_fallback is for the kinds {list(KINDS_WITH_BYTE_FALLBACK)}; kind is {kind!r}")
    if phrases and kind not in KINDS_WITH_PHRASES:
        raise ValueError(f"phrases are for the kinds {list(KINDS_WITH_PHRASES)}; kind is {kind!r}")
    for name, value in (("phrases", phrases), ("limit_alphabet", limit_alphabet)):
        if value < 0:
            raise ValueError(f"{name} ({value}) must be 0 or more")
    if vocab_size < 1 or min_frequency < 0:
        raise ValueError(f"vocab_size ({vocab_size}) must be at least 1 and min_frequency ({min_frequency}) at least 0")


def _learn_words(backend: Tokenizer, source: Texts, specials: list[str], options: dict) -> None:
    """Train whole words or characters: most frequent first, ties in alphabetical order."""
    trainer = trainers.WordLevelTrainer(special_tokens=specials, **options)
    backend.train_from_iterator(source, trainer, length=source.length)
    _check_not_empty(source)
    if backend.get_vocab_size() == len(specials):
        raise ValueError(
            f"no word was kept: vocab_size is {options['vocab_size']} with {len(specials)} special tokens, and "
            f"min_frequency is {options['min_frequency']}; raise the former, or lower the latter for {source.name}"
        )


def _learn_pieces(backend, kind, source, alphabet, roles, byte_fallback, options) -> Tokenizer:
    """Train a subword vocabulary and return the finished backend.

    Required pieces are reserved as special tokens during training, and made ordinary pieces afterwards.
    """
    _check_not_empty(source)
    specials = special_token_strings(roles)
    reserved = specials + BYTE_PIECES * byte_fallback
    if kind == "wordpiece":
        reserved = reserved + continuations(alphabet, backend)
    needed = len(reserved) + len(alphabet)
    if needed > options["vocab_size"]:
        raise ValueError(
            f"vocab_size ({options['vocab_size']}) is too small: {len(specials)} special tokens, "
            f"{256 * byte_fallback} bytes and {len(alphabet)} characters{' in two forms' * (kind == 'wordpiece')} need "
            f"{needed}; raise it, or lower limit_alphabet or initial_alphabet"
        )
    options = {**options, "special_tokens": reserved, "initial_alphabet": alphabet}
    if kind == "unigram":
        _train_unigram(backend, source, alphabet, {**options, "unk_token": roles["unk_token"]})
    else:
        trainer = _TRAINERS[kind](limit_alphabet=len(alphabet), **options)
        backend.train_from_iterator(source, trainer, length=source.length)
    return _release_reserved(backend, len(specials), len(reserved), byte_fallback)


def _train_unigram(backend: Tokenizer, source: Texts, alphabet: list[str], options: dict) -> None:
    """Train on prepared texts, for the reasons given in unigram.py."""
    prepared = prepare_texts(source, backend, alphabet, options.pop("min_frequency"))
    normalizer, backend.normalizer = backend.normalizer, None  # the texts are already normalised
    options["vocab_size"] += 1  # for the tail, which is removed afterwards
    backend.train_from_iterator(prepared, trainers.UnigramTrainer(**options))
    backend.normalizer = normalizer


def _release_reserved(backend: Tokenizer, specials: int, reserved: int, byte_fallback: bool) -> Tokenizer:
    """Make reserved pieces ordinary; special ones would match in running text, and be skipped in decoding."""
    state = json.loads(backend.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < specials]
    model = state["model"]
    if byte_fallback:
        model["byte_fallback"] = True
    if model["type"] == "Unigram":
        model["vocab"] = finish_vocab(model["vocab"], reserved)
    return Tokenizer.from_str(json.dumps(state))


def _check_not_empty(source: Texts) -> None:
    if not source.seen:
        raise ValueError(f"{source.name} holds no text; give at least one visible character to train on")


def _check_size(size: int, wanted: int, name: str, what: str = "entries") -> None:
    """Warn if the text gave fewer entries than requested."""
    if size < wanted:
        warnings.warn(
            f"the vocabulary has {size} {what}, not the {wanted} asked for: {name} has no further "
            f"{'ones' if what == 'phrases' else 'pieces'} that are frequent enough "
            f"(more text or a lower min_frequency gives more)",
            stacklevel=3,
        )

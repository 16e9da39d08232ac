"""Train a tokenizer and get back an ordinary `transformers` tokenizer.

    from tokenization import train_tokenizer
    tokenizer = train_tokenizer([Path("corpus.txt")], kind="wordpiece", vocab_size=8000)
    tokenizer.save_pretrained("my-tokenizer")          # opens with AutoTokenizer, no code of ours needed

Five kinds:

| kind      | pieces                                  | an unseen character     | decode gives back              |
|-----------|-----------------------------------------|-------------------------|--------------------------------|
| wordpiece | BERT's: un ##believ ##able              | the whole word is [UNK] | the words; marks set by rule   |
| bpe       | frequent pairs merged: ▁low er          | one [UNK], or its bytes | the normalised text            |
| unigram   | likeliest pieces, as SentencePiece's T5 | one [UNK], or its bytes | the normalised text            |
| wordlevel | whole words, most frequent first        | the whole word is [UNK] | the words, single spaces       |
| character | single characters, line ends included   | one [UNK]               | the text                       |

BPE here works on characters inside space-separated words ("▁" marks the space), not on bytes: pieces of Indonesian
and English stay readable, and accents do not break into halves. SentencePiece too works on Unicode characters, not on
"raw bytes"; bytes are only its optional fallback, `byte_fallback=True` here.

The file reads top to bottom: check the arguments, train words or pieces, wrap the result in a stock class. The same
text and arguments give the same vocabulary.
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
from .stock_classes import to_transformers
from .text_rules import PUNCTUATION_MODES, build_decoder, build_normalizer, build_pre_tokenizer
from .text_sources import Texts, open_texts
from .unigram import prepared_texts, settled_pieces

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
    """Learn a vocabulary from text.

    Args:
        texts: files, strings or a data set; see `open_texts`. Files are read line by line, so characters that shall
            know line ends need strings.
        kind: "wordpiece", "bpe", "unigram", "wordlevel" or "character".
        vocab_size: number of ids, special tokens included.
        lowercase: fold capitals.
        strip_accents: é → e; None follows `lowercase`.
        min_frequency: how often a piece must occur; for unigram, a word to be a candidate as a whole.
        limit_alphabet: keep this many of the most frequent characters (wordlevel and character ignore it).
        initial_alphabet: characters that subword kinds always know besides. The default keeps any ASCII text free of
            [UNK], at the cost of some 70 ids (110 for wordpiece); "" leaves the alphabet to the text.
        byte_fallback: spell unseen characters as utf-8 bytes instead of [UNK]; costs 256 ids; bpe and unigram only.
        model_max_length: tokens, start and end included; what `truncation=True` cuts to.
        special_tokens: role → token, in the order of their ids; the default is BERT's five, [PAD]=0 to [MASK]=4.
        wrap: put start and end tokens around each text ([CLS] … [SEP], or those of `bos_token`, `eos_token`); "start"
            only the first of them, for prompts that are to go on; False none.
        padding_side, truncation_side: "right" or "left". Learned positions and [CLS] want padding on the right.
        strip_html: replace tags such as `<br />` by a space.
        punctuation: "isolate" (marks are pieces of their own), "remove" (all but ! and ?), "attached" (words are what
            stands between spaces: "bener-bener" is one).
        phrases: give so many frequent runs of two or three words ids of their own, beyond `vocab_size`; see
            `find_phrases`. For wordpiece and wordlevel.
        text_column: the column of a data set.
        show_progress: draw progress bars.

    Returns:
        A BertTokenizer for plain wordpiece, else a PreTrainedTokenizerFast. Ids are dense, 0 to len(tokenizer) - 1.

    Raises:
        ValueError: an argument outside its choices, an empty corpus, or a `vocab_size` that cannot hold the alphabet.

    Warns:
        UserWarning: the text gave fewer pieces than `vocab_size` (not for characters, of which there are never many),
            or fewer phrases than were asked for.
    """
    roles = dict(BERT_SPECIAL_TOKENS if special_tokens is None else special_tokens)
    specials = special_token_strings(roles)
    _check_choices(kind, punctuation, byte_fallback, vocab_size, min_frequency, phrases)
    source = open_texts(texts, text_column)

    backend = Tokenizer(_EMPTY_MODELS[kind](roles["unk_token"]))
    backend.normalizer = build_normalizer(kind, lowercase, strip_accents, strip_html, punctuation)
    backend.pre_tokenizer = build_pre_tokenizer(kind, punctuation)
    if decoder := build_decoder(kind):
        backend.decoder = decoder
    common = {"vocab_size": vocab_size, "show_progress": show_progress, "min_frequency": min_frequency}
    if phrases:
        source = source.readable_again()
    if kind in ("wordlevel", "character"):
        _learn_words(backend, source, specials, common)
    else:
        source = source.readable_again()
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


def _check_choices(kind, punctuation, byte_fallback, vocab_size, min_frequency, phrases) -> None:
    """Refuse what no trainer could do, before any text is read."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose one of {list(KINDS)}")
    if punctuation not in PUNCTUATION_MODES:
        raise ValueError(f"unknown punctuation {punctuation!r}; choose one of {list(PUNCTUATION_MODES)}")
    if byte_fallback and kind not in KINDS_WITH_BYTE_FALLBACK:
        raise ValueError(f"byte_fallback is for the kinds {list(KINDS_WITH_BYTE_FALLBACK)}; kind is {kind!r}")
    if phrases and kind not in KINDS_WITH_PHRASES:
        raise ValueError(f"phrases are for the kinds {list(KINDS_WITH_PHRASES)}, which end a word at every space; kind "
                         f"is {kind!r}")  # fmt: skip
    if phrases < 0:
        raise ValueError(f"phrases ({phrases}) must be 0 or more")
    if vocab_size < 1 or min_frequency < 0:
        raise ValueError(f"vocab_size ({vocab_size}) must be at least 1 and min_frequency ({min_frequency}) at least 0")


def _learn_words(backend: Tokenizer, source: Texts, specials: list[str], options: dict) -> None:
    """Fill the backend with whole words, or characters: most frequent first, equally frequent ones by alphabet."""
    trainer = trainers.WordLevelTrainer(special_tokens=specials, **options)
    backend.train_from_iterator(source, trainer, length=source.length)
    _check_not_empty(source)
    if backend.get_vocab_size() == len(specials):
        raise ValueError(
            f"no word was kept: vocab_size is {options['vocab_size']} with {len(specials)} special tokens, and "
            f"min_frequency ({options['min_frequency']}) may be more than any word of {source.name} has"
        )


def _learn_pieces(backend, kind, source, alphabet, roles, byte_fallback, options) -> Tokenizer:
    """Train one of the subword kinds and return the finished backend.

    Pieces that must exist are reserved as special tokens while training; afterwards only the real ones stay special.
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
    """Train on prepared texts; the reasons stand in unigram.py."""
    prepared = prepared_texts(source, backend, alphabet, options.pop("min_frequency"))
    normalizer, backend.normalizer = backend.normalizer, None  # these texts are normalised already
    options["vocab_size"] += 1  # for the tail, which is dropped again
    backend.train_from_iterator(prepared, trainers.UnigramTrainer(**options))
    backend.normalizer = normalizer


def _release_reserved(backend: Tokenizer, specials: int, reserved: int, byte_fallback: bool) -> Tokenizer:
    """Make ordinary pieces of those that were reserved for training."""
    state = json.loads(backend.to_str())
    # As special tokens they would be cut out of running text, and dropped by decode(skip_special_tokens=True).
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < specials]
    model = state["model"]
    if byte_fallback:
        model["byte_fallback"] = True
    if model["type"] == "Unigram":
        model["vocab"] = settled_pieces(model["vocab"], reserved)
    return Tokenizer.from_str(json.dumps(state))


def _check_not_empty(source: Texts) -> None:
    if not source.seen:
        raise ValueError(f"{source.name} holds no text: not one visible character to learn from")


def _check_size(size: int, wanted: int, name: str, what: str = "entries") -> None:
    """Say so if the text gave less than was asked for."""
    if size < wanted:
        warnings.warn(
            f"the vocabulary has {size} {what}, not the {wanted} asked for: {name} has no further "
            f"{'ones' if what == 'phrases' else 'pieces'} that are frequent enough "
            f"(more text or a lower min_frequency gives more)",
            stacklevel=3,
        )

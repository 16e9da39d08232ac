"""Normalizer, pre-tokenizer and decoder of each kind of tokenizer.

All are stock components of `tokenizers`, so they are saved in tokenizer.json.

- `build_normalizer` removes tags (optional) and control characters, and folds accents and case.
- `build_pre_tokenizer` splits words. No piece crosses words, so `word_ids()` serves whole-word masking. Offsets cover
  the characters of a word, without the space before it.
- `build_decoder` joins pieces to text. For `bpe` and `unigram`, which keep spaces as "▁" like SentencePiece, and for
  `character`, this is the exact normalised text; `wordpiece` and `wordlevel` lose the spaces.

Accents are the combining marks on Latin, Greek and Cyrillic letters. Marks of other scripts stay: in Thai, Hindi,
Tamil, Bengali or Javanese they are vowels. BERT's own normalizer removes every mark of the Unicode category Mn.
"""

import re
from collections.abc import Iterable
from unicodedata import normalize

from tokenizers import Regex, decoders, normalizers, pre_tokenizers

PUNCTUATION_MODES = ("isolate", "remove", "attached")
SPACE_MARK = "▁"
# Punctuation as in BERT: every Unicode punctuation character and the ASCII symbols, but no emoji.
_MARKS = r"\p{P}$+<=>^`|~"
_HTML_TAG = r"</?[A-Za-z][^<>]*>"
# In decomposed text: the accents of a letter, accents on no letter, and the variation selectors that colour emoji.
_ACCENTS = (
    r"(?<=[\p{Latin}\p{Greek}\p{Cyrillic}])[\p{Mn}&&[\p{Inherited}\p{Latin}\p{Greek}\p{Cyrillic}]]+"
    r"|(?<![\p{L}\p{M}])[\x{300}-\x{36F}]+|[\x{FE00}-\x{FE0F}]"
)


def build_normalizer(
    kind: str, lowercase: bool, strip_accents: bool | None, strip_html: bool, punctuation: str, bert: bool = False
):
    """Build the normalizer.

    Args:
        kind: one of the tokenizer kinds; for "character", spaces and line ends are kept.
        lowercase: convert to lower case.
        strip_accents: é → e, on Latin, Greek and Cyrillic letters; None follows `lowercase`.
        strip_html: replace tags (`<br />`) by a space; entities (`&amp;`) stay.
        punctuation: with "remove", every mark but ! and ? becomes a space.
        bert: strip accents as BERT does, all marks of category Mn.
    """
    strips = lowercase if strip_accents is None else strip_accents
    by_bert = bert or not strips  # one BertNormalizer does all
    keeps_spaces = kind in ("bpe", "unigram")
    steps: list[normalizers.Normalizer] = []
    if strip_html:
        steps.append(normalizers.Replace(Regex(_HTML_TAG), " "))
    if punctuation == "remove":
        steps.append(normalizers.Replace(Regex(f"[{_MARKS}&&[^!?]]"), " "))
    if kind != "character":
        steps.append(
            normalizers.BertNormalizer(
                clean_text=True,
                handle_chinese_chars=not keeps_spaces and punctuation != "attached",
                strip_accents=strip_accents if by_bert else False,
                lowercase=lowercase and by_bert,
            )
        )
    if kind == "character" or not by_bert:
        steps += [normalizers.NFD(), normalizers.Replace(Regex(_ACCENTS), "")] * strips
        steps += [normalizers.Lowercase()] * lowercase
    if keeps_spaces:
        # The decoder turns "▁" into a space; with the same step here, decode(encode(x)) is the normalised x.
        steps += [normalizers.Replace(SPACE_MARK, " "), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if keeps_spaces or kind == "character" or not by_bert:
        steps.append(normalizers.NFC())
    return steps[0] if len(steps) == 1 else normalizers.Sequence(steps)


def strips_alike(texts: Iterable[str], bert, ours) -> bool:
    """Return whether BERT's normalizer loses no mark of these texts that our normalizer keeps."""
    unicode = (text for text in texts if not text.isascii())
    return all(normalize("NFC", bert.normalize_str(text)) == ours.normalize_str(text) for text in unicode)


def build_pre_tokenizer(kind: str, punctuation: str):
    """Build the pre-tokenizer, which splits at spaces, and at marks unless `punctuation` is "attached"."""
    if kind == "character":
        return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    attached = punctuation == "attached"
    if kind in ("wordpiece", "wordlevel"):
        return pre_tokenizers.WhitespaceSplit() if attached else pre_tokenizers.BertPreTokenizer()
    # As in T5: the space is dropped before the mark is added, so that the offsets of "▁kata" are those of "kata".
    words = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(SPACE_MARK, prepend_scheme="always")]
    if not attached:
        # The space mark stays with the next character: "(kata)" is "▁(", "kata", ")".
        mark_or_word = f"{SPACE_MARK}?[{_MARKS}]|{SPACE_MARK}?[^{SPACE_MARK}{_MARKS}]+|{SPACE_MARK}"
        words.append(pre_tokenizers.Split(Regex(mark_or_word), "isolated"))
    return pre_tokenizers.Sequence(words)


def build_decoder(kind: str, continues: bool = False, special_tokens: Iterable[str] = ()):
    """Build the decoder; None for whole words, which are joined by spaces.

    Args:
        kind: one of the tokenizer kinds.
        continues: keep the space before the first word, so that decoded text can be appended to a prompt.
        special_tokens: tokens that get no space before them, where the decoder adds the spaces.
    """
    if kind == "character":
        return decoders.Fuse()
    if kind in ("bpe", "unigram"):
        scheme = "never" if continues else "always"  # "always" drops the first space
        return decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(SPACE_MARK, prepend_scheme=scheme)])
    if not continues:
        return decoders.WordPiece(prefix="##") if kind == "wordpiece" else None
    # These marks stand next to the word before them, as in decoders.WordPiece.
    attached = ["[.?!,]", *(f"{re.escape(token)}$" for token in special_tokens), *["##"] * (kind == "wordpiece")]
    steps = [decoders.Replace(Regex(f"^(?!{'|'.join(attached)})"), " ")]
    steps += [decoders.Replace(Regex("^##"), "")] * (kind == "wordpiece")
    return decoders.Sequence([*steps, decoders.Fuse()])

"""Normalizer, pre-tokenizer and decoder of each kind of tokenizer.

All are stock components of `tokenizers`, so they are saved in tokenizer.json.

- `build_normalizer` removes tags (optional) and control characters, and folds accents and case as in BERT.
- `build_pre_tokenizer` splits words. No piece crosses words, so `word_ids()` serves whole-word masking.
- `build_decoder` joins pieces to text. For `bpe` and `unigram`, which keep spaces as "▁" like SentencePiece, and for
  `character`, this is the exact normalised text; `wordpiece` and `wordlevel` lose the spaces.
"""

from tokenizers import Regex, decoders, normalizers, pre_tokenizers

PUNCTUATION_MODES = ("isolate", "remove", "attached")
SPACE_MARK = "▁"
# Punctuation as in BERT: every Unicode punctuation character and the ASCII symbols, but no emoji.
_MARKS = r"\p{P}$+<=>^`|~"
_HTML_TAG = r"</?[A-Za-z][^<>]*>"


def build_normalizer(kind: str, lowercase: bool, strip_accents: bool | None, strip_html: bool, punctuation: str):
    """Build the normalizer.

    Args:
        kind: one of the tokenizer kinds; for "character", spaces and line ends are kept.
        lowercase: convert to lower case.
        strip_accents: é → e; None follows `lowercase`, as in BERT.
        strip_html: replace tags (`<br />`) by a space; entities (`&amp;`) stay.
        punctuation: with "remove", every mark but ! and ? becomes a space.
    """
    steps: list[normalizers.Normalizer] = []
    if strip_html:
        steps.append(normalizers.Replace(Regex(_HTML_TAG), " "))
    if punctuation == "remove":
        steps.append(normalizers.Replace(Regex(f"[{_MARKS}&&[^!?]]"), " "))
    if kind == "character":
        if lowercase if strip_accents is None else strip_accents:
            steps += [normalizers.NFD(), normalizers.StripAccents()]
        steps += [normalizers.Lowercase()] * lowercase
        return normalizers.Sequence([*steps, normalizers.NFC()])
    keeps_spaces = kind in ("bpe", "unigram")
    bert = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=not keeps_spaces and punctuation != "attached",
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    steps.append(bert)
    if keeps_spaces:
        # The decoder turns "▁" into a space; with the same step here, decode(encode(x)) is the normalised x.
        steps += [normalizers.Replace(SPACE_MARK, " "), normalizers.Replace(Regex(r"\s+"), " ")]
        steps += [normalizers.Strip(), normalizers.NFC()]
    return bert if steps == [bert] else normalizers.Sequence(steps)


def build_pre_tokenizer(kind: str, punctuation: str):
    """Build the pre-tokenizer, which splits at spaces, and at marks unless `punctuation` is "attached"."""
    if kind == "character":
        return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    attached = punctuation == "attached"
    if kind in ("wordpiece", "wordlevel"):
        return pre_tokenizers.WhitespaceSplit() if attached else pre_tokenizers.BertPreTokenizer()
    words = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme="always")
    if attached:
        return words
    # The space mark stays with the next character: "(kata)" is "▁(", "kata", ")".
    mark_or_word = f"{SPACE_MARK}?[{_MARKS}]|{SPACE_MARK}?[^{SPACE_MARK}{_MARKS}]+|{SPACE_MARK}"
    return pre_tokenizers.Sequence([words, pre_tokenizers.Split(Regex(mark_or_word), "isolated")])


def build_decoder(kind: str):
    """Build the decoder; None for whole words, which are joined by spaces."""
    if kind == "wordpiece":
        return decoders.WordPiece(prefix="##")
    if kind == "wordlevel":
        return None
    if kind == "character":
        return decoders.Fuse()
    return decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(SPACE_MARK, prepend_scheme="always")])

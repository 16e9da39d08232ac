"""What happens to a text before the vocabulary sees it, and how pieces become text again.

Three steps, read in this order. All are stock parts of `tokenizers`, so they travel inside tokenizer.json.

- `build_normalizer`: tags out (optional), control characters out, accents and capitals folded as BERT does it.
- `build_pre_tokenizer`: where words end. No piece ever crosses a word, so `word_ids()` serves whole-word masking.
- `build_decoder`: pieces back to text. Exact for `bpe` and `unigram` up to normalisation, because these two keep the
  space as "▁" (as SentencePiece does), and for `character`; `wordpiece` and `wordlevel` forget where spaces were.

A detail that surprises: the lowered, accent-stripped form of `strip_accents=None` follows `lowercase`, as in BERT.
"""

from tokenizers import Regex, decoders, normalizers, pre_tokenizers

PUNCTUATION_MODES = ("isolate", "remove", "attached")
SPACE_MARK = "▁"
# BERT's idea of a mark: every Unicode punctuation character and the ASCII symbols. Emoji are not marks.
_MARKS = r"\p{P}$+<=>^`|~"
_HTML_TAG = r"</?[A-Za-z][^<>]*>"


def build_normalizer(kind: str, lowercase: bool, strip_accents: bool | None, strip_html: bool, punctuation: str):
    """Build the text clean-up.

    Args:
        kind: one of the tokenizer kinds.
        lowercase: fold capitals.
        strip_accents: é → e; None follows `lowercase`.
        strip_html: replace tags such as `<br />` by a space (entities such as `&amp;` stay).
        punctuation: with "remove", every mark but ! and ? becomes a space.
    """
    if kind == "character":
        return _build_character_normalizer(lowercase, strip_accents, strip_html, punctuation)
    keeps_spaces = kind in ("bpe", "unigram")
    bert = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=not keeps_spaces and punctuation != "attached",
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    steps: list[normalizers.Normalizer] = []
    if strip_html:
        steps.append(normalizers.Replace(Regex(_HTML_TAG), " "))
    if punctuation == "remove":
        steps.append(normalizers.Replace(Regex(f"[{_MARKS}&&[^!?]]"), " "))
    steps.append(bert)
    if keeps_spaces:
        # A "▁" in the text would come back as a space. Saying so here keeps decode(encode(x)) == normalised x.
        steps.append(normalizers.Replace(SPACE_MARK, " "))
        steps.append(normalizers.Replace(Regex(r"\s+"), " "))
        steps += [normalizers.Strip(), normalizers.NFC()]
    return bert if steps == [bert] else normalizers.Sequence(steps)


def _build_character_normalizer(lowercase: bool, strip_accents: bool | None, strip_html: bool, punctuation: str):
    """The same for characters, where spaces and line ends are text like any other."""
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(_HTML_TAG), " ")] * strip_html
    if punctuation == "remove":
        steps.append(normalizers.Replace(Regex(f"[{_MARKS}&&[^!?]]"), " "))
    if lowercase if strip_accents is None else strip_accents:
        steps += [normalizers.NFD(), normalizers.StripAccents()]
    steps += [normalizers.Lowercase()] * lowercase
    return normalizers.Sequence([*steps, normalizers.NFC()])


def build_pre_tokenizer(kind: str, punctuation: str):
    """Build the word splitter: spaces always end a word, marks too unless `punctuation` is "attached"."""
    if kind == "character":
        return pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    attached = punctuation == "attached"
    if kind in ("wordpiece", "wordlevel"):
        return pre_tokenizers.WhitespaceSplit() if attached else pre_tokenizers.BertPreTokenizer()
    words = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme="always")
    if attached:
        return words
    # The space mark stays with what follows it: "(kata)" is "▁(", "kata", ")".
    mark_or_word = f"{SPACE_MARK}?[{_MARKS}]|{SPACE_MARK}?[^{SPACE_MARK}{_MARKS}]+|{SPACE_MARK}"
    return pre_tokenizers.Sequence([words, pre_tokenizers.Split(Regex(mark_or_word), "isolated")])


def build_decoder(kind: str):
    """Build the way back; None (pieces joined by spaces) for whole words."""
    if kind == "wordpiece":
        return decoders.WordPiece(prefix="##")
    if kind == "wordlevel":
        return None
    if kind == "character":
        return decoders.Fuse()
    return decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(SPACE_MARK, prepend_scheme="always")])

"""Special tokens: padding, unknown, start, end, mask.

They are given as a mapping from role to token, in the order of their ids: BERT's five below get [PAD]=0 [UNK]=1 [CLS]=2
[SEP]=3 [MASK]=4. The mapping of a translation lecture:

    {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}

Padding and unknown token always differ, as a model that ignores padding must not ignore unknown words.
"""

from collections.abc import Mapping

from tokenizers.processors import TemplateProcessing

BERT_SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")


def special_token_strings(special_tokens: Mapping[str, str | list[str]]) -> list[str]:
    """Return the special tokens in the order of their ids.

    Args:
        special_tokens: role → token. The key "extra_special_tokens" may have a list of further tokens.

    Returns:
        The tokens; index = id. A token with two roles (`bos` and `eos`) is listed once.

    Raises:
        ValueError: an unknown role, an empty token, no padding or unknown token, or the same token for both.
    """
    tokens: list[str] = []
    for role, value in special_tokens.items():
        if role not in (*ROLES, "extra_special_tokens"):
            raise ValueError(f"unknown special token role {role!r}; choose from {[*ROLES, 'extra_special_tokens']}")
        for token in [value] if isinstance(value, str) else value:
            if not token or token.isspace():
                raise ValueError(f"special token {role} is {token!r}; it needs at least one visible character")
            tokens.append(token)
    missing = [role for role in ("pad_token", "unk_token") if role not in special_tokens]
    if missing:
        raise ValueError(f"special_tokens has {list(special_tokens)} but lacks {missing}; a vocabulary needs both")
    if special_tokens["pad_token"] == special_tokens["unk_token"]:
        raise ValueError(
            f"pad_token and unk_token are both {special_tokens['pad_token']!r}; an unseen word would count as padding"
        )
    return list(dict.fromkeys(tokens))


WRAPS = (True, "start", False)


def wrapping_template(special_tokens: Mapping[str, str | list[str]], ids: Mapping[str, int], wrap: bool | str = True):
    """Build the post-processor that puts start and end tokens around a text.

    With BERT's tokens: `[CLS] text [SEP]`, and for a pair `[CLS] first [SEP] second [SEP]` with token type 1 for the
    second text and the last [SEP]. `bos_token` replaces a missing `cls_token`, `eos_token` a missing `sep_token`; if
    both are missing, the token is omitted.

    Args:
        special_tokens: role → token.
        ids: token → id, for at least the special tokens.
        wrap: True: start and end token; "start": no end token, for the prompts of causal language models; False:
            neither (token types of a pair are kept).

    Raises:
        ValueError: another value for wrap.
    """
    if wrap not in WRAPS:
        raise ValueError(f"unknown wrap {wrap!r}; choose one of {list(WRAPS)}")
    start = special_tokens.get("cls_token", special_tokens.get("bos_token")) if wrap else None
    end = special_tokens.get("sep_token", special_tokens.get("eos_token")) if wrap is True else None
    first = [f"{start}:0"] * bool(start) + ["$A:0"] + [f"{end}:0"] * bool(end)
    second = ["$B:1"] + [f"{end}:1"] * bool(end)
    used = sorted({str(token) for token in (start, end) if token})
    return TemplateProcessing(single=first, pair=first + second, special_tokens=[(token, ids[token]) for token in used])

"""Train, compare and inspect tokenizers, saved as stock `transformers` classes.

    train_tokenizer(texts, kind="wordpiece")      learn a vocabulary                       training.py
    find_phrases(texts, 20_000)                   find frequent phrases such as "not good" phrases.py
    wordpiece_from_vocab("vocab.txt")             use a published vocabulary               stock_classes.py
    save_tokenizer(tokenizer, folder)             save for transformers 4 and 5            stock_classes.py
    compare_tokenizers({name: tokenizer}, texts)  fertility, unknown rate, coverage, speed comparison.py
    inspect_text(text, tokenizer)                 list the pieces of a text                inspection.py

The same from a shell: `python -m tokenization train|compare|inspect --help`.
"""

from .comparison import TokenizerReport, compare_tokenizers, format_reports
from .inspection import Piece, format_pieces, inspect_text
from .phrases import add_phrases, find_phrases
from .special_tokens import BERT_SPECIAL_TOKENS
from .stock_classes import save_tokenizer, to_transformers, wordpiece_from_vocab
from .text_sources import open_texts
from .training import KINDS, train_tokenizer

__all__ = [
    "BERT_SPECIAL_TOKENS",
    "KINDS",
    "Piece",
    "TokenizerReport",
    "add_phrases",
    "compare_tokenizers",
    "find_phrases",
    "format_pieces",
    "format_reports",
    "inspect_text",
    "open_texts",
    "save_tokenizer",
    "to_transformers",
    "train_tokenizer",
    "wordpiece_from_vocab",
]

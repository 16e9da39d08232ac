"""Random sentence encoders with a small vocabulary, and texts of odd lengths."""

from transformers import BertTokenizer

from helpers.minibert import random_model
from modeling_minibert import MiniBertModel
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder

WORDS = "ular bisa berbahaya sistem operasi komputer sangat efisien ilmu dan kopi pagi hujan".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
TEXTS = [
    "bisa ular bisa berbahaya",
    "kopi",
    "sistem operasi yang sangat efisien dan ilmu komputer",
    "hujan pagi",
    "",
    "ilmu dan kopi dan hujan",
    "ular",
]


def make_tokenizer(words=VOCABULARY):
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)})


def make_encoder(model_class=MiniBertModel, settings=None, **fields):
    return SentenceEncoder(random_model(model_class, **fields), make_tokenizer(), settings)

"""A small Indonesian and English corpus, and one tokenizer of each kind trained on it."""

import warnings

import pytest

from tokenization import KINDS, train_tokenizer

SENTENCES = [
    "Aku suka banget film ini, ceritanya bikin terharu!",
    "Filmnya bener-bener membosankan; aku ngantuk pas nonton.",
    "Harga tiketnya 50.000 rupiah (belum termasuk pajak).",
    "Kafé kecil di pojok jalan itu menjual kopi terbaik di kota.",
    "The unbelievable story kept me awake, and the lowest price was lower than expected.",
    "Does a lower price make the worst film believable?",
    "Menurutku aktingnya luar biasa, walau ceritanya kurang masuk akal.",
    "We walked home slowly, talking about the film and the long way home.",
]

# Emoji with a joiner, decomposed accents, ideographs, right-to-left script, tabs, tags, and a bare space mark.
ODD_TEXTS = [
    "Supercalifragilisticexpialidocious",
    "CAFÉ cafe\u0301 naïve İstanbul STRASSE straße",
    "👩\u200d👧 bagus 👍🏽 banget 😂😂",
    "東京 タワー 서울 ภาษาไทย العربية",
    "tab\tbaris baru\nnol\u0000 lebar\u200bnol \u00a0 keras",
    "ada <br /><br/> tag <b>tebal</b> &amp; 3 < 4",
    "garis ▁ bawah ▁▁ ganda <0x41> [MASK] bener-bener",
    "",
    " ",
]


@pytest.fixture(scope="session")
def sentences():
    return list(SENTENCES)


@pytest.fixture(scope="session")
def odd_texts():
    return list(ODD_TEXTS)


@pytest.fixture(scope="session")
def train():
    """Train without bars and without the warning that so small a corpus always earns."""

    def quietly(texts, kind="wordpiece", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return train_tokenizer(texts, kind, **{"show_progress": False, "vocab_size": 700, **options})

    return quietly


@pytest.fixture(scope="session")
def trained(train, sentences):
    """kind → tokenizer; bpe and unigram once more with bytes."""
    tokenizers = {kind: train(sentences * 3, kind) for kind in KINDS}
    for kind in ("bpe", "unigram"):
        tokenizers[f"{kind}+bytes"] = train(sentences * 3, kind, byte_fallback=True)
    return tokenizers

"""The lecture's `doc_vector`: a document as the mean of its token vectors, after a few seconds of masked words.

    python examples/demos/doc_vector.py

trains an encoder of the lecture's size (15 positions, 32 wide, 2 heads, 1 layer) from five seeds on twelve sentences
about snakes and computers, and prints the cosine of "ilmu komputer dan machine learning" to a text about snakes and to
one about operating systems. The lecture prints 0.34 and 0.72. `SentenceEncoder` mends two mistakes of its function: it
switches dropout off, and never averages pads.
"""

import torch
from transformers import BertTokenizer

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.data import DataCollatorForPretraining
from modeling_minibert.retrieval.sentence_encoder import SentenceEncoder

SENTENCES = """ular kobra memiliki bisa yang sangat berbahaya
bisa ular dapat melumpuhkan mangsa dalam hitungan menit
gigitan ular berbisa harus segera diobati dokter
dokter mengobati orang yang digigit ular di sawah
petani takut pada ular yang bersembunyi di sawah
ular sawah memangsa tikus pada malam hari
ilmu komputer mempelajari algoritma dan sistem operasi
sistem operasi mengatur memori dan prosesor komputer
machine learning adalah bagian dari ilmu komputer
algoritma machine learning belajar dari data yang besar
sistem operasi yang efisien menghemat memori komputer
data yang besar diolah komputer dengan algoritma efisien""".splitlines()
QUERY, SNAKE, SYSTEM = (
    "ilmu komputer dan machine learning",
    "bisa ular bisa berbahaya",
    "sistem operasi yang sangat efisien",
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_encoder(seed: int, steps: int = 600) -> SentenceEncoder:
    """Train on masked words, with new masks at every step."""
    torch.manual_seed(seed)
    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate([*SPECIAL, *words])})
    config = MiniBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=15, hidden_size=32, num_attention_heads=2,
        num_hidden_layers=1, intermediate_size=64, initializer_range=0.1, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = MiniBertForMaskedLM(config).train()
    rows = [{"input_ids": tokenizer(sentence)["input_ids"]} for sentence in SENTENCES]
    collate, optimizer = (
        DataCollatorForPretraining(tokenizer, seed=seed),
        torch.optim.AdamW(model.parameters(), lr=2e-3),
    )
    for step in range(steps):
        collate.set_epoch(step)
        model(**collate(rows)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return SentenceEncoder(model.minibert, tokenizer)


def main() -> None:
    """Print the two cosines for five seeds."""
    for seed in range(5):
        query, snake, system = train_encoder(seed).encode([QUERY, SNAKE, SYSTEM])
        print(f"seed {seed}: {query @ snake:.2f} to {SNAKE!r}, {query @ system:.2f} to {SYSTEM!r}")


if __name__ == "__main__":
    main()

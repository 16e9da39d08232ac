"""The lectures' small masked-LM runs (S5), on sentences of our own about the two meanings of *bisa* (venom, can)."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertTokenizer

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.data import DataCollatorForPretraining
from modeling_minibert.heads import MaskedLanguageModelHead, vocabulary_loss

DOCUMENTS = """ular kobra memiliki bisa yang sangat berbahaya
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
WORDS = sorted({word for document in DOCUMENTS for word in document.split()})
TOKENIZER = BertTokenizer(
    vocab={word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
)
ROWS = [{"input_ids": TOKENIZER(document)["input_ids"]} for document in DOCUMENTS]
# The lecture's sizes: 15 positions, 32 wide, 2 heads, 1 layer.
SIZES = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=1, intermediate_size=64)


def train(forward, parameters, seed, steps=600):
    """Masks drawn anew at every step; returns the collator."""
    collate = DataCollatorForPretraining(TOKENIZER, seed=seed)
    optimizer = torch.optim.AdamW(parameters, lr=2e-3)
    for step in range(steps):
        collate.set_epoch(step)
        forward(collate(ROWS)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return collate


def masked_accuracy(logits_of, collate):
    """Over 30 draws of masks that training has not seen."""
    right = []
    for epoch in range(10_000, 10_030):
        collate.set_epoch(epoch)
        batch = collate(ROWS)
        asked = batch["labels"] != -100
        right.append((logits_of(batch).argmax(-1) == batch["labels"])[asked])
    return torch.cat(right).double().mean().item()


@pytest.mark.slow
@pytest.mark.lecture("S5-41", "S5-42", "S2-21")
@pytest.mark.parametrize("seed", range(5))
def test_the_toy_run_fills_blanks_and_tells_snakes_from_computers(seed):
    torch.manual_seed(seed)
    config = MiniBertConfig(
        vocab_size=len(TOKENIZER), max_position_embeddings=15, hidden_dropout_prob=0.0, initializer_range=0.1,
        attention_probs_dropout_prob=0.0, **SIZES,
    )  # fmt: skip
    model = MiniBertForMaskedLM(config).train()
    collate = train(lambda batch: model(**batch).loss, model.parameters(), seed)
    model.eval()
    with torch.no_grad():
        assert masked_accuracy(lambda batch: model(batch["input_ids"], batch["attention_mask"]).logits, collate) > 0.9

        def vector(text):
            return model.minibert(TOKENIZER(text, return_tensors="pt")["input_ids"]).last_hidden_state.mean(dim=1)

        computing, snake, system = map(vector, (
            "ilmu komputer dan machine learning", "bisa ular bisa berbahaya", "sistem operasi yang sangat efisien",
        ))  # fmt: skip
        # The lecture prints 0.34 and 0.72.
        assert F.cosine_similarity(computing, snake) < F.cosine_similarity(computing, system)


@pytest.mark.slow
@pytest.mark.lecture("S5-40")
def test_the_masked_lm_head_stands_on_any_encoder():
    torch.manual_seed(0)
    config = MiniBertConfig(vocab_size=len(TOKENIZER), **SIZES)
    embed, encoder = nn.Embedding(len(TOKENIZER), 32), nn.GRU(32, 16, bidirectional=True, batch_first=True)
    head = MaskedLanguageModelHead(config)
    parts = nn.ModuleList([embed, encoder, head])

    def states(batch):
        return encoder(embed(batch["input_ids"]))[0]

    def loss(batch):
        return vocabulary_loss(head.decoder, states(batch), batch["labels"], transform=head.transform)

    collate = train(loss, parts.parameters(), 0, 400)
    with torch.no_grad():
        accuracy = masked_accuracy(lambda batch: head(states(batch)), collate)
    assert accuracy > 0.8  # always guessing the most frequent word: below 0.1

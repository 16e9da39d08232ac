"""Train a masked language model: hide some words and predict them from both sides.

    python examples/lessons/10_masked_lm.py --output_dir out/lessons

15 % of the tokens are predicted; of these 80 % become [MASK], 10 % another word, 10 % stay. All other labels are -100,
which the loss ignores (S2, "MLM"; S5, "Masking 15% of the input"). A net of two layers, 32 wide, learns 20 sentences;
'bisa' means venom in some of them and can, may in others. `--output_dir` gets a picture of the cosines. It prints:

    of 100,000 tokens 15 % are chosen; of these 80 % [MASK], 10 % another, 10 % the same
    loss 3.36 at the first step (ln 27 = 3.30 knows nothing), 0.49 over the last twenty
      saya makan nasi di [MASK]            warung 94 %, taman 4 %
      kucing [MASK] di taman               bermain 84 %, makan 7 %
      [MASK] ular kobra sangat berbahaya   bisa 100 %, taman 0 %
    the vector of 'bisa', one in the table, now depends on the text; mean cosines:
      venom beside venom 0.92, can beside can 0.90, venom beside can 0.76

Try this: train for 30 steps instead of 300. The blanks are then filled with frequent words: 'kucing bisa di taman'.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.data import DataCollatorForPretraining
from modeling_minibert.data.masking import mask_tokens
from modeling_minibert.explain.plots import heat_map
from tokenization import train_tokenizer
from tokenization.console import prepare_console

TEXTS = """bisa ular kobra sangat berbahaya; bisa ular kobra sangat mematikan; bisa ular itu sangat berbahaya
bisa ular itu sangat mematikan; dokter mengobati bisa ular itu; dokter mengobati bisa ular kobra
kucing bisa bermain di taman; kucing bisa makan di taman; anak bisa bermain di taman
anak bisa makan di warung; saya bisa makan di warung; saya bisa membaca di rumah
adik bisa membaca di rumah; adik bisa bermain di rumah; saya makan nasi di warung
adik makan nasi di warung; anak makan nasi di warung; kucing bermain di taman
anak bermain di taman; saya membaca buku di rumah""".replace("; ", "\n").splitlines()


def shares(tokens: int = 100_000) -> list[float]:
    """Measure the share of chosen tokens, and of these the shares of [MASK] (id 0), another word, and unchanged."""
    ids = np.arange(tokens) % 1000 + 1
    numbers = np.random.default_rng(0).random((3, tokens))
    masked, labels = mask_tokens(ids, np.ones(tokens, bool), numbers, 0, np.arange(1001, 2000))
    chosen = labels != -100
    kinds = [masked[chosen] == 0, masked[chosen] > 1000, masked[chosen] == ids[chosen]]
    return [chosen.mean(), *(kind.mean() for kind in kinds)]


def learn(tokenizer, steps: int = 300) -> tuple[MiniBertForMaskedLM, list[float]]:
    """Train with new masks at every step; returns the model and the loss of every step."""
    config = MiniBertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64,
        max_position_embeddings=15, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )  # fmt: skip
    model, collate = MiniBertForMaskedLM(config).train(), DataCollatorForPretraining(tokenizer)
    rows, losses = [{"input_ids": tokenizer(text)["input_ids"]} for text in TEXTS], []
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(steps):
        collate.set_epoch(step)
        loss = model(**collate(rows)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model.eval().requires_grad_(False), losses


def likeliest(model, tokenizer, text: str, count: int = 2) -> str:
    """Format the likeliest words for [MASK], with probabilities."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    best = model(ids).logits[ids == tokenizer.mask_token_id][0].softmax(-1).topk(count)
    return ", ".join(f"{tokenizer.decode(word)} {100 * value:.0f} %" for value, word in zip(*best, strict=True))


def vectors_of(model, tokenizer, word: str, texts: list[str]) -> torch.Tensor:
    """Compute the vectors of one word in several texts, normalized to length 1: (texts, E)."""
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    places = batch["input_ids"] == tokenizer.convert_tokens_to_ids(word)
    return torch.nn.functional.normalize(model.minibert(**batch).last_hidden_state[places], dim=-1)


def mean_cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    """Average the cosines of all pairs of different vectors."""
    cosines = first @ second.T
    return cosines[cosines < 1 - 1e-5].mean().item()


def main():
    """Show masks, train, fill blanks, and compare the two meanings of 'bisa'."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    chosen, *kinds = (f"{100 * share:.0f} %" for share in shares())
    print(f"of 100,000 tokens {chosen} are chosen; of these {kinds[0]} [MASK], {kinds[1]} another, {kinds[2]} the same")
    tokenizer = train_tokenizer(TEXTS, kind="wordlevel", vocab_size=27, min_frequency=1, show_progress=False)
    model, losses = learn(tokenizer)
    print(f"loss {losses[0]:.2f} at the first step (ln {len(tokenizer)} = {math.log(len(tokenizer)):.2f} knows "
          f"nothing), {np.mean(losses[-20:]):.2f} over the last twenty")  # fmt: skip
    for text in ("saya makan nasi di [MASK]", "kucing [MASK] di taman", "[MASK] ular kobra sangat berbahaya"):
        print(f"  {text:<36} {likeliest(model, tokenizer, text)}")
    with_bisa = [text for text in TEXTS if "bisa" in text]
    vectors = vectors_of(model, tokenizer, "bisa", with_bisa)
    venom, can = vectors.split([6, 8])  # the six texts on snakes come first
    print("the vector of 'bisa', one in the table, now depends on the text; mean cosines:")
    print(f"  venom beside venom {mean_cosine(venom, venom):.2f}, can beside can {mean_cosine(can, can):.2f}, "
          f"venom beside can {mean_cosine(venom, can):.2f}")  # fmt: skip
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        figure = heat_map(vectors @ vectors.T, with_bisa, ["venom"] * 6 + ["can"] * 8, "cosine")
        figure.savefig(args.output_dir / "masked_lm.png")


if __name__ == "__main__":
    prepare_console()
    main()

"""Look at a trained head: which words does "jumps" look at in "The quick brown fox jumps over the lazy dog"?

    python examples/lessons/16_which_words.py --output_dir out/lessons
    python examples/lessons/16_which_words.py --model_name_or_path bert-base-uncased

The book (S3, "Intuisi Attention") answers: at "fox", who jumps, and at "over", where to. Here a net of one layer and
two heads learns 400 sentences whose verb follows from these two words alone: a fox jumps over, and runs under. The
number of adjectives varies, so no position gives a word away. Half of the verbs are hidden, half are replaced by a
random one. The second line shows the three words that each head of a checkpoint looks at most. There, a head on "fox"
may look at the word before, whichever it is (`head_roles` tells). It prints:

    loss 0.00 (ln 8 = 2.08 knows nothing)
    the quick brown fox [MASK] over the lazy dog     jumps 100 %
    the quick brown fox [MASK] under the lazy dog    runs 100 %
    'jumps' looks at       the  quick  brown    fox  jumps   over    the   lazy    dog
      layer 1, head 1     0.00   0.00   0.01   0.01   0.00   0.98   0.00   0.00   0.00
      layer 1, head 2     0.00   0.00   0.00   1.00   0.00   0.00   0.00   0.00   0.00

Try this: write "cat" instead of "fox" in SENTENCE. The blanks become "leaps" and "creeps", and a head looks at "cat".
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

import modeling_minibert  # noqa: F401 - registers the models
from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.explain.head_roles import attention_weights
from modeling_minibert.explain.plots import attention_heat_map
from tokenization import train_tokenizer
from tokenization.console import prepare_console

SENTENCE = "the quick brown fox jumps over the lazy dog"
VERBS = {"fox": ("jumps", "runs"), "cat": ("leaps", "creeps"), "frog": ("hops", "crawls"), "horse": ("trots", "walks")}
ADJECTIVES, NOUNS = "quick brown small old lazy white".split(), "dog fence log stone".split()


def make_sentence(draw: random.Random) -> str:
    """Draw a sentence; its verb follows from the animal and the preposition."""
    animal, way = draw.choice(list(VERBS)), draw.randrange(2)
    before, after = draw.sample(ADJECTIVES, draw.randint(0, 2)), draw.sample(ADJECTIVES, draw.randint(0, 1))
    words = ["the", *before, animal, VERBS[animal][way], ("over", "under")[way], "the", *after, draw.choice(NOUNS)]
    return " ".join(words)


def learn(tokenizer, texts: list[str], steps: int = 150) -> tuple[MiniBertForMaskedLM, float]:
    """Train to predict the verbs; returns the model and its loss over the last twenty steps."""
    config = MiniBertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_attention_heads=2, num_hidden_layers=1, intermediate_size=64,
        max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    )  # fmt: skip
    model, batch = MiniBertForMaskedLM(config).train(), tokenizer(texts, return_tensors="pt", padding=True)
    verbs = torch.tensor(tokenizer.convert_tokens_to_ids([verb for pair in VERBS.values() for verb in pair]))
    is_verb = torch.isin(batch["input_ids"], verbs)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(steps):
        rows = torch.randint(len(texts), (64,))
        ids, chosen = batch["input_ids"][rows], is_verb[rows]
        hidden = torch.where(torch.rand(64) < 0.5, tokenizer.mask_token_id, verbs[torch.randint(len(verbs), (64,))])
        inputs = ids.masked_scatter(chosen, hidden)
        mask, labels = batch["attention_mask"][rows], ids.masked_fill(~chosen, -100)
        loss = model(inputs, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model.eval(), sum(losses[-20:]) / 20


def main():
    """Train a net, or open a checkpoint, and show the weights of "jumps"."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_name_or_path", help="a checkpoint to look at; none: train the small net")
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    if args.model_name_or_path:
        tokenizer = AutoTokenizer.from_pretrained(args.model_name_or_path)
        model = AutoModel.from_pretrained(args.model_name_or_path)
    else:
        torch.manual_seed(2)
        draw = random.Random(0)
        texts = [make_sentence(draw) for _ in range(400)]
        tokenizer = train_tokenizer(texts, kind="wordlevel", vocab_size=30, min_frequency=1, show_progress=False)
        model, loss = learn(tokenizer, texts)
        print(f"loss {loss:.2f} (ln 8 = 2.08 knows nothing)")
        for way in ("over", "under"):
            text = SENTENCE.replace("jumps", "[MASK]").replace("over", way)
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            best = model(ids).logits[ids == tokenizer.mask_token_id].softmax(-1).max(-1)
            print(f"{text:<48} {tokenizer.decode(best.indices)} {100 * best.values.item():.0f} %")
    words, weights = attention_weights(model, tokenizer, SENTENCE)
    row = weights[:, :, words.index("jumps")]  # (layers, heads, words)
    if args.model_name_or_path is None:
        print("'jumps' looks at   " + "".join(f"{word:>7}" for word in words[1:-1]))
    for layer, head in [(layer, head) for layer in range(len(row)) for head in range(len(row[0]))]:
        shown = "".join(f"{weight:7.2f}" for weight in row[layer, head, 1:-1])
        if args.model_name_or_path:
            shown = ", ".join(f"{words[i]} {row[layer, head, i]:.2f}" for i in row[layer, head].argsort()[:-4:-1])
        print(f"  layer {layer + 1}, head {head + 1}  {shown}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        attention_heat_map(weights[0, 0], words, title="layer 1, head 1").savefig(args.output_dir / "which_words.png")


if __name__ == "__main__":
    prepare_console()
    main()

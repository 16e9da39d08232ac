"""Turn the probabilities of the next token into a text, by searching or by sampling.

    python examples/lessons/14_decoding.py --output_dir out/lessons

A search looks for the likeliest text. Greedy search takes the likeliest token each time and can miss that text; beam
search keeps the few best beginnings. Sampling gives variety; temperature, top-k and top-p control how much (S5,
"Language Model Decoding" to "Top-p"). The tables are the slides'. `--output_dir` gets a picture of the nine texts. It
prints:

    greedy search          The nice woman  0.20
    beam search, 1 beam    The nice woman  0.20
    beam search, 2 beams   The dog has     0.36
    all 9 continuations    The dog has     0.36
    logits 1.3, 2.1, 1.0
      temperature 0.1  0.000335  0.999648  0.000017
      temperature 0.5  0.153803  0.761789  0.084409
      temperature 0.9  0.241024  0.586274  0.172702
      temperature 1.0  0.252120  0.561104  0.186775
      temperature 10.0 0.327468  0.354742  0.317790
      top-k, k = 2     0.310026  0.689974  0.000000
      top-p, p = 0.8   0.310026  0.689974  0.000000
      top-p, p = 0.5   0.000000  1.000000  0.000000
    2,000 drawn texts: 0.36 of them say 'The dog has', whose probability is 0.36

Try this: give 'nice' 0.4 and 'dog' 0.5 in TREE. Then greedy search finds 'The dog has' as well, with 0.45.
"""

import argparse
import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

from modeling_minibert.decoding import (
    TableLanguageModel,
    apply_temperature,
    beam_search,
    exhaustive_search,
    greedy_search,
    keep_top_k,
    keep_top_p,
    sample,
)
from tokenization.console import prepare_console

WORDS = ["The", "nice", "dog", "car", "woman", "house", "guy", "and", "runs", "has", "is", "drives", "turns"]
TREE = {
    "The": {"nice": 0.5, "dog": 0.4, "car": 0.1},
    "The nice": {"woman": 0.4, "house": 0.3, "guy": 0.3},
    "The dog": {"and": 0.05, "runs": 0.05, "has": 0.9},
    "The car": {"is": 0.3, "drives": 0.5, "turns": 0.2},
}


def main():
    """Run three searches over the slide's tree, then show temperature, top-k and top-p."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    table = {tuple(text.split()): [row.get(word, 0.0) for word in WORDS] for text, row in TREE.items()}
    model = TableLanguageModel(WORDS, table)
    prompt = model.encode(["The"])
    found = {
        "greedy search": greedy_search(model, prompt, 2),
        "beam search, 1 beam": beam_search(model, prompt, 2, num_beams=1)[0],
        "beam search, 2 beams": beam_search(model, prompt, 2, num_beams=2)[0],
        "all 9 continuations": exhaustive_search(model, prompt, 2)[0],
    }
    for name, text in found.items():
        print(f"{name:<22} {' '.join(model.decode(text.ids)):<15} {math.exp(text.log_prob):.2f}")

    logits = torch.tensor([1.3, 2.1, 1.0], dtype=torch.double)
    print("logits 1.3, 2.1, 1.0")
    for temperature in (0.1, 0.5, 0.9, 1.0, 10.0):
        probabilities = apply_temperature(logits, temperature).softmax(-1).tolist()
        print(f"  temperature {temperature:<4} " + "  ".join(f"{p:.6f}" for p in probabilities))
    for name, kept in {"top-k, k = 2": keep_top_k(logits, 2), "top-p, p = 0.8": keep_top_p(logits, 0.8),
                       "top-p, p = 0.5": keep_top_p(logits, 0.5)}.items():  # fmt: skip
        print(f"  {name:<16} " + "  ".join(f"{p:.6f}" for p in kept.softmax(-1).tolist()))

    generator = torch.Generator().manual_seed(0)
    texts = sample(model, prompt, 2, num_samples=2000, generator=generator)
    share = sum(text.ids[1:] == tuple(model.encode(["dog", "has"])) for text in texts) / len(texts)
    print(f"2,000 drawn texts: {share:.2f} of them say 'The dog has', whose probability is 0.36")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes, texts = figure.subplots(), exhaustive_search(model, prompt, 2)
        greedy = [text.ids == found["greedy search"].ids for text in texts]
        axes.barh([" ".join(model.decode(text.ids)) for text in texts], [math.exp(text.log_prob) for text in texts],
                  color=["tab:orange" if it else "tab:blue" for it in greedy])  # fmt: skip
        axes.invert_yaxis()
        axes.set(xlabel="probability", title="all continuations (orange: greedy search)")
        figure.savefig(args.output_dir / "decoding.png")


if __name__ == "__main__":
    prepare_console()
    main()

"""Train a causal language model: every token predicts the next one from the tokens before.

    python examples/lessons/12_gpt.py --output_dir out/lessons

The layers are those of the encoder, with later keys hidden; the output layer is the embedding table: softmax(h · W_eᵀ)
(S5, "GPT"). The loss is the mean of -log P(next token | tokens before). A net with two layers of 32 features learns the
bundled poem by heart, word by word, and continues its first two words. `--output_dir` gets a picture of the loss. It
prints:

    4 stanzas, 80 words; a model that only counts has the loss 4.25 (each word), 0.31 (the word before)
    the last word changed: scores before it change by 0.0
    loss 0.059, mean of -log P(next | before) 0.059
    the output layer is the embedding table: True
    'pagi datang' → 'membawa secangkir kopi uapnya menari di …'
    the whole stanza by heart: True

Try this: train for 10 steps instead of 120. The loss is 1.230 and the poem is confused: "datang datang perlahan".
"""

import argparse
from pathlib import Path

import datasets
import torch

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.data import DataCollatorForCausalLM, build_causal_examples, load_documents
from modeling_minibert.explain.plots import line_chart
from modeling_minibert.training import expected_losses
from tokenization import train_tokenizer
from tokenization.console import prepare_console

POEM = Path(__file__).parents[1] / "data" / "poem" / "train.txt"
END = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}


def learn(tokenizer, windows, steps: int = 120) -> tuple[MiniGPTForCausalLM, list[float]]:
    """Train on all windows at once; returns the model and the loss of every step."""
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    config = MiniGPTConfig.from_preset(
        "lecture", vocab_size=len(tokenizer), max_position_embeddings=40, initializer_range=0.1, **ids
    )
    model, batch = MiniGPTForCausalLM(config), DataCollatorForCausalLM()(list(windows))
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model.eval(), losses


def main():
    """Train on a poem, check the causal mask and the loss, and let the model recite."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    datasets.disable_progress_bars()
    documents = load_documents(data_files={"train": str(POEM)})["train"]
    tokenizer = train_tokenizer(
        documents["text"], kind="wordlevel", vocab_size=80, min_frequency=1, wrap="start", special_tokens=END,
        show_progress=False,
    )  # fmt: skip
    windows = build_causal_examples(documents, tokenizer, max_length=40)
    counting = expected_losses(windows, len(tokenizer), tokenizer.all_special_ids)
    print(f"{len(documents)} stanzas, {len(tokenizer)} words; a model that only counts has the loss "
          f"{counting['unigram']:.2f} (each word), {counting['bigram']:.2f} (the word before)")  # fmt: skip
    model, losses = learn(tokenizer, windows)

    ids = torch.tensor([windows[0]["input_ids"]])
    changed = ids.clone()
    changed[0, -1] = tokenizer.convert_tokens_to_ids("kopi")
    with torch.no_grad():
        logits, other = model(ids).logits, model(changed).logits
        loss = model(ids, labels=ids).loss.item()
    print(f"the last word changed: scores before it change by {(logits - other)[0, :-1].abs().max():.1f}")
    by_hand = -logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).mean().item()
    print(f"loss {loss:.3f}, mean of -log P(next | before) {by_hand:.3f}")
    shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    print(f"the output layer is the embedding table: {shared}")

    text = documents["text"][0].split()
    prompt = tokenizer(" ".join(text[:2]), return_tensors="pt")["input_ids"]
    written = tokenizer.decode(model.generate(prompt, max_length=40, do_sample=False)[0], skip_special_tokens=True)
    print(f"'{' '.join(text[:2])}' → '{' '.join(written.split()[2:8])} …'")
    print(f"the whole stanza by heart: {written.split() == text}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        curves = {"this net": losses} | {f"counts: {name}": [loss] * len(losses) for name, loss in counting.items()}
        figure = line_chart(curves, range(1, len(losses) + 1), "step", "loss")
        figure.savefig(args.output_dir / "gpt.png")


if __name__ == "__main__":
    prepare_console()
    main()

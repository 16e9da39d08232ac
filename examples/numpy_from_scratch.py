"""Train a sentiment classifier in NumPy with hand-written gradients, and the same one in torch, and compare them.

    python examples/numpy_from_scratch.py

There are two sets of Indonesian sentences from the lectures: six about films, and four of which two differ only by
"tidak" (not). Both trainings start from the same weights and read the same batch, without dropout.

It prints loss and accuracy, the largest difference between the two loss curves, and the predictions of the NumPy model
on new sentences. For each set it saves a folder that `AutoModelForSequenceClassification` opens, with a picture of the
two curves, loss.png.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification
from modeling_minibert.numpy_twin.blocks import softmax_forward
from modeling_minibert.numpy_twin.encoder import model_forward
from modeling_minibert.numpy_twin.training import adamw_step, loss_and_gradients
from modeling_minibert.numpy_twin.weights import initial_weights, load_weights, save_weights
from modeling_minibert.training.script_arguments import ScriptParser, run_script
from tokenization import train_tokenizer

NEGATIVE, POSITIVE = 0, 1
LABELS = {NEGATIVE: "negatif", POSITIVE: "positif"}
# name → the sentences of the lectures, and new ones made of their words.
SENTENCES = {
    "six": (
        [
            ("aku suka banget sama film ini", POSITIVE),
            ("filmnya bener-bener membosankan", NEGATIVE),
            ("aktingnya luar biasa", POSITIVE),
            ("ngantuk banget pas nonton", NEGATIVE),
            ("ceritanya bikin terharu", POSITIVE),
            ("gak masuk akal dan jelek", NEGATIVE),
        ],
        [
            ("filmnya luar biasa", POSITIVE),
            ("aku terharu pas nonton film ini", POSITIVE),
            ("ceritanya gak masuk akal", NEGATIVE),
            ("aktingnya jelek dan membosankan", NEGATIVE),
        ],
    ),
    "four": (
        [
            ("aku suka film ini", POSITIVE),
            ("aku tidak suka film ini", NEGATIVE),
            ("film ini bagus sekali", POSITIVE),
            ("film ini sangat buruk", NEGATIVE),
        ],
        [
            ("aku suka sekali film ini", POSITIVE),
            ("film ini bagus", POSITIVE),
            ("aku tidak suka", NEGATIVE),
            ("buruk sekali film ini", NEGATIVE),
        ],
    ),
}


@dataclass
class ModelArguments:
    """The model, a MiniBert."""

    hidden_size: int = HfArg(default=32, help="features of each token vector")
    num_hidden_layers: int = HfArg(default=2, help="encoder layers")
    position_embedding_type: str = HfArg(default="sinusoidal", help="sinusoidal, learned or none")
    norm_position: str = HfArg(default="post", help="post, as in BERT, or pre")


@dataclass
class RunArguments:
    """Both trainings."""

    steps: int = HfArg(default=100, help="updates, each on all sentences")
    learning_rate: float = HfArg(default=3e-3, help="of AdamW")
    seed: int = HfArg(default=0, help="of the first weights")
    output_dir: str = HfArg(default="out/numpy_from_scratch", help="a folder for each set goes here")


def prepare(rows, model_args):
    """Train a tokenizer on the words in `rows`, and make the configuration of the model."""
    texts = [text for text, _ in rows]
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "unk_token": "[UNK]"}
    words = {word for text in texts for word in text.split()}
    tokenizer = train_tokenizer(
        texts, kind="wordlevel", vocab_size=len(words) + len(special), min_frequency=1, special_tokens=special,
        punctuation="attached", model_max_length=10, show_progress=False,
    )  # fmt: skip
    config = MiniBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=10, num_attention_heads=4, type_vocab_size=0,
        intermediate_size=2 * model_args.hidden_size, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=LABELS, label2id={name: label for label, name in LABELS.items()},
        # Unscaled, the positions (size 1) hide the word vectors (size 0.02), and the model goes by the length alone.
        scale_embedding=True,
        architectures=["MiniBertForSequenceClassification"], dtype="float64", **vars(model_args),
    )  # fmt: skip
    return tokenizer, config


def encode(tokenizer, texts):
    """Encode texts as ids and mask, each padded to ten places."""
    encoded = tokenizer(texts, padding="max_length", truncation=True, return_tensors="np")
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def train_in_numpy(params, config, batch, labels, args):
    """Train in NumPy; returns the parameters and the loss before each step."""
    state, losses = {}, []
    for step in range(args.steps):
        loss, grads = loss_and_gradients(params, config, batch, {"classifier": labels})
        params, state = adamw_step(params, grads, state, args.learning_rate)
        losses.append(float(loss))
        if step % max(args.steps // 5, 1) == 0:
            guesses = model_forward(params, config, **batch)[0]["classifier"].argmax(axis=-1)
            print(f"  step {step:>4}   loss {loss:.4f}   accuracy after it {(guesses == labels).mean():.0%}")
    return params, losses


def train_in_torch(params, config, batch, labels, args):
    """Train with torch's gradients and optimizer; returns the loss before each step."""
    model = MiniBertForSequenceClassification(config).double().train()
    model.load_state_dict({name: torch.tensor(array) for name, array in params.items()})
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    tensors = {name: torch.tensor(array) for name, array in {**batch, "labels": labels}.items()}
    losses = []
    for _ in range(args.steps):
        loss = model(**tensors).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def plot(ours, theirs, path):
    """Draw both curves in one panel, and their difference in another."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, differences = figure.subplots(1, 2)
    losses.plot(ours, linewidth=4, alpha=0.4, label="NumPy")
    losses.plot(theirs, linestyle="--", label="torch")
    losses.set(xlabel="updates", ylabel="loss")
    losses.legend()
    difference = np.abs(np.subtract(ours, theirs))
    differences.semilogy(np.where(difference > 0, difference, np.nan), ".")  # the axis is logarithmic
    differences.set(xlabel="updates", ylabel="|NumPy - torch|, where it is not 0")
    figure.savefig(path, dpi=120)


def show_predictions(params, config, tokenizer, rows):
    """Print a line per sentence: right or wrong, the predicted label and its probability."""
    probabilities, _ = softmax_forward(
        model_forward(params, config, **encode(tokenizer, [text for text, _ in rows]))[0]["classifier"]
    )
    for (text, label), row in zip(rows, probabilities, strict=True):
        guess = int(row.argmax())
        print(f"  {'✓' if guess == label else '✗'}   {LABELS[guess]}  {row[guess]:4.0%}   {text}")


def train_on(name, model_args, args):
    """Train on one set in NumPy and in torch, compare, and save."""
    rows, new_rows = SENTENCES[name]
    folder = Path(args.output_dir) / name
    # 1. Tokenizer and ids
    tokenizer, config = prepare(rows, model_args)
    batch, labels = encode(tokenizer, [text for text, _ in rows]), np.array([label for _, label in rows])
    # 2. The same initial weights for both
    first = initial_weights(config, np.random.default_rng(args.seed))
    count = sum(array.size for array in first.values())
    print(f"{name} sentences, {len(tokenizer)} words and special tokens, {count:,} parameters, loss of a guess 0.6931")
    # 3. Training
    trained, ours = train_in_numpy(first, config, batch, labels, args)
    theirs = train_in_torch(first, config, batch, labels, args)
    difference = np.abs(np.subtract(ours, theirs)).max()
    print(
        f"  last loss {ours[-1]:.4f} in NumPy, {theirs[-1]:.4f} in torch; the curves differ by at most {difference:.1e}"
    )
    # 4. Predictions
    print("  the sentences it was trained on")
    show_predictions(trained, config, tokenizer, rows)
    print("  new sentences")
    show_predictions(trained, config, tokenizer, new_rows)
    # 5. A folder that transformers opens
    save_weights(trained, config, folder)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    plot(ours, theirs, folder / "loss.png")
    check_folder(folder, config, [text for text, _ in new_rows])


def check_folder(folder, config, texts):
    """Open the saved folder in torch and in NumPy, and compare the logits."""
    batch = encode(AutoTokenizer.from_pretrained(folder), texts)
    with torch.no_grad():
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        theirs = model(**{name: torch.tensor(array) for name, array in batch.items()}).logits.numpy()
    logits, _ = model_forward(load_weights(folder), config, **batch)
    difference = np.abs(logits["classifier"] - theirs).max()
    print(f"saved to {folder}, opened by AutoModelForSequenceClassification: logits differ by at most {difference:.1e}")


def main():
    """Train on both sets."""
    model_args, args = ScriptParser((ModelArguments, RunArguments)).parse_args_into_dataclasses()
    for name in SENTENCES:
        train_on(name, model_args, args)


if __name__ == "__main__":
    run_script(main)

"""Train an encoder and a decoder to translate: read a sentence in one language, write it in another.

    python examples/lessons/13_encoder_decoder.py --output_dir out/lessons

The encoder reads the source once. The decoder writes word by word; it attends to its previous words (causal mask) and
to the encoder's vectors (cross-attention: queries from the decoder, keys and values from the encoder). In training it
reads the target words, shifted by one place, [SOS] first (teacher forcing); in generation its own words. The nine pairs
are from the slides (S5, "Training a Transformer"): enough to learn by heart, and to get one new sentence half right.
`--output_dir` gets a picture of the cross-attention. It prints:

    the decoder reads  [SOS] you come with a car
    and is to write    you come with a car [EOS]
    cross-attention (B, H, L, S): (1, 4, 6, 6), each row sums to 1.00
    'kamu datang dengan mobil' → 'you come with a car'
    9 of 9 word for word; the encoder ran 1 time for each
    never seen: 'saya datang dengan motor' → 'i come with a car'

Try this: train for 20 steps instead of 150. None of the nine is right: 'kamu datang dengan mobil' becomes
'you to with a motorcycle'.
"""

import argparse
from pathlib import Path

import torch

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.explain.plots import attention_heat_map
from tokenization import train_tokenizer
from tokenization.console import prepare_console

PAIRS = """saya pergi ke depok = i go to depok
saya pergi dengan mobil = i go with a car
saya datang ke depok = i come to depok
kamu pergi dengan motor = you go with a motorcycle
kamu datang dengan mobil = you come with a car
saya pergi dan kamu datang = i go and you come
kamu datang = you come
saya datang = i come
kamu pergi ke depok dengan motor = you go to depok with a motorcycle""".splitlines()
SOURCES, TARGETS = zip(*(pair.split(" = ") for pair in PAIRS), strict=True)
TOKENS = {"pad_token": "[PAD]", "bos_token": "[SOS]", "eos_token": "[EOS]", "unk_token": "[UNK]"}  # ids 0 to 3


def learn(source_words, target_words, steps: int = 150) -> MiniSeq2SeqForConditionalGeneration:
    """Train the lectures' net, 32 wide, on all pairs at once."""
    config = MiniSeq2SeqConfig.from_preset(
        "lecture", vocab_size=len(source_words), decoder_vocab_size=len(target_words), pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, hidden_dropout_prob=0.0,
    )  # fmt: skip
    model = MiniSeq2SeqForConditionalGeneration(config).train()
    batch = source_words(list(SOURCES), padding=True, return_tensors="pt")
    batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
    ids = target_words(list(TARGETS), padding=True, return_tensors="pt")["input_ids"]
    labels = ids[:, 1:].masked_fill(ids[:, 1:] == 0, -100)  # without [SOS]: the model shifts the labels itself
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def translate(model, source_words, target_words, text: str) -> str:
    """Translate by greedy search."""
    inputs = source_words(text, return_tensors="pt")
    output = model.generate(inputs["input_ids"].long(), max_new_tokens=12, do_sample=False)
    return target_words.decode(output[0], skip_special_tokens=True)


def main():
    """Train, show the inputs and weights of one pair, and translate all nine and a new one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    source_words, target_words = (
        train_tokenizer(list(texts), kind="wordlevel", vocab_size=size, min_frequency=1, special_tokens=TOKENS,
                        show_progress=False)
        for texts, size in ((SOURCES, 13), (TARGETS, 15))
    )  # fmt: skip
    model = learn(source_words, target_words)

    ids, labels = (words(text, return_tensors="pt")["input_ids"] for words, text in
                   ((source_words, SOURCES[4]), (target_words, TARGETS[4])))  # fmt: skip
    read = model.prepare_decoder_input_ids_from_labels(labels[:, 1:])
    print(f"the decoder reads  {target_words.decode(read[0])}")
    print(f"and is to write    {target_words.decode(labels[0, 1:])}")
    with torch.no_grad():
        outputs = model(input_ids=ids, labels=labels[:, 1:], output_attentions=True)
    weights = outputs.cross_attentions[-1]
    print(f"cross-attention (B, H, L, S): {tuple(weights.shape)}, each row sums to {weights.sum(-1).min():.2f}")

    runs = []
    model.get_encoder().register_forward_hook(lambda *_: runs.append(1))
    translated = [translate(model, source_words, target_words, text) for text in SOURCES]
    print(f"'{SOURCES[4]}' → '{translated[4]}'")
    right = sum(ours == target for ours, target in zip(translated, TARGETS, strict=True))
    print(f"{right} of {len(PAIRS)} word for word; the encoder ran {len(runs) / len(PAIRS):.0f} time for each")
    new = "saya datang dengan motor"
    print(f"never seen: '{new}' → '{translate(model, source_words, target_words, new)}'")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        rows, columns = target_words.convert_ids_to_tokens(read[0]), source_words.convert_ids_to_tokens(ids[0])
        figure = attention_heat_map(weights[0].mean(0), rows, columns, title="cross-attention, mean of the heads")
        figure.savefig(args.output_dir / "encoder_decoder.png")


if __name__ == "__main__":
    prepare_console()
    main()

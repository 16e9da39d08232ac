"""Compare training with and without warm-up for the Transformer of 2017 and for T5's, from the same seed.

    python examples/warmup_ablation.py

trains four small encoder–decoders (`--layers` in each stack) on the bundled translation pairs, offline, and draws the
training losses: warmup.png and warmup.json in `--output_dir`. With norms after each residual sum (preset vanilla) large
first steps damage the upper layers, and training recovers late or never; with norms before each sub-layer (preset t5)
training is stable. Sources: the lectures (S5, "warm-up"); Xiong et al. 2020, arXiv 2002.04745.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from matplotlib.figure import Figure
from transformers import get_cosine_schedule_with_warmup, set_seed
from transformers.hf_argparser import HfArg

from modeling_minibert import MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.data import PairCollator, TokenBudgetBatches, encode_pairs
from modeling_minibert.training.script_arguments import ScriptParser, run_script, token_fields
from modeling_minibert.training.translator import DataArguments, ModelArguments, build_tokenizers, load_pairs

PRESETS = ("vanilla", "t5")
LAST = 20  # steps whose mean loss is the result


@dataclass
class AblationArguments:
    """The trainings to compare."""

    layers: int = HfArg(default=6, help="layers of the encoder, and of the decoder")
    steps: int = HfArg(default=200, help="steps of each training")
    warmup: float = HfArg(default=0.2, help="share of the steps in which the learning rate rises")
    learning_rate: float = HfArg(default=2e-3, help="the highest learning rate")
    seed: int = HfArg(default=0, help="seed of the weights and of the order of batches")
    output_dir: str = HfArg(default="out/warmup", help="where the picture and the numbers are saved")


def train(args: AblationArguments, preset: str, warmup: float, batches: list[dict], sizes: dict) -> list[float]:
    """Train one model; returns the loss of every step."""
    set_seed(args.seed)
    model = MiniSeq2SeqForConditionalGeneration(
        MiniSeq2SeqConfig.from_preset(
            preset, hidden_size=64, num_attention_heads=4, intermediate_size=256, num_encoder_layers=args.layers,
            num_decoder_layers=args.layers, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            activation_dropout_prob=0.0, final_dropout_prob=0.0, label_smoothing=0.0, **sizes,
        )
    ).train()  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, betas=(0.9, 0.98), fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, round(warmup * args.steps), args.steps)
    losses = []
    for step in range(args.steps):
        loss = model(**batches[step % len(batches)]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 10 == 9:
            print(f"\r{preset}, warm-up {warmup:g}: step {step + 1}/{args.steps}   loss {loss:.3f}", end="", flush=True)
    print()
    return losses


def plot(curves: dict[str, list[float]], path: Path) -> None:
    """Draw loss over steps; each point is the mean of ten steps."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, losses in curves.items():
        style = {"color": f"C{PRESETS.index(name.split(',')[0])}", "linestyle": "--" if "no warm-up" in name else "-"}
        smooth = [mean(losses[max(0, step - 9) : step + 1]) for step in range(len(losses))]
        axes.plot(range(1, len(losses) + 1), smooth, label=name, **style)
    axes.set(xlabel="step", ylabel="training loss (nats per token)", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    """Train the four models, draw and print their losses."""
    args = ScriptParser(AblationArguments).parse_args_into_dataclasses()[0]
    pairs = load_pairs(DataArguments(), args.seed)["train"]
    source, target = build_tokenizers(ModelArguments(), pairs, 64, None)
    rows = encode_pairs(pairs, source, target, 64, target.bos_token_id)
    lists, collate = TokenBudgetBatches(rows, 512, args.seed, columns=("input_ids", "labels")), PairCollator(source)
    order = torch.randperm(len(lists), generator=torch.Generator().manual_seed(args.seed)).tolist()
    batches = [collate([lists[number]]) for number in order]
    sizes = token_fields(target, "pad", "bos", "eos") | {"decoder_start_token_id": target.bos_token_id}
    sizes |= {"vocab_size": len(source), "decoder_vocab_size": len(target), "max_position_embeddings": 64}
    curves = {}
    for preset in PRESETS:
        for warmup, name in ((args.warmup, "warm-up"), (0.0, "no warm-up")):
            curves[f"{preset}, {name}"] = train(args, preset, warmup, batches, sizes)
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "warmup.json").write_text(json.dumps(curves), encoding="utf-8")
    plot(curves, folder / "warmup.png")
    for name, losses in curves.items():
        print(f"{name:20} loss of the last {LAST} steps: {mean(losses[-LAST:]):.3f}")
    print(f"saved to {folder}: warmup.json, warmup.png")


if __name__ == "__main__":
    run_script(main)

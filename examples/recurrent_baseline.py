"""Train an LSTM, a bidirectional LSTM and a MiniBert on the same tokens, and compare their scores.

    python examples/recurrent_baseline.py
    python examples/recurrent_baseline.py --recipe examples/recipes/imdb_tiny.args --dataset_name stanfordnlp/imdb

The first line runs offline on the opinions of `examples/data/opinions`, in a minute on one CPU core. All three nets get
the tokens, batches, epochs and regularisers of examples/finetune_classifier.py, which takes all other arguments. The
recurrent nets read a text token by token; the classifier sees their last states only, one vector per direction.

It prints a line per net with its parameters, scores and seconds, and writes recurrent_baseline.json into
`--output_dir`. Read `RecurrentClassifier` first. Sources: Hochreiter and Schmidhuber 1997 (LSTM), Graves and
Schmidhuber 2005 (both directions), Jozefowicz et al. 2015 (initial forget gates of 1); lecture rows S4-01 and S4-11.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from classifier_runs import check_values
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedConfig, PreTrainedModel, set_seed
from transformers.hf_argparser import HfArg

from modeling_minibert.evaluation import describe_scores
from modeling_minibert.training import predict_in_order, prepare_cpu
from modeling_minibert.training.classifier import build_model, build_tokenizer, build_trainer, encode, load_splits
from modeling_minibert.training.classifier_arguments import parse_arguments
from modeling_minibert.training.classifier_results import score_test
from modeling_minibert.training.script_arguments import ScriptParser, run_script, settle_length

NETS = ("lstm", "bilstm", "minibert")


@dataclass
class RecurrentArguments:
    """The nets to compare."""

    nets: list[str] = HfArg(default_factory=lambda: list(NETS), help=f"which of {', '.join(NETS)}")
    recurrent_size: int = HfArg(default=128, help="width of the word vectors and of each direction's state")
    recurrent_dropout: float = HfArg(default=0.3, help="dropout of the word vectors and of the last state")
    recurrent_learning_rate: float = HfArg(default=1e-3, help="the LSTMs'; --learning_rate is MiniBert's")


class RecurrentClassifier(nn.Module):
    """Word vectors → LSTM → last state of each direction → classes.

    Args:
        vocab_size: V.
        num_labels: C.
        size: width E of the word vectors and of each direction's state.
        bidirectional: whether a second LSTM reads the text backwards.
        dropout: dropout of the word vectors and of the last state.
        pad_token_id: token whose vector stays zero.
    """

    def __init__(self, vocab_size, num_labels, size, bidirectional, dropout, pad_token_id):
        super().__init__()
        # `Trainer` needs a configuration to smooth labels.
        self.config = PreTrainedConfig(num_labels=num_labels, pad_token_id=pad_token_id)
        self.embedding = nn.Embedding(vocab_size, size, padding_idx=pad_token_id)
        self.dropout = nn.Dropout(dropout)
        self.lstms = nn.ModuleList(nn.LSTM(size, size, batch_first=True) for _ in range(2 if bidirectional else 1))
        self.classifier = nn.Linear(len(self.lstms) * size, num_labels)
        for lstm in self.lstms:  # torch orders the gates: input, forget, cell, output
            nn.init.ones_(lstm.bias_ih_l0.data[size : 2 * size])

    def forward(self, input_ids, attention_mask, labels=None):
        """Compute the logits (B, C) of token ids (B, L) and their mask; with labels (B,) also the loss."""
        # oneDNN keeps a kernel for every length; a few lengths keep that below gigabytes. Pads change no state.
        input_ids = nn.functional.pad(input_ids, (0, -input_ids.shape[1] % 25), value=self.embedding.padding_idx)
        vectors, lengths = self.dropout(self.embedding(input_ids)), attention_mask.sum(dim=1)
        last = []
        for lstm, backwards in zip(self.lstms, (False, True), strict=False):
            states, _ = lstm(flip(vectors, lengths) if backwards else vectors)
            last.append(
                states[torch.arange(len(states), device=states.device), lengths - 1]
            )  # (B, E): no pads before it
        logits = self.classifier(self.dropout(torch.cat(last, dim=1)))
        return {"logits": logits} if labels is None else {"loss": cross_entropy(logits, labels), "logits": logits}


def flip(vectors: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Reverse each text of vectors (B, L, E) within its length; its pads stay at the end.

    On a CPU torch runs an LSTM over padded texts five times as fast as over `pack_padded_sequence`.
    """
    places = torch.arange(vectors.shape[1], device=vectors.device)
    source = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)  # (B, L)
    return vectors.gather(1, source[:, :, None].expand_as(vectors))


def build_net(net: str, ours: RecurrentArguments, minibert: PreTrainedModel, pad_token_id: int) -> nn.Module:
    """Build the net of that name, with the vocabulary and the classes of the MiniBert."""
    if net == "minibert":
        return minibert
    config = minibert.config
    return RecurrentClassifier(
        config.vocab_size, config.num_labels, ours.recurrent_size, net == "bilstm", ours.recurrent_dropout, pad_token_id
    )


def table(rows: dict[str, dict]) -> str:
    """Format the table: one line per net."""
    lines = [f"{'':8}  {'parameters':>10}  {'seconds':>7}  test scores"]
    for net, row in rows.items():
        start = f"{net:8}  {row['parameters']:>10,}  {row['train_seconds']:>7.0f}"
        scores = [f"{name}: {text}" for name, text in describe_scores(row).items()]
        lines += [f"{start}  {scores[0]}"] + [f"{'':{len(start)}}  {score}" for score in scores[1:]]
    return "\n".join(lines)


def main(arguments: list[str] | None = None):
    """Train the nets one after the other on the same encoded texts, and print and save the table."""
    parser = ScriptParser(RecurrentArguments)
    ours, rest = parser.parse_args_into_dataclasses(arguments, return_remaining_strings=True)
    for net in ours.nets:
        if net not in NETS:
            raise ValueError(f"--nets has {net!r}; choose from {', '.join(NETS)}")
    check_values("nets", ours.nets)
    model_args, data_args, args, _ = parse_arguments(rest)
    if model_args.model_name_or_path:
        raise ValueError("all nets start from random weights; leave out --model_name_or_path")
    if data_args.task != "classification":
        raise ValueError(f"--task {data_args.task}: the recurrent nets classify; leave it out")
    prepare_cpu()
    splits, labels = load_splits(data_args, args.data_seed or 0)
    tokenizer = build_tokenizer(model_args, splits, None)
    max_length = settle_length(tokenizer, build_model(model_args, tokenizer, labels), data_args.max_seq_length)
    encoded = encode(splits, tokenizer, max_length)
    judged, rows = "test" if "test" in splits else "validation", {}
    for net in ours.nets:
        set_seed(args.seed)
        model = build_net(net, ours, build_model(model_args, tokenizer, labels), tokenizer.pad_token_id)
        rate = args.learning_rate if net == "minibert" else ours.recurrent_learning_rate
        run = replace(args, output_dir=str(Path(args.output_dir) / net), learning_rate=rate)
        print(f"{net}: {type(model).__name__}, reads {max_length} tokens")
        trainer = build_trainer(model, tokenizer, encoded, None, run)
        trained = trainer.train()
        rows[net] = {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "train_seconds": trained.metrics["train_runtime"],
            **score_test(trainer, splits[judged], predict_in_order(trainer, encoded[judged]), data_args.window_average),
        }
    file = Path(args.output_dir) / "recurrent_baseline.json"
    file.write_text(json.dumps({"split": judged, "seed": args.seed, "nets": rows}, indent=1), encoding="utf-8")
    print(f"{judged} split ({len(splits[judged]):,} texts)\n{table(rows)}\nsaved to {file}")


if __name__ == "__main__":
    run_script(main, stopped="stopped before the end; the same command starts again")

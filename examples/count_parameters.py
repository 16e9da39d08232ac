"""Count the weights of models from their configurations alone, without loading or allocating any.

    python examples/count_parameters.py
    python examples/count_parameters.py --model_name_or_path bert-base-uncased out/classifier

prints for each model the number of its weights, that of its word embeddings, and its size on disk in float32. Without
arguments: the models of the lectures (S3: BERT, RoBERTa, ALBERT, DistilBERT; S4: the Keras classifier) and their parts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import transformers
from torch import nn
from transformers import (
    AlbertConfig,
    AutoConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    RobertaConfig,
)
from transformers.hf_argparser import HfArg

import modeling_minibert
from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification, MiniBertModel, MultiHeadAttention
from modeling_minibert.modeling_minibert import MiniBertLayer
from modeling_minibert.training.script_arguments import ScriptParser, run_script

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
ROBERTA = {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1}
OF_2017 = MiniBertConfig(
    vocab_size=10_000, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048,
    position_embedding_type="sinusoidal", scale_embedding=True, embedding_norm=False, type_vocab_size=0,
)  # fmt: skip
KERAS = MiniBertConfig.from_preset("imdb-tiny", num_labels=1)
MODELS: dict[str, Callable[[], nn.Module]] = {
    "BERT base": lambda: AutoModel.from_config(BertConfig()),
    "BERT base, ours": lambda: MiniBertModel(MiniBertConfig.from_preset("base")),
    "BERT large": lambda: AutoModel.from_config(BertConfig(**LARGE)),
    "BERT large, ours": lambda: MiniBertModel(MiniBertConfig.from_preset("large")),
    "RoBERTa large": lambda: AutoModel.from_config(RobertaConfig(**LARGE, **ROBERTA)),
    "ALBERT base": lambda: AutoModel.from_config(
        AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    ),
    "DistilBERT": lambda: AutoModel.from_config(DistilBertConfig()),
    "attention, 512 wide, 8 heads": lambda: MultiHeadAttention(OF_2017),
    "layer, 512 wide, 2048 inside": lambda: MiniBertLayer(OF_2017),
    "6 such layers, 10,000 words": lambda: MiniBertModel(OF_2017, add_pooling_layer=False),
    "Keras classifier, 2 layers": lambda: MiniBertForSequenceClassification(KERAS),
}


@dataclass
class Arguments:
    """The models to count."""

    model_name_or_path: list[str] | None = HfArg(
        default=None, help="folders or Hub names, each with a config.json; none: those of the lectures"
    )


def build_empty(name: str) -> nn.Module:
    """Build the model of a config.json, as the class it was saved from; if none is named, as its base model."""
    config = AutoConfig.from_pretrained(name)
    saved_as = (config.architectures or [""])[0]
    model_class = getattr(transformers, saved_as, None) or getattr(modeling_minibert, saved_as, None)
    return model_class(config) if model_class else AutoModel.from_config(config)


def count(build: Callable[[], nn.Module]) -> tuple[int, int]:
    """Count all weights (shared ones once) and the word embeddings; the model is built without memory."""
    with torch.device("meta"):
        model = build()
    is_model = hasattr(model, "get_input_embeddings")
    return sum(p.numel() for p in model.parameters()), model.get_input_embeddings().weight.numel() if is_model else 0


def main():
    """Print one row per model."""
    (args,) = ScriptParser(Arguments).parse_args_into_dataclasses()
    models = MODELS
    if args.model_name_or_path:
        models = {name: lambda name=name: build_empty(name) for name in args.model_name_or_path}
    width = max(map(len, models))
    print(f"{'':{width}} {'weights':>13} {'millions':>9} {'word embeddings':>16} {'float32':>10}")
    for name, build in models.items():
        weights, words = count(build)
        print(f"{name:{width}} {weights:13,} {weights / 1e6:9.2f} {words:16,} {weights * 4 / 1e6:7,.0f} MB")


if __name__ == "__main__":
    run_script(main)

"""Run an encoder: layers of attention and feed-forward make the vector of a word depend on its sentence.

    python examples/lessons/09_encoder.py --output_dir out/lessons

An embedding table has one vector per word. Each layer mixes in the neighbours on both sides, so the output vectors
depend on the whole text: 'bisa' means venom beside 'ular' (snake), and can, may elsewhere. The weights here are random,
so this shows the architecture; meaning comes with training (10_masked_lm.py). BERT is one encoder among many (S5,
"jangan hanya persempit konsep Encoder pada BERT"). `--output_dir` gets a picture of the cosine after each layer. It
prints:

    a layer beside torch's nn.TransformerEncoderLayer, same weights: the same to 12 digits: True
    token vectors (2, 3, 32): a vector for each token; pooled (2, 32): one for each text
    'bisa' alone and in 'bisa ular': one vector in the table: True; after the encoder their cosine is 0.93
    the last word changed, does the first word's vector change? True
    three encoders, their parameters:
      BERT base                                109,482,240
      the encoder of 2017, as in the book       24,034,304
      the lectures' classifier, mean pooling     1,578,881

Try this: set `"num_hidden_layers": 6` in SIZES. With more layers the sentence changes the word more: the cosine falls
from 0.93 to 0.25.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from modeling_minibert import MiniBertConfig, MiniBertForSequenceClassification, MiniBertModel
from modeling_minibert.explain.plots import line_chart
from tokenization.console import prepare_console

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 64}
SIZES |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attn_implementation": "eager"}
BOOK = {"vocab_size": 10_000, "hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8,
        "intermediate_size": 2048, "position_embedding_type": "sinusoidal", "scale_embedding": True,
        "embedding_norm": False, "type_vocab_size": 0}  # fmt: skip


def torch_twin(layer) -> nn.TransformerEncoderLayer:
    """Build torch's encoder layer with the weights of one of ours."""
    attention, forward = layer.attention, layer.feed_forward
    twin = nn.TransformerEncoderLayer(
        32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, layer_norm_eps=1e-12, dtype=torch.double
    )
    projections = (attention.query, attention.key, attention.value)
    twin.self_attn.in_proj_weight.data = torch.cat([projection.weight for projection in projections])
    twin.self_attn.in_proj_bias.data = torch.cat([projection.bias for projection in projections])
    pairs = ((twin.self_attn.out_proj, attention.output), (twin.linear1, forward.up), (twin.linear2, forward.down),
             (twin.norm1, layer.attention_norm), (twin.norm2, layer.feed_forward_norm))  # fmt: skip
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    return twin.eval()


@torch.no_grad()
def main():
    """Show a layer, its vectors, the effect of context on a word, and other encoders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, help="where the picture goes; none: no picture")
    args = parser.parse_args()
    torch.manual_seed(0)
    words = {"[PAD]": 0, "bisa": 1, "ular": 2, "berbahaya": 3, "kobra": 4}
    model = MiniBertModel(MiniBertConfig(vocab_size=len(words), initializer_range=0.5, **SIZES)).eval().double()
    tokens = torch.randn(2, 5, 32, dtype=torch.double)
    difference = (model.layers[0](tokens)[0] - torch_twin(model.layers[0])(tokens)).abs().max()
    print(f"a layer beside torch's nn.TransformerEncoderLayer, same weights: the same to 12 digits: "
          f"{bool(difference < 1e-12)}")  # fmt: skip

    def encode(text: str):
        return model(torch.tensor([[words[word] for word in text.split()]]), output_hidden_states=True)

    outputs = model(torch.tensor([[1, 2, 3], [1, 2, 4]]))
    print(f"token vectors {tuple(outputs.last_hidden_state.shape)}: a vector for each token; "
          f"pooled {tuple(outputs.pooler_output.shape)}: one for each text")  # fmt: skip
    table = model.embeddings.word_embeddings(torch.tensor([[1], [1]]))
    alone, beside = (encode(text).last_hidden_state[0, 0] for text in ("bisa", "bisa ular"))
    print(f"'bisa' alone and in 'bisa ular': one vector in the table: {torch.equal(table[0], table[1])}; "
          f"after the encoder their cosine is {F.cosine_similarity(alone, beside, dim=0):.2f}")  # fmt: skip
    first, second = outputs.last_hidden_state[:, 0]
    print(f"the last word changed, does the first word's vector change? {bool((first - second).abs().max() > 1e-3)}")

    print("three encoders, their parameters:")
    with torch.device("meta"):  # shapes without numbers
        encoders = {
            "BERT base": MiniBertModel(MiniBertConfig.from_preset("base")),
            "the encoder of 2017, as in the book": MiniBertModel(MiniBertConfig(**BOOK), add_pooling_layer=False),
            "the lectures' classifier, mean pooling": MiniBertForSequenceClassification(
                MiniBertConfig.from_preset("imdb-tiny", num_labels=1)
            ),
        }
    for name, encoder in encoders.items():
        print(f"  {name:<40} {encoder.num_parameters():>11,}")
    if args.output_dir:
        args.output_dir.mkdir(parents=True, exist_ok=True)
        first, *others = (torch.cat([states[:, 0] for states in encode(text).hidden_states])
                          for text in ("bisa", "bisa ular", "bisa kobra", "bisa ular berbahaya"))  # fmt: skip
        names = ("beside ular", "beside kobra", "beside ular berbahaya")
        curves = {name: F.cosine_similarity(first, other) for name, other in zip(names, others, strict=True)}
        figure = line_chart(curves, range(len(first)), "layer (0: embeddings)", "cosine with 'bisa' alone")
        figure.axes[0].set_xticks(range(len(first)))
        figure.savefig(args.output_dir / "encoder.png")


if __name__ == "__main__":
    prepare_console()
    main()

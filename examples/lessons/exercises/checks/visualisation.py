"""Check exercise 5: compare the drawn numbers with the attention weights, and the labels with the tokens."""

import numpy as np
import torch
from matplotlib.collections import QuadMesh
from transformers import BertConfig, BertModel

from .common import WrongAnswerError, compare_with, sizes, word_tokenizer

TEXT, LAYER, HEAD = "the film was kind and the day dull", 1, 2


def _bert(tokenizer):
    """Build three layers of four very different heads; attention "sdpa", as `from_pretrained` chooses it."""
    torch.manual_seed(0)
    model = BertModel(BertConfig(**sizes(tokenizer, num_hidden_layers=3, num_attention_heads=4))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


@torch.no_grad()
def _weights(model, inputs):
    """Compute the attention weights (N, H, L, L)."""
    model.set_attn_implementation("eager")
    weights = torch.cat(model(**inputs, output_attentions=True).attentions).numpy()
    model.set_attn_implementation("sdpa")
    return weights


def _drawn_matrix(axes, length):
    """Read the array of the first picture, with rows in the order of the y axis; None if there is no picture."""
    for artist in (*axes.images, *(mesh for mesh in axes.collections if isinstance(mesh, QuadMesh))):
        values = np.ma.filled(artist.get_array(), np.nan)
        return values.reshape(length, length) if values.size == length**2 else values
    return None


def _draw(student):
    tokenizer = word_tokenizer()
    model, inputs = _bert(tokenizer), tokenizer(TEXT, return_tensors="pt")
    weights = _weights(model, inputs)
    try:
        figure = student.attention_figure(model, tokenizer, TEXT, LAYER, HEAD)
    except (IndexError, TypeError) as error:
        raise WrongAnswerError(
            f"{type(error).__name__}: {error}. If it is about the attentions: they are only there after "
            "model.set_attn_implementation('eager') and with output_attentions=True"
        ) from error
    if not hasattr(figure, "axes") or not figure.axes:
        raise WrongAnswerError("return the matplotlib Figure: figure, axes = plt.subplots(); ...; return figure")
    return figure.axes[0], weights, tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())


def check_picture(student):
    """The picture shows the weights of the head that was asked for"""
    axes, weights, tokens = _draw(student)
    found = _drawn_matrix(axes, len(tokens))
    if found is None:
        raise WrongAnswerError("there is no heat map in the figure; draw it with imshow, matshow or pcolormesh")
    right = weights[LAYER, HEAD]
    compare_with("the picture", found, right, {
        "rows and columns are exchanged: a row is a query": right.T,
        "this is the mean over the heads": weights[LAYER].mean(axis=0),
        "this is the layer before; count layers from 0": weights[LAYER - 1, HEAD],
        "this is the head before; count heads from 0": weights[LAYER, HEAD - 1],
        "this is the last layer": weights[-1, HEAD],
        "this is attentions[head][0, layer]; first the layer, then the text, then the head": weights[HEAD, LAYER],
    })  # fmt: skip


def check_labels(student):
    """Both axes carry the tokens, and say which is which"""
    axes, _, tokens = _draw(student)
    for axis, name in ((axes.xaxis, "key"), (axes.yaxis, "query")):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        if labels == tokens[1:-1] or labels == TEXT.split():
            raise WrongAnswerError(
                f"the labels of the {name} axis lack the special tokens, so that they are off by one"
            )
        if labels != tokens:
            raise WrongAnswerError(f"the labels of the {name} axis are {labels}; they should be the tokens, {tokens}")
        if name not in axis.get_label_text().lower():
            raise WrongAnswerError(
                f"the {axis.axis_name} axis should say that it is the {name}: axes.set_{axis.axis_name}label"
            )

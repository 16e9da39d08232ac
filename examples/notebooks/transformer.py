# %% [markdown]
# # A Transformer from scratch
#
# One sentence through one encoder layer, step by step, and the same numbers from this package. Lessons 02 to
# 09 explain each step.

# %%
# %matplotlib inline
import math

import torch

from modeling_minibert import MiniBertConfig, MiniBertModel
from modeling_minibert.explain.plots import attention_heat_map

torch.manual_seed(0)
words = "Budi membeli buku lalu ia membaca nya".split()
length, size, heads = len(words), 16, 2

# %% [markdown]
# ## Words and positions become vectors
#
# Each word has a row in a table. A second table says at which position it stands, because attention alone
# ignores the order.

# %%
word_table, position_table = torch.randn(length, size), 0.3 * torch.randn(length, size)
x = word_table + position_table  # (length, size)
print(x.shape)

# %% [markdown]
# **Try this:** leave `position_table` out, and swap two words below: their rows of the result swap, and nothing
# else changes.
#
# ## Queries, keys and values
#
# Each is a linear map of `x`: what a word looks for, what it offers, and what it gives.

# %%
w_query, w_key, w_value, w_output = (torch.randn(size, size) / math.sqrt(size) for _ in range(4))
query, key, value = x @ w_query, x @ w_key, x @ w_value


# %%
def split(features):
    """(length, size) → (heads, length, size / heads)."""
    return features.view(length, heads, size // heads).transpose(0, 1)


q, k, v = split(query), split(key), split(value)
scores = q @ k.transpose(1, 2) / math.sqrt(size // heads)
weights = scores.softmax(dim=-1)  # each row sums to 1
mixed = (weights @ v).transpose(0, 1).reshape(length, size) @ w_output
print(weights.sum(dim=-1))

# %%
attention_heat_map(weights[0], words, title="head 1: which word looks at which")

# %% [markdown]
# **Try this:** multiply `w_query` by 5. The weights become 0 and 1: the softmax
# saturates. Without the division by the root of the size of a head it does so much earlier (lesson 03).
#
# ## Residual connections, norms and the feed-forward network


# %%
def norm(features):
    """Each row gets mean 0 and variance 1."""
    return (features - features.mean(-1, keepdim=True)) / features.std(-1, keepdim=True, unbiased=False)


w_up, w_down = torch.randn(size, 2 * size) / math.sqrt(size), torch.randn(2 * size, size) / math.sqrt(2 * size)
after_attention = norm(x + mixed)
layer_output = norm(after_attention + (after_attention @ w_up).relu() @ w_down)
print(layer_output.shape)

# %% [markdown]
# ## The same layer in this package
#
# A `MiniBertModel` of one layer gets these weights. Its output is ours, up to the rounding of float32.

# %%
config = MiniBertConfig(
    vocab_size=length, hidden_size=size, num_hidden_layers=1, num_attention_heads=heads, intermediate_size=2 * size,
    hidden_act="relu", max_position_embeddings=length, type_vocab_size=0, embedding_norm=False, pad_token_id=None,
)  # fmt: skip
model = MiniBertModel(config, add_pooling_layer=False).eval()
layer = model.layers[0]
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.zero_()  # biases
    for norm_layer in (layer.attention_norm, layer.feed_forward_norm):
        norm_layer.weight.fill_(1.0)
    model.embeddings.word_embeddings.weight.copy_(word_table)
    model.embeddings.position_embeddings.weight.copy_(position_table)
    linears = (layer.attention.query, layer.attention.key, layer.attention.value, layer.attention.output)
    for linear, weight in zip(linears, (w_query, w_key, w_value, w_output), strict=True):
        linear.weight.copy_(weight.T)
    layer.feed_forward.up.weight.copy_(w_up.T)
    layer.feed_forward.down.weight.copy_(w_down.T)
    theirs = model(torch.arange(length)[None]).last_hidden_state[0]
difference = (theirs - layer_output).abs().max().item()
assert difference < 1e-5
f"largest difference: {difference:.1e}"

# %% [markdown]
# **Try this:** set `norm_position="pre"` in the configuration. The numbers differ: the norm then stands before each
# step (lesson 08).

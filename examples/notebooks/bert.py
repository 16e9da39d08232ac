# %% [markdown]
# # BERT from scratch
#
# A masked language model learns twenty sentences in a few seconds: hide words, predict them from both sides.
# Lesson 10 is the same as a script; `examples/pretrain_minibert.py` does it on real text.

# %%
# %matplotlib inline
import torch
from matplotlib.figure import Figure

from modeling_minibert import MiniBertConfig, MiniBertForMaskedLM
from modeling_minibert.data import DataCollatorForPretraining
from modeling_minibert.explain.head_roles import attention_weights
from modeling_minibert.explain.plots import attention_heat_map
from tokenization import train_tokenizer

torch.manual_seed(0)
texts = """bisa ular kobra sangat berbahaya; bisa ular kobra sangat mematikan; bisa ular itu sangat berbahaya
bisa ular itu sangat mematikan; dokter mengobati bisa ular itu; dokter mengobati bisa ular kobra
kucing bisa bermain di taman; kucing bisa makan di taman; anak bisa bermain di taman
anak bisa makan di warung; saya bisa makan di warung; saya bisa membaca di rumah
adik bisa membaca di rumah; adik bisa bermain di rumah; saya makan nasi di warung
adik makan nasi di warung; anak makan nasi di warung; kucing bermain di taman
anak bermain di taman; saya membaca buku di rumah""".replace("; ", "\n").splitlines()
len(texts)

# %% [markdown]
# ## A vocabulary and a model

# %%
tokenizer = train_tokenizer(texts, kind="wordlevel", vocab_size=27, min_frequency=1, show_progress=False)
config = MiniBertConfig(
    vocab_size=len(tokenizer), hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64,
    max_position_embeddings=15, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
)  # fmt: skip
model = MiniBertForMaskedLM(config)
f"{len(tokenizer)} words, {model.num_parameters():,} parameters"

# %% [markdown]
# ## Masks
#
# 15 % of the words are to be predicted: of these 80 % become `[MASK]`, 10 % another word, 10 % stay. All other labels
# are -100.

# %%
collate = DataCollatorForPretraining(tokenizer)
rows = [{"input_ids": tokenizer(text)["input_ids"]} for text in texts]
batch = collate(rows)
tokenizer.decode(batch["input_ids"][6]), (batch["labels"][6] != -100).sum().item()

# %% [markdown]
# **Try this:** run the cell again after `collate.set_epoch(1)`: other words are hidden.
#
# ## Training

# %%
optimizer, losses = torch.optim.AdamW(model.parameters(), lr=5e-3), []
for step in range(300):
    collate.set_epoch(step)  # new masks
    loss = model.train()(**collate(rows)).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

figure = Figure(figsize=(5, 2.5), layout="constrained")
axes = figure.subplots()
axes.plot(losses)
axes.set(xlabel="step", ylabel="loss of hidden words")
figure

# %%
model.eval()
ids = tokenizer("saya makan nasi di [MASK]", return_tensors="pt")["input_ids"]
with torch.no_grad():
    probabilities = model(ids).logits[ids == tokenizer.mask_token_id].softmax(-1)[0]
best = probabilities.topk(3)
guesses = tokenizer.convert_ids_to_tokens(best.indices.tolist())
assert guesses[0] == "warung"
list(zip(guesses, [round(p, 2) for p in best.values.tolist()], strict=True))

# %% [markdown]
# **Try this:** ask for `[MASK] ular kobra sangat berbahaya`, then for a sentence that the texts do not have.
#
# ## Where does it look?

# %%
words, weights = attention_weights(model, tokenizer, "bisa ular kobra sangat berbahaya")
attention_heat_map(weights[1, 0], words, title="layer 2, head 1")

# %% [markdown]
# **Try this:** `weights[0, 1]`. And compare the vector of *bisa* beside *ular* with that in *kucing bisa bermain*
# (lesson 10).

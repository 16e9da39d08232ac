# %% [markdown]
# # GPT from scratch
#
# A causal language model learns a poem by heart: each word predicts the next one. Lesson 12 is the same as a script;
# `examples/pretrain_minigpt.py` does it on real text.

# %%
# %matplotlib inline
import torch

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.explain.head_roles import attention_weights
from modeling_minibert.explain.plots import attention_heat_map
from tokenization import train_tokenizer

torch.manual_seed(0)
stanzas = [
    "hujan turun sejak pagi buta ibu menanak nasi di dapur",
    "ayah membaca koran di beranda adik menggambar awan di lantai",
    "sore datang membawa angin laut kami duduk menunggu bintang",
]
special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}
tokenizer = train_tokenizer(
    stanzas, kind="wordlevel", vocab_size=30, min_frequency=1, wrap="start", special_tokens=special, show_progress=False
)
ids = tokenizer([f"{stanza} [END]" for stanza in stanzas], return_tensors="pt", padding=True)
print(ids["input_ids"].shape)

# %% [markdown]
# ## The causal mask
#
# A word may look at itself and at what came before it. So all words can be trained at once, and none sees its answer.

# %%
config = MiniGPTConfig(
    vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
    pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
)  # fmt: skip
model = MiniGPTForCausalLM(config).eval()
words, weights = attention_weights(model, tokenizer, stanzas[0])
assert all(weights[0, 0, row, row + 1 :].sum() == 0 for row in range(len(words)))
attention_heat_map(weights[0, 0], words, title="before training: nothing to the right")

# %% [markdown]
# ## Training
#
# The loss is the mean of -log P(next word | words before). Pads have no label.

# %%
labels = ids["input_ids"].masked_fill(ids["attention_mask"] == 0, -100)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(120):
    loss = model.train()(**ids, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
f"loss {loss.item():.3f}"

# %% [markdown]
# **Try this:** stop after 20 steps. What does the model write then?
#
# ## Writing

# %%
model.eval()
prompt = tokenizer("hujan turun", return_tensors="pt")
written = tokenizer.decode(
    model.generate(**prompt, max_length=14, do_sample=False)[0], skip_special_tokens=True
).strip()
assert written == stanzas[0]
print(written)

# %%
torch.manual_seed(0)
sampled = model.generate(**prompt, max_length=14, do_sample=True, temperature=3.0, top_k=0)
tokenizer.decode(sampled[0], skip_special_tokens=True)

# %% [markdown]
# **Try this:** temperatures 0.6 and 1.0. A low one repeats the poem; a high one mixes its words (lesson 14).

# %%
words, weights = attention_weights(model, tokenizer, stanzas[0])
attention_heat_map(weights[1, 0], words, title="after training: layer 2, head 1")

# %% [markdown]
# **Try this:** `position_embedding_type="rotary"` in the configuration, and `weights[0, 1]` here.

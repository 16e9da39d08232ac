"""nanoGPT's checkpoints and folders of GPTs, from the command line too.

nanoGPT is no package, so its model is written down here from its formulas: norms before each sub-layer, one map to
query, key and value, the exact GELU, no bias anywhere if it was so trained, an output layer that is the embedding.
"""

import re
import subprocess
import sys

import pytest
import torch
from helpers.compare import assert_same_weights
from helpers.gpt_twins import make_ours
from helpers.minigpt import WORDS
from tokenizers import Tokenizer, models
from torch.nn import functional as F
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast, pipeline

from modeling_minibert.conversion import convert_folder
from modeling_minibert.conversion.__main__ import main
from modeling_minibert.conversion.nanogpt import convert_nanogpt, from_nanogpt

SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 20, "block_size": 13, "vocab_size": 31, "dropout": 0.2}
E = SIZES["n_embd"]


def write_checkpoint(path, bias, compiled=False):
    """ckpt.pt with the entries that train.py saves; returns the weights."""
    shapes = {"transformer.wte": (SIZES["vocab_size"], E), "transformer.wpe": (13, E), "transformer.ln_f": (E,)}
    for layer in (f"transformer.h.{number}." for number in range(2)):
        shapes |= {layer + "ln_1": (E,), layer + "attn.c_attn": (3 * E, E), layer + "attn.c_proj": (E, E)}
        shapes |= {layer + "ln_2": (E,), layer + "mlp.c_fc": (4 * E, E), layer + "mlp.c_proj": (E, 4 * E)}
    weights = {f"{name}.weight": torch.randn(shape) * 0.3 + (len(shape) == 1) for name, shape in shapes.items()}
    if bias:
        weights |= {f"{n}.bias": torch.randn(s[0]) * 0.3 for n, s in shapes.items() if not n.endswith(("wte", "wpe"))}
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    prefix = "_orig_mod." if compiled else ""
    checkpoint = {"model": {prefix + name: tensor for name, tensor in weights.items()}, "optimizer": {"state": {}}}
    checkpoint |= {"model_args": {**SIZES, "bias": bias}, "iter_num": 7, "best_val_loss": torch.tensor(1.5)}
    torch.save(checkpoint | {"config": {"dataset": "poem"}}, path)
    return weights


def nanogpt_logits(weights, ids):
    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(x, name):
        return F.layer_norm(x, (E,), weights[f"{name}.weight"], weights.get(f"{name}.bias"), 1e-5)

    x = weights["transformer.wte.weight"][ids] + weights["transformer.wpe.weight"][: ids.shape[1]]
    for layer in ("transformer.h.0", "transformer.h.1"):
        parts = linear(norm(x, f"{layer}.ln_1"), f"{layer}.attn.c_attn").split(E, dim=-1)
        query, key, value = (part.unflatten(-1, (4, E // 4)).transpose(1, 2) for part in parts)
        scores = query @ key.mT / (E // 4) ** 0.5
        scores = scores.masked_fill(torch.ones(ids.shape[1], ids.shape[1]).tril() == 0, -torch.inf)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(-2)
        x = x + linear(mixed, f"{layer}.attn.c_proj")
        hidden = F.gelu(linear(norm(x, f"{layer}.ln_2"), f"{layer}.mlp.c_fc"))
        x = x + linear(hidden, f"{layer}.mlp.c_proj")
    return linear(norm(x, "transformer.ln_f"), "lm_head")


@pytest.mark.parametrize("bias", [False, True])
def test_a_nanogpt_checkpoint_gives_its_logits(bias, tmp_path):
    weights = write_checkpoint(tmp_path / "ckpt.pt", bias, compiled=bias)
    model, ids = from_nanogpt(tmp_path / "ckpt.pt"), torch.randint(31, (3, 13))
    assert_close(model(ids).logits, nanogpt_logits(weights, ids), rtol=0, atol=1e-4)  # float32, logits up to some 10
    assert model.lm_head.weight is model.get_input_embeddings().weight and not model.training
    assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == 0.2
    assert_close(model.to_stock()(ids).logits, model(ids).logits, rtol=0, atol=1e-4)


def test_what_is_no_nanogpt_checkpoint_is_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other.pt is no checkpoint of nanoGPT's train.py: it lacks \['model_args'\]"):
        from_nanogpt(tmp_path / "other.pt")
    for name in (
        "adapter",
        "transformer.extra.weight",
        "transformer.h.0.attn.gate.weight",
        "transformer.h.9.ln_1.weight",
    ):
        write_checkpoint(tmp_path / "ckpt.pt", bias=True)
        checkpoint = torch.load(tmp_path / "ckpt.pt")
        checkpoint["model"][name] = torch.zeros(E)
        torch.save(checkpoint, tmp_path / "ckpt.pt")
        with pytest.raises(ValueError, match="no place for"):
            from_nanogpt(tmp_path / "ckpt.pt")


POEM = "Hujan turun,\r\nsejak pagi; kopi  d\u0301i meja?\n"  # 22 characters: \r\n is read as one line end


def nanogpt_ids(path, text):
    """data/shakespeare_char/prepare.py: the sorted characters of the file, numbered."""
    with open(path, encoding="utf-8") as file:
        data = file.read()
    stoi = {character: number for number, character in enumerate(sorted(set(data)))}
    return [stoi[character] for character in text]


def test_the_characters_of_the_training_text_give_nanogpt_s_ids(tmp_path, capsys, monkeypatch):
    (tmp_path / "input.txt").write_bytes(POEM.encode())
    monkeypatch.setitem(SIZES, "vocab_size", len(set(POEM)) - 1)
    write_checkpoint(tmp_path / "ckpt.pt", bias=False)
    convert_nanogpt(tmp_path / "ckpt.pt", tmp_path / "out", tmp_path / "input.txt")
    assert "its tokenizer has the 22 characters" in capsys.readouterr().out
    tokenizer, text = AutoTokenizer.from_pretrained(tmp_path / "out"), "kopi  pagi;\n\nd\u0301i H, "
    ids = tokenizer(text, return_tensors="pt")
    assert ids["input_ids"][0].tolist() == nanogpt_ids(tmp_path / "input.txt", text)
    assert tokenizer.decode(ids["input_ids"][0]) == text and len(tokenizer) == 22
    with pytest.raises(Exception, match="UNK"):
        tokenizer("Z")
    generate = pipeline("text-generation", str(tmp_path / "out"))
    made = generate("kopi ", max_new_tokens=3, do_sample=False, return_full_text=True)[0]["generated_text"]
    assert made.startswith("kopi ") and len(made) == 8
    (tmp_path / "part.txt").write_text("kopi pagi")
    with pytest.raises(ValueError, match="part.txt has 7 different characters, and the model has 22 tokens; give the"):
        convert_nanogpt(tmp_path / "ckpt.pt", tmp_path / "other", tmp_path / "part.txt")
    assert not (tmp_path / "other").exists()
    (tmp_path / "part.txt").write_bytes(b"kopi \xff")
    with pytest.raises(ValueError, match="part.txt is not UTF-8 at byte 5; save it as UTF-8"):
        convert_nanogpt(tmp_path / "ckpt.pt", tmp_path / "other", tmp_path / "part.txt")


@pytest.mark.parametrize(("size", "said"), [(31, "add its text: --characters"), (50257, "GPT-2's"), (50304, "GPT-2's")])
def test_without_a_text_it_says_which_tokenizer_is_missing(size, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SIZES, "vocab_size", size)
    write_checkpoint(tmp_path / "ckpt.pt", bias=False)
    convert_nanogpt(tmp_path / "ckpt.pt", tmp_path / "out")
    assert "it has no tokenizer" in (out := capsys.readouterr().out) and said in out


def test_characters_of_a_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["conversion", str(tmp_path), str(tmp_path / "out"), "--characters", "input.txt"])
    with pytest.raises(ValueError, match="--characters is for nanoGPT's ckpt.pt, and .* is not a file"):
        main()


@pytest.mark.parametrize("family", ["gpt2", "openai-gpt"])
@pytest.mark.parametrize("given", [None, ["input_ids", "token_type_ids", "attention_mask"]])
def test_the_tokenizer_of_a_stock_gpt_gives_no_token_types(given, family, tmp_path):
    """A stock GPT adds the vectors of words 0 and 1 for them; ours has no segments and ignores them."""
    make_ours(family, "MiniGPTForSequenceClassification").save_pretrained(tmp_path / "ours")
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    how = {} if given is None else {"model_input_names": given}
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", **how).save_pretrained(tmp_path / "ours")
    convert_folder(tmp_path / "ours", tmp_path / "stock")
    folders = [tmp_path / "ours", tmp_path / "stock"]
    ours, theirs = (pipeline("text-classification", str(folder))("kopi", top_k=None) for folder in folders)
    assert [row["score"] for row in ours] == pytest.approx([row["score"] for row in theirs], abs=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "openai-gpt"])
def test_a_folder_goes_there_and_back_with_its_tokenizer(family, tmp_path, capsys):
    model = make_ours(family, "MiniGPTForCausalLM")
    model.save_pretrained(tmp_path / "ours")
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(tmp_path / "ours")
    convert_folder(tmp_path / "ours", tmp_path / "stock")
    said = capsys.readouterr().out
    assert float(re.search(r"differ by (\S+)", said)[1]) < 1e-5 and "AutoModelForCausalLM" in said
    assert "tokenizer" in said.lower() or "TokenizersBackend" in said
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "stock")
    assert stock.config.model_type == family and not list((tmp_path / "stock").glob("*.py"))
    assert_same_weights(model, convert_folder(tmp_path / "stock", tmp_path / "back"))
    for folder in ("stock", "back"):
        assert AutoTokenizer.from_pretrained(tmp_path / folder)("kopi")["input_ids"] == [WORDS.index("kopi")]


@pytest.mark.slow
def test_the_command_converts_both_ways(tmp_path):
    write_checkpoint(tmp_path / "ckpt.pt", bias=False)
    for source, target in (("ckpt.pt", "ours"), ("ours", "stock")):
        command = [sys.executable, "-m", "modeling_minibert.conversion", source, target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "RuntimeWarning" not in done.stderr, done.stderr
    ids = torch.randint(31, (1, 9))
    expected = from_nanogpt(tmp_path / "ckpt.pt")(ids).logits
    assert_close(AutoModelForCausalLM.from_pretrained(tmp_path / "stock")(ids).logits, expected, rtol=0, atol=1e-4)

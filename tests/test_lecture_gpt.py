"""The lectures' exercises with GPT: train one on a few thousand words, change its depth, prompt it in several ways."""

import sys

import pytest
import torch

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM
from modeling_minibert.data import DataCollatorForCausalLM, build_causal_examples, load_documents
from modeling_minibert.decoding import prepare_generation
from modeling_minibert.training import expected_losses
from tokenization import save_tokenizer, train_tokenizer

ROLES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[END]", "eos_token": "[END]"}


@pytest.fixture(scope="module")
def stories(repository):
    """Some of the stories, a vocabulary of their words, and windows of 32 tokens."""
    files = {"train": str(repository / "examples/data/stories/train.txt")}
    documents = load_documents(data_files=files)["train"].select(range(40))
    tokenizer = train_tokenizer(documents["text"], kind="wordlevel", vocab_size=500, min_frequency=1, wrap=False,
                                special_tokens=ROLES, show_progress=False)  # fmt: skip
    return tokenizer, build_causal_examples(documents, tokenizer, max_length=32)


@pytest.fixture(scope="module")
def repository(request):
    return request.config.rootpath


def learn(tokenizer, rows, layers: int, steps: int = 60) -> tuple[MiniGPTForCausalLM, float]:
    """A net 32 wide with 2 heads, as the lectures' own, and its loss on what it has read."""
    torch.manual_seed(0)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
    config = MiniGPTConfig.from_preset("lecture", num_hidden_layers=layers, max_position_embeddings=64,
                                       initializer_range=0.1, attn_implementation="packed", **ids)  # fmt: skip
    model, batch = MiniGPTForCausalLM(config), DataCollatorForCausalLM()([{"input_ids": row} for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2, fused=True)
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval(), loss.item()


@pytest.mark.slow
@pytest.mark.lecture("S5-59")
@pytest.mark.parametrize("layers", [1, 3])
def test_two_thousand_words_are_learned_at_any_depth_and_prompted_by_any_strategy(stories, layers):
    tokenizer, examples = stories
    rows = examples["input_ids"]
    assert sum(map(len, rows)) >= 2000
    model, loss = learn(tokenizer, rows, layers)
    # Better than a table of word pairs of the same text, which knows one word of context.
    assert loss < expected_losses(examples, len(tokenizer), tokenizer.all_special_ids)["bigram"]
    prompt = tokenizer.decode(rows[0][1:5])
    for strategy in ("greedy", "beam", "top_k", "top_p"):
        inputs, arguments = prepare_generation(model, tokenizer, [prompt], strategy, 8)
        (output,) = model.generate(**inputs, **arguments)
        new = output[inputs["input_ids"].shape[1] :]
        assert torch.equal(output[: -len(new)], inputs["input_ids"][0]) and 1 <= len(new) <= 8


@pytest.mark.lecture("S3-41")
def test_the_same_command_generates_with_gpt2_and_with_minigpt(stories, load_example, tmp_path, monkeypatch, capsys):
    """Exercise 4: a MiniGPT and the same weights as a stock GPT-2 write the same text."""
    tokenizer, _ = stories
    torch.manual_seed(1)
    ids = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = MiniGPTForCausalLM(MiniGPTConfig.from_preset("lecture", max_position_embeddings=40, initializer_range=0.5,
                                                         **ids))  # fmt: skip
    folders = {"ours": tmp_path / "ours", "gpt2": tmp_path / "gpt2"}
    model.save_pretrained(folders["ours"])
    model.to_stock().save_pretrained(folders["gpt2"])
    script, printed = load_example("generate"), {}
    for name, folder in folders.items():
        save_tokenizer(tokenizer, folder)
        monkeypatch.setattr(sys, "argv", ["generate.py", "--model_name_or_path", str(folder), "--prompt",
                                          "kucing itu", "--strategy", "beam", "--max_new_tokens", "9"])  # fmt: skip
        script.main()
        printed[name] = capsys.readouterr().out
    assert printed["ours"] == printed["gpt2"] and len(printed["ours"].split()) > 3
    ids = tokenizer("kucing itu", return_tensors="pt")["input_ids"]
    options = {"num_beams": 16, "max_new_tokens": 9, "do_sample": False, "pad_token_id": tokenizer.pad_token_id}
    written = model.eval().generate(ids, **options)[0]
    assert printed["ours"].strip() == tokenizer.decode(written, skip_special_tokens=True).strip()

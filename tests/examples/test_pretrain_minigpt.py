"""`examples/pretrain_minigpt.py` end to end: it learns, saves, resumes and refuses; and the lectures' poem."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, pipeline

from modeling_minibert import MiniGPTForCausalLM
from tokenization import train_tokenizer

SIZES = "hidden_size=16,num_attention_heads=2,intermediate_size=32,num_hidden_layers=1,hidden_dropout_prob=0.1"
TINY = [
    "--config_overrides", SIZES, "--max_seq_length", "32", "--max_tokens", "128", "--eval_strategy", "no",
    "--logging_steps", "2", "--report_to", "none",
]  # fmt: skip


@pytest.fixture
def script(load_command, monkeypatch, tmp_path):
    """The script as a module, with a cache of its own."""
    module = load_command("training.lm")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return module


@pytest.fixture
def corpus(tmp_path):
    """Thirty documents of two lines, blank lines between them."""
    path = tmp_path / "corpus.txt"
    documents = [f"kucing nomor {number}\ntidur di kursi {number % 7}." for number in range(30)]
    path.write_text("\n\n".join(documents), encoding="utf-8")
    return str(path)


def same_weights(first, second):
    first, second = (load_file(Path(folder) / "model.safetensors") for folder in (first, second))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.lecture("S5-47", "S5-74")
def test_the_poem_is_learned_by_heart_and_recited_to_its_end(script, tmp_path, repository):
    """Rows 47 and 74: loss below 0.1, the verse completed, and an end where it ends."""
    script.run("--output_dir", tmp_path / "poem", "--report_to", "none", "--max_steps", 120, "--save_strategy", "no")
    scores = json.loads((tmp_path / "poem" / "all_results.json").read_text())
    assert scores["eval_clm_loss"] < 0.1
    model = MiniGPTForCausalLM.from_pretrained(tmp_path / "poem")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "poem")
    for verse in (repository / "examples/data/poem/train.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        start = verse.split("\n")[0]
        ids = tokenizer(start, return_tensors="pt")["input_ids"]
        assert ids[0, 0] == tokenizer.bos_token_id  # a prompt begins as every text began
        output = model.generate(ids, max_length=256, do_sample=False)
        assert tokenizer.decode(output[0], skip_special_tokens=True) == verse
        assert output[0, -1] == tokenizer.eos_token_id


def test_own_text_becomes_a_checkpoint_that_stock_classes_open(script, corpus, tmp_path, capsys):
    out = tmp_path / "out"
    script.run("--train_file", corpus, "--output_dir", out, "--max_steps", 4, "--prompt", "kucing", *TINY)
    printed = capsys.readouterr().out
    assert "a model that only counts would have the loss" in printed
    assert "clm " in printed and "(unigram " in printed and "tokens/s" in printed
    assert "\nkucing" in printed  # the prompt, and what the model adds
    scores = json.loads((out / "all_results.json").read_text())
    assert {"eval_clm_loss", "eval_perplexity", "eval_next_token_accuracy"} <= set(scores)
    assert type(AutoModel.from_pretrained(out)).__name__ == "MiniGPTModel"
    assert pipeline("text-generation", str(out))("kucing", max_new_tokens=3)[0]["generated_text"].startswith("kucing")


@pytest.mark.parametrize("kind", ["wordlevel", "bpe", "wordpiece"])
def test_other_vocabularies_and_windows_across_documents(kind, script, corpus, tmp_path):
    options = f"kind={kind},vocab_size=300,min_frequency=1"
    script.run(*TINY, "--train_file", corpus, "--output_dir", tmp_path / "out", "--tokenizer_options", options,
               "--cross_documents", "true", "--max_steps", 2)  # fmt: skip
    assert AutoTokenizer.from_pretrained(tmp_path / "out").eos_token == "[END]"


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(script, corpus, tmp_path):
    once = ["--train_file", corpus, "--max_steps", 13, "--save_steps", 3, "--save_total_limit", 9, *TINY]
    script.run(*once, "--output_dir", tmp_path / "straight")
    script.run(*once, "--output_dir", tmp_path / "resumed")
    for folder in (tmp_path / "resumed").glob("checkpoint-*"):
        if int(folder.name.partition("-")[2]) > 6:  # as if killed while these were written
            (folder / "trainer_state.json").write_text('{"epoch": 2.')
    script.run(*once, "--output_dir", tmp_path / "resumed", "--resume_from_checkpoint", "true")
    assert same_weights(tmp_path / "straight", tmp_path / "resumed")


def test_goes_on_with_a_checkpoint(script, corpus, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    script.run("--train_file", corpus, "--output_dir", first, "--max_steps", 2, *TINY)
    script.run("--train_file", corpus, "--output_dir", second, "--max_steps", 2, "--learning_rate", 0,
               "--model_name_or_path", first, *TINY)  # fmt: skip
    assert same_weights(first, second)


@pytest.mark.parametrize("name", ["training.lm", "training.mlm"])
def test_a_validation_file_alone_is_not_passed_over_for_the_bundled_text(name, load_command, corpus):
    script = load_command(name)
    with pytest.raises(ValueError, match=r"there is no train split; the splits are \['validation'\]"):
        script.load_text(script.DataArguments(validation_file=corpus), seed=0)


def test_overrides_reach_a_checkpoint_too(script, corpus, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    script.run("--train_file", corpus, "--output_dir", first, "--max_steps", 1, *TINY)
    script.run("--train_file", corpus, "--output_dir", second, "--max_steps", 1, "--model_name_or_path", first, *TINY,
               "--config_overrides", "hidden_dropout_prob=0.3")  # fmt: skip
    assert MiniGPTForCausalLM.from_pretrained(second).config.hidden_dropout_prob == 0.3


def test_refuses_windows_longer_than_a_checkpoint_reads(script, corpus, tmp_path):
    learned = f"{SIZES},position_embedding_type=learned"
    script.run(*TINY, "--train_file", corpus, "--output_dir", tmp_path / "first", "--max_steps", 1,
               "--config_overrides", learned)  # fmt: skip
    with pytest.raises(ValueError, match=r"max_seq_length \(64\) is more than the 32 tokens that the model reads"):
        script.run(*TINY, "--train_file", corpus, "--output_dir", tmp_path / "second", "--model_name_or_path",
                   tmp_path / "first", "--max_seq_length", 64)  # fmt: skip


@pytest.mark.lecture("S5-48")
def test_refuses_a_prompt_that_it_could_not_go_on_with_before_training(script, corpus, tmp_path):
    flags = [*TINY, "--train_file", corpus, "--output_dir", tmp_path / "out", "--max_steps", 1]
    with pytest.raises(ValueError, match="the prompt has 32 tokens, and the model reads 32 with.*shorten it"):
        script.run(*flags, "--prompt", "tidur " * 5 + "i")  # the start token is the 32nd
    tokenizer = train_tokenizer(["tidur di kursi"], kind="wordlevel", min_frequency=1, wrap=False,
                                special_tokens=script.SPECIAL_TOKENS)  # fmt: skip
    tokenizer.save_pretrained(tmp_path / "words")
    with pytest.raises(ValueError, match="has no start token, .*; give a --prompt"):
        script.run(*flags, "--tokenizer_name", tmp_path / "words")
    assert not (tmp_path / "out").exists()


def test_refuses_a_tokenizer_with_more_tokens_than_the_checkpoint(script, corpus, tmp_path):
    flags = [*TINY, "--train_file", corpus, "--max_steps", 1]
    script.run(*flags, "--output_dir", tmp_path / "first")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "first")
    size = len(tokenizer)
    tokenizer.add_tokens(["mukenaku"])
    tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match=f"it has {size + 1} tokens, the model knows {size}; take the one"):
        script.run(*flags, "--output_dir", tmp_path / "second", "--model_name_or_path", tmp_path / "first",
                   "--tokenizer_name", tmp_path / "other")  # fmt: skip


def test_a_recipe_and_samples_are_for_pretraining_too(script, corpus, tmp_path, capsys):
    recipe = tmp_path / "my.args"
    recipe.write_text(" ".join(TINY) + " --seed 5 --max_steps 3 --max_train_samples 2 --max_eval_samples 1")
    files = ["--train_file", corpus, "--validation_file", corpus, "--output_dir", tmp_path / "out"]
    script.run("--recipe", recipe, *files, "--max_steps", 1)
    assert "learned from 2 documents" in capsys.readouterr().out
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert state["global_step"] == 1

"""`minibert card`: a valid model card from what a folder holds, whose code runs."""

import json
import re
import sys

import pytest
from helpers.minibert import random_model
from huggingface_hub import ModelCard

from modeling_minibert import MiniBertForMaskedLM, MiniBertForTokenClassification
from modeling_minibert.commands import card
from modeling_minibert.training.script_arguments import run_script
from tokenization import save_tokenizer, train_tokenizer

RESULTS = {
    "majority_accuracy": 0.5, "split": "test", "seed": 7, "train_seconds": 61.3,
    "single_pass": {"accuracy": 0.87251, "accuracy_interval": [0.8, 0.91], "macro_f1": 0.6},
}  # fmt: skip


@pytest.fixture
def tokenizer():
    texts = ["filmnya bagus . ani tinggal di bandung saya makan di rumah"] * 2
    return train_tokenizer(texts, kind="wordlevel", vocab_size=40, min_frequency=1, show_progress=False)


def save(folder, tokenizer, model_class=None, **fields):
    classes = {"model_class": model_class} if model_class else {}
    model = random_model(**classes, vocab_size=len(tokenizer), mask_token_id=tokenizer.mask_token_id, **fields)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "all_results.json").write_text(json.dumps(RESULTS))
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 552, "epoch": 7.99999}))
    return str(folder)


def test_the_card_says_what_the_folder_holds(tokenizer, tmp_path):
    folder = save(tmp_path / "mine", tokenizer, id2label={0: "buruk", 1: "baik"})
    read = ModelCard(card.build_card(folder))
    assert read.data.pipeline_tag == "text-classification" and read.data.library_name == "transformers"
    for line in ("# mine", "Labels: `buruk`, `baik`.", "| majority accuracy | 0.5 |", "| single pass: macro f1 | 0.6 |",
                 "| single pass: accuracy | 0.8725 (95 % interval 0.8 to 0.91) |", "| seed | 7 |",
                 "| scored on | test |", "| updates | 552 |", "| epochs | 8 |", "| seconds | 61 |"):  # fmt: skip
        assert line in read.text, line


@pytest.mark.parametrize(
    ("model_class", "tag"),
    [
        (None, "text-classification"),
        (MiniBertForTokenClassification, "token-classification"),
        (MiniBertForMaskedLM, "fill-mask"),
    ],
)
def test_the_code_of_the_card_runs(model_class, tag, tokenizer, tmp_path, monkeypatch):
    folder = save(tmp_path / "mine", tokenizer, model_class)
    text = card.build_card(folder)
    assert f"pipeline_tag: {tag}\n" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)  # where "mine" is a folder, as on the Hub it is a name
    exec(code.replace(", trust_remote_code=True", ""), {})


def test_a_card_that_is_there_is_kept_unless_it_may_be_replaced(tokenizer, tmp_path, monkeypatch, capsys):
    folder = save(tmp_path / "mine", tokenizer)

    def run(*flags):
        monkeypatch.setattr(sys, "argv", ["minibert card", folder, *flags])
        run_script(card.main)
        return capsys.readouterr().out

    printed = run()
    assert printed.startswith("---\n") and not (tmp_path / "mine" / "README.md").exists()
    assert run("--write") == f"written: {folder}/README.md\n"
    (tmp_path / "mine" / "README.md").write_text("by hand")
    with pytest.raises(SystemExit):
        run("--write")
    assert "is there already; give --overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine" / "README.md").read_text() == "by hand"
    run("--write", "--overwrite")
    assert (tmp_path / "mine" / "README.md").read_text(encoding="utf-8") + "\n" == printed

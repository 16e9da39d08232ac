"""The model card is valid, says what it was given, and its code runs as it stands."""

import re

import pytest
from helpers.minibert import random_model
from huggingface_hub import ModelCard
from transformers import pipeline

from modeling_minibert.training import write_model_card
from tokenization import train_tokenizer

LABELS = ["negatif", "positif"]
SCORES = {"accuracy, single pass": "87.2 % (95 % interval 86.8 to 87.6)"}
TRAINING = {"start": "from scratch", "learning rate": 1e-3, "data": "a|b.csv"}
AWKWARD = "Dia bilang \"bagus\", 'oke' \\ 100 %\nlalu {pulang} | selesai" + " lagi" * 500


def write_card(folder, example="film ini bagus", **options):
    return write_model_card(str(folder), "A small model.", LABELS, example, SCORES, TRAINING, 23, **options)


def code_of(path):
    (code,) = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return code


@pytest.fixture
def folder(tmp_path):
    """A saved classifier."""
    words = "film ini bagus sekali jelek dia bilang lagi lalu pulang selesai oke"
    tokenizer = train_tokenizer(
        [words] * 3, kind="wordlevel", vocab_size=17, min_frequency=1, model_max_length=23, show_progress=False
    )
    model = random_model(num_labels=2, vocab_size=len(tokenizer), id2label=dict(enumerate(LABELS)))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_card_says_what_it_was_given(tmp_path):
    card = ModelCard.load(write_card(tmp_path / ".", needs_code=True))
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "text-classification"
    assert f"# {tmp_path.name}\n" in card.text and "A small model." in card.text
    assert "`negatif`, `positif`" in card.text and "at most 23 tokens" in card.text
    assert "| accuracy, single pass | 87.2 % (95 % interval 86.8 to 87.6) |" in card.text
    assert "| learning rate | 0.001 |" in card.text and r"a\|b.csv" in card.text
    assert not re.search(r"\{\w+\}", card.text)  # no field of the template is left over


def test_trust_remote_code_stands_in_the_card_where_it_is_needed(tmp_path):
    assert "trust_remote_code=True" in code_of(write_card(tmp_path))
    assert "trust_remote_code=True" not in code_of(write_card(tmp_path, needs_code=False))
    assert "trust_remote_code=True" in code_of(
        write_card(tmp_path, needs_code=False, task="windowed-text-classification")
    )


@pytest.mark.parametrize("example", ["film ini bagus", AWKWARD, {"text": AWKWARD, "text_pair": "film ini"}],
                         ids=["short", "awkward", "pair"])  # fmt: skip
@pytest.mark.parametrize("task", ["text-classification", "windowed-text-classification"])
def test_the_code_of_the_card_runs_as_it_stands(example, task, folder, monkeypatch):
    if task.startswith("windowed"):
        pipeline(task, str(folder)).save_pretrained(folder)
    code = code_of(write_card(folder, example, task=task))
    assert max(map(len, code.splitlines())) < 250  # a long text is shortened
    lines = code.strip().splitlines()
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder.parent / "modules"))
    names = {}
    exec("\n".join(lines[:-1]), names)
    answer = eval(lines[-1], names)
    answer = answer[0] if isinstance(answer, list) else answer
    assert answer["label"] in LABELS and 0 < answer["score"] <= 1

"""The root of the package holds the files that `save_pretrained` copies, and nothing else."""

from pathlib import Path

import pytest
from helpers import minibert, minigpt, questions, seq2seq, translations
from transformers import pipeline

import modeling_minibert
from modeling_minibert import (
    MiniBertForMultipleChoice,
    MiniGPTForMultipleChoice,
    MiniSeq2SeqForConditionalGeneration,
    MiniSeq2SeqModel,
)

ROOT = Path(modeling_minibert.__file__).parent
CLASSES = {
    "encoder": ([*minibert.HEADS, MiniBertForMultipleChoice], minibert.random_model),
    "decoder": ([*minigpt.HEADS, MiniGPTForMultipleChoice], minigpt.random_gpt),
    "encoder and decoder": ([MiniSeq2SeqForConditionalGeneration, MiniSeq2SeqModel], seq2seq.random_seq2seq),
}
# Pipelines whose code lies beside a stock model.
PIPELINES = ("translation", "summarization", "text2text-generation")
# The one pipeline that travels from a sub-package.
WINDOWED = "windowed_classification.py"


def code_of(saved, folder):
    saved.save_pretrained(folder)
    return {path.name for path in folder.glob("*.py")}


@pytest.fixture(scope="module")
def saved_code(tmp_path_factory):
    """What is saved → the names of the Python files beside it."""
    folder, found = tmp_path_factory.mktemp("saved"), {}
    for classes, build in CLASSES.values():
        for model_class in classes:
            found[model_class.__name__] = code_of(build(model_class), folder / model_class.__name__)
    model = translations.random_model("marian")
    pipes = {task: pipeline(task, model=model, tokenizer=translations.SOURCE) for task in PIPELINES}
    pipes["question-answering"] = questions.random_pipeline("bert")
    classifier = minibert.random_model(vocab_size=len(questions.word_pieces()))
    pipes["windowed"] = pipeline("windowed-text-classification", model=classifier, tokenizer=questions.word_pieces())
    return found | {task: code_of(pipe, folder / task) for task, pipe in pipes.items()}


def test_the_classes_are_all_that_there_are():
    named = {name for name in vars(modeling_minibert) if name.startswith("Mini") and not name.endswith("Config")}
    assert {model_class.__name__ for classes, _ in CLASSES.values() for model_class in classes} == {
        name for name in named if not name.endswith("PreTrainedModel")
    }


def test_the_root_is_what_travels(saved_code):
    root = {path.name for path in ROOT.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert set().union(*saved_code.values()) - {WINDOWED} == root


@pytest.mark.parametrize("model_class", CLASSES["encoder"][0])
def test_an_encoder_carries_no_code_of_a_decoder(model_class, saved_code):
    assert not {"caches.py", "generation.py", "token_mixers.py"} & saved_code[model_class.__name__]

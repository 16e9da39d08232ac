"""A page of Gradio around each of our pipelines: one function, which docs/troubleshooting.md shows too."""

import gc

import pytest
from helpers.minibert import random_model
from helpers.seq2seq import random_seq2seq
from transformers import PreTrainedTokenizerFast, pipeline

from modeling_minibert import MiniBertForQuestionAnswering, MiniBertForSequenceClassification
from tokenization import train_tokenizer

gradio = pytest.importorskip("gradio")


# Gradio leaves event loops open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def collect_event_loops():
    """Collect the event loops where their warnings are ignored."""
    yield
    gc.collect()


TEXT = "hujan turun sejak pagi dan kopi di meja sudah dingin"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([TEXT] * 3, vocab_size=130)


def page_of(task, tokenizer):
    """The interface as in docs/troubleshooting.md, and what it is called with."""
    if task == "question-answering":
        answer = pipeline(
            task, random_model(MiniBertForQuestionAnswering, num_labels=2, vocab_size=130).float(), tokenizer=tokenizer
        )
        page = gradio.Interface(lambda c, q: answer(question=q, context=c)["answer"], ["text", "text"], "text")
        return page, (TEXT, "apa yang dingin")
    if "classification" in task:
        classify = pipeline(
            task, random_model(MiniBertForSequenceClassification, vocab_size=130).float(), tokenizer=tokenizer
        )
        return gradio.Interface(
            lambda text: {each["label"]: each["score"] for each in classify([text])}, "text", "label"
        ), (TEXT,)
    model = random_seq2seq(vocab_size=130).float()
    write = pipeline(task, model, tokenizer=tokenizer, max_new_tokens=5)
    return gradio.Interface(lambda text: next(iter(write(text)[0].values())), "text", "text"), (TEXT,)


TASKS = ["question-answering", "text-classification", "windowed-text-classification", "translation", "summarization"]


@pytest.mark.parametrize("task", [*TASKS, "text2text-generation"])
def test_a_page_around_a_pipeline_answers(task, tokenizer):
    page, values = page_of(task, tokenizer)
    result = page(*values)
    assert result["confidences"] if isinstance(result, dict) else isinstance(result, str)


def test_from_pipeline_fails_for_stock_pipelines_too(tokenizer):
    classify = pipeline(
        "text-classification", random_model(MiniBertForSequenceClassification, vocab_size=130), tokenizer=tokenizer
    )
    page = gradio.Interface.from_pipeline(classify)
    with pytest.raises(AttributeError, match="text2text_generation"):  # once it passes, that page need not warn
        page(TEXT)

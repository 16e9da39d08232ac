"""The tasks that transformers 5 removed are back, and travel with saved models into processes without this package."""

import json
import os
import subprocess
import sys

import pytest
import torch
import transformers
from helpers.compare import assert_same_answers
from helpers.processes import WITHOUT_PACKAGE
from helpers.questions import CONTEXT, QUESTION, random_pipeline
from helpers.translations import SOURCE, TARGET, TEXTS, random_model
from transformers import AutoModelForQuestionAnswering, pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from modeling_minibert import (
    MiniSeq2SeqConfig,
    MiniSeq2SeqForConditionalGeneration,
    QuestionAnsweringPipeline,
    SummarizationPipeline,
    Text2TextGenerationPipeline,
    TranslationPipeline,
)
from modeling_minibert.training import load_checkpoint

TASKS = {
    "question-answering": QuestionAnsweringPipeline,
    "summarization": SummarizationPipeline,
    "text2text-generation": Text2TextGenerationPipeline,
    "translation": TranslationPipeline,
    "translation_de_to_en": TranslationPipeline,
}
SETTINGS = dict(num_beams=2, max_new_tokens=5, no_repeat_ngram_size=1)

# Opens every folder that is named and asks it; saves it again and asks once more, if told so; prints the answers.
ASK = """
import json, sys
from transformers import pipeline
for task, folder, asked, settings, twice in json.loads(sys.argv[1]):
    pipe = pipeline(task, folder, trust_remote_code=True)
    answer = pipe(asked, **settings)
    if twice:
        pipe.save_pretrained(folder + "_again")
        pipe = pipeline(task, folder + "_again", trust_remote_code=True)
        again = pipe(asked, **settings)
        for one, other in zip(*([a] if isinstance(a, dict) else a for a in (answer, again)), strict=True):
            assert all(abs(one[key] - other[key]) < 1e-5 if key == "score" else one[key] == other[key] for key in one)
    print("answer", json.dumps([type(pipe).__module__, answer]))
"""


def seq2seq():
    """A MiniSeq2Seq that reads words of one vocabulary and writes those of another."""
    config = MiniSeq2SeqConfig.from_preset(
        "lecture", vocab_size=len(SOURCE), decoder_vocab_size=len(TARGET), pad_token_id=0, bos_token_id=None,
        eos_token_id=1, decoder_start_token_id=0, target_tokenizer="target_tokenizer",
    )  # fmt: skip
    model = MiniSeq2SeqForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(std=0.4)
    return model


def save_seq2seq(folder):
    """As a trainer does: without a pipeline."""
    model = seq2seq()
    model.save_pretrained(folder)
    SOURCE.save_pretrained(folder)
    TARGET.save_pretrained(folder / "target_tokenizer")
    return model


@pytest.mark.lecture("S3-25")
@pytest.mark.parametrize("task", TASKS)
def test_the_names_of_version_4_mean_our_pipelines(task):
    removed = getattr(transformers.pipelines, "REMOVED_TASKS", {})
    assert task.split("_")[0] not in removed, (
        "transformers still refuses it: see modeling_minibert/pipelines/registration.py"
    )
    try:
        name, entry, languages = transformers.pipelines.check_task(task)
    except KeyError as error:
        pytest.fail(f"transformers has changed how it looks up {task!r}; mend pipelines/registration.py ({error})")
    assert entry["impl"] is TASKS[task] and name == TASKS[task].default_task
    assert languages == (("de", "en") if "_" in task else None)


def test_other_names_are_looked_up_as_ever():
    for task in ("fill-mask", "sentiment-analysis", "windowed-text-classification"):
        assert PIPELINE_REGISTRY.check_task(task) == type(PIPELINE_REGISTRY).check_task(PIPELINE_REGISTRY, task)
    with pytest.raises(KeyError, match="Unknown task translation_de"):
        pipeline("translation_de")
    with pytest.raises(KeyError, match="image-to-image has been removed"):
        pipeline("image-to-image")


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("question-answering", "distilbert/distilbert-base-cased-distilled-squad"),
        ("summarization", "sshleifer/distilbart-cnn-12-6"),
        ("translation_en_to_fr", "google-t5/t5-base"),
    ],
)
def test_without_a_model_it_is_the_one_of_version_4(task, name, tmp_path, caplog):
    with pytest.raises(OSError):  # not in an empty cache, and tests are offline
        pipeline(task, model_kwargs={"cache_dir": tmp_path})
    assert f"defaulted to {name} " in caplog.text
    with pytest.raises(ValueError, match="does not provide any default models"):
        pipeline("translation_xx_to_yy")


@pytest.mark.slow
@pytest.mark.lecture("S3-25")
def test_saved_folders_answer_without_the_package(tmp_path):
    answer = random_pipeline("mini")
    answer.model.save_pretrained(tmp_path / "qa")
    answer.tokenizer.save_pretrained(tmp_path / "qa")
    random_pipeline("bert").save_pretrained(tmp_path / "stock_qa")
    marian = random_model("marian", decoder_vocabulary=len(TARGET))
    options = dict(model=marian, tokenizer=SOURCE, target_tokenizer=TARGET)
    pipeline("translation_de_to_en", **options).save_pretrained(tmp_path / "marian")
    save_seq2seq(tmp_path / "seq2seq")
    example = {"question": QUESTION, "context": CONTEXT}
    asked = [
        ["question-answering", "qa", example, {"top_k": 2}, True],
        ["question-answering", "stock_qa", example, {}, False],
        ["translation_de_to_en", "marian", TEXTS, SETTINGS, True],
        ["translation", "seq2seq", TEXTS, SETTINGS, False],
        ["summarization", "seq2seq", TEXTS, SETTINGS, False],
        ["text2text-generation", "seq2seq", TEXTS, SETTINGS, False],
    ]
    asked = [[task, str(tmp_path / name), *rest] for task, name, *rest in asked]
    script = "import sys\n" + WITHOUT_PACKAGE["block"] + ASK
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(asked)], cwd=tmp_path, stdin=subprocess.DEVNULL, text=True,
        env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("answer ")]
    for (task, folder, question, settings, _), (module, answer) in zip(asked, answers, strict=True):
        assert module.startswith("transformers_modules.")
        assert words(answer) == words(pipeline(task, folder, trust_remote_code=True)(question, **settings))


def words(answers):
    """Answers without their scores, which differ by rounding."""
    answers = answers if isinstance(answers, list) else [answers]
    return [{name: value for name, value in answer.items() if name != "score"} for answer in answers]


def test_where_the_package_is_imported_our_folders_need_no_trust(tmp_path):
    model = save_seq2seq(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["custom_pipelines"].keys() == TASKS.keys() - {
        "question-answering",
        "translation_de_to_en",
    }
    for task in ("translation", "translation_id_to_en", "summarization"):
        pipe = pipeline(task, str(tmp_path))
        assert type(pipe) is TASKS[task.replace("_id_", "_de_")]
        assert pipe.target_tokenizer.get_vocab() == TARGET.get_vocab()
    ids = model.generate(**SOURCE(TEXTS[0], return_tensors="pt"), **SETTINGS)[0]
    expected = TARGET.decode(ids, skip_special_tokens=True)
    assert pipeline("translation", str(tmp_path))(TEXTS[0], **SETTINGS) == [{"translation_text": expected}]
    # Another pipeline's folder holds the target tokenizer too.
    pipe.save_pretrained(tmp_path / "summaries")
    assert pipeline("summarization", str(tmp_path / "summaries"))(TEXTS[0], **SETTINGS) == [{"summary_text": expected}]


def test_a_folder_names_only_the_pipelines_whose_code_it_holds(tmp_path):
    pipe = random_pipeline("bert")
    pipe.save_pretrained(tmp_path / "with")
    pipe.model.save_pretrained(tmp_path / "without")
    tuned = load_checkpoint(AutoModelForQuestionAnswering, str(tmp_path / "with"), "stock")
    tuned.save_pretrained(tmp_path / "tuned")
    named = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("with", "without", "tuned")]
    assert ["custom_pipelines" in config for config in named] == [True, False, False]
    pipe.tokenizer.save_pretrained(tmp_path / "tuned")
    asked = {"question": "what ?", "context": "paris is old ."}
    assert_same_answers(pipeline("question-answering", str(tmp_path / "tuned"))(asked), pipe(asked))

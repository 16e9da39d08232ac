"""Register our pipelines: those that transformers 5 removed, and `token-classification` of our models.

transformers 5 rejects question-answering, translation, summarization and text2text-generation before it looks at its
registry. Importing this package removes them from the list of removed tasks and registers our pipelines, so that calls
written for version 4 work for any model. A saved model that names its pipelines works without this
(`pipeline_common.py`).
"""

import re

from transformers import AutoModelForSequenceClassification, TokenClassificationPipeline
from transformers.pipelines import PIPELINE_REGISTRY

from ..pipeline_question_answering import QuestionAnsweringPipeline
from ..pipeline_summarization import SummarizationPipeline
from ..pipeline_text2text_generation import Text2TextGenerationPipeline
from ..pipeline_token_classification import WordTokenClassificationPipeline
from ..pipeline_translation import TranslationPipeline
from ..transformers_internals import allow_removed_task, look_up_task, replace_task_look_up
from .text_ranking import TextRankingPipeline
from .windowed_classification import WindowedTextClassificationPipeline

T5 = {"model": ("google-t5/t5-base", "a9723ea")}

# Each with the default checkpoint of version 4.
RESTORED = {
    QuestionAnsweringPipeline: {"model": ("distilbert/distilbert-base-cased-distilled-squad", "564e9b5")},
    SummarizationPipeline: {"model": ("sshleifer/distilbart-cnn-12-6", "a4f8f3e")},
    Text2TextGenerationPipeline: T5,
    TranslationPipeline: {**T5, ("en", "fr"): T5, ("en", "de"): T5, ("en", "ro"): T5},
}

ADDED = {
    "windowed-text-classification": WindowedTextClassificationPipeline,
    "text-ranking": TextRankingPipeline,
}


def register_pipelines() -> None:
    """Register the four tasks, `windowed-text-classification` and `text-ranking`; calling it again is safe."""
    for pipeline_class, default in RESTORED.items():
        task = pipeline_class.default_task
        allow_removed_task(task)
        if PIPELINE_REGISTRY.supported_tasks.get(task, {}).get("impl") is not pipeline_class:
            PIPELINE_REGISTRY.register_pipeline(
                task, pipeline_class, pt_model=pipeline_class.auto_model, default=default, type="text"
            )
    for task, added in ADDED.items():
        PIPELINE_REGISTRY.register_pipeline(task, added, pt_model=AutoModelForSequenceClassification, type="text")
    replace_task_look_up(check_task)


def check_task(task: str) -> tuple[str, dict, tuple[str, str] | None]:
    """Look up a task in the registry, with `translation_de_to_en` as `translation` from de to en."""
    languages = re.fullmatch("translation_([^_]+)_to_([^_]+)", task)
    name, entry, options = look_up_task("translation" if languages else task)
    if name == WordTokenClassificationPipeline.default_task:
        entry = {**entry, "impl": TaggingPipeline}
    return name, entry, languages.groups() if languages else options


class TaggingPipeline(WordTokenClassificationPipeline):
    """Build `WordTokenClassificationPipeline` for our models, and the stock pipeline for all others."""

    def __new__(cls, model=None, **kwargs):
        is_ours = getattr(model.config, "model_type", None) in ("minibert", "minigpt")
        chosen = WordTokenClassificationPipeline if is_ours else TokenClassificationPipeline
        return chosen(model=model, **kwargs)

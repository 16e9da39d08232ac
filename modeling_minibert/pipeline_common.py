"""Save pipelines with a model: their code beside its weights, their names in its configuration.

    pipeline("question-answering", folder)                            where this package is imported
    pipeline("question-answering", folder, trust_remote_code=True)    anywhere else

transformers looks at `config.custom_pipelines` before it refuses the tasks that version 5 removed. A model class that
lists its pipelines writes them there with every save, so that folders saved by `Trainer` are complete.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike

from .transformers_internals import set_saved_tasks


class SavedWithPipelines:
    """Mixin of a model class, before `PreTrainedModel`: saves the code of `pipeline_classes`, which its file must
    import."""

    pipeline_classes: tuple[type["SavedPipeline"], ...] = ()

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save weights, configuration and code, and name the pipelines in the configuration."""
        own = {
            task: _entry(pipeline_class)
            for pipeline_class in self.pipeline_classes
            for task in (pipeline_class.default_task, *pipeline_class.aliases)
        }
        with _pipelines_of_the_folder(self.config) as named:
            self.config.custom_pipelines = named | own
            return super().save_pretrained(save_directory, **kwargs)


class SavedPipeline:
    """Mixin of a pipeline class, before `Pipeline`: saves its code with any model, also a stock one.

    Such a folder asks for `trust_remote_code=True`, also where this package is imported; a folder of our own models
    does so only where it is not.
    """

    default_task = ""
    aliases: tuple[str, ...] = ()  # other names of the task
    auto_model = None

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save model, tokenizer and the code of the pipeline, under its default task and its current one."""
        # `register_pipeline` keeps only the last name of a class.
        set_saved_tasks(self, {self.default_task, self.task or self.default_task, *self.aliases}, self.auto_model)
        with _pipelines_of_the_folder(self.model.config):
            return super().save_pretrained(save_directory, **kwargs)


@contextmanager
def _pipelines_of_the_folder(config) -> Iterator[dict]:
    """Restore `config.custom_pipelines` after a save: it describes the saved folder, not the model. Yields its value
    before."""
    before = getattr(config, "custom_pipelines", {})
    try:
        yield before
    finally:
        config.custom_pipelines = before
        if not before:
            del config.custom_pipelines


def given(**arguments) -> dict:
    """The arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def is_several(texts) -> bool:
    """Whether the input is a sequence of texts: a list, a tuple, or a column of a data set."""
    return isinstance(texts, Sequence) and not isinstance(texts, str)


def _entry(pipeline_class: type[SavedPipeline]) -> dict:
    """The entry of a pipeline in `config.custom_pipelines`."""
    module = pipeline_class.__module__.rpartition(".")[2]
    return {
        "impl": f"{module}.{pipeline_class.__name__}",
        "pt": [pipeline_class.auto_model.__name__],
        "type": "text",
    }

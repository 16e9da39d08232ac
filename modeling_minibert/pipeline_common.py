"""What our pipelines share: they travel with a model. Their code lies beside its weights, its configuration names them.

    pipeline("question-answering", folder)                            where this package is imported
    pipeline("question-answering", folder, trust_remote_code=True)    anywhere else

transformers looks for `config.custom_pipelines` before it refuses the tasks that version 5 took away. A model class
that lists its pipelines writes them there with every save, so what `Trainer` saves is complete. `position_limit` and
`check_vocabulary` say what a model can read; the scripts ask them too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike

from .transformers_internals import set_saved_tasks


class SavedWithPipelines:
    """Mixed into a model class, before `PreTrainedModel`; the class's file imports its pipelines, so that they are
    copied with it."""

    pipeline_classes: tuple[type["SavedPipeline"], ...] = ()

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save weights, configuration and code, as every model of transformers does, and name the pipelines."""
        own = {pipeline_class.default_task: _entry(pipeline_class) for pipeline_class in self.pipeline_classes}
        with _pipelines_of_the_folder(self.config) as named:
            self.config.custom_pipelines = named | own
            return super().save_pretrained(save_directory, **kwargs)


class SavedPipeline:
    """Mixed into a pipeline class, before `Pipeline`: it saves its code with any model, also a stock one.

    Such a folder asks for `trust_remote_code=True`, also where this package is imported; a folder of our own models
    does so only where it is not.
    """

    default_task = ""
    auto_model = None

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save model, tokenizer and the code of the pipeline, under its task and the name that it was asked for by."""
        # `register_pipeline` keeps only the last name of a class.
        set_saved_tasks(self, {self.default_task, self.task or self.default_task}, self.auto_model)
        with _pipelines_of_the_folder(self.model.config):
            return super().save_pretrained(save_directory, **kwargs)


@contextmanager
def _pipelines_of_the_folder(config) -> Iterator[dict]:
    """Put `config.custom_pipelines` back after a save, and give what it names before: it describes the folder that is
    written, not the model, which may be saved alone next time."""
    before = getattr(config, "custom_pipelines", {})
    try:
        yield before
    finally:
        config.custom_pipelines = before
        if not before:
            del config.custom_pipelines


def given(**arguments) -> dict:
    """The arguments that a caller has set; the others keep what was set before."""
    return {name: value for name, value in arguments.items() if value is not None}


def is_several(texts) -> bool:
    """Whether these are texts one after another: a list, a tuple, or the column of a data set."""
    return isinstance(texts, Sequence) and not isinstance(texts, str)


def _entry(pipeline_class: type[SavedPipeline]) -> dict:
    """What `config.custom_pipelines` says about a task."""
    module = pipeline_class.__module__.rpartition(".")[2]
    return {
        "impl": f"{module}.{pipeline_class.__name__}",
        "pt": [pipeline_class.auto_model.__name__],
        "type": "text",
    }

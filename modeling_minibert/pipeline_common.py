"""What our pipelines share: they travel with a model. Their code lies beside its weights, its configuration names them.

    pipeline("question-answering", folder)                            where this package is imported
    pipeline("question-answering", folder, trust_remote_code=True)    anywhere else

transformers looks for `config.custom_pipelines` before it refuses the tasks that version 5 took away. A model class
that lists its pipelines writes them there with every save, so what `Trainer` saves is complete.
"""

from collections.abc import Sequence
from os import PathLike


class SavedWithPipelines:
    """Mixed into a model class, before `PreTrainedModel`; the class's file imports its pipelines, so that they are
    copied with it."""

    pipeline_classes: tuple[type["SavedPipeline"], ...] = ()

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save weights, configuration and code, as every model of transformers does, and name the pipelines."""
        own = {pipeline_class.default_task: _entry(pipeline_class) for pipeline_class in self.pipeline_classes}
        before = getattr(self.config, "custom_pipelines", {})
        self.config.custom_pipelines = before | own
        try:
            return super().save_pretrained(save_directory, **kwargs)
        finally:  # it describes the folder, not this model
            self.config.custom_pipelines = before
            if not before:
                del self.config.custom_pipelines


class SavedPipeline:
    """Mixed into a pipeline class, before `Pipeline`: it saves its code with any model, also a stock one.

    Such a folder asks for `trust_remote_code=True`, also where this package is imported; a folder of our own models
    does so only where it is not.
    """

    default_task = ""
    auto_model = None

    def save_pretrained(self, save_directory: str | PathLike, **kwargs):
        """Save model, tokenizer and the code of the pipeline, under its task and the name that it was asked for by."""
        # What `Pipeline.save_pretrained` reads; `register_pipeline` leaves there only the last name of a class.
        implementation = {"impl": type(self), "pt": (self.auto_model,), "type": "text"}
        self._registered_impl = dict.fromkeys({self.default_task, self.task or self.default_task}, implementation)
        before = getattr(self.model.config, "custom_pipelines", {})
        try:
            return super().save_pretrained(save_directory, **kwargs)
        finally:  # as above; saved alone, a stock model has no code beside it
            self.model.config.custom_pipelines = before
            if not before:
                del self.model.config.custom_pipelines


def position_limit(model) -> int | None:
    """How many tokens a model can read; None where it has no limit, as T5."""
    if not getattr(model.config, "has_position_limit", True):
        return None
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:  # XLNet says -1
        return None
    # RoBERTa's positions begin after its pad: of its 514 a text has 512.
    tables = (module for name, module in model.named_modules() if name.endswith("embeddings.position_embeddings"))
    pad = getattr(next(tables, None), "padding_idx", None)
    return positions if pad is None else positions - pad - 1


def given(**arguments) -> dict:
    """The arguments that a caller has set; the others keep what was set before."""
    return {name: value for name, value in arguments.items() if value is not None}


def _entry(pipeline_class: type[SavedPipeline]) -> dict:
    """What `config.custom_pipelines` says about a task."""
    module = pipeline_class.__module__.rpartition(".")[2]
    return {
        "impl": f"{module}.{pipeline_class.__name__}",
        "pt": [pipeline_class.auto_model.__name__],
        "type": "text",
    }


def is_several(texts) -> bool:
    """Whether these are texts one after another: a list, a tuple, or the column of a data set."""
    return isinstance(texts, Sequence) and not isinstance(texts, str)

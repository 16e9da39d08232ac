"""Private parts of transformers and torch that the package uses, each with its reason, wrapped under public names.

| part | why it is used | since |
|---|---|---|
| `PIPELINE_REGISTRY.check_task` | a task of the form translation_de_to_en; which tasks are registered | 5.0 |
| `pipelines.REMOVED_TASKS` | transformers refuses the tasks it removed before it looks at its registry | 5.0 |
| `Pipeline._registered_impl` | the tasks that `Pipeline.save_pretrained` writes into the configuration | 4.21 |
| `MODEL_FOR_CAUSAL_LM_MAPPING_NAMES` | `Trainer` shifts labels for label smoothing by this list only | 4.12 |
| `cache_utils.STATIC_LAYER_TYPE_MAPPING` | a cache finds the class of a layer type there | 5.10 |
| `GenerationMixin._prepare_…`, `_validate_…` | steps of `generate` before its first call have no public hooks | 4.56 |
| `GenerationMixin._update_model_kwargs_for_generation` | a search of ours needs the arguments of its next step | 4.0 |
| `GenerationConfig._eos_token_tensor`, `_pad_token_tensor` | end and padding as `generate` prepared them | 4.40 |
| `tokenizer._build_translation_inputs` | multilingual tokenizers mark source and target language there | 4.6 |
| `past_key_values` or `cache` | the name of the cache in `generate` and in outputs; `cache` since 5.24 | 4.0 |
| `PagedAttentionCache.update` | layers call it since 5.24; before, the attention function did | 5.24 |
| `Parameter._is_hf_initialized` | whether a weight came from a checkpoint and must keep its value | 5.0 |
| `PreTrainedModel._weight_conversions` | a save would undo the renaming of old keys | 5.0 |
| `peft.utils.constants.…_MAPPING` | PEFT looks up default target modules by model type there | peft 0.18 |
| `PreTrainedModel._get_resized_…` | the vocabulary of a decoder has no public way to be resized | 4.0 |
| `TrainingArguments._n_gpu` | `DataParallel` is switched off by this field only | 3.2 |
| `torch._C._are_functorch_transforms_active`, `forward_ad._current_level` | torch.func needs plain operations | 2.0 |
| `Module._forward_hooks` and the like | a short cut past a module must not skip its hooks | 1.0 |
| `torch._C._storage_Use_Count` | a buffer may be written to again only where nobody kept a view of it | 2.1 |
| `torch._softmax_backward_data` | the derivative of softmax from its result, without computing it again | 1.0 |
"""

import functools
import inspect
import sys
from collections.abc import Callable

import torch
import torch.nn.modules.module as module_hooks
from torch import nn
from torch.autograd import forward_ad
from transformers import GenerationConfig, GenerationMixin, TrainingArguments, cache_utils, models, pipelines
from transformers.generation.configuration_utils import GenerationMode
from transformers.pipelines import PIPELINE_REGISTRY

_GENERATE_NAMES = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
CACHE_NAME = "cache" if "cache" in _GENERATE_NAMES else "past_key_values"


def is_registered_task(task: str, class_name: str | None = None) -> bool:
    """Whether `pipeline` knows a task, and runs a class of this name, or one derived from it, for it (None: any)."""
    try:
        _, entry, _ = PIPELINE_REGISTRY.check_task(task)
    except KeyError:
        return False
    registered = entry["impl"]  # transformers names its own classes by their path, where it has not loaded them
    is_path = isinstance(registered, str)
    names = [registered.rpartition(".")[2]] if is_path else [base.__name__ for base in registered.__mro__]
    return class_name is None or class_name in names


def allow_removed_task(task: str) -> None:
    """Let `pipeline` look up a task that transformers 5 removed."""
    getattr(pipelines, "REMOVED_TASKS", {}).pop(task, None)


def look_up_task(task: str) -> tuple[str, dict, tuple[str, str] | None]:
    """The registry's own look-up: the name, the entry and the languages of a task."""
    return type(PIPELINE_REGISTRY).check_task(PIPELINE_REGISTRY, task)


def replace_task_look_up(look_up: Callable[[str], tuple]) -> None:
    """Let `pipeline` look tasks up with `look_up`."""
    PIPELINE_REGISTRY.check_task = look_up


def set_saved_tasks(pipeline, tasks: set[str], auto_model: type) -> None:
    """Name the tasks under which `pipeline.save_pretrained` writes this pipeline into the configuration."""
    entry = {"impl": type(pipeline), "pt": (auto_model,), "type": "text"}
    pipeline._registered_impl = dict.fromkeys(tasks, entry)


def name_causal_lm(model_type: str, class_name: str) -> None:
    """Tell `Trainer` that a class predicts the next token, so that label smoothing shifts its labels."""
    models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type] = class_name


def register_cache_layer(layer_type: str, layer_class: type) -> None:
    """Let static caches make a layer of this class for this entry of `config.layer_types`."""
    cache_utils.STATIC_LAYER_TYPE_MAPPING[layer_type] = layer_class


def update_paged_cache(
    key: torch.Tensor, value: torch.Tensor, layer_index: int, arguments: dict
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add keys and values to the cache of `generate_batch`, where there is one, and return all of them.

    Args:
        key, value: (1, H, T, D).
        layer_index: the place of this layer in the cache.
        arguments: those of the attention function, which the cache changes.
    """
    if CACHE_NAME != "cache" or arguments.get("read_index") is None or arguments.get("cache") is None:
        return key, value
    return arguments.pop("cache").update(key, value, layer_index, kwargs=arguments)


def is_loaded(parameter: nn.Parameter) -> bool:
    """Whether a weight was read from a checkpoint."""
    return getattr(parameter, "_is_hf_initialized", False)


def forget_key_mapping(model) -> None:
    """Save a model by its own names of weights, also one that was loaded by older names."""
    vars(model).pop("_weight_conversions", None)


def resized_embeddings(model, embeddings: nn.Embedding, tokens: int) -> nn.Embedding:
    """A copy of `embeddings` with so many rows; new ones are drawn around the mean of the old."""
    return model._get_resized_embeddings(embeddings, tokens)


def resized_head(model, head: nn.Linear, tokens: int) -> nn.Linear:
    """A copy of a head that scores so many tokens."""
    return model._get_resized_lm_head(head, tokens)


def register_with_peft() -> None:
    """Give PEFT default target modules for our model types, if it is imported; models call it when they are built."""
    constants = sys.modules.get("peft.utils.constants")
    for name, mapping in vars(constants).items() if constants else ():
        if not name.endswith("_MODULES_MAPPING") or not isinstance(mapping, dict):
            continue
        targets = ["query", "value"] if mapping.get("bert") == ["query", "value"] else None
        if "IA3" in name:
            targets = ["down"] if "FEEDFORWARD" in name else ["key", "value", "down"]
        for model_type in ("minibert", "minigpt", "miniseq2seq") if targets else ():
            mapping.setdefault(model_type, targets)


def use_one_gpu(args: TrainingArguments) -> None:
    """Keep `Trainer` from splitting batches over the GPUs of one process."""
    args._n_gpu = min(args.n_gpu, 1)


def transforms_active() -> bool:
    """Whether a transform of torch.func (grad, vmap, jvp, …) or forward-mode differentiation is running."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def can_read(tensor: torch.Tensor) -> bool:
    """Whether the values of a tensor may be looked at: a CPU tensor, and no tracing, compiling or transform."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return tensor.device.type == "cpu" and not transforms_active()


def is_shared(tensor: torch.Tensor) -> bool:
    """Whether another tensor reads the memory of this one."""
    storage = tensor.untyped_storage()
    return torch._C._storage_Use_Count(storage._cdata) > 2  # the tensor and `storage`


def records_any_length(length) -> bool:
    """Whether a program for texts of any length is recorded, which would fix the rounds of a Python loop over them."""
    return torch.jit.is_tracing() or (isinstance(length, torch.SymInt) and torch.compiler.is_exporting())


def has_hooks(module: nn.Module) -> bool:
    """Whether a call of the module runs hooks, its own or those of all modules."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks,
             module_hooks._global_forward_hooks, module_hooks._global_forward_pre_hooks,
             module_hooks._global_backward_hooks, module_hooks._global_backward_pre_hooks)  # fmt: skip
    return any(hooks)


def is_called_plainly(module: nn.Module) -> bool:
    """Whether calling a linear layer is the same as using its weight and bias directly.

    False with hooks, pruning, parametrizations, adapters, offloaded or sharded weights, and under transforms.
    """
    return (
        type(module) is nn.Linear
        and "forward" not in vars(module)  # accelerate replaces it
        and not has_hooks(module)
        and all(parameter is None or type(parameter) is nn.Parameter for parameter in module._parameters.values())
        and module._parameters.get("weight") is not None
        and not module.weight.is_meta
        and not transforms_active()
    )


def softmax_backward(d_probabilities: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """The gradient of the scores from that of their softmax over the last dimension."""
    return torch._softmax_backward_data(d_probabilities, probabilities, -1, probabilities.dtype)


def next_step_arguments(model, outputs, model_kwargs: dict) -> dict:
    """The arguments of the next step of `generate`: cache, mask and positions moved on by the tokens of `outputs`."""
    return model._update_model_kwargs_for_generation(outputs, model_kwargs)


def end_token_ids(config: GenerationConfig) -> list[int]:
    """The ids that end a text, as `generate` has prepared them."""
    return [] if config._eos_token_tensor is None else config._eos_token_tensor.tolist()


def pad_token_id(config: GenerationConfig) -> int | None:
    """The id that fills up shorter texts, as `generate` has prepared it."""
    return None if config._pad_token_tensor is None else int(config._pad_token_tensor)


def knows_languages(tokenizer) -> bool:
    """Whether a tokenizer marks the languages of source and target."""
    return hasattr(tokenizer, "_build_translation_inputs")


def translation_encoder(tokenizer, src_lang: str, tgt_lang: str) -> Callable:
    """A function that encodes texts with the marks of two languages."""
    return functools.partial(tokenizer._build_translation_inputs, src_lang=src_lang, tgt_lang=tgt_lang)


class GenerateHooks(GenerationMixin):
    """`generate` with public hooks before its first forward: settings, assistant, cache and length."""

    def check_generation_config(self, generation_config: GenerationConfig) -> None:
        """Hook: raise a ValueError for invalid settings."""

    def check_assistant(self, assistant_model) -> None:
        """Hook: raise a ValueError where drafts cannot be checked; called for assisted generation only."""

    def new_generation_cache(self, generation_config: GenerationConfig):
        """Hook: the cache to use where the caller chose none."""
        raise NotImplementedError

    def check_generation_length(self, generation_config: GenerationConfig, prompt: int, total: int) -> None:
        """Hook: raise a ValueError where the text would exceed the model.

        Args:
            generation_config: what `generate` was told.
            prompt: tokens of the prompt.
            total: tokens of prompt and continuation.
        """

    def _prepare_generation_config(self, *args, **kwargs):
        generation_config, model_kwargs = super()._prepare_generation_config(*args, **kwargs)
        self.check_generation_config(generation_config)
        return generation_config, model_kwargs

    def _validate_generation_mode(self, generation_mode, generation_config, generation_mode_kwargs):
        if generation_mode == GenerationMode.ASSISTED_GENERATION:
            self.check_assistant(generation_mode_kwargs.get("assistant_model"))
        super()._validate_generation_mode(generation_mode, generation_config, generation_mode_kwargs)

    def _prepare_cache_for_generation(self, generation_config, model_kwargs, *args):
        given = model_kwargs.get(CACHE_NAME)
        super()._prepare_cache_for_generation(generation_config, model_kwargs, *args)
        chosen = generation_config.cache_implementation not in (None, "dynamic")
        if given is None and not chosen and generation_config.use_cache is not False:
            model_kwargs[CACHE_NAME] = self.new_generation_cache(generation_config)

    @functools.wraps(GenerationMixin.prepare_inputs_for_generation)
    def prepare_inputs_for_generation(self, *args, **kwargs):
        inputs = super().prepare_inputs_for_generation(*args, **kwargs)
        if CACHE_NAME in inputs:
            inputs["past_key_values"] = inputs.pop(CACHE_NAME)
        return inputs

    def _prepare_generated_length(self, generation_config, inputs_tensor, input_ids_length, **kwargs):
        if generation_config.max_new_tokens and generation_config.max_length == self.generation_config.max_length:
            generation_config.max_length = None  # the model's own limit, which max_new_tokens replaces
        generation_config = super()._prepare_generated_length(
            generation_config, inputs_tensor=inputs_tensor, input_ids_length=input_ids_length, **kwargs
        )
        # Without prompt ids (inputs_embeds), max_length counts the new tokens alone.
        prompt = inputs_tensor.shape[1]
        self.check_generation_length(
            generation_config, prompt, generation_config.max_length + prompt - input_ids_length
        )
        return generation_config

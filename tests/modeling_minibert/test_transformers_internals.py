"""The private parts of transformers and torch that the package uses: one test for each row of the table in
`transformers_internals.py`, which fails where a release takes the part away or gives it another meaning."""

import functools
import inspect
import json
import re
import shutil

import pytest
import torch
import torch.nn.utils.prune
from helpers.minigpt import random_gpt, random_ids, small_gpt_config
from helpers.questions import random_pipeline
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close
from transformers import (
    GenerationMixin,
    MBartTokenizer,
    StaticCache,
    TrainingArguments,
    cache_utils,
    models,
    pipeline,
    pipelines,
    trainer,
)

from modeling_minibert import MiniGPTForCausalLM, MiniGPTModel, QuestionAnsweringPipeline, transformers_internals
from modeling_minibert.transformers_internals import (
    CACHE_NAME,
    allow_removed_task,
    can_read,
    end_token_ids,
    forget_key_mapping,
    has_hooks,
    is_called_plainly,
    is_loaded,
    is_registered_task,
    knows_languages,
    look_up_task,
    name_causal_lm,
    pad_token_id,
    softmax_backward,
    transforms_active,
    update_paged_cache,
    use_one_gpu,
)


def test_each_row_of_the_table_has_a_test():
    rows = re.findall(r"^\| `([^`]+)`", transformers_internals.__doc__, flags=re.MULTILINE)
    assert rows == [
        "PIPELINE_REGISTRY.check_task",
        "pipelines.REMOVED_TASKS",
        "Pipeline._registered_impl",
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        "cache_utils.STATIC_LAYER_TYPE_MAPPING",
        "GenerationMixin._prepare_…",
        "GenerationMixin._update_model_kwargs_for_generation",  # `test_decoding_generate.py`
        "GenerationConfig._eos_token_tensor",
        "tokenizer._build_translation_inputs",
        "past_key_values",  # `test_cache_names.py`
        "PagedAttentionCache.update",
        "Parameter._is_hf_initialized",
        "PreTrainedModel._weight_conversions",
        "peft.utils.constants.…_MAPPING",
        "PreTrainedModel._get_resized_…",  # `test_common_contracts.py`
        "TrainingArguments._n_gpu",
        "torch._C._are_functorch_transforms_active",
        "Module._forward_hooks",
        "torch._C._storage_Use_Count",  # `test_caches.py`
        "torch._softmax_backward_data",
    ]


def test_check_task_of_the_registry_looks_every_task_up():
    name, entry, options = look_up_task("fill-mask")
    assert name == "fill-mask" and "FillMaskPipeline" in str(entry["impl"]) and options is None
    assert is_registered_task("fill-mask") and not is_registered_task("no-such-task")
    assert pipelines.check_task("translation_de_to_en")[2] == ("de", "en")  # ours is asked, on the registry's instance


def test_removed_tasks_are_a_dict_that_pipeline_consults(monkeypatch):
    assert "image-to-image" in pipelines.REMOVED_TASKS
    monkeypatch.setitem(pipelines.REMOVED_TASKS, "fill-mask", "use another")
    with pytest.raises(KeyError, match="fill-mask has been removed"):
        pipeline("fill-mask")
    allow_removed_task("fill-mask")
    assert "fill-mask" not in pipelines.REMOVED_TASKS


def test_registered_impl_names_the_tasks_of_a_saved_pipeline(tmp_path):
    pipe = random_pipeline("bert")
    pipe.task = "answers"
    pipe.save_pretrained(tmp_path)
    named = json.loads((tmp_path / "config.json").read_text())["custom_pipelines"]
    impl = f"pipeline_question_answering.{QuestionAnsweringPipeline.__name__}"
    assert {task: entry["impl"] for task, entry in named.items()} == {"question-answering": impl, "answers": impl}


def test_causal_lm_mapping_names_are_the_ones_that_trainer_reads(monkeypatch):
    names = models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    assert trainer.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES is names and "MiniGPTForCausalLM" in names.values()
    monkeypatch.setitem(names, "probe", "")
    name_causal_lm("probe", "ProbeForCausalLM")
    assert names["probe"] == "ProbeForCausalLM"


def test_static_layer_type_mapping_gives_a_static_cache_its_layers():
    config = small_gpt_config(token_mixer="linear")
    (kind,) = set(config.layer_types)
    layers = StaticCache(config, max_cache_len=5).layers
    assert {type(layer) for layer in layers} == {cache_utils.STATIC_LAYER_TYPE_MAPPING[kind]}
    # By name: a test that loaded a model's own code before has registered that copy of the class.
    assert type(layers[0]).__name__ == "RunningStateLayer" and layers[0].is_running_state


@pytest.mark.parametrize("steps", ["generation_config", "cache_for_generation", "generated_length"])
def test_prepare_steps_of_generate_call_our_hooks(steps, monkeypatch):
    assert hasattr(GenerationMixin, f"_prepare_{steps}")
    hook = {
        "generation_config": "check_generation_config",
        "cache_for_generation": "new_generation_cache",
        "generated_length": "check_generation_length",
    }[steps]
    model, calls = random_gpt(), []
    before = getattr(model, hook)
    monkeypatch.setattr(model, hook, lambda *args: calls.append(args) or before(*args))
    model.generate(random_ids(), max_new_tokens=3, do_sample=False)
    assert len(calls) == 1
    if hook == "check_generation_length":
        assert calls[0][1:] == (7, 10)


def test_eos_and_pad_tensors_are_what_generate_has_prepared(monkeypatch):
    seen = []
    check = MiniGPTForCausalLM._prepare_cache_for_generation  # runs after the ids are prepared

    def look(self, generation_config, *args):
        seen.append((end_token_ids(generation_config), pad_token_id(generation_config)))
        return check(self, generation_config, *args)

    monkeypatch.setattr(MiniGPTForCausalLM, "_prepare_cache_for_generation", look)
    random_gpt(MiniGPTForCausalLM).generate(random_ids(), max_new_tokens=2, eos_token_id=[5, 7], pad_token_id=3)
    assert seen == [([5, 7], 3)]


def test_build_translation_inputs_marks_both_languages():
    assert knows_languages(MBartTokenizer) and not knows_languages(random_pipeline("mini").tokenizer)
    assert {"src_lang", "tgt_lang"} <= set(inspect.signature(MBartTokenizer._build_translation_inputs).parameters)


def test_is_hf_initialized_marks_the_weights_of_a_checkpoint(tmp_path):
    class Probe(MiniGPTModel):
        def _init_weights(self, module):
            if module is self.layers[0].attention.query:
                seen.update({name: is_loaded(parameter) for name, parameter in module.named_parameters()})
            super()._init_weights(module)

    seen = {}
    random_gpt(MiniGPTModel).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layers.0.attention.query.bias"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    Probe.from_pretrained(tmp_path)
    assert seen == {"weight": True, "bias": False}
    assert not any(is_loaded(parameter) for parameter in MiniGPTForCausalLM(small_gpt_config()).parameters())


def test_the_name_of_the_cache_is_the_one_that_generate_passes(monkeypatch):
    assert CACHE_NAME in inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
    model, named = random_gpt(), []
    prepare = GenerationMixin.prepare_inputs_for_generation

    @functools.wraps(prepare)
    def look(self, *args, **kwargs):
        named.append(kwargs.get(CACHE_NAME))
        return prepare(self, *args, **kwargs)

    monkeypatch.setattr(GenerationMixin, "prepare_inputs_for_generation", look)
    outputs = model.generate(random_ids(), max_new_tokens=3, do_sample=False, return_dict_in_generate=True)
    assert len(named) == 3 and all(cache is named[0] is not None for cache in named)
    assert outputs[CACHE_NAME] is named[0]


@pytest.mark.skipif(CACHE_NAME != "cache", reason="before transformers 5.24 the attention function updates the cache")
def test_a_paged_cache_is_updated_with_the_arguments_of_the_attention_function():
    from transformers.generation.continuous_batching.cache import PagedAttentionCache

    class Cache:
        def update(self, *tensors, kwargs):
            kwargs["seen"] = tensors
            return tensors[1], tensors[0]

    names = list(inspect.signature(PagedAttentionCache.update).parameters)
    assert names == ["self", "key_states", "value_states", "layer_idx", "kwargs"]
    key, value, arguments = torch.ones(1), torch.zeros(1), {"cache": Cache(), "read_index": [], "other": 1}
    assert update_paged_cache(key, value, 3, arguments) == (value, key)
    assert arguments == {"read_index": [], "other": 1, "seen": (key, value, 3)}
    assert update_paged_cache(key, value, 3, {"other": 1}) == (key, value)


def test_weight_conversions_are_what_a_save_undoes(tmp_path):
    kinds = {"renamed": {"^layers": "old_layers"}, "as it is": None}
    random_gpt(MiniGPTModel).save_pretrained(tmp_path / "new")
    weights = load_file(tmp_path / "new" / "model.safetensors")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    old = {name.replace("layers", "old_layers"): value for name, value in weights.items()}
    save_file(old, tmp_path / "old" / "model.safetensors", metadata={"format": "pt"})
    for kind in kinds:
        model = MiniGPTModel.from_pretrained(tmp_path / "old", key_mapping={"^old_layers": "layers"})
        assert vars(model)["_weight_conversions"], "premise: transformers remembers the mapping under this name"
        if kind == "as it is":
            forget_key_mapping(model)
        model.save_pretrained(tmp_path / kind)
        names = set(load_file(tmp_path / kind / "model.safetensors"))
        assert names == set(weights if kind == "as it is" else old)


def test_peft_looks_default_targets_up_in_its_constants(monkeypatch):
    constants = pytest.importorskip("peft.utils.constants")
    tables = {name for name in vars(constants) if name.endswith("_TARGET_MODULES_MAPPING")}
    assert {
        "TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING",
        "TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING",
    } <= tables
    lora = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    monkeypatch.delitem(lora, "minigpt", raising=False)
    random_gpt()
    assert lora["minigpt"] == lora["bert"] == ["query", "value"]
    monkeypatch.setitem(lora, "minigpt", ["key"])
    random_gpt()
    assert lora["minigpt"] == ["key"]  # the user's own choice stays


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # by torch itself
def test_transforms_of_torch_func_and_forward_mode_are_seen():
    seen = []

    def look(x):
        seen.append((transforms_active(), can_read(x)))
        return x.sum()

    x = torch.ones(2, 3)
    look(x)
    for transform in (torch.func.grad(look), torch.func.vmap(look), torch.func.jacfwd(look)):
        transform(x)
    torch.func.jvp(look, (x,), (x,))
    with torch.autograd.forward_ad.dual_level():
        look(x)
    look(x)
    assert seen == [(False, True), *[(True, False)] * 5, (False, True)]


HOOKS = ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("everywhere", [False, True])
def test_hooks_of_a_module_and_of_all_modules_are_seen(hook, everywhere):
    linear = nn.Linear(3, 5)
    assert not has_hooks(linear) and is_called_plainly(linear)
    name = f"register_module_{hook}" if everywhere else f"register_{hook}"
    handle = getattr(nn.modules.module if everywhere else linear, name)(lambda *args: None)
    try:
        assert has_hooks(linear) and not is_called_plainly(linear)
    finally:
        handle.remove()
    assert not has_hooks(linear) and is_called_plainly(linear)


def test_a_linear_layer_with_something_in_between_is_not_called_plainly():
    class Own(nn.Linear):
        pass

    def offloaded(linear):
        linear.forward = lambda x: x
        return linear

    def spectral(linear):
        return nn.utils.parametrizations.spectral_norm(linear)

    def pruned(linear):
        return nn.utils.prune.l1_unstructured(linear, "weight", amount=0.5)

    assert is_called_plainly(nn.Linear(3, 5, bias=False))
    seen = []
    assert not is_called_plainly(Own(3, 5)) and not is_called_plainly(nn.Linear(3, 5, device="meta"))
    for change in (offloaded, spectral, pruned):
        assert not is_called_plainly(change(nn.Linear(3, 5))), change
    plain = nn.Linear(3, 5)
    torch.func.vmap(lambda x: seen.append(is_called_plainly(plain)) or x)(torch.ones(2))
    assert seen == [False]


def test_n_gpu_of_the_training_arguments_is_what_trainer_reads(tmp_path):
    args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")
    args.device  # noqa: B018  (counts the GPUs, once)
    args._n_gpu = 3
    assert args.n_gpu == 3
    use_one_gpu(args)
    assert args.n_gpu == 1


def test_softmax_backward_data_is_the_derivative_of_softmax():
    scores = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    probabilities, upstream = scores.softmax(-1), torch.randn(2, 3, 5, dtype=torch.float64)
    (expected,) = torch.autograd.grad(probabilities, scores, upstream)
    assert_close(softmax_backward(upstream, probabilities.detach()), expected, rtol=0, atol=1e-15)

"""Every method of PEFT on one head of each family: trained, saved and loaded again, or refused before training."""

import copy

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import NO_DROPOUT, random_gpt
from helpers.seq2seq import random_seq2seq
from torch.testing import assert_close

from modeling_minibert import (
    MiniBertForSequenceClassification,
    MiniGPTForCausalLM,
    MiniGPTModel,
    MiniSeq2SeqForConditionalGeneration,
)

peft = pytest.importorskip("peft")

CLOSE = {"rtol": 0, "atol": 1e-6}  # PEFT computes and saves prompts in float32
IDS = torch.randint(5, 83, (3, 7), generator=torch.Generator().manual_seed(3))
FAMILIES = {
    "encoder": (lambda: random_model(MiniBertForSequenceClassification, **NO_DROPOUT), "SEQ_CLS"),
    "decoder": (lambda: random_gpt(MiniGPTForCausalLM, **NO_DROPOUT), "CAUSAL_LM"),
    "encoder-decoder": (lambda: random_seq2seq(MiniSeq2SeqForConditionalGeneration), "SEQ_2_SEQ_LM"),
}
LAYERS = ["query", "value"]
METHODS = {
    "LoraConfig": {"r": 3},
    "LoraConfig, DoRA": {"r": 3, "use_dora": True},
    "LoraConfig, rank stabilized": {"r": 3, "use_rslora": True},
    "LoraConfig, every linear layer": {"r": 3, "target_modules": "all-linear"},
    "IA3Config": {"target_modules": [*LAYERS, "down"], "feedforward_modules": ["down"]},
    "AdaLoraConfig": {"total_step": 10},
    "BOFTConfig": {"boft_block_size": 4},
    "C3AConfig": {"block_size": 4},
    "FourierFTConfig": {"n_frequency": 10},
    "GraloraConfig": {"r": 4, "gralora_k": 2},
    "LNTuningConfig": {"target_modules": ["attention_norm", "feed_forward_norm"]},
    "LoKrConfig": {"r": 2},
    "MissConfig": {"r": 4},
    "OFTConfig": {"oft_block_size": 4},
    "PolyConfig": {"n_tasks": 2},
    "RoadConfig": {"group_size": 4},
    "ShiraConfig": {"r": 4},
    "TrainableTokensConfig": {"token_indices": IDS[0, :3].unique().tolist()},
    "VBLoRAConfig": {"vector_length": 4, "num_vectors": 8},
    "WaveFTConfig": {"n_frequency": 10},
    **dict.fromkeys(
        "AdamssConfig BeftConfig DeftConfig DeloraConfig FrodConfig GloraConfig HiraConfig HRAConfig LilyConfig "
        "LoHaConfig OSFConfig PeanutConfig PveraConfig RandLoraConfig SupertuningConfig TinyLoraConfig UniLoraConfig "
        "VeraConfig".split(),
        {},
    ),
    # Prompts
    "CartridgeConfig": {"num_virtual_tokens": 4},
    "CPTConfig": {"cpt_token_ids": [5, 6, 7], "cpt_tokens_type_mask": [1, 2, 3], "cpt_mask": [1, 1, 1]},
    "MultitaskPromptTuningConfig": {"num_virtual_tokens": 4, "num_tasks": 2},
    "PrefixTuningConfig": {"num_virtual_tokens": 4},
    "PromptEncoderConfig": {"num_virtual_tokens": 4, "encoder_hidden_size": 8},
    "PromptTuningConfig": {"num_virtual_tokens": 4},
    # Others
    "AdaptionPromptConfig": {"adapter_len": 4, "adapter_layers": 2},
    "ShadowConfig": {"shadow_num_hidden_layers": 1, "target_modules": None},
}
REFUSED = {  # in PEFT, for a stock twin too, unless it says otherwise
    ("AdaptionPromptConfig", "encoder"): "Unsupported model type",
    ("AdaptionPromptConfig", "decoder"): "Unsupported model type",
    ("AdaptionPromptConfig", "encoder-decoder"): "Unsupported model type",
    ("CPTConfig", "encoder"): "only supports task_type",
    ("CPTConfig", "encoder-decoder"): "only supports task_type",
    ("MultitaskPromptTuningConfig", "encoder-decoder"): "expected Tensor",
    # It runs the decoder beside the model, without a source. Marian's can be.
    ("ShadowConfig", "encoder-decoder"): "give encoder_hidden_states",
}


def logits(model, method):
    inputs = {"input_ids": IDS}
    if "MiniSeq2Seq" in type(model.get_base_model()).__name__:
        inputs["decoder_input_ids"] = IDS.flip(1)
    if method in ("PolyConfig", "MultitaskPromptTuningConfig"):
        inputs["task_ids"] = torch.tensor([0, 1, 1])
    return model(**inputs).logits


def wrap(method, family):
    build, task = FAMILIES[family]
    torch.manual_seed(5)
    model = build().double()
    fresh, fields = copy.deepcopy(model), METHODS[method]
    config_class = getattr(peft, method.partition(",")[0], None)
    if config_class is None:
        pytest.skip("this version of PEFT lacks it")
    if method == "TrainableTokensConfig":
        name = "encoder.embeddings.word_embeddings" if family == "encoder-decoder" else "word_embeddings"
        fields = {**fields, "target_modules": [name]}
    elif hasattr(config_class, "target_modules"):
        fields = {"target_modules": LAYERS, **fields}
    return fresh, peft.get_peft_model(model, config_class(task_type=task, **fields)).double()


def train(model, method):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        logits(model.train(), method).square().mean().backward()
        optimizer.step()
    return model.eval()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # advice of PEFT on single methods
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_an_adapter_is_trained_saved_and_loaded_again_or_refused(method, family, tmp_path):
    if (method, family) in REFUSED:
        with pytest.raises((ValueError, TypeError), match=REFUSED[method, family]):
            logits(wrap(method, family)[1], method)
        return
    fresh, tuned = wrap(method, family)
    before = logits(tuned.eval(), method)
    expected = logits(train(tuned, method), method)
    assert (expected - before).abs().max() > 1e-6
    tuned.save_pretrained(tmp_path)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path).double().eval()
    assert_close(logits(loaded, method), expected, **CLOSE)


def test_layer_types_may_be_set_to_what_they_are():
    config = random_gpt(MiniGPTModel).config
    config.num_hidden_layers = 1
    config.layer_types = ["full_attention"]
    with pytest.raises(ValueError, match="sliding_attention.* need .*full_attention"):
        config.layer_types = ["sliding_attention"]

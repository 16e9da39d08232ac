"""The legacy ONNX exporter (`dynamo=False`) does not fix batch size and length: outputs in onnxruntime are ours."""

import io

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import random_gpt
from helpers.seq2seq import random_seq2seq
from torch.testing import assert_close

import modeling_minibert

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

BERT = "Model ForMaskedLM ForSequenceClassification ForTokenClassification ForQuestionAnswering ForMultipleChoice"
GPT = "Model ForCausalLM ForSequenceClassification ForMultipleChoice"
CASES = {
    **{f"MiniBert{head}": {} for head in BERT.split()},
    **{f"MiniGPT{head}": {} for head in GPT.split()},
    "MiniSeq2SeqForConditionalGeneration": {},
    "MiniBertForSequenceClassification, attention pooling": {"classifier_pooling": "attention"},
    "MiniBertForSequenceClassification, max pooling": {"classifier_pooling": "max"},
    "MiniGPTForCausalLM, rotary": {"position_embedding_type": "rotary"},
    "MiniGPTForCausalLM, aft_full": {"token_mixer": "aft_full"},
    "MiniGPTForCausalLM, aft_simple": {"token_mixer": "aft_simple"},
    "MiniGPTForCausalLM, linear": {"token_mixer": "linear"},
    "MiniBertModel, sinusoidal": {"position_embedding_type": "sinusoidal"},
    "MiniGPTForCausalLM, no positions": {"position_embedding_type": "none"},
    "MiniSeq2SeqForConditionalGeneration, relative": {"position_embedding_type": "relative"},
}


class Positional(torch.nn.Module):
    """A model that takes its inputs in order and gives its first output: tracing knows no keywords."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        more = {} if "MiniBert" in type(self.model).__name__ else {"use_cache": False}
        return self.model(**dict(zip(self.names, inputs, strict=True)), return_dict=False, **more)[0]


def make_inputs(name, rows, length, side):
    """Texts of unequal lengths, padded on one side."""
    mask = (torch.arange(length) < length - torch.arange(rows)[:, None] % 3).long()
    mask = mask.flip(1) if side == "left" else mask
    inputs = {"input_ids": torch.randint(5, 83, (rows, length)), "attention_mask": mask}
    if "MultipleChoice" in name:
        inputs = {key: torch.stack([value, value.flip(0)], dim=1) for key, value in inputs.items()}
    if "Seq2Seq" in name:
        inputs["decoder_input_ids"] = torch.randint(5, 83, (rows, length - 2))
    return inputs


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning", "ignore::UserWarning")
def test_an_exported_model_reads_other_batches_and_lengths(name, implementation):
    torch.manual_seed(1)
    model_class = getattr(modeling_minibert, name.partition(",")[0])
    make = {"MiniB": random_model, "MiniG": random_gpt, "MiniS": random_seq2seq}[name[:5]]
    model = make(model_class, max_position_embeddings=50, **CASES[name]).float().eval()
    model.set_attn_implementation(implementation)
    side = "left" if "CausalLM" in name else "right"
    inputs = make_inputs(name, 2, 5, side)
    axes = {key: {0: "rows", value.dim() - 1: key} for key, value in inputs.items()}
    axes["attention_mask"] = axes["input_ids"]
    wrapped, file = Positional(model, list(inputs)).eval(), io.BytesIO()
    torch.onnx.export(
        wrapped,
        tuple(inputs.values()),
        file,
        input_names=list(inputs),
        dynamic_axes=axes,
        dynamo=False,
        opset_version=17,
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for rows, length in ((2, 5), (3, 9), (1, 4), (4, 17), (2, 37)):
        inputs = make_inputs(name, rows, length, side)
        actual = torch.from_numpy(session.run(None, {key: value.numpy() for key, value in inputs.items()})[0])
        with torch.no_grad():
            expected = wrapped(*inputs.values())
        if actual.dim() == 3 and actual.shape[:2] == inputs["attention_mask"].shape:  # the vectors of pads mean nothing
            actual, expected = (values[inputs["attention_mask"].bool()] for values in (actual, expected))
        assert_close(actual, expected, rtol=0, atol=1e-4)  # float32 in two libraries, logits up to some 20

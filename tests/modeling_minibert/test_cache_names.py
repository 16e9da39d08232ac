"""A cache is given as `past_key_values`, or as `cache`, its name since transformers 5.24."""

import pytest
import torch
from transformers import GenerationMixin

from modeling_minibert import MiniGPTConfig, MiniGPTForCausalLM, MiniSeq2SeqConfig, MiniSeq2SeqForConditionalGeneration
from modeling_minibert.transformers_internals import CACHE_NAME

SIZES = {"vocab_size": 99, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 37}


def gpt():
    return MiniGPTForCausalLM(MiniGPTConfig(**SIZES, num_hidden_layers=2)).eval()


def seq2seq():
    return MiniSeq2SeqForConditionalGeneration(
        MiniSeq2SeqConfig(**SIZES, num_encoder_layers=2, num_decoder_layers=2)
    ).eval()


@pytest.mark.parametrize("build", [gpt, seq2seq])
@pytest.mark.parametrize("name", ["past_key_values", "cache"])
def test_a_cache_counts_under_either_name(build, name):
    model, ids = build(), torch.randint(3, 99, (2, 7))
    text, source = ("input_ids", {}) if build is gpt else ("decoder_input_ids", {"input_ids": ids})
    with torch.no_grad():
        whole = model(**source, **{text: ids}).logits[:, -1]
        cache = model(**source, **{text: ids[:, :6]}, use_cache=True)[CACHE_NAME]
        last = model(**source, **{text: ids[:, 6:]}, **{name: cache}, use_cache=True).logits[:, -1]
    torch.testing.assert_close(last, whole)


def test_generate_knows_the_cache_under_the_name_that_the_hooks_use(monkeypatch):
    seen = []
    update = GenerationMixin._update_model_kwargs_for_generation

    def record(self, outputs, model_kwargs, **kwargs):
        seen.append({"past_key_values", "cache"} & set(model_kwargs))
        return update(self, outputs, model_kwargs, **kwargs)

    monkeypatch.setattr(GenerationMixin, "_update_model_kwargs_for_generation", record)
    gpt().generate(torch.tensor([[5, 6, 7]]), max_new_tokens=3, do_sample=False)
    assert seen and all(names == {CACHE_NAME} for names in seen), "transformers renamed the cache of generate"

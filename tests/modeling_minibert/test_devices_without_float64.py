"""What computes in float64 leaves the device first: Apple's GPUs raise a TypeError for it.

No such device is at hand, so a subclass of tensors stands for it: results of device tensors are on the device, until
`cpu()` moves them.
"""

import pytest
import torch
from helpers.minibert import random_model
from helpers.minigpt import WORDS, random_gpt
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedTokenizerFast

from modeling_minibert.decoding import next_token, sampling, search
from modeling_minibert.evaluation.text_quality import token_log_probs
from modeling_minibert.explain.attribution import gradient_times_input, integrated_gradients
from modeling_minibert.explain.head_roles import attention_weights

TEXT = "hujan turun sejak pagi"
PROMPT = [3, 4, 5]


class OnApple(torch.Tensor):
    """A tensor on a device without float64."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.numpy:
            raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu()")
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if any(isinstance(leaf, cls) and leaf.dtype == torch.float64 for leaf in tree_leaves(result)):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return result


@pytest.fixture
def tokenizer():
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>")


def random_draws(function, model):
    torch.manual_seed(3)
    texts = sampling.sample(function(model), PROMPT, 4, temperature=0.7, top_k=9, top_p=0.9, num_samples=3)
    return [text.log_prob for text in texts]


def numbers(result):
    return result[1] if isinstance(result, tuple) else getattr(result, "scores", result)


CAUSAL = {
    "next_log_probs": lambda model, _: next_token.causal_lm(model)(torch.tensor([PROMPT])),
    "greedy": lambda model, _: search.greedy_search(next_token.causal_lm(model), PROMPT, 4).log_prob,
    "sample": lambda model, _: random_draws(next_token.causal_lm, model),
    "temperature": lambda model, _: sampling.apply_temperature(model(torch.tensor([PROMPT])).logits, 1e-300),
    "token_log_probs": lambda model, _: token_log_probs(model, PROMPT, [6, 7]),
}
ANY = {
    "integrated_gradients": lambda model, words: integrated_gradients(model, words, TEXT, baseline="zero"),
    "gradient_times_input": lambda model, words: gradient_times_input(model, words, TEXT),
    "attention_weights": lambda model, words: attention_weights(model, words, TEXT),
}


@pytest.mark.parametrize(
    ("family", "name"), [*[("encoder", name) for name in ANY], *[("decoder", name) for name in CAUSAL | ANY]]
)
@pytest.mark.filterwarnings("ignore:integrated gradients sum to")
def test_nothing_is_computed_in_float64_on_the_device(family, name, tokenizer):
    model = random_model() if family == "encoder" else random_gpt().float()
    run = (CAUSAL | ANY)[name]
    expected = run(model, tokenizer)
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: output.as_subclass(OnApple))
    actual = run(model, tokenizer)
    actual, expected = (torch.as_tensor(numbers(result)).detach().cpu() for result in (actual, expected))
    assert_close(actual, expected, rtol=1e-6, atol=1e-6)  # one computation, twice

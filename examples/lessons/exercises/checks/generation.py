"""Check exercise 4 against `generate` and the logits warpers of transformers."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, TemperatureLogitsWarper, TopKLogitsWarper

from .common import WrongAnswerError, compare_with

VOCABULARY, NEW = 50, 12


def _gpt2():
    """Build a GPT-2 with random weights that are large enough to avoid repeating one token."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2, n_positions=32,
                        bos_token_id=None, eos_token_id=None)  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model, torch.tensor([[7, 3, 11, 5]])


def _greedy(model, prompt, eos_token_id=None):
    return model.generate(prompt, max_new_tokens=NEW, do_sample=False, eos_token_id=eos_token_id, pad_token_id=0)


def check_greedy_search(student):
    """Greedy search gives the tokens of model.generate"""
    model, prompt = _gpt2()
    right = _greedy(model, prompt)[0].tolist()
    found = student.generate(model, prompt, NEW)
    if not torch.is_tensor(found) or found.dim() != 2:
        raise WrongAnswerError("generate should return a tensor (1, L + new)")
    found = found[0].tolist()
    if found == right[prompt.shape[1] :]:
        raise WrongAnswerError("generate: return the prompt too: torch.cat([input_ids, new], dim=1)")
    first = int(model(prompt).logits[0, 0].argmax())
    if len(found) > 4 and found[4] == first != right[4]:
        raise WrongAnswerError(
            "generate: the next token is scored at the last position, logits[:, -1]; this is the first"
        )
    if found[4:] == [right[4]] * NEW:
        raise WrongAnswerError(
            "generate: always the same token; the model has to read the text with the new token added"
        )
    if found != right:
        raise WrongAnswerError(
            f"generate: gives {found}, model.generate {right}; greedy search takes the argmax of logits[:, -1]"
        )


def check_end_of_text(student):
    """It stops after the token that ends the text"""
    model, prompt = _gpt2()
    end = int(_greedy(model, prompt)[0, 7])
    right = _greedy(model, prompt, eos_token_id=end)[0].tolist()
    found = student.generate(model, prompt, NEW, eos_token_id=end)[0].tolist()
    if found == right[:-1]:
        raise WrongAnswerError("generate: the token that ends the text is left out; add it, then stop")
    if len(found) > len(right):
        raise WrongAnswerError(
            f"generate: continues after the end token: {len(found)} tokens, and should be {len(right)}"
        )
    if found != right:
        raise WrongAnswerError(f"generate: gives {found} with eos_token_id={end}, model.generate {right}")


def check_temperature(student):
    """The temperature divides the logits"""
    logits = 2 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1))
    right = TemperatureLogitsWarper(0.5)(None, logits).softmax(-1)
    compare_with("probabilities at temperature 0.5", student.next_token_probabilities(logits, 0.5), right, {
        "the logits are multiplied by the temperature; divide them": (logits * 0.5).softmax(-1).numpy(),
        "the temperature is not used": logits.softmax(-1).numpy(),
        "the temperature divides the probabilities; it has to divide the logits": (logits.softmax(-1) / 0.5).numpy(),
        "these are logits; the softmax is missing": (logits / 0.5).numpy(),
    })  # fmt: skip


def check_top_k(student):
    """Only the k likeliest tokens keep a probability, and they sum to 1"""
    logits = 2 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(2))
    right = TopKLogitsWarper(7)(None, logits[None])[0].softmax(-1)
    kept, all_of_them = right > 0, logits.softmax(-1)
    lowest = logits.masked_fill(logits > logits.sort().values[6], -torch.inf).softmax(-1)
    compare_with("probabilities with top_k=7", student.next_token_probabilities(logits, top_k=7), right, {
        "the others are set to 0 after the softmax, so that the sum is below 1; set their logits to -inf before it":
            (all_of_them * kept).numpy(),
        "the logits of the others are set to 0, which still is exp(0); set them to -inf":
            logits.masked_fill(~kept, 0.0).softmax(-1).numpy(),
        "the k least likely tokens are kept": lowest.numpy(),
        "top_k is not used": all_of_them.numpy(),
    })  # fmt: skip

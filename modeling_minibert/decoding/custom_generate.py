"""Contrastive and diverse beam search for `model.generate`, for any causal language model of transformers.

    model.generate(**inputs, custom_generate=contrastive_search, penalty_alpha=0.6, top_k=4)
    model.generate(**inputs, custom_generate=diverse_beam_search, num_beams=6, num_beam_groups=3, diversity_penalty=1.0)

transformers 5 moved both to code that `generate` downloads; these work offline. They support batches, left padding,
caches, logits processors (like `no_repeat_ngram_size`) and all other arguments of `generate` except a streamer.
search.py has versions that are easier to read; the beams here are its `Beams`, and tests compare both.

`generate` calls the function with the model, the prompts (B, L), each repeated num_beams times, the objects it prepared
from its arguments, and the keyword arguments that the function declares.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import EosTokenCriteria, MaxLengthCriteria
from transformers.generation import GenerateBeamDecoderOnlyOutput, GenerateDecoderOnlyOutput

from ..transformers_internals import CACHE_NAME, end_token_ids, next_step_arguments, pad_token_id
from .search import Beams, Hypothesis, advance_groups


class Rows:
    """Texts that are extended together: ids (N, L), and in `model_kwargs` the cache, attention mask and positions."""

    def __init__(self, model, input_ids: Tensor, model_kwargs: dict):
        if model.config.is_encoder_decoder:
            raise ValueError(f"{type(model).__name__} is an encoder-decoder; give a causal language model")
        if input_ids.shape[1] == 0:
            raise ValueError("the prompt is empty: give at least one token")
        self.model, self.ids, self.model_kwargs = model, input_ids, model_kwargs

    def forward(self, **options):
        """Run the model on the tokens that are not cached, and return its output for them."""
        cache = self.model_kwargs.get(CACHE_NAME)
        read = 0 if cache is None else cache.get_seq_length()
        inputs = self.model.prepare_inputs_for_generation(
            self.ids, next_sequence_length=self.ids.shape[1] - read, **self.model_kwargs
        )
        outputs = self.model(**inputs, return_dict=True, **options)
        self.model_kwargs = next_step_arguments(self.model, outputs, self.model_kwargs)
        return outputs

    def select(self, rows: Tensor) -> None:
        """Replace the texts by these rows (indices), which may repeat or omit some."""
        self.ids = self.ids[rows]
        for name, value in self.model_kwargs.items():
            if isinstance(value, Tensor):
                self.model_kwargs[name] = value[rows]
        cache = self.model_kwargs.get(CACHE_NAME)
        if cache is not None:
            cache.reorder_cache(rows)

    def append(self, tokens: Tensor) -> None:
        """Add a token (N,) to each row."""
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)


@torch.no_grad()
def contrastive_search(
    model, input_ids, logits_processor, stopping_criteria, generation_config, *, penalty_alpha, top_k, **model_kwargs
):
    """Choose among the `top_k` likeliest tokens by probability and dissimilarity to the text (Su et al. 2022).

    Each step runs the model once, over `top_k` candidates of each text. This gives the hidden states to choose by, and
    the logits of the chosen candidate for the next step.

    Args:
        penalty_alpha: weight of the dissimilarity, from 0 to 1.
        top_k: number of candidates, at least 1.
    """
    if not 0 <= penalty_alpha <= 1 or top_k < 1:
        raise ValueError(f"penalty_alpha ({penalty_alpha}) must be from 0 to 1, top_k ({top_k}) at least 1")
    rows = Rows(model, input_ids, model_kwargs)
    mask = model_kwargs.get("attention_mask")
    is_pad = torch.zeros_like(input_ids, dtype=torch.bool) if mask is None else mask == 0
    texts = torch.arange(len(input_ids), device=input_ids.device)
    unfinished = torch.ones_like(texts, dtype=torch.bool)
    outputs = rows.forward(output_hidden_states=True)
    logits, states = outputs.logits[:, -1].float(), unit_states(outputs)  # (B, V), (B, L, E)
    while unfinished.any():
        likeliest = logits_processor(rows.ids, logits).softmax(dim=-1).topk(min(top_k, logits.shape[-1]))
        candidates = likeliest.indices.shape[1]
        rows.select(texts.repeat_interleave(candidates))
        rows.append(likeliest.indices.flatten())
        outputs = rows.forward(output_hidden_states=True)
        new = unit_states(outputs)[:, -1].unflatten(0, (len(texts), -1))  # (B, K, E)
        similarity = (new @ states.transpose(1, 2)).masked_fill(is_pad[:, None], -torch.inf).amax(dim=-1)
        choice = ((1 - penalty_alpha) * likeliest.values - penalty_alpha * similarity).argmax(dim=-1)  # (B,)
        rows.select(texts * candidates + choice)
        logits = outputs.logits[:, -1].float()[texts * candidates + choice]
        states = torch.cat([states, new[texts, choice, None]], dim=1)
        is_pad = F.pad(is_pad, (0, 1))
        if not unfinished.all():
            rows.ids[~unfinished, -1] = pad_token_id(generation_config)
        unfinished &= ~stopping_criteria(rows.ids, None)
    return GenerateDecoderOnlyOutput(sequences=rows.ids) if generation_config.return_dict_in_generate else rows.ids


def unit_states(outputs) -> Tensor:
    """Normalise the hidden states (B, L, E) of the last layer, so that dot products are cosines."""
    return F.normalize(outputs.hidden_states[-1].float(), dim=-1)


@torch.no_grad()
def diverse_beam_search(
    model, input_ids, logits_processor, stopping_criteria, generation_config, *, num_beam_groups, diversity_penalty,
    **model_kwargs,
):  # fmt: skip
    """Beam search in groups that avoid each other's tokens (Vijayakumar et al. 2016); see search.py.

    The texts of all groups are returned together, best first.

    Args:
        num_beam_groups: a divisor of `num_beams`.
        diversity_penalty: lowers the score of a token for each beam of an earlier group that took it; 0 or more.
    """
    config = generation_config
    check_groups(config, num_beam_groups, diversity_penalty, stopping_criteria)
    eos = end_token_ids(config)
    new_tokens, width = config.max_length - input_ids.shape[1], config.num_beams // num_beam_groups
    options = (new_tokens, width, eos, config.length_penalty, config.early_stopping)
    prompts = input_ids[:: config.num_beams].tolist()
    searches = [[Beams(prompt, *options) for _ in range(num_beam_groups)] for prompt in prompts]
    rows = Rows(model, input_ids, model_kwargs)
    # Every group starts with one row.
    parents = [config.num_beams * prompt for prompt in range(len(prompts)) for _ in range(num_beam_groups)]
    while parents:
        rows.select(torch.tensor(parents, device=input_ids.device))
        active = [[group for group in groups if not group.done()] for groups in searches]
        rows.ids = torch.cat([group.prefixes() for groups in active for group in groups]).to(input_ids.device)
        log_probs = logits_processor(rows.ids, rows.forward().logits[:, -1].float().log_softmax(dim=-1))
        parents, start = [], 0
        for groups in filter(None, active):
            end = start + sum(len(group.running) for group in groups)
            parents += [start + row for row in advance_groups(groups, log_probs[start:end], diversity_penalty)]
            start = end
    return best_texts(searches, input_ids, config)


def check_groups(config, num_beam_groups: int, diversity_penalty: float, stopping_criteria) -> None:
    """Validate the arguments of diverse beam search."""
    if num_beam_groups < 1 or config.num_beams % num_beam_groups:
        raise ValueError(f"num_beams ({config.num_beams}) is not a multiple of num_beam_groups ({num_beam_groups})")
    if diversity_penalty < 0:
        raise ValueError(f"diversity_penalty ({diversity_penalty}) must be 0 or more")
    if config.num_return_sequences > config.num_beams:
        raise ValueError(
            f"num_return_sequences ({config.num_return_sequences}) is more than num_beams ({config.num_beams})"
        )
    unknown = [type(c).__name__ for c in stopping_criteria if not isinstance(c, (EosTokenCriteria, MaxLengthCriteria))]
    if unknown:
        raise ValueError(f"diverse beam search stops at max_new_tokens and end tokens only, not by {unknown}")


def best_texts(searches: list[list[Beams]], input_ids: Tensor, config):
    """Return the `num_return_sequences` best texts of every prompt, padded on the right, in `generate`'s format."""
    best: list[Hypothesis] = []
    for number, groups in enumerate(searches):
        texts = sorted((text for group in groups for text in group.finished), key=lambda text: -text.score)
        if len(texts) < config.num_return_sequences:
            raise ValueError(
                f"prompt {number} has {len(texts)} possible continuations, fewer than num_return_sequences "
                f"({config.num_return_sequences}); ask for fewer"
            )
        best += texts[: config.num_return_sequences]
    longest = max(len(text.ids) for text in best)
    pad = pad_token_id(config) or 0  # None: all end together
    sequences = input_ids.new_tensor([[*text.ids, *[pad] * (longest - len(text.ids))] for text in best])
    if not config.return_dict_in_generate:
        return sequences
    scores = torch.tensor([text.score for text in best], device=input_ids.device)
    return GenerateBeamDecoderOnlyOutput(sequences=sequences, sequences_scores=scores)  # type: ignore[arg-type]

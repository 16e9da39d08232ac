"""Which words made the model say that? Attribution of an output to the tokens of a text.

    attention_rollout       through which tokens the attention of all layers reaches back to the input
    gradient_times_input    the slope of an output at each token vector, times that vector: quick, and local
    integrated_gradients    the same slope, averaged on the way from a baseline text that says nothing: the scores of
                            the tokens sum to output(text) - output(baseline), which is checked

The output is a class logit, the logit of a token at [MASK] or of the next token, or any number that a function takes
from the model's output. `to_terminal` and `to_html` colour the words. All this says how the model came to its output,
not whether that is right.

Read `integrate` (the formula) first. Letters: L tokens, E hidden size, N points on the way, V vocabulary.

Sources: attention rollout, Abnar and Zuidema 2020 (arXiv 2005.00928), section 3; integrated gradients, Sundararajan et
al. 2017 (arXiv 1703.01365), sections 3 and 5; gradient × input, Shrikumar et al. 2017 (arXiv 1704.02685), section 2.
"""

import html
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASELINES = ("pad", "mask", "zero")
TOLERANCE = 0.01  # how far the sum of integrated gradients may be from the difference it should be, as a share of it
STEPS = (16, 32, 64, 128, 256, 512)  # points on the way from the baseline, until the sum is right
TOKENS_AT_ONCE = 1024  # that many token vectors go through the model together; bounds the memory

Score = Callable[[Tensor], Tensor]  # word vectors (N, L, E) → one number each (N,)


def attention_rollout(attentions: Sequence, residual: float = 0.5) -> np.ndarray:
    """Follow attention through all layers down to the input tokens.

        rollout = Â_N · … · Â_2 · Â_1,    Â = (1 - residual) · mean over the heads + residual · identity

    The identity stands for the residual connection, by which a token keeps what it was. Values, feed-forward nets and
    norms are left out: a sketch of where information can come from, for one text.

    Args:
        attentions: one array (H, L, L) per layer, the first layer first; rows sum to 1.
        residual: the share that a token keeps of itself at each layer, from 0 to 1; a half in the paper.

    Returns:
        (L, L): row i says how much of token i at the top comes from each input token; rows sum to 1.
    """
    if not 0.0 <= residual <= 1.0:
        raise ValueError(f"residual ({residual}) is a share: give a number from 0 to 1; the paper takes 0.5")
    mixed = [np.asarray(layer, dtype=float).mean(axis=0) for layer in attentions]
    rollout = np.eye(len(mixed[0]))
    for weights in mixed:
        rollout = ((1.0 - residual) * weights + residual * np.eye(len(weights))) @ rollout
    return rollout


def gradients(score: Score, vectors: Tensor) -> Tensor:
    """The gradient of `score` at each of N inputs (N, L, E) with respect to it, in parts that fit into memory."""
    rows = max(1, TOKENS_AT_ONCE // vectors.shape[1])
    parts = []
    for part in vectors.split(rows):
        part = part.detach().requires_grad_()
        with torch.enable_grad():
            parts.append(torch.autograd.grad(score(part).sum(), part)[0])
    return torch.cat(parts)


def integrate(score: Score, vectors: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """Integrated gradients of one input, on the straight line from its baseline.

        scores = (vectors - baseline) · ∫₀¹ ∇score(baseline + t · (vectors - baseline)) dt        eq. 1 of the paper

    The integral is a Gauss-Legendre sum of `steps` points, which is exact for polynomials up to degree 2 · steps - 1.

    Args:
        score: the function that is explained.
        vectors, baseline: (L, E).

    Returns:
        (L, E), float64.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(steps)  # for the interval from -1 to 1, twice as long
    times = torch.tensor((nodes + 1) / 2, dtype=vectors.dtype, device=vectors.device)
    line = baseline + times[:, None, None] * (vectors - baseline)  # (N, L, E)
    slopes = gradients(score, line).double()
    mean_slope = (torch.tensor(node_weights / 2, device=vectors.device)[:, None, None] * slopes).sum(dim=0)
    return (vectors - baseline).double() * mean_slope


@dataclass
class Attribution:
    """What each token contributes to an output.

    `tokens` and `scores` (L,); `words`, the text in words, with `word_of_token` (L,), the index of the word that each
    token is a piece of; `target`, what was explained, with its value `output`. Of integrated gradients alone:
    `baseline_output`, the value for the baseline, and `steps`, the points on the way.
    """

    tokens: list[str]
    scores: np.ndarray
    words: list[str]
    word_of_token: list[int]
    target: str
    output: float
    baseline_output: float | None = None
    steps: int | None = None

    @property
    def word_scores(self) -> np.ndarray:
        """The sum over the pieces of each word."""
        return np.bincount(self.word_of_token, weights=self.scores, minlength=len(self.words))

    @property
    def gap(self) -> float:
        """How far the sum of integrated gradients is from output - baseline_output, as a share of it; of them alone."""
        difference = self.output - self.baseline_output
        missing = abs(self.scores.sum() - difference)
        return float(missing / abs(difference)) if missing else 0.0


def gradient_times_input(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    target: str | int | Callable | None = None,
) -> Attribution:
    """The gradient of an output at each word vector, times that vector. Arguments as in `integrated_gradients`.

    Equal to integrated gradients with the baseline "zero" where the model is linear; elsewhere the scores sum to
    nothing in particular.
    """
    inputs, words = _encode(model, tokenizer, text)
    vectors = model.get_input_embeddings()(inputs["input_ids"])[0].detach()
    score, name = _output(model, tokenizer, inputs, target)
    scores = (vectors * gradients(score, vectors[None])[0]).double().sum(dim=-1)
    return Attribution(**words, scores=scores.cpu().numpy(), target=name, output=_value(score, vectors))


def integrated_gradients(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    target: str | int | Callable | None = None,
    baseline: str = "pad",
) -> Attribution:
    """Share an output among the tokens of a text: integrated gradients with respect to the word vectors.

    In the baseline every word becomes [PAD], [MASK] or a vector of zeros; special tokens and all positions stay, so
    that the words alone account for the difference. The number of steps is doubled until the scores sum to that
    difference within 1 %; if they do not after 512 steps, a warning says by how much they miss.

    Args:
        model: in eval mode, with a classifier, a masked or causal language model's head (ours or stock); any model
            that takes `inputs_embeds` where `target` is a function.
        text: one text; for a masked language model with one mask token, which is what is explained.
        target: the class, by id or by name, or the token; what the model gives the highest logit where not given. Or a
            function from the model's output for N texts to one number each, (N,).
        baseline: "pad", "mask" or "zero".

    Raises:
        ValueError: a text without tokens, a baseline, class or token that there is not, a model in training mode, or
            whose output has no logits to choose from.
    """
    inputs, words = _encode(model, tokenizer, text)
    vectors = model.get_input_embeddings()(inputs["input_ids"])[0].detach()
    start = _baseline_vectors(model.get_input_embeddings(), tokenizer, inputs["input_ids"][0], baseline)
    score, name = _output(model, tokenizer, inputs, target)
    output, baseline_output = _value(score, vectors), _value(score, start)
    for steps in STEPS:
        scores = integrate(score, vectors, start, steps).sum(dim=-1).cpu().numpy()
        result = Attribution(**words, scores=scores, target=name, output=output,
                             baseline_output=baseline_output, steps=steps)  # fmt: skip
        if result.gap <= TOLERANCE:
            return result
    warnings.warn(
        f"integrated gradients sum to {scores.sum():.4g}, but the output differs by {output - baseline_output:.4g} "
        f"from that of the {baseline} baseline: a gap of {result.gap:.1%} after {steps} steps; try another one",
        stacklevel=2,
    )
    return result


def _encode(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[dict, dict]:
    """The inputs of the model; and tokens, words and which word each token is a piece of."""
    if model.training:
        raise ValueError("the model is in training mode, where dropout makes every output another; call model.eval()")
    inputs = tokenizer(text, return_tensors="pt")
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    if not tokens:
        raise ValueError(f"the text {text!r} has no tokens; give a text with at least one word")
    pieces = inputs.word_ids() if inputs.is_fast else [None] * len(tokens)
    words, word_of_token = [], []
    for index, (token, word) in enumerate(zip(tokens, pieces, strict=True)):
        if word is None or index == 0 or word != pieces[index - 1]:
            span = inputs.word_to_chars(word) if word is not None else None
            words.append(text[span.start : span.end].strip() if span else token)
        word_of_token.append(len(words) - 1)
    return inputs.to(model.device), {"tokens": tokens, "words": words, "word_of_token": word_of_token}


def _baseline_vectors(
    embed: torch.nn.Embedding, tokenizer: PreTrainedTokenizerBase, ids: Tensor, baseline: str
) -> Tensor:
    """The word vectors (L, E) of a text that says nothing: special tokens as they are, every word replaced."""
    if baseline not in BASELINES:
        raise ValueError(f"baseline {baseline!r} is not one of {', '.join(BASELINES)}")
    blank = torch.zeros_like(embed.weight[0])
    if baseline != "zero":
        token_id = tokenizer.pad_token_id if baseline == "pad" else tokenizer.mask_token_id
        if token_id is None:
            raise ValueError(f"the tokenizer has no {baseline} token for the baseline {baseline!r}; take 'zero'")
        blank = embed.weight[token_id].detach()
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # an unknown word is a word
    kept = torch.tensor([token in special for token in ids.tolist()], device=ids.device)
    return torch.where(kept[:, None], embed(ids).detach(), blank)


def _value(score: Score, vectors: Tensor) -> float:
    with torch.no_grad():
        return float(score(vectors[None])[0])


def _output(model, tokenizer, inputs: dict, target) -> tuple[Score, str]:
    """The number that is explained, as a function of word vectors, and its name."""
    fixed = {name: value for name, value in inputs.items() if name != "input_ids"}

    def run(vectors: Tensor):
        return model(inputs_embeds=vectors, **{name: value.expand(len(vectors), -1) for name, value in fixed.items()})

    if callable(target):
        return lambda vectors: target(run(vectors)), getattr(target, "__name__", "a function")
    with torch.no_grad():
        logits = model(**inputs).get("logits")
    if logits is None:
        raise ValueError(
            f"{type(model).__name__} gives no logits to choose from; give a function of its output as target"
        )
    if logits.dim() == 2:
        chosen = _class_id(model, target) if target is not None else int(logits[0].argmax())
        return lambda vectors: run(vectors).logits[:, chosen], model.config.id2label[chosen]
    place = _place(model, tokenizer, inputs["input_ids"][0].tolist())
    chosen = _token_id(tokenizer, target, logits.shape[-1]) if target is not None else int(logits[0, place].argmax())
    return lambda vectors: run(vectors).logits[:, place, chosen], tokenizer.convert_ids_to_tokens(chosen)


def _class_id(model: PreTrainedModel, target: str | int) -> int:
    names = model.config.id2label
    found = [index for index, name in names.items() if target in (index, name)]
    if not found:
        raise ValueError(f"there is no class {target!r}; the model knows {', '.join(map(repr, names.values()))}")
    return found[0]


def _token_id(tokenizer: PreTrainedTokenizerBase, target: str | int, vocab_size: int) -> int:
    ids = [target] if isinstance(target, int) else tokenizer(target, add_special_tokens=False)["input_ids"]
    if isinstance(target, str) and target in tokenizer.get_vocab():
        ids = [tokenizer.convert_tokens_to_ids(target)]
    if len(ids) != 1 or not 0 <= ids[0] < vocab_size:
        raise ValueError(
            f"{target!r} is {len(ids)} tokens ({ids}); the target must be one, with an id from 0 to {vocab_size - 1}"
        )
    return ids[0]


def _place(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> int:
    """Where the explained token is predicted: at the mask token, or after the last token of a causal model."""
    if model.can_generate():
        return len(ids) - 1
    masks = ids.count(tokenizer.mask_token_id)
    if masks != 1:
        raise ValueError(
            f"the text has {masks} mask tokens; write {tokenizer.mask_token} once, for the token that is to be "
            "explained, or give a function of the model's output as target"
        )
    return ids.index(tokenizer.mask_token_id)


def to_terminal(attribution: Attribution) -> str:
    """The words, green behind those that raise the output, red behind those that lower it; the darker the more."""
    pieces = []
    for word, strength in zip(attribution.words, _strengths(attribution), strict=True):
        pale = round(255 * (1 - abs(strength)))  # white at 0
        color = f"{pale};255;{pale}" if strength >= 0 else f"255;{pale};{pale}"
        pieces.append(f"\033[48;2;{color}m\033[30m{word}\033[0m")
    return " ".join(pieces)


def to_html(attribution: Attribution) -> str:
    """The same as a piece of HTML; the score of a word shows when the mouse rests on it."""
    pieces = []
    rows = zip(attribution.words, attribution.word_scores, _strengths(attribution), strict=True)
    for word, value, strength in rows:
        color = "0,160,0" if strength >= 0 else "220,0,0"
        style = f"background:rgba({color},{abs(strength):.2f});padding:2px"
        pieces.append(f'<span style="{style}" title="{value:+.3f}">{html.escape(word)}</span>')
    return f"<p>{html.escape(attribution.target)}: {' '.join(pieces)}</p>"


def _strengths(attribution: Attribution) -> np.ndarray:
    """The scores of the words as parts of the largest, -1 to 1."""
    scores = attribution.word_scores
    return scores / (np.abs(scores).max() or 1.0)

"""Attribute a model's output to the tokens of a text.

    attention_rollout       the attention of all layers, multiplied down to the input tokens
    gradient_times_input    the gradient of the output at each word vector, times that vector: fast, and local
    integrated_gradients    the same gradient, averaged from a baseline to the text: the scores sum to
                            output(text) - output(baseline), which is checked

The output is a class logit, the logit of a token at [MASK] or of the next token, or the value of a function of the
model's output. `to_terminal` and `to_html` colour the words. Attribution explains an output, right or wrong.

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
TOLERANCE = 0.01  # largest accepted `Attribution.gap`
STEPS = (16, 32, 64, 128, 256, 512)  # points of the integral, tried until the gap is small enough
TOKENS_AT_ONCE = 1024  # token vectors per forward pass; bounds the memory

Score = Callable[[Tensor], Tensor]  # word vectors of N texts (N, L, E) → the explained output of each (N,)


def attention_rollout(attentions: Sequence, residual: float = 0.5) -> np.ndarray:
    """Multiply the attention of all layers down to the input tokens.

        rollout = Â_N · … · Â_2 · Â_1,    Â = (1 - residual) · mean over the heads + residual · identity

    The identity stands for the residual connection. Values, feed-forward layers and norms are ignored, so the result
    approximates where information can come from.

    Args:
        attentions: one array (H, L, L) per layer, the first layer first; rows sum to 1.
        residual: the share of the residual connection in each layer, from 0 to 1; 0.5 in the paper.

    Returns:
        (L, L): row i has the share of each input token in the last layer's token i; rows sum to 1.
    """
    if not 0.0 <= residual <= 1.0:
        raise ValueError(f"residual ({residual}) is a share: give a number from 0 to 1, for example 0.5")
    mixed = [np.asarray(layer, dtype=float).mean(axis=0) for layer in attentions]
    rollout = np.eye(len(mixed[0]))
    for weights in mixed:
        rollout = ((1.0 - residual) * weights + residual * np.eye(len(weights))) @ rollout
    return rollout


def gradients(score: Score, vectors: Tensor) -> Tensor:
    """Compute the gradient of `score` at N inputs (N, L, E), in chunks that fit into memory."""
    rows = max(1, TOKENS_AT_ONCE // vectors.shape[1])
    parts = []
    for part in vectors.split(rows):
        part = part.detach().requires_grad_()
        with torch.enable_grad():
            parts.append(torch.autograd.grad(score(part).sum(), part)[0])
    return torch.cat(parts)


def integrate(score: Score, vectors: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """Compute integrated gradients on the straight line from the baseline to the input.

        scores = (vectors - baseline) · ∫₀¹ ∇score(baseline + t · (vectors - baseline)) dt        eq. 1 of the paper

    The integral is a Gauss-Legendre sum of `steps` points, exact for polynomials up to degree 2 · steps - 1.

    Args:
        score: the explained output, as a function of word vectors.
        vectors, baseline: (L, E).

    Returns:
        (L, E), float64, on the CPU.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(steps)  # on the interval from -1 to 1
    times = torch.tensor((nodes + 1) / 2, dtype=vectors.dtype).to(vectors.device)
    line = baseline + times[:, None, None] * (vectors - baseline)  # (N, L, E)
    slopes = gradients(score, line).cpu().double()  # on the CPU, as Apple's GPUs have no float64
    mean_slope = (torch.tensor(node_weights / 2)[:, None, None] * slopes).sum(dim=0)
    return (vectors - baseline).cpu().double() * mean_slope


@dataclass
class Attribution:
    """The contribution of each token to an output."""

    tokens: list[str]  # (L,)
    scores: np.ndarray  # (L,)
    words: list[str]  # the text in words
    word_of_token: list[int]  # (L,), index of the word to which each token belongs
    target: str  # name of the explained output
    output: float  # its value
    baseline_output: float | None = None  # integrated gradients: its value for the baseline
    steps: int | None = None  # integrated gradients: points of the integral
    baseline: str | None = None  # integrated gradients: what the words are replaced by there

    @property
    def word_scores(self) -> np.ndarray:
        """The sum of the token scores of each word."""
        return np.bincount(self.word_of_token, weights=self.scores, minlength=len(self.words))

    @property
    def gap(self) -> float:
        """Relative error of the sum of integrated gradients, compared with output - baseline_output."""
        difference = self.output - self.baseline_output
        missing = abs(self.scores.sum() - difference)
        return float(missing / abs(difference)) if missing else 0.0


def gradient_times_input(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, target: str | int | Callable | None = None
) -> Attribution:
    """Multiply each word vector by the gradient of an output there. Arguments are those of `integrated_gradients`.

    For a linear model this equals integrated gradients with the baseline "zero". In general the sum of the scores has
    no meaning.
    """
    inputs, words = _encode(model, tokenizer, text)
    vectors = model.get_input_embeddings()(inputs["input_ids"])[0].detach()
    score, name = _explained_output(model, tokenizer, inputs, target)
    scores = (vectors * gradients(score, vectors[None])[0]).cpu().double().sum(dim=-1)
    return Attribution(**words, scores=scores.numpy(), target=name, output=_evaluate(score, vectors))


def integrated_gradients(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    target: str | int | Callable | None = None,
    baseline: str | None = None,
) -> Attribution:
    """Attribute an output to the tokens of a text by integrated gradients with respect to the word vectors.

    The baseline replaces every word by [PAD], [MASK] or zeros, and keeps special tokens and positions. The number of
    steps is doubled until the scores sum to output(text) - output(baseline) within 1 %. After 512 steps a warning
    reports the remaining gap.

    Args:
        model: in eval mode, with a classifier or a masked or causal language-model head (ours or stock); any model that
            takes `inputs_embeds` if `target` is a function.
        text: one text; for a masked language model with one mask token, whose prediction is explained.
        target: a class (id or name) or a token, by default the one with the highest logit; or a function from the
            model's output for N texts to one number each, (N,).
        baseline: "pad", "mask" or "zero"; None: "pad", but "mask" where no position is added to the word vectors (the
            vector of [PAD] is zero, where the norm of the embeddings jumps).

    Raises:
        ValueError: the text has no tokens, the baseline, class or token is unknown, the model is in training mode, or
            its output has no logits.
    """
    inputs, words = _encode(model, tokenizer, text)
    if baseline is None:
        bare = getattr(model.config, "position_embedding_type", "learned") in ("rotary", "none")
        baseline = "mask" if bare and tokenizer.mask_token_id is not None else "pad"
    vectors = model.get_input_embeddings()(inputs["input_ids"])[0].detach()
    start = _baseline_vectors(model.get_input_embeddings(), tokenizer, inputs["input_ids"][0], baseline)
    score, name = _explained_output(model, tokenizer, inputs, target)
    output, baseline_output = _evaluate(score, vectors), _evaluate(score, start)
    for steps in STEPS:
        scores = integrate(score, vectors, start, steps).sum(dim=-1).numpy()
        result = Attribution(**words, scores=scores, target=name, output=output,
                             baseline_output=baseline_output, steps=steps, baseline=baseline)  # fmt: skip
        if result.gap <= TOLERANCE:
            return result
    warnings.warn(
        f"integrated gradients sum to {scores.sum():.4g}, but the output differs by {output - baseline_output:.4g} "
        f"from that of the {baseline} baseline: a gap of {result.gap:.1%} after {steps} steps; try another baseline",
        stacklevel=2,
    )
    return result


def _encode(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[dict, dict]:
    """Make the inputs of the model, and the fields tokens, words and word_of_token of an `Attribution`."""
    if model.training:
        raise ValueError("the model is in training mode, where dropout changes every output; call model.eval()")
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
    """Word vectors (L, E) of the baseline: special tokens are kept, every word is replaced."""
    if baseline not in BASELINES:
        raise ValueError(f"baseline {baseline!r} is not one of {', '.join(BASELINES)}")
    blank = torch.zeros_like(embed.weight[0])
    if baseline != "zero":
        token_id = tokenizer.pad_token_id if baseline == "pad" else tokenizer.mask_token_id
        if token_id is None:
            raise ValueError(f"the tokenizer has no {baseline} token for the baseline {baseline!r}; take 'zero'")
        blank = embed.weight[token_id].detach()
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # unknown words are replaced
    kept = torch.tensor([token in special for token in ids.tolist()], device=ids.device)
    return torch.where(kept[:, None], embed(ids).detach(), blank)


def _evaluate(score: Score, vectors: Tensor) -> float:
    with torch.no_grad():
        return float(score(vectors[None])[0])


def _explained_output(model, tokenizer, inputs: dict, target) -> tuple[Score, str]:
    """Return the explained output as a function of word vectors, and its name."""
    fixed = {name: value for name, value in inputs.items() if name != "input_ids"}

    def run(vectors: Tensor):
        return model(inputs_embeds=vectors, **{name: value.expand(len(vectors), -1) for name, value in fixed.items()})

    if callable(target):
        return lambda vectors: target(run(vectors)), getattr(target, "__name__", "a function")
    with torch.no_grad():
        logits = model(**inputs).get("logits")
    if logits is None:
        raise ValueError(f"{type(model).__name__} gives no logits to explain; give a function of its output as target")
    if logits.dim() == 2:
        chosen = _class_id(model, target) if target is not None else int(logits[0].argmax())
        return lambda vectors: run(vectors).logits[:, chosen], model.config.id2label[chosen]
    place = _predicted_position(model, tokenizer, inputs["input_ids"][0].tolist())
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


def _predicted_position(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> int:
    """Index of the explained prediction: the mask token, or the last token of a causal model."""
    if model.can_generate():
        return len(ids) - 1
    masks = ids.count(tokenizer.mask_token_id)
    if masks != 1:
        raise ValueError(
            f"the text has {masks} mask tokens; write {tokenizer.mask_token} once, for the token to explain, or give a "
            "function of the model's output as target"
        )
    return ids.index(tokenizer.mask_token_id)


def to_terminal(attribution: Attribution) -> str:
    """Format the words on a green (raises the output) or red (lowers it) background, darker for larger scores."""
    pieces = []
    for word, strength in zip(attribution.words, _relative_scores(attribution), strict=True):
        pale = round(255 * (1 - abs(strength)))  # white at 0
        color = f"{pale};255;{pale}" if strength >= 0 else f"255;{pale};{pale}"
        pieces.append(f"\033[48;2;{color}m\033[30m{word}\033[0m")
    return " ".join(pieces)


def to_html(attribution: Attribution) -> str:
    """Format the words as an HTML paragraph with the colours of `to_terminal`, and the scores as tooltips."""
    pieces = []
    rows = zip(attribution.words, attribution.word_scores, _relative_scores(attribution), strict=True)
    for word, value, strength in rows:
        color = "0,160,0" if strength >= 0 else "220,0,0"
        style = f"background:rgba({color},{abs(strength):.2f});padding:2px"
        pieces.append(f'<span style="{style}" title="{value:+.3f}">{html.escape(word)}</span>')
    return f"<p>{html.escape(attribution.target)}: {' '.join(pieces)}</p>"


def _relative_scores(attribution: Attribution) -> np.ndarray:
    """The word scores, divided by the largest absolute value."""
    scores = attribution.word_scores
    return scores / (np.abs(scores).max() or 1.0)

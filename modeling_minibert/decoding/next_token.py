"""Next-token functions, the interface between language models and the decoders of this package.

    next_log_probs(ids)      (N, L) token ids → (N, V) natural logarithms of the probabilities of the next token

`causal_lm` makes one from a causal language model of transformers, `TableLanguageModel` from a table of probabilities:
the lecture's "simulated GPT", small enough to check a decoder by hand. `no_repeated_ngrams` adds a rule to any of them.

N hypotheses are extended together, all prefixes have the length L, the vocabulary has V tokens.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

NextLogProbs = Callable[[Tensor], Tensor]


def causal_lm(model) -> NextLogProbs:
    """Make the next-token function of a causal language model of transformers.

    It reads each prefix from the start, without a cache. Log-probabilities are float64, on the CPU.
    """

    @torch.no_grad()
    def next_log_probs(ids: Tensor) -> Tensor:
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits[:, -1]
        return logits.cpu().log_softmax(-1, torch.float64)

    return next_log_probs


class TableLanguageModel:
    """A language model given by a table with one row of probabilities per context; it is a next-token function.

    Args:
        vocabulary: the V words.
        table: {context: V probabilities}; a context is a sequence of words, or a string if words are single letters.

    Raises:
        ValueError: a row does not fit the vocabulary, or, in a call, a context is not in the table.
    """

    def __init__(self, vocabulary: Sequence[str], table: Mapping[Sequence[str], Sequence[float]]):
        self.vocabulary = list(vocabulary)
        self.table = {tuple(context): row for context, row in table.items()}
        for context, row in self.table.items():
            if len(row) != len(self.vocabulary):
                raise ValueError(f"{context} has {len(row)} probabilities for {len(self.vocabulary)} words")

    @classmethod
    def random(cls, vocabulary: Sequence[str], max_length: int, seed: int) -> "TableLanguageModel":
        """Make random rows for all contexts shorter than `max_length`: integers from 1 to 10, divided by their sum."""
        draw = random.Random(seed)
        table: dict[Sequence[str], list[float]] = {}
        for length in range(1, max_length):
            for context in itertools.product(vocabulary, repeat=length):
                counts = [draw.randint(1, 10) for _ in vocabulary]
                table[context] = [count / sum(counts) for count in counts]
        return cls(vocabulary, table)

    def __call__(self, ids: Tensor) -> Tensor:
        """Log-probabilities (N, V) of the next word after each prefix (N, L); a probability of 0 gives -inf."""
        return torch.tensor([self._row(self.decode(prefix)) for prefix in ids.tolist()], dtype=torch.float64).log()

    def _row(self, context: list[str]) -> Sequence[float]:
        if tuple(context) not in self.table:
            longest = max(map(len, self.table), default=0)
            raise ValueError(
                f"the table has no row for {context}; its longest context has {longest} words: ask for fewer new "
                "tokens, or add that row"
            )
        return self.table[tuple(context)]

    def encode(self, words: Sequence[str]) -> list[int]:
        """Convert words, or the letters of a string, to ids."""
        return [self.vocabulary.index(word) for word in words]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Convert ids to words."""
        return [self.vocabulary[index] for index in ids]


def no_repeated_ngrams(next_log_probs: NextLogProbs, size: int) -> NextLogProbs:
    """Forbid (-inf) every token that would repeat an n-gram of `size` tokens; the rest is not renormalised.

    The prompt counts too, as in the argument `no_repeat_ngram_size` of `generate`.
    Source: Paulus et al. 2017, section 2.5 (trigrams).
    """
    if size < 1:
        raise ValueError(f"size ({size}) of the n-grams must be at least 1")

    def blocked(ids: Tensor) -> Tensor:
        log_probs = next_log_probs(ids).clone()
        for row, prefix in enumerate(ids.tolist()):
            ending = prefix[len(prefix) - size + 1 :]  # completed by the next token
            for start in range(len(prefix) - size + 1):
                if prefix[start : start + size - 1] == ending:
                    log_probs[row, prefix[start + size - 1]] = -torch.inf
        return log_probs

    return blocked

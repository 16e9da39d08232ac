"""From documents to pretraining examples: pairs for next-sentence or sentence-order prediction, or full sequences.

    examples = build_examples(documents["train"], tokenizer, objective="nsp", max_length=128, num_proc=2)
    examples[0]    # input_ids [CLS] A [SEP] B [SEP], token_type_ids 0…0 1…1, next_sentence_label 0 or 1

- nsp (BERT): A and B are several sentences each. Label 0: B follows A in its document; 1: B is from another document.
- sop (ALBERT): A and B are neighbours. Label 0: in their order; 1: swapped.
- mlm: the sentences of a document, as many as fit, without a pair.

No example crosses a document but the B of a random pair. A sentence that is too long is cut into pieces. The mlm
objective uses every token of the corpus once. Pairs lose what is truncated: of the IMDB reviews nsp and sop use 92 %
of the tokens at max_length 128 and 99 % at 512 (a random B is a second use and not counted).

The documents are put into blocks of 1,000, and every block draws from a random generator of its own, seeded by its
number. So one process, several, and streaming give the same examples. A random B comes from the same block.

Read `build_examples`, then `ExampleBuilder.__call__`, then the objectives.
Sources: BERT, Devlin et al. 2018; ALBERT, Lan et al. 2019.
"""

import warnings
from itertools import accumulate

import numpy as np
from datasets import Dataset, Features, IterableDataset, List, Value

from .documents import split_sentences
from .word_cache import WordCache

OBJECTIVES = ("nsp", "sop", "mlm")
BLOCK_SIZE = 1000

# A sentence or a segment: pairs of (token id, whether a word begins here).
Tokens = list[tuple[int, bool]]


def build_examples(
    documents: Dataset | IterableDataset,
    tokenizer,
    objective: str = "nsp",
    max_length: int = 128,
    short_sequence_probability: float = 0.1,
    whole_words: bool = False,
    seed: int = 0,
    num_proc: int | None = None,
) -> Dataset | IterableDataset:
    """Turn documents into pretraining examples. A second call with the same arguments takes them from the cache.

    Args:
        documents: with a column `text`, as `load_documents` gives them: one split.
        tokenizer: a fast tokenizer with a start and an end token, as [CLS] and [SEP].
        objective: "nsp", "sop" or "mlm".
        max_length: tokens of an example at most, special tokens included.
        short_sequence_probability: how many examples are shorter on purpose, so that the model meets short texts too.
        whole_words: add the column `word_ids`, for whole-word masking.
        seed: of the pairs and of the shorter lengths.
        num_proc: processes; not for streamed documents.

    Returns:
        Columns `input_ids`, `token_type_ids`, with a pair `next_sentence_label`, with whole_words `word_ids` (from 0
        on over the example, -1 for special tokens).

    Raises:
        ValueError: an unknown objective, several splits, a tokenizer without the special tokens, too small a
            max_length, or documents that give no example.

    Warns:
        UserWarning: all pairs have the same label.
    """
    if isinstance(documents, dict):
        raise ValueError(f"got several splits {sorted(documents)}; give one, such as documents['train']")
    builder = ExampleBuilder(tokenizer, objective, max_length, short_sequence_probability, whole_words, seed)
    # A streamed data set may not know its columns.
    blocks = {"batched": True, "batch_size": BLOCK_SIZE, "remove_columns": documents.column_names or ["text"]}
    examples = {"batched": True, "batch_size": 1, "with_indices": True, "remove_columns": ["block"]}
    examples["features"] = builder.features()
    if isinstance(documents, IterableDataset):
        return documents.map(_one_block, **blocks).map(builder, **examples)
    # A block is a large row: without writer_batch_size a thousand of them would be held in memory.
    rows = documents.map(_one_block, **blocks, writer_batch_size=1, desc="Grouping documents")
    num_proc = min(num_proc, len(rows)) if num_proc else None
    result = rows.map(builder, **examples, num_proc=num_proc, desc=f"Building {objective} examples")
    if len(result) == 0:
        raise ValueError(f"the {len(documents)} documents give no {objective} example; the pairs need more text")
    if builder.has_pairs:
        _check_labels(result, objective)
    return result


def _one_block(batch: dict[str, list]) -> dict[str, list]:
    return {"block": [batch["text"]]}


def _check_labels(examples: Dataset, objective: str) -> None:
    labels = np.array(examples.with_format("numpy")["next_sentence_label"])
    if labels.min() == labels.max():
        warnings.warn(
            f"all {len(labels)} pairs have the label {labels[0]}, so there is nothing to learn from them: {objective} "
            f"needs several documents of several sentences each; objective 'mlm' needs no pairs",
            stacklevel=3,
        )


class ExampleBuilder:
    """What `datasets.map` calls for each block of documents. Pickles small, and has a stable fingerprint.

    Args:
        as `build_examples`.

    Raises:
        ValueError: as `build_examples`.
    """

    def __init__(
        self, tokenizer, objective: str, max_length: int, short_sequence_probability: float, whole_words: bool, seed=0
    ):
        if objective not in OBJECTIVES:
            raise ValueError(f"unknown objective {objective!r}; choose one of {list(OBJECTIVES)}")
        if not 0 <= short_sequence_probability <= 1:
            raise ValueError(f"short_sequence_probability ({short_sequence_probability}) must be from 0 to 1")
        missing = [name for name in ("cls_token", "sep_token") if getattr(tokenizer, f"{name}_id") is None]
        if missing:
            raise ValueError(f"the tokenizer has no {missing}; examples begin with [CLS] and end with [SEP]")
        self.has_pairs = objective != "mlm"
        self.room = max_length - (3 if self.has_pairs else 2)
        if self.room < 2:
            raise ValueError(f"max_length ({max_length}) is too small: {max_length - self.room} are special tokens")
        self.start, self.end = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.cache = WordCache(tokenizer)
        self.objective, self.whole_words, self.seed = objective, whole_words, seed
        self.short_sequence_probability = short_sequence_probability

    def features(self) -> Features:
        """The columns, in types that save space on disk."""
        columns = {"input_ids": List(Value("int32")), "token_type_ids": List(Value("int8"))}
        if self.has_pairs:
            columns["next_sentence_label"] = Value("int8")
        if self.whole_words:
            columns["word_ids"] = List(Value("int32"))
        return Features(columns)

    def __call__(self, rows: dict[str, list], indices: list[int]) -> dict[str, list]:
        """One block of documents → its examples, by column."""
        random = np.random.default_rng([self.seed, indices[0]])
        texts = [text for block in rows["block"] for text in block]
        documents = [self._sentences(text) for text in texts]
        build = {"nsp": self._next_sentence_pairs, "sop": self._sentence_order_pairs, "mlm": self._full_sequences}
        columns = {name: [] for name in self.features()}
        for first, second, label in build[self.objective](documents, texts, random):
            for name, value in self._example(first, second, label).items():
                columns[name].append(value)
        return columns

    def _sentences(self, text: str) -> list[Tokens]:
        """The encoded sentences of a document; those too long for a segment in pieces."""
        longest = self.room // 2 if self.has_pairs else self.room
        sentences = []
        for sentence in split_sentences(text):
            if self.whole_words:
                ids, words = self.cache.encode_words(sentence)
                begins = [word != before for word, before in zip(words, [None, *words], strict=False)]
            else:
                ids = self.cache.encode(sentence)
                begins = [True] * len(ids)
            tokens = list(zip(ids, begins, strict=True))
            sentences.extend(tokens[place : place + longest] for place in range(0, len(tokens), longest))
        return sentences

    def _example(self, first: Tokens, second: Tokens | None, label: int | None) -> dict:
        """[CLS] A [SEP], or [CLS] A [SEP] B [SEP]."""
        segments = [first] if second is None else [first, second]
        example: dict = {"input_ids": [self.start], "token_type_ids": [0] + [0] * (len(first) + 1)}
        for segment in segments:
            example["input_ids"] += [token for token, _ in segment] + [self.end]
        if second is not None:
            example["token_type_ids"] += [1] * (len(second) + 1)
            example["next_sentence_label"] = label
        if self.whole_words:
            # A segment may have been cut inside a word: what is left of it counts as a word.
            begins = [place == 0 or begin for segment in segments for place, (_, begin) in enumerate(segment)]
            numbers = [number - 1 for number in accumulate(begins)]
            example["word_ids"] = [-1, *numbers[: len(first)], -1]
            example["word_ids"] += [] if second is None else [*numbers[len(first) :], -1]
        return example

    def _target(self, random) -> int:
        """How many tokens the next example shall have."""
        if random.random() < self.short_sequence_probability:
            return int(random.integers(2, self.room + 1))
        return self.room

    def _full_sequences(self, documents: list[list[Tokens]], texts: list[str], random):
        """Sentences of one document, as many as fit."""
        for sentences in documents:
            sequence, target = [], self._target(random)
            for sentence in sentences:
                if sequence and len(sequence) + len(sentence) > target:
                    yield sequence, None, None
                    sequence, target = [], self._target(random)
                sequence = sequence + sentence
            if sequence:
                yield sequence, None, None

    def _sentence_order_pairs(self, documents: list[list[Tokens]], texts: list[str], random):
        """Neighbouring segments, swapped by the toss of a coin; a sentence left alone is cut in two."""
        for sentences in documents:
            place = 0
            while place < len(sentences):
                chunk = _take(sentences, place, self._target(random))
                place += len(chunk)
                if len(chunk) == 1:
                    middle = len(chunk[0]) // 2
                    chunk = [chunk[0][:middle], chunk[0][middle:]]
                cut = int(random.integers(1, len(chunk)))
                first, second = _truncate(_join(chunk[:cut]), _join(chunk[cut:]), self.room, random)
                if first and second:
                    swap = random.random() < 0.5
                    yield (second, first, 1) if swap else (first, second, 0)

    def _next_sentence_pairs(self, documents: list[list[Tokens]], texts: list[str], random):
        """A segment, and what follows it or a segment of another document.

        A sentence left alone at the end of its document can only get a random B. To keep the labels balanced, every
        two of these are made up for by a pair that the coin would have made random and that is not.
        """
        owed = 0
        for number, sentences in enumerate(documents):
            place = 0
            while place < len(sentences):
                target = self._target(random)
                chunk = _take(sentences, place, target)
                alone = len(chunk) == 1
                wants_random = alone or random.random() < 0.5
                if wants_random and not alone and owed > 0:
                    wants_random, owed = False, owed - 2
                other = _other_document(documents, texts, number, random) if wants_random else None
                cut = 1 if alone else int(random.integers(1, len(chunk)))
                first, second = _join(chunk[:cut]), _join(chunk[cut:])
                if other is not None:
                    start = int(random.integers(len(other)))
                    second = _join(_take(other, start, max(target - len(first), 1)))
                    owed += alone
                # What was not used is put back: here, the sentences that a random B has taken the place of.
                place += len(chunk) if other is None else cut
                if second:
                    yield *_truncate(first, second, self.room, random), int(other is not None)


def _take(sentences: list[Tokens], place: int, target: int) -> list[Tokens]:
    """Sentences from `place` on, until they have `target` tokens or the document ends."""
    taken, tokens = [], 0
    while place + len(taken) < len(sentences) and tokens < target:
        taken.append(sentences[place + len(taken)])
        tokens += len(taken[-1])
    return taken


def _join(sentences: list[Tokens]) -> Tokens:
    return [token for sentence in sentences for token in sentence]


def _truncate(first: Tokens, second: Tokens, room: int, random) -> tuple[Tokens, Tokens]:
    """Take tokens from the longer segment until both fit, each from its front or its back by the toss of a coin."""
    excess = len(first) + len(second) - room
    if excess <= 0:
        return first, second
    # Taking one token at a time from the longer one evens the lengths out first, and then takes from both in turn.
    shorter = min(len(first), len(second), (room + 1) // 2)
    lengths = (shorter, room - shorter) if len(first) <= len(second) else (room - shorter, shorter)
    kept = []
    for segment, length in zip((first, second), lengths, strict=True):
        front = int(random.binomial(len(segment) - length, 0.5))
        kept.append(segment[front : front + length])
    return kept[0], kept[1]


def _other_document(documents: list[list[Tokens]], texts: list[str], number: int, random) -> list[Tokens] | None:
    """Another document of the block with another text; None if there is none."""
    # In a block of a thousand the first try nearly always succeeds.
    for candidate in [int(random.integers(len(documents))) for _ in range(3)]:
        if documents[candidate] and texts[candidate] != texts[number]:
            return documents[candidate]
    others = [i for i, sentences in enumerate(documents) if sentences and texts[i] != texts[number]]
    return documents[others[int(random.integers(len(others)))]] if others else None

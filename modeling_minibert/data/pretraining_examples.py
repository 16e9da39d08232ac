"""Pretraining examples from documents: pairs for next-sentence or sentence-order prediction, or full sequences.

    examples = build_examples(documents["train"], tokenizer, objective="nsp", max_length=128, num_proc=2)
    examples[0]    # input_ids [CLS] A [SEP] B [SEP], token_type_ids 0…0 1…1, next_sentence_label 0 or 1

- nsp (BERT): A and B are several sentences each. Label 0: B follows A in its document; 1: B is from another document.
- sop (ALBERT): A and B are neighbours. Label 0: in their order; 1: swapped.
- mlm: as many sentences of a document as fit, without a pair.

Apart from random pairs, no example crosses documents. Sentences that are too long are cut into pieces. The mlm
objective uses every token of the corpus once. Pairs lose truncated tokens: of the IMDB reviews nsp and sop use 92 % of
the tokens at max_length 128 and 99 % at 512 (not counting random Bs, which repeat tokens).

Documents are grouped into blocks of 1,000, each with a random generator seeded by the block's number. So one process,
several, and streaming give the same examples. A random B comes from the same block.

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
    """Build pretraining examples from documents. The result is cached by `datasets`.

    Args:
        documents: one split with a column `text`, from `load_documents`.
        tokenizer: a fast tokenizer with [CLS] and [SEP], or tokens in their roles.
        objective: "nsp", "sop" or "mlm".
        max_length: largest number of tokens in an example, special tokens included.
        short_sequence_probability: share of examples with a random shorter length, so that the model sees short texts.
        whole_words: add the column `word_ids`, for whole-word masking.
        seed: for the pairs and the shorter lengths.
        num_proc: number of processes; ignored for streamed documents.

    Returns:
        Columns `input_ids`, `token_type_ids`, for pairs `next_sentence_label`, with whole_words `word_ids` (numbered
        from 0 in each example, -1 for special tokens).

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
        return documents.map(_group, **blocks).map(builder, **examples)
    # A block is a large row: without writer_batch_size a thousand of them would be held in memory.
    rows = documents.map(_group, **blocks, writer_batch_size=1, desc="Grouping documents")
    num_proc = min(num_proc, len(rows)) if num_proc else None
    result = rows.map(builder, **examples, num_proc=num_proc, desc=f"Building {objective} examples")
    if len(result) == 0:
        raise ValueError(f"the {len(documents)} documents give no {objective} example; the pairs need more text")
    if builder.has_pairs:
        _check_labels(result, objective)
    return result


def _group(batch: dict[str, list]) -> dict[str, list]:
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
    """Build the examples of a block of documents; called by `datasets.map`.

    It pickles small and has a stable fingerprint. Arguments and errors as in `build_examples`.
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
        """Return the columns, with small integer types."""
        columns = {"input_ids": List(Value("int32")), "token_type_ids": List(Value("int8"))}
        if self.has_pairs:
            columns["next_sentence_label"] = Value("int8")
        if self.whole_words:
            columns["word_ids"] = List(Value("int32"))
        return Features(columns)

    def __call__(self, rows: dict[str, list], indices: list[int]) -> dict[str, list]:
        """Build the examples of one block of documents, by column."""
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
        """Encode the sentences of a document, and cut those longer than a segment into pieces."""
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
        """Build [CLS] A [SEP], or [CLS] A [SEP] B [SEP]."""
        segments = [first] if second is None else [first, second]
        example: dict = {"input_ids": [self.start], "token_type_ids": [0] + [0] * (len(first) + 1)}
        for segment in segments:
            example["input_ids"] += [token for token, _ in segment] + [self.end]
        if second is not None:
            example["token_type_ids"] += [1] * (len(second) + 1)
            example["next_sentence_label"] = label
        if self.whole_words:
            # A segment may begin inside a word: the rest of the word counts as a word.
            begins = [place == 0 or begin for segment in segments for place, (_, begin) in enumerate(segment)]
            numbers = [number - 1 for number in accumulate(begins)]
            example["word_ids"] = [-1, *numbers[: len(first)], -1]
            example["word_ids"] += [] if second is None else [*numbers[len(first) :], -1]
        return example

    def _draw_length(self, random) -> int:
        """Draw the number of tokens of the next example."""
        if random.random() < self.short_sequence_probability:
            return int(random.integers(2, self.room + 1))
        return self.room

    def _full_sequences(self, documents: list[list[Tokens]], texts: list[str], random):
        """Yield sequences of as many sentences of one document as fit."""
        for sentences in documents:
            sequence, target = [], self._draw_length(random)
            for sentence in sentences:
                if sequence and len(sequence) + len(sentence) > target:
                    yield sequence, None, None
                    sequence, target = [], self._draw_length(random)
                sequence = sequence + sentence
            if sequence:
                yield sequence, None, None

    def _sentence_order_pairs(self, documents: list[list[Tokens]], texts: list[str], random):
        """Yield neighbouring segments, swapped with probability 1/2; a single sentence is split into halves."""
        for sentences in documents:
            place = 0
            while place < len(sentences):
                chunk = _take(sentences, place, self._draw_length(random))
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
        """Yield segments, each with the next segment or one of another document.

        A single sentence at the end of its document can only get a random B. To keep the labels balanced, for every
        two of these one later pair that was drawn to be random is not.
        """
        extra_random = 0
        for number, sentences in enumerate(documents):
            place = 0
            while place < len(sentences):
                target = self._draw_length(random)
                chunk = _take(sentences, place, target)
                alone = len(chunk) == 1
                wants_random = alone or random.random() < 0.5
                if wants_random and not alone and extra_random > 0:
                    wants_random, extra_random = False, extra_random - 2
                other = _other_document(documents, texts, number, random) if wants_random else None
                cut = 1 if alone else int(random.integers(1, len(chunk)))
                first, second = _join(chunk[:cut]), _join(chunk[cut:])
                if other is not None:
                    start = int(random.integers(len(other)))
                    second = _join(_take(other, start, max(target - len(first), 1)))
                    extra_random += alone
                # With a random B, the unused sentences of the chunk go into the next example.
                place += len(chunk) if other is None else cut
                if second:
                    yield *_truncate(first, second, self.room, random), int(other is not None)


def _take(sentences: list[Tokens], place: int, target: int) -> list[Tokens]:
    """Take sentences from `place` on, until they have `target` tokens or the document ends."""
    taken, tokens = [], 0
    while place + len(taken) < len(sentences) and tokens < target:
        taken.append(sentences[place + len(taken)])
        tokens += len(taken[-1])
    return taken


def _join(sentences: list[Tokens]) -> Tokens:
    return [token for sentence in sentences for token in sentence]


def _truncate(first: Tokens, second: Tokens, room: int, random) -> tuple[Tokens, Tokens]:
    """Remove tokens from the longer segment until both fit, each from its front or its back at random."""
    if len(first) + len(second) <= room:
        return first, second
    # As if one token at a time were removed from the longer segment, and from both in turn at equal lengths.
    shorter = min(len(first), len(second), (room + 1) // 2)
    lengths = (shorter, room - shorter) if len(first) <= len(second) else (room - shorter, shorter)
    kept = []
    for segment, length in zip((first, second), lengths, strict=True):
        front = int(random.binomial(len(segment) - length, 0.5))
        kept.append(segment[front : front + length])
    return kept[0], kept[1]


def _other_document(documents: list[list[Tokens]], texts: list[str], number: int, random) -> list[Tokens] | None:
    """Draw a document of the block with a different text; None if there is none."""
    # In a block of a thousand the first try nearly always succeeds; the list below is slow to build.
    for candidate in [int(random.integers(len(documents))) for _ in range(3)]:
        if documents[candidate] and texts[candidate] != texts[number]:
            return documents[candidate]
    others = [i for i, sentences in enumerate(documents) if sentences and texts[i] != texts[number]]
    return documents[others[int(random.integers(len(others)))]] if others else None

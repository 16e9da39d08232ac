"""Align the words of tagged sentences with the pieces of a tokenizer, in windows where a sentence is too long.

The words are joined by spaces, and a piece belongs to the first word that it has a character of; this holds for every
fast tokenizer. A word is scored once: at its first piece, in the window with the most context around it.

Sources: Devlin et al. 2019, section 5.3 (the first piece of a word is scored; windows with the most context, in their
code for SQuAD).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from ..pipeline_token_classification import words_of_pieces

IGNORED = -100
ROWS_AT_ONCE = 1000


@dataclass
class WordPlaces:
    """Where the words of some sentences are scored, N of them in all.

    Attributes:
        lengths: words of each sentence.
        rows, words: (N,), sentence and word.
        windows, pieces: (N,), where the word is scored; -1 for a word without a piece.
        shared: (N,), whether the piece began with an earlier word (in a vocabulary of phrases).
    """

    lengths: list[int]
    rows: np.ndarray
    words: np.ndarray
    windows: np.ndarray
    pieces: np.ndarray
    shared: np.ndarray

    @property
    def lost(self) -> int:
        """Number of words that the tokenizer turns into no piece."""
        return int((self.windows < 0).sum())

    def choose(self, predictions: np.ndarray, outside: int, continued: Sequence[int]) -> list[list[int]]:
        """Pick the prediction of every word.

        Args:
            predictions: (windows, L), tag ids of the pieces.
            outside: the tag of words without a piece.
            continued: tag → the tag of a word that shares its piece with the word before: B-PER → I-PER.
        """
        chosen = np.full(len(self.rows), outside)
        has_piece = self.windows >= 0
        chosen[has_piece] = predictions[self.windows[has_piece], self.pieces[has_piece]]
        chosen[self.shared] = np.asarray(continued)[chosen[self.shared]]
        return [part.tolist() for part in np.split(chosen, np.cumsum(self.lengths)[:-1])]


def continued_tags(labels: Sequence[str]) -> list[int]:
    """For each tag the tag of a further piece or word of the same entity: B-PER and I-PER → I-PER, otherwise itself."""
    ids = {label: number for number, label in enumerate(labels)}
    return [ids.get("I" + label[1:], ids[label]) if label[:2] in ("B-", "B") else ids[label] for label in labels]


def align_tags(
    rows: Dataset,
    tokenizer,
    labels: Sequence[str],
    max_length: int,
    doc_stride: int | None = None,
    label_all_pieces: bool = False,
    last_piece: bool = False,
) -> tuple[Dataset, WordPlaces]:
    """Encode tagged sentences, in overlapping windows where they are longer than `max_length`.

    Args:
        rows: with columns `tokens` and `tags`.
        tokenizer: a fast one.
        labels: names of the tags.
        max_length: pieces of a window, special tokens included.
        doc_stride: pieces that two windows of a sentence share; None: a third of a window.
        label_all_pieces: label the further pieces of a word too, B- as I-; otherwise they have -100.
        last_piece: score a word at its last piece, for decoders, which have not read it before.

    Returns:
        The windows, with the inputs of the model and `labels` (-100 where a window is not the one in which a word is
        scored), and where every word is scored.

    Raises:
        ValueError: a slow tokenizer, or a stride that leaves no room for new pieces.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} does not say where its pieces stand; use a fast tokenizer")
    room = max_length - tokenizer.num_special_tokens_to_add()
    doc_stride = room // 3 if doc_stride is None else doc_stride
    if not 0 <= doc_stride < room:
        raise ValueError(f"doc_stride ({doc_stride}) must be at least 0 and below {room}, the pieces of a window")
    continued = continued_tags(labels)
    columns: dict[str, list] = {}
    found = []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[first : first + ROWS_AT_ONCE]
        encoding, owners = _encode(part["tokens"], tokenizer, max_length, doc_stride)
        windows = len(columns.get("input_ids", []))
        places = _place_words(part["tokens"], owners, last_piece)
        encoding["labels"] = _label(part["tags"], owners, places, continued, label_all_pieces)
        places[:, 0] += first
        places[:, 2] += np.where(places[:, 2] >= 0, windows, 0)
        found.append(places)
        for name, values in encoding.items():
            columns.setdefault(name, []).extend(values)
    lengths = [len(tokens) for tokens in rows["tokens"]]
    table = np.concatenate(found)
    where, words, chosen, pieces, shared = table.T
    return Dataset.from_dict(columns), WordPlaces(lengths, where, words, chosen, pieces, shared.astype(bool))


def _encode(sentences: list[list[str]], tokenizer, max_length: int, stride: int):
    """Encode sentences; return the windows, and for each its sentence and the word of each piece (-1: none).

    The second has (sentence, words (L,), further words (L,)); the last is one past the last word that a piece touches.
    """
    texts = [" ".join(tokens) for tokens in sentences]
    encoding = tokenizer(
        texts,
        truncation=True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows, offsets = encoding.pop("overflow_to_sample_mapping"), encoding.pop("offset_mapping")
    owners = [(row, *words_of_pieces(sentences[row], spans)) for row, spans in zip(rows, offsets, strict=True)]
    return dict(encoding), owners


def _place_words(sentences: list[list[str]], owners: list, last_piece: bool) -> np.ndarray:
    """Choose the window and piece of every word: (N, 5) with row, word, window, piece, shared."""
    best: list[list] = [[None] * len(tokens) for tokens in sentences]
    for window, (row, first, past) in enumerate(owners):
        length, seen = len(first), set()
        pieces = range(length - 1, -1, -1) if last_piece else range(length)
        for piece in pieces:
            for word in range(first[piece], past[piece]) if first[piece] >= 0 else ():
                if word in seen:
                    continue
                seen.add(word)
                place = (min(piece, length - 1 - piece), window, piece, word != first[piece])
                if best[row][word] is None or place[0] > best[row][word][0]:
                    best[row][word] = place
    return np.array(
        [
            [row, word, *(place[1:] if place else (-1, -1, False))]
            for row, places in enumerate(best)
            for word, place in enumerate(places)
        ]
    ).astype(np.int64)


def _label(tags, owners, places: np.ndarray, continued: list[int], all_pieces: bool) -> list[list[int]]:
    """The labels of all windows, -100 where no word is scored."""
    labels = [np.full(len(first), IGNORED) for _, first, _ in owners]
    for row, word, window, piece, shared in places.tolist():
        if window < 0 or shared:
            continue
        tag = tags[row][word]
        if all_pieces:
            labels[window][owners[window][1] == word] = continued[tag]
        labels[window][piece] = tag
    return [values.tolist() for values in labels]

"""The pipeline `token-classification` (or `ner`) of our models: whole words and entities for every tokenizer.

    pipeline("ner", folder, aggregation_strategy="first")("Budi Santoso lives in Bandung.")
        [{"entity_group": "PERSON", "score": 0.99, "word": "Budi Santoso", "start": 0, "end": 12}, …]

The stock pipeline knows the words of a text by the ## of BERT's vocabulary alone; with other vocabularies an entity
takes the space before it and the comma behind it along. This one splits the text into words, as tagged data sets do,
and encodes them joined by spaces, as in training. Arguments and outputs are those of the stock pipeline.
"""

import re
from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

from .limits import position_limit
from .pipeline_common import SavedPipeline

_CLITIC = r"(?:s|t|m|d|re|ll|ve)\b"
WORD = re.compile(
    rf"https?://\S+|[@#]?\w+(?:[-.]\w+|['’](?!{_CLITIC})\w+|(?<=\d)[,:/]\d+)*|['’]{_CLITIC}|[^\w\s]", re.IGNORECASE
)
_CHUNK_TAG = re.compile(r"O|[BIES]|[BIES]-.+", re.DOTALL)


def split_words(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word: runs of letters and digits, Ma'ruf and 3,5 whole; marks and 's apart."""
    return [match.span() for match in WORD.finditer(text)]


def words_of_pieces(words: Sequence[str], offsets: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Find the words of pieces, for words that were joined by spaces and encoded.

    Args:
        words: of the sentence.
        offsets: (L, 2), first character and end of each piece in the joined text; equal for special tokens.

    Returns:
        (L,) and (L,): the first word that the piece has a character of, and the one behind the last; -1 if none.
    """
    spans = np.array(offsets, dtype=int).reshape(-1, 2)
    sizes = np.array([len(word) for word in words], dtype=int)
    ends = np.cumsum(sizes + 1) - 1
    first = np.searchsorted(ends, spans[:, 0], side="right")  # the first word that ends behind the piece's start
    past = np.searchsorted(ends - sizes, spans[:, 1], side="left")  # the first word that begins behind the piece
    touches = (first < past) & (spans[:, 0] < spans[:, 1])
    return np.where(touches, first, -1), np.where(touches, past, -1)


class WordTokenClassificationPipeline(SavedPipeline, TokenClassificationPipeline):
    """`TokenClassificationPipeline` in which no entity begins or ends within a word.

    Arguments that differ from those of the stock pipeline:
        aggregation_strategy: "first", "average" and "max" tag a word by its pieces; "simple" is the same as "first",
            and all are the same for a model that was trained on one piece of each word (`config.scored_pieces`).
        stride: pieces that two windows of a long text share; None: a third of a window, where the stock pipeline cuts
            the text. A word is tagged in the window with the most context around it.

    Outputs: with a strategy, `word` is the text of the entity. BIOES tags, and bare B and I, are understood too.

    Raises:
        ValueError: a tokenizer without offsets.
    """

    default_task = "token-classification"
    aliases = ("ner",)
    auto_model = AutoModelForTokenClassification

    def _sanitize_parameters(self, stride: int | None = None, **kwargs):
        if not self.tokenizer.is_fast:
            raise ValueError(f"{type(self.tokenizer).__name__} knows no character offsets; use a fast tokenizer")
        preprocess, forward, postprocess = super()._sanitize_parameters(**kwargs)
        return preprocess | ({} if stride is None else {"stride": stride}), forward, postprocess

    def preprocess(self, sentence, stride: int | None = None, is_split_into_words=False, delimiter=" ", **unused):
        """Yield the windows of a text, or of its words with `is_split_into_words`."""
        if is_split_into_words:
            words, text = list(sentence), delimiter.join(sentence)
            starts = np.cumsum([0, *(len(word) + len(delimiter) for word in words)])[:-1].tolist()
            spans = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
        else:
            spans, text = split_words(sentence), sentence
            words = [text[start:end] for start, end in spans]
        length = min(self.tokenizer.model_max_length, position_limit(self.model) or self.tokenizer.model_max_length)
        room = length - self.tokenizer.num_special_tokens_to_add()
        stride = room // 3 if stride is None else stride
        if not 0 <= stride < room:
            raise ValueError(f"stride ({stride}) must be at least 0 and below {room}, the pieces of a window")
        encoding = self.tokenizer(
            " ".join(words), truncation=True, max_length=length, stride=stride, return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )  # fmt: skip
        encoding.pop("overflow_to_sample_mapping", None)
        offsets = encoding.pop("offset_mapping")
        for window, places in enumerate(offsets):
            inputs = {name: torch.tensor([values[window]]) for name, values in encoding.items()}
            yield {"is_last": window == len(offsets) - 1, "text": (text, words, spans, places), **inputs}

    def _forward(self, model_inputs):
        is_last, text = model_inputs.pop("is_last"), model_inputs.pop("text")
        logits = self.model(**model_inputs)["logits"]
        return {"is_last": is_last, "text": text, "logits": logits, "input_ids": model_inputs["input_ids"]}

    def postprocess(self, model_outputs, aggregation_strategy=AggregationStrategy.NONE, ignore_labels=None):
        """Tag the words of a text and join them to entities."""
        windows = [self._read_window(output) for output in model_outputs]
        text, words, *_ = windows[0]["text"]
        chosen = choose_windows([window["first"] for window in windows], len(words))
        none = aggregation_strategy == AggregationStrategy.NONE
        pieces = []
        for word, window in enumerate(chosen):
            found = [] if window < 0 else np.flatnonzero(windows[window]["first"] == word).tolist()
            scored = getattr(self.model.config, "scored_pieces", "all")
            if not none and scored != "all":
                found = found[:1] if scored == "first" else found[-1:]
            pieces += [self._piece(windows[window], piece, none) | {"is_subword": piece != found[0]} for piece in found]
        if none or not pieces:
            entities = self.aggregate(pieces, aggregation_strategy)
        else:
            simple = aggregation_strategy == AggregationStrategy.SIMPLE
            entities = self.aggregate(pieces, AggregationStrategy.FIRST if simple else aggregation_strategy)
            for entity in entities:
                entity["word"] = text[entity["start"] : entity["end"]]
        ignored = ["O"] if ignore_labels is None else ignore_labels
        return [entity for entity in entities if entity.get("entity_group", entity.get("entity")) not in ignored]

    def _read_window(self, output: dict) -> dict:
        """The text of a window with the word of each piece, and the probabilities (L, C)."""
        text = output["text"][0] if isinstance(output["text"], list) else output["text"]
        first, past = words_of_pieces(text[1], text[3])
        scores = output["logits"][0, : len(first)].float().softmax(dim=-1).cpu().numpy()
        ids = output["input_ids"][0].tolist()
        return {"text": text, "first": first, "past": past, "scores": scores, "ids": ids}

    def _piece(self, window: dict, place: int, as_piece: bool) -> dict:
        """One piece as the stock pipeline describes it; with `as_piece` its own characters, else those of its word."""
        _, words, spans, offsets = window["text"]
        first, last = window["first"][place], window["past"][place] - 1
        start, end = spans[first][0], spans[last][1]
        if as_piece:
            joined = np.cumsum([0, *(len(word) + 1 for word in words)])
            start = max(start, start + offsets[place][0] - int(joined[first]))
            end = min(end, spans[last][0] + offsets[place][1] - int(joined[last]))
        return {
            "word": self.tokenizer.convert_ids_to_tokens(window["ids"][place]),
            "scores": window["scores"][place],
            "start": start,
            "end": end,
            "index": place,
        }

    def get_tag(self, entity_name: str) -> tuple[str, str]:
        """Split a tag into B or I, and the type: "S-PER" → ("B", "PER"); plain tags as in the stock pipeline."""
        if not all(_CHUNK_TAG.fullmatch(label) for label in self.model.config.id2label.values()):
            return "I", entity_name
        prefix, _, kind = entity_name.partition("-")
        return ("I", "O") if prefix == "O" else ("B" if prefix in ("B", "S") else "I", kind or "_")

    def group_sub_entities(self, entities: list[dict]) -> dict:
        """Join the words of an entity: its type, mean score, start and end."""
        group = super().group_sub_entities(entities)
        return group | {"entity_group": self.get_tag(entities[0]["entity"])[1]}


def choose_windows(windows: Sequence[np.ndarray], words: int) -> list[int]:
    """Choose for each word the window that has most of its pieces, and of these the one with the most context.

    Args:
        windows: for each window the word of each piece (L,), -1 for none.
        words: number of words.

    Returns:
        A window for each word; -1 for a word without pieces.
    """
    best, chosen = [(0, -1)] * words, [-1] * words
    for window, owners in enumerate(windows):
        held = owners >= 0
        counts = np.bincount(owners[held], minlength=words)
        places = np.flatnonzero(held)
        nearest = np.full(words, len(owners))
        np.minimum.at(nearest, owners[held], np.minimum(places, len(owners) - 1 - places))
        for word in np.unique(owners[held]).tolist():
            if (counts[word], nearest[word]) > best[word]:
                best[word], chosen[word] = (counts[word], nearest[word]), window
    return chosen

"""Find the task of a saved model by its configuration, and answer rows of texts with it.

Read `open_task` first. Each task answers a list of rows, {"text": …} and perhaps a second text, with a dict per row.
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    pipeline,
    set_seed,
)
from transformers.models.auto import modeling_auto
from transformers.pipelines import PIPELINE_REGISTRY

from tokenization.console import check_local_folder

from ..decoding import prepare_generation
from ..retrieval.cross_encoder import SETTINGS
from ..retrieval.sentence_encoder import SentenceEncoder

Rows = list[dict[str, str]]
WINDOWED = "windowed-text-classification"
# The end of the name of a class of ours: its task. Stock classes are looked up in `LISTED` too.
HEADS = {
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tags",
    "ForQuestionAnswering": "answers",
    "ForMaskedLM": "blanks",
    "ForPreTraining": "blanks",
    "ForCausalLM": "continuation",
    "ForConditionalGeneration": "text2text",
}
LISTED = {
    "continuation": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "text2text": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
}


@dataclass(frozen=True)
class Task:
    """What a saved model does with a row.

    Args:
        name: for messages.
        answer: rows → a dict of answers for each.
        second: the name of the second text in a row, and whether it is needed; None: there is none.
        empty: whether the text may be empty.
    """

    name: str
    answer: Callable[[Rows], list[dict]]
    second: tuple[str, bool] | None = None
    empty: bool = False


def open_task(options: Namespace) -> Task:
    """Open the model of `options.folder`, a folder or a name on the Hub.

    Raises:
        ValueError: there is no such folder, or the model has no head that answers a text.
    """
    check_local_folder(options.folder)
    if not _hub(options) and Path(options.folder).is_dir() and not (Path(options.folder) / "config.json").is_file():
        raise ValueError(f"{options.folder} has no config.json; give a folder with a saved model")
    config = AutoConfig.from_pretrained(options.folder, **_hub(options))
    return OPEN[find_kind(options.folder, config)](config, options)


def find_kind(folder: str, config: PreTrainedConfig) -> str:
    """Return the kind of a saved model, a key of `OPEN`.

    Raises:
        ValueError: the model has no head that answers a text.
    """
    if (Path(folder) / SETTINGS).is_file():
        return "relevance"
    if (Path(folder) / "modules.json").is_file():
        return "vectors"
    name = (config.architectures or [type(config).__name__])[0]
    kinds = [kind for ending, kind in HEADS.items() if name.endswith(ending)]
    kinds += [kind for kind, classes in LISTED.items() if name in classes.values()]
    if not kinds:
        raise ValueError(
            f"{folder} is {name}, which answers no single text; give a model that classifies, tags, finds answers, "
            "fills masked words, writes, ranks or encodes texts, for example one of minibert train classifier"
        )
    return kinds[0]


def _hub(options: Namespace) -> dict:
    """Return the arguments of `from_pretrained` that the command line gives."""
    given = {"revision": options.model_revision, "trust_remote_code": options.trust_remote_code}
    return {name: value for name, value in given.items() if value}


def _pipeline(task: str, options: Namespace, **arguments):
    """Open a pipeline, on an accelerator if there is one."""
    arguments |= {"device": _device(), **_hub(options)}
    return pipeline(task, options.folder, **arguments)  # type: ignore[call-overload]


def _device() -> torch.device:
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def open_classifier(config: PreTrainedConfig, options: Namespace) -> Task:
    """One class, several labels or a number for a text or a pair of texts."""
    if WINDOWED in (getattr(config, "custom_pipelines", None) or {}):
        # The folder has the same pipeline as code, for which transformers would ask for trust_remote_code.
        classify = _pipeline(WINDOWED, options, pipeline_class=PIPELINE_REGISTRY.check_task(WINDOWED)[1]["impl"])
    else:
        classify = _pipeline("text-classification", options)
    size = _batch_size(classify.tokenizer, options)

    def answer(rows: Rows) -> list[dict]:
        found = classify([dict(row) for row in rows], top_k=None, truncation=True, batch_size=size)
        return [_read_labels({each["label"]: each["score"] for each in labels}, config, options) for labels in found]

    return Task("classification", answer, second=("text_pair", False))


def _read_labels(scores: dict[str, float], config: PreTrainedConfig, options: Namespace) -> dict:
    """Turn label → score, the highest first, into the answer of a row."""
    if config.problem_type == "regression":
        return {"value": next(iter(scores.values()))} if len(scores) == 1 else {"values": scores}
    if config.problem_type == "multi_label_classification":
        return {"labels": [label for label, score in scores.items() if score > 0.5], "scores": scores}
    best = max(scores, key=scores.__getitem__)
    return {"label": best, "score": scores[best]} | ({"scores": scores} if options.all_scores else {})


def _batch_size(tokenizer, options: Namespace) -> int:
    """Return how many texts to compute at once: one where a batch cannot be padded."""
    return options.batch_size if tokenizer.pad_token is not None else 1


def open_ranker(config: PreTrainedConfig, options: Namespace) -> Task:
    """The probability that a document answers a question."""
    rank = _pipeline("text-ranking", options)

    def answer(rows: Rows) -> list[dict]:
        asked = [{"query": row["text"], "documents": [row["document"]]} for row in rows]
        return [{"score": ranked[0]["score"]} for ranked in rank(asked, batch_size=options.batch_size)]

    return Task("ranking", answer, second=("document", True))


def open_encoder(config: PreTrainedConfig, options: Namespace) -> Task:
    """A vector for a text."""
    encoder = SentenceEncoder.load(options.folder)

    def answer(rows: Rows) -> list[dict]:
        vectors = encoder.encode([row["text"] for row in rows], batch_size=options.batch_size)
        return [{"vector": vector} for vector in vectors.tolist()]

    return Task("sentence vectors", answer)


def open_tagger(config: PreTrainedConfig, options: Namespace) -> Task:
    """The tagged spans of a text."""
    tag = _pipeline("token-classification", options, aggregation_strategy="first")

    def answer(rows: Rows) -> list[dict]:
        found = tag([row["text"] for row in rows], batch_size=_batch_size(tag.tokenizer, options))
        return [{"entities": [_read_entity(entity, row["text"]) for entity in entities]}
                for row, entities in zip(rows, found, strict=True)]  # fmt: skip

    return Task("tagging", answer)


def _read_entity(entity: dict, text: str) -> dict:
    start, end = int(entity["start"]), int(entity["end"])
    label = entity["entity_group"]
    return {"label": label, "text": text[start:end], "start": start, "end": end, "score": float(entity["score"])}


def open_question_answering(config: PreTrainedConfig, options: Namespace) -> Task:
    """The answer to a question, a part of the context."""
    ask = _pipeline("question-answering", options)

    def answer(rows: Rows) -> list[dict]:
        asked = [{"question": row["text"], "context": row["context"]} for row in rows]
        impossible = {"handle_impossible_answer": options.handle_impossible_answer}
        found = ask(asked, batch_size=options.batch_size, **impossible)
        return [{name: each[name] for name in ("answer", "score", "start", "end")} for each in _as_list(found)]

    return Task("question answering", answer, second=("context", True))


def open_masked_lm(config: PreTrainedConfig, options: Namespace) -> Task:
    """The likeliest words for each [MASK] of a text."""
    fill = _pipeline("fill-mask", options, top_k=options.top_k)

    def answer(rows: Rows) -> list[dict]:
        texts = [row["text"].replace("[MASK]", fill.tokenizer.mask_token) for row in rows]
        for text in texts:
            if fill.tokenizer.mask_token not in text:
                raise ValueError("the text has no [MASK]; write [MASK] where a word is missing")
        found = []
        for text in texts:
            guesses = fill(text)
            places = [guesses] if isinstance(guesses[0], dict) else guesses
            words = [
                [{"word": each["token_str"].strip(), "score": each["score"]} for each in place] for place in places
            ]
            found.append({"words": words[0] if len(words) == 1 else words})
        return found

    return Task("masked words", answer)


def open_generator(config: PreTrainedConfig, options: Namespace) -> Task:
    """A text and its continuation."""
    hub = _hub(options)
    device = _device()
    model = AutoModelForCausalLM.from_pretrained(options.folder, **hub).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(options.folder, **hub)
    strategy = ("temperature", {"temperature": options.temperature}) if options.temperature else ("greedy", {})
    set_seed(options.seed)

    def answer(rows: Rows) -> list[dict]:
        found = []
        for start in range(0, len(rows), size := _batch_size(tokenizer, options)):
            prompts = [row["text"] for row in rows[start : start + size]]
            inputs, arguments = prepare_generation(
                model, tokenizer, prompts, strategy[0], options.max_new_tokens, **strategy[1]
            )
            output = model.generate(**inputs.to(device), **arguments)
            texts = tokenizer.batch_decode(output, skip_special_tokens=True)
            found += [{"generated_text": text.removeprefix(" ")} for text in texts]
        return found

    return Task("text generation", answer)


def open_text2text(config: PreTrainedConfig, options: Namespace) -> Task:
    """A translation, summary or other text for a text."""
    length = {"max_new_tokens": options.max_new_tokens} if options.max_new_tokens else {}
    write = _pipeline("text2text-generation", options, num_beams=options.num_beams, **length)

    def answer(rows: Rows) -> list[dict]:
        texts = [row["text"] for row in rows]
        found = write(texts, truncation=True, batch_size=_batch_size(write.tokenizer, options))
        return [{"generated_text": each["generated_text"]} for each in found]

    return Task("text to text", answer)


def _as_list(found: dict | list[dict]) -> list[dict]:
    """Return the answers as a list; some pipelines unpack a list of one."""
    return [found] if isinstance(found, dict) else found


OPEN: dict[str, Callable[[PreTrainedConfig, Namespace], Task]] = {
    "classification": open_classifier,
    "relevance": open_ranker,
    "vectors": open_encoder,
    "tags": open_tagger,
    "answers": open_question_answering,
    "blanks": open_masked_lm,
    "continuation": open_generator,
    "text2text": open_text2text,
}

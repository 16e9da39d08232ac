"""Each pipeline of transformers answers and refuses with a model of ours as with its stock twin.

The calls are those of the library's common pipeline tests: single texts, lists, batches, generators, options, mistakes.
"""

import pytest
import torch
from helpers.gpt_twins import make_ours
from helpers.minibert import random_model
from transformers import TokenClassificationPipeline, pipeline

from modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
)
from tokenization import train_tokenizer

TEXTS = ["hujan turun sejak pagi", "kopi di meja sudah dingin, siapa yang datang"]
ONE, LONG = TEXTS[0], " ".join(TEXTS * 20)
MASKED = "kopi di [MASK] sudah [MASK]"

FAMILIES = {
    "text-classification": [MiniBertForSequenceClassification, "MiniGPTForSequenceClassification"],
    "token-classification": [MiniBertForTokenClassification, "MiniGPTForTokenClassification"],
    "zero-shot-classification": [MiniBertForSequenceClassification, "MiniGPTForSequenceClassification"],
    "fill-mask": [MiniBertForMaskedLM],
    "feature-extraction": [MiniBertModel, "MiniGPTModel"],
    "text-generation": ["MiniGPTForCausalLM"],
}
SEVERAL = {
    "one": lambda pipe: pipe(ONE),
    "list": lambda pipe: pipe(TEXTS),
    "batches": lambda pipe: pipe([*TEXTS, ONE], batch_size=2),
    "generator": lambda pipe: list(pipe(text for text in TEXTS)),
    "None": lambda pipe: pipe(None),
}
LABELS = ["cuaca", "minuman"]
CALLS = {
    "text-classification": SEVERAL
    | {
        "all": lambda pipe: pipe(ONE, top_k=None),
        "two": lambda pipe: pipe(TEXTS, top_k=2),
        "function": lambda pipe: pipe(ONE, function_to_apply="none"),
        "sigmoid": lambda pipe: pipe(ONE, function_to_apply="sigmoid"),
        "mistaken function": lambda pipe: pipe(ONE, function_to_apply="nothing"),
        "pair": lambda pipe: pipe({"text": ONE, "text_pair": TEXTS[1]}, top_k=None),
        "cut": lambda pipe: pipe(LONG, truncation=True, max_length=12),
    },
    "token-classification": SEVERAL
    | {f"joined by {how}": lambda pipe, how=how: pipe(TEXTS, aggregation_strategy=how) for how in
       ("none", "simple", "first", "average", "max", "nothing")}
    | {
        "kept labels": lambda pipe: pipe(ONE, ignore_labels=["LABEL_1"]),
        "windows": lambda pipe: pipe(LONG, stride=4, aggregation_strategy="simple"),
        "windows of words": lambda pipe: pipe(ONE.split(), is_split_into_words=True, aggregation_strategy="simple"),
    },
    "zero-shot-classification": {
        "one label": lambda pipe: pipe(ONE, candidate_labels="cuaca"),
        "labels": lambda pipe: pipe(ONE, candidate_labels="cuaca, minuman"),
        "list": lambda pipe: pipe(TEXTS, LABELS),
        "several labels": lambda pipe: pipe(ONE, LABELS, multi_label=True),
        "template": lambda pipe: pipe(ONE, LABELS, hypothesis_template="ini tentang {}"),
        "mistaken template": lambda pipe: pipe(ONE, LABELS, hypothesis_template="ini"),
        "empty": lambda pipe: pipe("", candidate_labels="cuaca"),
        "no label": lambda pipe: pipe(ONE, candidate_labels=""),
        "long": lambda pipe: pipe(LONG, LABELS),
    },
    "fill-mask": {
        "one": lambda pipe: pipe("kopi di [MASK]"),
        "list": lambda pipe: pipe(["kopi di [MASK]", "[MASK] turun sejak pagi"]),
        "batches": lambda pipe: pipe(["kopi di [MASK]", "[MASK] turun sejak pagi"], batch_size=2),
        "two masks": lambda pipe: pipe(MASKED, top_k=3),
        "targets": lambda pipe: pipe("kopi di [MASK]", targets=["meja", "pagi"]),
        "a target twice": lambda pipe: pipe("kopi di [MASK]", targets=["meja", "pagi", "meja"], top_k=3),
        "no target": lambda pipe: pipe("kopi di [MASK]", targets=[]),
        "empty target": lambda pipe: pipe("kopi di [MASK]", targets=[""]),
        "no mask": lambda pipe: pipe("kopi"),
        "None": lambda pipe: pipe([None]),
    },
    "feature-extraction": SEVERAL
    | {
        "batches": lambda pipe: pipe([ONE, ONE, ONE], batch_size=2),  # the vectors of pads mean nothing
        "tensors": lambda pipe: pipe(ONE, return_tensors=True),
        "cut": lambda pipe: pipe(LONG, tokenize_kwargs={"truncation": True, "max_length": 9}),
    },
    "text-generation": SEVERAL
    | {
        "continuation": lambda pipe: pipe(ONE, return_full_text=False),
        "ids": lambda pipe: pipe(ONE, return_tensors=True),
        "both": lambda pipe: pipe(ONE, return_full_text=True, return_tensors=True),
        "several": lambda pipe: pipe(TEXTS, num_return_sequences=2, num_beams=3),
        "several in batches": lambda pipe: pipe(TEXTS, num_return_sequences=2, num_beams=3, batch_size=2),
        "empty": lambda pipe: pipe(""),
        "stop": lambda pipe: pipe(ONE, stop_sequence="pagi"),
        "prefix": lambda pipe: pipe(ONE, prefix="kopi "),
        "too long": lambda pipe: pipe(LONG, max_new_tokens=5),
        "hole": lambda pipe: pipe(LONG, handle_long_generation="hole", max_new_tokens=5),
        "hole too small": lambda pipe: pipe(LONG, handle_long_generation="hole", max_new_tokens=50),
    },
}  # fmt: skip
CASES = [(task, head, call, None) for task, heads in FAMILIES.items() for head in heads for call in CALLS[task]]
# `ner` has a pipeline of ours, which answers otherwise than the stock one: both models run in each of the two.
CASES += [(task, head, call, TokenClassificationPipeline) for task, head, call, _ in CASES if task.startswith("token")]


@pytest.fixture(scope="module")
def tokenizers():
    """For encoders; and for decoders, whose stock twins must get no token types.

    A stock GPT-2 counts the positions of pads on the left too, except in `generate`.
    """
    how = {"vocab_size": 101, "limit_alphabet": 30, "initial_alphabet": "", "model_max_length": 20}
    wrapped = train_tokenizer(TEXTS * 3, **how)
    plain, writer = (train_tokenizer(TEXTS * 3, **how, wrap=False, padding_side=side) for side in ("right", "left"))
    plain.model_input_names = writer.model_input_names = ["input_ids", "attention_mask"]
    return {"encoder": wrapped, "decoder": plain, "writer": writer}


@pytest.fixture(scope="module")
def pipes(tokenizers):
    """Pipelines over ours and its twin, made once for each task, head and class."""
    made = {}

    def get(task, head, kind):
        if (task, head, kind) not in made:
            if isinstance(head, str):
                ours, tokenizer = (
                    make_ours("gpt2", head),
                    tokenizers["writer" if task == "text-generation" else "decoder"],
                )
            else:
                ours, tokenizer = random_model(head, vocab_size=101), tokenizers["encoder"]
            how = {"max_new_tokens": 4, "do_sample": False} if task == "text-generation" else {}
            twin = ours.double().to_stock().double()
            mine = pipeline(task, ours.eval(), tokenizer=tokenizer, pipeline_class=kind, **how)
            theirs = pipeline(task, twin.eval(), tokenizer=tokenizer, pipeline_class=type(mine), **how)
            made[task, head, kind] = mine, theirs
        return made[task, head, kind]

    return get


def simplify(value):
    """Numbers to compare with a tolerance; everything else as it is."""
    if isinstance(value, torch.Tensor):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: simplify(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, float) for item in value):
            return pytest.approx(value, abs=1e-6)
        return [simplify(item) for item in value]
    return pytest.approx(float(value), abs=1e-6) if hasattr(value, "dtype") or isinstance(value, float) else value


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(value) if hasattr(value, "dtype") else value


@pytest.mark.filterwarnings("ignore")  # advice of the pipelines to the caller
@pytest.mark.parametrize(("task", "head", "call", "kind"), CASES)
def test_a_pipeline_answers_as_with_the_stock_twin(task, head, call, kind, pipes):
    results = []
    for pipe in pipes(task, head, kind):
        try:
            results.append(CALLS[task][call](pipe))
        except Exception as error:
            results.append(error)
    ours, theirs = results
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs) | ValueError), ours
    else:
        assert plain(ours) == simplify(theirs)

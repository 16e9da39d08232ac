"""A question, its context, and question-answering pipelines with random weights."""

import json

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertTokenizer,
    GPT2Config,
    GPT2ForQuestionAnswering,
    RobertaConfig,
    RobertaForQuestionAnswering,
    RobertaTokenizer,
    pipeline,
)

from modeling_minibert import MiniBertConfig, MiniBertForQuestionAnswering

WORDS = "paris is the capital of france lyon a city in what where which not old big ##gest ##s , . ?".split()
SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
QUESTION = "What is the capital of France?"
CONTEXT = "Lyon is a big city. Paris, the biggest city in France, is the capital.  Lyons is not old."
SIZES = dict(hidden_size=20, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37)


def word_pieces():
    return BertTokenizer(vocab={word: index for index, word in enumerate(SPECIAL + WORDS)}, model_max_length=96)


def byte_level():
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([QUESTION, CONTEXT], vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    return RobertaTokenizer(vocab=trained.get_vocab(), merges=merges, model_max_length=96)


def random_pipeline(kind="mini", **fields):
    """A pipeline of a model with random weights, so large that the scores of the tokens differ."""
    tokenizer = byte_level() if kind in ("roberta", "gpt2") else word_pieces()
    sizes = SIZES | dict(vocab_size=len(tokenizer), max_position_embeddings=100)
    if kind == "mini":
        model = MiniBertForQuestionAnswering(MiniBertConfig(**sizes, **fields))
    elif kind == "bert":
        model = BertForQuestionAnswering(BertConfig(**sizes))
    elif kind == "gpt2":  # no CLS token; sees only what comes before
        model = GPT2ForQuestionAnswering(
            GPT2Config(vocab_size=len(tokenizer), n_positions=100, n_embd=20, n_layer=2, n_head=4)
        )
        tokenizer.cls_token = None
    else:
        model = RobertaForQuestionAnswering(RobertaConfig(**sizes, pad_token_id=1))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if "norm" in name.lower() and "weight" in name else 0.0, std=0.4)
    return pipeline("question-answering", model=model.eval(), tokenizer=tokenizer)

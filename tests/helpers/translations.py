"""Texts, tokenizers of two vocabularies, and random stock encoder–decoders."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

import modeling_minibert  # noqa: F401  (registers the tasks)

SOURCE_WORDS = "saya suka film ini tidak bagus kamu datang dengan mobil ringkas : terjemahkan".split()
TARGET_WORDS = "i you we like this movie not good come with a car the is very old new red".split()
TEXTS = ["saya suka film ini", "kamu datang dengan mobil", "tidak bagus", "saya tidak suka mobil ini dengan kamu"]
POSITIONS = 31


def word_tokenizer(words):
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    special = dict(pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


SOURCE, TARGET = word_tokenizer(SOURCE_WORDS), word_tokenizer(TARGET_WORDS)


def random_model(kind, decoder_vocabulary=None, **fields):
    """A stock encoder–decoder with weights so large that what it writes depends on what it reads."""
    special = dict(
        pad_token_id=0, eos_token_id=1, bos_token_id=None, decoder_start_token_id=0, forced_eos_token_id=None
    )
    special |= dict(forced_eos_token_id=None)
    if kind == "t5":
        sizes = dict(vocab_size=len(SOURCE), d_model=12, d_kv=6, d_ff=17, num_layers=1, num_heads=2)
        model = T5ForConditionalGeneration(T5Config(**sizes, **special, **fields))
    else:
        sizes = {f"{side}_{name}": n for side in ("encoder", "decoder")
                 for name, n in dict(layers=1, attention_heads=2, ffn_dim=17).items()}  # fmt: skip
        sizes |= dict(vocab_size=len(SOURCE), d_model=12, max_position_embeddings=POSITIONS)
        if decoder_vocabulary:
            sizes |= dict(share_encoder_decoder_embeddings=False, decoder_vocab_size=decoder_vocabulary)
        config, model_class = {
            "marian": (MarianConfig, MarianMTModel),
            "bart": (BartConfig, BartForConditionalGeneration),
        }[kind]
        model = model_class(config(**sizes, **special, **fields))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name and "embed_positions" not in name:
                parameter.normal_(std=0.7)
    return model.eval()

"""Six sentences, a tokenizer of their words, and random models to trace."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast

import modeling_minibert as ours

# The first document's six labelled sentences.
SENTENCES = {
    "aku suka banget sama film ini": 1,
    "filmnya bener-bener membosankan": 0,
    "aktingnya luar biasa": 1,
    "ngantuk banget pas nonton": 0,
    "ceritanya bikin terharu": 1,
    "gak masuk akal dan jelek": 0,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = SPECIAL + sorted({word for sentence in SENTENCES for word in sentence.split()} | {"tidak", "bagus"})
TEXT, PAIR = "aku tidak suka film ini", "ceritanya bagus"
SIZES = {"vocab_size": len(WORDS), "hidden_size": 20, "num_attention_heads": 4, "num_hidden_layers": 2}
SIZES |= {"intermediate_size": 37, "max_position_embeddings": 23}
CLOSE = {"rtol": 0, "atol": 1e-12}
EXACT = {"rtol": 0, "atol": 0}


def word_tokenizer(words):
    """Words at spaces, in BERT's frame."""
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    edges = [(token, words.index(token)) for token in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=edges
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)


def random_model(name, **fields):
    """All parameters random, biases and gains too; float64, in eval mode."""
    family = "MiniBert" if name.startswith("MiniBert") else "MiniGPT"
    config = getattr(ours, f"{family}Config")(**{**SIZES, "num_labels": 3, **fields})
    model = getattr(ours, name)(config).double().eval()
    for key, parameter in model.named_parameters():
        nn.init.normal_(parameter, 1.0 if key.endswith("norm.weight") else 0.0, 0.3)
    return model

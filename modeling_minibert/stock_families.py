"""The mapping between our models and stock ones: names of weights, names of fields, required values.

Read one family at a time, from its tables down to its `Twins`; `stock.py` does the converting.

This file travels with every saved checkpoint, so it finds the classes of ours by name, when they are asked for, and
one family never drags in the code of another.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

import transformers
from transformers import PreTrainedModel

# Fields that change nothing that a trained model computes are not asked about.
TRAINING_ONLY = {"embedding_dropout_prob", "word_dropout_prob", "mask_token_id"}


@dataclass(frozen=True)
class Twins:
    """A family of ours and the equivalent family of transformers.

    GPT-2 keeps the weights of its linear maps as (in, out), and the projections to query, key and value in one:
    `transposed` names such modules, and a name of ours may stand for a part of a stock module, as "c_attn.query".
    """

    ours: str  # model_type of ours, and the name of its modeling file after "modeling_"
    stock: str  # model_type of theirs
    classes: dict[str, str]
    weights: dict[str, str]  # a star is the number of a layer
    stock_needs: Callable[[PreTrainedModel], dict[str, tuple]]  # what to_stock asks of a model of ours
    ours_needs: Callable[[PreTrainedModel], dict[str, tuple]]  # what from_stock asks of a stock model
    stock_fields: Callable[[dict], dict] = dict  # fields of a configuration of ours → by the names of theirs
    our_fields: Callable[[dict], dict] = dict  # and back
    repeated: dict[str, str] = field(default_factory=dict)  # stock weights that only repeat another
    transposed: tuple[str, ...] = ()
    add_to_stock: Callable[[PreTrainedModel, dict], dict] = lambda model, weights: weights  # what only theirs keeps
    take_from_stock: Callable[[dict], dict] = dict  # and the way back
    told_by_weights: Callable[[PreTrainedModel], dict] = (
        lambda model: {}
    )  # fields of ours that no field of theirs tells
    fixed: dict[str, object] = field(default_factory=dict)  # fields of ours that tell this family from its sisters

    def get_class(self, side: str, name: str) -> type[PreTrainedModel]:
        """The class `name` on the side "ours" or "stock"."""
        ours = f".modeling_{self.ours}"
        return getattr(importlib.import_module(ours, __package__) if side == "ours" else transformers, name)

    def twin_of(self, side: str, name: str) -> str:
        """The class on the other side; a ValueError names those that have one."""
        classes = self.classes if side == "ours" else {stock: ours for ours, stock in self.classes.items()}
        if name not in classes:
            raise ValueError(f"{name} has no twin; choose one of {list(classes)}")
        return classes[name]


def _parts(model: PreTrainedModel) -> set[str]:
    return {name.rpartition(".")[2] for name, _ in model.named_modules()}


# --- MiniBert and BERT

BERT_ENCODER = {
    "embeddings.word_embeddings": "embeddings.word_embeddings",
    "embeddings.position_embeddings": "embeddings.position_embeddings",
    "embeddings.token_type_embeddings": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.*.attention.query": "encoder.layer.*.attention.self.query",
    "layers.*.attention.key": "encoder.layer.*.attention.self.key",
    "layers.*.attention.value": "encoder.layer.*.attention.self.value",
    "layers.*.attention.output": "encoder.layer.*.attention.output.dense",
    "layers.*.attention_norm": "encoder.layer.*.attention.output.LayerNorm",
    "layers.*.feed_forward.up": "encoder.layer.*.intermediate.dense",
    "layers.*.feed_forward.down": "encoder.layer.*.output.dense",
    "layers.*.feed_forward_norm": "encoder.layer.*.output.LayerNorm",
    "pooler.dense": "pooler.dense",
}
BERT_HEADS = {
    "mlm_head.dense": "cls.predictions.transform.dense",
    "mlm_head.norm": "cls.predictions.transform.LayerNorm",
    "mlm_head.decoder": "cls.predictions.decoder",
    "nsp_head": "cls.seq_relationship",
    "classifier.output": "classifier",
    "qa_outputs": "qa_outputs",
}
BERT_CLASSES = ("Model", "ForPreTraining", "ForMaskedLM", "ForNextSentencePrediction", "ForSequenceClassification",
                "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")  # fmt: skip


def _bert_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The values that a MiniBert needs to become a BERT, by field."""
    config, parts = model.config, _parts(model)
    needs = {
        "norm_position": ("post",),
        "norm_type": ("layernorm",),
        "position_embedding_type": ("learned",),
        "scale_embedding": (False,),
        "embedding_norm": (True,),
        "type_vocab_size": (config.type_vocab_size or 1,),
        "attention_bias": (True,),
        "head_dim": (config.hidden_size / config.num_attention_heads, None),
    }
    # These matter only to a class that has the part.
    if "pooler" in parts:
        needs["classifier_pooling"] = ("cls",)
    if "classifier" in parts:
        needs["classifier_hidden_size"] = (None, 0)
    if "qa_outputs" in parts:
        needs["num_labels"] = (2,)
    return needs


def _minibert_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The values that a BERT needs to become a MiniBert, by field."""
    needs = {"is_decoder": (False,), "add_cross_attention": (False,), "position_embedding_type": ("absolute", None)}
    return {**needs, "num_labels": (2,)} if hasattr(model, "qa_outputs") else needs


BERT = Twins(
    ours="minibert",
    stock="bert",
    classes={f"MiniBert{suffix}": f"Bert{suffix}" for suffix in BERT_CLASSES},
    weights=BERT_ENCODER | {f"minibert.{k}": f"bert.{v}" for k, v in BERT_ENCODER.items()} | BERT_HEADS,
    repeated={"cls.predictions.bias": "cls.predictions.decoder.bias"},
    stock_needs=_bert_needs,
    ours_needs=_minibert_needs,
)

# --- MiniGPT: with norms before the sub-layers GPT-2, with norms after them the first GPT

GPT_LAYERS = {
    "layers.*.attention.query": "h.*.attn.c_attn.query",
    "layers.*.attention.key": "h.*.attn.c_attn.key",
    "layers.*.attention.value": "h.*.attn.c_attn.value",
    "layers.*.attention.output": "h.*.attn.c_proj",
    "layers.*.attention_norm": "h.*.ln_1",
    "layers.*.feed_forward.up": "h.*.mlp.c_fc",
    "layers.*.feed_forward.down": "h.*.mlp.c_proj",
    "layers.*.feed_forward_norm": "h.*.ln_2",
}
GPT2_DECODER = GPT_LAYERS | {
    "embeddings.word_embeddings": "wte",
    "embeddings.position_embeddings": "wpe",
    "final_norm": "ln_f",
}
GPT1_DECODER = GPT_LAYERS | {
    "embeddings.word_embeddings": "tokens_embed",
    "embeddings.position_embeddings": "positions_embed",
}
GPT_HEADS = {"lm_head": "lm_head", "score": "score", "classifier.output": "classifier"}
GPT_FIELDS = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
    "hidden_dropout_prob": "resid_pdrop",
    "embedding_dropout_prob": "embd_pdrop",
    "attention_probs_dropout_prob": "attn_pdrop",
    "layer_norm_eps": "layer_norm_epsilon",
}


GPT2_FIELDS = GPT_FIELDS | {"intermediate_size": "n_inner", "hidden_act": "activation_function"}
GPT1_FIELDS = GPT_FIELDS | {"hidden_act": "afn"}
GPT1_ACTIVATIONS = {"gelu_new": "gelu", "relu": "relu", "silu": "silu"}  # its "gelu" is the approximation


def _gpt2_fields(ours: dict, names: dict[str, str] = GPT2_FIELDS) -> dict:
    """Translate the fields of MiniGPT to those of GPT-2."""
    dropout = ours["embedding_dropout_prob"]
    ours = ours | {"embedding_dropout_prob": ours["hidden_dropout_prob"] if dropout is None else dropout}
    return {names.get(field, field): value for field, value in ours.items()}


def _minigpt_fields(theirs: dict, names: dict[str, str] = GPT2_FIELDS) -> dict:
    """Translate the fields of GPT-2 to those of MiniGPT; n_inner defaults to 4 · n_embd."""
    ours = {field: theirs[name] for field, name in names.items()}
    ours["intermediate_size"] = ours.get("intermediate_size") or 4 * theirs["n_embd"]
    return (
        {name: value for name, value in theirs.items() if name not in names.values()} | ours | {"norm_position": "pre"}
    )


def _gpt1_fields(ours: dict) -> dict:
    theirs = _gpt2_fields(ours, GPT1_FIELDS)
    return theirs | {"afn": GPT1_ACTIVATIONS[theirs["afn"]]}


def _minigpt_fields_of_gpt1(theirs: dict) -> dict:
    names = {theirs: ours for ours, theirs in GPT1_ACTIVATIONS.items()}
    activation = {"hidden_act": names.get(theirs["afn"], "silu"), "norm_position": "post"}  # "swish" is silu
    return _minigpt_fields(theirs, GPT1_FIELDS) | activation


def _gpt_needs(model: PreTrainedModel) -> dict[str, tuple]:
    config = model.config
    needs = {
        "norm_type": ("layernorm",),
        "position_embedding_type": ("learned",),
        "scale_embedding": (False,),
        "embedding_norm": (False,),
        "type_vocab_size": (0,),
        "token_mixer": ("attention",),
        "attention_bias": (True,),
        "head_dim": (config.hidden_size / config.num_attention_heads, None),
    }
    return needs | {"classifier_hidden_size": (None, 0)} if "classifier" in _parts(model) else needs


def _gpt1_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The values that a MiniGPT needs to become a first GPT, by field."""
    wide = (4 * model.config.hidden_size,)
    return _gpt_needs(model) | {"intermediate_size": wide, "hidden_act": tuple(GPT1_ACTIVATIONS)}


def _minigpt_needs(model: PreTrainedModel) -> dict[str, tuple]:
    """The values that a GPT-2 needs to become a MiniGPT, by field."""
    return {
        "scale_attn_weights": (True, None),
        "scale_attn_by_inverse_layer_idx": (False, None),
        "add_cross_attention": (False, None),
    }


GPT2_CLASSES = {
    "MiniGPTModel": "GPT2Model",
    "MiniGPTForCausalLM": "GPT2LMHeadModel",
    "MiniGPTForSequenceClassification": "GPT2ForSequenceClassification",
    "MiniGPTForTokenClassification": "GPT2ForTokenClassification",
}
GPT1_CLASSES = {
    "MiniGPTModel": "OpenAIGPTModel",
    "MiniGPTForCausalLM": "OpenAIGPTLMHeadModel",
    "MiniGPTForSequenceClassification": "OpenAIGPTForSequenceClassification",
}
GPT2 = Twins(
    ours="minigpt",
    stock="gpt2",
    classes=GPT2_CLASSES,
    weights=GPT2_DECODER | {f"minigpt.{k}": f"transformer.{v}" for k, v in GPT2_DECODER.items()} | GPT_HEADS,
    stock_needs=_gpt_needs,
    ours_needs=_minigpt_needs,
    stock_fields=_gpt2_fields,
    our_fields=_minigpt_fields,
    transposed=("c_attn", "c_proj", "c_fc"),
    fixed={"norm_position": "pre"},
)
GPT1 = Twins(
    ours="minigpt",
    stock="openai-gpt",
    classes=GPT1_CLASSES,
    weights=GPT1_DECODER | {f"minigpt.{k}": f"transformer.{v}" for k, v in GPT1_DECODER.items()} | GPT_HEADS,
    stock_needs=_gpt1_needs,
    ours_needs=lambda model: {},
    stock_fields=_gpt1_fields,
    our_fields=_minigpt_fields_of_gpt1,
    transposed=("c_attn", "c_proj", "c_fc"),
    fixed={"norm_position": "post"},
)

FAMILIES = (BERT, GPT2, GPT1)

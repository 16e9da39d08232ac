"""minibert: a Transformer written from scratch that is an ordinary Hugging Face model.

Importing this package registers its classes, so that `AutoModel`, `pipeline` and `Trainer` know them:

    import modeling_minibert
    from transformers import pipeline

    pipeline("sentiment-analysis", "out/my-classifier")("filmnya bagus sekali")
"""

from transformers import models

from . import modeling_minibert as _minibert
from . import modeling_minigpt as _minigpt
from . import modeling_miniseq2seq as _miniseq2seq
from .attention import MultiHeadAttention, scaled_dot_product_attention
from .configuration_minibert import MiniBertConfig
from .configuration_minigpt import MiniGPTConfig
from .configuration_miniseq2seq import MiniSeq2SeqConfig
from .modeling_minibert import (
    MiniBertForMaskedLM,
    MiniBertForMultipleChoice,
    MiniBertForNextSentencePrediction,
    MiniBertForPreTraining,
    MiniBertForQuestionAnswering,
    MiniBertForSequenceClassification,
    MiniBertForTokenClassification,
    MiniBertModel,
    MiniBertPreTrainedModel,
)
from .modeling_minigpt import (
    MiniGPTForCausalLM,
    MiniGPTForMultipleChoice,
    MiniGPTForSequenceClassification,
    MiniGPTForTokenClassification,
    MiniGPTModel,
    MiniGPTPreTrainedModel,
)
from .modeling_miniseq2seq import (
    MiniSeq2SeqForConditionalGeneration,
    MiniSeq2SeqModel,
    MiniSeq2SeqPreTrainedModel,
)
from .pipeline_question_answering import QuestionAnsweringPipeline
from .pipeline_summarization import SummarizationPipeline
from .pipeline_text2text_generation import Text2TextGenerationPipeline
from .pipeline_token_classification import WordTokenClassificationPipeline
from .pipeline_translation import TranslationPipeline
from .pipelines import WindowedTextClassificationPipeline, register_pipelines
from .transformers_internals import name_causal_lm

__version__ = "0.1.0"

__all__ = [
    "MiniBertConfig",
    "MiniBertForMaskedLM",
    "MiniBertForMultipleChoice",
    "MiniBertForNextSentencePrediction",
    "MiniBertForPreTraining",
    "MiniBertForQuestionAnswering",
    "MiniBertForSequenceClassification",
    "MiniBertForTokenClassification",
    "MiniBertModel",
    "MiniBertPreTrainedModel",
    "MiniGPTConfig",
    "MiniGPTForCausalLM",
    "MiniGPTForMultipleChoice",
    "MiniGPTForSequenceClassification",
    "MiniGPTForTokenClassification",
    "MiniGPTModel",
    "MiniGPTPreTrainedModel",
    "MiniSeq2SeqConfig",
    "MiniSeq2SeqForConditionalGeneration",
    "MiniSeq2SeqModel",
    "MiniSeq2SeqPreTrainedModel",
    "MultiHeadAttention",
    "QuestionAnsweringPipeline",
    "SummarizationPipeline",
    "Text2TextGenerationPipeline",
    "TranslationPipeline",
    "WindowedTextClassificationPipeline",
    "WordTokenClassificationPipeline",
    "scaled_dot_product_attention",
]


def _register(config_class, modeling_module) -> None:
    """Register a family with Auto*, and let its classes save their code with the weights."""
    models.auto.AutoConfig.register(config_class.model_type, config_class, exist_ok=True)
    config_class.register_for_auto_class()
    for auto_name, path in config_class.auto_classes.items():
        if auto_name != "AutoConfig":
            model_class = getattr(modeling_module, path.rpartition(".")[2])
            getattr(models.auto, auto_name).register(config_class, model_class, exist_ok=True)
            model_class.register_for_auto_class(auto_name)


_register(MiniBertConfig, _minibert)
_register(MiniGPTConfig, _minigpt)
name_causal_lm(MiniGPTConfig.model_type, "MiniGPTForCausalLM")
_register(MiniSeq2SeqConfig, _miniseq2seq)
register_pipelines()

"""The configuration of MiniBert: all sizes and options.

Field names are those of BERT's configuration; what BERT lacks is listed after `tie_word_embeddings`. Presets follow
the published miniatures (Turc et al. 2019) and the lectures.
"""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .configuration_common import NORM_POSITIONS, SIZES, CommonConfig, shape
from .feed_forward import ACTIVATIONS
from .normalization import NORMS

POSITION_EMBEDDING_TYPES = ("learned", "sinusoidal", "rotary", "none")
CLASSIFIER_POOLINGS = ("cls", "mean", "max", "attention")

# Everything that Auto* may be asked for, so that any saved head also opens as any other class of the family.
AUTO_MAP = {
    "AutoConfig": "configuration_minibert.MiniBertConfig",
    "AutoModel": "modeling_minibert.MiniBertModel",
    "AutoModelForPreTraining": "modeling_minibert.MiniBertForPreTraining",
    "AutoModelForMaskedLM": "modeling_minibert.MiniBertForMaskedLM",
    "AutoModelForNextSentencePrediction": "modeling_minibert.MiniBertForNextSentencePrediction",
    "AutoModelForSequenceClassification": "modeling_minibert.MiniBertForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_minibert.MiniBertForTokenClassification",
    "AutoModelForQuestionAnswering": "modeling_minibert.MiniBertForQuestionAnswering",
    "AutoModelForMultipleChoice": "modeling_minibert.MiniBertForMultipleChoice",
}


PRESETS = {
    **SIZES,
    "minilm": shape(6, 384, 12),  # MiniLM (Wang et al. 2020), of six layers
    # The lectures' classifier for IMDB: 1,578,881 parameters with num_labels=1.
    "imdb-tiny": {
        **shape(2, 128, 4),
        "intermediate_size": 256,
        "vocab_size": 10_000,
        "max_position_embeddings": 200,
        "type_vocab_size": 0,
        "hidden_act": "relu",
        "layer_norm_eps": 1e-6,
        "embedding_norm": False,
        "classifier_pooling": "mean",
        "classifier_hidden_size": 64,
        "classifier_dropout": 0.3,
    },
}


@strict
class MiniBertConfig(CommonConfig, PreTrainedConfig):
    """Configuration of a MiniBert encoder. Types are checked; contradicting fields raise a ValueError.

    Args:
        vocab_size: number of tokens (V).
        hidden_size: features of each token vector (E).
        num_hidden_layers: layers, each attention and feed-forward.
        num_attention_heads: attention heads per layer (H).
        intermediate_size: width of the feed-forward network (M).
        hidden_act: activation of the feed-forward network: gelu, gelu_new, gelu_pytorch_tanh, relu, silu or tanh.
        hidden_dropout_prob: dropout after embeddings, attention and feed-forward, 0 to 1.
        attention_probs_dropout_prob: dropout on the attention weights.
        max_position_embeddings: the longest input, in tokens.
        type_vocab_size: number of segments; 0 for none.
        initializer_range: standard deviation of the initial weights.
        layer_norm_eps: added to the variance inside the norms.
        pad_token_id: its embedding is zero and is not trained.
        bos_token_id, eos_token_id: unused; kept for stock BERT's configuration.
        classifier_dropout: dropout before the classifier; `hidden_dropout_prob` where None.
        tie_word_embeddings: the masked-LM decoder shares the word embeddings.
        head_dim: features of each head (D); `hidden_size / num_attention_heads` where None.
        attention_bias: biases in the query, key, value and output projections.
        norm_position: "post", after each residual sum, as in BERT; or "pre", before each sub-layer, with one more
            norm at the end (trains without warm-up).
        norm_type: "layernorm" or "rmsnorm".
        position_embedding_type: "learned", "sinusoidal", "rotary" (only the distance of two tokens counts; learns order
            from less text) or "none".
        rotary_base: the slowest of the rotations takes about 2π · base positions.
        scale_embedding: multiply word vectors by √hidden_size (Vaswani et al. 2017, section 3.4).
        embedding_norm: normalize the sum of the embeddings, as BERT does.
        embedding_dropout_prob: dropout after the embeddings; `hidden_dropout_prob` where None.
        word_dropout_prob: the share of tokens that training replaces by [MASK], against leaning on single words (word
            dropout, Iyyer et al. 2015); needs mask_token_id.
        mask_token_id: the id of [MASK].
        classifier_pooling: the vector of the whole text: "cls", BERT's dense and tanh over the first token;
            "mean" or "max" over the real tokens; "attention", a mean over them whose weights are learned.
        classifier_hidden_size: width of one more layer before the classifier; none where None.

    Example:
        >>> MiniBertConfig.from_preset("mini", num_labels=3).hidden_size
        256
    """

    model_type = "minibert"
    presets = PRESETS
    auto_classes = AUTO_MAP
    keys_to_ignore_at_inference = ["cache", "masked_lm_loss", "next_sentence_loss"]

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    classifier_dropout: float | int | None = None
    tie_word_embeddings: bool = True
    # What BERT's configuration does not have:
    head_dim: int | None = None
    attention_bias: bool = True
    norm_position: str = "post"
    norm_type: str = "layernorm"
    position_embedding_type: str = "learned"
    rotary_base: float | int = 10_000.0
    scale_embedding: bool = False
    embedding_norm: bool = True
    embedding_dropout_prob: float | int | None = None
    word_dropout_prob: float | int = 0.0
    mask_token_id: int | None = None
    classifier_pooling: str = "cls"
    classifier_hidden_size: int | None = None

    def check(self) -> None:
        """Raise a ValueError for fields that contradict each other; models call it again when they are built."""
        self.check_choices(
            {
                "hidden_act": sorted(ACTIVATIONS),
                "norm_position": NORM_POSITIONS,
                "norm_type": sorted(NORMS),
                "position_embedding_type": POSITION_EMBEDDING_TYPES,
                "classifier_pooling": CLASSIFIER_POOLINGS,
            }
        )
        sizes = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
        self.check_sizes(sizes, ("num_hidden_layers", "type_vocab_size"))
        self.check_probabilities(
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "embedding_dropout_prob",
            "word_dropout_prob",
            "classifier_dropout",
        )
        self.check_token_ids("pad_token_id", "mask_token_id")
        if self.position_embedding_type == "rotary" and self.attention_head_size % 2:
            raise ValueError(
                f"rotary positions turn pairs of features, but a head has {self.attention_head_size}; make it even"
            )
        if self.word_dropout_prob and self.mask_token_id is None:
            raise ValueError(f"word_dropout_prob ({self.word_dropout_prob}) needs mask_token_id, which is None")

"""The configuration of MiniSeq2Seq: all sizes and options.

Field names are those of BERT's configuration, as in all families here (transformers' Marian says d_model,
encoder_ffn_dim, …; T5 says d_ff, num_heads, …). With the defaults it is the Transformer of 2017; the preset "t5" is T5.
"""

import re

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .configuration_common import NORM_POSITIONS, SIZES, CommonConfig
from .feed_forward import ACTIVATIONS
from .normalization import NORMS

TARGET_FOLDER = re.compile(r"[\w-]+")
POSITION_EMBEDDING_TYPES = ("learned", "sinusoidal", "relative", "none")

# Everything that Auto* may be asked for, so that any saved head also opens as any other class of the family.
AUTO_MAP = {
    "AutoConfig": "configuration_miniseq2seq.MiniSeq2SeqConfig",
    "AutoModel": "modeling_miniseq2seq.MiniSeq2SeqModel",
    "AutoModelForSeq2SeqLM": "modeling_miniseq2seq.MiniSeq2SeqForConditionalGeneration",
}


def _both_stacks(num_hidden_layers: int, **sizes) -> dict:
    """A published size, with the same number of layers in encoder and decoder."""
    return {"num_encoder_layers": num_hidden_layers, "num_decoder_layers": num_hidden_layers, **sizes}


PRESETS = {
    **{name: _both_stacks(**sizes) for name, sizes in SIZES.items()},
    # Vaswani et al. 2017, the base model of table 3, with the label smoothing of section 5.4.
    "vanilla": {"label_smoothing": 0.1},
    # Raffel et al. 2020, section 2.1, in the size of t5-small.
    "t5": {
        "vocab_size": 32_128,
        "norm_position": "pre",
        "norm_type": "rmsnorm",
        "layer_norm_eps": 1e-6,
        "position_embedding_type": "relative",
        "scale_embedding": False,
        "scale_attention": False,
        "scale_output": True,
        "attention_bias": False,
        "feed_forward_bias": False,
        "attention_probs_dropout_prob": 0.1,
        "activation_dropout_prob": 0.1,
        "final_dropout_prob": 0.1,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
    },
    # The lectures' Transformer(n_vocab_src, n_vocab_tgt): two vocabularies of words, and a separate output layer.
    "lecture": {
        "hidden_size": 32,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "scale_embedding": False,
        "tie_word_embeddings": False,
        "output_bias": True,
    },
}


@strict
class MiniSeq2SeqConfig(CommonConfig, PreTrainedConfig):
    """Configuration of a MiniSeq2Seq encoder–decoder. Types are checked; contradicting fields raise a ValueError.

    Args:
        vocab_size: number of tokens (V) of the source, and of the target where `decoder_vocab_size` is None.
        decoder_vocab_size: number of tokens of a separate target vocabulary; where None, both sides share one.
        hidden_size: features of each token vector (E).
        num_encoder_layers: layers that read the source, each self-attention and feed-forward.
        num_decoder_layers: layers that write the target, each self-attention, cross-attention and feed-forward.
        num_attention_heads: attention heads per layer (H).
        intermediate_size: width of the feed-forward network (M).
        hidden_act: activation of the feed-forward network: gelu, gelu_new, gelu_pytorch_tanh, relu, silu or tanh.
        hidden_dropout_prob: dropout after embeddings, attention and feed-forward, 0 to 1.
        attention_probs_dropout_prob: dropout on the attention weights.
        activation_dropout_prob: dropout inside the feed-forward network, after the activation.
        final_dropout_prob: dropout on what encoder and decoder give out.
        max_position_embeddings: the longest source, and the longest target; relative and no positions have no limit.
        initializer_range: standard deviation of the initial weights; where None, Xavier-uniform weights and embeddings
            of standard deviation 1/√E, or 1 with `scale_output`.
        layer_norm_eps: added to the variance inside the norms.
        pad_token_id: what fills up short rows, in both vocabularies.
        bos_token_id, eos_token_id: where a text begins and ends; `generate` stops at the second.
        decoder_start_token_id: what the decoder reads first, before any token of the target; Marian and T5 take the
            padding token, the lectures `[SOS]`.
        tie_word_embeddings: one matrix for the words that the decoder reads and those that it writes, and for those of
            the source too where they share a vocabulary.
        use_cache: whether to return keys and values for the next call where the call does not say.
        head_dim: features of each head (D); `hidden_size / num_attention_heads` where None.
        attention_bias: biases in the query, key, value and output projections.
        feed_forward_bias: biases in the feed-forward network.
        output_bias: a bias for each word of the output layer.
        norm_position: "post", after each residual sum, as in 2017; or "pre", before each sub-layer and once more at the
            end of each stack.
        norm_type: "layernorm" or "rmsnorm".
        position_embedding_type: "learned", "sinusoidal", "relative" (a learned score for each distance, see
            `relative_positions.py`) or "none".
        relative_buckets, relative_max_distance: how many scores for distances there are, and from where on all share
            one.
        scale_embedding: multiply word vectors by √hidden_size (Vaswani et al. 2017, section 3.4).
        scale_attention: multiply attention scores by 1/√D.
        scale_output: multiply the decoder's vectors by 1/√E before the output layer, as T5 with tied embeddings.
        target_tokenizer: the sub-folder with a separate tokenizer for the target; see
            `pipeline_text2text_generation.py`.
        label_smoothing: the share of each label that is spread over all words while training (section 5.4); 0 to 1.

    Example:
        >>> MiniSeq2SeqConfig.from_preset("mini", vocab_size=8000).num_decoder_layers
        4
    """

    model_type = "miniseq2seq"
    presets = PRESETS
    auto_classes = AUTO_MAP
    keys_to_ignore_at_inference = ["past_key_values", "cache"]
    attribute_map = {"num_hidden_layers": "num_decoder_layers"}  # where caches look
    # Options of `Embeddings` that this family fixes.
    type_vocab_size = 0
    embedding_norm = False
    embedding_dropout_prob = None
    sines_first = True

    vocab_size: int = 32_000
    decoder_vocab_size: int | None = None
    hidden_size: int = 512
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    hidden_act: str = "relu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.0
    activation_dropout_prob: float | int = 0.0
    final_dropout_prob: float | int = 0.0
    max_position_embeddings: int = 512
    initializer_range: float | int | None = None
    layer_norm_eps: float = 1e-5
    pad_token_id: int = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int = 1
    tie_word_embeddings: bool = True
    use_cache: bool = True
    is_encoder_decoder: bool = True
    head_dim: int | None = None
    attention_bias: bool = True
    feed_forward_bias: bool = True
    output_bias: bool = False
    norm_position: str = "post"
    norm_type: str = "layernorm"
    position_embedding_type: str = "sinusoidal"
    relative_buckets: int = 32
    relative_max_distance: int = 128
    scale_embedding: bool = True
    scale_attention: bool = True
    scale_output: bool = False
    label_smoothing: float | int = 0.0
    target_tokenizer: str | None = None

    def check(self) -> None:
        """Raise a ValueError for fields that contradict each other; models call it again when they are built."""
        self.check_choices(
            {
                "hidden_act": sorted(ACTIVATIONS),
                "norm_position": NORM_POSITIONS,
                "norm_type": sorted(NORMS),
                "position_embedding_type": POSITION_EMBEDDING_TYPES,
                "is_encoder_decoder": (True,),
            }
        )
        sizes = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
        self.check_sizes(sizes, ("num_encoder_layers", "num_decoder_layers"))
        self.check_probabilities(
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "activation_dropout_prob",
            "final_dropout_prob",
            "label_smoothing",
        )
        self.check_token_ids("pad_token_id")
        for field in ("pad_token_id", "decoder_start_token_id"):
            if not 0 <= getattr(self, field) < self.target_vocab_size:
                raise ValueError(
                    f"{field} ({getattr(self, field)}) is not in the target vocabulary of {self.target_vocab_size} "
                    f"tokens; both sides share pad_token_id, and the decoder begins with decoder_start_token_id"
                )
        # Half of the buckets are for either direction, and half of those for single distances.
        if self.relative_buckets < 4 or self.relative_buckets % 2:
            raise ValueError(f"relative_buckets ({self.relative_buckets}) must be even and at least 4")
        if self.relative_max_distance <= self.relative_buckets // 2:
            raise ValueError(
                f"relative_max_distance ({self.relative_max_distance}) must be above half of relative_buckets "
                f"({self.relative_buckets})"
            )
        # A folder is made by this name: no configuration from elsewhere decides where.
        if self.target_tokenizer is not None and not TARGET_FOLDER.fullmatch(self.target_tokenizer):
            raise ValueError(
                f"target_tokenizer ({self.target_tokenizer!r}) must be the name of a sub-folder, of letters, digits, _ "
                "and -"
            )

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> "MiniSeq2SeqConfig":
        """Return this configuration for both stacks; transformers would misread `decoder_vocab_size`."""
        return self

    @property
    def target_vocab_size(self) -> int:
        """Size of the decoder's vocabulary."""
        return self.vocab_size if self.decoder_vocab_size is None else self.decoder_vocab_size

    @property
    def has_position_limit(self) -> bool:
        """Whether `max_position_embeddings` limits the length of source and target."""
        return self.position_embedding_type in ("learned", "sinusoidal")

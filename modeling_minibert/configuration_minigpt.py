"""The configuration of MiniGPT: all sizes and options.

Field names are those of BERT's configuration, as in all families here (transformers' GPT-2 says n_embd, n_layer, …).
With the defaults it is GPT-2; `norm_position="post"` makes it the first GPT.
"""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .configuration_common import NORM_POSITIONS, SIZES, CommonConfig, shape
from .feed_forward import ACTIVATIONS
from .normalization import NORMS
from .token_mixers import MIXERS

POSITION_EMBEDDING_TYPES = ("learned", "sinusoidal", "rotary", "none")

# Everything that Auto* may be asked for, so that any saved head also opens as any other class of the family.
AUTO_MAP = {
    "AutoConfig": "configuration_minigpt.MiniGPTConfig",
    "AutoModel": "modeling_minigpt.MiniGPTModel",
    "AutoModelForCausalLM": "modeling_minigpt.MiniGPTForCausalLM",
    "AutoModelForSequenceClassification": "modeling_minigpt.MiniGPTForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_minigpt.MiniGPTForTokenClassification",
    "AutoModelForMultipleChoice": "modeling_minigpt.MiniGPTForMultipleChoice",
}

PRESETS = {
    **SIZES,
    "gpt2": {},
    # Radford et al. 2018: norms after each sub-layer, 512 tokens, a vocabulary of 40,478.
    "gpt1": {"norm_position": "post", "vocab_size": 40_478, "max_position_embeddings": 512},
    # nanoGPT's character model for a CPU.
    "char": {
        **shape(4, 128, 4),
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    # The lectures' GPT(V, 32, 2, 2) for a poem, four words at a time.
    "lecture": {
        **shape(2, 32, 2),
        "max_position_embeddings": 4,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}


@strict
class MiniGPTConfig(CommonConfig, PreTrainedConfig):
    """Configuration of a MiniGPT decoder. Types are checked; contradicting fields raise a ValueError.

    Args:
        vocab_size: number of tokens (V).
        hidden_size: features of each token vector (E).
        num_hidden_layers: layers, each attention and feed-forward.
        num_attention_heads: attention heads per layer (H).
        intermediate_size: width of the feed-forward network (M).
        hidden_act: activation of the feed-forward network: gelu, gelu_new, gelu_pytorch_tanh, relu, silu or tanh.
        hidden_dropout_prob: dropout after embeddings, attention and feed-forward, 0 to 1.
        attention_probs_dropout_prob: dropout on the attention weights, where there are any.
        max_position_embeddings: the longest text, prompt and continuation together; rotary and no positions have no
            limit of their own.
        type_vocab_size: number of segments; 0 for none.
        initializer_range: standard deviation of the initial weights; with norms before the sub-layers, the projections
            that end a residual branch get it divided by √(2 · layers) (Radford et al. 2019, section 2.3).
        layer_norm_eps: added to the variance inside the norms.
        pad_token_id: what fills up short rows; by it a classifier finds the last real token where no attention mask is
            given. It may be the eos token, as usual with GPT-2.
        bos_token_id, eos_token_id: where a text begins and ends; `generate` stops at the second.
        classifier_dropout: dropout before a classifier; where None, `hidden_dropout_prob` for tokens and none for whole
            texts, as in GPT-2.
        tie_word_embeddings: the output layer shares the word embeddings.
        use_cache: whether to return keys and values for the next call where the call does not say.
        head_dim: features of each head (D); `hidden_size / num_attention_heads` where None.
        attention_bias: biases in the query, key, value and output projections.
        norm_position: "pre", before each sub-layer and once more at the end, as in GPT-2; or "post", after each
            residual sum, as in the first GPT.
        norm_type: "layernorm" or "rmsnorm".
        position_embedding_type: "learned", "sinusoidal", "rotary" or "none".
        rotary_base: the slowest of the rotations takes about 2π · base positions.
        scale_embedding: multiply word vectors by √hidden_size (Vaswani et al. 2017, section 3.4).
        embedding_norm: normalize the sum of the embeddings.
        embedding_dropout_prob: dropout after the embeddings; `hidden_dropout_prob` where None.
        classifier_hidden_size: width of one more layer before the token classifier; none where None.
        token_mixer: how tokens learn what came before them: "attention"; "aft_full" or "aft_simple", attention-free
            averages; or "linear", gated linear attention. See `token_mixers.py`.

    Example:
        >>> MiniGPTConfig.from_preset("mini", vocab_size=8000).hidden_size
        256
    """

    model_type = "minigpt"
    presets = PRESETS
    auto_classes = AUTO_MAP
    keys_to_ignore_at_inference = ["past_key_values", "cache"]

    vocab_size: int = 50_257
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu_new"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 1024
    type_vocab_size: int = 0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    classifier_dropout: float | int | None = None
    tie_word_embeddings: bool = True
    use_cache: bool = True
    head_dim: int | None = None
    attention_bias: bool = True
    norm_position: str = "pre"
    norm_type: str = "layernorm"
    position_embedding_type: str = "learned"
    rotary_base: float | int = 10_000.0
    scale_embedding: bool = False
    embedding_norm: bool = False
    embedding_dropout_prob: float | int | None = None
    classifier_hidden_size: int | None = None
    token_mixer: str = "attention"

    def check(self) -> None:
        """Raise a ValueError for fields that contradict each other; models call it again when they are built."""
        self.check_choices(
            {
                "hidden_act": sorted(ACTIVATIONS),
                "norm_position": NORM_POSITIONS,
                "norm_type": sorted(NORMS),
                "position_embedding_type": POSITION_EMBEDDING_TYPES,
                "token_mixer": ["attention", *MIXERS],
            }
        )
        sizes = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
        self.check_sizes(sizes, ("num_hidden_layers", "type_vocab_size"))
        self.check_probabilities(
            "hidden_dropout_prob", "attention_probs_dropout_prob", "embedding_dropout_prob", "classifier_dropout"
        )
        self.check_token_ids("pad_token_id")  # many a stock GPT-2 with few words has 50256 for the others
        if self.position_embedding_type == "rotary" and self.attention_head_size % 2:
            raise ValueError(
                f"rotary positions turn pairs of features, but a head has {self.attention_head_size}; make it even"
            )
        if self.position_embedding_type == "rotary" and self.token_mixer in ("aft_full", "aft_simple"):
            raise ValueError(
                f"rotary positions show in the product of a query and a key, which token_mixer={self.token_mixer!r} "
                f"does not take; choose learned, sinusoidal or none"
            )

    @property
    def has_position_limit(self) -> bool:
        """Whether `max_position_embeddings` limits the length of a text."""
        return self.position_embedding_type in ("learned", "sinusoidal") or self.token_mixer == "aft_full"

    @property
    def layer_types(self) -> list[str]:
        """The type of cache layer that each layer needs; `DynamicCache(config=…)` reads it."""
        mixer = MIXERS.get(self.token_mixer)
        return [mixer.layer_type if mixer else "full_attention"] * self.num_hidden_layers

    @layer_types.setter
    def layer_types(self, types: list[str]) -> None:
        """Accept the types that follow from `token_mixer`: tools that drop layers set what they read."""
        if list(types) != self.layer_types:
            raise ValueError(
                f"layer_types is {list(types)}, but token_mixer={self.token_mixer!r} and num_hidden_layers="
                f"{self.num_hidden_layers} need {self.layer_types}; change those instead"
            )

    def validate_layer_type(self) -> None:
        """Hook: accept the types of our token mixers, which transformers does not know."""

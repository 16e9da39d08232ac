"""The base of all configurations: presets, validation with both values named, and `output_attentions`.

A family lists its fields in its own file (`configuration_minibert.py`, `configuration_minigpt.py`); a reader who wants
to know the sizes and choices of a model needs only that one.
"""

from dataclasses import fields

from .transformers_internals import is_registered_task

NORM_POSITIONS = ("post", "pre")


def shape(layers: int, hidden_size: int, heads: int) -> dict:
    """The four sizes by which published Transformers differ; intermediate_size is 4 · hidden_size."""
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden_size,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden_size,
    }


# The published miniatures (Turc et al. 2019), and the two sizes of BERT.
SIZES = {
    "tiny": shape(2, 128, 2),
    "mini": shape(4, 256, 4),
    "small": shape(4, 512, 8),
    "medium": shape(8, 512, 8),
    "base": shape(12, 768, 12),
    "large": shape(24, 1024, 16),
}


class CommonConfig:
    """Mixin of a family's configuration, placed before `PreTrainedConfig`.

    The family gives `presets`, named configurations, and `auto_classes`: everything that Auto* may be asked for, so
    that any saved head also opens as any other class of the family.
    """

    presets = {}
    auto_classes = {}

    def __post_init__(self, **kwargs):
        # Local file names, also for a checkpoint from the Hub ("you/model--modeling_minibert.…"): every save copies
        # these files.
        kwargs.pop("auto_map", None)
        self.auto_map = dict(self.auto_classes)
        # Pipelines saved with a model run code from its folder, which needs trust_remote_code=True; registered ones
        # do not.
        saved = {
            task: entry
            for task, entry in kwargs.pop("custom_pipelines", {}).items()
            if not is_registered_task(task, entry["impl"].rpartition(".")[2])
        }
        if saved:
            kwargs["custom_pipelines"] = saved
        super().__post_init__(**kwargs)
        self.check()
        if self.head_dim is None:
            self.head_dim = self.attention_head_size

    def __setattr__(self, name: str, value) -> None:
        """Set a field; a head_dim that follows from hidden_size and num_attention_heads keeps following.

        It is None where the heads do not divide the hidden size, which `check` refuses.
        """
        follows = name in ("hidden_size", "num_attention_heads") and "head_dim" in vars(self)
        follows = follows and self.head_dim in (None, self.hidden_size // self.num_attention_heads)
        super().__setattr__(name, value)
        if follows:
            size, rest = divmod(self.hidden_size, self.num_attention_heads)
            super().__setattr__("head_dim", None if rest else size)

    @classmethod
    def from_preset(cls, name: str, **overrides):
        """Build a named configuration, with any field replaced.

        Raises:
            ValueError: an unknown name (lists the presets), or an unknown field (lists the fields).
        """
        if name not in cls.presets:
            raise ValueError(f"unknown preset {name!r}; choose one of {sorted(cls.presets)}")
        # Hugging Face keeps any keyword as an attribute; a misspelt size would be a silent no-op.
        ours = {field.name for field in fields(cls)} - {"transformers_version", "architectures"}
        unknown = sorted(set(overrides) - ours - {"num_labels", "attn_implementation", "output_attentions"})
        if unknown:
            raise ValueError(f"unknown fields {unknown}; choose from {sorted(ours)}")
        return cls(**{**cls.presets[name], **overrides})

    def check(self) -> None:
        """Raise a ValueError for fields that contradict each other; models call it again when they are built."""
        raise NotImplementedError

    def check_choices(self, choices: dict[str, list | tuple]) -> None:
        """Require each field to hold one of its allowed values."""
        for field, valid in choices.items():
            if getattr(self, field) not in valid:
                raise ValueError(f"unknown {field} {getattr(self, field)!r}; choose one of {list(valid)}")

    def check_sizes(self, least_one: tuple[str, ...], least_zero: tuple[str, ...] = ()) -> None:
        """Require sizes of at least 1 (or 0), and heads that divide the hidden size."""
        for field in (*least_one, *least_zero):
            least = 1 if field in least_one else 0
            if getattr(self, field) < least:
                raise ValueError(f"{field} ({getattr(self, field)}) must be at least {least}")
        if self.head_dim is None and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) is not a multiple of num_attention_heads "
                f"({self.num_attention_heads}); change one of them, or set head_dim"
            )

    def check_probabilities(self, *names: str) -> None:
        """Require dropout rates of at least 0 and below 1, or None."""
        for field in names:
            if getattr(self, field) is not None and not 0.0 <= getattr(self, field) < 1.0:
                raise ValueError(f"{field} ({getattr(self, field)}) must be at least 0 and below 1")

    def check_token_ids(self, *names: str) -> None:
        """Require ids inside the vocabulary, or None."""
        for field in names:
            if getattr(self, field) is not None and not 0 <= getattr(self, field) < self.vocab_size:
                raise ValueError(f"{field} ({getattr(self, field)}) is not below vocab_size ({self.vocab_size})")

    @property
    def attention_head_size(self) -> int:
        """Features of each attention head (D)."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    # transformers refuses output_attentions=True for all implementations but eager; ours have them under each.
    @property
    def output_attentions(self) -> bool:
        """Whether models return attention weights by default."""
        return self._output_attentions

    @output_attentions.setter
    def output_attentions(self, value: bool) -> None:
        self._output_attentions = value

    def validate_output_attentions(self) -> None:
        """Hook: accept `output_attentions` under every attention implementation."""

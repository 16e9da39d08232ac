"""Validate generation settings before any work starts."""

from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

from .caches import RUNNING_STATE
from .masks import causal_mask
from .transformers_internals import CACHE_NAME, GenerateHooks


class MiniGenerationMixin(GenerateHooks):
    """`generate` with validated settings, for the decoders of all families."""

    def check_generation_config(self, generation_config: GenerationConfig) -> None:
        """Validate beams, top_p, temperature, and that what is drafted can be taken back."""
        check_generation(generation_config)
        if getattr(generation_config, "is_assistant", False):  # a stock model calls it, without the hooks of ours
            self.check_assistant(None)

    def check_assistant(self, assistant_model: PreTrainedModel | None) -> None:
        """Raise a ValueError for a draft that is to be taken back out of a running state."""
        for model in (self, assistant_model):
            config: Any = getattr(model, "config", None)
            if RUNNING_STATE in (getattr(config, "layer_types", None) or ()):
                raise ValueError(
                    f"rejected tokens cannot be taken out of a running state (token_mixer="
                    f"{config.token_mixer!r}); generate without assistant_model, prompt_lookup_num_tokens and "
                    f"assistant_early_exit"
                )

    @staticmethod
    def create_masks_for_generate(
        config, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor | None, **kwargs
    ) -> torch.Tensor:
        """The mask that `generate` passes with a static cache: (B, 1, L, S) bool, one shape for all steps."""
        mask = causal_mask(inputs_embeds.shape[1], attention_mask, kwargs[CACHE_NAME], inputs_embeds.device)
        return mask.expand(inputs_embeds.shape[0], -1, -1, -1)


def check_generation(config: GenerationConfig) -> None:
    """Raise a ValueError for a number of beams, a top_p or a temperature out of range.

    transformers divides by `num_beams` 0, and samples from all tokens where `top_p` is above 1.
    """
    check_beams(config.num_beams)
    if config.do_sample and config.top_p is not None and not 0 < config.top_p <= 1:
        raise ValueError(f"top_p is {config.top_p}; give more than 0 and at most 1, which keeps all tokens")
    if config.do_sample and config.temperature is not None and not config.temperature > 0:
        raise ValueError(
            f"temperature is {config.temperature}; give more than 0, or do_sample=False, which is its limit"
        )


def check_beams(num_beams: int | None) -> None:
    """Raise a ValueError for fewer than one beam."""
    if num_beams is not None and num_beams < 1:
        raise ValueError(f"num_beams is {num_beams}; give 1 for greedy search, or the number of beams")

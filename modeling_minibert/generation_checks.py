"""What `generate` would take silently, or refuse in the middle of its work: refused before it begins."""

from transformers import GenerationConfig, GenerationMixin


class CheckedGenerationMixin(GenerationMixin):
    """`generate`, which refuses settings that mean nothing before any work is done."""

    def _prepare_generation_config(self, *args, **kwargs):
        """What `generate` was told, with the model's own defaults."""
        generation_config, model_kwargs = super()._prepare_generation_config(*args, **kwargs)
        check_generation(generation_config)
        return generation_config, model_kwargs


def check_generation(config: GenerationConfig) -> None:
    """Raise a ValueError for numbers of beams, or limits of sampling, that mean nothing.

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

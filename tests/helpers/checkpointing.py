"""Activation checkpointing under the name that the installed transformers has for it."""


def enable_checkpointing(model, *options):
    """Recompute activations in the backward pass; newer releases of transformers deprecate the older name."""
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)(*options)

"""The number format of autocast."""

import torch


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The half precision that `torch.autocast` has chosen for a device; None outside of autocast."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return None

"""What `Trainer` lacks."""

from .output_folder import check_output_folder, last_checkpoint

__all__ = ["check_output_folder", "last_checkpoint"]

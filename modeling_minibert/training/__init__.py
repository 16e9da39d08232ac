"""What `Trainer` lacks."""

from .output_folder import check_output_folder, last_checkpoint
from .progress import ProgressLines, show_progress_lines

__all__ = ["ProgressLines", "check_output_folder", "last_checkpoint", "show_progress_lines"]

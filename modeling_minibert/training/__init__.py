"""What `Trainer` lacks."""

from .output_folder import check_output_folder, last_checkpoint
from .prediction import predict_in_order
from .progress import ProgressLines, show_progress_lines

__all__ = ["ProgressLines", "check_output_folder", "last_checkpoint", "predict_in_order", "show_progress_lines"]

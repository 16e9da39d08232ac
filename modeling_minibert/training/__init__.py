"""What `Trainer` lacks."""

from .curves import plot_training_curve
from .float32 import use_exact_fast_float32
from .output_folder import check_output_folder, last_checkpoint
from .prediction import predict_in_order
from .progress import ProgressLines, show_progress_lines
from .schedule import check_warmup

__all__ = [
    "ProgressLines",
    "check_output_folder",
    "check_warmup",
    "last_checkpoint",
    "plot_training_curve",
    "predict_in_order",
    "show_progress_lines",
    "use_exact_fast_float32",
]

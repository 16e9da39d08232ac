"""What `Trainer` lacks."""

from .arguments import AnyDeviceArguments, BatchPerItemArguments
from .auxiliary_loss import AuxiliaryLossTrainer, is_causal
from .cpu import prepare_cpu, use_exact_fast_float32
from .curves import plot_training_curve
from .epochs import SetEpoch
from .implementation import IMPLEMENTATIONS, load_checkpoint
from .layer_groups import layer_groups
from .loss_meter import LossMeter, expected_losses
from .options import expand_recipe, parse_options
from .output_folder import check_output_folder, last_checkpoint
from .packed_trainer import PackedTrainer, PackedTrainingArguments
from .prediction import longest_first, predict_in_order
from .processes import end_processes
from .progress import ProgressLines, show_progress_lines
from .schedule import check_warmup
from .two_phase import PhasedTrainer, Unfreezing, UnfreezingArguments
from .word_vectors import count_word_vectors, set_word_vectors

__all__ = [
    "AnyDeviceArguments",
    "AuxiliaryLossTrainer",
    "BatchPerItemArguments",
    "IMPLEMENTATIONS",
    "LossMeter",
    "PackedTrainer",
    "PackedTrainingArguments",
    "PhasedTrainer",
    "ProgressLines",
    "SetEpoch",
    "Unfreezing",
    "UnfreezingArguments",
    "check_output_folder",
    "check_warmup",
    "count_word_vectors",
    "end_processes",
    "expand_recipe",
    "expected_losses",
    "is_causal",
    "last_checkpoint",
    "layer_groups",
    "load_checkpoint",
    "longest_first",
    "parse_options",
    "plot_training_curve",
    "prepare_cpu",
    "predict_in_order",
    "set_word_vectors",
    "show_progress_lines",
    "use_exact_fast_float32",
]

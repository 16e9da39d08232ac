"""Training with `Trainer`, and the parts it lacks.

Before a run:      arguments.py, machine.py (CPU settings), output_folder.py, implementation.py (opens a checkpoint),
                   word_vectors.py (initialises word embeddings)
Trainers:          trainers.py (packed batches), auxiliary_loss.py, two_phase.py with layer_groups.py (freezing);
                   loss_functions.py (focal, contrastive)
During and after:  callbacks.py, loss_meter.py, training_curves.py, model_card.py
Commands:          classifier.py (with classifier_arguments.py and classifier_results.py), mlm.py, lm.py,
                   translator.py, qa.py, tagger.py, multiple_choice.py, indonlu.py (its parts: indonlu_settings.py,
                   indonlu_classifier.py, indonlu_tagger.py, indonlu_baselines.py, indonlu_table.py)
"""

from .arguments import AnyDeviceArguments, BatchPerItemArguments, PackedTrainingArguments, expand_recipe, parse_options
from .auxiliary_loss import AuxiliaryLossTrainer, is_causal
from .callbacks import ProgressLines, SetEpoch, check_warmup, show_progress_lines
from .implementation import IMPLEMENTATIONS, load_checkpoint
from .layer_groups import layer_groups
from .loss_functions import contrastive_loss, focal_loss, supervised_contrastive_loss
from .loss_meter import LossMeter, expected_losses
from .machine import end_processes, has_bfloat16_units, prepare_cpu, use_exact_fast_float32
from .model_card import write_model_card
from .output_folder import check_output_folder, last_checkpoint
from .trainers import PackedTrainer, longest_first, predict_in_order
from .training_curves import plot_training_curve
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
    "contrastive_loss",
    "count_word_vectors",
    "end_processes",
    "expand_recipe",
    "expected_losses",
    "focal_loss",
    "has_bfloat16_units",
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
    "supervised_contrastive_loss",
    "use_exact_fast_float32",
    "write_model_card",
]

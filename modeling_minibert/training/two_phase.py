"""Train in phases: the head alone on a frozen encoder, then all layers, at once or one by one from the top.

The gradients of a new random head would disturb a pretrained encoder. So the head is trained first, at a large learning
rate, and then the whole model at a small one (lectures, S4: 1e-3, then 2e-5). ULMFiT unfreezes layer by layer, and
gives lower layers smaller learning rates (Howard and Ruder 2018, arXiv 1801.06146, sections 3.2 and 3.3).

    arguments = UnfreezingArguments(freeze_epochs=1)
    trainer = PhasedTrainer(model=model, args=args, train_dataset=..., unfreezing=arguments)

This is one run with one optimizer; saving, resuming and early stopping work as usual. The callback `Unfreezing` does
the freezing alone, in any `Trainer` and at its learning rate.

`freeze_word_embeddings` keeps pretrained word vectors for the whole run. Otherwise the words of the labelled texts
would move away from similar words that these texts lack.

The optimizer skips a frozen weight, including weight decay and momentum, so it stays bit-equal. A frozen layer runs
without dropout, so that the head learns from the features that it will see later.
"""

import math
from dataclasses import dataclass, field

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback, TrainingArguments, get_scheduler

from .callbacks import check_warmup
from .layer_groups import LayerGroup, layer_groups


@dataclass
class UnfreezingArguments:
    """The phases and learning rates of a training. The defaults train all layers from the start at one rate."""

    freeze_epochs: float = field(
        default=0.0, metadata={"help": "epochs to train the head alone; with all epochs the encoder stays frozen"}
    )
    head_learning_rate: float = field(default=1e-3, metadata={"help": "learning rate while the head is trained alone"})
    unfreeze_every: float = field(
        default=0.0, metadata={"help": "epochs between two layers, from the top; 0 unfreezes all at once; ULMFiT: 1"}
    )
    layer_lr_decay: float = field(
        default=1.0, metadata={"help": "learning rate of each layer as a share of the one above; ULMFiT: 0.385"}
    )
    freeze_word_embeddings: bool = field(
        default=False, metadata={"help": "keep the word vectors fixed, for data sets of a few thousand labels"}
    )

    def __post_init__(self):
        for name in ("freeze_epochs", "head_learning_rate", "unfreeze_every"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} ({value}) must be 0 or above")
        if not 0 < self.layer_lr_decay <= 1:
            raise ValueError(f"layer_lr_decay ({self.layer_lr_decay}) must be above 0 and at most 1 (1: no decay)")

    @property
    def freezes(self) -> bool:
        """Whether any weight is frozen at any time."""
        return self.has_phases or self.freeze_word_embeddings

    @property
    def has_phases(self) -> bool:
        """Whether some weights are frozen first and unfrozen later."""
        return self.freeze_epochs > 0 or self.unfreeze_every > 0

    def first_steps(self, groups: int, args: TrainingArguments, max_steps: int) -> list[int]:
        """Compute the update at which each group is unfrozen, from the head down.

        Args:
            groups: number of groups.
            args: with `num_train_epochs`.
            max_steps: updates of the whole run.

        Raises:
            ValueError: `args.max_steps` is set.
        """
        if args.max_steps > 0:
            raise ValueError(
                f"freeze_epochs and unfreeze_every are counted in epochs, but the training ends after "
                f"{args.max_steps} updates; give num_train_epochs instead of max_steps"
            )
        epochs = [self.freeze_epochs + self.unfreeze_every * number for number in range(groups - 1)]
        return [0] + [round(max_steps * epoch / args.num_train_epochs) for epoch in epochs]


class Unfreezing(TrainerCallback):
    """Callback that freezes the layers and unfreezes each group at its update, also in a resumed run.

    Weights frozen before the training, like those below an adapter, stay frozen. At the end all others require
    gradients again.
    """

    def __init__(self, arguments: UnfreezingArguments):
        self.arguments = arguments
        self.frozen, self.steps, self.hook = [], [], None

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.on_train_end(args, state, control)  # clean up after an interrupted training
        groups = layer_groups(model)
        self.steps = self.arguments.first_steps(len(groups), args, state.max_steps)
        for group in groups:
            group.parameters = {name: p for name, p in group.parameters.items() if p.requires_grad}
            for parameter in group.parameters.values():
                parameter.requires_grad_(False)
        self.trained, self.frozen, self.base = [], groups, model.base_model
        self.hook = self.base.register_forward_pre_hook(self._disable_dropout)
        self._unfreeze_due(state)

    def on_step_begin(self, args, state, control, **kwargs):
        self._unfreeze_due(state)

    def on_train_end(self, args, state, control, **kwargs):
        _require_gradients(self.frozen)
        self.frozen = []
        if self.hook is not None:
            self.hook.remove()

    def _unfreeze_due(self, state) -> None:
        """Unfreeze the groups whose first update has come, and print the trained and frozen weights."""
        due = sum(step <= state.global_step for step in self.steps) - len(self.trained)
        if due == 0:
            return
        _require_gradients(self.frozen[:due])
        self.trained, self.frozen = self.trained + self.frozen[:due], self.frozen[due:]
        if state.is_world_process_zero:
            names = self.trained[0].name + (f" to {self.trained[-1].name}" if self.trained[1:] else "")
            trained, frozen = (sum(group.size for group in groups) for groups in (self.trained, self.frozen))
            print(f"step {state.global_step:,}/{state.max_steps:,}   training {names}: {trained:,} weights, "
                  f"{frozen:,} frozen", flush=True)  # fmt: skip

    def _disable_dropout(self, *args) -> None:
        """Put frozen layers into eval mode before each forward, because `Trainer` calls `model.train()` every step."""
        for group in self.frozen:
            for module in group.modules:
                # The mode of the encoder itself controls other things, like caches.
                if module is not self.base:
                    module.training = False


def _require_gradients(groups: list[LayerGroup]) -> None:
    for group in groups:
        for parameter in group.parameters.values():
            parameter.requires_grad_(True)


class PhasedTrainer(Trainer):
    """A `Trainer` that trains the head first, and can lower the learning rate from layer to layer.

    The head alone is trained at `head_learning_rate`, the whole model at that of `args`, decayed towards the lower
    layers. Each phase runs the complete schedule of `args.lr_scheduler_type`, with its warm-up. With the default
    arguments the results are exactly those of `Trainer`.

    Args:
        unfreezing: the phases and learning rates.

    Raises:
        ValueError: see `UnfreezingArguments` and `layer_groups`; or the schedule depends on the scores.
    """

    def __init__(self, *args, unfreezing: UnfreezingArguments | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.unfreezing = unfreezing or UnfreezingArguments()
        if self.unfreezing.freeze_word_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)  # `Unfreezing` keeps it frozen
        if self.unfreezing.has_phases:
            self.unfreezing.first_steps(2, self.args, 1)  # raises before any work
            if self.args.learning_rate == 0:
                raise ValueError(
                    f"learning_rate is {self.args.learning_rate}, so the layers below the head would not train; give a "
                    f"larger one, and for the head alone at least as many freeze_epochs as there are epochs"
                )
            self.add_callback(Unfreezing(self.unfreezing))

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Create two parameter groups per layer, with and without weight decay.

        Frozen weights are included from the start, so that every checkpoint of the run has the same layout."""
        if self.unfreezing == UnfreezingArguments() or self.optimizer is not None:
            return super().create_optimizer(model)
        decayed = set(self.get_decay_parameter_names(self.model))
        groups = []
        for depth, layer in enumerate(layer_groups(self.model)):
            rate = self.args.learning_rate * self.unfreezing.layer_lr_decay**depth
            kinds = {True: [], False: []}
            for name, parameter in layer.parameters.items():
                if parameter.requires_grad:
                    kinds[name in decayed].append(parameter)
            groups += [
                {"params": weights, "lr": rate, "weight_decay": self.args.weight_decay if has_decay else 0.0}
                for has_decay, weights in kinds.items() if weights
            ]  # fmt: skip
        optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        self.optimizer = optimizer_class(groups, **options)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer=None) -> torch.optim.lr_scheduler.LRScheduler:
        """Join the schedules of the phases."""
        if not self.unfreezing.has_phases or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        _, first = self.unfreezing.first_steps(2, self.args, num_training_steps)
        first = min(first, num_training_steps)
        head_schedule, schedule = map(self._make_schedule, (first, num_training_steps - first))
        factor = self.unfreezing.head_learning_rate / self.args.learning_rate

        def rate(step: int) -> float:
            return factor * head_schedule(step) if step < first else schedule(step - first)

        self.lr_scheduler = LambdaLR(self.optimizer if optimizer is None else optimizer, rate)
        self._created_lr_scheduler = True  # as in `Trainer`: the next call of `train` makes a new schedule
        return self.lr_scheduler

    def _make_schedule(self, steps: int):
        """Return the function from the update to the share of the learning rate, for a run of `steps` updates."""
        args, dummy_optimizer = self.args, torch.optim.SGD([torch.zeros(())], lr=1.0)
        check_warmup(args, steps)
        scheduler = get_scheduler(
            args.lr_scheduler_type, dummy_optimizer, args.get_warmup_steps(steps), steps, args.lr_scheduler_kwargs
        )
        if not isinstance(scheduler, LambdaLR):
            raise ValueError(
                f"lr_scheduler_type {args.lr_scheduler_type.value} follows the scores, so it cannot be divided into "
                f"phases; give one that follows the steps, for example linear or cosine"
            )
        return scheduler.lr_lambdas[0]

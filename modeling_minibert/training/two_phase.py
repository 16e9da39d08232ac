"""Training in phases: the head alone on a frozen encoder, then everything, at once or layer by layer.

A new head is random, and its first gradients would disturb an encoder that took days to train. So the head is trained
first, at a large learning rate, and then the whole at a small one (lectures, S4: 1e-3, then 2e-5). ULMFiT opens one
layer after the other from the top and gives lower layers smaller learning rates (Howard and Ruder 2018, arXiv
1801.06146, sections 3.2 and 3.3).

    arguments = UnfreezingArguments(freeze_epochs=1)
    trainer = PhasedTrainer(model=model, args=args, train_dataset=..., unfreezing=arguments)

is one run with one optimizer, so it saves, resumes and stops early as every run. `Unfreezing` alone, as a callback of
any `Trainer`, freezes and opens the same weights, at the learning rate of that trainer.

Word vectors that were counted, or learned from much text, may stay as they are for good (`freeze_word_embeddings`):
words that the labelled texts do not have would otherwise not move along with those that they have.

A frozen weight has no gradient; the optimizer passes it over, with its weight decay and its momentum, so it stays as
it is, bit for bit. A frozen layer computes as in evaluation, without dropout: the head learns from the very features
that it will see later, dropout is there for weights that are trained, and the head's own is left.
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
    """When which layers are trained, and how fast. The defaults train everything from the start at one rate."""

    freeze_epochs: float = field(
        default=0.0, metadata={"help": "train the head alone for so many epochs; as many as all: the encoder never"}
    )
    head_learning_rate: float = field(default=1e-3, metadata={"help": "of the head, as long as it is alone"})
    unfreeze_every: float = field(
        default=0.0, metadata={"help": "epochs from one layer to the next, from the top; 0: all at once; ULMFiT: 1"}
    )
    layer_lr_decay: float = field(
        default=1.0, metadata={"help": "each layer's learning rate as a share of the one above; ULMFiT: 0.385"}
    )
    freeze_word_embeddings: bool = field(
        default=False, metadata={"help": "never train the word vectors, which a few thousand labels would only unteach"}
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
        """Whether some weights are frozen first and trained later."""
        return self.freeze_epochs > 0 or self.unfreeze_every > 0

    def first_steps(self, groups: int, args: TrainingArguments, max_steps: int) -> list[int]:
        """The update from which each group is trained, the head's first.

        Args:
            groups: how many there are.
            args: of the training, with `num_train_epochs`.
            max_steps: updates of the whole training.

        Raises:
            ValueError: the training is counted in updates, not in epochs.
        """
        if args.max_steps > 0:
            raise ValueError(
                f"freeze_epochs and unfreeze_every are counted in epochs, but the training is to end after "
                f"{args.max_steps} updates; give num_train_epochs instead of max_steps"
            )
        epochs = [self.freeze_epochs + self.unfreeze_every * number for number in range(groups - 1)]
        return [0] + [round(max_steps * epoch / args.num_train_epochs) for epoch in epochs]


class Unfreezing(TrainerCallback):
    """Freezes what is not trained yet, and opens it when its time has come; also in a run that is resumed.

    Weights that were frozen before the training, such as those below an adapter, stay so; afterwards all is as before.
    """

    def __init__(self, arguments: UnfreezingArguments):
        self.arguments = arguments
        self.closed, self.steps, self.hook = [], [], None

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.on_train_end(args, state, control)  # of a training that was interrupted
        groups = layer_groups(model)
        self.steps = self.arguments.first_steps(len(groups), args, state.max_steps)
        for group in groups:
            group.parameters = {name: p for name, p in group.parameters.items() if p.requires_grad}
            for parameter in group.parameters.values():
                parameter.requires_grad_(False)
        self.opened, self.closed, self.base = [], groups, model.base_model
        self.hook = self.base.register_forward_pre_hook(self._close_dropout)
        self._open(state)

    def on_step_begin(self, args, state, control, **kwargs):
        self._open(state)

    def on_train_end(self, args, state, control, **kwargs):
        _require_gradients(self.closed)
        self.closed = []
        if self.hook is not None:
            self.hook.remove()

    def _open(self, state) -> None:
        """Open the groups whose first update is now or was before, and say what is trained from here on."""
        due = sum(step <= state.global_step for step in self.steps) - len(self.opened)
        if due == 0:
            return
        _require_gradients(self.closed[:due])
        self.opened, self.closed = self.opened + self.closed[:due], self.closed[due:]
        if state.is_world_process_zero:
            names = self.opened[0].name + (f" to {self.opened[-1].name}" if self.opened[1:] else "")
            trained, frozen = (sum(group.size for group in groups) for groups in (self.opened, self.closed))
            print(f"step {state.global_step:,}/{state.max_steps:,}   training {names}: {trained:,} weights, "
                  f"{frozen:,} frozen", flush=True)  # fmt: skip

    def _close_dropout(self, *args) -> None:
        """Before each forward pass, as `Trainer` calls `model.train()` before each update."""
        for group in self.closed:
            for module in group.modules:
                # The encoder itself is no layer; whether it trains decides other things, such as caches.
                if module is not self.base:
                    module.training = False


def _require_gradients(groups: list[LayerGroup]) -> None:
    for group in groups:
        for parameter in group.parameters.values():
            parameter.requires_grad_(True)


class PhasedTrainer(Trainer):
    """A `Trainer` whose head may have a phase, and whose layers may have learning rates, of their own.

    While the head is alone its learning rate is `head_learning_rate`, then all have that of `args`, the lower layers
    less of it. Both phases have the whole curve of `args.lr_scheduler_type`, with their own warm-up. With the default
    arguments it is a `Trainer`, bit for bit.

    Args:
        unfreezing: when what is trained.

    Raises:
        ValueError: see `UnfreezingArguments` and `layer_groups`; or a learning-rate schedule that looks at the scores.
    """

    def __init__(self, *args, unfreezing: UnfreezingArguments | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.unfreezing = unfreezing or UnfreezingArguments()
        if self.unfreezing.freeze_word_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)  # and `Unfreezing` leaves it so
        if self.unfreezing.has_phases:
            self.unfreezing.first_steps(2, self.args, 1)  # an error before any work
            if self.args.learning_rate == 0:
                raise ValueError(
                    f"learning_rate is {self.args.learning_rate}, so that nothing would be trained after the head; for "
                    f"a head alone give at least as many freeze_epochs as there are epochs, and any learning_rate"
                )
            self.add_callback(Unfreezing(self.unfreezing))

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Two groups of weights per layer, with weight decay and without; a frozen weight has its place from the start,
        so that a checkpoint of any moment fits."""
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
        """The curve of each phase, one after the other."""
        if not self.unfreezing.has_phases or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        _, first = self.unfreezing.first_steps(2, self.args, num_training_steps)
        first = min(first, num_training_steps)
        head_curve, curve = (self._curve(steps) for steps in (first, num_training_steps - first))
        larger = self.unfreezing.head_learning_rate / self.args.learning_rate

        def rate(step: int) -> float:
            return larger * head_curve(step) if step < first else curve(step - first)

        self.lr_scheduler = LambdaLR(self.optimizer if optimizer is None else optimizer, rate)
        self._created_lr_scheduler = True  # as `Trainer` does: another call of `train` starts another curve
        return self.lr_scheduler

    def _curve(self, steps: int):
        """The share of the learning rate at each of so many updates, as `Trainer` would schedule it."""
        args, nobody = self.args, torch.optim.SGD([torch.zeros(())], lr=1.0)
        check_warmup(args, steps)
        scheduler = get_scheduler(
            args.lr_scheduler_type, nobody, args.get_warmup_steps(steps), steps, args.lr_scheduler_kwargs
        )
        if not isinstance(scheduler, LambdaLR):
            raise ValueError(
                f"lr_scheduler_type {args.lr_scheduler_type.value} follows the scores, and cannot be divided into "
                f"phases; choose one that follows the steps, such as linear or cosine"
            )
        return scheduler.lr_lambdas[0]

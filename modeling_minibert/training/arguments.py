"""`TrainingArguments` that need no word about the device: a GPU where there is one, else the CPU, also in bf16."""

from dataclasses import dataclass, field

import torch
from transformers import TrainingArguments


@dataclass
class AnyDeviceArguments(TrainingArguments):
    """The base of the scripts' own arguments."""

    dataloader_pin_memory: bool = field(default=torch.cuda.is_available(), metadata={"help": "faster copies to a GPU"})

    def __post_init__(self):
        # transformers takes bf16 without a GPU only when told that the CPU is meant.
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()


@dataclass
class BatchPerItemArguments(AnyDeviceArguments):
    """For data sets whose items are whole batches, such as `data.TokenBudgetBatches`."""

    def __post_init__(self):
        self.per_device_train_batch_size = 1
        super().__post_init__()
        self._n_gpu = min(self.n_gpu, 1)  # DataParallel would cut such batches apart; several GPUs: torchrun

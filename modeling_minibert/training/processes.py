"""Several processes that train one model also end together."""

import torch


def end_processes() -> None:
    """Wait for the other processes of `torchrun`, and let go of them; does nothing for a single one.

    Without the first, one that leaves while another still writes may hang on its way out; without the second, gloo's
    threads may end a run that has finished with an error.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()

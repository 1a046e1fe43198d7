"""Several processes that train one network, each on its own samples: one a core beats one process with more threads.

`torchrun --standalone --nproc-per-node 2 -m training.train …` starts them. They average their gradients every iteration
and follow the first one's clock, so that their networks stay equal and end together. Alone, nothing here does anything.
"""

import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed

RANK = int(os.environ.get("RANK", "0"))


def join() -> None:
    """Meet the others, where torchrun has started any."""
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")


def leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def average(gradients: Iterable[Tensor | None], clock: float) -> float:
    """Sets all gradients to their mean over the team; returns the first process's `clock`."""
    if not distributed.is_initialized():
        return clock
    found = [gradient for gradient in gradients if gradient is not None]
    shared = torch.cat([*(gradient.reshape(-1) for gradient in found), torch.tensor([clock if RANK == 0 else 0.0])])
    distributed.all_reduce(shared)
    shared[:-1] /= distributed.get_world_size()
    at = 0
    for gradient in found:
        gradient.copy_(shared[at : at + gradient.numel()].view_as(gradient))
        at += gradient.numel()
    return float(shared[-1])

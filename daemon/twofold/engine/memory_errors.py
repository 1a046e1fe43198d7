"""Which errors mean that the device ran out of memory."""

from __future__ import annotations

import torch

OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_SUPPORTED.",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute this computation",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
)
"""Texts of RuntimeErrors that libraries below torch raise where an allocation failed (facts/governor.md §2)."""

ONEDNN_TEXTS = frozenset({"could not create a primitive", "could not create a memory object"})
"""All that oneDNN says on the CPU where it gets no memory for its code or its workspace (the first was met under
RLIMIT_DATA); with more words behind it, such a text means something else."""


def is_out_of_memory(error: BaseException) -> bool:
    """True where the same work may pass with smaller tiles.

    Any other CUDA error (illegal access, failed launch, lost device) leaves the process's context unusable: the worker
    must end, and smaller tiles would not help.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error)
    return text in ONEDNN_TEXTS or any(part in text for part in OUT_OF_MEMORY_TEXTS)

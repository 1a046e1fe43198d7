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
FATAL_TEXTS = ("illegal", "unspecified launch", "device-side assert", "device lost", "ECC")
"""Texts of errors that leave the CUDA context unusable: the worker must end, smaller tiles would not help."""


def is_out_of_memory(error: BaseException) -> bool:
    """True where the same work may pass with smaller tiles; any other error must not be retried in this process."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError) or isinstance(error, torch.AcceleratorError):
        return False
    text = str(error)
    return any(part in text for part in OUT_OF_MEMORY_TEXTS) and not any(part in text for part in FATAL_TEXTS)

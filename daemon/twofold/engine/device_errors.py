"""Which errors mean that the device failed: the process that met one cannot use it any more."""

from __future__ import annotations

import torch

from twofold.core.codes import Code
from twofold.core.errors import DeviceFault
from twofold.engine.memory_errors import is_out_of_memory

FAULT_TEXTS = (
    "CUDA error",
    "CUDA driver error",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_INTERNAL_ERROR",
)
"""After these (illegal access, failed launch, …) every later call in the process fails as well."""

LOST_TEXTS = (
    "uncorrectable ECC error",
    "device lost",
    "is lost",
    "fallen off the bus",
    "no CUDA-capable device",
    "device(s) is/are busy or unavailable",
    "devices are busy or unavailable",
    "unknown error",
)
"""Of the faults, those that no work can be blamed for: the hardware or the driver is at fault (cudaGetErrorString)."""


def fault_of(error: BaseException) -> DeviceFault | None:
    """The fault that an error tells of; None for a refusal of memory and for whatever is no trouble of the device."""
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return None
    text = str(error)
    if not isinstance(error, torch.AcceleratorError) and not any(part in text for part in FAULT_TEXTS):
        return None
    lost = any(part in text for part in LOST_TEXTS)
    # The rest of the text is advice for programmers (CUDA_LAUNCH_BLOCKING, …).
    return DeviceFault(Code.DEVICE_LOST if lost else Code.DEVICE_FAILED, text.partition("\n")[0])

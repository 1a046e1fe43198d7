"""How a worker reads the memory of its GPU."""

from __future__ import annotations

import structlog

from twofold.core.faults import DeviceTrouble
from twofold.core.memory import MemoryReading
from twofold.core.protocols import MemoryProbe

log = structlog.get_logger()


class WorkerProbe:
    """By NVML; by CUDA where that says something of NVML rather than of the GPU (see core.protocols.MemoryProbe)."""

    def __init__(self, device_id: str, nvml: MemoryProbe, cuda: MemoryProbe) -> None:
        self._device_id = device_id
        self._nvml = nvml
        self._cuda = cuda
        self._told = ""

    def read(self) -> MemoryReading:
        """Raises TwofoldError(NO_DEVICE) where neither can tell."""
        try:
            return self._nvml.read()
        except DeviceTrouble as error:
            if not error.fault.cuda_may_work:
                raise
            if error.fault.name != self._told:
                self._told = error.fault.name
                log.warning("nvml.replaced", device=self._device_id, text=error.reason.text, hint=error.reason.hint)
            return self._cuda.read()

"""The GPU's memory as CUDA itself tells it: where NVML does not, and in a worker only."""

from __future__ import annotations

from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading
from twofold.core.protocols import MemoryProbe


class CudaProbe:
    """See core.protocols.MemoryProbe; the one GPU that this process sees.

    The first reading makes a CUDA context, which takes hundreds of MB of device memory until the process ends: a worker
    has one anyway, and the watcher must not. `host` answers where the GPU shares the machine's memory, of which CUDA
    does not count the page cache. `cuda` is torch.cuda, unless a test has its own.
    """

    def __init__(self, host: MemoryProbe, cuda: Any = None) -> None:
        self._host = host
        self._cuda = cuda

    def read(self) -> MemoryReading:
        """Raises TwofoldError(NO_DEVICE) where CUDA does not work either."""
        try:
            if self._cuda is None:
                import torch  # takes seconds: only where NVML does not tell

                self._cuda = torch.cuda
            if self._cuda.get_device_properties(0).is_integrated:
                return self._host.read()
            free_bytes, total_bytes = self._cuda.mem_get_info(0)
        except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for CUDA
            text = str(error).partition("\n")[0]
            raise TwofoldError(Code.NO_DEVICE, f"CUDA does not work: {text}.") from error
        return MemoryReading(free_bytes, total_bytes)

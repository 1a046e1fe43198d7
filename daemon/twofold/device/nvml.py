"""NVIDIA devices and their free memory, by NVML: costs no device memory and makes no CUDA context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import MemoryReading
from twofold.core.protocols import MemoryProbe

SHARED_MEMORY_CAPABILITIES = frozenset({(8, 7), (11, 0), (12, 1)})
"""Compute capabilities of parts whose memory is the machine's own: Orin, Thor, GB10."""


@dataclass(frozen=True, slots=True)
class NvidiaDevice:
    """A GPU, or a MIG instance of one; `total_bytes` is 0 where it shares the machine's memory."""

    uuid: str
    name: str
    total_bytes: int
    capability: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class NvidiaList:
    """The devices found; `trouble` says why there are none although the driver's library is there."""

    devices: tuple[NvidiaDevice, ...] = ()
    trouble: str = ""


def list_nvidia() -> NvidiaList:
    """All usable NVIDIA devices, by PCI bus. Without NVML's library there are none, and that is no trouble.

    A device that is lost, needs a reset or may not be opened is left out and named in `trouble`.
    """
    import pynvml

    try:
        with nvml_session():
            found: list[NvidiaDevice] = []
            trouble: list[str] = []
            for index in range(pynvml.nvmlDeviceGetCount()):
                try:
                    found.extend(_describe(pynvml.nvmlDeviceGetHandleByIndex(index)))
                except pynvml.NVMLError as error:
                    trouble.append(f"GPU {index}: {error}")
            return NvidiaList(tuple(found), "; ".join(trouble))
    except pynvml.NVMLError_LibraryNotFound:
        return NvidiaList()
    except pynvml.NVMLError as error:
        return NvidiaList(trouble=f"NVML: {error}")


class NvidiaProbe:
    """Reads one device's memory by its UUID (see core.protocols.MemoryProbe).

    `host` answers for devices that share the machine's memory.
    """

    def __init__(self, uuid: str, host: MemoryProbe) -> None:
        self._uuid = uuid
        self._host = host

    def read(self) -> MemoryReading:
        """Raises TwofoldError(NO_DEVICE) where the device or the driver is gone, lost or needs a reset."""
        import pynvml

        try:
            with nvml_session():
                handle = pynvml.nvmlDeviceGetHandleByUUID(self._uuid)
                shared = _capability(handle) in SHARED_MEMORY_CAPABILITIES
                memory = None if shared else _memory(handle)
        except pynvml.NVMLError as error:
            raise TwofoldError(Code.NO_DEVICE, f"{self._uuid}: {error}") from error
        if memory is None:
            return self._host.read()
        return MemoryReading(memory.free, memory.total)


@contextmanager
def nvml_session() -> Iterator[None]:
    """NVML for the time of one question.

    Sessions are counted by NVML, and a fresh one sees a driver that was upgraded or came back.
    """
    import pynvml

    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def _describe(handle: Any) -> Iterator[NvidiaDevice]:
    """The device, or its MIG instances where it is divided."""
    import pynvml

    instances = list(_mig_instances(handle))
    for one in instances or [handle]:
        memory = _memory(one)
        yield NvidiaDevice(
            uuid=pynvml.nvmlDeviceGetUUID(one),
            name=pynvml.nvmlDeviceGetName(one),
            total_bytes=0 if memory is None else memory.total,
            capability=_capability(handle),
        )


def _mig_instances(handle: Any) -> Iterator[Any]:
    import pynvml

    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return
        count = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return
    for index in range(count):
        try:
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except pynvml.NVMLError_NotFound:
            continue  # slots are sparse


def _memory(handle: Any) -> Any | None:
    """`free` and `total` in bytes, or None where the device has no memory of its own to report.

    Both versions of the call give the same `free`; the second is missing from drivers before 510.39.
    """
    import pynvml

    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except (pynvml.NVMLError_FunctionNotFound, pynvml.NVMLError_ArgumentVersionMismatch):
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError_NotSupported:
        return None
    return memory if memory.total else None


def _capability(handle: Any) -> tuple[int, int] | None:
    import pynvml

    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
    return int(major), int(minor)

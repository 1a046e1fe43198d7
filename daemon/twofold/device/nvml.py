"""NVIDIA devices and their free memory, by NVML: costs no device memory and makes no CUDA context."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from twofold.core.faults import NO_ANSWER, NO_INSTANCE, Act, DeviceTrouble, fault_of
from twofold.core.memory import MemoryReading
from twofold.device.host import HostProbe
from twofold.device.question import NoAnswer, driver

SHARED_MEMORY_CAPABILITIES = frozenset({(5, 3), (6, 2), (7, 2), (8, 7), (11, 0), (12, 1)})
"""Compute capabilities of parts whose memory is the machine's own: Jetsons from the TX1 to Thor, and GB10."""

OWN_MEMORY_CAPABILITIES = frozenset(
    {(5, 0), (5, 2), (6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3), (12, 0)}
)
"""Those of cards with memory of their own, however small the machine's is beside it."""

SHARED_SHARE = 0.9
"""A part that is in neither list shares the machine's memory if it claims to have as much as this share of it."""

LISTING_S = 30.0
"""For all devices together, those that do not answer included."""

MAX_DEVICES = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NvidiaDevice:
    """A GPU, or a MIG instance of one; `total_bytes` is 0 where it shares the machine's memory.

    `place` counts devices by PCI bus, from 0, those that cannot be used included.
    """

    uuid: str
    name: str
    total_bytes: int
    capability: tuple[int, int] | None = None
    place: int = 0


@dataclass(frozen=True, slots=True)
class NvidiaList:
    """The devices found; `trouble` says which others there are, or why there are none, and `hint` what to do.

    `cuda_may_work`: NVML itself is what fails, so that there may be devices which only CUDA sees.
    """

    devices: tuple[NvidiaDevice, ...] = ()
    trouble: str = ""
    hint: str = ""
    cuda_may_work: bool = False


def list_nvidia(host: HostProbe | None = None) -> NvidiaList:
    """All usable NVIDIA devices, by PCI bus. Without NVML's library there are none, and that is no trouble.

    A device that is lost, hangs, needs a reset or may not be opened is left out and named in `trouble`.
    """
    import pynvml

    host = host or HostProbe()
    found: list[NvidiaDevice] = []
    troubles: list[DeviceTrouble] = []
    until_s = time.monotonic() + LISTING_S
    try:
        count = ask_driver("NVML", lambda: min(pynvml.nvmlDeviceGetCount(), MAX_DEVICES))
    except DeviceTrouble as error:
        if error.fault.act is Act.ABSENT:
            return NvidiaList(cuda_may_work=True)
        return NvidiaList((), error.reason.text, error.reason.hint, error.fault.cuda_may_work)
    for index in range(count):

        def describe(index: int = index, place: int = len(found) + len(troubles)) -> list[NvidiaDevice]:
            return list(_describe(pynvml.nvmlDeviceGetHandleByIndex(index), host, place))

        try:
            if time.monotonic() > until_s:
                raise DeviceTrouble(f"GPU {index}", NO_ANSWER)
            found.extend(ask_driver(f"GPU {index}", describe))
        except DeviceTrouble as error:
            troubles.append(error)
    hints = dict.fromkeys(error.reason.hint for error in troubles)
    return NvidiaList(tuple(found), " ".join(error.reason.text for error in troubles), " ".join(hints))


class NvidiaProbe:
    """Reads one device's memory by its UUID (see core.protocols.MemoryProbe); for one thread.

    `host` answers for devices that share the machine's memory. `lasting` keeps the session with the driver from one
    reading to the next: for a worker, which has the device anyway. A session keeps the driver from being unloaded.
    """

    def __init__(self, uuid: str, host: HostProbe, *, lasting: bool = False) -> None:
        self._uuid = uuid
        self._host = host
        self._lasting = lasting
        self._handle: Any = None
        self._capability: tuple[int, int] | None = None

    def read(self) -> MemoryReading:
        """Raises DeviceTrouble where the device or the driver is gone, lost, hangs or needs a reset."""
        memory = answered(self._uuid, self._ask)
        return self._host.read() if memory is None else memory

    def _ask(self) -> MemoryReading | None:
        import pynvml

        if self._handle is not None:
            try:
                return _memory(self._handle, self._host, self._capability)
            except pynvml.NVMLError:
                self._handle = None
                _shut_down()  # a fresh session sees a device that is back, and a driver that was upgraded
        pynvml.nvmlInit()
        keep = False
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(self._uuid)
            self._capability = _capability(_whole(handle, self._uuid))
            memory = _memory(handle, self._host, self._capability)
            keep = self._lasting
        finally:
            if not keep:
                _shut_down()
        if keep:
            self._handle = handle
        return memory


def ask_driver(subject: str, question: Callable[[], T]) -> T:
    """What `question` gives within a session of its own. Raises DeviceTrouble, which names `subject`.

    Sessions are counted by NVML, and a fresh one sees a driver that was upgraded or came back.
    """

    def within() -> T:
        with _session():
            return question()

    return answered(subject, within)


def answered(subject: str, question: Callable[[], T]) -> T:
    """What `question` gives, as long as it comes to an end. Raises DeviceTrouble."""
    import pynvml

    try:
        return driver.ask(subject, question)
    except NoAnswer:
        raise DeviceTrouble(subject, NO_ANSWER) from None
    except pynvml.NVMLError as error:
        raise DeviceTrouble(subject, fault_of(error.value), error.value) from error


@contextmanager
def _session() -> Iterator[None]:
    import pynvml

    pynvml.nvmlInit()
    try:
        yield
    finally:
        _shut_down()


def _shut_down() -> None:
    import pynvml

    try:
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        pass  # the session is gone all the same, and what was answered before stands


def _describe(handle: Any, host: HostProbe, place: int) -> Iterator[NvidiaDevice]:
    """The device, or its MIG instances where it is divided; the first has this place."""
    import pynvml

    instances = _mig_instances(handle)
    if instances == []:
        raise DeviceTrouble(pynvml.nvmlDeviceGetUUID(handle), NO_INSTANCE)
    for place, one in enumerate(instances or [handle], place):  # noqa: B020  counted on from where it is
        memory = _memory(one, host, capability=_capability(handle))
        yield NvidiaDevice(
            uuid=pynvml.nvmlDeviceGetUUID(one),
            name=pynvml.nvmlDeviceGetName(one),
            total_bytes=0 if memory is None else memory.total_bytes,
            capability=_capability(handle),
            place=place,
        )


def _mig_instances(handle: Any) -> list[Any] | None:
    """None where the GPU is not divided."""
    import pynvml

    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return None
        count = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
    found = []
    for index in range(count):
        try:
            found.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
        except pynvml.NVMLError_NotFound:
            continue  # slots are sparse
    return found


def _memory(handle: Any, host: HostProbe, capability: tuple[int, int] | None) -> MemoryReading | None:
    """Free and total, or None where the device shares the machine's memory.

    There MemAvailable counts: NVML either says NOT_SUPPORTED, or takes the page cache for used. GB10 does the one or
    the other, by the version of its driver.
    """
    import pynvml

    if capability in SHARED_MEMORY_CAPABILITIES:
        return None
    try:
        memory = _memory_info(handle)
    except pynvml.NVMLError_NotSupported:
        return None
    if not memory.total:
        return None
    if capability not in OWN_MEMORY_CAPABILITIES and memory.total >= SHARED_SHARE * host.machine_bytes():
        return None
    return MemoryReading(memory.free, memory.total)


def _memory_info(handle: Any) -> Any:
    """Both versions of the call give the same `free`; the second is missing from drivers before 510.39."""
    import pynvml

    try:
        return pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except (
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_ArgumentVersionMismatch,
        pynvml.NVMLError_InvalidArgument,
        pynvml.NVMLError_Deprecated,
    ):
        return pynvml.nvmlDeviceGetMemoryInfo(handle)


def _whole(handle: Any, uuid: str) -> Any:
    """The GPU that a MIG instance is part of, which alone tells its capability; any other device is whole."""
    import pynvml

    return pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle) if uuid.startswith("MIG-") else handle


def _capability(handle: Any) -> tuple[int, int] | None:
    import pynvml

    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
    return int(major), int(minor)

"""The processes on one NVIDIA device, as NVML lists them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twofold.core.faults import DeviceTrouble, fault_of
from twofold.core.neighbours import Kind, Neighbour, Neighbours
from twofold.device.nvml import ask_driver

EVERY_S = 1.0
"""A look takes milliseconds of the driver (4.5 ms measured by others on a laptop's RTX 4090): no oftener than this."""

HOST_PIDS = "pid:[4026531836]"
"""Linux gives the first PID namespace this number: process ids are then the driver's own."""

MAX_PROCESSES = 256
TWOFOLD = ("twofold.service.worker", "twofold")


@dataclass(frozen=True, slots=True)
class _Listed:
    pid: int
    used_bytes: int | None
    kind: Kind


class NvidiaNeighbours:
    """Looks at who works on a device (a UUID), once a second at most; for one thread.

    Process lists cost more than all other questions together: only where somebody is to be yielded to.
    """

    def __init__(self, uuid: str, proc: str = "/proc", clock: Callable[[], float] = time.monotonic) -> None:
        self._uuid = uuid
        self._proc = proc
        self._clock = clock
        self._seen = Neighbours()
        self._not_before_s = -float("inf")
        self._sampled_us = 0

    def read(self) -> Neighbours:
        """Never raises: what is not known is None, and where there is no list at all, `trouble` says why."""
        if self._clock() >= self._not_before_s:
            try:
                self._seen = ask_driver(self._uuid, self._look)
            except DeviceTrouble as error:
                self._seen = Neighbours(trouble=error.reason.text)
            self._not_before_s = self._clock() + EVERY_S
        return self._seen

    def _look(self) -> Neighbours:
        import pynvml

        handle = pynvml.nvmlDeviceGetHandleByUUID(self._uuid)
        graphics, compute = _listed(handle, "graphics"), _listed(handle, "compute")
        if graphics is None and compute is None:
            raise DeviceTrouble(self._uuid, fault_of(pynvml.NVML_ERROR_NOT_SUPPORTED))
        listed = {one.pid: one for one in (*(graphics or ()), *(compute or ()))}
        foreign = self._foreign()
        shares = self._shares(handle)
        processes = tuple(
            self._neighbour(one, foreign, None if shares is None else shares.get(one.pid, 0))
            for one in list(listed.values())[:MAX_PROCESSES]
        )
        return Neighbours(processes, _busy(handle), foreign)

    def _neighbour(self, one: _Listed, foreign: bool, busy_percent: int | None) -> Neighbour:
        # A foreign number may well be that of another process here.
        name, ours = (None, False) if foreign else self._program(one.pid)
        return Neighbour(one.pid, name, one.used_bytes, one.kind, busy_percent, ours)

    def _program(self, pid: int) -> tuple[str | None, bool]:
        """The process's name, whole although the kernel keeps 15 bytes of it, and whether it is a Twofold."""
        short = self._text(pid, "comm").rstrip("\n")
        words = self._text(pid, "cmdline").split("\0")
        program = os.path.basename(words[0])
        ours = any(os.path.basename(word) in TWOFOLD for word in words[:3])
        return (program if short and program.startswith(short) else short) or None, ours

    def _text(self, pid: int, name: str) -> str:
        try:
            with open(os.path.join(self._proc, str(pid), name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""  # it has ended, or other users' processes are hidden (hidepid, ProtectProc)

    def _foreign(self) -> bool:
        try:
            return os.readlink(os.path.join(self._proc, "self/ns/pid")) != HOST_PIDS
        except OSError:
            return False

    def _shares(self, handle: Any) -> dict[int, int] | None:
        """Percent of the device's time by process, the most in any sample since the last look; None: not told."""
        import pynvml

        try:
            samples = pynvml.nvmlDeviceGetProcessUtilization(handle, self._sampled_us)
        except pynvml.NVMLError as error:
            # "Not found", and success without a sample, which nvidia-ml-py takes for an error: nobody did anything.
            return {} if error.value in (pynvml.NVML_SUCCESS, pynvml.NVML_ERROR_NOT_FOUND) else None
        shares: dict[int, int] = {}
        for one in samples:
            self._sampled_us = max(self._sampled_us, one.timeStamp)
            if one.smUtil <= 100:  # some drivers leave rubbish in samples
                shares[one.pid] = max(shares.get(one.pid, 0), one.smUtil)
        return shares


def _listed(handle: Any, kind: Kind) -> list[_Listed] | None:
    """None where the device does not keep such a list (WSL). Raises NVMLError."""
    import pynvml

    versions = {
        "compute": (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2),
        "graphics": (pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3, pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
    }
    for call in versions[kind]:
        try:
            return [_Listed(one.pid, one.usedGpuMemory, kind) for one in call(handle)]
        except pynvml.NVMLError_FunctionNotFound:
            continue
        except pynvml.NVMLError_NotSupported:
            break
    return None


def _busy(handle: Any) -> int | None:
    """Percent of the time in which anything ran on the device; None where it does not tell (MIG)."""
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except pynvml.NVMLError:
        return None

"""The devices of this machine, and which of them the owner wants."""

from __future__ import annotations

import glob
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.memory import DeviceKind, MemoryReading
from twofold.core.protocols import MemoryProbe, NeighbourProbe
from twofold.device.host import HostProbe
from twofold.device.neighbours import NvidiaNeighbours
from twofold.device.nvml import NvidiaList, NvidiaProbe, list_nvidia
from twofold.device.programs import HostPrograms

CPU = "cpu"
NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASS = "0x03"


@dataclass(frozen=True, slots=True)
class Device:
    """Something networks run on.

    `id` is "cpu" or the device's UUID ("GPU-..." or "MIG-..."), which stays the same over reboots; `alias` is "cuda:N"
    in NVML's order (by PCI bus, MIG instances counted one by one), which may differ from CUDA's own. Devices are handed
    to workers by UUID, so that the difference never matters. Only where NVML is missing is an id "cuda:N", by CUDA.
    """

    id: str
    kind: DeviceKind
    name: str
    total_bytes: int
    alias: str = ""
    capability: tuple[int, int] | None = None

    @property
    def visible(self) -> str:
        """CUDA_VISIBLE_DEVICES of a process that is to see this GPU alone."""
        return self.id.removeprefix("cuda:")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is; `trouble` says which NVIDIA devices are there but cannot be used, and why, `hint` what to do.

    `cuda_may_work`: NVML itself is what fails, so that there may be devices which only CUDA sees.
    """

    cpu: Device
    nvidia: tuple[Device, ...] = ()
    trouble: str = ""
    hint: str = ""
    cuda_may_work: bool = False


def take_inventory(host: HostProbe, nvidia: NvidiaList, *, on_bus: bool) -> Inventory:
    """The inventory from what the probes found; `on_bus` is `nvidia_on_bus()`.

    NVML's trouble counts only where the hardware is there: its library may lie on a machine without any.
    """
    cpu = Device(CPU, "cpu", _processor_name(host.proc), host.read().total_bytes, CPU)
    gpus = tuple(
        Device(one.uuid, "cuda", one.name, one.total_bytes or cpu.total_bytes, f"cuda:{one.place}", one.capability)
        for one in nvidia.devices
    )
    if not (on_bus or gpus):
        return Inventory(cpu, cuda_may_work=nvidia.cuda_may_work)
    return Inventory(cpu, gpus, nvidia.trouble, nvidia.hint, nvidia.cuda_may_work)


def list_devices() -> Inventory:
    """The inventory of this machine, now."""
    return take_inventory(HostProbe(), list_nvidia(), on_bus=nvidia_on_bus())


def nvidia_on_bus(sys: str = "/sys") -> bool:
    """True where a display controller (every NVIDIA GPU is one) sits on the PCI bus."""
    for folder in glob.iglob(os.path.join(glob.escape(sys), "bus/pci/devices/*")):
        if _line(folder, "vendor") == NVIDIA_VENDOR and _line(folder, "class").startswith(DISPLAY_CLASS):
            return True
    return False


def choose_devices(wanted: str | Sequence[str], inventory: Inventory, *, wait: bool) -> tuple[Device, ...]:
    """The devices that `devices:` means: "auto", "cpu", or names.

    "auto" is every NVIDIA device, and the CPU only where there is none, not even a broken one: a GPU box never turns
    quietly into a CPU box. (Where NVIDIA's library is not installed either, the hardware is not meant for this.)
    Of a list, those that are there (see `missing_devices`).
    Raises TwofoldError(NO_DEVICE) where that is none, retryable where `wait` (on_no_device: wait).
    """
    if wanted == "auto":
        if inventory.nvidia:
            return inventory.nvidia
        if inventory.trouble:
            raise TwofoldError(Code.NO_DEVICE, inventory.trouble, inventory.hint, retryable=wait)
        return (inventory.cpu,)
    known = _by_name(inventory)
    chosen = tuple(dict.fromkeys(known[name] for name in _names(wanted) if name in known))
    if not chosen:
        raise TwofoldError(Code.NO_DEVICE, missing_devices(wanted, inventory), inventory.hint, retryable=wait)
    return chosen


def missing_devices(wanted: str | Sequence[str], inventory: Inventory) -> str:
    """Which of the devices that `devices:` means cannot be used, and why; empty where all can."""
    if wanted == "auto":
        return inventory.trouble
    missing = [name for name in _names(wanted) if name not in _by_name(inventory)]
    if not missing:
        return ""
    return f"There is no device {', '.join(missing)}. {inventory.trouble}".rstrip()


def _names(wanted: str | Sequence[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))


def _by_name(inventory: Inventory) -> dict[str, Device]:
    return {name: one for one in (inventory.cpu, *inventory.nvidia) for name in (one.id, one.alias)}


def memory_probe(device: Device, *, lasting: bool = False) -> MemoryProbe:
    """The probe for the device's memory; `lasting` keeps its session with the driver: for a worker.

    Of a device that only CUDA knows, no other process may ask: it is taken for empty.
    """
    if device.id.startswith("cuda:") and not lasting:
        return Unasked(device.total_bytes)
    return HostProbe() if device.kind == "cpu" else NvidiaProbe(device.id, HostProbe(), lasting=lasting)


def neighbour_probe(device: Device) -> NeighbourProbe:
    """Who else is on the device: on a processor every program, and by name only."""
    return HostPrograms() if device.kind == "cpu" else NvidiaNeighbours(device.id)


@dataclass(frozen=True, slots=True)
class Unasked:
    """See core.protocols.MemoryProbe."""

    total_bytes: int

    def read(self) -> MemoryReading:
        return MemoryReading(self.total_bytes, self.total_bytes)


def _line(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _processor_name(proc: str) -> str:
    try:
        with open(os.path.join(proc, "cpuinfo"), encoding="utf-8", errors="replace") as file:
            lines = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        lines = []
    return lines[0] if lines else platform.machine()
